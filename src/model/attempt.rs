//! A token request that failed: what is remembered of it, and what of that a status keeps across restarts.

use crate::api::OAuthClientStatus;
use crate::api::conditions::Reason;
use crate::model::SecretSeen;
use crate::oauth::error::FailureClass;
use crate::time::Time;

/// A token request that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedAttempt {
    /// How many in a row.
    pub failures: u32,
    /// When the last one was sent.
    pub time: Time,
    /// When the next may be sent; `None` when only a change helps.
    pub next: Option<Time>,
    /// The end of a `Retry-After`, before which nothing is sent to the same endpoint for the same client.
    pub not_before: Option<Time>,
    /// What it asks of the schedule.
    pub class: FailureClass,
    /// Why, in one word.
    pub reason: String,
    /// Why, in sentences.
    pub message: String,
    /// What was sent: the inputs of the spec.
    pub inputs: String,
    /// Whom it was sent to: a hash of the endpoint.
    pub endpoint: String,
    /// With which credentials: `UID/VERSION`.
    pub credentials: String,
    /// The client certificate that was shown, by its fingerprint.
    pub certificate: Option<String>,
    /// The content of those credentials (keyed hash), while the process remembers it.
    pub content: Option<u64>,
    /// The keys of the client secrets that the provider has refused with this content, where there are two.
    pub refused: Vec<String>,
    /// A hash of the CA bundle it was sent with, while the process remembers it.
    pub ca: Option<u64>,
    /// The refresh request that was acted upon with it, or before.
    pub handled_request: Option<String>,
    /// Where Kubernetes did not accept the token Secret: that Secret as it was (`UID/VERSION`, `none` where there was
    /// none). No token is requested until it, the spec or the credentials change.
    pub rejected_secret: Option<String>,
}

/// Stands for a token Secret that did not exist.
pub(crate) const NO_SECRET: &str = "none";

/// Names a version of a token Secret, also where there is none.
pub(crate) fn secret_version(secret: Option<&SecretSeen>) -> String {
    secret.map_or_else(|| NO_SECRET.to_owned(), SecretSeen::version)
}

impl FailedAttempt {
    /// What failed, as one text of bounded length for the status: inputs, endpoint, version of the credentials, and the
    /// fingerprint of the client certificate where one was shown.
    pub fn hash(&self) -> String {
        let (inputs, endpoint, credentials) = (&self.inputs, &self.endpoint, &self.credentials);
        match &self.certificate {
            None => format!("{inputs};{endpoint};{credentials}"),
            Some(certificate) => format!("{inputs};{endpoint};{credentials};{certificate}"),
        }
    }

    /// The operator itself has changed the token Secret: that is no reason to try again.
    pub fn secret_was_repaired(&mut self, secret: &SecretSeen) {
        if let Some(version) = &mut self.rejected_secret {
            *version = secret_version(Some(secret));
        }
    }

    /// The attempt that a status tells of: what is left of it after a restart.
    pub fn from_status(status: &OAuthClientStatus) -> Option<FailedAttempt> {
        let told = status.attempt.as_ref()?;
        // Nothing was sent: the flags of another process refused it, and this one's may be others.
        if told.reason == Reason::AddressRefused.as_str() {
            return None;
        }
        let mut parts = told.inputs_hash.splitn(4, ';').map(str::to_owned);
        let condition = |kind: &str| {
            status
                .conditions
                .iter()
                .find(|condition| condition.type_ == kind && condition.status == "True")
        };
        let next = match &told.next_time {
            Some(next) => Some(Time::parse_rfc3339(next)?),
            None => None,
        };
        let class = match (next, condition("Stalled")) {
            (None, _) => FailureClass::NeedsPerson,
            (Some(_), Some(stalled)) if stalled.reason == told.reason => FailureClass::Permanent,
            _ => FailureClass::Transient,
        };
        let said = condition("RefreshFailing").map_or("", |condition| condition.message.as_str());
        Some(FailedAttempt {
            failures: u32::try_from(told.failures).unwrap_or(1),
            time: Time::parse_rfc3339(&told.time)?,
            next,
            not_before: told
                .retry_after_time
                .as_deref()
                .and_then(Time::parse_rfc3339),
            class,
            reason: told.reason.clone(),
            message: first_sentences(said),
            inputs: parts.next().unwrap_or_default(),
            endpoint: parts.next().unwrap_or_default(),
            credentials: parts.next().unwrap_or_default(),
            certificate: parts.next(),
            content: None,
            refused: told.refused_secret_keys.clone(),
            ca: None,
            handled_request: status.last_refresh_request.clone(),
            rejected_secret: told.rejected_secret.clone(),
        })
    }
}

/// The message of a failed attempt as it was before the report added when it is tried again.
pub(crate) fn first_sentences(said: &str) -> String {
    let end = [" Next try at ", " It is not tried again "]
        .iter()
        .filter_map(|added| said.find(added))
        .min();
    end.and_then(|end| said.get(..end))
        .unwrap_or(said)
        .to_owned()
}
