//! The refresh token family of one resource: which token is redeemed next, by which process, and what a response means.
//! Pure.
//!
//! A refresh token may work only once, and its response holds the only copy of its successor. Therefore each is
//! reserved in the state Secret by compare-and-swap before it is sent, the response is stored there before anything
//! else is done with it, and the token Secret is derived from what is stored (`docs/architecture.md`, "Refresh
//! tokens").

pub(super) mod candidate;
mod derive;
mod provided;
mod record;
mod redemption;
mod reservation;
mod response;
mod state_secret;

use crate::model::{Observed, Unreadable};
use crate::time::Time;

pub(super) use crate::model::{FamilyRecord, LOGIN_CLIENT_ID, is_opted_in};
pub(super) use candidate::{new_family_is_untried, starts_new_family};
pub(super) use derive::{derivable, document};
pub(super) use provided::{refused_provided_token, refused_tokens};
pub(super) use redemption::{RedemptionStep, next};
pub use response::{
    FailedRedemption, RecordState, attempt_failed, record_after_grant, record_after_unusable_token,
    record_state, state_after_write, state_secret_write,
};
pub(super) use state_secret::{first_observation, not_writable, restore_owner};
pub use state_secret::{login_name, state_name};

impl Observed {
    /// The content of the state Secret, with what this process knows in addition; `None` if there is no state Secret.
    pub fn record(&self) -> Option<Result<FamilyRecord, Unreadable>> {
        let state = self.family.state.as_ref()?;
        let known = &self.memory.family.outcomes;
        Some(FamilyRecord::read(&state.data).map(|record| record.with_outcomes(known)))
    }

    /// The UID that the tags of the family are bound to ([`FamilyRecord::family_uid`]).
    pub(super) fn family_uid(&self) -> String {
        let record = self.record().and_then(Result::ok);
        let uid = &self.resource.uid;
        record.map_or_else(|| uid.clone(), |record| record.family_uid(self).to_owned())
    }

    /// When the refresh token expires, if the provider said so.
    pub(super) fn refresh_token_ends(&self) -> Option<Time> {
        let state = self.family.state.as_ref()?;
        if !state.is_owned_by(&self.resource) {
            return None;
        }
        let record = self.record()?.ok()?;
        record.refresh_token.as_ref()?;
        record.ends
    }

    /// Records since when another process's reservation is observed.
    pub(super) fn remember_reservation(&mut self) {
        let record = self
            .family
            .state
            .as_ref()
            .and_then(|state| FamilyRecord::read(&state.data).ok());
        let foreign = record
            .and_then(|record| record.reservation)
            .filter(|reservation| reservation.open && reservation.process != self.family.process)
            .map(|reservation| reservation.attempt);
        self.memory.family.foreign_reservation =
            match (foreign, self.memory.family.foreign_reservation.take()) {
                (Some(attempt), Some((known, since))) if attempt == known => Some((known, since)),
                (Some(attempt), _) => Some((attempt, self.family.elapsed)),
                (None, _) => None,
            };
    }
}
