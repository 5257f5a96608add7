//! What is wrong, and what resolves it: the doctor, credentials checked and rotated, and the report.

use serde_json::Value;
use testkit::provider::{Account, Fault};
use testkit::wait;

use super::code::{PATH, SECRET, Stage, shows_nothing};
use super::rig::{Ended, SOON};

/// The findings that a command printed as JSON.
fn findings(ended: &Ended) -> Vec<Value> {
    shows_nothing(ended);
    serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

#[track_caller]
fn finds(all: &[Value], level: &str, area: &str, words: &str) {
    let found = all.iter().any(|one| {
        one["level"] == level
            && one["area"] == area
            && one["text"].as_str().unwrap().contains(words)
    });
    assert!(found, "{level} {area} {words}: {all:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_finds_what_is_wrong_and_says_what_mends_it() {
    let stage = Stage::new().await;
    let rig = &stage.rig;
    // The operator of the test is a process and no pod: the Deployment has none that is ready.
    let operator = rig.operator().await;
    rig.kubectl(&["wait", "--for=condition=Ready", "oac/api", "--timeout=100s"])
        .await;
    let ended = rig.run(&["doctor", "-o", "json"]).await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let all = findings(&ended);
    finds(&all, "ok", "Kubernetes", "at https://127.0.0.1:");
    finds(&all, "ok", "Definition", "v1alpha1, that of");
    finds(&all, "fail", "Operator", "has no pod that is ready");
    finds(&all, "ok", "Clock", "agrees with the API server's");
    finds(&all, "ok", "Permissions", "has every right that it needs");
    finds(&all, "ok", "Your rights", "You may create");
    finds(&all, "ok", "Token host", "answers the operator (1 of 1");
    finds(&all, "ok", "OAuthClients", "1 of 1 have a token");
    finds(
        &all,
        "ok",
        "Credentials",
        "may be sent to 127.0.0.1; used by api",
    );

    stage.provider.set_fault(PATH, Some(Fault::Reset));
    rig.run(&["refresh", "api", "--wait"]).await.badly_with(3);
    rig.kubectl(&["label", "secret", "client", "oauthclient.dev/credentials-"])
        .await;
    let ended = rig.run(&["doctor", "-o", "json"]).await;
    let all = findings(&ended);
    finds(&all, "fail", "Opt-in", "lacks the label");
    let label = all.iter().find(|one| one["area"] == "Opt-in").unwrap();
    let wanted = format!(
        "kubectl label secret client -n {} oauthclient.dev/credentials=true",
        rig.namespace
    );
    assert_eq!(label["fix"], wanted);
    let text = rig.run(&["doctor"]).await;
    assert!(
        text.out.contains("to fix it: ") && text.out.contains(" failed"),
        "{text:?}"
    );

    // A user with almost no rights learns what is unknown, and nothing fails for that.
    let nobody = rig
        .plane
        .service_account(&rig.namespace, "default")
        .await
        .unwrap();
    let file = rig.home.path().join("nobody");
    nobody.write(&file).unwrap();
    let ended = rig
        .run(&[
            "doctor",
            "-o",
            "json",
            "--kubeconfig",
            file.to_str().unwrap(),
        ])
        .await;
    let all = findings(&ended);
    finds(&all, "warn", "Operator", "is unknown");
    finds(&all, "warn", "OAuthClients", "is unknown");
    finds(&all, "warn", "Your rights", "You may not");
    drop(operator);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_listed_checked_and_rotated_without_being_shown() {
    let stage = Stage::new().await;
    let rig = &stage.rig;
    let list = rig.run(&["credentials", "list"]).await;
    shows_nothing(&list);
    let list = list.well();
    assert!(list.contains("127.0.0.1") && list.contains("api"), "{list}");
    let ended = rig.run(&["credentials", "check"]).await;
    shows_nothing(&ended);
    ended.well();

    let operator = rig.operator().await;
    rig.kubectl(&["wait", "--for=condition=Ready", "oac/api", "--timeout=100s"])
        .await;
    let next = "canary-client-secret-next";
    let namespace = rig.namespace.as_str();
    let rotate = [
        "credentials",
        "rotate",
        "client",
        "-n",
        namespace,
        "--secret-from-stdin",
        "--expires-at",
        "2099-01-31",
    ];
    let ended = rig.start_as_is(&rotate, Some(next)).ended().await;
    assert!(!ended.out.contains(next), "{ended:?}");
    assert!(
        ended.well().contains("credentials rotate client"),
        "it says how to finish"
    );
    let data = rig.secret("client").await.unwrap();
    assert_eq!(
        (&*data["client_secret"], &*data["next_client_secret"]),
        (SECRET, next)
    );
    let object = rig.object("secret", "client").await.unwrap();
    assert_eq!(
        object["metadata"]["annotations"]["oauthclient.dev/client-secret-expires-at"],
        "2099-01-31"
    );

    // The provider takes the new one only: the operator finds that out, and the token never goes away.
    stage.provider.update(PATH, |behaviour| {
        behaviour.accepts.clients = vec![Account {
            id: "app".to_owned(),
            secret: next.to_owned(),
            ..Account::default()
        }];
    });
    rig.run(&["refresh", "api"]).await.well();
    let met = wait::until("the next secret to be used", SOON, || async {
        let object = rig.object("oac", "api").await.unwrap();
        match object["status"]["clientSecretKey"] == "next_client_secret" {
            true => Ok(()),
            false => Err(testkit::Error::new(object["status"].to_string())),
        }
    });
    met.await.unwrap();
    rig.run(&["credentials", "rotate", "client", "--finish"])
        .await
        .well();
    let data = rig.secret("client").await.unwrap();
    assert_eq!(
        data.keys().collect::<Vec<_>>(),
        ["client_id", "client_secret"]
    );
    assert_eq!(data["client_secret"], next);
    rig.run(&["credentials", "rotate", "client", "--finish"])
        .await
        .badly(1, "nothing to finish");
    rig.run(&["credentials", "rotate", "provider-ca", "--finish"])
        .await
        .badly(1, "there is no Secret");

    rig.kubectl(&[
        "annotate",
        "secret",
        "client",
        "--overwrite",
        "oauthclient.dev/allowed-hosts=other.example.com",
    ])
    .await;
    let ended = rig
        .run(&["credentials", "check", "client", "-o", "json"])
        .await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    finds(
        &findings(&ended),
        "fail",
        "Hosts",
        "may not be sent to 127.0.0.1",
    );
    drop(operator);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_holds_what_helps_and_no_value_of_any_secret() {
    let stage = Stage::new().await;
    let rig = &stage.rig;
    let secret =
        r#"{"spec": {"parameters": [{"name": "api_key", "value": "canary-token-parameter"}]}}"#;
    rig.kubectl(&["patch", "oac", "api", "--type=merge", "-p", secret])
        .await;
    let operator = rig.operator().await;
    rig.kubectl(&["wait", "--for=condition=Ready", "oac/api", "--timeout=100s"])
        .await;
    let file = rig.home.path().join("report.yaml");
    let path = file.to_str().unwrap();
    rig.run(&["report", "-f", path]).await.well();
    let text = std::fs::read_to_string(&file).unwrap();
    let leak = testkit::leaks::find(&text, &[SECRET, "canary-token"]);
    assert!(leak.is_none(), "{leak:?}");
    let report: Value = serde_saphyr::from_str(&text).unwrap();
    let one = &report["oauthClients"]["shown"][0];
    assert_eq!(one["name"], "api");
    assert_eq!(
        one["credentials"]["client"]["keys"],
        serde_json::json!(["client_id", "client_secret"])
    );
    assert_eq!(one["spec"]["parameters"][0]["value"], "(22 characters)");
    assert!(report["checks"].as_array().unwrap().len() > 5);
    rig.run(&["report", "-f", path])
        .await
        .badly(1, "cannot be written");

    let hidden = rig.run(&["report", "--anonymous", "-f", "-"]).await.well();
    assert!(
        !hidden.contains(&rig.namespace) && !hidden.contains("api-token"),
        "{hidden}"
    );
    assert!(
        hidden.contains("namespace-1") && hidden.contains("oauthclient-1"),
        "{hidden}"
    );
    drop(operator);
}
