//! Tokens that are asked with: of ServiceAccounts, made by the real TokenRequest API, and of other resources.

use serde_json::Value;
use testkit::provider::Behaviour;

use super::harness::{PATH, Stage, Start, deploy, living};

pub const AUDIENCE: &str = "api://exchange";

pub fn any_grant() -> Behaviour {
    let mut behaviour = living(3600.0);
    behaviour.accepts.grants.clear();
    behaviour
}

fn exchange(subject: &str) -> String {
    format!(
        "  grant:\n    type: urn:ietf:params:oauth:grant-type:token-exchange\n    tokenExchange: {{subjectToken: {subject}}}"
    )
}

pub fn of_account(name: &str) -> String {
    exchange(&format!(
        "{{serviceAccountToken: {{serviceAccountName: {name}, audience: \"{AUDIENCE}\"}}}}"
    ))
}

impl Stage {
    /// The right to make tokens of this namespace's ServiceAccounts, for the operator of `deploy/`.
    pub async fn may_make_tokens(&self) {
        let folder = deploy().join("service-account-tokens/namespaced");
        self.kubectl(&["apply", "-k", folder.to_str().unwrap()])
            .await;
    }

    /// A ServiceAccount that opts in to this audience.
    pub async fn lent_account(&self, name: &str, audience: &str) {
        self.kubectl(&["create", "serviceaccount", name]).await;
        self.lends(name, audience, "127.0.0.1").await;
    }

    /// Changes what a ServiceAccount opts in to.
    pub async fn lends(&self, name: &str, audiences: &str, hosts: &str) {
        let audiences = format!("oauthclient.dev/allowed-audiences={audiences}");
        let hosts = format!("oauthclient.dev/allowed-hosts={hosts}");
        let args = ["annotate", "--overwrite", "serviceaccount", name];
        self.kubectl(&[&args[..], &[&audiences, &hosts]].concat())
            .await;
    }
}

/// The subject tokens that reached the provider.
fn subjects(stage: &Stage) -> Vec<String> {
    let requests = stage.provider.requests().into_iter();
    let tokens = requests.flat_map(|request| request.form());
    tokens
        .filter(|(name, _)| name == "subject_token")
        .map(|(_, value)| value)
        .collect()
}

/// What the API server itself says of a token, for an audience.
async fn reviewed(stage: &Stage, token: &str, audience: &str) -> Value {
    let review = format!(
        "apiVersion: authentication.k8s.io/v1\nkind: TokenReview\nspec: {{token: {token:?}, audiences: [{audience:?}]}}\n"
    );
    let args = ["create", "-o", "json", "-f", "-"];
    let answer = stage.plane.run_kubectl(&args, &review).await.unwrap();
    serde_json::from_str::<Value>(&answer).unwrap()["status"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_that_lends_itself_is_asked_with_and_its_token_is_good_for_nobody_else() {
    let stage = Stage::with(any_grant()).await;
    let operator = stage.operator(Start::default()).await;
    for name in ["lent", "kept"] {
        stage.kubectl(&["create", "serviceaccount", name]).await;
    }
    stage.resource("main", &of_account("lent")).await;
    let told = stage
        .wait_for("main", "Stalled", "True", "PermissionMissing")
        .await;
    let command = format!(
        "kubectl apply -n {} -k deploy/service-account-tokens/namespaced",
        stage.namespace
    );
    assert!(told.contains(&command), "{told}");

    // What the message says to apply.
    stage.may_make_tokens().await;
    stage.resource("kept", &of_account("kept")).await;
    stage.resource("none", &of_account("none")).await;
    stage
        .wait_for("kept", "Reconciling", "True", "ServiceAccountNotOptedIn")
        .await;
    stage
        .wait_for("none", "Reconciling", "True", "ServiceAccountNotFound")
        .await;
    assert_eq!(
        stage.requests(),
        0,
        "nothing was sent before all is in place"
    );

    let audiences = format!("other,{AUDIENCE}");
    stage.lends("lent", &audiences, "127.0.0.1").await;
    stage.wait_ready("main").await;
    let sent = subjects(&stage);
    assert_eq!(sent.len(), 1);
    let good = reviewed(&stage, &sent[0], AUDIENCE).await;
    assert_eq!(good["authenticated"], true, "{good}");
    let name = format!("system:serviceaccount:{}:lent", stage.namespace);
    assert_eq!(good["user"]["username"], name);
    let own = reviewed(&stage, &sent[0], "https://kubernetes.default.svc").await;
    assert_ne!(own["authenticated"], true, "{own}");
    let log = operator.stderr() + &operator.stdout();
    assert!(!log.contains(&sent[0]), "the token is in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refreshed_token_is_exchanged_once_and_a_circle_is_told_to_both() {
    let stage = Stage::with(any_grant()).await;
    let _operator = stage.operator(Start::default()).await;
    let lent = stage.manifest("first", "").replace(
        "name: first-token",
        "name: first-token, labels: {oauthclient.dev/credentials: \"true\"}",
    );
    let second = exchange("{oauthClientName: first}");
    stage.resource("second", &second).await;
    stage
        .wait_for("second", "Reconciling", "True", "ReferenceNotFound")
        .await;
    // It is looked at before it has a token, and again when it has one.
    let slow = |ms| stage.provider.update(PATH, |to| to.latency_ms = ms);
    slow(3000);
    stage.resource("first", "").await;
    for reason in ["ReferenceNotReady", "ReferenceNotOptedIn"] {
        stage
            .wait_for("second", "Reconciling", "True", reason)
            .await;
    }
    slow(0);
    stage.apply(&lent).await;
    stage.wait_ready("second").await;
    assert_eq!(stage.requests(), 2);
    stage
        .kubectl(&[
            "annotate",
            "oauthclient",
            "first",
            "oauthclient.dev/refresh-requested-at=now",
        ])
        .await;
    stage
        .until("both are new", || async { stage.requests() >= 4 })
        .await;
    let first = stage.valid_token("first-token").await.unwrap();
    stage.stays_at(4).await;
    assert_eq!(subjects(&stage).last(), Some(&first));

    // Each with the other's token.
    let circle = exchange("{oauthClientName: second}");
    stage.resource("first", &circle).await;
    for name in ["first", "second"] {
        let told = stage
            .wait_for(name, "Stalled", "True", "ReferenceCycle")
            .await;
        assert!(told.contains("first -> second"), "{told}");
    }
    stage.stays_at(4).await;
}
