//! The outcome of a trial.

use crate::api::OAuthClientStatus;
use crate::model::SecretWrite;

/// The result of a test.
pub(crate) struct TrialOutcome {
    /// The write that would be made.
    pub(super) write: Option<SecretWrite>,
    /// The status that would be written.
    pub(super) status: Option<OAuthClientStatus>,
    /// The number of requests that were sent to the provider.
    pub(super) sent: usize,
    /// What prevented the reconcile from completing.
    pub(super) error_text: Option<String>,
    pub(super) secret: String,
}
