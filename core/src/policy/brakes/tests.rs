use proptest::prelude::*;

use super::*;
use crate::secret::Secret;

fn at(seconds: i64) -> Time {
    Time::from_seconds(1_700_000_000 + seconds)
}

fn brakes() -> Brakes {
    Brakes::new(hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]))
}

fn credential(kind: CredentialKind, content: &str) -> Credential {
    Credential {
        kind,
        host: "auth.example.com:443".to_owned(),
        client: "shop".to_owned(),
        content: Secret::from(content),
    }
}

fn request(kind: CredentialKind, content: &str) -> BrakedRequest {
    BrakedRequest {
        namespace: "shop".to_owned(),
        credentials: vec![credential(kind, content)],
        proven: false,
        form: 1,
        timeout: Span::from_seconds(30),
    }
}

fn goes(brakes: &mut Brakes, request: &BrakedRequest, now: i64) -> Permit {
    match brakes.check(request, at(now)) {
        Clearance::Granted(permit) => permit,
        other => panic!("not sent at {now}: {other:?}"),
    }
}

fn refused(brakes: &mut Brakes, request: &BrakedRequest, now: i64) -> CredentialRefusal {
    match brakes.check(request, at(now)) {
        Clearance::Refused(refusal) => refusal,
        other => panic!("not refused at {now}: {other:?}"),
    }
}

const REFUSED: fn(CredentialKind) -> CredentialOutcome = |kind| CredentialOutcome::Refused {
    kind,
    reason: "InvalidGrant",
};

#[test]
fn a_refused_password_is_not_sent_again_by_any_resource() {
    let mut brakes = brakes();
    let one = request(CredentialKind::Password, "pw");
    let permit = goes(&mut brakes, &one, 0);
    assert_eq!(
        brakes.report_outcome(permit, REFUSED(CredentialKind::Password), at(1), 0.5),
        None
    );
    let elsewhere = BrakedRequest {
        namespace: "other".to_owned(),
        form: 2,
        ..request(CredentialKind::Password, "pw")
    };
    for (request, now) in [(&one, 2), (&elsewhere, 3), (&one, 1_000_000)] {
        let refusal = refused(&mut brakes, request, now);
        assert_eq!((refusal.next, refusal.time), (None, at(1)));
    }
    for other in ["pw2", "PW"] {
        let permit = goes(&mut brakes, &request(CredentialKind::Password, other), 4);
        brakes.report_outcome(permit, CredentialOutcome::Unknown, at(5), 0.5);
    }
    let mut another = request(CredentialKind::Password, "pw");
    another.credentials[0].host = "auth.example.com:8443".to_owned();
    let permit = goes(&mut brakes, &another, 6);
    brakes.report_outcome(permit, CredentialOutcome::Unknown, at(6), 0.5);
    another = request(CredentialKind::Password, "pw");
    another.credentials[0].client = "magazines".to_owned();
    let permit = goes(&mut brakes, &another, 6);
    brakes.report_outcome(permit, CredentialOutcome::Unknown, at(6), 0.5);
}

#[test]
fn a_wrong_password_stops_nobody_who_sends_another() {
    let mut brakes = brakes();
    let permit = goes(&mut brakes, &request(CredentialKind::Password, "wrong"), 0);
    brakes.report_outcome(permit, REFUSED(CredentialKind::Password), at(1), 0.5);
    let right = BrakedRequest {
        namespace: "victim".to_owned(),
        ..request(CredentialKind::Password, "right")
    };
    let permit = goes(&mut brakes, &right, 2);
    brakes.report_outcome(permit, CredentialOutcome::Accepted, at(3), 0.5);
}

#[test]
fn one_request_at_a_time_while_nobody_knows_whether_a_password_works() {
    let mut brakes = brakes();
    let one = request(CredentialKind::Password, "pw");
    let permit = goes(&mut brakes, &one, 0);
    let mut now = 0;
    let mut waits = 0;
    while now < 60 {
        match brakes.check(&one, at(now)) {
            Clearance::Wait(until) => now += until.since(at(now)).seconds(),
            other => panic!("{other:?}"),
        }
        waits += 1;
    }
    assert!(waits <= 6, "each wait is longer: {waits}");
    brakes.report_outcome(permit, CredentialOutcome::Accepted, at(60), 0.5);
    let (a, b) = (goes(&mut brakes, &one, 61), goes(&mut brakes, &one, 61));
    brakes.report_outcome(a, CredentialOutcome::Accepted, at(62), 0.5);
    brakes.report_outcome(b, CredentialOutcome::Accepted, at(62), 0.5);
    // The last success was long ago.
    let _lost = goes(&mut brakes, &one, 1000);
    assert!(matches!(brakes.check(&one, at(1001)), Clearance::Wait(_)));
    // A request whose outcome is never reported blocks no other forever.
    let _ = goes(&mut brakes, &one, 1000 + 121);
}

