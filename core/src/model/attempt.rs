//! A failed token request: what is kept about it, and which part of that a status keeps across restarts.

use crate::conditions::Reason;
use crate::messages::{Explanation, StoredExplanation};
use crate::model::{OAuthClientStatus, SecretSeen};
use crate::oauth::error::{FailureClass, Reached};
use crate::time::Time;

/// A failed token request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedAttempt {
    /// How many in a row.
    pub failures: u32,
    /// When the last one was sent.
    pub time: Time,
    /// When the next one may be sent; `None` if only a change helps.
    pub next: Option<Time>,
    /// The end of a `Retry-After`. Until then, nothing is sent to the same endpoint for the same client.
    pub not_before: Option<Time>,
    /// What it means for the schedule.
    pub class: FailureClass,
    /// How far the request got; `None` in a status of an earlier version.
    pub reached: Option<Reached>,
    /// The status of an HTTP response that reports an error.
    pub http_status: Option<u16>,
    /// The error code as the provider writes it.
    pub code: Option<String>,
    /// Why, in one word.
    pub reason: String,
    /// Why, and what to do, for the people who read the status.
    pub explanation: Explanation,
    /// What was sent: the inputs of the spec.
    pub inputs: String,
    /// A hash of the endpoint.
    pub endpoint: String,
    /// The credentials: `UID/VERSION`.
    pub credentials: String,
    /// The fingerprint of the client certificate.
    pub certificate: Option<String>,
    /// A keyed hash of the content of the credentials, while the process keeps it.
    pub content: Option<u64>,
    /// The keys of the client secrets that the provider has refused with this content, if there are two.
    pub refused: Vec<String>,
    /// A hash of the CA bundle, while the process keeps it.
    pub ca: Option<u64>,
    /// The refresh request that was handled with it, or before.
    pub handled_request: Option<String>,
    /// If Kubernetes refused the token Secret: the existing Secret (`UID/VERSION`, or `none`). No token is requested
    /// until it, the spec or the credentials change.
    pub rejected_secret: Option<String>,
}

/// Represents a token Secret that did not exist.
pub(super) const NO_SECRET: &str = "none";

/// The version of a token Secret, or of its absence.
pub fn secret_version(secret: Option<&SecretSeen>) -> String {
    secret.map_or_else(|| NO_SECRET.to_owned(), SecretSeen::version)
}

impl FailedAttempt {
    /// What failed, as a text of bounded length for the status: inputs, endpoint, version of the credentials, and the
    /// fingerprint of the client certificate, if any.
    pub fn hash(&self) -> String {
        let (inputs, endpoint, credentials) = (&self.inputs, &self.endpoint, &self.credentials);
        match &self.certificate {
            None => format!("{inputs};{endpoint};{credentials}"),
            Some(certificate) => format!("{inputs};{endpoint};{credentials};{certificate}"),
        }
    }

    /// The operator itself changed the token Secret, which is no reason to retry.
    pub fn secret_was_repaired(&mut self, secret: &SecretSeen) {
        if let Some(version) = &mut self.rejected_secret {
            *version = secret_version(Some(secret));
        }
    }

    /// The attempt in a status: what remains of it after a restart.
    pub fn from_status(status: &OAuthClientStatus) -> Option<FailedAttempt> {
        let attempt = status.attempt.as_ref()?;
        // Nothing was sent: the flags of another process refused it, and those of this one may differ.
        if attempt.reason == Reason::AddressRefused.as_str() {
            return None;
        }
        let mut parts = attempt.inputs_hash.splitn(4, ';').map(str::to_owned);
        let next = match &attempt.next_time {
            Some(next) => Some(Time::parse_rfc3339(next)?),
            None => None,
        };
        // An earlier version stored no kind, and no message.
        let class = attempt.kind.as_deref().and_then(FailureClass::parse);
        let class = class.unwrap_or(match next {
            None => FailureClass::NeedsPerson,
            Some(_) => FailureClass::Transient,
        });
        let reason = Reason::parse(&attempt.reason).unwrap_or(Reason::RequestRefused);
        let stored = match &attempt.message {
            Some(message) => StoredExplanation {
                happened: message.clone(),
                remedy: attempt.remedy.clone().unwrap_or_default(),
                command: attempt.command.clone(),
            },
            None => StoredExplanation {
                happened: reason.meaning().to_owned(),
                remedy: reason.what_to_do().to_owned(),
                command: None,
            },
        };
        Some(FailedAttempt {
            failures: u32::try_from(attempt.failures).unwrap_or(1),
            time: Time::parse_rfc3339(&attempt.time)?,
            next,
            not_before: attempt
                .retry_after_time
                .as_deref()
                .and_then(Time::parse_rfc3339),
            class,
            reached: attempt.reached.as_deref().and_then(Reached::parse),
            http_status: attempt
                .http_status
                .and_then(|status| u16::try_from(status).ok()),
            code: attempt.code.clone(),
            reason: attempt.reason.clone(),
            explanation: Explanation::restore(&stored),
            inputs: parts.next().unwrap_or_default(),
            endpoint: parts.next().unwrap_or_default(),
            credentials: parts.next().unwrap_or_default(),
            certificate: parts.next(),
            content: None,
            refused: attempt.refused_secret_keys.clone(),
            ca: None,
            handled_request: status.last_refresh_request.clone(),
            rejected_secret: attempt.rejected_secret.clone(),
        })
    }
}
