//! The client certificate as it was seen.

use crate::model::SecretSeen;
use crate::time::Time;

/// The Secret with the client certificate, as it was seen.
#[derive(Clone, Default)]
pub enum CertificateSeen {
    /// The resource shows none.
    #[default]
    NotNamed,
    /// There is no Secret of that name.
    Missing,
    /// It is there.
    There(Box<CertificateThere>),
}

/// A Secret with a client certificate.
#[derive(Clone)]
pub struct CertificateThere {
    /// The Secret.
    pub secret: SecretSeen,
    /// What stands in it.
    pub read: Result<CertificateFacts, CertificateProblem>,
}

/// What is to be known of a client certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// From when on it is valid.
    pub not_before: Time,
    /// Until when it is valid.
    pub not_after: Time,
    /// Names the certificate: another one has another name. Nothing secret.
    pub fingerprint: String,
}

/// Why a client certificate cannot be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateProblem {
    /// A key of the Secret is missing.
    pub missing: bool,
    /// What is wrong, in words that hold nothing of the Secret's content.
    pub message: String,
}

impl CertificateSeen {
    /// The certificate, if it can be read.
    pub fn facts(&self) -> Option<&CertificateFacts> {
        match self {
            CertificateSeen::There(there) => there.read.as_ref().ok(),
            _ => None,
        }
    }

    /// The name of the certificate that would be shown.
    pub(crate) fn fingerprint(&self) -> Option<&str> {
        self.facts().map(|facts| facts.fingerprint.as_str())
    }
}
