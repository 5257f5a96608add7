//! What a decision says: the one thing to do, what to report, when to come back.

use std::sync::Arc;

use crate::engine::Requeue;
use crate::model::{
    Assessment, Redemption, RequestOutcome, RequestTimes, SecretBody, SecretWrite, StaleSecret,
};
use crate::oauth::{HttpRequest, Metadata, ServiceAccountToken};
use crate::secret::Secret;

/// Why a token is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshReason {
    /// There never was one.
    FirstIssue,
    /// The token Secret is gone.
    Deleted,
    /// The data or the state of the token Secret were altered.
    Altered,
    /// The spec's inputs for request or templates changed.
    SpecChanged,
    /// The content of the credentials changed.
    CredentialsChanged,
    /// A person requested it by annotation.
    Requested,
    /// The clock was set back, so the known times are invalid.
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

    /// Whether it repairs what someone else did. Such requests back off, so that two competing controllers do not cause
    /// a loop of token requests.
    pub const fn is_repair(self) -> bool {
        matches!(self, RefreshReason::Deleted | RefreshReason::Altered)
    }
}

/// A response for which room is set aside before its request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpectedResponse {
    /// The size in bytes of the last response of its kind; `None` where it is not known.
    pub last: Option<usize>,
    /// Whether it is the only copy of something, so that it must not be dropped.
    pub is_only_copy: bool,
}

/// What is needed first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prerequisite {
    /// The discovery document of the resource's issuer (RFC 8414), which names the token endpoint.
    Discovery,
    /// A token of a `ServiceAccount` for this attempt.
    ServiceAccountToken(ServiceAccountToken),
}

/// A fetched [`Prerequisite`].
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
    /// What to report; for a request, the assessment before it.
    pub assessment: Assessment,
    /// When to come back.
    pub requeue: Requeue,
    /// Secrets to delete after everything else is done.
    pub delete: Vec<StaleSecret>,
    /// The observation contradicts what this process wrote: it is repeated before it is believed.
    pub stale_read: bool,
}

/// The one thing to do.
pub enum Action {
    /// Nothing but reporting.
    Nothing,
    /// Write the token Secret without requesting a token: labels, annotations, a new name.
    Write(Box<SecretWrite>),
    /// Write the state Secret, then decide anew: a key that tokens are bound to was generated.
    WriteState(Box<SecretBody>),
    /// Make a state Secret this resource's that lost its owner.
    RestoreOwner(Box<SecretBody>),
    /// Fetch this prerequisite, then decide again.
    Fetch(Prerequisite),
    /// The resource is being deleted and waits for us: revoke its token, then remove the finalizer.
    Finalize,
    /// Publish a stored token without requesting one.
    Publish(Box<Publish>),
    /// Ask for a token.
    Request(Box<PlannedRequest>),
}

impl Action {
    /// One word for logs.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Action::Nothing => "nothing",
            Action::Write(_) => "write",
            Action::WriteState(_) => "write-state",
            Action::RestoreOwner(_) => "restore-owner",
            Action::Fetch(_) => "fetch",
            Action::Finalize => "finalize",
            Action::Publish(_) => "publish",
            Action::Request(_) => "request",
        }
    }
}

/// A stored token.
pub struct Publish {
    /// What is written, and its consequences.
    pub outcome: RequestOutcome,
    /// When it was requested.
    pub at: RequestTimes,
    /// Whether it repairs what someone else did.
    pub repair: bool,
}

/// A token request to send now.
pub struct PlannedRequest {
    /// Why a token is needed.
    pub reason: RefreshReason,
    /// What to send.
    pub request: HttpRequest,
    /// What it redeems, if that works only once: reserved before it is sent.
    pub redemption: Option<Box<Redemption>>,
}

impl Plan {
    /// Nothing to do now.
    pub fn idle(assessment: Assessment, requeue: Requeue) -> Plan {
        Plan {
            action: Action::Nothing,
            assessment,
            requeue,
            delete: Vec::new(),
            stale_read: false,
        }
    }
}
