//! One pass over all resources for the gauges: how many are in which state, since when, and which tokens are about to
//! expire.
//!
//! The engine does not record since when a resource has been in a state. This module does, only for resources that need
//! attention, and starts again with the process.

use std::collections::{HashMap, HashSet};

use crate::engine::{Engine, Key, Overview, State};
use crate::metrics::{Metrics, ResourceState};
use crate::time::{Span, Time};

/// The states that may need attention if they last.
const LASTING: [ResourceState; 3] = [
    ResourceState::Stalled,
    ResourceState::RefreshFailing,
    ResourceState::Pending,
];

/// Since when resources have been in a state.
#[derive(Default)]
pub(super) struct Survey {
    since: HashMap<Key, Since>,
    pass: u64,
}

struct Since {
    state: ResourceState,
    time: Time,
    pass: u64,
}

/// The result of one pass.
#[derive(Debug, Default, PartialEq)]
struct Totals {
    states: [usize; ResourceState::ALL.len()],
    longest: [Span; LASTING.len()],
    expired: usize,
    expiring: usize,
    longest_wait: Span,
}

impl Survey {
    /// Passes over all resources and sets the gauges.
    pub(super) fn show(
        &mut self,
        metrics: &Metrics,
        engine: &Engine,
        stalled: &HashSet<Key>,
        now: Time,
    ) {
        let found = self.pass(engine.overview(), stalled, now);
        for (state, number) in ResourceState::ALL.into_iter().zip(found.states) {
            metrics.resources(state, number);
        }
        for (state, time) in LASTING.into_iter().zip(found.longest) {
            metrics.resources_longest(state, time);
        }
        metrics.tokens_expired(found.expired);
        metrics.tokens_expiring(found.expiring);
        metrics.queue_longest_wait(found.longest_wait);
    }

    fn pass<'a>(
        &mut self,
        all: impl Iterator<Item = Overview<'a>>,
        stalled: &HashSet<Key>,
        now: Time,
    ) -> Totals {
        let mut found = Totals::default();
        self.pass += 1;
        for one in all {
            let Some(state) = state_of(&one, stalled) else {
                continue;
            };
            if let Some(count) = found.states.get_mut(place(&ResourceState::ALL, state)) {
                *count += 1;
            }
            if let Some(longest) = found.longest.get_mut(place(&LASTING, state)) {
                let begun = self.since(&one, state, now);
                *longest = now.since(begun).max(*longest);
            }
            found.expired += usize::from(one.state == State::Expired);
            found.expiring += usize::from(is_expiring(&one, now));
            if let Some(due) = one.waits_since {
                found.longest_wait = now.since(due).max(found.longest_wait);
            }
        }
        let pass = self.pass;
        self.since.retain(|_, since| since.pass == pass);
        if self.since.is_empty() {
            self.since = HashMap::new();
        }
        found
    }

    /// Since when a resource has been in this state. A failing one has failed since its last request at the latest.
    fn since(&mut self, one: &Overview<'_>, state: ResourceState, now: Time) -> Time {
        let begun = match one.attempt {
            Some(attempt) if state == ResourceState::RefreshFailing => attempt.time.min(now),
            _ => now,
        };
        let fresh = || Since {
            state,
            time: begun,
            pass: 0,
        };
        let since = self.since.entry(one.key.clone()).or_insert_with(fresh);
        if since.state != state || since.time > now {
            *since = fresh();
        }
        since.pass = self.pass;
        since.time
    }
}

fn place(of: &[ResourceState], state: ResourceState) -> usize {
    of.iter()
        .position(|one| *one == state)
        .unwrap_or(usize::MAX)
}

/// The state that a resource is counted in; `None` while it is being deleted.
pub(super) fn state_of(one: &Overview<'_>, stalled: &HashSet<Key>) -> Option<ResourceState> {
    Some(match one.state {
        State::Deleting => return None,
        State::Suspended => ResourceState::Suspended,
        _ if stalled.contains(one.key) => ResourceState::Stalled,
        State::Failing | State::Failed => ResourceState::RefreshFailing,
        State::Expired if one.attempt.is_some() => ResourceState::RefreshFailing,
        State::Expired | State::Pending => ResourceState::Pending,
        State::Valid => ResourceState::Ready,
    })
}

