//! What the engine holds for each resource, counted by the allocator in every state a fleet can be in.

#![allow(clippy::print_stdout, reason = "the numbers are what it is for")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of a test"
)]

#[path = "sim/memory.rs"]
#[allow(unreachable_pub, reason = "shared with the simulation")]
mod memory;

use std::sync::Arc;

use memory::{Counting, held};
use oauthclient_operator::engine::{
    Attempt, Cause, CredentialsFacts, Engine, Key, LaneReport, Limits, Next, Outcome,
    ResourceFacts, TokenFacts, Wants, attempt_inputs,
};
use oauthclient_operator::time::{Span, Time};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Just above where a table that doubles would have doubled.
const RESOURCES: u32 = 70_000;
const MOST: usize = 400;

fn at(millis: i64) -> Time {
    Time::from_millis(1_700_000_000_000 + millis)
}

/// 30 bytes: `bookshop-0042/metadata-0042123`.
fn key(id: u32) -> Key {
    Key::new(
        &format!("bookshop-{:04}", id / 1000),
        &format!("metadata-{id:07}"),
    )
}

/// In no order, but the same each time.
fn scattered(id: u32) -> i64 {
    i64::from(id.wrapping_mul(2_654_435_761) % 2_000_000)
}

fn token(id: u32, since: i64) -> TokenFacts {
    let issued = at(since + scattered(id));
    TokenFacts {
        owner: u64::from(id),
        version: 1,
        issued,
        expires: issued + Span::from_seconds(3600),
        refresh: issued + Span::from_seconds(2600),
        inputs: 7,
        credentials: 8,
        refresh_request: 0,
    }
}

fn fleet(hosts: &[Arc<str>], published: bool) -> Engine {
    let mut engine = Engine::new(Limits::default());
    for id in 0..RESOURCES {
        let key = key(id);
        let facts = ResourceFacts {
            uid: u64::from(id),
            generation: 1,
            inputs: 7,
            host: Arc::clone(&hosts[id as usize % hosts.len()]),
            refresh_request: 0,
            suspended: false,
            deleting: false,
            reported: true,
            told_refresh: None,
            attempt: None,
        };
        let credentials = CredentialsFacts { version: 8 };
        engine.changed(&key, Cause::Resource(facts), at(0));
        engine.changed(&key, Cause::Credentials(Some(credentials)), at(0));
        if published {
            engine.changed(&key, Cause::Token(Some(token(id, -2_000_000))), at(0));
        }
    }
    engine.ready(at(0));
    engine
}

/// Does all that is due at `now`; each request succeeds or fails.
fn work_off(engine: &mut Engine, now: i64, succeeds: bool) {
    while let Next::Work(work) = engine.next(at(now)) {
        let id = work.key.name().rsplit('-').next().expect("it has a number");
        let id: u32 = id.parse().expect("it is a number");
        let before = engine.record(&work.key).and_then(|view| view.token);
        let failed = Attempt {
            failures: 1,
            time: at(now),
            next: at(now + 400_000 + scattered(id)),
            not_before: at(now),
            inputs: attempt_inputs(7, 8),
        };
        let new = token(id, now);
        let outcome = Outcome {
            token: if succeeds { Some(new) } else { before },
            attempt: (!succeeds).then_some(failed),
            lane: LaneReport::Unused,
            wants: Wants::RequestAt(if succeeds { new.refresh } else { failed.next }),
        };
        engine.done(&work.key, outcome, at(now));
    }
}

#[test]
fn a_resource_takes_at_most_400_bytes_in_every_state_of_a_fleet() {
    let hosts: Vec<Arc<str>> = (0..300)
        .map(|host| format!("login-{host}.example:443").into())
        .collect();
    let mut worst = 0;
    let mut told = |what: &str, before: usize, engine: &Engine| {
        let each = held().wrapping_sub(before) / RESOURCES as usize;
        let estimated = engine.bytes() / RESOURCES as usize;
        println!("{what}: {each} bytes a resource ({estimated} estimated)");
        assert!(
            each.abs_diff(estimated) * 10 <= each,
            "the estimate is far off"
        );
        worst = worst.max(each);
    };

    let before = held();
    let mut engine = fleet(&hosts, false);
    assert!(matches!(engine.next(at(0)), Next::Work(_)));
    told("first issues, waiting for slots", before, &engine);
    drop(engine);

    let before = held();
    let mut engine = fleet(&hosts, true);
    told("current, after a start", before, &engine);
    for hour in 1..4 {
        work_off(&mut engine, hour * 3_000_000, true);
    }
    told("current, after three refreshes each", before, &engine);
    work_off(&mut engine, 13_000_000, false);
    told("all failing, tokens alive", before, &engine);
    drop(engine);
    assert!(worst <= MOST, "{worst} bytes are more than {MOST}");
}