#[test]
fn a_neighbours_wrong_request_stops_no_resource_whose_own_one_works() {
    let mut brakes = brakes();
    let wrong = request(CredentialKind::Password, "pw");
    let permit = goes(&mut brakes, &wrong, 0);
    brakes.report_outcome(permit, REFUSED(CredentialKind::Password), at(1), 0.5);
    let works = BrakedRequest {
        proven: true,
        form: 2,
        ..request(CredentialKind::Password, "pw")
    };
    let permit = goes(&mut brakes, &works, 10);
    brakes.report_outcome(permit, CredentialOutcome::Accepted, at(11), 0.5);
    let permit = goes(&mut brakes, &works, 3000);
    brakes.report_outcome(permit, CredentialOutcome::Accepted, at(3001), 0.5);
    refused(&mut brakes, &wrong, 3002);
    // And where the password is wrong by now, that is seen once.
    let permit = goes(&mut brakes, &works, 6000);
    brakes.report_outcome(permit, REFUSED(CredentialKind::Password), at(6001), 0.5);
    let more = BrakedRequest {
        proven: true,
        form: 3,
        ..request(CredentialKind::Password, "pw")
    };
    let permit = goes(&mut brakes, &more, 6002);
    brakes.report_outcome(permit, REFUSED(CredentialKind::Password), at(6003), 0.5);
    for form in 1..9 {
        let any = BrakedRequest {
            proven: true,
            form,
            ..request(CredentialKind::Password, "pw")
        };
        refused(&mut brakes, &any, 6004);
    }
}

#[test]
fn a_client_secret_backs_off_for_all_who_use_it() {
    let mut brakes = brakes();
    let one = request(CredentialKind::ClientSecret, "s");
    let mut now = 0;
    let mut sent = 0;
    let mut before = Span::ZERO;
    while now < 86_400 {
        match brakes.check(&one, at(now)) {
            Clearance::Granted(permit) => {
                sent += 1;
                let outcome = CredentialOutcome::Refused {
                    kind: CredentialKind::ClientSecret,
                    reason: "InvalidClient",
                };
                let next = brakes
                    .report_outcome(permit, outcome, at(now), 0.0)
                    .unwrap();
                assert!(next.since(at(now)) >= before);
                before = next.since(at(now));
            }
            Clearance::Refused(refusal) => assert!(refusal.next.is_some_and(|next| next > at(now))),
            Clearance::Wait(_) => panic!("nothing is under way"),
        }
        now += 7;
    }
    assert!((20..32).contains(&sent), "1 min growing to 1 h: {sent}");
    // Who got a token with it goes by its own schedule.
    let works = BrakedRequest {
        proven: true,
        ..request(CredentialKind::ClientSecret, "s")
    };
    let permit = goes(&mut brakes, &works, now);
    brakes.report_outcome(permit, CredentialOutcome::Accepted, at(now), 0.5);
    let _ = goes(&mut brakes, &one, now);
}

