//! How evenly a fleet that was created at once spreads its refreshes.

use std::time::Duration;

use jiff::Timestamp;
use testkit::clock;
use testkit::operator::Operator;
use testkit::soak::trend::{peak_to_mean, pieces};

use super::changes::Changes;
use super::place::{BESIDE, PATH, Place, behaviour};
use super::report::{Begun, Report};
use super::seen::Seen;
use super::setting;

fn seconds(at: Timestamp) -> f64 {
    at.as_microsecond() as f64 / 1e6
}

/// Part of the fleet, with tokens that live for a short time: more than the machine refreshes in time would measure the machine.
pub async fn refreshes(
    place: &Place,
    seen: &Seen,
    report: &mut Report,
    operator: &Operator,
    changes: &mut Changes,
) {
    let lifetime = setting("LIFETIME", 120);
    let count = setting("SPREAD", 3000.min(seen.count() / 10));
    place.short.set(PATH, behaviour(lifetime as f64));
    let before = seen.count();
    let numbers = BESIDE..BESIDE + count;
    let begun = Begun::now(place, &[operator]);
    let url = place.short.url(PATH);
    place.create(numbers, |_| url.clone()).await;
    changes.begin("spread");
    seen.all(before + count, |_| {}).await;
    let lifetime = Duration::from_secs(lifetime as u64);
    tokio::time::sleep(lifetime * 3).await;
    let from = seconds(clock::now());
    place.short.forget_requests();
    tokio::time::sleep(lifetime * 2).await;
    let until = seconds(clock::now());
    let requests = place.short.requests_to(PATH);
    let times: Vec<f64> = requests.iter().map(|request| seconds(request.at)).collect();
    let width = lifetime.as_secs_f64() / 10.0;
    let counted = pieces(&times, from, until, width);
    let ratio = peak_to_mean(&counted).unwrap_or(f64::NAN);
    let mean = times.len() as f64 / (until - from) * width;
    report.row(
        &format!(
            "refreshes of {count} with tokens of {} s, after three lifetimes: peak to mean of pieces of {width} s",
            lifetime.as_secs()
        ),
        format!("{ratio:.2} (mean {mean:.0} a piece)"),
        "at most 1.3",
        ratio <= 1.3,
    );
    report.share("spread of refreshes", &begun, place, &[operator]);
}
