//! The chain of refresh tokens of one resource: what is spent next, by whom, and what an answer means for it. Pure.
//!
//! A refresh token may work once only, and the answer to it holds the only copy of its successor. So each is claimed in the
//! state Secret by compare-and-swap before it is sent, the answer is stored there before anything else is done with it, and
//! the token Secret is derived from what is stored (`docs/architecture.md`, "Refresh tokens").

mod claim;
mod derive;
mod offer;
mod place;
mod record;
mod settle;
mod spend;

use crate::time::{Span, Time};

use super::observed::{Observed, SecretSeen};

pub(super) use derive::{derivable, document};
pub(super) use offer::{refused_offer, refused_tokens};
pub(super) use place::{LOGIN_CLIENT_ID, is_lent, not_writable};
pub use place::{STATE_LABEL, STATE_TYPE, login_name, state_name};
pub use record::Record;
use record::{Refused, Unreadable};
pub use settle::{Spent, Stored, kept, kept_of_unusable, stands, store, stored, unanswered};
pub(super) use spend::{Next, family, fresh_start, is_untried_start, next};
pub use spend::{Spend, With};

/// What a driver sees of a resource that works with refresh tokens, besides what it sees of every resource.
#[derive(Clone, Default)]
pub struct FamilySeen {
    /// The state Secret at [`state_name`], if there is one.
    pub state: Option<SecretSeen>,
    /// The login Secret at [`login_name`], if there is one.
    pub login: Option<SecretSeen>,
    /// The name of this process: random, new at every start.
    pub process: String,
    /// A random name for the attempt that may come of this look.
    pub attempt: String,
    /// This process's monotonic clock.
    pub elapsed: Span,
    /// How long this process goes on writing what it has in hand once it is told to end.
    pub drain: Span,
    /// No other process can be at work on the same state: a claim of another is that of one that has ended.
    pub alone: bool,
}

/// What a process remembers of a resource's chain between two walks.
#[derive(Clone, Default)]
pub struct FamilyMemory {
    /// The attempt of another process that holds a claim, and when it was first seen by this process's monotonic clock.
    pub foreign: Option<(String, Span)>,
    /// How the last attempts ended, where that could not be written.
    pub known: Vec<Known>,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Which.
    pub attempt: String,
    /// As which try it was claimed: what is written down once is not applied again.
    pub tries: u32,
    /// What it means for the token that was spent; `None` where that is as it was before.
    pub refused: Option<Refused>,
}

/// So many attempts are remembered: claims of which it is not known whether they stand.
const MOST_KNOWN: usize = 64;

impl FamilyMemory {
    /// Remembers how an attempt ended.
    pub fn note(&mut self, known: Option<Known>) {
        self.known.extend(known);
        let spare = self.known.len().saturating_sub(MOST_KNOWN);
        self.known.drain(..spare);
    }
}

impl Observed {
    /// The content of the state Secret, with what this process knows besides; `None` where there is no state Secret.
    pub fn record(&self) -> Option<Result<Record, Unreadable>> {
        let state = self.chain.state.as_ref()?;
        let known = &self.memory.chain.known;
        Some(Record::read(&state.data).map(|record| record.knowing(known)))
    }

    /// When the refresh token ends, where the provider told.
    pub(super) fn refresh_token_ends(&self) -> Option<Time> {
        let state = self.chain.state.as_ref()?;
        if !state.is_owned_by(&self.resource) {
            return None;
        }
        let record = self.record()?.ok()?;
        record.refresh_token.as_ref()?;
        record.ends
    }

    /// Remembers since when another process's claim is seen.
    pub(super) fn remember_claim(&mut self) {
        let record = self
            .chain
            .state
            .as_ref()
            .and_then(|state| Record::read(&state.data).ok());
        let foreign = record
            .and_then(|record| record.claim)
            .filter(|claim| claim.open && claim.process != self.chain.process)
            .map(|claim| claim.attempt);
        self.memory.chain.foreign = match (foreign, self.memory.chain.foreign.take()) {
            (Some(attempt), Some((known, since))) if attempt == known => Some((known, since)),
            (Some(attempt), _) => Some((attempt, self.chain.elapsed)),
            (None, _) => None,
        };
    }
}
