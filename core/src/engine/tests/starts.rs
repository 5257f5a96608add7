//! From the first lists to the first work, based on facts only.

use super::*;
use crate::time::Span;

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
                0 => Event::Resource(resource()),
                1 => Event::Token(Some(token())),
                _ => Event::Credentials(Some(CredentialsFacts { version: 20 })),
            };
            bench.tell(cause, 0);
        }
        bench.engine.ready(at(5));
        assert_eq!(bench.next(5), Next::Sleep(at(2700)), "{order:?}");
    }
}

#[test]
fn a_resource_seen_before_its_secrets_is_judged_again_when_they_come() {
    let mut bench = Bench::new();
    bench.engine.ready(at(0));
    bench.tell(Event::Resource(resource()), 0);
    assert!(bench.is_idle(0), "reported, and nothing to ask with");
    bench.tell(
        Event::Credentials(Some(CredentialsFacts { version: 20 })),
        1,
    );
    bench.tell(Event::Token(Some(token())), 1);
    assert!(
        !bench.work(1),
        "a look, and no request: the token is current"
    );
    bench.done(
        Some(token()),
        HostReport::Unused,
        Requeue::RequestAt(at(2700)),
        1,
    );
    assert_eq!(bench.next(1), Next::Sleep(at(2700)));
}

#[test]
fn what_is_not_reported_is_looked_at_without_a_permit() {
    let facts = ResourceFacts {
        reported: false,
        ..resource()
    };
    let mut bench = Bench::with(facts, Some(token()));
    bench.engine.ready(at(0));
    assert!(!bench.work(0));
}

#[test]
fn a_status_that_tells_of_the_token_before_is_looked_at_without_a_permit() {
    let told = |refresh| ResourceFacts {
        reported_refresh: Some(refresh),
        ..resource()
    };
    let mut bench = Bench::with(told(at(1800)), Some(token()));
    bench.engine.ready(at(0));
    assert!(!bench.work(0), "the crash came between Secret and status");
    let mut bench = Bench::with(told(at(2700)), Some(token()));
    bench.engine.ready(at(0));
    assert!(bench.is_idle(0), "the status tells of this token");
    let to_the_millisecond = TokenFacts {
        refresh: at(2700) + Span::from_millis(999),
        ..token()
    };
    let mut bench = Bench::with(told(at(2700)), Some(to_the_millisecond));
    bench.engine.ready(at(0));
    assert!(bench.is_idle(0), "a status tells whole seconds");
}

#[test]
fn what_the_facts_say_is_stale_is_requested_at_once() {
    let cases = [
        (
            "other inputs",
            TokenFacts {
                inputs: 11,
                ..token()
            },
            resource(),
        ),
        (
            "a refresh that is asked for",
            token(),
            ResourceFacts {
                refresh_request: 7,
                ..resource()
            },
        ),
        (
            "expired",
            TokenFacts {
                expires: at(-1),
                refresh: at(-900),
                issued: at(-3601),
                ..token()
            },
            resource(),
        ),
        (
            "issued in the future of a clock that was set back",
            TokenFacts {
                issued: at(100_000),
                refresh: at(102_700),
                expires: at(103_600),
                ..token()
            },
            resource(),
        ),
    ];
    for (what, token, facts) in cases {
        let mut bench = Bench::with(facts, Some(token));
        bench.engine.ready(at(5));
        assert!(bench.work(5), "{what}");
    }
}

#[test]
fn a_life_that_ended_before_its_next_request_is_allowed_waits_for_that_but_for_no_nonsense() {
    for (refresh, due) in [(12, 12), (5000, 20)] {
        let brief = TokenFacts {
            issued: at(5),
            expires: at(10),
            refresh: at(refresh),
            ..token()
        };
        let mut bench = Bench::with(resource(), Some(brief));
        bench.engine.ready(at(11));
        assert_eq!(bench.view().request, at(due));
    }
}

#[test]
fn a_changed_spec_keeps_two_seconds_from_the_tokens_own_request_also_after_a_start() {
    let edited = ResourceFacts {
        inputs: 11,
        ..resource()
    };
    let mut bench = Bench::with(edited, Some(token()));
    bench.engine.ready(at(1));
    assert_eq!(bench.view().request, at(2));
}

#[test]
fn what_is_current_after_all_is_left_alone() {
    let cases = [
        (
            "inputs of an unknown format",
            TokenFacts {
                inputs: ANY_INPUTS,
                ..token()
            },
            resource(),
        ),
        (
            "a refresh that was handled",
            TokenFacts {
                refresh_request: 7,
                ..token()
            },
            ResourceFacts {
                refresh_request: 7,
                ..resource()
            },
        ),
        (
            "a handled refresh whose annotation was removed",
            TokenFacts {
                refresh_request: 7,
                ..token()
            },
            resource(),
        ),
    ];
    for (what, token, facts) in cases {
        let mut bench = Bench::with(facts, Some(token));
        bench.engine.ready(at(0));
        assert_eq!(bench.next(0), Next::Sleep(at(2700)), "{what}");
    }
}

