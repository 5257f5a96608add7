//! One thing that fails at a time, each with an operator of its own in a namespace of its own.

use std::path::PathBuf;

use http::Method;
use testkit::fault_proxy::{Answer, Fault as ApiFault, FaultProxy, Rule};
use testkit::operator::Operator;
use testkit::provider::Fault;

use crate::harness::{PATH, SOON, Stage, Start, jiff_now, living};
use crate::missing_rights::leave;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// What fails, and the alerts that are to fire for it.
pub struct Subject {
    /// The name of the job, and of the recording.
    pub job: &'static str,
    /// The alerts that fire, and no others.
    pub alerts: &'static [&'static str],
    pub operator: Operator,
    /// Kept until the end, with its provider.
    _stage: Stage,
    _proxy: Option<FaultProxy>,
}

impl Subject {
    fn new(
        job: &'static str,
        alerts: &'static [&'static str],
        stage: Stage,
        operator: Operator,
    ) -> Subject {
        Subject {
            job,
            alerts,
            operator,
            _stage: stage,
            _proxy: None,
        }
    }

    /// Waits until a metric has at least this value.
    async fn until(&self, metric: &str, labels: &[(&str, &str)], least: f64) {
        let what = format!("{}: {metric} {labels:?} >= {least}", self.job);
        let probe = || async {
            let value = self.operator.metric(metric, labels).await?;
            let met = value >= least;
            met.then_some(())
                .ok_or_else(|| testkit::Error::new(format!("it is {value}")))
        };
        self.operator.wait_for(&what, SOON, probe).await.unwrap();
    }

    async fn until_state(&self, state: &str) {
        self.until("oauthclient_resources", &[("state", state)], 1.0)
            .await;
    }
}

/// A clock that the operator reads and the test moves.
struct Clock(PathBuf);

impl Clock {
    fn new() -> Clock {
        Clock(tempfile::tempdir().unwrap().keep().join("offset"))
    }

    fn flag(&self) -> String {
        format!("--clock-offset-file={}", self.0.display())
    }

    fn forward(&self, seconds: i64) {
        std::fs::write(&self.0, seconds.to_string()).unwrap();
    }
}

/// A stage whose operator reads a clock of its own.
async fn with_clock(lifetime: i64, more: &[&str]) -> (Stage, Operator, Clock) {
    let stage = Stage::with(living(lifetime as f64)).await;
    let clock = Clock::new();
    let flag = clock.flag();
    let operator = stage
        .operator(Start::with(&[more, &[flag.as_str()]].concat()))
        .await;
    (stage, operator, clock)
}

fn down() -> Option<Fault> {
    Some(Fault::status(503))
}

pub async fn none() -> Subject {
    let stage = Stage::with(living(3600.0)).await;
    let operator = stage
        .operator(Start::with(&["--metrics-per-resource"]))
        .await;
    for name in ["catalogue", "metadata", "orders"] {
        stage.resource(name, "").await;
        stage.wait_ready(name).await;
    }
    Subject::new("healthy", &[], stage, operator)
}

/// The provider is down, and the token expires.
pub async fn expired() -> Subject {
    let (stage, operator, clock) = with_clock(HOUR, &[]).await;
    stage.resource("main", "").await;
    stage.wait_ready("main").await;
    stage.provider.set_fault(PATH, down());
    clock.forward(HOUR + 400);
    let subject = Subject::new(
        "token-expired",
        &["OAuthClientTokenExpired"],
        stage,
        operator,
    );
    subject.until("oauthclient_tokens_expired", &[], 1.0).await;
    subject
}

/// The provider is down, and more than half of the time for the refresh is over.
pub async fn expiring() -> Subject {
    let (stage, operator, clock) = with_clock(10 * HOUR, &[]).await;
    stage.resource("main", "").await;
    stage.wait_ready("main").await;
    stage.provider.set_fault(PATH, down());
    clock.forward(9 * HOUR);
    let subject = Subject::new(
        "token-expiring-soon",
        &["OAuthClientTokenExpiringSoon"],
        stage,
        operator,
    );
    subject.until("oauthclient_tokens_expiring", &[], 1.0).await;
    subject
}

/// The provider has been down for a while, and the token is still valid.
pub async fn failing() -> Subject {
    let (stage, operator, clock) = with_clock(30 * DAY, &[]).await;
    stage.resource("main", "").await;
    stage.wait_ready("main").await;
    stage.provider.set_fault(PATH, down());
    let now = "oauthclient.dev/refresh-requested-at=now";
    stage
        .kubectl(&["annotate", "oauthclient", "main", now])
        .await;
    let subject = Subject::new(
        "refresh-failing",
        &["OAuthClientRefreshFailing"],
        stage,
        operator,
    );
    subject.until_state("refresh_failing").await;
    clock.forward(HOUR / 2);
    subject
}

/// The provider refuses the client.
pub async fn stalled() -> Subject {
    let (stage, operator, clock) = with_clock(30 * DAY, &[]).await;
    stage
        .provider
        .set_fault(PATH, Some(Fault::error("invalid_client")));
    stage.resource("main", "").await;
    let subject = Subject::new("stalled", &["OAuthClientStalled"], stage, operator);
    subject.until_state("stalled").await;
    clock.forward(400);
    subject
}

