//! Changes while running: which of them trigger work.

use super::*;

#[test]
fn what_is_already_known_asks_for_nothing() {
    let mut bench = Bench::current();
    for cause in [
        Event::Resource(resource()),
        Event::Token(Some(token())),
        Event::Credentials(Some(CredentialsFacts { version: 20 })),
        Event::Resource(ResourceFacts {
            attempt: Some(attempt(at(1))),
            ..resource()
        }),
    ] {
        bench.tell(cause, 1);
        assert!(bench.is_idle(1));
    }
}

#[test]
fn our_own_write_asks_for_nothing_whether_it_is_seen_before_or_after_the_work_is_done() {
    let new = TokenFacts {
        version: 101,
        issued: at(2700),
        refresh: at(5400),
        expires: at(6300),
        ..token()
    };
    for early in [true, false] {
        let mut bench = Bench::current();
        assert!(bench.work(2700));
        if early {
            bench.tell(Event::Token(Some(new)), 2701);
        }
        bench.done(
            Some(new),
            HostReport::Succeeded,
            Requeue::RequestAt(at(5400)),
            2701,
        );
        bench.tell(Event::Token(Some(new)), 2702);
        assert_eq!(bench.next(2702), Next::Sleep(at(5400)));
    }
}

#[test]
fn a_stale_event_after_our_write_costs_one_look_and_no_request() {
    let new = TokenFacts {
        version: 101,
        issued: at(2700),
        refresh: at(5400),
        expires: at(6300),
        ..token()
    };
    let mut bench = Bench::current();
    assert!(bench.work(2700));
    bench.done(
        Some(new),
        HostReport::Succeeded,
        Requeue::RequestAt(at(5400)),
        2701,
    );
    bench.tell(Event::Token(Some(token())), 2702);
    assert!(!bench.work(2702));
    bench.done(
        Some(new),
        HostReport::Unused,
        Requeue::RequestAt(at(5400)),
        2702,
    );
    assert_eq!(bench.next(2703), Next::Sleep(at(5400)));
}

#[test]
fn a_token_secret_that_is_gone_or_altered_is_looked_at_at_once() {
    for seen in [
        None,
        Some(TokenFacts {
            version: 77,
            ..token()
        }),
    ] {
        let mut bench = Bench::current();
        bench.tell(Event::Token(seen), 10);
        assert!(!bench.work(10));
    }
}

#[test]
fn an_alteration_during_the_work_is_looked_at_after_it() {
    let mut bench = Bench::current();
    assert!(bench.work(2700));
    bench.tell(Event::Token(None), 2701);
    assert_eq!(
        bench.next(2701),
        Next::Sleep(at(3600)),
        "never twice at a time"
    );
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
        2702,
    );
    assert!(!bench.work(2702));
}

#[test]
fn a_changed_spec_is_requested_at_once() {
    let mut bench = Bench::current();
    let edited = ResourceFacts {
        generation: 2,
        inputs: 11,
        reported: false,
        ..resource()
    };
    bench.tell(Event::Resource(edited), 10);
    assert!(bench.work(10));
    assert!(matches!(bench.next(10), Next::Sleep(_)));
}

#[test]
fn an_edit_that_sends_nothing_else_is_looked_at_without_a_permit() {
    let mut bench = Bench::current();
    let edited = ResourceFacts {
        generation: 2,
        reported: false,
        ..resource()
    };
    bench.tell(Event::Resource(edited), 10);
    assert!(!bench.work(10));
    bench.done(
        Some(token()),
        HostReport::Unused,
        Requeue::RequestAt(at(2700)),
        10,
    );
    assert_eq!(bench.next(10), Next::Sleep(at(2700)));
}

#[test]
fn a_spec_that_went_there_and_back_unseen_asks_for_nothing_but_a_look() {
    let mut bench = Bench::current();
    let reverted = ResourceFacts {
        generation: 3,
        reported: false,
        ..resource()
    };
    bench.tell(Event::Resource(reverted), 10);
    assert!(!bench.work(10));
}

#[test]
fn a_spec_that_changes_during_the_work_is_requested_two_seconds_after_it() {
    let mut bench = Bench::current();
    assert!(bench.work(2700));
    let edited = ResourceFacts {
        generation: 2,
        inputs: 11,
        ..resource()
    };
    bench.tell(Event::Resource(edited), 2700);
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
        2701,
    );
    assert!(!bench.work(2701), "its status is due");
    bench.done(
        Some(new),
        HostReport::Unused,
        Requeue::RequestAt(at(2703)),
        2701,
    );
    assert!(bench.is_idle(2702));
    assert!(bench.work(2703));
}

#[test]
fn a_spec_that_changes_to_another_host_waits_for_nothing() {
    let mut bench = Bench::current();
    assert!(bench.work(2700));
    bench.engine.done(
        &key(),
        Outcome {
            token: Some(token()),
            attempt: Some(Attempt {
                failures: 1,
                time: at(2700),
                next: at(6300),
                not_before: at(6300),
                inputs: attempt_inputs(10, 20),
            }),
            host_report: HostReport::Failed,
            requeue: Requeue::RequestAt(at(6300)),
        },
        at(2700),
    );
    let same_host = ResourceFacts {
        generation: 2,
        inputs: 11,
        ..resource()
    };
    bench.tell(Event::Resource(same_host.clone()), 2701);
    assert_eq!(
        bench.view().request,
        at(6300),
        "Retry-After outlives an edit"
    );
    let other_host = ResourceFacts {
        generation: 3,
        inputs: 12,
        host: Arc::from("new.example:443"),
        ..resource()
    };
    bench.tell(Event::Resource(other_host), 2702);
    assert!(bench.work(2702));
}

