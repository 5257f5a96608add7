//! What follows from a response.

use crate::engine::Requeue;
use crate::model::{Assessment, FailedAttempt, SecretWrite, StaleSecret};
use crate::oauth::error::{FailureClass, Reached};
use crate::time::{Span, Time};
use crate::trust::Lenders;

/// What is to be done after an answer.
pub struct Settled {
    /// The token Secret to write, if the answer brought a token that can be published.
    pub write: Option<SecretWrite>,
    /// How things stand once that is written.
    pub assessment: Assessment,
    /// The failing request to remember; `None` after a success.
    pub attempt: Option<FailedAttempt>,
    /// When to come back.
    pub wants: Requeue,
    /// Secrets to delete once the new one stands.
    pub delete: Vec<StaleSecret>,
}

/// A failure of a token request, whoever told of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// What it asks of the schedule.
    pub class: FailureClass,
    /// Why, in one word of the documented list.
    pub reason: &'static str,
    /// Why, and what to do next, in sentences.
    pub message: String,
    /// `Retry-After`, where the answer gave one.
    pub retry_after: Option<Span>,
    /// The host did not answer in time: its lane is narrowed.
    pub timed_out: bool,
    /// How far the request came: whether a refresh token may have been used by it.
    pub reached: Reached,
}

/// What a token was made from, as it is noted with it.
pub(crate) struct Made {
    /// The version of the credentials Secret.
    pub(crate) credentials: String,
    /// The key of the client secret that was sent, where that is the second of two.
    pub(crate) client_secret_key: Option<String>,
    /// The refresh request that was handled with it.
    pub(crate) handled_request: Option<String>,
    /// Everybody whose secrets were in the request; `None` where that is not known.
    pub(crate) lenders: Option<Lenders>,
}

/// When a request was made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// When it was sent.
    pub sent: Time,
    /// When its answer was complete.
    pub received: Time,
    /// A draw from [0,1).
    pub u: f64,
}
