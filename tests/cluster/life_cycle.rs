//! Edits, moves, deletions and restarts in the life of a resource, with a crash where it hurts.

use std::time::Duration;

use testkit::fault_proxy::{Fault, Rule};

use super::api_server::secret_writes;
use super::harness::{SOON, Stage, Start, living};

#[tokio::test(flavor = "multi_thread")]
async fn a_spec_that_cannot_work_stalls_and_its_undoing_recovers_by_itself() {
    let stage = Stage::new(3600.0).await;
    let operator = stage.operator(Start::default()).await;
    stage.resource("main", "").await;
    let token = stage.wait_ready("main").await;
    let bad = stage.manifest("main", "").replace(
        "tokenSecret: {name: main-token}",
        "tokenSecret: {name: main-token, data: {header: \"{{ nonsense }}\"}}",
    );
    stage.apply(&bad).await;
    let message = stage
        .wait_for("main", "Stalled", "True", "InvalidTemplate")
        .await;
    assert!(message.contains("spec.tokenSecret.data"), "{message}");
    assert!(
        message.contains("valid until"),
        "what still works: {message}"
    );
    assert_eq!(
        stage.condition("main", "Ready").await.unwrap().status,
        "True"
    );
    stage.stays_at(1).await;
    stage.resource("main", "").await;
    stage.wait_for("main", "Stalled", "False", "").await;
    stage.exactly(1).await;
    assert_eq!(stage.valid_token("main-token").await, Some(token));
    assert_eq!(stage.writes(&operator).await.0, 1);
    let mut events = stage.events("main").await;
    events.sort();
    assert_eq!(events, ["Normal Recovered", "Warning InvalidTemplate"]);
    stage.nothing_leaked(&operator).await;
    stage.ends_as_without_fault("main").await;
}

/// A new name for the token Secret, and a crash where `rule` holds a write.
async fn moves_over_a_crash(rule: Rule) {
    let stage = Stage::new(3600.0).await;
    let proxy = stage.proxy().await;
    let operator = stage.operator_behind(&proxy).await;
    let first = stage
        .manifest("main", "")
        .replace("main-token", "old-token");
    stage.apply(&first).await;
    stage.wait_for("main", "Ready", "True", "").await;
    let token = stage.valid_token("old-token").await.unwrap();
    let rule = proxy.add(rule);
    stage.resource("main", "").await;
    proxy.wait_for_hits(rule, 1, SOON).await.unwrap();
    operator.kill();
    assert_eq!(
        stage.valid_token("old-token").await.as_ref(),
        Some(&token),
        "the old one stands until the new one does"
    );
    proxy.clear();
    let operator = stage.operator_behind(&proxy).await;
    stage
        .until("the new one stands and the old one is gone", || async {
            stage.valid_token("main-token").await.as_ref() == Some(&token)
                && stage.secret("old-token").await.is_none()
        })
        .await;
    stage.exactly(1).await;
    stage.nothing_leaked(&operator).await;
    stage.ends_as_without_fault("main").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_to_another_secret_goes_on_after_a_crash_before_the_new_one_is_written() {
    moves_over_a_crash(secret_writes(Fault::HoldRequest)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_to_another_secret_goes_on_after_a_crash_before_the_old_one_is_deleted() {
    moves_over_a_crash(secret_writes(Fault::HoldRequest).skip(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_before_the_secret_is_written_costs_one_more_request_and_after_it_none() {
    for (fault, requests) in [(Fault::HoldRequest, 2), (Fault::HoldAnswer, 1)] {
        let stage = Stage::new(3600.0).await;
        let proxy = stage.proxy().await;
        let rule = proxy.add(secret_writes(fault));
        let operator = stage.operator_behind(&proxy).await;
        stage.resource("main", "").await;
        proxy.wait_for_hits(rule, 1, SOON).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        operator.kill();
        proxy.clear();
        let operator = stage.operator_behind(&proxy).await;
        stage.wait_ready("main").await;
        stage.exactly(requests).await;
        stage.nothing_leaked(&operator).await;
        stage.ends_as_without_fault("main").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_while_the_operator_is_down_is_gone_with_its_secret() {
    let stage = Stage::new(3600.0).await;
    let operator = stage.operator(Start::default()).await;
    stage.resource("main", "").await;
    stage.resource("other", "").await;
    stage.wait_ready("main").await;
    stage.wait_ready("other").await;
    assert!(operator.terminate(SOON).await.unwrap().success());
    stage.nothing_leaked(&operator).await;
    stage
        .kubectl(&["delete", "oauthclient", "main", "--timeout=20s"])
        .await;
    stage
        .until("its Secret is gone", || async {
            stage.secret("main-token").await.is_none()
        })
        .await;
    let operator = stage.operator(Start::default()).await;
    stage.exactly(2).await;
    assert_eq!(stage.writes(&operator).await, (0, 0));
    stage
        .until("it counts the one that is left", || async {
            let all = operator.metric("oauthclient_resources", &[]).await;
            all.is_ok_and(|all| all == 1.0)
        })
        .await;
    stage.ends_as_without_fault("other").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_status_updates_on_transitions_a_refresh_is_one_write() {
    let stage = Stage::with(living(10.0)).await;
    let operator = stage
        .operator(Start::with(&["--status-updates=transitions"]))
        .await;
    stage.resource("main", "").await;
    stage.wait_ready("main").await;
    stage
        .until("some refreshes", || async {
            stage.writes(&operator).await.0 >= 4
        })
        .await;
    let (secret, status) = stage.writes(&operator).await;
    assert!(secret.abs_diff(stage.requests()) <= 1, "one write a token");
    assert_eq!(status, 1, "one transition: it became ready");
    let object = stage.object("oauthclient", "main").await.unwrap();
    assert!(object.pointer("/status/token").is_none());
    // A failure is reported.
    let fault = testkit::provider::Fault::status(503);
    stage.provider.set_fault(super::harness::PATH, Some(fault));
    stage.wait_for("main", "RefreshFailing", "True", "").await;
    stage.provider.set_fault(super::harness::PATH, None);
    stage.wait_for("main", "RefreshFailing", "False", "").await;
    stage.wait_ready("main").await;
    stage.nothing_leaked(&operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_roles_in_some_namespaces_those_are_served_and_no_other() {
    let stage = Stage::new(3600.0).await;
    let second = Stage::new(3600.0).await;
    let third = Stage::new(3600.0).await;
    stage.own_account().await;
    // As deploy/namespaced says: the Role and its binding in each, the subject's namespace stays the operator's.
    let role = super::harness::deploy().join("namespaced/role.yaml");
    let role = std::fs::read_to_string(role).unwrap();
    let subject = format!("    namespace: {}\n", stage.namespace);
    let role = role
        .replace("    namespace: oauthclient-system\n", &subject)
        .replace("oauthclient-system", &second.namespace);
    second.apply(&role).await;
    let start = Start {
        namespaces: vec![second.namespace.clone()],
        ..Start::default().with_own_account()
    };
    let operator = stage.operator(start).await;
    for stage in [&third, &second, &stage] {
        stage.resource("main", "").await;
    }
    stage.wait_ready("main").await;
    second.wait_ready("main").await;
    third.stays_at(0).await;
    assert!(third.condition("main", "Ready").await.is_none());
    assert_eq!((stage.requests(), second.requests()), (1, 1));
    stage.nothing_leaked(&operator).await;
    second.nothing_leaked(&operator).await;
    second.ends_as_without_fault("main").await;
}
