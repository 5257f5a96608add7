//! A tenth of the providers hangs and a tenth fails: what the others notice.

use std::time::{Duration, Instant};

use testkit::operator::Operator;
use testkit::provider::Fault;

use super::changes::Changes;
use super::place::{BESIDE, PATH, PROVIDERS, Place};
use super::report::{Begun, Report, quantile};
use super::seen::Seen;
use super::setting;

/// How many providers hang, and how many fail.
const EACH: usize = PROVIDERS / 10;
/// The first provider without a fault.
pub const HEALTHY: usize = 2 * EACH;

/// Whether the provider of a resource stays without a fault during the whole run.
pub fn is_healthy(place: &Place, number: usize) -> bool {
    place.provider_of(number) >= HEALTHY
}

/// What new resources and refreshes of healthy providers experience.
struct Experience {
    times: Vec<Duration>,
    /// Seconds between due and sent, the mean.
    lateness: f64,
}

pub async fn faults(
    place: &Place,
    seen: &Seen,
    report: &mut Report,
    operator: &Operator,
    changes: &mut Changes,
) {
    let count = setting("LATENCIES", 200);
    let begun = Begun::now(place, &[operator]);
    let alone = experience(place, seen, 2 * BESIDE, count).await;
    report.share("new resources, without faults", &begun, place, &[operator]);
    for (number, provider) in place.providers.iter().enumerate().take(HEALTHY) {
        let fault = if number < EACH {
            Fault::Hang
        } else {
            Fault::status(503)
        };
        provider.set_fault(PATH, Some(fault));
    }
    let all = setting("RESOURCES", 100_000);
    let affected = (0..all).filter(|number| !is_healthy(place, *number));
    let affected: Vec<usize> = affected
        .filter(|number| seen.times(*number).is_some())
        .collect();
    let begun = Begun::now(place, &[operator]);
    changes.begin("faults");
    place.request_refresh(affected.iter().copied()).await;
    let part = format!("request {} refreshes of faulty providers", affected.len());
    report.share(&part, &begun, place, &[operator]);
    let begun = Begun::now(place, &[operator]);
    let beside = experience(place, seen, 2 * BESIDE + count, count).await;
    report.share(
        "new resources, beside the faults",
        &begun,
        place,
        &[operator],
    );
    for (name, part, tolerated) in [("p50", 0.5, 1.3), ("p99", 0.99, 1.5)] {
        let (alone, beside) = (quantile(&alone.times, part), quantile(&beside.times, part));
        report.row(
            &format!(
                "from creation to token at healthy providers, {name}, without and with faults"
            ),
            format!("{alone:.1}, {beside:.1} ms; ratio {:.2}", beside / alone),
            &format!("at most {tolerated} times"),
            beside <= alone * tolerated,
        );
    }
    report.row(
        "mean lateness of refreshes at a healthy provider, without and with faults",
        format!("{:.3}, {:.3} s", alone.lateness, beside.lateness),
        "at most 0.1 s more",
        beside.lateness <= alone.lateness + 0.1,
    );
    let hanging = place.providers.iter().take(EACH);
    let most = hanging.map(|provider| provider.max_concurrency(PATH)).max();
    let most = most.unwrap_or_default();
    let target = "1 to 8";
    report.row(
        "requests that hang at a time at one provider",
        most.to_string(),
        target,
        (1..=8).contains(&most),
    );
    for provider in place.providers.iter().take(HEALTHY) {
        provider.set_fault(PATH, None);
    }
}

/// New resources of healthy providers, one at a time.
async fn experience(place: &Place, seen: &Seen, first: usize, count: usize) -> Experience {
    let _before = seen.take_lateness();
    let mut times = Vec::new();
    for number in first..first + count {
        place.credentials(number).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        let url = place.providers[HEALTHY + number % (PROVIDERS - HEALTHY)].url(PATH);
        let begun = Instant::now();
        place.resource(number, &url).await;
        let came = seen.first(number, Duration::from_secs(300)).await;
        times.push(came.duration_since(begun));
    }
    let all = seen.take_lateness();
    let lateness = all.iter().sum::<f64>() / all.len() as f64;
    Experience { times, lateness }
}
