//! A million resources on virtual time, with the checks of the simulation in the tests: `cargo bench --bench simulation`.
//!
//! `SIMULATION_RESOURCES` and `SIMULATION_HOURS` change its size; 1,000,000 and 24 are the defaults.

#![allow(clippy::print_stdout, reason = "its numbers are what it is for")]

#[path = "engine/mod.rs"]
mod sim;

use oauthclient_operator::engine::Limits;
use sim::memory::Counting;
use sim::{Scale, Sim};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Resources of one token host.
const PER_HOST: usize = 250;

fn main() {
    let set = |name: &str, default: usize| {
        let text = std::env::var(name).ok();
        text.and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let resources = set("SIMULATION_RESOURCES", 1_000_000);
    let mut sim = Sim::new(Scale {
        resources,
        hosts: resources.div_ceil(PER_HOST).max(10),
        hours: i64::try_from(set("SIMULATION_HOURS", 24)).unwrap_or(24),
        seed: 1,
        jump: 0,
        limits: Limits {
            // As many as a fleet of this size needs: the default is meant for a fiftieth of it.
            token_requests: 8192,
            ..Limits::default()
        },
    });
    println!("{}", sim.report());
    for violation in &sim.checks.violations {
        println!("BROKEN: {violation}");
    }
    if !sim.checks.violations.is_empty() {
        std::process::exit(1);
    }
    println!("every promise was kept");
}
