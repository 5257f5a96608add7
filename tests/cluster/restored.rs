//! Secrets that a backup tool restored without their owner, or that `--cascade=orphan` left: taken back without a request and
//! without a message, refresh tokens included.

use serde_json::{Value, json};

use super::harness::{PATH, Stage, Start, credentials};
use super::refresh_tokens::{SPEC, quick, strict, with_token};

/// The Secrets of `main` and `other` as a backup tool writes them: no owner, no UID, no version.
async fn backup(stage: &Stage, names: &[&str]) -> Vec<Value> {
    let mut kept = Vec::new();
    for name in names {
        let mut secret = stage.object("secret", name).await.unwrap();
        let metadata = secret["metadata"].as_object_mut().unwrap();
        metadata.retain(|key, _| ["name", "labels", "annotations"].contains(&key.as_str()));
        kept.push(secret);
    }
    kept
}

async fn restore(stage: &Stage, secrets: &[Value]) {
    for secret in secrets {
        stage
            .plane
            .run_kubectl(
                &["create", "-n", &stage.namespace, "-f", "-"],
                &secret.to_string(),
            )
            .await
            .unwrap();
    }
}

async fn is_owned(stage: &Stage, secret: &str, resource: &str) -> bool {
    let uid = stage.object("oauthclient", resource).await.unwrap()["metadata"]["uid"].clone();
    let secret = stage.object("secret", secret).await.unwrap();
    let owners = secret["metadata"]["ownerReferences"].as_array().cloned();
    owners.is_some_and(|owners| owners.iter().any(|owner| owner["uid"] == uid))
}

/// A resource with a refresh token and one without, both ready.
async fn two(stage: &Stage) -> (String, String) {
    stage.seed().await;
    stage
        .apply(&credentials(
            "plain",
            super::harness::CLIENT_ID,
            super::harness::CLIENT_SECRET,
        ))
        .await;
    stage.resource("main", SPEC).await;
    stage.apply(&plain(stage)).await;
    (
        stage.wait_ready("main").await,
        stage.wait_ready("other").await,
    )
}

fn plain(stage: &Stage) -> String {
    stage
        .manifest("other", "")
        .replace("secretName: client", "secretName: plain")
}

const OURS: [&str; 3] = ["main-token", "main-refresh-state", "other-token"];

