//! What the engine hands out, and what it receives back.

use crate::queue::HostReport;
use crate::time::Time;

use super::facts::{Attempt, Key, TokenFacts};

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Do this work now.
    Work(Work),
    /// There is nothing to do before this time ([`Time::NEVER`]: before a change, or until work in progress is done).
    Sleep(Time),
}

/// One resource to reconcile.
#[derive(Clone, Debug, PartialEq)]
pub struct Work {
    /// Its key.
    pub key: Key,
    /// Whether a token request may be sent: the work holds a slot of its host. Without it, a plan that needs a request
    /// ends with [`Requeue::Request`] and comes back with a slot.
    pub may_request: bool,
    /// When it was due. The difference to now is the lateness.
    pub due: Time,
}

/// The outcome of a unit of work.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The published token; `None` if there is none that belongs to the resource.
    pub token: Option<TokenFacts>,
    /// The failed request, if the last one failed.
    pub attempt: Option<Attempt>,
    /// The report for the host queue.
    pub host_report: HostReport,
    /// What comes next.
    pub requeue: Requeue,
}

/// What comes next for a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requeue {
    /// A token request is needed now, with a permit.
    Request,
    /// A token request is due at this time.
    RequestAt(Time),
    /// Reconcile again at this time, without a request.
    At(Time),
    /// Nothing, until something changes.
    OnChange,
}
