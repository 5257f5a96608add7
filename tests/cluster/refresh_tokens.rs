//! Refresh tokens: used once, stored before anything else, never lost for a reason other than the provider's refusal.

use serde_json::Value;
use testkit::provider::{Behaviour, RefreshTokens};

use super::harness::{CLIENT_ID, CLIENT_SECRET, PATH, Stage, Start, living};

/// A provider whose refresh tokens work once.
pub(super) fn strict(seconds: f64) -> Behaviour {
    let mut behaviour = living(seconds);
    behaviour.refresh_tokens = RefreshTokens {
        issue: true,
        rotate: true,
        grace_seconds: 0.0,
    };
    behaviour
}

pub(super) const SPEC: &str = "  grant: {type: refresh_token}";

/// Short enough for a test to wait for what a process that ended may still have in hand.
pub(super) fn quick() -> Start {
    Start::with(&["--drain-seconds=1"])
}

impl Stage {
    /// A refresh token that the provider knows, put into the credentials.
    pub(super) async fn seed(&self) -> String {
        let token = self.provider.issue_refresh_token(PATH, CLIENT_ID);
        self.offer(&token).await;
        token
    }

    pub(super) async fn offer(&self, token: &str) {
        self.apply(&with_token("client", token)).await;
    }

    /// Which refresh tokens were sent, in order.
    pub(super) fn sent(&self) -> Vec<String> {
        let requests = self.provider.requests_to(PATH);
        let sent = requests
            .iter()
            .filter_map(|request| request.form_value("refresh_token"));
        sent.collect()
    }

    /// What the state Secret holds.
    pub(super) async fn state(
        &self,
        name: &str,
    ) -> Option<std::collections::BTreeMap<String, String>> {
        self.secret(&format!("{name}-refresh-state")).await
    }

    /// No refresh token shows where it has no business, the token Secret included.
    pub(super) async fn no_refresh_token_leaked(&self, operator: &testkit::operator::Operator) {
        self.nothing_leaked(operator).await;
        let tokens = self.provider.refresh_tokens(PATH);
        let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
        for kind in ["events", "oauthclients"] {
            let text = self.kubectl(&["get", kind, "-o", "json"]).await;
            super::oracle::assert_holds_none(kind, &text, &tokens);
        }
        for name in ["main-token", "other-token"] {
            let secret = self.object("secret", name).await.unwrap_or_default();
            super::oracle::assert_holds_none(name, &secret.to_string(), &tokens);
        }
        super::oracle::assert_holds_none("the log", &operator.stderr(), &tokens);
    }
}

