//! (b) The steady state, (d) a restart, (f) a hung host beside a good one.

use std::time::{Duration, Instant};

use testkit::provider::{Fault, Provider, Script};

use super::stage::{PATH, Seen, Stage, behaviour, quantile};
use crate::RATIOS;
use testkit::ratios::Better;

/// Writes and requests a refresh, and what a refresh costs.
pub async fn steady(updates: &str, promised: f64) {
    println!("\n## steady state, --status-updates={updates}");
    let count = 200;
    let stage = Stage::new(20.0).await;
    stage.resources(0, count).await;
    let seen = stage.observe();
    let operator = stage
        .operator(&[
            "--leader-elect=false",
            &format!("--status-updates={updates}"),
        ])
        .await;
    seen.all(count).await;
    tokio::time::sleep(Duration::from_secs(15)).await;
    let metric = |kind: &'static str| {
        let operator = &operator;
        async move {
            operator
                .metric("oauthclient_api_writes_total", &[("kind", kind)])
                .await
                .unwrap_or(0.0)
        }
    };
    let before = (
        metric("secret").await,
        metric("status").await,
        metric("event").await,
    );
    let (requests, cpu) = (stage.provider.count(PATH), operator.cpu_time().unwrap());
    let server = stage.plane.api_server_cpu_time().unwrap();
    let mark = stage.plane.audit_mark().await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let after = (
        metric("secret").await,
        metric("status").await,
        metric("event").await,
    );
    let (requests, cpu) = (
        stage.provider.count(PATH) - requests,
        operator.cpu_time().unwrap() - cpu,
    );
    let server = stage.plane.api_server_cpu_time().unwrap() - server;
    let user = "system:serviceaccount:oauthclient-system:oauthclient-operator";
    let audit = stage.plane.audit_since(mark).await.unwrap();
    let ours = audit.iter().filter(|event| event.user == user);
    let reads = ours.filter(|event| event.verb == "get").count() as f64;
    let refreshes = after.0 - before.0;
    let writes = refreshes + (after.1 - before.1) + (after.2 - before.2);
    println!("refreshes in 60 s               {refreshes:>8}");
    println!(
        "API writes a refresh            {:>8.3}  promised {promised:.2}",
        writes / refreshes
    );
    println!("API reads a refresh             {:>8.3}", reads / refreshes);
    println!(
        "CPU seconds of the API server for 1,000 refreshes {:>8.3}",
        server.as_secs_f64() / refreshes * 1000.0
    );
    for (what, calls) in [("reads", reads), ("writes", writes)] {
        RATIOS.note(
            format!("steady, status updates {updates}: API {what} per refresh"),
            calls / refreshes,
            Better::Lower,
        );
    }
    RATIOS.note(
        format!("steady, status updates {updates}: token requests per refresh"),
        requests as f64 / refreshes,
        Better::Lower,
    );
    println!(
        "token requests a refresh        {:>8.3}  promised 1.00",
        requests as f64 / refreshes
    );
    println!(
        "CPU seconds for 1,000 refreshes {:>8.3}",
        cpu.as_secs_f64() / refreshes * 1000.0
    );
    println!(
        "resident memory                 {:>8.1} MiB",
        operator.resident_kib().unwrap() as f64 / 1024.0
    );
}

/// A restart with valid tokens requests nothing and writes nothing.
pub async fn restart(count: usize) {
    println!("\n## restart with {count} valid tokens");
    let stage = Stage::new(86_400.0).await;
    stage.resources(0, count).await;
    let seen = stage.observe();
    let operator = stage.operator(&[]).await;
    seen.all(count).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    operator.terminate(Duration::from_secs(70)).await.unwrap();
    let requests = stage.provider.count(PATH);
    let mark = stage.plane.audit_mark().await.unwrap();
    let operator = stage.operator(&[]).await;
    operator
        .wait_until_ready(Duration::from_secs(30))
        .await
        .unwrap();
    // Long enough for the background check of all contents at 20 a second.
    tokio::time::sleep(Duration::from_secs(10 + count as u64 / 20)).await;
    let user = "system:serviceaccount:oauthclient-system:oauthclient-operator";
    let audit = stage.plane.audit_since(mark).await.unwrap();
    let ours = audit.iter().filter(|event| event.user == user);
    let writes = ours.clone().filter(|event| event.is_write());
    let lease = writes
        .clone()
        .filter(|event| event.resource == "leases")
        .count();
    println!(
        "token requests                  {:>8}  promised 0",
        stage.provider.count(PATH) - requests
    );
    println!(
        "API writes besides the Lease    {:>8}  promised 0",
        writes.count() - lease
    );
    println!("API calls in all                {:>8}", ours.count());
    drop(operator);
}

/// One of two hosts hangs: how long new resources of the other take from creation to Secret.
pub async fn hung() {
    println!("\n## one host of two hangs");
    let stage = Stage::new(86_400.0).await;
    let operator = stage.operator(&["--leader-elect=false"]).await;
    operator
        .wait_until_ready(Duration::from_secs(30))
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let seen = stage.observe();
    let alone = latencies(&stage, &seen, 0, 100).await;
    let hanging = behaviour(86_400.0).with_fault(Fault::Hang);
    let other = Provider::tls(Script::one(PATH, hanging), &stage.authority).unwrap();
    stage.resources_at(1000, 200, &other.url(PATH)).await;
    other
        .wait_for_requests(PATH, 1, Duration::from_secs(30))
        .await
        .unwrap();
    let beside = latencies(&stage, &seen, 100, 100).await;
    for (name, part) in [("p50", 0.5), ("p99", 0.99)] {
        let (alone, beside) = (quantile(&alone, part), quantile(&beside, part));
        println!(
            "{name}  alone {:>7.1} ms  beside a hung host with 200 resources {:>7.1} ms  ratio {:.2}",
            alone.as_secs_f64() * 1e3,
            beside.as_secs_f64() * 1e3,
            alone.as_secs_f64() / beside.as_secs_f64()
        );
    }
    println!(
        "requests that hang at a time    {:>8}",
        other.max_concurrency(PATH)
    );
}

async fn latencies(stage: &Stage, seen: &Seen, first: usize, count: usize) -> Vec<Duration> {
    let mut times = Vec::new();
    for number in first..first + count {
        stage.credentials(number).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        let begun = Instant::now();
        stage.resource(number, &stage.provider.url(PATH)).await;
        times.push(seen.secret(number).await.duration_since(begun));
    }
    times
}
