//! Whatever the API server answers, a token is asked for once, and what was asked for is written.

use std::time::Duration;

use testkit::control_plane::{ControlPlane, Options};
use testkit::deploy::install_deploy;
use testkit::fault_proxy::{Answer, Fault, Rule, WatchFault};
use testkit::operator::Operator;

use super::harness::{Plane, SOON, Stage, Start, deploy, living};

/// Writes of the token Secret: `POST` to the collection, `PATCH` to the object.
pub fn secret_writes(fault: Fault) -> Rule {
    Rule::new(fault).writes().path_has("/secrets")
}

fn status_writes(fault: Fault) -> Rule {
    Rule::new(fault)
        .writes()
        .path_ends("/oauthclients/main/status")
}

/// Error responses, and error responses after the request took effect.
fn troubles() -> Vec<Fault> {
    vec![
        Fault::Answer(Answer::conflict()),
        Fault::Answer(Answer::too_many_requests("1")),
        Fault::Answer(Answer::internal_error()),
        Fault::AnswerAfter(Answer::timeout()),
        Fault::AnswerAfter(Answer::internal_error()),
        Fault::DropBefore,
        Fault::DropAfter,
    ]
}

/// The same end as without a fault, after so many token requests.
pub async fn ends_well(stage: &Stage, operator: &Operator, requests: usize) {
    stage.exactly(requests).await;
    stage.nothing_leaked(operator).await;
    stage.ends_as_without_fault("main").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_cannot_be_created_at_once_is_created_with_the_token_in_hand() {
    for fault in troubles() {
        let stage = Stage::new(3600.0).await;
        let proxy = stage.proxy().await;
        let rule = proxy.add(secret_writes(fault).times(2));
        let operator = stage.operator_behind(&proxy).await;
        stage.resource("main", "").await;
        proxy.wait_for_hits(rule, 1, SOON).await.unwrap();
        stage.wait_ready("main").await;
        ends_well(&stage, &operator, 1).await;
        assert!(stage.writes(&operator).await.0 <= 3, "tries are few");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_whose_write_fails_is_written_with_the_token_in_hand() {
    let stage = Stage::new(3600.0).await;
    let proxy = stage.proxy().await;
    let operator = stage.operator_behind(&proxy).await;
    stage.resource("main", "").await;
    stage.wait_ready("main").await;
    for (nth, fault) in troubles().into_iter().enumerate() {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let rule = proxy.add(secret_writes(fault).times(2));
        stage.request_refresh("main").await;
        proxy.wait_for_hits(rule, 1, SOON).await.unwrap();
        let newest = || {
            stage
                .provider
                .tokens(super::harness::PATH)
                .pop()
                .map(|token| token.token)
        };
        stage
            .until("the newest token is published", || async {
                stage.requests() == nth + 2 && stage.valid_token("main-token").await == newest()
            })
            .await;
        proxy.clear();
    }
    ends_well(&stage, &operator, troubles().len() + 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_cannot_be_written_follows_and_asks_for_nothing() {
    let stage = Stage::new(3600.0).await;
    let proxy = stage.proxy().await;
    let operator = stage.operator_behind(&proxy).await;
    stage.resource("main", "").await;
    stage.wait_ready("main").await;
    for (nth, fault) in troubles().into_iter().enumerate() {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let rule = proxy.add(status_writes(fault).times(2));
        stage.request_refresh("main").await;
        proxy.wait_for_hits(rule, 1, SOON).await.unwrap();
        stage
            .until("the status tells of the refresh", || async {
                let object = stage.object("oauthclient", "main").await.unwrap();
                let asked =
                    object.pointer("/metadata/annotations/oauthclient.dev~1refresh-requested-at");
                object.pointer("/status/lastRefreshRequest") == asked
            })
            .await;
        assert_eq!(stage.requests(), nth + 2);
        proxy.clear();
    }
    ends_well(&stage, &operator, troubles().len() + 1).await;
    assert_eq!(
        stage.writes(&operator).await.0,
        stage.requests(),
        "one write of the Secret a token"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_was_not_written_before_a_crash_is_written_after_it() {
    let stage = Stage::new(3600.0).await;
    let proxy = stage.proxy().await;
    let rule = proxy.add(status_writes(Fault::Answer(Answer::internal_error())));
    let operator = stage.operator_behind(&proxy).await;
    stage.resource("main", "").await;
    proxy.wait_for_hits(rule, 2, SOON).await.unwrap();
    operator.kill();
    proxy.clear();
    let operator = stage.operator_behind(&proxy).await;
    stage.wait_ready("main").await;
    ends_well(&stage, &operator, 1).await;
    assert_eq!(stage.writes(&operator).await, (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_waits_for_the_api_server_is_told_of() {
    let stage = Stage::new(3600.0).await;
    let proxy = stage.proxy().await;
    proxy.add(secret_writes(Fault::Answer(Answer::internal_error())));
    let operator = stage.operator_behind(&proxy).await;
    stage.resource("main", "").await;
    stage
        .wait_for("main", "Reconciling", "True", "AwaitingWrite")
        .await;
    assert_eq!(stage.requests(), 1);
    proxy.clear();
    stage.wait_ready("main").await;
    stage.wait_for("main", "Reconciling", "False", "").await;
    ends_well(&stage, &operator, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_breaks_is_taken_up_again_and_misses_nothing() {
    let stage = Stage::new(3600.0).await;
    let proxy = stage.proxy().await;
    let start = Start::with(&["--api-silence-seconds=4"]).through(proxy.url());
    let operator = stage.operator(start).await;
    stage.resource("main", "").await;
    stage.wait_ready("main").await;
    let breaks = [
        WatchFault::Error(Answer::gone()),
        WatchFault::Error(Answer::internal_error()),
        WatchFault::CutMidFrame,
        WatchFault::End,
        WatchFault::Silence,
    ];
    for (nth, how) in breaks.iter().enumerate() {
        stage
            .until("all watches stand", || async {
                proxy.open_watches().len() >= 3
            })
            .await;
        assert!(proxy.break_watches("", how) >= 3);
        stage.resource("main", &format!("  scopes: [s{nth}]")).await;
        stage
            .until(&format!("the edit after {how:?} is noticed"), || async {
                stage.requests() >= nth + 2
            })
            .await;
    }
    ends_well(&stage, &operator, breaks.len() + 1).await;
    assert_eq!(stage.writes(&operator).await.0, breaks.len() + 1);
    let restarts = operator
        .metric("oauthclient_watch_restarts_total", &[])
        .await;
    assert!(restarts.unwrap() >= 3.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_api_server_takes_no_token_away_and_asks_for_none() {
    let stage = Stage::new(3600.0).await;
    let proxy = stage.proxy().await;
    let operator = stage.operator_behind(&proxy).await;
    stage.resource("main", "").await;
    let token = stage.wait_ready("main").await;
    proxy.go_down();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(
        operator.get("/healthz").await.unwrap().0,
        200,
        "alive throughout"
    );
    proxy.come_up();
    stage.resource("other", "").await;
    stage.wait_ready("other").await;
    stage.exactly(2).await;
    assert_eq!(stage.valid_token("main-token").await, Some(token));
    stage.nothing_leaked(&operator).await;
    stage.ends_as_without_fault("main").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_waits_for_its_crd_and_outlives_its_removal() {
    testkit::install_crypto();
    let plane = ControlPlane::start(Options::with_usual_controllers())
        .await
        .unwrap();
    install_deploy(&plane, &deploy(), "oauthclient-system")
        .await
        .unwrap();
    let crd = "oauthclients.oauthclient.dev";
    plane
        .run_kubectl(&["delete", "crd", crd], "")
        .await
        .unwrap();
    let stage = Stage::on(Plane::Own(Box::new(plane)), living(3600.0)).await;
    let operator = stage.launch(Start::default()).await;
    operator
        .wait_for_log(
            "the CRD oauthclients.oauthclient.dev is not installed",
            SOON,
        )
        .await
        .unwrap();
    assert_eq!(operator.get("/healthz").await.unwrap().0, 200);

    install(&stage).await;
    operator.wait_until_ready(SOON).await.unwrap();
    stage.resource("main", "").await;
    stage.wait_ready("main").await;

    stage.kubectl(&["delete", "crd", crd]).await;
    operator
        .wait_for_log("a watch was interrupted", SOON)
        .await
        .unwrap();
    stage.stays_at(1).await;
    install(&stage).await;
    // Another name: the garbage collector takes half a minute to learn of a kind, and only then collects what `main` left.
    stage.resource("other", "").await;
    stage.wait_ready("other").await;
    assert!(operator.exited().is_none());
    stage.exactly(2).await;
    stage.nothing_leaked(&operator).await;
    stage.ends_as_without_fault("other").await;
}

async fn install(stage: &Stage) {
    let crd = deploy().join("crd.yaml");
    stage.kubectl(&["apply", "-f", crd.to_str().unwrap()]).await;
    let crd = "crd/oauthclients.oauthclient.dev";
    stage
        .kubectl(&["wait", "--for=condition=Established", "--timeout=30s", crd])
        .await;
}
