//! A row for every case of the rule.

mod ends;
mod failures;
mod promises;
mod replan;

use super::*;

const DAY: i64 = 86_400;

fn at(seconds: i64) -> Time {
    Time::from_seconds(1_700_000_000 + seconds)
}

fn secs(seconds: i64) -> Span {
    Span::from_seconds(seconds)
}

fn policy() -> Policy {
    Policy {
        lead: Lead::Default,
        assumed_lifetime: ASSUMED_LIFETIME,
        token_reuse: TokenReuse::Independent,
        cache_window: None,
    }
}

fn published(issued: i64, expires: i64) -> Published {
    Published {
        issued: at(issued),
        end: End::stored(at(expires), false),
        learnt_window: None,
        served_again: false,
    }
}

/// Asked and answered at 0.
fn answer(lifetime: i64) -> ReceivedToken {
    ReceivedToken {
        sent: at(0),
        received: at(0),
        lifetime: Some(Lifetime::For(secs(lifetime))),
        own_end: None,
        refresh_in: None,
        same_token: false,
    }
}

/// A token that was published before, so that no first interval is drawn.
const BEFORE: Published = Published {
    issued: Time::from_seconds(1_699_990_000),
    end: End::stored(Time::from_seconds(1_700_000_100), false),
    learnt_window: None,
    served_again: false,
};

fn later(policy: &Policy, answer: &ReceivedToken, u: f64) -> Schedule {
    accept(policy, Some(&BEFORE), answer, answer.received, u).expect("it can be published")
}

/// How long before the end the refresh is due, in seconds, with the draws 0 and (almost) 1.
fn leads(policy: &Policy, answer: &ReceivedToken) -> (i64, i64) {
    let left = |u| {
        let schedule = later(policy, answer, u);
        schedule.end.at().since(schedule.refresh).millis()
    };
    // Rounded, for the second draw is not quite 1.
    ((left(0.0) + 500) / 1000, (left(0.999_999) + 500) / 1000)
}

#[test]
fn each_lifetime_is_refreshed_with_the_lead_of_its_row() {
    for (lifetime, least, most) in [
        (30, 15, 18),
        (120, 60, 72),
        (360, 180, 216),
        (599, 180, 216),
        (720, 180, 216),
        (3600, 900, 1080),
        (7 * DAY, DAY, DAY * 6 / 5),
        (365 * DAY, DAY, DAY * 6 / 5),
    ] {
        assert_eq!(
            leads(&policy(), &answer(lifetime)),
            (least, most),
            "L = {lifetime}"
        );
    }
}

#[test]
fn a_life_too_short_for_mounted_volumes_is_said_to_be() {
    assert!(later(&policy(), &answer(30), 0.5).too_short);
    assert!(later(&policy(), &answer(359), 0.5).too_short);
    assert!(!later(&policy(), &answer(360), 0.5).too_short);
}

#[test]
fn latency_never_lengthens_a_life() {
    let slow = ReceivedToken {
        received: at(25),
        ..answer(3600)
    };
    assert_eq!(later(&policy(), &slow, 0.0).end.at(), at(3600));
}

#[test]
fn where_no_lifetime_is_given_the_assumed_one_counts_and_is_said_to() {
    for lifetime in [None, Some(Lifetime::For(Span::ZERO))] {
        let unsaid = ReceivedToken {
            lifetime,
            ..answer(0)
        };
        let schedule = later(&policy(), &unsaid, 0.0);
        assert!(schedule.end.is_assumed());
        assert_eq!(schedule.end.at(), at(3300));
        assert_eq!(schedule.refresh, at(3300 - 825));
    }
    assert!(!later(&policy(), &answer(3600), 0.0).end.is_assumed());
}

#[test]
fn an_assumed_life_does_not_begin_anew_while_the_same_token_is_served() {
    let unsaid = ReceivedToken {
        lifetime: None,
        same_token: true,
        ..answer(0)
    };
    let assumed = |issued, expires| Published {
        end: End::stored(at(expires), true),
        ..published(issued, expires)
    };
    let token = assumed(-2000, 1300);
    let schedule = accept(&policy(), Some(&token), &unsaid, at(0), 0.0).expect("usable");
    assert_eq!((schedule.end.at(), schedule.refresh), (at(1300), at(650)));
    let ending = assumed(-3295, 5);
    let schedule = accept(&policy(), Some(&ending), &unsaid, at(0), 0.0).expect("usable");
    assert_eq!(
        schedule.end.at(),
        at(3300),
        "believed for another life at its end"
    );
}

