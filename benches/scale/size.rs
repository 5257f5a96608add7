//! Memory and time by the number of resources: idle, first issues, restart.

use std::ops::Range;
use std::time::{Duration, Instant};

use testkit::operator::Operator;

use super::changes::Changes;
use super::place::Place;
use super::report::{Begun, Report, mib};
use super::seen::Seen;

/// How long an operator gets until it counts as idle.
const SETTLE: Duration = Duration::from_secs(30);
/// How long an operator may take until it knows all resources.
const KNOWN: Duration = Duration::from_secs(900);
/// How long an operator may take to end.
const END: Duration = Duration::from_secs(70);

/// The memory of an operator that was started with `count` tokens that exist.
pub async fn idle_small(place: &Place, seen: &Seen, report: &mut Report, count: usize) {
    let begun = Begun::now(place, &[]);
    place.create(0..count, |number| place.url_of(number)).await;
    report.share(&format!("create {count} resources"), &begun, place, &[]);
    let (operator, _) = place.ready_operator().await;
    seen.all(count, |_| {}).await;
    operator.terminate(END).await.unwrap();
    let (operator, _) = place.ready_operator().await;
    tokio::time::sleep(SETTLE).await;
    let resident = mib(operator.resident_kib().unwrap());
    report.row(
        &format!("resident memory, idle with {count}"),
        format!("{resident:.1} MiB"),
        "at most 20 MiB at 10,000",
        resident <= 20.0,
    );
    operator.terminate(END).await.unwrap();
}

/// The resources of these numbers get their first tokens, beside those that have one.
pub async fn first_issues(
    place: &Place,
    seen: &Seen,
    report: &mut Report,
    numbers: Range<usize>,
    changes: &mut Changes,
) -> Operator {
    let (before, count) = (numbers.start, numbers.len());
    let begun = Begun::now(place, &[]);
    place.create(numbers, |number| place.url_of(number)).await;
    report.share(&format!("create {count} resources"), &begun, place, &[]);

    let begun = Begun::now(place, &[]);
    let (operator, ready) = place.ready_operator().await;
    report.plain(
        &format!("from start to ready with {count} that have no token"),
        format!("{:.1} s", ready.as_secs_f64()),
    );
    changes.begin("first issues");
    let started = Instant::now();
    let issued = seen.count().saturating_sub(before);
    let mut resident: Vec<(usize, f64)> = Vec::new();
    seen.all(before + count, |now| {
        let kib = operator.resident_kib().unwrap();
        resident.push((now.saturating_sub(before), mib(kib)));
        place.forget_requests();
    })
    .await;
    let seconds = started.elapsed().as_secs_f64();
    report.plain(
        &format!("first issues, {count}"),
        format!("{:.0} a second", (count - issued) as f64 / seconds),
    );
    let at = |part: f64| {
        let wanted = (count as f64 * part) as usize;
        let reached = resident.iter().find(|(issued, _)| *issued >= wanted);
        reached.map_or(f64::NAN, |(_, mib)| *mib)
    };
    let over_time = [0.05, 0.25, 0.5, 0.75, 1.0].map(|part| format!("{:.1}", at(part)));
    let most = mib(operator.peak_resident_kib().unwrap());
    peak_row(
        report,
        "peak while starting, no tokens, and during first issues",
        most,
    );
    report.row(
        "resident memory at 5, 25, 50, 75, 100 % of the first issues",
        format!("{} MiB", over_time.join(", ")),
        "flat: from 25 to 100 % at most 10 % more",
        at(1.0) <= at(0.25) * 1.1,
    );
    report.share(
        &format!("issue {count} tokens"),
        &begun,
        place,
        &[&operator],
    );
    operator
}

fn peak_row(report: &mut Report, what: &str, peak: f64) {
    report.row(
        what,
        format!("{peak:.1} MiB"),
        "at most 128 MiB",
        peak <= 128.0,
    );
}

/// How many resources an operator reports as ready.
async fn known(operator: &Operator) -> f64 {
    let state = [("state", "ready")];
    let ready = operator.metric("oauthclient_resources", &state).await;
    ready.unwrap_or(0.0)
}

/// A restart with valid tokens.
pub async fn restart(
    place: &Place,
    seen: &Seen,
    report: &mut Report,
    count: usize,
    operator: Operator,
) -> Operator {
    operator.terminate(END).await.unwrap();
    let begun = Begun::now(place, &[]);
    let (requests, writes) = (place.requests(), place.writes().await);
    let (operator, ready) = place.ready_operator().await;
    report.row(
        &format!("from start to ready with {count} valid tokens"),
        format!("{:.1} s", ready.as_secs_f64()),
        "at most 30 s",
        ready <= Duration::from_secs(30),
    );
    let begun_at = Instant::now();
    // What was deleted meanwhile is not there any more.
    let there = seen.there();
    while known(&operator).await < there as f64 {
        assert!(
            begun_at.elapsed() < KNOWN,
            "it does not know all after {KNOWN:?}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let all = ready + begun_at.elapsed();
    report.row(
        &format!("from start until it reports {there} as ready"),
        format!("{:.1} s", all.as_secs_f64()),
        "at most 30 s",
        all <= Duration::from_secs(30),
    );
    tokio::time::sleep(SETTLE * 2).await;
    let peak = mib(operator.peak_resident_kib().unwrap());
    peak_row(report, "peak while starting, valid tokens", peak);
    let requests = place.requests() - requests;
    report.row(
        "token requests after a restart",
        requests.to_string(),
        "0",
        requests == 0,
    );
    let writes = place.writes().await - writes;
    report.row(
        "writes after a restart, Lease excepted, as the API server counts them",
        format!("{writes:.0}"),
        "0",
        writes == 0.0,
    );
    let resident = mib(operator.resident_kib().unwrap());
    report.row(
        &format!("resident memory, idle with {count}"),
        format!("{resident:.1} MiB"),
        "at most 64 MiB at 100,000",
        resident <= 64.0,
    );
    report.share("restart", &begun, place, &[&operator]);
    operator
}
