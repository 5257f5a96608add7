//! The consequences of an outcome, of an expired token and of the clock.

use super::*;

#[test]
fn a_look_that_needs_a_request_comes_back_with_a_permit() {
    let mut bench = Bench::current();
    bench.tell(Event::Token(None), 10);
    assert!(!bench.work(10));
    bench.done(None, HostReport::Unused, Requeue::Request, 10);
    assert!(bench.work(10));
}

#[test]
fn work_that_had_a_permit_and_wants_one_again_is_no_hot_loop() {
    let mut bench = Bench::current();
    assert!(bench.work(2700));
    bench.done(Some(token()), HostReport::Unused, Requeue::Request, 2700);
    assert!(bench.is_idle(2701));
    assert!(bench.work(2702));
}

#[test]
fn no_request_follows_within_two_seconds_of_another_whatever_is_wanted() {
    for requeue in [Requeue::Request, Requeue::RequestAt(at(2700))] {
        let mut bench = Bench::current();
        assert!(bench.work(2700));
        bench.done(Some(token()), HostReport::Succeeded, requeue, 2700);
        assert!(bench.is_idle(2701));
        assert!(bench.work(2702));
    }
}

#[test]
fn each_want_is_kept() {
    let cases = [
        (Requeue::RequestAt(at(3000)), Some((3000, true))),
        (Requeue::At(at(3000)), Some((3000, false))),
        (Requeue::OnChange, Some((3600, false))),
        (Requeue::RequestAt(Time::NEVER), Some((3600, false))),
    ];
    for (requeue, next) in cases {
        let mut bench = Bench::current();
        assert!(bench.work(2700));
        bench.done(Some(token()), HostReport::Failed, requeue, 2700);
        let (time, permit) = next.expect("a row says when");
        assert_eq!(bench.next(2700), Next::Sleep(at(time)), "{requeue:?}");
        assert_eq!(bench.work(time), permit, "{requeue:?}");
    }
}

#[test]
fn a_token_that_ends_is_looked_at_once_in_that_instant() {
    let mut bench = Bench::current();
    assert!(bench.work(2700));
    bench.done(
        Some(token()),
        HostReport::Failed,
        Requeue::RequestAt(at(9000)),
        2700,
    );
    assert_eq!(bench.next(3599), Next::Sleep(at(3600)));
    assert!(!bench.work(3600));
    assert_eq!(bench.engine.count(State::Expired), 1);
    bench.done(
        Some(token()),
        HostReport::Unused,
        Requeue::RequestAt(at(9000)),
        3600,
    );
    assert_eq!(bench.next(3601), Next::Sleep(at(9000)), "only once");
}

#[test]
fn a_token_that_ends_while_its_refresh_waits_for_a_slot_is_looked_at_all_the_same() {
    let limits = Limits {
        token_requests: 0,
        ..Limits::default()
    };
    let mut bench = Bench {
        engine: Engine::new(limits),
    };
    bench.tell(Event::Resource(resource()), 0);
    bench.tell(Event::Token(Some(token())), 0);
    bench.tell(
        Event::Credentials(Some(CredentialsFacts { version: 20 })),
        0,
    );
    bench.engine.ready(at(0));
    assert!(bench.is_idle(2700));
    assert_eq!(bench.engine.waiting(Class::Refresh), 1);
    assert!(bench.is_idle(3150));
    assert_eq!(
        bench.engine.waiting(Class::Urgent),
        1,
        "half of its lead is gone"
    );
    assert!(!bench.work(3600));
    bench.done(Some(token()), HostReport::Unused, Requeue::Request, 3600);
    assert_eq!(bench.view().request, at(2700), "it keeps its place");
}

#[test]
fn a_token_that_ends_during_its_own_refresh_is_not_looked_at_when_the_refresh_succeeds() {
    let mut bench = Bench::current();
    assert!(bench.work(3599));
    assert!(matches!(bench.next(3600), Next::Sleep(_)));
    let new = TokenFacts {
        version: 101,
        issued: at(3599),
        refresh: at(6300),
        expires: at(7200),
        ..token()
    };
    bench.done(
        Some(new),
        HostReport::Succeeded,
        Requeue::RequestAt(at(6300)),
        3601,
    );
    assert_eq!(bench.next(3601), Next::Sleep(at(6300)));
}

#[test]
fn abandoned_work_leaves_what_was_known_and_is_looked_at_again() {
    let mut bench = Bench::current();
    assert!(bench.work(2700));
    bench
        .engine
        .abandoned(&key(), HostReport::Unused, at(2730), at(2701));
    assert_eq!(bench.view().token, Some(token()));
    assert_eq!(bench.next(2701), Next::Sleep(at(2730)));
    assert!(!bench.work(2730));
}

