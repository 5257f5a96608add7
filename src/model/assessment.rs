//! How things stand with one resource, what its status is made of.

use crate::api::conditions::Reason;
use crate::model::{FailedAttempt, Repairs};
use crate::oauth::Scope;
use crate::time::{Span, Time};

/// How things stand.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessment {
    /// The published token, if there is one.
    pub token: Option<TokenView>,
    /// What is wrong, if anything is.
    pub problem: Option<Problem>,
    /// The failing request, if the last one failed.
    pub attempt: Option<FailedAttempt>,
    /// Whether the resource is suspended.
    pub suspended: bool,
    /// The refresh request that was acted upon last.
    pub handled_request: Option<String>,
    /// The token Secret had been altered or deleted, and is as it should be again.
    pub repaired: bool,
    /// Repairs so far.
    pub repairs: Repairs,
    /// The name of the token Secret, for messages.
    pub secret_name: String,
    /// What ends besides the token.
    pub expiries: Expiries,
    /// When the refresh token ends, where the provider told.
    pub refresh_token_ends: Option<Time>,
    /// What is to be said of a refresh token that was given and not taken, while the one before goes on.
    pub refused_offer: Option<String>,
}

/// The published token, as far as people need to know it.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenView {
    /// When it was asked for.
    pub issued: Time,
    /// When it ends.
    pub expires: Time,
    /// When it is to be replaced.
    pub refresh: Time,
    /// The granted scope, where told.
    pub scope: Option<Scope>,
    /// Whether it is valid now.
    pub valid: bool,
    /// Its life is shorter than mounted volumes need to follow.
    pub too_short: bool,
    /// The server gave no lifetime: the assumed one counts.
    pub assumed: bool,
    /// The resource's own lead did not fit and was clamped to this.
    pub clamped_lead: Option<Span>,
    /// What was odd about the answer but accepted.
    pub remarks: Option<String>,
    /// The key of the client secret that it was asked for with, where that is the second of two.
    pub client_secret_key: Option<String>,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What kind of trouble it is: which condition tells of it.
    pub kind: ProblemKind,
    /// Why, in one word of the documented list.
    pub reason: Reason,
    /// What happened and what to do next, without what still works: the report adds that.
    pub message: String,
}

/// Which condition tells of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// Something is awaited that may still come.
    Waiting,
    /// A person must act.
    Stalled,
}

impl TokenView {
    /// The reason it is reported with when nothing is wrong.
    pub(crate) fn reason(&self) -> Reason {
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
    /// The Secret that it stands in.
    pub secret: String,
    /// When it ends; `None` where what is noted is no time.
    pub ends: Option<Ends>,
}

/// When something ends, and from when on it is warned of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// When it ends.
    pub at: Time,
    /// From when on it is warned of.
    pub warned: Time,
}

/// Everything that ends besides the token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expiries {
    /// The namespace, for commands.
    pub namespace: String,
    /// The client certificate.
    pub certificate: Option<Expiry>,
    /// The client secret.
    pub client_secret: Option<Expiry>,
}
