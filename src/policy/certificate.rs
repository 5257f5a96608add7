//! The client certificate (RFC 8705): the observation, and whether it can be used.

use crate::api::conditions::Reason;
use crate::api::validate::{ClientCertificate, Validated};
use crate::command::Command;
use crate::engine::Requeue;
use crate::model::{
    CertificateFacts, CertificateProblem, CertificateSeen, Observed, Problem, ProblemKind,
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

/// The command that shows the state of a cert-manager certificate.
pub(super) fn describe_certificate(namespace: &str) -> Command {
    Command::kubectl(&["describe", "certificate"]).namespace(namespace)
}

/// The end of a message about a certificate that cert-manager may issue.
fn if_issued_here(seen: &Observed) -> String {
    let describe = describe_certificate(&seen.resource.namespace);
    seen.rules
        .audience
        .only_on_a_cluster(format!(" If cert-manager issues it: {describe}"))
}

fn missing(seen: &Observed, named: &ClientCertificate) -> Problem {
    let (namespace, name) = (&seen.resource.namespace, &named.secret);
    waiting(
        Reason::CredentialsNotFound,
        format!(
            "There is no Secret {name} in namespace {namespace} with the client certificate. Create it with tls.crt, tls.key and the label oauthclient.dev/credentials=true. It is used at once.{}",
            if_issued_here(seen)
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
            "The client certificate in Secret {name} in namespace {namespace} cannot be shown: {}. Nothing is sent without it; a change is picked up at once. {}",
            problem.message,
            seen.rules.audience.choose(
                format!(
                    "See which keys it has: {}",
                    Command::kubectl(&["describe", "secret"])
                        .value(name)
                        .namespace(namespace)
                ),
                "See which keys its manifest has.",
            )
        ),
    )
}

fn expired(seen: &Observed, named: &ClientCertificate, facts: &CertificateFacts) -> Problem {
    let (namespace, name) = (&seen.resource.namespace, &named.secret);
    waiting(
        Reason::ClientCertificateExpired,
        format!(
            "The client certificate in Secret {name} in namespace {namespace} expired at {}: the provider would refuse it, so nothing is sent. Renew it; a new one is picked up at once.{}",
            facts.not_after,
            if_issued_here(seen)
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