pub(super) fn with_token(name: &str, token: &str) -> String {
    format!(
        "apiVersion: v1
kind: Secret
metadata:
  name: {name}
  labels: {{oauthclient.dev/credentials: \"true\"}}
  annotations: {{oauthclient.dev/allowed-hosts: 127.0.0.1}}
stringData: {{client_id: {CLIENT_ID:?}, client_secret: {CLIENT_SECRET:?}, refresh_token: {token:?}}}
"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refresh_token_is_sent_once_and_its_successor_is_kept_apart_from_the_token() {
    let stage = Stage::with(strict(3600.0)).await;
    let seed = stage.seed().await;
    let operator = stage.operator(quick()).await;
    stage.resource("main", SPEC).await;
    stage.wait_ready("main").await;
    for requests in 2..5 {
        stage.request_refresh("main").await;
        stage.exactly(requests).await;
    }
    let sent = stage.sent();
    assert_eq!(sent[0], seed);
    let once: std::collections::BTreeSet<&String> = sent.iter().collect();
    assert_eq!(once.len(), sent.len(), "{sent:?}");
    let state = stage.object("secret", "main-refresh-state").await.unwrap();
    assert_eq!(state["type"], "oauthclient.dev/refresh-state");
    assert_eq!(
        state["metadata"]["labels"]["oauthclient.dev/refresh-state"],
        "true"
    );
    let owner = &state["metadata"]["ownerReferences"][0];
    assert_eq!(
        (&owner["kind"], &owner["controller"]),
        (&Value::from("OAuthClient"), &Value::from(true))
    );
    let kept = stage.state("main").await.unwrap();
    assert_eq!(
        &kept["refresh_token"],
        stage.provider.refresh_tokens(PATH).last().unwrap()
    );
    stage.no_refresh_token_leaked(&operator).await;
    // A restart asks for nothing.
    operator.kill();
    let operator = stage.operator(quick()).await;
    stage.stays_at(4).await;
    stage.request_refresh("main").await;
    stage.exactly(5).await;
    assert!(stage.valid_token("main-token").await.is_some());
    stage.no_refresh_token_leaked(&operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_returns_no_new_one_gets_the_old_one_again_also_when_its_key_is_gone() {
    let mut behaviour = strict(3600.0);
    behaviour.refresh_tokens.rotate = false;
    let stage = Stage::with(behaviour).await;
    let seed = stage.seed().await;
    let operator = stage.operator(quick()).await;
    stage.resource("main", SPEC).await;
    stage.wait_ready("main").await;
    // The key is removed, and the stored refresh token stays in use.
    let gone = r#"{"data":{"refresh_token":null}}"#;
    stage
        .kubectl(&["patch", "secret", "client", "-p", gone])
        .await;
    stage.request_refresh("main").await;
    stage.exactly(2).await;
    assert_eq!(stage.sent(), [seed.clone(), seed]);
    // Another one starts afresh, at once.
    let fresh = stage.seed().await;
    stage.exactly(3).await;
    assert_eq!(stage.sent().last(), Some(&fresh));
    stage.no_refresh_token_leaked(&operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_that_died_waits_for_a_login_which_takes_precedence() {
    let stage = Stage::with(strict(3600.0)).await;
    stage.offer("never-issued-by-anybody").await;
    let operator = stage.operator(quick()).await;
    stage.resource("main", SPEC).await;
    let message = stage
        .wait_for("main", "Stalled", "True", "ReauthorizationRequired")
        .await;
    assert!(
        message.contains("kubectl oauthclient login main"),
        "{message}"
    );
    stage.exactly(1).await;
    // Neither a wish nor a restart sends it again.
    stage.request_refresh("main").await;
    stage.stays_at(1).await;
    operator.kill();
    let operator = stage.operator(quick()).await;
    stage.stays_at(1).await;
    let fresh = stage.provider.issue_refresh_token(PATH, CLIENT_ID);
    stage.apply(&with_token("main-login", &fresh)).await;
    stage.wait_ready("main").await;
    stage.exactly(2).await;
    assert_eq!(stage.sent().last(), Some(&fresh));
    // The login is gone: nothing that was obtained with it is sent any more, and the published token stays.
    stage.kubectl(&["delete", "secret", "main-login"]).await;
    stage.request_refresh("main").await;
    let message = stage
        .wait_for("main", "Reconciling", "True", "CredentialsNotFound")
        .await;
    assert!(message.contains("Secret main-login"), "{message}");
    stage.stays_at(2).await;
    stage.wait_for("main", "Ready", "True", "TokenValid").await;
    // Another login starts again.
    let again = stage.provider.issue_refresh_token(PATH, CLIENT_ID);
    stage.apply(&with_token("main-login", &again)).await;
    stage.exactly(3).await;
    assert_eq!(stage.sent().last(), Some(&again));
    stage.no_refresh_token_leaked(&operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_refresh_token_a_login_is_awaited() {
    let stage = Stage::with(strict(3600.0)).await;
    let operator = stage.operator(quick()).await;
    stage.resource("main", SPEC).await;
    let message = stage
        .wait_for("main", "Reconciling", "True", "AwaitingLogin")
        .await;
    assert!(
        message.contains("kubectl oauthclient login main"),
        "{message}"
    );
    let fresh = stage.provider.issue_refresh_token(PATH, CLIENT_ID);
    stage.apply(&with_token("main-login", &fresh)).await;
    stage.wait_ready("main").await;
    stage.exactly(1).await;
    stage.no_refresh_token_leaked(&operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_secret_of_somebody_else_is_never_touched_and_nothing_is_spent() {
    let stage = Stage::with(strict(3600.0)).await;
    stage.seed().await;
    stage
        .apply("apiVersion: v1\nkind: Secret\nmetadata: {name: main-refresh-state}\nstringData: {theirs: x}\n")
        .await;
    let before = stage.object("secret", "main-refresh-state").await;
    let operator = stage.operator(quick()).await;
    stage.resource("main", SPEC).await;
    let message = stage
        .wait_for("main", "Stalled", "True", "SecretNotOwned")
        .await;
    assert!(message.contains("main-refresh-state"), "{message}");
    stage.stays_at(0).await;
    assert_eq!(stage.object("secret", "main-refresh-state").await, before);
    stage.no_refresh_token_leaked(&operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_secret_that_is_lost_is_written_anew_from_the_state_without_a_request() {
    let stage = Stage::with(strict(3600.0)).await;
    stage.seed().await;
    let operator = stage.operator(quick()).await;
    stage.resource("main", SPEC).await;
    let token = stage.wait_ready("main").await;
    operator.kill();
    // As a process leaves it that ends between the two writes.
    stage.kubectl(&["delete", "secret", "main-token"]).await;
    let operator = stage.operator(quick()).await;
    stage
        .until("the token Secret is there again", || async {
            stage.valid_token("main-token").await.as_ref() == Some(&token)
        })
        .await;
    stage.stays_at(1).await;
    stage.no_refresh_token_leaked(&operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_leaders_one_spends_the_refresh_token() {
    let stage = Stage::with(strict(3600.0)).await;
    stage.seed().await;
    stage
        .provider
        .update(PATH, |behaviour| behaviour.latency_ms = 3000);
    let one = stage.operator(quick()).await;
    let other = stage.operator(quick()).await;
    stage.resource("main", SPEC).await;
    stage.wait_ready("main").await;
    stage.exactly(1).await;
    stage.request_refresh("main").await;
    stage.exactly(2).await;
    for operator in [&one, &other] {
        stage.no_refresh_token_leaked(operator).await;
    }
    let sent = stage.sent();
    assert_ne!(sent[0], sent[1]);
    stage.wait_for("main", "Ready", "True", "TokenValid").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_spent_when_told_to_end_is_stored_before_the_end() {
    let stage = Stage::with(strict(3600.0)).await;
    stage.seed().await;
    stage
        .provider
        .update(PATH, |behaviour| behaviour.latency_ms = 3000);
    let operator = stage.operator(Start::with(&["--drain-seconds=30"])).await;
    stage.resource("main", SPEC).await;
    stage
        .until("a request is under way", || async {
            stage.provider.in_flight(PATH) == 1
        })
        .await;
    assert!(
        operator
            .terminate(super::harness::SOON)
            .await
            .unwrap()
            .success()
    );
    let kept = stage.state("main").await.unwrap();
    assert_eq!(
        &kept["refresh_token"],
        stage.provider.refresh_tokens(PATH).last().unwrap()
    );
    let next = stage.operator(quick()).await;
    stage.wait_ready("main").await;
    stage.request_refresh("main").await;
    stage.exactly(2).await;
    stage.no_refresh_token_leaked(&next).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_api_right_after_the_answer_loses_nothing() {
    use testkit::fault_proxy::{Answer, Fault, Rule};
    let stage = Stage::with(strict(3600.0)).await;
    stage.seed().await;
    stage
        .provider
        .update(PATH, |behaviour| behaviour.latency_ms = 3000);
    let proxy = stage.proxy().await;
    let operator = stage.operator(quick().through(proxy.url())).await;
    stage.resource("main", SPEC).await;
    stage
        .until("a request is under way", || async {
            stage.provider.in_flight(PATH) == 1
        })
        .await;
    let rule = proxy.add(Rule::new(Fault::Answer(Answer::internal_error())).path_has("/secrets"));
    proxy
        .wait_for_hits(rule, 3, super::harness::SOON)
        .await
        .unwrap();
    proxy.clear();
    stage.wait_ready("main").await;
    stage.request_refresh("main").await;
    stage.exactly(2).await;
    stage.no_refresh_token_leaked(&operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_gives_a_refresh_token_and_takes_its_place_when_it_dies() {
    let mut behaviour = strict(3600.0);
    behaviour.accepts.clients[0].users = [("me".to_owned(), "pass word".to_owned())].into();
    let stage = Stage::with(behaviour).await;
    let user = r#"{"stringData":{"username":"me","password":"pass word"}}"#;
    stage
        .kubectl(&["patch", "secret", "client", "-p", user])
        .await;
    let operator = stage.operator(quick()).await;
    stage
        .resource(
            "main",
            "  grant: {type: password, password: {useRefreshToken: true}}",
        )
        .await;
    stage.wait_ready("main").await;
    stage.request_refresh("main").await;
    stage.exactly(2).await;
    let grants = || -> Vec<String> {
        let requests = stage.provider.requests_to(PATH);
        requests
            .iter()
            .filter_map(|request| request.form_value("grant_type"))
            .collect()
    };
    assert_eq!(grants(), ["password", "refresh_token"]);
    // The provider forgets what it granted.
    let forgetful = stage.provider.requests_to(PATH).len();
    stage
        .provider
        .set_fault(PATH, Some(testkit::provider::Fault::error("invalid_grant")));
    stage.request_refresh("main").await;
    stage
        .until("it was refused", || async { stage.requests() > forgetful })
        .await;
    stage.provider.set_fault(PATH, None);
    stage
        .until("the password is used again", || async {
            grants().iter().filter(|grant| *grant == "password").count() == 2
        })
        .await;
    stage.wait_for("main", "RefreshFailing", "False", "").await;
    stage.no_refresh_token_leaked(&operator).await;
}
