//! Other refresh settings for a token that is published.

use super::*;

const HOUR: i64 = 3600;

fn token() -> Published {
    published(0, HOUR)
}

/// When it is refreshed by default, without jitter.
fn due() -> Time {
    at(HOUR - 900)
}

fn with(change: impl FnOnce(&mut Policy)) -> Policy {
    let mut policy = policy();
    change(&mut policy);
    policy
}

fn planned(u: f64) -> Planned {
    Planned::with(&policy(), None, u)
}

#[test]
fn the_same_settings_move_nothing() {
    for settings in [
        policy(),
        with(|policy| policy.lead = Lead::Before(secs(300))),
        with(|policy| policy.cache_window = Some(secs(600))),
    ] {
        let planned = Planned::with(&settings, Some(secs(60)), 0.7);
        assert_eq!(replan(&settings, &token(), due(), &planned), None);
        assert_eq!(planned.under(&settings), planned);
    }
}

#[test]
fn each_setting_moves_the_time_with_the_jitter_of_the_token() {
    let before = |seconds| with(|policy| policy.lead = Lead::Before(secs(seconds)));
    let percent = |percent| with(|policy| policy.lead = Lead::Percent(percent));
    let invalidates = with(|policy| policy.token_reuse = TokenReuse::InvalidatesPrevious);
    let window = with(|policy| policy.cache_window = Some(secs(300)));
    for (settings, u, expected) in [
        (before(600), 0.0, HOUR - 600),
        (before(600), 0.5, HOUR - 660),
        (percent(50), 0.0, HOUR - 1800),
        // Limited to two thirds of the lifetime.
        (before(86_400), 0.0, HOUR - 2400),
        (invalidates, 0.9, HOUR - 60),
        (window, 0.0, HOUR - 300 + 15),
    ] {
        let moved = replan(&settings, &token(), due(), &planned(u));
        assert_eq!(moved, Some(at(expected)), "{settings:?} {u}");
    }
}

#[test]
fn back_to_the_defaults_is_what_the_defaults_give() {
    let planned = Planned::with(
        &with(|policy| policy.lead = Lead::Before(secs(60))),
        None,
        0.5,
    );
    let usual = later(&policy(), &answer(HOUR), 0.5).refresh;
    assert_eq!(replan(&policy(), &token(), due(), &planned), Some(usual));
}

#[test]
fn a_shorter_assumed_lifetime_counts_at_once_and_a_longer_one_later() {
    let assumed = Published {
        end: End::stored(at(3300), true),
        ..token()
    };
    let lasts = |seconds| with(|policy| policy.assumed_lifetime = secs(seconds));
    let moved = |policy: &Policy, token: &Published| replan(policy, token, due(), &planned(0.0));
    assert_eq!(moved(&lasts(1000), &assumed), Some(at(1000 - 250)));
    assert_eq!(moved(&lasts(7200), &assumed), Some(at(3300 - 825)));
    // What the provider has named counts, whatever is assumed.
    assert_eq!(moved(&lasts(1000), &token()), Some(at(HOUR - 900)));
}

#[test]
fn a_token_from_a_cache_waits_for_its_next_response_unless_the_settings_name_a_time() {
    let cached = Published {
        served_again: true,
        ..token()
    };
    let planned = Planned::with(
        &with(|policy| policy.lead = Lead::Before(secs(60))),
        None,
        0.0,
    );
    assert_eq!(replan(&policy(), &cached, due(), &planned), None);
    let early = with(|policy| policy.lead = Lead::Before(secs(900)));
    assert_eq!(
        replan(&early, &cached, due(), &planned),
        Some(at(HOUR - 900))
    );
}

#[test]
fn a_hint_of_the_server_still_counts() {
    let planned = Planned::with(&policy(), Some(secs(1200)), 0.0);
    let settings = with(|policy| policy.lead = Lead::Before(secs(60)));
    assert_eq!(
        replan(&settings, &token(), at(1200), &planned),
        Some(at(1200))
    );
}

#[test]
fn a_hint_that_others_wrote_brings_no_request_forward() {
    for seconds in [1, -1, 0, i64::MIN, 600] {
        let text = format!(r#"{{"policy":"x","jitter":0,"refreshIn":{seconds}}}"#);
        let planned: Planned = serde_json::from_str(&text).unwrap();
        let moved = replan(&policy(), &token(), due(), &planned);
        assert_eq!(moved, Some(due()), "{seconds}");
    }
}

#[test]
fn what_others_write_into_the_state_neither_panics_nor_comes_before_the_shortest_interval() {
    for text in [
        r#"{"policy":"x","jitter":65535}"#,
        r#"{"jitter":0,"refreshIn":-9223372036854775808}"#,
        r#"{"policy":"before 1","jitter":999,"refreshIn":9223372036854775807}"#,
    ] {
        let planned: Planned = serde_json::from_str(text).unwrap();
        for settings in [
            policy(),
            with(|policy| policy.lead = Lead::Percent(99)),
            with(|policy| policy.cache_window = Some(secs(1))),
        ] {
            for token in [token(), published(0, 0), published(100, 0), published(0, 5)] {
                let moved = replan(&settings, &token, due(), &planned);
                assert!(moved.is_none_or(|moved| moved > token.issued), "{text}");
            }
        }
    }
}