#[test]
fn other_credentials_than_those_of_the_token_are_read_once_without_a_permit() {
    let stale = TokenFacts {
        credentials: 19,
        ..token()
    };
    let mut bench = Bench::with(resource(), Some(stale));
    bench.engine.ready(at(0));
    assert!(!bench.work(0));
    bench.done(
        Some(stale),
        HostReport::Unused,
        Requeue::RequestAt(at(2700)),
        0,
    );
    assert_eq!(bench.next(0), Next::Sleep(at(2700)));
}

#[test]
fn the_token_of_another_owner_is_looked_at_without_a_permit() {
    let foreign = TokenFacts {
        owner: 2,
        ..token()
    };
    let mut bench = Bench::with(resource(), Some(foreign));
    bench.engine.ready(at(0));
    assert!(!bench.work(0));
}

#[test]
fn a_failing_attempt_holds_across_a_restart() {
    for token in [None, Some(token())] {
        let facts = ResourceFacts {
            attempt: Some(attempt(at(500))),
            ..resource()
        };
        let mut bench = Bench::with(
            facts,
            token.map(|token| TokenFacts {
                issued: at(-20),
                ..token
            }),
        );
        bench.engine.ready(at(0));
        assert_eq!(bench.next(0), Next::Sleep(at(500)));
        assert!(bench.work(500));
    }
}

#[test]
fn a_wrong_password_is_not_tried_again_because_of_a_restart() {
    let facts = ResourceFacts {
        attempt: Some(attempt(Time::NEVER)),
        ..resource()
    };
    let mut bench = Bench::with(facts, None);
    bench.engine.ready(at(0));
    assert!(
        !bench.work(0),
        "what the credentials hold is read, so that a label edited later is known for none"
    );
    bench.done(None, HostReport::Unused, Requeue::OnChange, 0);
    assert_eq!(bench.next(1_000_000), Next::Sleep(Time::NEVER));
}

#[test]
fn an_attempt_from_the_future_of_a_clock_that_was_set_back_does_not_hold() {
    for (next, due) in [(at(100_300), true), (Time::NEVER, false)] {
        let facts = ResourceFacts {
            attempt: Some(Attempt {
                time: at(100_000),
                not_before: at(100_000),
                ..attempt(next)
            }),
            ..resource()
        };
        let mut bench = Bench::with(facts, None);
        bench.engine.ready(at(0));
        assert_eq!(bench.work(0), due, "a request, or a look alone");
    }
}

#[test]
fn an_attempt_holds_against_a_token_from_the_future_of_a_clock_that_was_set_back() {
    let facts = ResourceFacts {
        attempt: Some(attempt(at(500))),
        ..resource()
    };
    let ahead = TokenFacts {
        issued: at(100_000),
        refresh: at(102_700),
        expires: at(103_600),
        ..token()
    };
    let mut bench = Bench::with(facts, Some(ahead));
    bench.engine.ready(at(0));
    assert_eq!(bench.next(0), Next::Sleep(at(500)));
}

#[test]
fn a_failing_attempt_with_other_inputs_or_credentials_does_not_hold() {
    for inputs in [attempt_inputs(9, 20), attempt_inputs(10, 19)] {
        let facts = ResourceFacts {
            attempt: Some(Attempt {
                inputs,
                ..attempt(Time::NEVER)
            }),
            ..resource()
        };
        let mut bench = Bench::with(facts, None);
        bench.engine.ready(at(0));
        assert!(bench.work(0));
    }
}

#[test]
fn an_attempt_older_than_the_token_only_wants_the_status_mended() {
    let facts = ResourceFacts {
        attempt: Some(attempt(Time::NEVER)),
        ..resource()
    };
    let mut bench = Bench::with(facts, Some(token()));
    bench.engine.ready(at(1));
    assert!(!bench.work(1));
    bench.done(
        Some(token()),
        HostReport::Unused,
        Requeue::RequestAt(at(2700)),
        1,
    );
    assert_eq!(bench.next(1), Next::Sleep(at(2700)));
}

#[test]
fn a_suspended_or_invalid_resource_that_is_reported_asks_for_nothing_but_its_tokens_end() {
    let cases = [
        ResourceFacts {
            suspended: true,
            ..resource()
        },
        ResourceFacts {
            inputs: 0,
            ..resource()
        },
    ];
    for facts in cases {
        let mut bench = Bench::with(facts, Some(token()));
        bench.engine.ready(at(0));
        assert_eq!(bench.next(0), Next::Sleep(at(3600)));
        assert!(!bench.work(3600));
    }
}

#[test]
fn a_deleted_resource_is_never_asked_for_again() {
    let facts = ResourceFacts {
        deleting: true,
        ..resource()
    };
    let mut bench = Bench::with(facts, Some(token()));
    bench.engine.ready(at(0));
    assert_eq!(bench.next(10_000), Next::Sleep(Time::NEVER));
}

#[test]
fn facts_that_come_before_their_resource_leave_no_trace_when_they_go() {
    let mut bench = Bench::new();
    bench.engine.ready(at(0));
    bench.tell(Event::Token(Some(token())), 0);
    assert_eq!(bench.engine.len(), 1);
    bench.tell(Event::Token(None), 0);
    assert!(bench.engine.is_empty());
}
