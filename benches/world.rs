//! The shipped operator on virtual time, with the checks of the tests: `cargo bench --bench world`.
//!
//! By default, 2,000 resources live through a day of faults, with three replicas. `SIM_RESOURCES`, `SIM_HOURS`, `SIM_REPLICAS`,
//! `SIM_SEED` and `SIM_FAULTS` change it; `SIM_RESOURCES=100000 SIM_REPLICAS=1 SIM_FAULTS=0` is a quiet day of a large fleet.

#![allow(
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "its numbers are what it is for"
)]

#[path = "../tests/sim/mod.rs"]
mod sim;

use std::time::Duration;

use sim::{Scale, run};
use testkit::clock::Stopwatch;

/// The most memory that this process has had, the simulated API server and its checks included.
fn peak_megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) / 1024
}

fn main() {
    let set = |name: &str, default: usize| {
        let text = std::env::var(name).ok();
        text.and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let (resources, hours) = (set("SIM_RESOURCES", 2_000), set("SIM_HOURS", 24));
    let watch = Stopwatch::start();
    let ended = run(&Scale {
        seed: set("SIM_SEED", 1) as u64,
        resources: (0..resources).collect(),
        hours: i64::try_from(hours).unwrap_or(24),
        replicas: set("SIM_REPLICAS", 3),
        with_faults: set("SIM_FAULTS", 1) == 1,
        meddling: 0.6,
        life: None,
        elects: true,
        restores: set("SIM_RESTORES", 0) == 1,
        crash_at: None,
    });
    println!("{}", ended.text);
    let took: Duration = watch.elapsed();
    println!(
        "{:.1} s, {:.2} ms for each resource and hour, {} MB at most",
        took.as_secs_f64(),
        took.as_secs_f64() * 1000.0 / (resources * hours).max(1) as f64,
        peak_megabytes(),
    );
    for (fault, times) in &ended.faults {
        println!("  {fault:?}: {times}");
    }
    for violation in &ended.violations {
        println!("BROKEN: {violation}");
    }
    if !ended.violations.is_empty() {
        std::process::exit(1);
    }
    println!("every promise was kept");
}
