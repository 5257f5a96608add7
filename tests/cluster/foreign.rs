//! Secrets that belong to others, wholly or in part: never changed unless they were handed over.

use testkit::fault_proxy::{Answer, Fault};

use super::api_server::{ends_well, secret_writes};
use super::harness::{SOON, Stage, Start};

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_made_by_someone_else_while_the_token_was_asked_for_is_left_alone() {
    let stage = Stage::new(3600.0).await;
    let proxy = stage.proxy().await;
    let rule = proxy.add(secret_writes(Fault::HoldRequest).once());
    let operator = stage.operator_behind(&proxy).await;
    stage.resource("main", "").await;
    proxy.wait_for_hits(rule, 1, SOON).await.unwrap();
    stage
        .kubectl(&[
            "create",
            "secret",
            "generic",
            "main-token",
            "--from-literal=theirs=kept",
        ])
        .await;
    let theirs = stage.object("secret", "main-token").await;
    proxy.release(rule);
    let message = stage
        .wait_for("main", "Stalled", "True", "SecretNotOwned")
        .await;
    assert!(message.contains("main-token"), "{message}");
    stage.stays_at(1).await;
    assert_eq!(stage.object("secret", "main-token").await, theirs);
    stage.nothing_leaked(&operator).await;

    // Once it is gone, and the resource is looked at again, all is well.
    stage.kubectl(&["delete", "secret", "main-token"]).await;
    stage.resource("main", "  suspend: true").await;
    stage.resource("main", "  suspend: false").await;
    stage.wait_ready("main").await;
    ends_well(&stage, &operator, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_already_exists_because_our_own_answer_was_lost_is_ours() {
    let stage = Stage::new(3600.0).await;
    let proxy = stage.proxy().await;
    let rule = proxy.add(secret_writes(Fault::AnswerAfter(Answer::already_exists())).once());
    let operator = stage.operator_behind(&proxy).await;
    stage.resource("main", "").await;
    proxy.wait_for_hits(rule, 1, SOON).await.unwrap();
    stage.wait_ready("main").await;
    ends_well(&stage, &operator, 1).await;
    assert_eq!(stage.writes(&operator).await.0, 1, "writes of the Secret");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_of_someone_else_is_never_touched_until_they_hand_it_over() {
    let stage = Stage::new(3600.0).await;
    let operator = stage.operator(Start::default()).await;
    stage
        .kubectl(&[
            "create",
            "secret",
            "generic",
            "main-token",
            "--from-literal=theirs=kept",
        ])
        .await;
    let theirs = stage.object("secret", "main-token").await;
    stage.resource("main", "").await;
    let message = stage
        .wait_for("main", "Stalled", "True", "SecretNotOwned")
        .await;
    assert!(message.contains("oauthclient.dev/adopt=main"), "{message}");
    stage.stays_at(0).await;
    assert_eq!(stage.object("secret", "main-token").await, theirs);
    assert_eq!(stage.events("main").await, ["Warning SecretNotOwned"]);

    // The command in the message; then an edit, to skip the wait of a minute.
    stage
        .kubectl(&[
            "annotate",
            "secret",
            "main-token",
            "--overwrite",
            "oauthclient.dev/adopt=main",
        ])
        .await;
    stage.resource("main", "  suspend: true").await;
    stage.resource("main", "  suspend: false").await;
    stage.wait_ready("main").await;
    stage.exactly(1).await;
    assert_eq!(stage.secret("main-token").await.unwrap()["theirs"], "kept");
    stage.nothing_leaked(&operator).await;
    stage.kubectl(&["delete", "oauthclient", "main"]).await;
    stage
        .until("it dies with the resource", || async {
            stage.secret("main-token").await.is_none()
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_made_immutable_stays_and_is_made_anew_when_deleted() {
    let stage = Stage::new(3600.0).await;
    let operator = stage.operator(Start::default()).await;
    stage.resource("main", "").await;
    let token = stage.wait_ready("main").await;
    stage
        .kubectl(&[
            "patch",
            "secret",
            "main-token",
            "-p",
            r#"{"immutable":true}"#,
        ])
        .await;
    stage.request_refresh("main").await;
    let message = stage
        .wait_for("main", "Stalled", "True", "SecretImmutable")
        .await;
    assert!(
        message.contains("kubectl delete secret main-token"),
        "{message}"
    );
    stage.stays_at(1).await;
    assert_eq!(
        stage.condition("main", "Ready").await.unwrap().status,
        "True"
    );
    assert_eq!(stage.valid_token("main-token").await, Some(token));
    stage.kubectl(&["delete", "secret", "main-token"]).await;
    stage
        .until("a new token", || async { stage.requests() >= 2 })
        .await;
    stage.wait_for("main", "Stalled", "False", "").await;
    ends_well(&stage, &operator, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_another_type_in_our_name_is_told_of() {
    let stage = Stage::new(3600.0).await;
    let operator = stage.operator(Start::default()).await;
    stage.resource("main", "").await;
    stage.wait_ready("main").await;
    let uid = stage
        .kubectl(&[
            "get",
            "oauthclient",
            "main",
            "-o",
            "jsonpath={.metadata.uid}",
        ])
        .await;
    stage
        .kubectl(&["delete", "oauthclient", "main", "--cascade=orphan"])
        .await;
    stage.kubectl(&["delete", "secret", "main-token"]).await;
    drop(uid);
    // Made before the operator can: under another name first, so that the owner is known.
    stage.resource("main", "  suspend: true").await;
    let uid = stage
        .kubectl(&[
            "get",
            "oauthclient",
            "main",
            "-o",
            "jsonpath={.metadata.uid}",
        ])
        .await;
    let other = format!(
        "apiVersion: v1
kind: Secret
type: example.com/other
metadata:
  name: main-token
  ownerReferences: [{{apiVersion: oauthclient.dev/v1alpha1, kind: OAuthClient, name: main, uid: {uid}, controller: true}}]
"
    );
    stage.apply(&other).await;
    stage.resource("main", "  suspend: false").await;
    let message = stage
        .wait_for("main", "Stalled", "True", "SecretTypeMismatch")
        .await;
    assert!(message.contains("example.com/other"), "{message}");
    stage.stays_at(1).await;
    stage.kubectl(&["delete", "secret", "main-token"]).await;
    stage.resource("main", "  suspend: true").await;
    stage.resource("main", "  suspend: false").await;
    stage.wait_ready("main").await;
    ends_well(&stage, &operator, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_user_changes_in_the_token_secret_is_restored_and_what_is_theirs_is_kept() {
    let stage = Stage::new(3600.0).await;
    let operator = stage.operator(Start::default()).await;
    stage.resource("main", "").await;
    stage.wait_ready("main").await;
    let patch = r#"{"metadata":{"labels":{"team":"a"},"annotations":{"note":"b"}},"stringData":{"theirs":"kept"}}"#;
    stage
        .kubectl(&["patch", "secret", "main-token", "-p", patch])
        .await;
    stage.stays_at(1).await;
    // One of our keys is removed, then our label: the watch then reports the Secret as deleted, although it exists.
    stage
        .kubectl(&[
            "patch",
            "secret",
            "main-token",
            "-p",
            r#"{"data":{"expires_at":null}}"#,
        ])
        .await;
    stage
        .until("the key is back", || async {
            stage
                .secret("main-token")
                .await
                .unwrap()
                .contains_key("expires_at")
        })
        .await;
    stage.exactly(2).await;
    stage
        .kubectl(&["label", "secret", "main-token", "oauthclient.dev/token-"])
        .await;
    stage
        .until("the label is back", || async {
            let secret = stage.object("secret", "main-token").await.unwrap();
            secret
                .pointer("/metadata/labels/oauthclient.dev~1token")
                .is_some()
        })
        .await;
    stage.exactly(2).await;
    let secret = stage.object("secret", "main-token").await.unwrap();
    assert_eq!(secret.pointer("/metadata/labels/team").unwrap(), "a");
    assert_eq!(secret.pointer("/metadata/annotations/note").unwrap(), "b");
    assert_eq!(stage.secret("main-token").await.unwrap()["theirs"], "kept");
    assert!(
        stage
            .events("main")
            .await
            .contains(&"Normal Restored".to_owned())
    );
    stage
        .kubectl(&[
            "patch",
            "secret",
            "main-token",
            "-p",
            r#"{"data":{"theirs":null}}"#,
        ])
        .await;
    ends_well(&stage, &operator, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_keeps_being_altered_is_repaired_less_and_less_often() {
    let stage = Stage::new(3600.0).await;
    let operator = stage.operator(Start::default()).await;
    stage.resource("main", "").await;
    stage.wait_ready("main").await;
    let alter = r#"{"data":{"access_token":"eA=="}}"#;
    for repairs in 1..=2 {
        stage
            .kubectl(&["patch", "secret", "main-token", "-p", alter])
            .await;
        stage
            .until("it is restored", || async {
                stage.valid_token("main-token").await.is_some()
            })
            .await;
        assert_eq!(stage.requests(), 1 + repairs);
    }
    stage
        .kubectl(&["patch", "secret", "main-token", "-p", alter])
        .await;
    let message = stage.wait_for("main", "Stalled", "True", "Contested").await;
    assert!(message.contains("managedFields"), "who does it: {message}");
    stage.quiet(3, 8).await;
    stage.nothing_leaked(&operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_resources_that_name_one_secret_one_holds_it_and_the_other_says_who() {
    let stage = Stage::new(3600.0).await;
    let operator = stage.operator(Start::default()).await;
    let second = |name: &str| stage.manifest("other", "").replace("other-token", name);
    let both = format!(
        "{}---\n{}",
        stage.manifest("main", ""),
        second("main-token")
    );
    stage.apply(&both).await;
    let stalled = |name: &'static str| {
        let stage = &stage;
        async move {
            stage
                .condition(name, "Stalled")
                .await
                .is_some_and(|stalled| stalled.status == "True")
        }
    };
    stage
        .until("one is stalled", || async {
            stalled("main").await || stalled("other").await
        })
        .await;
    let (holder, loser) = if stalled("main").await {
        ("other", "main")
    } else {
        ("main", "other")
    };
    let message = stage
        .wait_for(loser, "Stalled", "True", "SecretContested")
        .await;
    assert!(
        message.contains(&format!("OAuthClient {holder}")),
        "{message}"
    );
    stage.wait_for(holder, "Ready", "True", "").await;
    stage.exactly(1).await;
    stage.nothing_leaked(&operator).await;

    // Another name, and all is well.
    let moved = if loser == "other" {
        second("other-token")
    } else {
        stage
            .manifest("main", "")
            .replace("main-token", "other-token")
    };
    stage.apply(&moved).await;
    stage.wait_for(loser, "Ready", "True", "").await;
    stage.exactly(2).await;
    assert_eq!(stage.writes(&operator).await.0, 2);
}
