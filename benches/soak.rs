//! Hours of running with every kind of fault: tokens of 60 s of every grant, on a real control plane, with promises that are checked
//! all the time.
//!
//! `make soak HOURS=2`; short: `make soak HOURS=0.1 RESOURCES=200`. `SEED` replays the faults of a run. On a machine that is too slow
//! or busy, `PATIENCE=3` makes every allowed time three times as long. The exit code is 1 if a promise was broken.
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

#[path = "soak/end.rs"]
mod end;
#[path = "soak/faults.rs"]
mod faults;
#[path = "soak/items.rs"]
mod items;
#[path = "soak/kinds.rs"]
mod kinds;
#[path = "soak/oracle.rs"]
mod oracle;
#[path = "soak/replicas.rs"]
mod replicas;
#[path = "soak/table.rs"]
mod table;
#[path = "soak/watch.rs"]
mod watch;
#[path = "soak/world.rs"]
mod world;

use std::process::ExitCode;
use std::time::Duration;

use kinds::KINDS;
use world::World;

/// What a run is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub hours: f64,
    pub resources: usize,
    pub seed: u64,
    pub patience: f64,
}

fn setting<T: std::str::FromStr>(name: &str, usual: T) -> T {
    match std::env::var(name) {
        Ok(text) if !text.is_empty() => text
            .parse()
            .unwrap_or_else(|_| panic!("{name}={text} is not a number")),
        _ => usual,
    }
}

/// The wall clock, in seconds.
pub fn now() -> f64 {
    testkit::clock::now().as_microsecond() as f64 / 1e6
}

#[tokio::main]
async fn main() -> ExitCode {
    let settings = Settings {
        hours: setting("HOURS", 2.0),
        resources: setting("RESOURCES", 2000),
        seed: setting("SEED", 1),
        patience: setting("PATIENCE", 1.0),
    };
    println!("{settings:?}");
    let world = World::new(settings).await;
    watch::begin(&world);
    replicas::begin(&world).await;
    let each = settings.resources.div_ceil(KINDS.len());
    world.create_fleet(each).await;
    println!("{} resources of {} kinds", each * KINDS.len(), KINDS.len());
    oracle::until_all_have_tokens(&world, Duration::from_secs(900)).await;
    oracle::begin(&world);
    table::begin(&world);
    faults::run(&world).await;
    end::settle(&world).await;
    table::finish(&world)
}