#[test]
fn a_negative_or_past_lifetime_is_an_error() {
    let refused = |lifetime, received| {
        let answer = ReceivedToken {
            lifetime: Some(lifetime),
            received: at(received),
            ..answer(0)
        };
        accept(&policy(), None, &answer, at(received), 0.5).expect_err("it is of no use")
    };
    assert_eq!(
        refused(Lifetime::For(secs(-1)), 0),
        UnusableLifetime::Negative
    );
    assert_eq!(
        refused(Lifetime::For(secs(10)), 12),
        UnusableLifetime::AlreadyPast { by: secs(2) }
    );
    assert_eq!(
        refused(Lifetime::Until(at(-60)), 0),
        UnusableLifetime::AlreadyPast { by: secs(60) }
    );
}

#[test]
fn an_absolute_end_is_taken_as_it_is() {
    let absolute = ReceivedToken {
        lifetime: Some(Lifetime::Until(at(3600))),
        ..answer(0)
    };
    let schedule = later(&policy(), &absolute, 0.0);
    assert_eq!((schedule.end.at(), schedule.refresh), (at(3600), at(2700)));
}

#[test]
fn an_absurd_lifetime_stays_within_what_can_be_written_down() {
    for lifetime in [
        Lifetime::For(Span::from_millis(i64::MAX)),
        Lifetime::Until(Time::NEVER),
    ] {
        let absurd = ReceivedToken {
            lifetime: Some(lifetime),
            ..answer(0)
        };
        let schedule = later(&policy(), &absurd, 0.5);
        assert_ne!(schedule.end.at().rfc3339(), "out of range");
        assert!(schedule.refresh < schedule.end.at());
    }
}

#[test]
fn the_servers_own_time_to_refresh_is_kept_but_never_beyond_the_lead() {
    let hinted = |refresh_in, u| {
        let answer = ReceivedToken {
            refresh_in: Some(secs(refresh_in)),
            ..answer(86_400)
        };
        later(&policy(), &answer, u).refresh
    };
    assert_eq!(hinted(43_200, 0.0), at(43_200));
    assert_eq!(hinted(43_200, 0.5), at(43_230));
    assert_eq!(hinted(86_000, 0.0), at(86_400 - 21_600));
    assert_eq!(hinted(0, 0.0), at(86_400 - 21_600), "no hint at all");
}

#[test]
fn an_own_lead_takes_the_place_of_the_usual_one() {
    let own = |lead| Policy { lead, ..policy() };
    for (lead, expected, clamped) in [
        (Lead::Before(secs(600)), 600, None),
        (Lead::Percent(50), 1800, None),
        (Lead::Before(secs(3500)), 2400, Some(secs(2400))),
        (Lead::Percent(99), 2400, Some(secs(2400))),
        (Lead::Before(secs(0)), 1, Some(secs(1))),
    ] {
        let schedule = later(&own(lead), &answer(3600), 0.0);
        assert_eq!(schedule.refresh, at(3600 - expected), "{lead:?}");
        assert_eq!(schedule.clamped_lead, clamped, "{lead:?}");
    }
}

#[test]
fn even_the_longest_own_lead_uses_a_fifth_of_each_life() {
    let own = Policy {
        lead: Lead::Percent(99),
        ..policy()
    };
    assert!(later(&own, &answer(3600), 1.0).refresh >= at(720));
}

#[test]
fn a_token_that_dies_with_its_successor_is_kept_until_a_minute_before_its_end() {
    let zoom = Policy {
        token_reuse: TokenReuse::InvalidatesPrevious,
        lead: Lead::Percent(50),
        ..policy()
    };
    for published in [None, Some(&BEFORE)] {
        for u in [0.0, 0.99] {
            let schedule = accept(&zoom, published, &answer(3600), at(0), u).expect("usable");
            assert_eq!(schedule.refresh, at(3540));
        }
    }
    assert_eq!(
        later(&zoom, &answer(60), 0.0).refresh,
        at(30),
        "half of a short life"
    );
}

#[test]
fn a_first_interval_is_drawn_between_0_15_and_0_9_of_the_usual_one() {
    let first = |u| {
        accept(&policy(), None, &answer(3600), at(0), u)
            .expect("usable")
            .refresh
    };
    assert_eq!(first(0.0), at(405));
    assert_eq!(
        first(1.0),
        at(2268),
        "0.9 of the interval with its own draw"
    );
    assert_eq!(
        accept(&policy(), None, &answer(20), at(0), 0.0)
            .expect("usable")
            .refresh,
        at(5),
        "not below g"
    );
}

#[test]
fn no_first_interval_is_drawn_for_cached_tokens_or_with_an_own_lead() {
    for policy in [
        Policy {
            lead: Lead::Before(secs(900)),
            ..policy()
        },
        Policy {
            cache_window: Some(secs(1200)),
            ..policy()
        },
    ] {
        let schedule = accept(&policy, None, &answer(3600), at(0), 0.0).expect("usable");
        assert_eq!(schedule.refresh, at(2700));
    }
}

