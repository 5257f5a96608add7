//! Status in all its forms, tokens in use, suspending and resuming, explaining, completing, versions.

use serde_json::Value;
use testkit::provider::Fault;
use testkit::wait;

use super::code::{PATH, Stage, shows_nothing};
use super::rig::SOON;

#[tokio::test(flavor = "multi_thread")]
async fn a_first_request_in_flight_is_told_before_its_answer_comes() {
    let stage = Stage::new().await;
    let rig = &stage.rig;
    let patience = r#"{"spec": {"provider": {"timeoutSeconds": 60}}}"#;
    rig.kubectl(&["patch", "oac", "api", "--type=merge", "-p", patience])
        .await;
    stage.provider.set_fault(PATH, Some(Fault::Hang));
    let operator = rig.operator().await;
    let met = wait::until("the request in flight", SOON, || async {
        let object = rig.object("oac", "api").await.unwrap();
        let conditions = object["status"]["conditions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let ready = conditions.iter().find(|one| one["type"] == "Ready");
        match ready {
            Some(ready) if ready["reason"] == "Requesting" => Ok(()),
            other => Err(testkit::Error::new(format!("{other:?}"))),
        }
    });
    met.await.unwrap();
    let ended = rig.run(&["status", "api"]).await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.out.contains("not ready (Requesting)"), "{ended:?}");
    drop(operator);
}

#[tokio::test(flavor = "multi_thread")]
async fn status_comes_in_every_form_and_is_watched() {
    let stage = Stage::new().await;
    let rig = &stage.rig;
    rig.kubectl(&["label", "oac", "api", "team=shop"]).await;
    let watching = rig.start(&["status", "--watch", "-o", "json"]);
    let operator = rig.operator().await;
    rig.kubectl(&["wait", "--for=condition=Ready", "oac/api", "--timeout=100s"])
        .await;
    let namespace = rig.namespace.as_str();
    let one = "\"ready\":true";
    watching.prints(one).await;
    watching.interrupt();
    let watched = watching.ended().await;
    shows_nothing(&watched);
    for line in watched.out.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["namespace"], namespace);
    }

    let names = rig
        .run(&["status", "-o", "name", "-l", "team=shop"])
        .await
        .well();
    assert_eq!(names.trim(), "oauthclient.oauthclient.dev/api");
    let none = rig.run(&["status", "-l", "team=other"]).await.well();
    assert!(
        none.contains("There is no OAuthClient with team=other"),
        "{none}"
    );
    let yaml = rig.run(&["status", "-o", "yaml"]).await.well();
    let yaml: Value = serde_saphyr::from_str(&yaml).unwrap();
    assert_eq!(yaml[0]["tokenSecret"], "api-token");
    let plain = rig.run(&["status"]).await.well();
    assert!(!plain.contains('\x1b'), "no colours in a pipe: {plain:?}");
    let coloured = rig.run(&["status", "--color=always"]).await.well();
    assert!(coloured.contains('\x1b'), "{coloured:?}");
    let everywhere = rig.start_as_is(&["status", "-A"], None).ended().await;
    assert!(
        everywhere
            .out
            .lines()
            .next()
            .unwrap()
            .starts_with("NAMESPACE"),
        "{everywhere:?}"
    );
    drop(operator);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_used_without_being_shown_unless_that_is_asked_for() {
    let stage = Stage::new().await;
    let rig = &stage.rig;
    rig.run(&["token", "api"])
        .await
        .badly(2, "required arguments");
    rig.run(&["token", "api", "--show"])
        .await
        .badly(1, "has no token yet");
    let operator = rig.operator().await;
    rig.kubectl(&["wait", "--for=condition=Ready", "oac/api", "--timeout=100s"])
        .await;
    let token = rig.secret("api-token").await.unwrap()["access_token"].clone();
    let shown = rig.run(&["token", "api", "--show"]).await.well();
    assert_eq!(shown, token, "the token alone");

    let file = rig.home.path().join("token");
    let ended = rig
        .run(&["token", "api", "--output-file", file.to_str().unwrap()])
        .await;
    shows_nothing(&ended);
    ended.well();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), token);
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );

    let args = [
        "token",
        "api",
        "-n",
        &rig.namespace,
        "--env",
        "BEARER",
        "--",
        "/bin/sh",
        "-c",
        "printf %s \"${#BEARER}\"; exit 7",
    ];
    let ended = rig.start_as_is(&args, None).ended().await;
    shows_nothing(&ended);
    assert_eq!(
        ended.code,
        Some(7),
        "the command's own exit code: {ended:?}"
    );
    assert_eq!(ended.out.trim(), token.len().to_string());
    let args = [
        "token",
        "api",
        "-n",
        &rig.namespace,
        "--",
        "/no/such/program",
    ];
    rig.start_as_is(&args, None)
        .ended()
        .await
        .badly(127, "cannot be run");

    // A Secret of that name that is not this resource's own is not read.
    rig.apply("apiVersion: v1\nkind: Secret\nmetadata: {name: foreign}\nstringData: {access_token: canary-token-foreign}\n").await;
    let moved = r#"{"spec": {"suspend": true, "tokenSecret": {"name": "foreign"}}}"#;
    rig.kubectl(&["patch", "oac", "api", "--type=merge", "-p", moved])
        .await;
    let ended = rig.run(&["token", "api", "--show"]).await;
    shows_nothing(&ended);
    ended.badly(1, "does not belong to OAuthClient api");
    drop(operator);
}

