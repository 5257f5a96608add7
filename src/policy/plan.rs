//! What a decision says: the one thing to do, what to tell, when to come back.

use crate::engine::Requeue;
use crate::oauth::HttpRequest;
use crate::time::Time;

use super::answer::{Moments, Settled};
use super::assessment::Assessment;
use super::prerequisite::Prerequisite;
use super::refresh_reason::RefreshReason;
use super::refresh_token::Spend;
use super::secret_write::SecretWrite;

/// What is to be done.
pub struct Plan {
    /// The one thing to do.
    pub action: Action,
    /// What to report; when the action is a request, what was so before it.
    pub assessment: Assessment,
    /// When to come back.
    pub wants: Requeue,
    /// Secrets to delete once the rest is done.
    pub delete: Vec<StaleSecret>,
    /// What was read contradicts what this process wrote: it is read again before it is believed.
    pub doubt: bool,
}

/// A Secret of ours to be deleted, by UID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaleSecret {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

/// The one thing to do.
pub enum Action {
    /// Nothing but reporting.
    Nothing,
    /// Write the token Secret without asking for a token: labels, annotations, a moved Secret.
    Write(Box<SecretWrite>),
    /// Get this first, then decide anew.
    First(Prerequisite),
    /// The resource is being deleted and waits for us: revoke its token, and let it go.
    Part,
    /// Publish a token that was granted and stored earlier, without asking for one.
    Publish(Box<Publish>),
    /// Ask for a token.
    Request(Box<Ask>),
}

/// A token that was granted and stored earlier.
pub struct Publish {
    /// What is written, and what follows from it.
    pub settled: Settled,
    /// When it was asked for.
    pub at: Moments,
    /// Whether it repairs what somebody else did.
    pub repair: bool,
}

/// A token request that is to be sent now.
pub struct Ask {
    /// Why a token is wanted.
    pub because: RefreshReason,
    /// What to send.
    pub request: HttpRequest,
    /// What is spent by it, where that works once only: claimed before it is sent.
    pub spend: Option<Box<Spend>>,
}

/// Whichever comes first, where both name a time.
pub(crate) fn sooner(one: Requeue, other: Requeue) -> Requeue {
    let time = |wants| match wants {
        Requeue::Request => Time::from_millis(i64::MIN),
        Requeue::RequestAt(time) | Requeue::At(time) => time,
        Requeue::OnChange => Time::NEVER,
    };
    if time(other) < time(one) { other } else { one }
}

impl Plan {
    pub(super) fn rest(assessment: Assessment, wants: Requeue) -> Plan {
        Plan {
            action: Action::Nothing,
            assessment,
            wants,
            delete: Vec::new(),
            doubt: false,
        }
    }
}
