//! The ordinary life of a resource.

use std::time::Duration;

use super::harness::{SOON, Stage, Start};

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_becomes_a_secret_whose_token_never_goes_stale() {
    let stage = Stage::new(12.0).await;
    let operator = stage.operator(Start::default()).await;
    stage.resource("main", "").await;
    let first = stage.wait_ready("main").await;
    // Three lifetimes: at every check the provider considers the token valid.
    let mut seen = std::collections::BTreeSet::from([first]);
    for _ in 0..60 {
        let token = stage.valid_token("main-token").await;
        seen.insert(token.expect("the mounted token is always valid"));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(seen.len() >= 3, "replaced {} times", seen.len() - 1);
    // One request and two writes for each token, counted between two refreshes, because one in progress is counted in
    // part.
    let writes = |kind: &'static str| {
        let operator = &operator;
        async move {
            operator
                .metric("oauthclient_api_writes_total", &[("kind", kind)])
                .await
                .unwrap()
        }
    };
    let mut counted = (0, 0.0, 0.0);
    for _ in 0..100 {
        let token = stage.valid_token("main-token").await;
        seen.insert(token.expect("the mounted token is always valid"));
        counted = (
            stage.requests(),
            writes("secret").await,
            writes("status").await,
        );
        let tokens = seen.len() as f64;
        if counted == (seen.len(), tokens, tokens) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let tokens = seen.len() as f64;
    assert_eq!(
        counted,
        (seen.len(), tokens, tokens),
        "requests, Secrets and statuses written; tokens"
    );
    assert!(
        stage.events("main").await.is_empty(),
        "a routine refresh is no news"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_is_noticed_at_once_and_what_does_not_matter_asks_for_nothing() {
    let stage = Stage::new(3600.0).await;
    let operator = stage.operator(Start::default()).await;
    stage.resource("main", "").await;
    let first = stage.wait_ready("main").await;
    assert_eq!(stage.requests(), 1);

    // Labels, annotations, a resync: nothing is asked.
    stage
        .kubectl(&["label", "secret", "client", "team=a"])
        .await;
    stage
        .kubectl(&["label", "oauthclient", "main", "team=a"])
        .await;
    stage
        .kubectl(&["label", "secret", "main-token", "team=a"])
        .await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(stage.requests(), 1, "labels ask for nothing");

    // The refresh settings: the time moves, and nothing is asked. The token lives for an hour.
    stage
        .resource("main", "  refresh: {beforeSeconds: 2400}")
        .await;
    stage
        .until("the new refresh time, in Secret and status", || async {
            let secret = stage.object("secret", "main-token").await.unwrap();
            let client = stage.object("oauthclient", "main").await.unwrap();
            let time = |pointer: &str, object: &serde_json::Value| -> Option<jiff::Timestamp> {
                object.pointer(pointer)?.as_str()?.parse().ok()
            };
            let annotation = |name: &str| {
                let pointer = format!("/metadata/annotations/oauthclient.dev~1{name}");
                time(&pointer, &secret)
            };
            let (Some(expires), Some(refresh), Some(shown)) = (
                annotation("expires-at"),
                annotation("refresh-at"),
                time("/status/token/refreshTime", &client),
            ) else {
                return false;
            };
            let lead = expires.duration_since(refresh).as_secs();
            lead >= 2399 && refresh.duration_since(shown).as_secs().abs() <= 1
        })
        .await;
    assert_eq!(stage.requests(), 1, "other settings ask for nothing");
    stage.resource("main", "").await;

    // The spec.
    stage.resource("main", "  scopes: [read]").await;
    stage
        .until("a token for the new spec", || async {
            stage.requests() == 2
        })
        .await;
    assert_eq!(
        stage
            .provider
            .requests()
            .last()
            .unwrap()
            .form_value("scope")
            .as_deref(),
        Some("read")
    );

    // A deleted and an altered Secret are restored; foreign labels stay.
    tokio::time::sleep(Duration::from_secs(2)).await;
    stage.kubectl(&["delete", "secret", "main-token"]).await;
    stage
        .until("the deleted Secret is restored", || async {
            stage.valid_token("main-token").await.is_some()
        })
        .await;
    assert_eq!(stage.requests(), 3);
    stage
        .kubectl(&["label", "secret", "main-token", "team=b"])
        .await;
    let patch = r#"{"data":{"access_token":"eA=="},"stringData":{"theirs":"kept"}}"#;
    stage
        .kubectl(&["patch", "secret", "main-token", "-p", patch])
        .await;
    stage
        .until("the altered Secret is restored", || async {
            stage
                .valid_token("main-token")
                .await
                .is_some_and(|token| token != first)
        })
        .await;
    assert_eq!(stage.requests(), 4);
    let secret = stage.object("secret", "main-token").await.unwrap();
    assert_eq!(secret.pointer("/metadata/labels/team").unwrap(), "b");
    assert_eq!(
        stage
            .secret("main-token")
            .await
            .unwrap()
            .get("theirs")
            .map(String::as_str),
        Some("kept")
    );

    // The annotation: any new value acts once.
    tokio::time::sleep(Duration::from_secs(2)).await;
    stage
        .kubectl(&[
            "annotate",
            "oauthclient",
            "main",
            "oauthclient.dev/refresh-requested-at=now",
        ])
        .await;
    stage
        .until("the requested refresh", || async { stage.requests() == 5 })
        .await;
    stage
        .until("it is echoed", || async {
            let object = stage.object("oauthclient", "main").await.unwrap();
            object
                .pointer("/status/lastRefreshRequest")
                .is_some_and(|echo| echo == "now")
        })
        .await;

    // Suspended: nothing is asked, the token stays.
    stage
        .resource("main", "  suspend: true\n  scopes: [write]")
        .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(stage.requests(), 5);
    stage
        .resource("main", "  suspend: false\n  scopes: [write]")
        .await;
    stage
        .until("resumed", || async { stage.requests() == 6 })
        .await;

    // A restart asks for nothing and writes nothing.
    stage.wait_ready("main").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let version = stage.object("secret", "main-token").await.unwrap();
    assert!(operator.terminate(SOON).await.unwrap().success());
    let operator = stage.operator(Start::default()).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(stage.requests(), 6, "a restart asks for nothing");
    assert_eq!(
        stage.object("secret", "main-token").await.unwrap(),
        version,
        "and writes nothing"
    );

    // Deleted: its Secret goes with it.
    stage.kubectl(&["delete", "oauthclient", "main"]).await;
    stage
        .until("the Secret is collected", || async {
            stage.secret("main-token").await.is_none()
        })
        .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(stage.requests(), 6);
    drop(operator);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_secret_that_loses_its_owner_is_taken_back_and_its_deletion_is_noticed() {
    let stage = Stage::new(3600.0).await;
    let _operator = stage.operator(Start::default()).await;
    stage.resource("main", "").await;
    let first = stage.wait_ready("main").await;
    let strip = r#"{"metadata":{"ownerReferences":null}}"#;
    let strip = ["patch", "secret", "main-token", "--type=merge", "-p", strip];
    stage.kubectl(&strip).await;
    stage
        .until("the owner is there again", || async {
            let secret = stage.object("secret", "main-token").await;
            secret.is_some_and(|secret| {
                secret.pointer("/metadata/ownerReferences/0/name") == Some(&"main".into())
            })
        })
        .await;
    assert_eq!(stage.valid_token("main-token").await, Some(first.clone()));
    assert_eq!(stage.requests(), 1, "a lost owner asks for nothing");

    // Gone before it could be taken back.
    stage.kubectl(&strip).await;
    stage.kubectl(&["delete", "secret", "main-token"]).await;
    stage
        .until("the deleted Secret is restored", || async {
            let token = stage.valid_token("main-token").await;
            token.is_some_and(|token| token != first)
        })
        .await;
    assert_eq!(stage.requests(), 2);
}
