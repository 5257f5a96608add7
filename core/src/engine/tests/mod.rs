//! A test for every rule of the engine.

mod changes;
mod outcomes;
mod starts;

use std::sync::Arc;

use super::*;
use crate::time::Time;

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
        reported_refresh: None,
        attempt: None,
    }
}

/// A token issued at 0, due at 2700, expired at 3600.
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

/// An engine with one resource, before it is ready.
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
        bench.tell(Event::Token(token), 0);
        bench.tell(Event::Resource(facts), 0);
        bench.tell(
            Event::Credentials(Some(CredentialsFacts { version: 20 })),
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

    fn tell(&mut self, cause: Event, now: i64) {
        self.engine.changed(&key(), cause, at(now));
    }

    fn next(&mut self, now: i64) -> Next {
        self.engine.next(at(now))
    }

    /// Expects work, and returns whether it may send a request.
    fn work(&mut self, now: i64) -> bool {
        match self.next(now) {
            Next::Work(work) => work.may_request,
            Next::Sleep(until) => panic!("nothing to do at {now}, asleep until {until}"),
        }
    }

    /// Expects nothing to do before the token expires or its refresh is due, whichever comes first.
    fn is_idle(&mut self, now: i64) -> bool {
        matches!(self.next(now), Next::Sleep(until) if until > at(now))
    }

    fn view(&self) -> View {
        self.engine.record(&key()).expect("there is a record")
    }

    fn done(
        &mut self,
        token: Option<TokenFacts>,
        host_report: HostReport,
        requeue: Requeue,
        now: i64,
    ) {
        let outcome = Outcome {
            token,
            attempt: None,
            host_report,
            requeue,
        };
        self.engine.done(&key(), outcome, at(now));
    }
}
