//! What a decision says: the one thing to do, what to tell, when to come back.

use crate::engine::Wants;
use crate::oauth::HttpRequest;
use crate::time::Time;

use super::answer::{Moments, Settled};
use super::chain::Spend;
use super::first::Need;
use super::secret_write::SecretWrite;
use super::situation::Situation;
use super::want::Because;

/// What is to be done.
pub struct Plan {
    /// The one thing to do.
    pub action: Action,
    /// What to report; when the action is a request, what was so before it.
    pub situation: Situation,
    /// When to come back.
    pub wants: Wants,
    /// Secrets to delete once the rest is done.
    pub delete: Vec<Doomed>,
    /// What was read contradicts what this process wrote: it is read again before it is believed.
    pub doubt: bool,
}

/// A Secret of ours to be deleted, by UID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doomed {
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
    First(Need),
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
    pub because: Because,
    /// What to send.
    pub request: HttpRequest,
    /// What is spent by it, where that works once only: claimed before it is sent.
    pub spend: Option<Box<Spend>>,
}

/// Whichever comes first, where both name a time.
pub(crate) fn sooner(one: Wants, other: Wants) -> Wants {
    let time = |wants| match wants {
        Wants::Request => Time::from_millis(i64::MIN),
        Wants::RequestAt(time) | Wants::LookAt(time) => time,
        Wants::Change => Time::NEVER,
    };
    if time(other) < time(one) { other } else { one }
}

impl Plan {
    pub(super) fn rest(situation: Situation, wants: Wants) -> Plan {
        Plan {
            action: Action::Nothing,
            situation,
            wants,
            delete: Vec::new(),
            doubt: false,
        }
    }
}