#[test]
fn new_credentials_are_looked_at_and_requested_only_when_the_work_says_so() {
    let mut bench = Bench::current();
    bench.tell(
        Event::Credentials(Some(CredentialsFacts { version: 21 })),
        10,
    );
    assert!(!bench.work(10));
    bench.done(Some(token()), HostReport::Unused, Requeue::Request, 10);
    assert!(bench.work(10));
}

#[test]
fn new_credentials_with_the_same_content_are_read_once() {
    let mut bench = Bench::current();
    bench.tell(
        Event::Credentials(Some(CredentialsFacts { version: 21 })),
        10,
    );
    assert!(!bench.work(10));
    bench.done(
        Some(token()),
        HostReport::Unused,
        Requeue::RequestAt(at(2700)),
        10,
    );
    bench.tell(
        Event::Credentials(Some(CredentialsFacts { version: 21 })),
        11,
    );
    bench.tell(Event::Resource(resource()), 11);
    assert_eq!(bench.next(12), Next::Sleep(at(2700)));
}

#[test]
fn credentials_that_come_at_last_start_the_first_issue() {
    let mut bench = Bench::new();
    bench.engine.ready(at(0));
    bench.tell(
        Event::Resource(ResourceFacts {
            reported: false,
            ..resource()
        }),
        0,
    );
    assert!(!bench.work(0), "nothing to ask with");
    bench.done(None, HostReport::Unused, Requeue::OnChange, 0);
    assert_eq!(bench.next(100), Next::Sleep(Time::NEVER));
    bench.tell(
        Event::Credentials(Some(CredentialsFacts { version: 20 })),
        100,
    );
    assert!(bench.work(100));
}

#[test]
fn the_annotation_acts_once_for_each_new_value() {
    let mut bench = Bench::current();
    let asked = ResourceFacts {
        refresh_request: 7,
        ..resource()
    };
    bench.tell(Event::Resource(asked.clone()), 10);
    assert!(bench.work(10));
    let new = TokenFacts {
        refresh_request: 7,
        version: 101,
        ..token()
    };
    bench.done(
        Some(new),
        HostReport::Succeeded,
        Requeue::RequestAt(at(2700)),
        11,
    );
    bench.tell(Event::Resource(asked), 12);
    assert!(bench.is_idle(12));
    bench.tell(Event::Resource(resource()), 13);
    assert!(bench.is_idle(13), "to remove it asks for nothing");
    bench.tell(
        Event::Resource(ResourceFacts {
            refresh_request: 8,
            ..resource()
        }),
        14,
    );
    assert!(bench.work(14));
}

#[test]
fn suspending_is_looked_at_at_once_and_then_nothing_is_requested() {
    let mut bench = Bench::current();
    let suspended = ResourceFacts {
        suspended: true,
        ..resource()
    };
    bench.tell(Event::Resource(suspended), 10);
    assert!(!bench.work(10));
    bench.done(Some(token()), HostReport::Unused, Requeue::OnChange, 10);
    assert_eq!(bench.engine.count(State::Suspended), 1);
    assert_eq!(bench.next(2700), Next::Sleep(at(3600)));
    bench.tell(Event::Resource(resource()), 2800);
    assert!(
        bench.work(2800),
        "what is due when it is resumed is requested at once"
    );
}

#[test]
fn a_resource_that_is_gone_is_forgotten_and_its_slot_given_back() {
    let mut bench = Bench::current();
    assert!(bench.work(2700));
    bench.tell(Event::Gone, 2701);
    assert_eq!(bench.engine.in_flight(), (1, 0));
    bench.done(
        Some(token()),
        HostReport::Succeeded,
        Requeue::RequestAt(at(9)),
        2702,
    );
    assert!(bench.engine.is_empty());
    assert_eq!(bench.engine.in_flight(), (0, 0));
    assert_eq!(bench.engine.host_queues().count(), 0);
    assert_eq!(bench.next(9999), Next::Sleep(Time::NEVER));
}

#[test]
fn a_resource_made_anew_during_the_work_does_not_inherit_its_outcome() {
    for seen_gone in [true, false] {
        let mut bench = Bench::current();
        assert!(bench.work(2700));
        if seen_gone {
            bench.tell(Event::Gone, 2701);
        }
        let reborn = ResourceFacts {
            uid: 2,
            ..resource()
        };
        bench.tell(Event::Resource(reborn), 2701);
        bench.tell(
            Event::Credentials(Some(CredentialsFacts { version: 20 })),
            2701,
        );
        bench.tell(Event::Token(None), 2701);
        assert!(
            matches!(bench.next(2701), Next::Sleep(_)),
            "never twice at a time"
        );
        bench.done(
            Some(token()),
            HostReport::Succeeded,
            Requeue::RequestAt(at(9000)),
            2702,
        );
        assert_eq!(bench.view().token, None);
        assert!(bench.work(2704), "a first issue");
    }
}

#[test]
fn a_lost_status_is_written_again() {
    let mut bench = Bench::current();
    bench.tell(
        Event::Resource(ResourceFacts {
            reported: false,
            ..resource()
        }),
        10,
    );
    assert!(!bench.work(10));
}
