//! The refresh token family of one resource: which token is redeemed next, by which process, and what a response means.
//! Pure.
//!
//! A refresh token may work only once, and its response holds the only copy of its successor. Therefore each is
//! reserved in the state Secret by compare-and-swap before it is sent, the response is stored there before anything
//! else is done with it, and the token Secret is derived from what is stored (`docs/architecture.md`, "Refresh
//! tokens").

pub(super) mod candidate;
mod claim;
mod derive;
mod offer;
mod place;
mod record;
mod settle;
mod spend;

use crate::model::{Observed, Unreadable};
use crate::time::Time;

pub(super) use crate::model::{LOGIN_CLIENT_ID, Record, is_lent};
pub(super) use candidate::{fresh_start, is_untried_start};
pub(super) use derive::{derivable, document};
pub(super) use offer::{refused_offer, refused_tokens};
pub use place::{login_name, state_name};
pub(super) use place::{not_writable, take_back, to_notice};
pub use settle::{Spent, Stored, kept, kept_of_unusable, stands, store, stored, unanswered};
pub(super) use spend::{Next, next};

impl Observed {
    /// The content of the state Secret, with what this process knows in addition; `None` if there is no state Secret.
    pub fn record(&self) -> Option<Result<Record, Unreadable>> {
        let state = self.family.state.as_ref()?;
        let known = &self.memory.family.known;
        Some(Record::read(&state.data).map(|record| record.knowing(known)))
    }

    /// The UID that the tags of the family are bound to ([`Record::family_uid`]).
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
    pub(super) fn remember_claim(&mut self) {
        let record = self
            .family
            .state
            .as_ref()
            .and_then(|state| Record::read(&state.data).ok());
        let foreign = record
            .and_then(|record| record.claim)
            .filter(|claim| claim.open && claim.process != self.family.process)
            .map(|claim| claim.attempt);
        self.memory.family.foreign = match (foreign, self.memory.family.foreign.take()) {
            (Some(attempt), Some((known, since))) if attempt == known => Some((known, since)),
            (Some(attempt), _) => Some((attempt, self.family.elapsed)),
            (None, _) => None,
        };
    }
}