#[test]
fn the_same_token_is_asked_for_again_after_half_of_what_is_left() {
    let token = published(-3000, 600);
    for (left, next) in [(600, 300), (100, 50), (20, 10), (15, 10), (8, 8)] {
        let again = ReceivedToken {
            same_token: true,
            ..answer(left)
        };
        let schedule = accept(&policy(), Some(&token), &again, at(0), 0.7).expect("usable");
        assert_eq!(schedule.end.at(), at(left), "adopted, earlier or later");
        assert_eq!(schedule.refresh, at(next), "{left} s left");
        assert!(schedule.served_again);
    }
}

#[test]
fn the_cache_window_is_learnt_from_the_first_different_token() {
    let served_again = Published {
        served_again: true,
        ..published(-3000, 500)
    };
    let schedule = accept(&policy(), Some(&served_again), &answer(3600), at(0), 0.0);
    let schedule = schedule.expect("usable");
    assert_eq!(schedule.learnt_window, Some(secs(500)));
    assert_eq!(schedule.refresh, at(3600 - 500 + 15), "its first try");
    assert!(!schedule.served_again);
}

#[test]
fn a_server_that_gives_a_new_token_each_time_teaches_no_window() {
    assert_eq!(later(&policy(), &answer(3600), 0.5).learnt_window, None);
    let known = Published {
        learnt_window: Some(secs(600)),
        ..published(-3000, 585)
    };
    let schedule = accept(&policy(), Some(&known), &answer(3600), at(0), 0.0).expect("usable");
    assert_eq!(
        schedule.learnt_window,
        Some(secs(600)),
        "it does not shrink each time"
    );
}

#[test]
fn a_token_that_was_over_teaches_no_window_and_one_that_nearly_was_the_least() {
    let learnt = |expires| {
        let token = Published {
            served_again: true,
            ..published(-3600, expires)
        };
        accept(&policy(), Some(&token), &answer(3600), at(0), 0.0)
            .expect("usable")
            .learnt_window
    };
    assert_eq!(learnt(-1), None);
    assert_eq!(learnt(3), Some(secs(20)));
}

#[test]
fn with_a_known_window_the_first_try_comes_when_a_different_token_is_to_be_had() {
    let cached = |window| Policy {
        cache_window: Some(secs(window)),
        ..policy()
    };
    for (window, refresh) in [
        (600, 3600 - 600 + 15),
        (25, 3600 - 25 + 12),
        (1, 3600 - 20 + 10),
        (2000, 2700),
        (90_000, 2700),
    ] {
        let due = later(&cached(window), &answer(3600), 0.0).refresh.seconds();
        assert_eq!(due, at(refresh).seconds(), "C = {window}");
    }
    // Asked before its window, by the annotation say: the window is awaited.
    let early = ReceivedToken {
        same_token: true,
        ..answer(3000)
    };
    let schedule = accept(
        &cached(600),
        Some(&published(-600, 3000)),
        &early,
        at(0),
        0.0,
    );
    assert_eq!(schedule.expect("usable").refresh, at(3000 - 585));
}

#[test]
fn a_token_served_again_keeps_its_beginning_unless_the_clock_was_set_back_below_it() {
    let again = ReceivedToken {
        same_token: true,
        ..answer(1000)
    };
    for (before, kept) in [(-2600, -2600), (5000, 0)] {
        let token = published(before, before + 3600);
        let schedule = accept(&policy(), Some(&token), &again, at(0), 0.0).expect("usable");
        assert_eq!(schedule.issued, at(kept));
        assert!(!clock_went_back(schedule.issued, schedule.end.at(), at(0)));
    }
    assert_eq!(later(&policy(), &answer(10), 0.0).issued, at(0));
}

#[test]
fn a_clock_that_went_back_is_noticed_by_a_life_longer_than_granted() {
    assert!(!clock_went_back(at(0), at(3600), at(0)));
    assert!(!clock_went_back(at(0), at(3600), at(-60)));
    assert!(clock_went_back(at(0), at(3600), at(-61)));
}

#[test]
fn a_known_end_of_the_same_token_is_never_replaced_by_an_assumed_one() {
    for (left, lifetime) in [
        (10, None),
        (5, None),
        (2, Some(Lifetime::For(Span::ZERO))),
        (1000, None),
    ] {
        let known = published(-20, left);
        let again = ReceivedToken {
            lifetime,
            same_token: true,
            ..answer(0)
        };
        let schedule = accept(&policy(), Some(&known), &again, at(0), 0.0).expect("usable");
        assert_eq!(schedule.end.at(), at(left), "{left}");
        assert!(!schedule.end.is_assumed(), "{left}");
        assert!(schedule.refresh >= at(2), "{left}");
    }
    let over = published(-20, -1);
    let again = ReceivedToken {
        lifetime: None,
        same_token: true,
        ..answer(0)
    };
    assert!(matches!(
        accept(&policy(), Some(&over), &again, at(0), 0.0),
        Err(UnusableLifetime::AlreadyPast { .. })
    ));
}
