//! What the engine hands out, and what it is told back.

use crate::queue::HostReport;
use crate::time::Time;

use super::facts::{Attempt, Key, TokenFacts};

/// What the engine says next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Do this now.
    Work(Work),
    /// Nothing to do before this time ([`Time::NEVER`]: before something changes or work in flight is done).
    Sleep(Time),
}

/// One resource to walk through observe, decide, act.
#[derive(Clone, Debug, PartialEq)]
pub struct Work {
    /// Which.
    pub key: Key,
    /// Whether a token request may be made: a slot of its lane is held. Without it, a plan that needs a request ends in
    /// [`Requeue::Request`] and comes back with one.
    pub may_request: bool,
    /// When it was due: now minus this is the lateness.
    pub due: Time,
}

/// How a piece of work ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The published token as it is known now; `None` when there is none of ours.
    pub token: Option<TokenFacts>,
    /// The failing request, if the last one failed.
    pub attempt: Option<Attempt>,
    /// What the lane learns.
    pub lane: HostReport,
    /// What comes next.
    pub wants: Requeue,
}

/// What comes next for a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requeue {
    /// A token request is needed now, with a permit.
    Request,
    /// A token request is due at this time.
    RequestAt(Time),
    /// Look again at this time, without a request.
    At(Time),
    /// Nothing, until something changes.
    OnChange,
}
