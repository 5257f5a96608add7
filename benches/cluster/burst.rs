//! (a) A burst of new resources, and (e) a trickle of them.

use std::time::{Duration, Instant};

use super::bare::{self, Calls};
use super::stage::{PATH, Stage, quantile};
use crate::RATIOS;
use testkit::ratios::Better;

/// All Secrets of `count` resources that are there before the operator starts, against the bare loop.
pub async fn burst(count: usize) {
    println!("\n## burst of {count}");
    // The bare loops first, on a control plane of their own with the same objects.
    let stage = Stage::new(86_400.0).await;
    stage.resources(0, count).await;
    // Watched like the operator's, so that the API server has the same to do for the benchmark itself.
    let _watched = stage.observe();
    let same = bare::run(&stage, count, Calls::Same).await;
    drop(stage);
    let stage = Stage::new(86_400.0).await;
    stage.resources(0, count).await;
    let _watched = stage.observe();
    let least = bare::run(&stage, count, Calls::Least).await;
    drop(stage);
    let stage = Stage::new(86_400.0).await;
    stage.resources(0, count).await;
    let seen = stage.observe();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let begun = Instant::now();
    let operator = stage.operator(&["--leader-elect=false"]).await;
    let ours = seen.all(count).await.duration_since(begun);
    let slowest = seen.slowest_status();
    let ratio = |bare: Duration| bare.as_secs_f64() / ours.as_secs_f64();
    RATIOS.note(
        format!("burst of {count}: speed relative to the bare loop with the same calls"),
        ratio(same),
        Better::Higher,
    );
    println!(
        "operator (from its start)       {:>8.2} s  {:>7.0} resources/s",
        ours.as_secs_f64(),
        count as f64 / ours.as_secs_f64()
    );
    println!(
        "bare loop, same calls           {:>8.2} s  ratio {:.2}",
        same.as_secs_f64(),
        ratio(same)
    );
    println!(
        "bare loop, one POST, one write  {:>8.2} s  ratio {:.2}",
        least.as_secs_f64(),
        ratio(least)
    );
    println!(
        "slowest status after its Secret {:>8.2} s",
        slowest.as_secs_f64()
    );
    println!(
        "token requests a resource       {:>8.2}",
        stage.provider.count(PATH) as f64 / count as f64
    );
    println!(
        "CPU of the operator             {:>8.2} s",
        operator.cpu_time().unwrap().as_secs_f64()
    );
}

/// From the creation of a resource to its Secret, one at a time.
pub async fn trickle(count: usize) {
    println!("\n## trickle of {count}");
    let stage = Stage::new(86_400.0).await;
    let operator = stage.operator(&["--leader-elect=false"]).await;
    operator
        .wait_until_ready(Duration::from_secs(30))
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let seen = stage.observe();
    let mut ours = Vec::new();
    let mut bare = Vec::new();
    let http = bare::http(&stage);
    for number in 0..count {
        stage.credentials(number).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let begun = Instant::now();
        stage.resource(number, &stage.provider.url(PATH)).await;
        ours.push(seen.secret(number).await.duration_since(begun));
        tokio::time::sleep(Duration::from_millis(100)).await;
        let begun = Instant::now();
        bare::one(&stage, &http, number, Calls::Same).await;
        bare.push(begun.elapsed());
    }
    for (name, part) in [("p50", 0.5), ("p99", 0.99)] {
        let (ours, bare) = (quantile(&ours, part), quantile(&bare, part));
        RATIOS.note(
            format!("trickle: {name} of the bare loop relative to the operator's"),
            bare.as_secs_f64() / ours.as_secs_f64(),
            Better::Higher,
        );
        println!(
            "{name}  operator {:>7.1} ms  bare loop {:>7.1} ms  ratio {:.2}",
            ours.as_secs_f64() * 1e3,
            bare.as_secs_f64() * 1e3,
            bare.as_secs_f64() / ours.as_secs_f64()
        );
    }
}