#[test]
fn an_outcome_that_nobody_asked_for_changes_nothing() {
    let mut bench = Bench::current();
    bench.done(None, HostReport::TimedOut, Requeue::Request, 5);
    assert_eq!(bench.next(5), Next::Sleep(at(2700)));
    assert_eq!(bench.view().token, Some(token()));
}

fn new_resource(bench: &mut Bench, key: &Key, now: i64) {
    let facts = ResourceFacts {
        reported: false,
        ..resource()
    };
    for cause in [
        Event::Credentials(Some(CredentialsFacts { version: 20 })),
        Event::Resource(facts),
    ] {
        bench.engine.changed(key, cause, at(now));
    }
}

/// Two new resources of one host with one slot: the first is in progress.
fn two_of_a_narrow_host() -> (Bench, [Key; 2]) {
    let limits = Limits {
        host_slots_of: 1,
        ..Limits::default()
    };
    let mut bench = Bench {
        engine: Engine::new(limits),
    };
    bench.engine.ready(at(0));
    let keys = ["a", "b"].map(|name| Key::new("bookshop", name));
    for key in &keys {
        new_resource(&mut bench, key, 0);
    }
    assert!(bench.work(0));
    assert!(bench.is_idle(0), "the host queue is full");
    (bench, keys)
}

#[test]
fn an_answer_frees_the_slot_before_the_work_is_done() {
    let (mut bench, keys) = two_of_a_narrow_host();
    bench
        .engine
        .request_ended(&keys[0], HostReport::Succeeded, at(1));
    assert!(bench.work(1));
    assert_eq!(bench.engine.in_flight(), (1, 0));
    assert_eq!(bench.engine.answers(), 1);
}

#[test]
fn a_long_wait_for_a_slot_is_told_where_no_token_comes() {
    let (mut bench, _) = two_of_a_narrow_host();
    assert!(bench.is_idle(29));
    assert!(!bench.work(30), "a look");
    assert!(bench.is_idle(100), "one is enough");
}

#[test]
fn a_long_wait_for_a_slot_is_not_told_while_tokens_come() {
    let (mut bench, keys) = two_of_a_narrow_host();
    let third = Key::new("bookshop", "c");
    new_resource(&mut bench, &third, 1);
    assert!(bench.is_idle(20));
    bench
        .engine
        .request_ended(&keys[0], HostReport::Succeeded, at(20));
    assert!(bench.work(20));
    assert!(bench.is_idle(31), "the host gave a token 11 seconds ago");
    assert!(!bench.work(61), "it gave none for 41 seconds");
}

#[test]
fn a_clock_set_back_below_a_token_fetches_it_anew() {
    let mut bench = Bench::current();
    assert!(bench.work(2700));
    let new = TokenFacts {
        version: 101,
        issued: at(2700),
        refresh: at(5400),
        expires: at(6300),
        ..token()
    };
    bench.done(
        Some(new),
        HostReport::Succeeded,
        Requeue::RequestAt(at(5400)),
        2700,
    );
    assert!(bench.is_idle(2650), "a minute does not matter");
    assert!(bench.work(-100_000));
}

#[test]
fn a_clock_set_back_within_a_tokens_life_changes_nothing() {
    let mut bench = Bench::current();
    assert!(bench.is_idle(2000));
    assert_eq!(bench.next(1000), Next::Sleep(at(2700)));
}

#[test]
fn a_retry_planned_by_a_clock_that_was_ahead_is_due_at_once() {
    let mut bench = Bench::current();
    assert!(bench.is_idle(2000));
    let year = 365 * 86_400;
    assert!(bench.work(year));
    bench.engine.done(
        &key(),
        Outcome {
            token: Some(token()),
            attempt: Some(Attempt {
                failures: 1,
                time: at(year),
                next: at(year + 300),
                not_before: at(year),
                inputs: attempt_inputs(10, 20),
            }),
            host_report: HostReport::Failed,
            requeue: Requeue::RequestAt(at(year + 300)),
        },
        at(year),
    );
    assert!(bench.work(100));
}

#[test]
fn states_are_counted() {
    let mut bench = Bench::current();
    assert_eq!(bench.engine.count(State::Valid), 1);
    assert_eq!(bench.engine.earliest_end(), Some(at(3600)));
    assert!(bench.work(2700));
    bench.engine.done(
        &key(),
        Outcome {
            token: Some(token()),
            attempt: Some(attempt(at(2800))),
            host_report: HostReport::Failed,
            requeue: Requeue::RequestAt(at(2800)),
        },
        at(2700),
    );
    assert_eq!(bench.engine.count(State::Failing), 1);
    bench.tell(Event::Gone, 2701);
    for state in State::ALL {
        assert_eq!(bench.engine.count(state), 0, "{}", state.name());
    }
    assert_eq!(bench.engine.earliest_end(), None);
}