/// Whether its token is valid, and less than half of the time between refresh and expiry is left.
fn is_expiring(one: &Overview<'_>, now: Time) -> bool {
    let Some(token) = one
        .token
        .filter(|_| matches!(one.state, State::Valid | State::Failing))
    else {
        return false;
    };
    let planned = token.expires.since(token.refresh);
    let left = token.expires.since(now);
    planned > Span::ZERO && left.millis().saturating_mul(2) < planned.millis()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Attempt, TokenFacts};

    fn at(seconds: i64) -> Time {
        Time::from_seconds(1_700_000_000 + seconds)
    }

    /// A token that is due at 1000 s and expires at 1200 s.
    fn token() -> TokenFacts {
        TokenFacts {
            owner: 1,
            version: 1,
            issued: at(0),
            expires: at(1200),
            refresh: at(1000),
            inputs: 1,
            credentials: 1,
            refresh_request: 0,
        }
    }

    fn failed(seconds: i64) -> Attempt {
        Attempt {
            failures: 1,
            time: at(seconds),
            next: at(seconds + 5),
            not_before: at(seconds),
            inputs: 1,
        }
    }

    fn one<'a>(
        key: &'a Key,
        state: State,
        token: Option<&'a TokenFacts>,
        attempt: Option<&'a Attempt>,
    ) -> Overview<'a> {
        Overview {
            key,
            state,
            token,
            attempt,
            waits_since: None,
        }
    }

    #[test]
    fn a_token_is_expiring_once_half_of_the_planned_time_has_passed_without_a_refresh() {
        let (key, token, attempt) = (Key::new("a", "b"), token(), failed(1000));
        let mut survey = Survey::default();
        for (state, second, expiring) in [
            (State::Valid, 1000, 0),
            (State::Failing, 1099, 0),
            (State::Failing, 1101, 1),
            (State::Valid, 1101, 1),
            (State::Suspended, 1101, 0),
            (State::Deleting, 1101, 0),
            (State::Expired, 1201, 0),
        ] {
            let overview = one(&key, state, Some(&token), Some(&attempt));
            let found = survey.pass([overview].into_iter(), &HashSet::new(), at(second));
            assert_eq!(found.expiring, expiring, "{state:?} at {second}");
            assert_eq!(found.expired, usize::from(state == State::Expired));
        }
    }

    #[test]
    fn the_longest_time_in_a_state_counts_from_the_failed_request_and_ends_with_the_state() {
        let (first, second) = (Key::new("a", "first"), Key::new("a", "second"));
        let (early, late) = (failed(10), failed(40));
        let none = HashSet::new();
        let mut survey = Survey::default();
        let mut longest = |all: Vec<Overview<'_>>, stalled: &HashSet<Key>, now: i64| {
            let found = survey.pass(all.into_iter(), stalled, at(now));
            found.longest.map(|time| time.millis() / 1000)
        };
        let both = |attempt| {
            vec![
                one(&first, State::Failing, None, Some(attempt)),
                one(&second, State::Pending, None, None),
            ]
        };
        assert_eq!(longest(both(&early), &none, 30), [0, 20, 0]);
        // A later failure does not restart the time.
        assert_eq!(longest(both(&late), &none, 50), [0, 40, 20]);
        let stalled = HashSet::from([first.clone()]);
        assert_eq!(longest(both(&late), &stalled, 60), [0, 0, 30]);
        assert_eq!(longest(both(&late), &stalled, 70), [10, 0, 40]);
        assert_eq!(longest(vec![], &stalled, 80), [0, 0, 0]);
        assert_eq!(longest(both(&late), &stalled, 90), [0, 0, 0]);
    }

    #[test]
    fn each_resource_counts_in_one_state_and_the_wait_is_that_of_the_longest() {
        let keys: Vec<Key> = State::ALL
            .iter()
            .map(|state| Key::new("a", state.name()))
            .collect();
        let attempt = failed(0);
        let all = keys.iter().zip(State::ALL).map(|(key, state)| {
            let failing = matches!(state, State::Failing | State::Failed | State::Expired);
            Overview {
                waits_since: Some(at(i64::try_from(key.name().len()).unwrap())),
                ..one(key, state, None, failing.then_some(&attempt))
            }
        });
        let stalled = HashSet::from([Key::new("a", "failed"), Key::new("a", "suspended")]);
        let found = Survey::default().pass(all, &stalled, at(100));
        let by_name: HashMap<&str, usize> = ResourceState::ALL
            .iter()
            .map(|state| state.label())
            .zip(found.states)
            .collect();
        assert_eq!(by_name["suspended"], 1);
        assert_eq!(by_name["stalled"], 1);
        assert_eq!(by_name["refresh_failing"], 2);
        assert_eq!(by_name["pending"], 1);
        assert_eq!(by_name["ready"], 1);
        assert_eq!(found.longest_wait, Span::from_seconds(95));
    }
}