#[test]
fn nothing_harmful_is_sent_before_the_statuses_were_looked_at() {
    let mut brakes = brakes();
    let names = |name: &str| ("shop".to_owned(), name.to_owned());
    brakes.expect([names("a"), names("b")], at(0));
    let one = request(CredentialKind::Password, "pw");
    assert!(matches!(brakes.check(&one, at(0)), Clearance::Wait(_)));
    let elsewhere = BrakedRequest {
        namespace: "other".to_owned(),
        ..request(CredentialKind::Password, "else")
    };
    let _ = goes(&mut brakes, &elsewhere, 0);
    let _ = goes(&mut brakes, &request(CredentialKind::ClientSecret, "s"), 0);
    brakes.resource_checked("shop", "a");
    let refusal = CredentialRefusal {
        kind: CredentialKind::Password,
        reason: "InvalidGrant",
        time: at(-100),
        failures: 1,
        next: None,
    };
    brakes.note_refusal(
        "shop",
        &credential(CredentialKind::Password, "pw"),
        &refusal,
        at(1),
    );
    brakes.resource_checked("shop", "b");
    assert_eq!(refused(&mut brakes, &one, 2), refusal);
    let permit = goes(&mut brakes, &request(CredentialKind::Password, "new"), 2);
    brakes.report_outcome(permit, CredentialOutcome::Accepted, at(3), 0.5);
    // What is older than a success says nothing.
    brakes.note_refusal(
        "shop",
        &credential(CredentialKind::Password, "new"),
        &refusal,
        at(4),
    );
    let _ = goes(&mut brakes, &request(CredentialKind::Password, "new"), 5);
    // One that cannot be observed blocks no other forever.
    brakes.expect([names("c")], at(10));
    assert!(matches!(
        brakes.check(&request(CredentialKind::Password, "x"), at(11)),
        Clearance::Wait(_)
    ));
    let _ = goes(&mut brakes, &request(CredentialKind::Password, "x"), 71);
}

#[test]
fn a_namespace_has_its_share_of_the_room_and_forgets_its_own_first() {
    let mut brakes = brakes();
    let refuse = |brakes: &mut Brakes, namespace: &str, number: usize, now: i64| {
        let one = BrakedRequest {
            namespace: namespace.to_owned(),
            ..request(CredentialKind::Password, &format!("{namespace}-{number}"))
        };
        let permit = goes(brakes, &one, now);
        brakes.report_outcome(permit, REFUSED(CredentialKind::Password), at(now), 0.5);
    };
    refuse(&mut brakes, "victim", 0, 0);
    for number in 0..MOST_OF_ONE + 100 {
        refuse(&mut brakes, "greedy", number, 1 + number as i64);
    }
    assert_eq!(brakes.len(), MOST_OF_ONE + 1);
    let victim = BrakedRequest {
        namespace: "victim".to_owned(),
        ..request(CredentialKind::Password, "victim-0")
    };
    refused(&mut brakes, &victim, 100_000);
    let oldest = BrakedRequest {
        namespace: "greedy".to_owned(),
        ..request(CredentialKind::Password, "greedy-0")
    };
    let _ = goes(&mut brakes, &oldest, 100_001);
}

#[test]
fn a_clock_that_was_set_back_holds_nothing_up() {
    let mut brakes = brakes();
    let one = request(CredentialKind::ClientSecret, "s");
    let permit = goes(&mut brakes, &one, 100_000);
    let outcome = CredentialOutcome::Refused {
        kind: CredentialKind::ClientSecret,
        reason: "InvalidClient",
    };
    brakes.report_outcome(permit, outcome, at(100_000), 0.5);
    let _ = goes(&mut brakes, &one, 0);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whichever resource asks, in whatever order and form: a wrong password reaches the provider once, or twice if a
    /// resource
    /// claims that it works.
    #[test]
    fn a_wrong_password_reaches_the_provider_twice_at_most(
        steps in prop::collection::vec((0_u8..4, 0_u64..5, any::<bool>(), 0_i64..500, any::<bool>()), 1..120),
    ) {
        let mut brakes = brakes();
        let (mut now, mut sent, mut claimed) = (0, 0, false);
        let mut open = Vec::new();
        for (namespace, form, proven, pause, ends) in steps {
            now += pause;
            // Every request ends within its time.
            let over = |begun: i64| ends || now - begun >= 30;
            while open.first().is_some_and(|(begun, _)| over(*begun)) {
                let (begun, permit) = open.remove(0);
                let when = now.min(begun + 30);
                brakes.report_outcome(permit, REFUSED(CredentialKind::Password), at(when), 0.5);
            }
            let one = BrakedRequest {
                namespace: namespace.to_string(),
                form: form + 1,
                proven,
                ..request(CredentialKind::Password, "pw")
            };
            if let Clearance::Granted(permit) = brakes.check(&one, at(now)) {
                sent += 1;
                claimed |= proven;
                open.push((now, permit));
            }
        }
        prop_assert!(sent <= if claimed { 2 } else { 1 }, "{} requests", sent);
    }
}
