//! Whether a new token is needed, and why. Nothing else requests one.

use crate::inputs;
use crate::model::{
    IntactToken, Observed, RESTORED, RefreshReason, SecretSeen, TokenState, Validated, short,
};
use crate::policy::ownership::{our_target, same_inputs};
use crate::time::{Span, Time};

use super::{deadline, refresh_token};

/// How far a remaining lifetime may exceed the granted one without a clock that was set back.
const CLOCK_TOLERANCE: Span = Span::from_seconds(60);

/// Why a token is needed, or `None` if the published one is sufficient.
pub(super) fn find(seen: &Observed, spec: &Validated, now: Time) -> Option<RefreshReason> {
    let Some(target) = our_target(seen, spec) else {
        let renamed = seen
            .stale_secrets
            .iter()
            .any(|leftover| leftover.is_owned_by(&seen.resource));
        return Some(if had_one(seen) && seen.target.is_none() && !renamed {
            RefreshReason::Deleted
        } else {
            RefreshReason::FirstIssue
        });
    };
    let Some(state) = target.state() else {
        return Some(RefreshReason::Altered);
    };
    let reason = reason_now(seen, spec, &state, target, now)?;
    // A reason that only the state contains, and not what this process knows, was written there by someone else.
    let from_state = matches!(
        reason,
        RefreshReason::SpecChanged
            | RefreshReason::CredentialsChanged
            | RefreshReason::ClockWentBack
            | RefreshReason::Due
    );
    let forged = from_state
        && seen
            .known_intact(target)
            .is_some_and(|intact| !intact.matches(&state) && seen.still_sufficient(intact, now));
    Some(if forged {
        RefreshReason::Altered
    } else {
        reason
    })
}

impl Observed {
    /// What this process knows about the token Secret, if it is this one.
    pub(super) fn known_intact(&self, target: &SecretSeen) -> Option<&IntactToken> {
        let intact = self.memory.intact.as_ref();
        intact.filter(|intact| intact.uid == short(&target.uid))
    }

    /// Whether a token as recorded is still sufficient.
    pub(super) fn still_sufficient(&self, intact: &IntactToken, now: Time) -> bool {
        let credentials = self.credentials_version().is_some_and(|version| {
            short(&version) == intact.credentials
                || self.memory.fingerprint.as_ref().is_some_and(|known| {
                    known.version == intact.credentials
                        && self.resource.spec.as_ref().is_ok_and(|spec| {
                            Some(known.content)
                                == self.content_with(super::rotation::first(self, spec))
                        })
                })
        });
        let far =
            intact.end.at().since(now) > intact.end.at().since(intact.issued) + CLOCK_TOLERANCE;
        credentials
            && intact.inputs == inputs::short(&self.resource.inputs)
            && now < intact.refresh
            && !far
    }
}

fn reason_now(
    seen: &Observed,
    spec: &Validated,
    state: &TokenState,
    target: &SecretSeen,
    now: Time,
) -> Option<RefreshReason> {
    if !state.intact(&target.data) {
        return Some(RefreshReason::Altered);
    }
    if !same_inputs(&state.inputs, &seen.resource.inputs) {
        return Some(RefreshReason::SpecChanged);
    }
    if credentials_changed(seen, spec, state) || refresh_token::starts_new_family(seen, spec) {
        return Some(RefreshReason::CredentialsChanged);
    }
    if seen.unhandled_request().is_some() || request_failed(seen, state) {
        return Some(RefreshReason::Requested);
    }
    if state.expires().since(now) > state.lifetime() + CLOCK_TOLERANCE {
        return Some(RefreshReason::ClockWentBack);
    }
    let due = deadline::refresh(seen, spec, state);
    (now >= due).then_some(RefreshReason::Due)
}

/// Whether a refresh on demand was tried and failed: it stays pending, with the backoff of failures, until there is a
/// token or it is withdrawn.
fn request_failed(seen: &Observed, state: &TokenState) -> bool {
    let requested = seen.resource.refresh_request.as_deref();
    requested.is_some()
        && requested != state.handled_request.as_deref()
        && seen.memory.attempt.as_ref().is_some_and(|attempt| {
            attempt.handled_request.as_deref() == requested
                && same_inputs(&attempt.inputs, &seen.resource.inputs)
        })
}

/// Whether this resource has published a token before, according to its status.
fn had_one(seen: &Observed) -> bool {
    let status = &seen.resource.status;
    status.token.is_some()
        // Also while it is missing, and before the status is up to date.
        || seen.memory.repairs.count > 0
        || seen.memory.written.is_some()
        || status
            .conditions
            .iter()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// Whether the content of the credentials differs from that of the token's request. A new version with the same content
/// (a label, an annotation) does not count, as long as the process keeps the content hash.
fn credentials_changed(seen: &Observed, spec: &Validated, state: &TokenState) -> bool {
    let Some(version) = seen.credentials_version() else {
        return false;
    };
    if state.credentials == version || state.credentials == RESTORED {
        return false;
    }
    !seen.memory.fingerprint.as_ref().is_some_and(|known| {
        known.version == short(&state.credentials)
            && Some(known.content) == seen.content_with(super::rotation::first(seen, spec))
    })
}
