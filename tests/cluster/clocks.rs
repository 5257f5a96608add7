//! Clocks that jump and machines that sleep: one new token, and no loop.

use std::path::PathBuf;
use std::time::Duration;

use testkit::process::Signal;

use super::harness::{SOON, Stage, Start};

const HOUR: i64 = 3600;
const TEN_YEARS: i64 = 10 * 365 * 24 * HOUR;

/// A token valid for an hour and a clock that jumps by so many seconds: it is replaced once, because by the clock it
/// has expired,
/// or was issued in the future.
async fn jumps(by: i64) {
    let stage = Stage::new(3600.0).await;
    let file = clock_file();
    let flag = format!("--clock-offset-file={}", file.display());
    let operator = stage.operator(Start::with(&[&flag])).await;
    stage.resource("main", "").await;
    let first = stage.wait_ready("main").await;
    std::fs::write(&file, by.to_string()).unwrap();
    stage
        .until("a token by the new time", || async {
            stage.requests() >= 2
        })
        .await;
    stage.quiet(2, 6).await;
    let second = stage.valid_token("main-token").await;
    assert!(second.is_some() && second != Some(first));
    assert_eq!(stage.writes(&operator).await.0, 2, "writes of the Secret");
    assert_eq!(operator.get("/healthz").await.unwrap().0, 200);
    stage.nothing_leaked(&operator).await;
    stage.ends_as_without_fault("main").await;
}

fn clock_file() -> PathBuf {
    tempfile::tempdir().unwrap().keep().join("offset")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_an_hour_ahead_costs_one_token() {
    jumps(HOUR).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_back_an_hour_costs_one_token() {
    jumps(-HOUR).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_ten_years_ahead_costs_one_token() {
    jumps(TEN_YEARS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_back_ten_years_costs_one_token() {
    jumps(-TEN_YEARS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_slept_over_the_end_of_a_token_asks_for_one_when_it_wakes() {
    let stage = Stage::new(16.0).await;
    let operator = stage.operator(Start::default()).await;
    stage.resource("main", "").await;
    stage.wait_ready("main").await;
    operator.signal(Signal::Stop).unwrap();
    let before = stage.requests();
    tokio::time::sleep(Duration::from_secs(18)).await;
    assert!(
        stage.valid_token("main-token").await.is_none(),
        "it has expired meanwhile"
    );
    assert_eq!(stage.requests(), before);
    operator.signal(Signal::Continue).unwrap();
    stage
        .until("a valid token", || async {
            stage.valid_token("main-token").await.is_some()
        })
        .await;
    assert_eq!(stage.requests(), before + 1);
    stage.wait_for("main", "Ready", "True", "").await;
    assert!(operator.terminate(SOON).await.unwrap().success());
    stage.nothing_leaked(&operator).await;
}