/// The credentials Secret does not exist.
pub async fn pending() -> Subject {
    let (stage, operator, clock) = with_clock(30 * DAY, &[]).await;
    stage.kubectl(&["delete", "secret", "client"]).await;
    stage.resource("main", "").await;
    let subject = Subject::new("pending", &["OAuthClientPending"], stage, operator);
    subject.until_state("pending").await;
    clock.forward(HOUR);
    subject
}

/// The client secret expires in ten days, as its annotation says.
pub async fn credential() -> Subject {
    let (stage, operator, _clock) = with_clock(30 * DAY, &[]).await;
    let ends = jiff_now() + jiff::SignedDuration::from_secs(10 * DAY);
    let note = format!("oauthclient.dev/client-secret-expires-at={ends}");
    stage
        .kubectl(&["annotate", "secret", "client", &note])
        .await;
    stage.resource("main", "").await;
    stage.wait_ready("main").await;
    Subject::new(
        "credential-expiring",
        &["OAuthClientCredentialExpiring"],
        stage,
        operator,
    )
}

/// The Lease is held by a process that does not exist.
pub async fn no_leader() -> Subject {
    let stage = Stage::with(living(3600.0)).await;
    stage.own_account().await;
    let now = jiff_now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string();
    stage
        .apply(&format!(
            "apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {{name: oauthclient-operator}}\n\
             spec: {{holderIdentity: somebody-else, leaseDurationSeconds: 7200, acquireTime: {now:?}, renewTime: {now:?}}}\n"
        ))
        .await;
    let operator = stage.operator(Start::elected(&[])).await;
    Subject::new(
        "operator-no-leader",
        &["OAuthClientOperatorNoLeader"],
        stage,
        operator,
    )
}

/// The operator may not list Secrets.
pub async fn permission() -> Subject {
    let stage = Stage::with(living(3600.0)).await;
    stage.own_account().await;
    leave(&stage, r#"["get","watch","create","patch","delete"]"#).await;
    let operator = stage.launch(Start::default().with_own_account()).await;
    let subject = Subject::new(
        "operator-permission-missing",
        &["OAuthClientOperatorPermissionMissing"],
        stage,
        operator,
    );
    let missing = [("verb", "list"), ("resource", "secrets")];
    subject
        .until("oauthclient_permissions_missing", &missing, 1.0)
        .await;
    subject
}

/// Work on one resource panics.
pub async fn panics() -> Subject {
    let stage = Stage::with(living(3600.0)).await;
    let flag = format!("--panic-on={}/main", stage.namespace);
    let operator = stage.operator(Start::with(&[&flag])).await;
    stage.resource("main", "").await;
    let subject = Subject::new(
        "operator-panics",
        &["OAuthClientOperatorPanics"],
        stage,
        operator,
    );
    subject.until("oauthclient_panics_total", &[], 1.0).await;
    subject
}

/// A slow provider, one request at a time, and many new resources.
pub async fn late() -> Subject {
    let mut behaviour = living(30.0 * DAY as f64);
    behaviour.latency_ms = 4000;
    let stage = Stage::with(behaviour).await;
    let clock = Clock::new();
    let start = Start::with(&["--max-token-requests=1", &clock.flag()]);
    let operator = stage.operator(start).await;
    let all: Vec<String> = (0..60)
        .map(|number| stage.manifest(&format!("main-{number}"), ""))
        .collect();
    stage.apply(&all.join("---\n")).await;
    let subject = Subject::new(
        "operator-refreshes-late",
        &["OAuthClientOperatorRefreshesLate"],
        stage,
        operator,
    );
    let first = [("class", "first")];
    subject.until("oauthclient_queue_depth", &first, 40.0).await;
    clock.forward(300);
    subject
}

/// The API server fails most requests.
pub async fn api_errors() -> Subject {
    let stage = Stage::with(living(3600.0)).await;
    let proxy = stage.proxy().await;
    let operator = stage.operator_behind(&proxy).await;
    proxy.add(
        Rule::new(ApiFault::Answer(Answer::internal_error()))
            .method(Method::PATCH)
            .path_has("/oauthclients/"),
    );
    proxy.add(
        Rule::new(ApiFault::Answer(Answer::internal_error()))
            .method(Method::POST)
            .path_ends("/secrets"),
    );
    let all: Vec<String> = (0..20)
        .map(|number| stage.manifest(&format!("main-{number}"), ""))
        .collect();
    stage.apply(&all.join("---\n")).await;
    let mut subject = Subject::new(
        "operator-kubernetes-api-errors",
        &["OAuthClientOperatorKubernetesAPIErrors"],
        stage,
        operator,
    );
    subject._proxy = Some(proxy);
    let failed = [("outcome", "server_error")];
    subject
        .until("oauthclient_api_requests_total", &failed, 1.0)
        .await;
    subject
}
