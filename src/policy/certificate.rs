//! The client certificate (RFC 8705): what was seen of it, and whether it can be shown.

use crate::api::conditions::Reason;
use crate::api::validate::{ClientCertificate, Validated};
use crate::command::Command;
use crate::engine::Requeue;
use crate::time::Time;

use super::LOOK_WHILE_WAITING;
use super::assessment::{Problem, ProblemKind};
use super::observed::{Observed, SecretSeen};
use super::provenance;

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
    pub(super) fn fingerprint(&self) -> Option<&str> {
        self.facts().map(|facts| facts.fingerprint.as_str())
    }
}

/// What keeps the client certificate from being shown, and when to look again.
pub(super) fn not_ready(
    seen: &Observed,
    spec: &Validated,
    now: Time,
) -> Option<(Problem, Requeue)> {
    let certificate = spec.client_certificate.as_ref()?;
    let later = now + LOOK_WHILE_WAITING;
    let there = match &seen.certificate {
        CertificateSeen::There(there) => there,
        _ => return Some((missing(seen, certificate), Requeue::At(later))),
    };
    if let Some(problem) = provenance::secret_not_ready(seen, spec, &there.secret) {
        return Some((problem, Requeue::At(later)));
    }
    let facts = match &there.read {
        Ok(facts) => facts,
        Err(problem) => return Some((unusable(seen, certificate, problem), Requeue::At(later))),
    };
    // A self-signed certificate is known to the provider by itself (RFC 8705 section 2.2): many do not look at its dates.
    if certificate.self_signed {
        return None;
    }
    if facts.not_after <= now {
        return Some((expired(seen, certificate, facts), Requeue::At(later)));
    }
    if now < facts.not_before {
        let again = later.min(facts.not_before);
        return Some((not_yet_valid(seen, certificate, facts), Requeue::At(again)));
    }
    None
}

fn waiting(reason: Reason, message: String) -> Problem {
    Problem {
        kind: ProblemKind::Waiting,
        reason,
        message,
    }
}

/// The command that tells how cert-manager's certificates are.
pub(super) fn describe_certificate(namespace: &str) -> Command {
    Command::kubectl(&["describe", "certificate"]).namespace(namespace)
}

fn missing(seen: &Observed, named: &ClientCertificate) -> Problem {
    let (namespace, name) = (&seen.resource.namespace, &named.secret);
    waiting(
        Reason::CredentialsNotFound,
        format!(
            "There is no Secret {name} in namespace {namespace} with the client certificate. Create it with tls.crt, tls.key and the label oauthclient.dev/credentials=true; it is picked up at once. If cert-manager is to make it: {}",
            describe_certificate(namespace)
        ),
    )
}

fn unusable(seen: &Observed, named: &ClientCertificate, problem: &CertificateProblem) -> Problem {
    let (namespace, name) = (&seen.resource.namespace, &named.secret);
    let reason = match problem.missing {
        true => Reason::CredentialsKeyMissing,
        false => Reason::ClientCertificateInvalid,
    };
    waiting(
        reason,
        format!(
            "The client certificate in Secret {name} in namespace {namespace} cannot be shown: {}. Nothing is sent without it; a change is picked up at once. See which keys it has: {}",
            problem.message,
            Command::kubectl(&["describe", "secret"])
                .value(name)
                .namespace(namespace)
        ),
    )
}

fn expired(seen: &Observed, named: &ClientCertificate, facts: &CertificateFacts) -> Problem {
    let (namespace, name) = (&seen.resource.namespace, &named.secret);
    waiting(
        Reason::ClientCertificateExpired,
        format!(
            "The client certificate in Secret {name} in namespace {namespace} expired at {}: the provider would refuse it, so nothing is sent. Renew it; a new one is picked up at once. If cert-manager makes it: {}",
            facts.not_after,
            describe_certificate(namespace)
        ),
    )
}

fn not_yet_valid(seen: &Observed, named: &ClientCertificate, facts: &CertificateFacts) -> Problem {
    let (namespace, name) = (&seen.resource.namespace, &named.secret);
    waiting(
        Reason::ClientCertificateNotYetValid,
        format!(
            "The client certificate in Secret {name} in namespace {namespace} is valid from {} on: it is shown from then on. Check the node's clock if that is not meant.",
            facts.not_before
        ),
    )
}
