//! The same manifests in a cluster and with `local`: the same is requested, published and said.

use std::process::Stdio;

use testkit::provider::{Behaviour, Fault};

use super::harness::{
    CLIENT_ID, CLIENT_SECRET, PROGRAM, Stage, Start, credentials, living, resource,
};

/// A scenario: its name, what its provider does, what its spec has besides, and the reason that is told if it fails.
type Scenario = (&'static str, Behaviour, &'static str, Option<&'static str>);

fn answering(status: u16, body: &str) -> Behaviour {
    living(3600.0).with_fault(Fault::Answer {
        status,
        content_type: "application/json".to_owned(),
        body: body.to_owned(),
        headers: Vec::new(),
    })
}

fn scenarios() -> Vec<Scenario> {
    let without_lifetime = {
        let mut behaviour = living(3600.0);
        behaviour.shape.times = Vec::new();
        behaviour
    };
    vec![
        ("plain", living(3600.0), "", None),
        ("short", living(120.0), "", None),
        ("assumed", without_lifetime, "", None),
        (
            "wechat",
            answering(200, r#"{"errcode":40001,"errmsg":"x"}"#),
            "  response: {errors: [{pointer: /errcode, values: [\"40001\"], means: InvalidScope}]}",
            Some("InvalidScope"),
        ),
        (
            "own-code",
            answering(400, r#"{"status":"NOT_TODAY","message":"x"}"#),
            "",
            Some("RequestRefused"),
        ),
        (
            "consent",
            answering(400, r#"{"error":"consent_required"}"#),
            "",
            Some("ConsentRequired"),
        ),
        (
            "html",
            living(3600.0).with_fault(Fault::Html),
            "",
            Some("UnusableResponse"),
        ),
        ("teapot", answering(405, ""), "", Some("NotFound")),
    ]
}

/// Runs `local` over one manifest to its end: its exit code, what it printed, and the keys of the token Secret.
async fn run_local(name: &str, manifest: &str) -> (i32, String, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let (manifests, output) = (folder.path().join("m"), folder.path().join("o"));
    std::fs::create_dir(&manifests).unwrap();
    std::fs::write(manifests.join("all.yaml"), manifest).unwrap();
    let ran = tokio::process::Command::new(PROGRAM)
        .args(["local", "--once", "--allow-loopback", "-f"])
        .arg(&manifests)
        .arg("--output")
        .arg(&output)
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let text =
        String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    let token = output.join(format!("default/{name}-token"));
    let mut keys: Vec<String> = std::fs::read_dir(token)
        .map(|found| {
            found
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .filter(|key| !key.starts_with(".."))
                .collect()
        })
        .unwrap_or_default();
    keys.sort();
    assert!(!text.contains(CLIENT_SECRET), "{name}: {text}");
    (ran.status.code().unwrap(), text, keys)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_manifest_does_the_same_in_a_cluster_and_in_local() {
    let stage = Stage::new(3600.0).await;
    let _operator = stage.operator(Start::default()).await;
    let path = |name: &str| format!("/parity/{name}");
    let scenarios = scenarios();
    let own_client = |name: &str| credentials(&format!("client-{name}"), CLIENT_ID, CLIENT_SECRET);
    let manifest = |name: &str, more: &str| {
        resource(name, &stage.provider.url(&path(name)), more)
            .replace("secretName: client", &format!("secretName: client-{name}"))
    };
    for (name, behaviour, more, _) in &scenarios {
        stage.provider.set(&path(name), behaviour.clone());
        stage.apply(&own_client(name)).await;
        stage.apply(&manifest(name, more)).await;
    }
    for (name, behaviour, more, reason) in &scenarios {
        let told = match reason {
            None => {
                stage.wait_ready(name).await;
                stage.condition(name, "Ready").await.unwrap().message
            }
            Some(reason) => stage.wait_for(name, "RefreshFailing", "True", reason).await,
        };
        let in_cluster = stage.secret(&format!("{name}-token")).await;
        let mut published: Vec<String> = in_cluster
            .into_iter()
            .flatten()
            .map(|(key, _)| key)
            .collect();
        published.sort();
        let first = stage.provider.requests_to(&path(name)).remove(0);

        // The same provider, as it was before anything was requested.
        let local = format!("{}-local", path(name));
        stage.provider.set(&local, behaviour.clone());
        let text = format!(
            "{}---\n{}---\n{}",
            stage.ca_manifest(),
            own_client(name),
            manifest(name, more).replace(&path(name), &local)
        );
        let (code, said, keys) = run_local(name, &text).await;
        assert_eq!(code == 0, reason.is_none(), "{name}: {said}");
        assert_eq!(keys, published, "{name}: {said}");
        let requests = stage.provider.requests_to(&local);
        let forms = |request: &testkit::provider::RecordedRequest| request.form_value("grant_type");
        assert_eq!(requests.len(), 1, "{name}: {said}");
        assert_eq!(forms(&requests[0]), forms(&first), "{name}");
        match reason {
            Some(reason) => {
                assert!(said.contains(reason), "{name}: {said}");
                let sentence = told.split(". ").next().unwrap();
                assert!(said.contains(sentence), "{name}: {sentence}\n{said}");
            }
            None => {
                // All that the condition says besides the times.
                let remarks = told.split_once(". ").map_or("", |(_, remarks)| remarks);
                assert_eq!(remarks.is_empty(), *name == "plain", "{name}: {told}");
                assert!(said.contains(remarks), "{name}: {remarks}\n{said}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_uses_the_token_of_another_resource_as_credentials_waits_for_it_in_the_same_words() {
    let stage = Stage::new(3600.0).await;
    let _operator = stage.operator(Start::default()).await;
    let (first, second) = ("/parity/first", "/parity/second");
    stage.provider.set(first, answering(503, ""));
    let lent = "first-token, labels: {oauthclient.dev/credentials: \"true\"}, annotations: {oauthclient.dev/allowed-hosts: 127.0.0.1}";
    let publishes = resource("first", &stage.provider.url(first), "").replace("first-token", lent);
    let more = "  clientAuthentication: {method: none}\n  request: {headers: [{name: x-token, credentialsKey: access_token}]}\n";
    let uses = resource("second", &stage.provider.url(second), more)
        .replace("secretName: client", "secretName: first-token");
    let text = format!("{uses}---\n{publishes}");
    stage.apply(&text).await;
    let told = stage
        .wait_for("second", "Reconciling", "True", "ReferenceNotReady")
        .await;
    let sentence = told.split(". ").next().unwrap();
    assert!(sentence.starts_with("OAuthClient first, "), "{told}");
    let all = format!(
        "{}---\n{}---\n{text}",
        stage.ca_manifest(),
        credentials("client", CLIENT_ID, CLIENT_SECRET)
    );
    let (code, said, _) = run_local("second", &all).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains(sentence), "{sentence}\n{said}");
    assert!(!said.contains("There is no Secret"), "{said}");
    assert_eq!(stage.provider.count(second), 0);
}
