//! Faults around the use of a refresh token: only a refusal by the provider loses it, and it is not used when its
//! successor could not
//! be stored.

use std::collections::BTreeMap;
use std::time::Duration;

use testkit::fault_proxy::{Answer, Fault as ApiFault, Rule};
use testkit::operator::Operator;
use testkit::provider::{Behaviour, Fault, RefreshTokens};

use super::harness::{CLIENT_ID, CLIENT_SECRET, PATH, SOON, Stage, Start, living};
use super::oracle::assert_holds_none;

const STATE: &str = "/secrets/main-refresh-state";

/// A provider that rotates, and takes an old refresh token for so many seconds.
fn rotating(grace_seconds: f64) -> Behaviour {
    let mut behaviour = living(3600.0);
    behaviour.refresh_tokens = RefreshTokens {
        issue: true,
        rotate: true,
        grace_seconds,
    };
    behaviour
}

/// A provider whose refresh tokens work once, and are all revoked when one is sent again.
fn strict() -> Behaviour {
    rotating(0.0)
}

/// Does what a person is asked to do: a new refresh token into the credentials.
async fn authorize(stage: &Stage) {
    let token = stage.provider.issue_refresh_token(PATH, CLIENT_ID);
    let secret = format!(
        "apiVersion: v1
kind: Secret
metadata:
  name: client
  labels: {{oauthclient.dev/credentials: \"true\"}}
  annotations: {{oauthclient.dev/allowed-hosts: 127.0.0.1}}
stringData: {{client_id: {CLIENT_ID:?}, client_secret: {CLIENT_SECRET:?}, refresh_token: {token:?}}}
"
    );
    stage.apply(&secret).await;
}

/// The resource of these tests, whose requests may take so many seconds.
fn resource(stage: &Stage, timeout: u32) -> String {
    let timeout = format!("timeoutSeconds: {timeout}");
    stage
        .manifest("main", "  grant: {type: refresh_token}")
        .replace("timeoutSeconds: 5", &timeout)
}

fn quick() -> Start {
    Start::with(&["--drain-seconds=1"])
}

/// How often each refresh token reached the provider, the most often sent first.
fn times(stage: &Stage) -> Vec<usize> {
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for request in stage.provider.requests_to(PATH) {
        if let Some(token) = request.form_value("refresh_token") {
            *times.entry(token).or_default() += 1;
        }
    }
    let mut times: Vec<usize> = times.into_values().collect();
    times.sort_by(|a, b| b.cmp(a));
    times
}

/// The resource is ready with a valid token, so many refresh tokens were sent, each once, and nothing leaked.
async fn ends_well(stage: &Stage, operator: &Operator, requests: usize) {
    stage.exactly(requests).await;
    stage
        .until("all is well", || async {
            let of = async |kind| stage.condition("main", kind).await.map(|is| is.status);
            stage.valid_token("main-token").await.is_some()
                && of("Ready").await.as_deref() == Some("True")
                && of("Stalled").await.as_deref() == Some("False")
                && of("RefreshFailing").await.as_deref() == Some("False")
        })
        .await;
    assert_eq!(times(stage), vec![1; requests], "each was sent once");
    nothing_leaked(stage, operator).await;
}

async fn nothing_leaked(stage: &Stage, operator: &Operator) {
    stage.nothing_leaked(operator).await;
    let tokens = stage.provider.refresh_tokens(PATH);
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    let mut places = vec![("the log", operator.stderr())];
    for kind in ["events", "oauthclients"] {
        places.push((kind, stage.kubectl(&["get", kind, "-o", "json"]).await));
    }
    let secret = stage.object("secret", "main-token").await;
    places.push(("the token Secret", secret.unwrap_or_default().to_string()));
    for (place, text) in &places {
        assert_holds_none(place, text, &tokens);
    }
}

/// The next request of the endpoint meets this fault.
fn once(stage: &Stage, fault: Fault) {
    stage
        .provider
        .update(PATH, |behaviour| behaviour.faults = vec![Some(fault)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_lost_on_its_way_is_asked_for_once_more_where_the_provider_gives_grace() {
    for fault in [Fault::Lost, Fault::Cut { after_bytes: 10 }] {
        let stage = Stage::with(rotating(600.0)).await;
        authorize(&stage).await;
        let operator = stage.operator(quick()).await;
        stage.apply(&resource(&stage, 5)).await;
        stage.wait_ready("main").await;
        once(&stage, fault);
        stage.request_refresh("main").await;
        stage.exactly(3).await;
        stage.wait_for("main", "RefreshFailing", "False", "").await;
        assert_eq!(times(&stage), [2, 1], "the one of the lost answer twice");
        stage.request_refresh("main").await;
        stage.exactly(4).await;
        assert_eq!(times(&stage), [2, 1, 1]);
        assert!(stage.valid_token("main-token").await.is_some());
        nothing_leaked(&stage, &operator).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_lost_on_its_way_needs_a_person_where_the_provider_is_strict_and_no_third_try() {
    let stage = Stage::with(strict()).await;
    authorize(&stage).await;
    let operator = stage.operator(quick()).await;
    stage.apply(&resource(&stage, 5)).await;
    let token = stage.wait_ready("main").await;
    once(&stage, Fault::Lost);
    stage.request_refresh("main").await;
    let reason = "ReauthorizationRequired";
    let message = stage.wait_for("main", "Stalled", "True", reason).await;
    assert!(message.contains("kubectl"), "the next step: {message}");
    assert_eq!(times(&stage), [2, 1]);
    assert_eq!(stage.valid_token("main-token").await, Some(token));
    let ready = stage.condition("main", "Ready").await.unwrap();
    assert_eq!(ready.status, "True", "the old token lives");
    // Neither time, nor a wish, nor a restart spends it a third time.
    stage.request_refresh("main").await;
    stage.quiet(3, 5).await;
    operator.kill();
    nothing_leaked(&stage, &operator).await;
    let operator = stage.operator(quick()).await;
    stage.request_refresh("main").await;
    stage.quiet(3, 5).await;
    stage.wait_for("main", "Stalled", "True", reason).await;

    authorize(&stage).await;
    stage.wait_for("main", "Stalled", "False", "").await;
    stage.exactly(4).await;
    assert_eq!(times(&stage), [2, 1, 1]);
    stage.wait_ready("main").await;
    nothing_leaked(&stage, &operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_forced_leaders_one_spends() {
    let stage = Stage::with(strict()).await;
    authorize(&stage).await;
    stage
        .provider
        .update(PATH, |behaviour| behaviour.latency_ms = 1500);
    let first = stage.operator(quick()).await;
    let second = stage.operator(quick()).await;
    stage.apply(&resource(&stage, 10)).await;
    stage.wait_ready("main").await;
    for requests in 2..6 {
        stage.request_refresh("main").await;
        stage.exactly(requests).await;
    }
    ends_well(&stage, &first, 5).await;
    nothing_leaked(&stage, &second).await;
    assert_eq!(stage.provider.max_concurrency(PATH), 1);
}

/// Asks for a refresh whose answer takes a while, and waits until the provider works at it.
async fn spending(stage: &Stage) {
    stage
        .provider
        .update(PATH, |behaviour| behaviour.latency_ms = 3000);
    stage.request_refresh("main").await;
    stage
        .until("a request is under way", || async {
            stage.provider.in_flight(PATH) == 1
        })
        .await;
    stage
        .provider
        .update(PATH, |behaviour| behaviour.latency_ms = 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_api_right_after_the_answer_loses_nothing() {
    let stage = Stage::with(strict()).await;
    authorize(&stage).await;
    let proxy = stage.proxy().await;
    let operator = stage.operator(quick().through(proxy.url())).await;
    stage.apply(&resource(&stage, 20)).await;
    stage.wait_ready("main").await;

    // Nobody answers.
    spending(&stage).await;
    proxy.go_down();
    tokio::time::sleep(Duration::from_secs(10)).await;
    proxy.come_up();
    ends_well(&stage, &operator, 2).await;

    // Somebody answers, and it is of no use; or it was done, and the answer does not say so.
    let troubles = [
        ApiFault::Answer(Answer::internal_error()),
        ApiFault::Answer(Answer::too_many_requests("1")),
        ApiFault::AnswerAfter(Answer::timeout()),
        ApiFault::DropAfter,
        ApiFault::DropBefore,
    ];
    let mut requests = 2;
    for fault in troubles {
        spending(&stage).await;
        let rule = Rule::new(fault).writes().path_ends(STATE).times(3);
        let rule = proxy.add(rule);
        proxy.wait_for_hits(rule, 1, SOON).await.unwrap();
        requests += 1;
        ends_well(&stage, &operator, requests).await;
        proxy.clear();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_whose_answer_is_lost_spends_nothing_twice() {
    let stage = Stage::with(strict()).await;
    authorize(&stage).await;
    let proxy = stage.proxy().await;
    let operator = stage.operator(quick().through(proxy.url())).await;
    stage.apply(&resource(&stage, 3)).await;
    stage.wait_ready("main").await;
    let mut requests = 1;
    for fault in [
        ApiFault::AnswerAfter(Answer::timeout()),
        ApiFault::DropAfter,
        ApiFault::Answer(Answer::conflict()),
        ApiFault::Answer(Answer::internal_error()),
    ] {
        let rule = proxy.add(Rule::new(fault).writes().path_ends(STATE).once());
        stage.request_refresh("main").await;
        proxy.wait_for_hits(rule, 1, SOON).await.unwrap();
        requests += 1;
        ends_well(&stage, &operator, requests).await;
        proxy.clear();
    }
}

/// The process ends, one way or another, after it has stored what was in hand; another one asks for nothing.
async fn ends_with_answer_stored(stage: &Stage, operator: &Operator, well: bool, next: Start) {
    let status = operator.wait(SOON).await.unwrap();
    assert_eq!(status.success(), well, "{}", operator.stderr());
    nothing_leaked(stage, operator).await;
    let state = stage.secret("main-refresh-state").await.unwrap();
    let newest = stage.provider.refresh_tokens(PATH).pop();
    assert_eq!(state.get("refresh_token"), newest.as_ref(), "it was stored");
    let operator = stage.operator(next).await;
    ends_well(stage, &operator, 2).await;
    // And it is good for the next one.
    stage.request_refresh("main").await;
    ends_well(stage, &operator, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_end_while_a_refresh_token_is_spent_the_answer_is_stored_first() {
    let stage = Stage::with(strict()).await;
    authorize(&stage).await;
    let start = || Start::with(&["--drain-seconds=60"]);
    let operator = stage.operator(start()).await;
    stage.apply(&resource(&stage, 20)).await;
    stage.wait_ready("main").await;
    spending(&stage).await;
    operator
        .signal(testkit::process::Signal::Terminate)
        .unwrap();
    ends_with_answer_stored(&stage, &operator, true, start()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_lost_while_a_refresh_token_is_spent_loses_nothing() {
    const SHORT: [&str; 3] = [
        "--lease-duration-seconds=6",
        "--lease-renew-deadline-seconds=4",
        "--lease-retry-seconds=1",
    ];
    let stage = Stage::with(strict()).await;
    stage.own_account().await;
    authorize(&stage).await;
    let proxy = stage.proxy().await;
    let operator = stage
        .operator(Start::elected(&SHORT).through(proxy.url()))
        .await;
    stage.apply(&resource(&stage, 30)).await;
    stage.wait_ready("main").await;
    stage
        .provider
        .update(PATH, |behaviour| behaviour.latency_ms = 8000);
    stage.request_refresh("main").await;
    stage
        .until("a request is under way", || async {
            stage.provider.in_flight(PATH) == 1
        })
        .await;
    stage
        .provider
        .update(PATH, |behaviour| behaviour.latency_ms = 0);
    let renewals = Rule::new(ApiFault::Answer(Answer::internal_error()))
        .writes()
        .path_has("/leases");
    proxy.add(renewals);
    ends_with_answer_stored(&stage, &operator, false, Start::elected(&SHORT)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_to_write_nothing_is_spent() {
    let stage = Stage::with(strict()).await;
    stage.own_account().await;
    authorize(&stage).await;
    let operator = stage.operator(quick().with_own_account()).await;
    stage.apply(&resource(&stage, 5)).await;
    stage.wait_ready("main").await;
    // The rule of Secrets is the fourth.
    let reads_only = r#"[{"op":"test","path":"/rules/3/resources","value":["secrets"]},{"op":"replace","path":"/rules/3/verbs","value":["get","list","watch"]}]"#;
    let role = ["role", "oauthclient-operator", "--type=json", "-p"];
    stage
        .kubectl(&[&["patch"][..], &role, &[reads_only]].concat())
        .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    stage.request_refresh("main").await;
    let reason = "PermissionMissing";
    let message = stage.wait_for("main", "Stalled", "True", reason).await;
    assert!(message.contains("kubectl auth can-i"), "{message}");
    let ready = stage.condition("main", "Ready").await.unwrap();
    assert_eq!(ready.status, "True", "the token lives: {}", ready.message);
    stage.stays_at(1).await;
    stage.own_account().await;
    ends_well(&stage, &operator, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_quota_would_refuse_is_not_spent() {
    let stage = Stage::with(strict()).await;
    authorize(&stage).await;
    let operator = stage.operator(quick()).await;
    let quota = "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: few}\nspec: {hard: {count/secrets: \"1\"}}\n";
    stage.apply(quota).await;
    // There is no quota controller here to count.
    let full = r#"{"status":{"hard":{"count/secrets":"1"},"used":{"count/secrets":"1"}}}"#;
    let patch = ["patch", "resourcequota", "few", "--subresource=status"];
    let patch = [&patch[..], &["--type=merge", "-p", full]].concat();
    stage.kubectl(&patch).await;
    refused_until(&stage, &["create", "secret", "generic", "probe"]).await;
    stage.apply(&resource(&stage, 5)).await;
    let message = stage
        .wait_for("main", "Stalled", "True", "WriteRefused")
        .await;
    assert!(message.contains("quota"), "{message}");
    stage.stays_at(0).await;
    stage.kubectl(&["delete", "resourcequota", "few"]).await;
    ends_well(&stage, &operator, 1).await;
}

async fn refused_until(stage: &Stage, probe: &[&str]) {
    let probe = [probe, &["--dry-run=server"]].concat();
    stage
        .until("it is in force", || async {
            stage.try_kubectl(&probe).await.is_err()
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_policy_refuses_is_not_spent_or_kept_until_it_allows_it() {
    let state = "oauthclient.dev/refresh-state";
    // If the state cannot be stored, no request is sent; if only the token Secret cannot be written, one is.
    for (what, requests) in [
        (format!("object.type != '{state}'"), 0),
        (
            "!has(object.data) || !('access_token' in object.data)".to_owned(),
            1,
        ),
    ] {
        let stage = Stage::with(strict()).await;
        authorize(&stage).await;
        let operator = stage.operator(quick()).await;
        let name = format!("no-secrets-in-{}", stage.namespace);
        let policy = format!(
            "apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{name: {name}}}
spec:
  matchConstraints:
    namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {namespace}}}}}
    resourceRules:
    - {{apiGroups: [\"\"], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [secrets]}}
  validations: [{{expression: \"{what}\", message: not here}}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{name: {name}}}
spec: {{policyName: {name}, validationActions: [Deny]}}
",
            namespace = stage.namespace
        );
        stage.apply(&policy).await;
        let type_ = format!("--type={state}");
        let probe = [
            "create",
            "secret",
            "generic",
            "probe",
            &type_,
            "--from-literal=access_token=x",
        ];
        refused_until(&stage, &probe).await;
        stage.apply(&resource(&stage, 5)).await;
        let message = stage
            .wait_for("main", "Stalled", "True", "WriteRefused")
            .await;
        assert!(message.contains(&name), "who refuses it: {message}");
        stage.stays_at(requests).await;
        let binding = ["delete", "validatingadmissionpolicybinding", &name];
        stage.kubectl(&binding).await;
        let probe = [&probe[..], &["--dry-run=server"]].concat();
        stage
            .until("it is no longer in force", || async {
                stage.try_kubectl(&probe).await.is_ok()
            })
            .await;
        if requests > 0 {
            // The stored token is published at once, and then what was asked for is done: a refresh.
            stage.request_refresh("main").await;
        }
        ends_well(&stage, &operator, requests + 1).await;
        let status = stage.object("oauthclient", "main").await.unwrap();
        let handled = status.pointer("/status/lastRefreshRequest");
        assert_eq!(handled.is_some(), requests > 0, "{status}");
        let policy = ["delete", "validatingadmissionpolicy", &name];
        stage.kubectl(&policy).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_told_apart_and_only_that_of_the_grant_ends_the_chain() {
    for (code, reason, dead) in [
        ("invalid_client", "InvalidClient", false),
        ("invalid_scope", "InvalidScope", false),
        ("invalid_grant", "ReauthorizationRequired", true),
    ] {
        let stage = Stage::with(strict()).await;
        authorize(&stage).await;
        let operator = stage.operator(quick()).await;
        stage.apply(&resource(&stage, 5)).await;
        stage.wait_ready("main").await;
        stage.provider.set_fault(PATH, Some(Fault::error(code)));
        stage.request_refresh("main").await;
        stage
            .wait_for("main", "RefreshFailing", "True", reason)
            .await;
        stage.wait_for("main", "Stalled", "True", reason).await;
        let ready = stage.condition("main", "Ready").await.unwrap();
        assert_eq!(ready.status, "True", "{code}: the old token lives");
        stage.quiet(2, 5).await;
        stage.provider.set_fault(PATH, None);
        if dead {
            stage.request_refresh("main").await;
            stage.quiet(2, 4).await;
            authorize(&stage).await;
        } else {
            // It was never used: it is as good as before.
            stage.request_refresh("main").await;
        }
        stage.exactly(3).await;
        stage.wait_for("main", "Stalled", "False", "").await;
        let sent = if dead { vec![1, 1, 1] } else { vec![2, 1] };
        assert_eq!(times(&stage), sent, "{code}");
        nothing_leaked(&stage, &operator).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_of_a_process_that_may_still_be_at_work_is_left_alone() {
    let stage = Stage::with(strict()).await;
    authorize(&stage).await;
    let first = stage.operator(quick()).await;
    stage.apply(&resource(&stage, 30)).await;
    stage.wait_ready("main").await;
    stage
        .provider
        .update(PATH, |behaviour| behaviour.latency_ms = 12_000);
    stage.request_refresh("main").await;
    stage
        .until("a request is under way", || async {
            stage.provider.in_flight(PATH) == 1
        })
        .await;
    // A second leader, which finds the claim and cannot know of whom it is.
    let second = stage.operator(quick()).await;
    stage.touch("client").await;
    ends_well(&stage, &first, 2).await;
    nothing_leaked(&stage, &second).await;
}