async fn all_is_as_before(stage: &Stage, before: &(String, String)) {
    for (secret, resource) in [
        ("main-token", "main"),
        ("main-refresh-state", "main"),
        ("other-token", "other"),
    ] {
        stage
            .until(&format!("{secret} is taken back"), || {
                is_owned(stage, secret, resource)
            })
            .await;
    }
    assert_eq!(stage.wait_ready("main").await, before.0);
    assert_eq!(stage.wait_ready("other").await, before.1);
    for name in ["main", "other"] {
        let events = stage.events(name).await;
        assert!(
            !events.iter().any(|event| event.contains("Warning")),
            "{events:?}"
        );
        let stalled = stage.condition(name, "Stalled").await;
        let is_stalled = stalled.is_some_and(|stalled| stalled.status == "True");
        assert!(!is_stalled, "{name} is stalled");
    }
    stage.stays_at(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restored_secrets_without_an_owner_are_taken_back_without_a_request_or_a_message() {
    let stage = Stage::with(strict(3600.0)).await;
    let operator = stage.operator(quick()).await;
    let before = two(&stage).await;
    let kept = backup(&stage, &OURS).await;
    let lent = backup(&stage, &["client", "plain"]).await;
    stage
        .kubectl(&["delete", "oauthclient", "main", "other"])
        .await;
    stage
        .kubectl(&["delete", "secret", "client", "plain"])
        .await;
    for name in OURS {
        stage
            .until(&format!("{name} is gone"), || async {
                stage.object("secret", name).await.is_none()
            })
            .await;
    }
    operator.kill();

    // Every object is another one, with another UID; the events are those of the new ones.
    stage.kubectl(&["delete", "events", "--all"]).await;
    restore(&stage, &kept).await;
    restore(&stage, &lent).await;
    let operator = stage.operator(quick()).await;
    stage.resource("main", SPEC).await;
    stage.apply(&plain(&stage)).await;
    all_is_as_before(&stage, &before).await;

    // The family goes on where it was, each refresh token sent once.
    stage.request_refresh("main").await;
    stage.exactly(3).await;
    let sent = stage.sent();
    let once: std::collections::BTreeSet<&String> = sent.iter().collect();
    assert_eq!(once.len(), sent.len(), "{sent:?}");
    stage.no_refresh_token_leaked(&operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orphaned_secrets_are_taken_back_when_the_resource_is_applied_again() {
    let stage = Stage::with(strict(3600.0)).await;
    let operator = stage.operator(quick()).await;
    let before = two(&stage).await;
    let orphan = ["delete", "oauthclient", "main", "other", "--cascade=orphan"];
    stage.kubectl(&orphan).await;
    for name in OURS {
        stage
            .until(&format!("{name} is orphaned"), || async {
                let secret = stage.object("secret", name).await.unwrap();
                secret["metadata"]["ownerReferences"].is_null()
            })
            .await;
    }
    stage.resource("main", SPEC).await;
    stage.apply(&plain(&stage)).await;
    all_is_as_before(&stage, &before).await;
    stage.no_refresh_token_leaked(&operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_written_for_this_very_resource_is_left_alone() {
    let stage = Stage::with(strict(3600.0)).await;
    let operator = stage.operator(quick()).await;
    two(&stage).await;
    let kept = backup(&stage, &["other-token", "main-refresh-state"]).await;
    let (token, state) = (&kept[0], &kept[1]);
    let renamed = |secret: &Value, name: &str| {
        let mut secret = secret.clone();
        secret["metadata"]["name"] = json!(name);
        secret
    };
    // Of another name, of another namespace, with another token than the one that was written, and without the label.
    let altered = |secret: &Value, name: &str| {
        let annotations = secret["metadata"]["annotations"]["oauthclient.dev/state"].clone();
        let mut state: Value = serde_json::from_str(annotations.as_str().unwrap()).unwrap();
        state["owner"]["name"] = json!(name);
        let mut secret = renamed(secret, &format!("{name}-token"));
        secret["metadata"]["annotations"]["oauthclient.dev/state"] = json!(state.to_string());
        secret
    };
    let of_another_name = renamed(token, "one-token");
    let mut of_another_namespace = altered(token, "two");
    let text = of_another_namespace["metadata"]["annotations"]["oauthclient.dev/state"].clone();
    let mut inner: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
    inner["owner"]["namespace"] = json!("elsewhere");
    of_another_namespace["metadata"]["annotations"]["oauthclient.dev/state"] =
        json!(inner.to_string());
    let mut with_another_token = altered(token, "three");
    with_another_token["data"]["access_token"] = json!("Zm9yZ2Vk");
    let mut without_the_label = altered(token, "four");
    without_the_label["metadata"]["labels"] = json!({});
    let all = [
        of_another_name,
        of_another_namespace,
        with_another_token,
        without_the_label,
        renamed(state, "five-refresh-state"),
    ];
    restore(&stage, &all).await;
    stage
        .apply(&with_token(
            "five",
            &stage.provider.issue_refresh_token(PATH, "x"),
        ))
        .await;
    let requests = stage.requests();
    for name in ["one", "two", "three", "four"] {
        let manifest = stage.manifest(name, "");
        let manifest = manifest.replace("secretName: client", "secretName: plain");
        stage.apply(&manifest).await;
    }
    let five = stage.manifest("five", SPEC);
    stage
        .apply(&five.replace("secretName: client", "secretName: five"))
        .await;
    for name in ["one", "two", "three", "four", "five"] {
        let message = stage
            .wait_for(name, "Stalled", "True", "SecretNotOwned")
            .await;
        assert!(
            message.contains(&format!("oauthclient.dev/adopt={name}")),
            "{message}"
        );
        if name == "five" {
            assert!(!message.to_lowercase().contains("delete"), "{message}");
        }
    }
    assert_eq!(stage.requests(), requests);
    for secret in &all {
        let name = secret["metadata"]["name"].as_str().unwrap();
        let there = stage.object("secret", name).await.unwrap();
        assert_eq!(there["data"], secret["data"], "{name}");
    }
    stage.nothing_leaked(&operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_state_is_handed_over_with_its_refresh_token() {
    let stage = Stage::with(strict(3600.0)).await;
    let _operator = stage.operator(Start::with(&["--drain-seconds=1"])).await;
    two(&stage).await;
    let mut kept = backup(&stage, &["main-refresh-state"]).await.remove(0);
    stage.kubectl(&["delete", "oauthclient", "main"]).await;
    stage
        .until("it is gone", || async {
            stage.object("secret", "main-refresh-state").await.is_none()
        })
        .await;
    kept["metadata"]["name"] = json!("later-refresh-state");
    kept["metadata"]["annotations"] = json!({"oauthclient.dev/adopt": "later"});
    restore(&stage, &[kept]).await;
    stage
        .apply(&credentials(
            "client",
            super::harness::CLIENT_ID,
            super::harness::CLIENT_SECRET,
        ))
        .await;
    stage.resource("later", SPEC).await;
    stage.wait_ready("later").await;
    assert!(is_owned(&stage, "later-refresh-state", "later").await);
    let state = stage.object("secret", "later-refresh-state").await.unwrap();
    let annotations = &state["metadata"]["annotations"];
    assert!(
        annotations["oauthclient.dev/adopt"].is_null(),
        "{annotations}"
    );
}