#[tokio::test(flavor = "multi_thread")]
async fn resources_are_suspended_and_resumed_by_name_and_by_label() {
    let stage = Stage::new().await;
    let rig = &stage.rig;
    rig.kubectl(&["label", "oac", "api", "team=shop"]).await;
    let suspended = async || rig.object("oac", "api").await.unwrap()["spec"]["suspend"] == true;
    let out = rig.run(&["suspend", "api"]).await.well();
    assert!(
        out.contains("To resume: kubectl oauthclient resume api"),
        "{out}"
    );
    assert!(suspended().await);
    rig.run(&["refresh", "api"])
        .await
        .badly(1, "is suspended, so no token is requested");
    let out = rig.run(&["suspend", "-l", "team=shop"]).await.well();
    assert!(out.contains("was already suspended"), "{out}");
    rig.run(&["resume", "-l", "team=shop"]).await.well();
    assert!(!suspended().await);
    rig.run(&["suspend", "-l", "team=other"])
        .await
        .badly(1, "nothing was changed");
    rig.run(&["suspend"]).await.badly(2, "required arguments");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_completed_by_kubectl_and_by_shells() {
    let stage = Stage::new().await;
    let rig = &stage.rig;
    let folder = rig.home.path().join("bin");
    std::fs::create_dir(&folder).unwrap();
    std::os::unix::fs::symlink(
        super::rig::PLUGIN,
        folder.join("kubectl_complete-oauthclient"),
    )
    .unwrap();
    let completed = async |words: &[&str]| {
        let mut all = vec!["__complete", "oauthclient"];
        all.extend(words);
        rig.kubectl_with(&folder, &all).await
    };
    let found = completed(&["sta"]).await;
    assert!(
        found.lines().any(|line| line.starts_with("status\t")),
        "{found}"
    );
    let found = completed(&["status", "-n", &rig.namespace, ""]).await;
    assert!(found.lines().any(|line| line == "api"), "{found}");
    let found = completed(&["explain", "InvalidC"]).await;
    assert!(found.lines().any(|line| line == "InvalidClient"), "{found}");
    for shell in ["bash", "zsh", "fish", "kubectl"] {
        let script = rig
            .start_as_is(&["completion", shell], None)
            .ended()
            .await
            .well();
        assert!(script.contains("kubectl-oauthclient"), "{shell}: {script}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_told_as_far_as_they_can_be_seen() {
    let stage = Stage::new().await;
    let rig = &stage.rig;
    let out = rig.run(&["version"]).await.well();
    let ours = env!("CARGO_PKG_VERSION");
    assert!(out.contains(&format!("v1alpha1, that of {ours}")), "{out}");
    assert!(
        out.contains("oauthclient-system/oauthclient-operator"),
        "{out}"
    );
    let json = rig.run(&["version", "--client", "-o", "json"]).await.well();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json, serde_json::json!({"plugin": ours}));
    let out = rig.run(&["explain", "invalidclient"]).await.well();
    assert!(out.contains("What to do:"), "{out}");
}
