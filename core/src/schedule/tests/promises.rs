//! What holds whatever a server says and however the draws fall.

use proptest::prelude::*;

use super::*;
use crate::oauth::error::FailureClass;

fn any_policy() -> impl Strategy<Value = Policy> {
    let lead = prop_oneof![
        Just(Lead::Default),
        (-10i64..100_000).prop_map(|lead| Lead::Before(secs(lead))),
        (1u8..100).prop_map(Lead::Percent),
    ];
    let reuse = prop_oneof![
        Just(TokenReuse::Independent),
        Just(TokenReuse::InvalidatesPrevious)
    ];
    (
        lead,
        reuse,
        1i64..10_000,
        proptest::option::of(-5i64..100_000),
    )
        .prop_map(|(lead, token_reuse, assumed, window)| Policy {
            lead,
            token_reuse,
            assumed_lifetime: secs(assumed),
            cache_window: window.map(secs),
        })
}

fn any_answer() -> impl Strategy<Value = ReceivedToken> {
    let lifetime = prop_oneof![
        3 => (1i64..100_000_000).prop_map(|ms| Some(Lifetime::For(Span::from_millis(ms * 100)))),
        1 => any::<i64>().prop_map(|ms| Some(Lifetime::For(Span::from_millis(ms)))),
        1 => any::<i64>().prop_map(|ms| Some(Lifetime::Until(Time::from_millis(ms)))),
        1 => (0i64..100_000).prop_map(|s| Some(Lifetime::Until(at(s)))),
        1 => Just(None),
    ];
    (
        lifetime,
        0i64..60_000,
        proptest::option::of(any::<i64>().prop_map(Span::from_millis)),
        any::<bool>(),
        proptest::option::of((0i64..100_000).prop_map(at)),
    )
        .prop_map(
            |(lifetime, latency, refresh_in, same_token, own_end)| ReceivedToken {
                sent: at(0),
                received: at(0) + Span::from_millis(latency),
                lifetime,
                own_end,
                refresh_in,
                same_token,
            },
        )
}

fn any_published() -> impl Strategy<Value = Option<Published>> {
    proptest::option::of(
        (
            0i64..100_000,
            -1000i64..100_000,
            proptest::option::of(0i64..100_000),
            any::<bool>(),
        )
            .prop_map(|(age, left, window, served_again)| Published {
                issued: at(-age),
                end: End::stored(at(left), served_again && age % 2 == 0),
                learnt_window: window.map(secs),
                served_again,
            }),
    )
}

proptest! {

    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Promise 3, its first half, whatever a server says.
    #[test]
    fn after_a_success_at_least_g_passes_before_the_next_attempt(
        policy in any_policy(), published in any_published(), answer in any_answer(), u in 0.0..1.0,
    ) {
        let now = answer.received;
        if let Ok(schedule) = accept(&policy, published.as_ref(), &answer, now, u) {
            let left = schedule.end.at().since(answer.sent);
            prop_assert!(schedule.end.at() > now);
            prop_assert!(schedule.refresh >= now + shortest_interval(left));
            prop_assert!(schedule.refresh <= schedule.end.at().max(now + shortest_interval(left)));
        }
    }

    /// Promise 3, its second half: 2.5 s after a failure, and never before `Retry-After`.
    #[test]
    fn after_a_failure_at_least_two_and_a_half_seconds_pass(
        permanent in any::<bool>(), failures in any::<u32>(),
        remaining in proptest::option::of(any::<i64>()), retry_after in proptest::option::of(any::<i64>()),
        u in 0.0..1.0,
    ) {
        let class = if permanent { FailureClass::Permanent } else { FailureClass::Transient };
        let after = retry_after.map(Span::from_millis);
        let next = retry(class, failures, remaining.map(Span::from_millis), after, at(0), u);
        prop_assert!(next >= at(0) + Span::from_millis(2500));
        prop_assert!(next >= at(0) + after.unwrap_or(Span::ZERO).min(secs(3600)));
        prop_assert!(next <= at(3600));
    }

    /// A draw only ever makes a refresh earlier.
    #[test]
    fn no_draw_refreshes_later_than_the_formula(lifetime in 1i64..10_000_000, u in 0.0..1.0) {
        let plain = later(&policy(), &answer(lifetime), 0.0).refresh;
        prop_assert!(later(&policy(), &answer(lifetime), u).refresh <= plain);
    }

    /// The second promise's pace: however the draws fall, a life is used at least to `L - 1.2 r`.
    #[test]
    fn a_life_is_used_at_least_up_to_its_lead_and_draw(lifetime in 10i64..10_000_000, u in 0.0..1.0) {
        let used = later(&policy(), &answer(lifetime), u).refresh.since(at(0));
        prop_assert!(used >= secs(lifetime) - usual_lead(secs(lifetime)).scale(1.2) - Span::from_millis(1));
    }

    /// Promise 2 for a server that caches: at most `log2(L/C) + 3` requests a token, also where nothing was learnt yet.
    #[test]
    fn a_caching_server_is_asked_only_a_few_times_for_each_token(
        lifetime in 60i64..100_000, window in 20i64..100_000, known in any::<bool>(), u in 0.0..1.0,
    ) {
        let window = window.min(lifetime);
        let policy = Policy { cache_window: known.then(|| secs(window)), ..policy() };
        let mut schedule = accept(&policy, None, &answer(lifetime), at(0), u).expect("usable");
        let mut learnt = None;
        for life in 0..3 {
            let end = schedule.end.at();
            let mut requests = 1;
            loop {
                let now = schedule.refresh;
                let same = now < end - secs(window);
                requests += 1;
                let before = Published {
                    issued: end - secs(lifetime), end: schedule.end,
                    learnt_window: schedule.learnt_window, served_again: schedule.served_again,
                };
                let answer = ReceivedToken {
                    sent: now, received: now, own_end: None, refresh_in: None, same_token: same,
                    lifetime: Some(Lifetime::For(if same { end.since(now) } else { secs(lifetime) })),
                };
                schedule = accept(&policy, Some(&before), &answer, now, u).expect("usable");
                if !same { break; }
            }
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let bound = (lifetime as f64 / window as f64).log2() + 3.0;
            // The last request of a life is the first of the next.
            prop_assert!(f64::from(requests - 1) <= bound, "{requests} requests in life {life}");
            prop_assert!(!known || life == 0 || requests <= 2, "the window is known");
            learnt = schedule.learnt_window.or(learnt);
        }
        if let Some(learnt) = learnt {
            prop_assert!(learnt <= secs(window.max(20)), "never learnt as too wide");
        }
    }

    #[test]
    fn a_refresh_token_is_used_before_it_ends_and_never_makes_a_token_later_or_a_loop(
        access in 10_i64..1_000_000, life in 1_i64..10_000_000, took in 0_i64..30, u in 0.0_f64..1.0,
    ) {
        let (now, ends) = (at(took), at(life));
        let refresh = at(access).max(now + secs(2));
        let due = before_refresh_token_ends(refresh, at(0), ends, now, u);
        prop_assert!(due <= refresh);
        prop_assert!(due.since(now) >= secs(2));
        // Half of its life is left at least, and at most a day and a bit is given away.
        if life > 60 && took < life / 4 {
            prop_assert!(due < ends, "{} of {}", due, ends);
            prop_assert!(due == refresh || ends.since(due) <= usual_lead(secs(life)).scale(1.2) + secs(1));
        }
        prop_assert_eq!(before_refresh_token_ends(refresh, at(0), Time::NEVER, now, u), refresh);
    }
}
