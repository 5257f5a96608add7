//! The client certificate (RFC 8705): the observation, and whether it can be used.

use crate::engine::Requeue;
use crate::messages::CredentialsFinding;
use crate::model::{
    CertificateFacts, CertificateProblem, CertificateSeen, ClientCertificate, Observed, Problem,
    Validated,
};
use crate::policy::waits::LOOK_WHILE_WAITING;
use crate::time::Time;

use super::provenance;

/// What prevents using the client certificate, and when to check again.
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
    // The provider knows a self-signed certificate itself (RFC 8705 section 2.2), and many ignore its dates.
    if certificate.self_signed {
        return None;
    }
    if facts.not_after <= now {
        return Some((expired(seen, certificate, facts), Requeue::At(later)));
    }
    if now < facts.not_before {
        let again = later.min(facts.not_before);
        return Some((not_yet_valid(certificate, facts), Requeue::At(again)));
    }
    None
}

fn missing(seen: &Observed, named: &ClientCertificate) -> Problem {
    Problem::waiting(CredentialsFinding::CertificateNotFound {
        secret: named.secret.clone(),
        namespace: seen.resource.namespace.clone(),
    })
}

fn unusable(seen: &Observed, named: &ClientCertificate, problem: &CertificateProblem) -> Problem {
    Problem::waiting(CredentialsFinding::CertificateUnusable {
        secret: named.secret.clone(),
        namespace: seen.resource.namespace.clone(),
        missing: problem.missing,
        problem: problem.message.clone(),
    })
}

fn expired(seen: &Observed, named: &ClientCertificate, facts: &CertificateFacts) -> Problem {
    Problem::waiting(CredentialsFinding::CertificateExpired {
        secret: named.secret.clone(),
        namespace: seen.resource.namespace.clone(),
        at: facts.not_after,
    })
}

fn not_yet_valid(named: &ClientCertificate, facts: &CertificateFacts) -> Problem {
    Problem::waiting(CredentialsFinding::CertificateNotYetValid {
        secret: named.secret.clone(),
        from: facts.not_before,
    })
}
