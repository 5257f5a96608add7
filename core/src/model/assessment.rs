//! The assessment of one resource, from which its status is made.

use crate::conditions::Reason;
use crate::messages::{Audience, Finding, Note};
use crate::model::{FailedAttempt, Repairs};
use crate::oauth::Scope;
use crate::time::{Span, Time};

/// The assessment of one resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessment {
    /// The published token, if there is one.
    pub token: Option<TokenView>,
    /// What is wrong, if anything.
    pub problem: Option<Problem>,
    /// The failing request, if the last one failed.
    pub attempt: Option<FailedAttempt>,
    /// Whether the resource is suspended.
    pub suspended: bool,
    /// The last handled refresh request.
    pub handled_request: Option<String>,
    /// Whether the token Secret had been altered or deleted, and was repaired.
    pub repaired: bool,
    /// Repairs so far.
    pub repairs: Repairs,
    /// The name of the token Secret, for messages.
    pub secret_name: String,
    /// The expiry of credentials.
    pub expiries: Expiries,
    /// When the refresh token ends, if the provider says so.
    pub refresh_token_ends: Option<Time>,
    /// The note about a provided refresh token that was refused, while the previous one stays in use.
    pub refused_provided_token: Option<Note>,
    /// Who reads the messages.
    pub audience: Audience,
}

/// The published token for people.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenView {
    /// When it was requested.
    pub issued: Time,
    /// When it ends.
    pub expires: Time,
    /// When it is to be replaced.
    pub refresh: Time,
    /// The granted scope, if returned.
    pub scope: Option<Scope>,
    /// Whether it is valid now.
    pub valid: bool,
    /// Whether its lifetime is shorter than mounted volumes need.
    pub too_short: bool,
    /// Whether the response had no lifetime, so the assumed one is used.
    pub assumed: bool,
    /// The lead time of the resource did not fit and was limited to this.
    pub clamped_lead: Option<Span>,
    /// Accepted deviations of the response.
    pub remarks: Option<String>,
    /// The key of the client secret that was sent, if it is the second of two.
    pub client_secret_key: Option<String>,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The kind of problem, which determines the condition.
    pub kind: ProblemKind,
    /// What is wrong, and what to do.
    pub finding: Box<Finding>,
}

/// The condition that reports a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// Waiting for something that may still appear.
    Waiting,
    /// A person must act.
    Stalled,
}

impl Problem {
    /// Something that may still appear.
    pub fn waiting(finding: impl Into<Finding>) -> Problem {
        Problem {
            kind: ProblemKind::Waiting,
            finding: Box::new(finding.into()),
        }
    }

    /// Something that a person must change.
    pub fn stalled(finding: impl Into<Finding>) -> Problem {
        Problem {
            kind: ProblemKind::Stalled,
            finding: Box::new(finding.into()),
        }
    }

    /// Why, in one word of the documented list.
    pub fn reason(&self) -> Reason {
        self.finding.reason()
    }

    /// The message for people with a cluster.
    pub fn message(&self) -> String {
        self.message_for(Audience::Cluster)
    }

    /// The message for an audience.
    pub fn message_for(&self, audience: Audience) -> String {
        self.finding.explain(audience).message().to_string()
    }
}

impl TokenView {
    /// The reason if nothing is wrong.
    pub fn reason(&self) -> Reason {
        if self.too_short {
            Reason::LifetimeTooShort
        } else {
            Reason::TokenValid
        }
    }
}

/// Something that ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// The Secret that contains it.
    pub secret: String,
    /// When it expires; `None` if the recorded value is not a time.
    pub ends: Option<ExpiryTimes>,
}

/// When a credential expires, and when the warning starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpiryTimes {
    /// When it ends.
    pub at: Time,
    /// When the warning starts.
    pub warn_from: Time,
}

/// The credentials that expire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expiries {
    /// The namespace, for commands.
    pub namespace: String,
    /// The client certificate.
    pub certificate: Option<Expiry>,
    /// The client secret.
    pub client_secret: Option<Expiry>,
}
