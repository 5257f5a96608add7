//! Worlds on virtual time: the schedule's promises (all but the sixth), checked on every request and on every published
//! token.

#![allow(clippy::print_stdout, reason = "what it came to is worth reading")]

#[path = "../benches/engine/mod.rs"]
mod sim;

use oauthclient_operator::engine::Limits;
use proptest::prelude::*;
use sim::memory::Counting;
use sim::{Scale, Sim};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const HOUR: i64 = 3_600_000;
const YEAR: i64 = 365 * 24 * HOUR;

#[test]
fn twenty_thousand_resources_keep_their_promises_over_three_days() {
    let mut sim = Sim::new(Scale {
        resources: 20_000,
        hosts: 80,
        hours: 72,
        seed: 1,
        jump: HOUR,
        limits: Limits::default(),
    });
    println!("{}", sim.report());
    assert_eq!(sim.checks.violations, Vec::<String>::new());
    assert!(
        sim.checks.bytes_a_resource <= 400,
        "{} bytes",
        sim.checks.bytes_a_resource
    );
    assert!(
        sim.checks.expired_in_outages > 0,
        "the half day of silence was lived through"
    );
    assert!(
        sim.checks.worst_lateness < 5000,
        "a silent host holds up nobody else"
    );
    // What waited long behind a silent host, or was asked for by hand while failing, may no longer be due.
    assert!(sim.checks.idle_permits * 1000 < sim.checks.requests);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn promises_are_kept_over_random_histories(
        seed in any::<u64>(), resources in 1usize..120, hosts in 1usize..21, hours in 2i64..40,
        jump in prop_oneof![
            3 => Just(0), 1 => -2 * HOUR..2 * HOUR, 1 => Just(10 * YEAR), 1 => Just(-10 * YEAR)
        ],
    ) {
        let mut sim = Sim::new(Scale { resources, hosts, hours, seed, jump, limits: Limits::default() });
        sim.run();
        prop_assert_eq!(sim.checks.violations, Vec::<String>::new());
    }
}
