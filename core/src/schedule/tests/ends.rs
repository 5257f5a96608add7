//! Granted, own, earlier and assumed ends of a token, over random histories of responses.

use proptest::prelude::*;

use super::*;

/// What a server says in one response.
#[derive(Clone, Debug)]
struct Said {
    /// How long after the response before it, in seconds.
    later: i64,
    same_token: bool,
    /// The lifetime, 0 for one of zero.
    lifetime: Option<i64>,
    /// The token's own end, in seconds from the response.
    own: Option<i64>,
}

fn any_history() -> impl Strategy<Value = Vec<Said>> {
    let lifetime = prop_oneof![
        2 => Just(None),
        1 => Just(Some(0)),
        3 => (1i64..20).prop_map(Some),
        3 => (20i64..10_000).prop_map(Some),
    ];
    let own = prop_oneof![4 => Just(None), 1 => (1i64..10_000).prop_map(Some)];
    let said = (0i64..2_000, any::<bool>(), lifetime, own).prop_map(
        |(later, same_token, lifetime, own)| Said {
            later,
            same_token,
            lifetime,
            own,
        },
    );
    proptest::collection::vec(said, 1..20)
}

/// The rule, written once more in the plainest way: the last end that any response named for this token, else none.
fn named(said: &Said, now: Time, before: Option<Time>) -> Option<Time> {
    let granted = said.lifetime.filter(|seconds| *seconds > 0);
    let ends = [granted, said.own].into_iter().flatten();
    let earliest = ends.min().map(|seconds| now + secs(seconds));
    earliest.or(before.filter(|_| said.same_token))
}

proptest! {

    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// Whatever a server says and leaves out: once it has named the end of a token, no assumed one takes its place, in
    /// memory or after the state was stored and read.
    #[test]
    fn an_assumed_end_never_takes_the_place_of_a_known_one(
        history in any_history(), assumed in 1i64..10_000, stored in any::<bool>(), u in 0.0..1.0,
    ) {
        let policy = Policy { assumed_lifetime: secs(assumed), ..policy() };
        let mut now = at(0);
        let mut published: Option<Published> = None;
        // The end of the published token that was named last; `None` while none was.
        let mut known: Option<Time> = None;
        for said in history {
            now = now + secs(said.later);
            let said = Said { same_token: said.same_token && published.is_some(), ..said };
            let answer = ReceivedToken {
                sent: now,
                received: now,
                lifetime: said.lifetime.map(|seconds| Lifetime::For(secs(seconds))),
                own_end: said.own.map(|seconds| now + secs(seconds)),
                refresh_in: None,
                same_token: said.same_token,
            };
            let expected = named(&said, now, known);
            match accept(&policy, published.as_ref(), &answer, now, u) {
                Ok(schedule) => {
                    prop_assert_eq!(schedule.end.is_assumed(), expected.is_none(), "{:?}", said);
                    if let Some(end) = expected {
                        prop_assert_eq!(schedule.end.at(), end);
                    }
                    known = expected;
                    published = Some(Published {
                        issued: schedule.issued,
                        end: if stored { schedule.end.as_stored() } else { schedule.end },
                        learnt_window: schedule.learnt_window,
                        served_again: schedule.served_again,
                    });
                }
                // Nothing is published: the known end has passed.
                Err(_) => prop_assert!(expected.is_some_and(|end| end <= now), "{:?}", said),
            }
        }
    }
}

#[test]
fn the_earlier_of_a_granted_lifetime_and_the_tokens_own_end_counts() {
    for (granted, own, end, source) in [
        (Some(3600), Some(600), 600, Source::Token),
        (Some(60), Some(600), 60, Source::Granted),
        (None, Some(600), 600, Source::Token),
        (Some(0), Some(600), 600, Source::Token),
        (Some(3600), None, 3600, Source::Granted),
    ] {
        let said = ReceivedToken {
            lifetime: granted.map(|seconds| Lifetime::For(secs(seconds))),
            own_end: own.map(at),
            ..answer(0)
        };
        let End::Known(known) = later(&policy(), &said, 0.0).end else {
            panic!("{granted:?} {own:?}");
        };
        assert_eq!((known.at(), known.source()), (at(end), source));
    }
    let over = ReceivedToken {
        own_end: Some(at(-1)),
        ..answer(3600)
    };
    let past = accept(&policy(), Some(&BEFORE), &over, at(0), 0.0);
    assert!(matches!(past, Err(UnusableLifetime::AlreadyPast { .. })));
}
