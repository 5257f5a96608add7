//! The client certificate as it was seen.

use crate::model::SecretSeen;
use crate::time::Time;

/// The observed Secret with the client certificate.
#[derive(Clone, Default)]
pub enum CertificateSeen {
    /// The resource shows none.
    #[default]
    NotNamed,
    /// The Secret does not exist.
    Missing,
    /// It is there.
    There(Box<CertificateThere>),
}

/// A Secret with a client certificate.
#[derive(Clone)]
pub struct CertificateThere {
    /// The Secret.
    pub secret: SecretSeen,
    /// The content of the certificate.
    pub read: Result<CertificateFacts, CertificateProblem>,
}

/// The facts about a client certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// From when on it is valid.
    pub not_before: Time,
    /// Until when it is valid.
    pub not_after: Time,
    /// Identifies the certificate. Not secret.
    pub fingerprint: String,
}

/// Why a client certificate cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateProblem {
    /// Whether a key of the Secret is missing.
    pub missing: bool,
    /// What is wrong, without any part of the Secret's content.
    pub message: String,
}

impl CertificateSeen {
    /// The certificate, if it can be parsed.
    pub fn facts(&self) -> Option<&CertificateFacts> {
        match self {
            CertificateSeen::There(there) => there.read.as_ref().ok(),
            _ => None,
        }
    }

    /// The fingerprint of the certificate that would be used.
    pub fn fingerprint(&self) -> Option<&str> {
        self.facts().map(|facts| facts.fingerprint.as_str())
    }
}
