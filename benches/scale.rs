//! The operator with very many resources on a real control plane: memory, restart, first issues, spread, isolation, failover.
//!
//! `make bench-scale RESOURCES=100000`; minutes to an hour. Everything that it makes goes with its control plane.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    unreachable_pub,
    missing_docs,
    reason = "a benchmark reads clocks, prints, and may fail loudly"
)]

#[path = "scale/changes.rs"]
mod changes;
#[path = "scale/failover.rs"]
mod failover;
#[path = "cluster/fleet.rs"]
mod fleet;
#[path = "scale/others.rs"]
mod others;
#[path = "scale/place.rs"]
mod place;
#[path = "scale/report.rs"]
mod report;
#[path = "scale/seen.rs"]
mod seen;
#[path = "scale/size.rs"]
mod size;
#[path = "scale/spread.rs"]
mod spread;

use changes::Changes;
use place::Place;
use report::Report;

/// A number from the environment.
fn setting(name: &str, usual: usize) -> usize {
    let Ok(text) = std::env::var(name) else {
        return usual;
    };
    text.parse()
        .unwrap_or_else(|_| panic!("{name}={text} is not a number"))
}

#[tokio::main]
async fn main() {
    let count = setting("RESOURCES", 100_000);
    assert!(count >= 200, "RESOURCES must be at least 200");
    let place = Place::new(count).await;
    let seen = place.observe();
    let mut report = Report::default();
    let mut changes = Changes::new(&place, &seen, count);

    let small = count / 10;
    size::idle_small(&place, &seen, &mut report, small).await;
    let operator = size::first_issues(&place, &seen, &mut report, small..count, &mut changes).await;
    // What is under way would be a request after the restart.
    changes.settle().await;
    let operator = size::restart(&place, &seen, &mut report, count, operator).await;
    spread::refreshes(&place, &seen, &mut report, &operator, &mut changes).await;
    others::faults(&place, &seen, &mut report, &operator, &mut changes).await;
    failover::failover(&place, &mut report, operator, &mut changes).await;
    changes.tell(&mut report).await;
    report.print();
}
