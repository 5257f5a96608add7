//! A sentence for every rule of the engine.

use std::sync::Arc;

use super::*;

const T0: i64 = 1_700_000_000;

fn at(seconds: i64) -> Time {
    Time::from_seconds(T0 + seconds)
}

fn key() -> Key {
    Key::new("bookshop", "metadata")
}

fn resource() -> ResourceFacts {
    ResourceFacts {
        uid: 1,
        generation: 1,
        inputs: 10,
        host: Arc::from("auth.example:443"),
        refresh_request: 0,
        suspended: false,
        deleting: false,
        reported: true,
        attempt: None,
    }
}

/// A token issued at 0, due at 2700, over at 3600.
fn token() -> TokenFacts {
    TokenFacts {
        owner: 1,
        version: 100,
        issued: at(0),
        expires: at(3600),
        refresh: at(2700),
        inputs: 10,
        credentials: 20,
        refresh_request: 0,
    }
}

fn attempt(next: Time) -> Attempt {
    Attempt {
        failures: 3,
        time: at(-10),
        next,
        not_before: at(-10),
        inputs: attempt_inputs(10, 20),
    }
}

/// An engine that was told of one resource, before it is ready.
struct Bench {
    engine: Engine,
}

impl Bench {
    fn new() -> Self {
        Bench {
            engine: Engine::new(Limits::default()),
        }
    }

    fn with(facts: ResourceFacts, token: Option<TokenFacts>) -> Self {
        let mut bench = Bench::new();
        bench.tell(Cause::Token(token), 0);
        bench.tell(Cause::Resource(facts), 0);
        bench.tell(
            Cause::Credentials(Some(CredentialsFacts { version: 20 })),
            0,
        );
        bench
    }

    /// A current resource, ready at 0.
    fn current() -> Self {
        let mut bench = Bench::with(resource(), Some(token()));
        bench.engine.ready(at(0));
        assert_eq!(bench.next(0), Next::Sleep(at(2700)));
        bench
    }

    fn tell(&mut self, cause: Cause, now: i64) {
        self.engine.changed(&key(), cause, at(now));
    }

    fn next(&mut self, now: i64) -> Next {
        self.engine.next(at(now))
    }

    /// Expects work, and says whether it may request.
    fn work(&mut self, now: i64) -> bool {
        match self.next(now) {
            Next::Work(work) => work.may_request,
            Next::Sleep(until) => panic!("nothing to do at {now}, asleep until {until}"),
        }
    }

    fn done(&mut self, token: Option<TokenFacts>, lane: LaneReport, wants: Wants, now: i64) {
        let outcome = Outcome {
            token,
            attempt: None,
            lane,
            wants,
        };
        self.engine.done(&key(), outcome, at(now));
    }
}

#[test]
fn nothing_is_handed_out_before_the_first_lists_are_complete() {
    let mut bench = Bench::with(resource(), None);
    assert_eq!(bench.next(0), Next::Sleep(Time::NEVER));
    bench.engine.ready(at(0));
    assert!(bench.work(0), "a first issue may request");
    assert_eq!(bench.next(0), Next::Sleep(Time::NEVER), "it is under way");
}

#[test]
fn a_current_resource_sleeps_until_its_refresh_and_is_then_handed_out_with_a_permit() {
    let mut bench = Bench::current();
    assert_eq!(bench.next(2699), Next::Sleep(at(2700)));
    assert!(bench.work(2700));
}

#[test]
fn the_order_of_the_first_lists_does_not_matter() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [0, 2, 1]] {
        let mut bench = Bench::new();
        for cause in order {
            let cause = match cause {
                0 => Cause::Resource(resource()),
                1 => Cause::Token(Some(token())),
                _ => Cause::Credentials(Some(CredentialsFacts { version: 20 })),
            };
            bench.tell(cause, 0);
        }
        bench.engine.ready(at(5));
        assert_eq!(bench.next(5), Next::Sleep(at(2700)), "{order:?}");
    }
}
