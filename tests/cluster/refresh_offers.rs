//! Refresh tokens that are supplied while another is in use, and responses whose access token cannot be used.

use testkit::provider::{Fault, Place};

use super::harness::{PATH, Stage};
use super::refresh_tokens::{SPEC, quick, strict, with_token};

const WRONG: &str = "never-issued-by-anybody";

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_new_refresh_token_is_told_of_and_the_one_before_goes_on() {
    let stage = Stage::with(strict(3600.0)).await;
    stage.seed().await;
    let operator = stage.operator(quick()).await;
    stage.resource("main", SPEC).await;
    stage.wait_ready("main").await;
    stage.apply(&with_token("main-login", WRONG)).await;
    stage
        .until("the refusal is told by an event", || async {
            let events = stage.kubectl(&["get", "events", "-o", "json"]).await;
            events.contains("NewRefreshTokenRefused")
        })
        .await;
    stage
        .until("the status says so and nothing fails any more", || async {
            let resource = stage.object("oauthclient", "main").await.unwrap();
            let conditions = resource["status"]["conditions"].as_array().unwrap();
            let said = |kind: &str, status: &str, words: &str| {
                conditions.iter().any(|condition| {
                    condition["type"] == kind
                        && condition["status"] == status
                        && condition["message"].as_str().unwrap().contains(words)
                })
            };
            said(
                "Ready",
                "True",
                "The new refresh token under refresh_token in Secret main-login",
            ) && conditions.len() == 1
        })
        .await;
    let refused = |stage: &Stage| {
        let sent = stage.sent();
        sent.iter().filter(|token| *token == WRONG).count()
    };
    assert_eq!(refused(&stage), 1);
    // A refresh, an edit of labels and a restart: the stored refresh token stays in use, and the refused one is not
    // sent again.
    let before = stage.sent().len();
    stage.request_refresh("main").await;
    stage.exactly(before + 1).await;
    stage
        .kubectl(&["label", "secret", "client", "team=a"])
        .await;
    operator.kill();
    let operator = stage.operator(quick()).await;
    stage.request_refresh("main").await;
    stage.exactly(before + 2).await;
    assert_eq!(refused(&stage), 1);
    let issued = stage.provider.refresh_tokens(PATH);
    let kept = stage.state("main").await.unwrap();
    assert_eq!(Some(&kept["refresh_token"]), issued.last());
    assert!(kept.values().all(|value| !value.contains(WRONG)));
    // Another one takes over at once.
    let fresh = stage
        .provider
        .issue_refresh_token(PATH, super::harness::CLIENT_ID);
    stage.apply(&with_token("main-login", &fresh)).await;
    stage.exactly(before + 3).await;
    assert_eq!(stage.sent().last(), Some(&fresh));
    stage.no_refresh_token_leaked(&operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_that_comes_with_an_unusable_access_token_is_stored_all_the_same() {
    let stage = Stage::with(strict(3600.0)).await;
    stage.seed().await;
    let unusable = Fault::TokenWith {
        text: "\r\n".to_owned(),
        at: Place::Middle,
    };
    stage.provider.set_fault(PATH, Some(unusable));
    let operator = stage.operator(quick()).await;
    stage.resource("main", SPEC).await;
    let message = stage
        .wait_for("main", "RefreshFailing", "True", "UnusableResponse")
        .await;
    assert!(message.contains("refresh token was stored"), "{message}");
    // A process that ends right then finds it.
    operator.kill();
    stage.provider.set_fault(PATH, None);
    stage.provider.update(PATH, |behaviour| {
        *behaviour = behaviour.clone().with_faults([Some(Fault::WithoutToken)]);
    });
    let operator = stage.operator(quick()).await;
    stage.wait_ready("main").await;
    let sent = stage.sent();
    let once: std::collections::BTreeSet<&String> = sent.iter().collect();
    assert_eq!(once.len(), sent.len(), "each was sent once: {sent:?}");
    assert!(sent.len() >= 3, "{sent:?}");
    stage.no_refresh_token_leaked(&operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_that_stands_elsewhere_is_found_by_its_pointer() {
    let mut behaviour = strict(3600.0);
    behaviour.shape.refresh_token = "/data/refreshToken".to_owned();
    let stage = Stage::with(behaviour).await;
    stage.seed().await;
    let operator = stage.operator(quick()).await;
    let spec = format!("{SPEC}\n  response: {{refreshTokenPointer: /data/refreshToken}}");
    stage.resource("main", &spec).await;
    stage.wait_ready("main").await;
    for requests in 2..4 {
        stage.request_refresh("main").await;
        stage.exactly(requests).await;
    }
    let sent = stage.sent();
    let once: std::collections::BTreeSet<&String> = sent.iter().collect();
    assert_eq!(once.len(), 3, "{sent:?}");
    stage.no_refresh_token_leaked(&operator).await;
}
