//! What a decision says: the one thing to do, what to report, when to come back.

use std::sync::Arc;

use crate::engine::Requeue;
use crate::model::{Assessment, Moments, SecretWrite, Settled, Spend, StaleSecret};
use crate::oauth::{HttpRequest, Metadata, ServiceAccountToken};
use crate::secret::Secret;

/// Why a token is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshReason {
    /// There never was one.
    FirstIssue,
    /// The token Secret is gone.
    Deleted,
    /// The token Secret's data or state is not what we wrote.
    Altered,
    /// What the spec makes us send or render has changed.
    SpecChanged,
    /// The content of the credentials has changed.
    CredentialsChanged,
    /// A person asked for it by annotation.
    Requested,
    /// The clock was set back: what we know of times does not hold.
    ClockWentBack,
    /// It is time.
    Due,
}

impl RefreshReason {
    /// One word for logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            RefreshReason::FirstIssue => "first-issue",
            RefreshReason::Deleted => "deleted",
            RefreshReason::Altered => "altered",
            RefreshReason::SpecChanged => "spec-changed",
            RefreshReason::CredentialsChanged => "credentials-changed",
            RefreshReason::Requested => "requested",
            RefreshReason::ClockWentBack => "clock-went-back",
            RefreshReason::Due => "due",
        }
    }

    /// Whether it repairs what somebody else did: such requests back off, lest two controllers that fight become a token
    /// loop.
    pub const fn is_repair(self) -> bool {
        matches!(self, RefreshReason::Deleted | RefreshReason::Altered)
    }
}

/// What is needed first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prerequisite {
    /// The document of the issuer that the resource names (RFC 8414): it tells where the token endpoint is.
    Discovery,
    /// A token of a `ServiceAccount`, for this attempt alone.
    ServiceAccountToken(ServiceAccountToken),
}

/// What was got for a [`Prerequisite`].
#[derive(Clone)]
pub enum Fetched {
    /// The issuer's document.
    Discovery(Arc<Metadata>),
    /// The token.
    ServiceAccountToken(ServiceAccountToken, Secret),
}

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

impl Plan {
    pub(crate) fn rest(assessment: Assessment, wants: Requeue) -> Plan {
        Plan {
            action: Action::Nothing,
            assessment,
            wants,
            delete: Vec::new(),
            doubt: false,
        }
    }
}
