//! Several replicas, the Lease between them, and how a process ends.

use std::time::Duration;

use testkit::fault_proxy::{Answer, Fault, FaultProxy, Rule};
use testkit::operator::Operator;
use testkit::process::Signal;

use super::harness::{PATH, SOON, Stage, Start};

/// A lease that is lost and taken over within seconds.
const SHORT: [&str; 3] = [
    "--lease-duration-seconds=6",
    "--lease-renew-deadline-seconds=4",
    "--lease-retry-seconds=1",
];

async fn holder(stage: &Stage) -> String {
    let lease = stage.object("lease", "oauthclient-operator").await;
    let lease = lease.unwrap_or_default();
    let holder = lease.pointer("/spec/holderIdentity");
    holder
        .and_then(|holder| holder.as_str())
        .unwrap_or_default()
        .to_owned()
}

async fn leads(operator: &Operator) -> bool {
    operator
        .metric("oauthclient_leader", &[])
        .await
        .is_ok_and(|leads| leads == 1.0)
}

async fn until_leading(stage: &Stage, operator: &Operator) {
    stage
        .until("it leads", || async { leads(operator).await })
        .await;
}

/// Which of two requests, identified by words in their lines, came last.
fn order(proxy: &FaultProxy, words: [&str; 2]) -> [usize; 2] {
    let requests = proxy.requests();
    words.map(|word| {
        let fits = |request: &testkit::fault_proxy::Request| {
            format!("{} {}", request.method, request.path).contains(word)
        };
        requests.iter().rposition(fits).unwrap()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_when_told_to_end_is_written_before_the_lease_is_released() {
    let stage = Stage::new(3600.0).await;
    stage.own_account().await;
    stage
        .provider
        .update(PATH, |behaviour| behaviour.latency_ms = 4000);
    let proxy = stage.proxy().await;
    let operator = stage
        .operator(Start::elected(&[]).through(proxy.url()))
        .await;
    until_leading(&stage, &operator).await;
    stage.resource("main", "").await;
    stage
        .until("a request is under way", || async {
            stage.provider.in_flight(PATH) == 1
        })
        .await;
    operator.signal(Signal::Terminate).unwrap();
    // Not ready, but live: nothing new is sent here, and the process is not killed.
    stage
        .until("it says that it ends", || async {
            operator
                .get("/readyz")
                .await
                .is_ok_and(|(status, _)| status == 503)
        })
        .await;
    assert_eq!(operator.get("/healthz").await.unwrap().0, 200);
    assert!(operator.wait(SOON).await.unwrap().success());
    assert!(
        stage.valid_token("main-token").await.is_some(),
        "the answer was written"
    );
    assert_eq!(holder(&stage).await, "", "the lease was released");
    let [written, released] = order(
        &proxy,
        ["POST /api/v1/namespaces", "PUT /apis/coordination"],
    );
    assert!(written < released, "the lease was released after the write");
    stage.nothing_leaked(&operator).await;

    let next = stage.operator(Start::elected(&[])).await;
    until_leading(&stage, &next).await;
    stage.wait_ready("main").await;
    stage.exactly(1).await;
    stage.ends_as_without_fault("main").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_lost_during_a_request_ends_the_process_after_the_answer_is_written() {
    let stage = Stage::new(3600.0).await;
    stage.own_account().await;
    stage
        .provider
        .update(PATH, |behaviour| behaviour.latency_ms = 8000);
    let proxy = stage.proxy().await;
    let operator = stage
        .operator(Start::elected(&SHORT).through(proxy.url()))
        .await;
    until_leading(&stage, &operator).await;
    stage
        .apply(
            &stage
                .manifest("main", "")
                .replace("timeoutSeconds: 5", "timeoutSeconds: 20"),
        )
        .await;
    stage
        .until("a request is under way", || async {
            stage.provider.in_flight(PATH) == 1
        })
        .await;
    let renewals = Rule::new(Fault::Answer(Answer::internal_error()))
        .writes()
        .path_has("/leases");
    proxy.add(renewals);
    let status = operator.wait(SOON).await.unwrap();
    assert!(!status.success(), "to be restarted");
    assert!(
        operator.stderr().contains("lost the Lease"),
        "{}",
        operator.stderr()
    );
    assert!(
        stage.valid_token("main-token").await.is_some(),
        "the answer was written"
    );
    stage.nothing_leaked(&operator).await;

    proxy.clear();
    let next = stage.operator(Start::elected(&SHORT)).await;
    until_leading(&stage, &next).await;
    stage.wait_ready("main").await;
    stage.exactly(1).await;
    stage.ends_as_without_fault("main").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_takes_over_and_asks_for_nothing() {
    let stage = Stage::new(3600.0).await;
    stage.own_account().await;
    let first = stage.operator(Start::elected(&SHORT)).await;
    until_leading(&stage, &first).await;
    let second = stage.operator(Start::elected(&SHORT)).await;
    stage.resource("main", "").await;
    stage.wait_ready("main").await;
    assert!(leads(&first).await && !leads(&second).await, "one leads");

    // A crash: the lease has to run out first.
    first.kill();
    until_leading(&stage, &second).await;
    stage.resource("other", "").await;
    stage.wait_ready("other").await;
    stage.exactly(2).await;
    assert_eq!(stage.writes(&second).await.0, 1, "the other's Secret alone");

    // A rolling update: the lease is handed over.
    let third = stage.operator(Start::elected(&SHORT)).await;
    assert!(!leads(&third).await);
    assert!(second.terminate(SOON).await.unwrap().success());
    until_leading(&stage, &third).await;
    stage.stays_at(2).await;
    assert_eq!(stage.writes(&third).await, (0, 0));
    stage.nothing_leaked(&third).await;
    stage.ends_as_without_fault("main").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_was_suspended_too_long_ends_without_asking_or_writing() {
    let stage = Stage::new(14.0).await;
    stage.own_account().await;
    let first = stage.operator(Start::elected(&SHORT)).await;
    until_leading(&stage, &first).await;
    stage.resource("main", "").await;
    stage.wait_ready("main").await;
    let second = stage.operator(Start::elected(&SHORT)).await;
    first.signal(Signal::Stop).unwrap();
    let tokens = || stage.provider.tokens(PATH).len();
    let before = tokens();
    until_leading(&stage, &second).await;
    stage.resource("main", "  scopes: [again]").await;
    stage
        .until("the new leader works", || async {
            stage.writes(&second).await.0 > 0
        })
        .await;
    // Its token is over by what it knows, its lease too.
    tokio::time::sleep(Duration::from_secs(8)).await;
    first.signal(Signal::Continue).unwrap();
    let status = first.wait(SOON).await.unwrap();
    assert!(!status.success());
    // Waited for, because a token may be on its way to its Secret. One that the suspended leader requested would keep the counts apart
    // for good.
    stage
        .until(
            "every token since then was asked for by the new leader",
            || async { stage.writes(&second).await.0 == tokens() - before },
        )
        .await;
    assert!(stage.valid_token("main-token").await.is_some());
    stage.nothing_leaked(&first).await;
}
