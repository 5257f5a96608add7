//! When a token is replaced: as planned with its response, or as the refresh settings say now.
//!
//! A refresh token that expires before the access token brings the time forward.

use crate::model::{Observed, TokenState, Validated};
use crate::schedule::{self, Published};
use crate::time::Time;

impl TokenState {
    /// What the schedule needs to know of the token.
    pub(super) fn as_published(&self) -> Published {
        Published {
            issued: self.issued,
            end: self.end,
            learnt_window: self.learnt_window,
            served_again: self.served_again,
        }
    }
}

/// When a published token is replaced.
pub(super) fn refresh(seen: &Observed, spec: &Validated, state: &TokenState) -> Time {
    let planned = state.planned.as_ref();
    let moved = planned.and_then(|planned| {
        let time = schedule::replan(&spec.policy, &state.as_published(), state.refresh, planned)?;
        Some((time, planned.jitter()))
    });
    moved.map_or(state.refresh, |(time, jitter)| {
        before_refresh_token_ends(seen, time, state.issued, jitter)
    })
}

/// The state as it is written under the present refresh settings.
pub(super) fn under_settings(seen: &Observed, spec: &Validated, state: TokenState) -> TokenState {
    TokenState {
        refresh: refresh(seen, spec, &state),
        planned: state
            .planned
            .as_ref()
            .map(|planned| planned.under(&spec.policy)),
        ..state
    }
}

/// `refresh`, but in time for a refresh token that expires before. `received`: when the last response was complete; `jitter`:
/// in [0,1).
pub(super) fn before_refresh_token_ends(
    seen: &Observed,
    refresh: Time,
    received: Time,
    jitter: f64,
) -> Time {
    let record = seen.record().and_then(Result::ok);
    let times = record
        .filter(|record| !record.fixed)
        .and_then(|record| Some((record.obtained?, record.ends?)));
    match times {
        Some((obtained, ends)) => {
            schedule::before_refresh_token_ends(refresh, obtained, ends, received, jitter)
        }
        None => refresh,
    }
}
