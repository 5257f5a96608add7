//! What follows from a response.

use crate::engine::Requeue;
use crate::messages::{Finding, FollowUp};
use crate::model::{Assessment, FailedAttempt, SecretWrite, StaleSecret};
use crate::oauth::error::{FailureClass, ProviderCode, Reached};
use crate::time::{Span, Time};
use crate::trust::Lenders;

/// What to do after a response.
pub struct RequestOutcome {
    /// The token Secret to write, if the response contains a token that can be published.
    pub write: Option<SecretWrite>,
    /// The assessment after that write.
    pub assessment: Assessment,
    /// The failed request to store; `None` after a success.
    pub attempt: Option<FailedAttempt>,
    /// When to come back.
    pub requeue: Requeue,
    /// Secrets to delete after the new one is written.
    pub delete: Vec<StaleSecret>,
}

/// A failure of a token request, from any source.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// What it means for the schedule.
    pub class: FailureClass,
    /// What happened, and what to do.
    pub finding: Box<Finding>,
    /// What follows from it.
    pub follow_up: Option<Box<FollowUp>>,
    /// `Retry-After`, if the response has one.
    pub retry_after: Option<Span>,
    /// Whether the host did not respond in time, which narrows its queue.
    pub timed_out: bool,
    /// Whether a large response was not read for want of room. Room for the next one is set aside before it is requested.
    pub unread: bool,
    /// How far the request got: whether a refresh token may have been redeemed.
    pub reached: Reached,
    /// The status of an HTTP response that reports an error.
    pub http_status: Option<u16>,
    /// The provider's own error code, where it gave one.
    pub provider_code: Option<ProviderCode>,
}

impl Failure {
    /// A failure without the details that only some responses have: no `Retry-After`, no time-out, no HTTP status, no error code.
    pub fn new(class: FailureClass, finding: impl Into<Finding>, reached: Reached) -> Failure {
        Failure {
            class,
            finding: Box::new(finding.into()),
            follow_up: None,
            retry_after: None,
            timed_out: false,
            unread: false,
            reached,
            http_status: None,
            provider_code: None,
        }
    }

    /// Why, in one word of the documented list.
    pub fn reason(&self) -> &'static str {
        self.finding.reason().as_str()
    }
}

/// The inputs of a token, as stored with it.
pub struct IssuedWith {
    /// The version of the credentials Secret.
    pub credentials: String,
    /// The key of the client secret that was sent, where that is the second of two.
    pub client_secret_key: Option<String>,
    /// The refresh request that was handled with it.
    pub handled_request: Option<String>,
    /// The lenders of the request; `None` if unknown.
    pub lenders: Option<Lenders>,
}

/// When a request was made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RequestTimes {
    /// When it was sent.
    pub sent: Time,
    /// When its response was complete.
    pub received: Time,
    /// A draw from [0,1).
    pub jitter: f64,
}
