//! What a lender does not allow: which lender, which list, and what its owner can do.

use crate::command::with_entry;
use crate::messages::{ProtectedPart, TrustFinding};
use crate::model::{AccountSeen, Observed, Problem, SecretSeen};
use crate::names::ALLOWED_AUDIENCES_ANNOTATION;
use crate::names::{ALLOWED_HOSTS_ANNOTATION, ALLOWED_TOKEN_HOSTS_ANNOTATION};
use crate::policy::provenance::part::{MOST_LENDERS, RequestPart};
use crate::trust::{Lender, LenderKind, LenderRefusal};

/// What is not sent.
fn what(part: RequestPart<'_>) -> ProtectedPart {
    match part {
        RequestPart::Content => ProtectedPart::Content,
        RequestPart::Token(secret) => ProtectedPart::Token {
            secret: secret.to_owned(),
        },
        RequestPart::Returned => ProtectedPart::Returned,
        RequestPart::RefreshToken => ProtectedPart::RefreshToken,
    }
}

pub(super) fn host_not_allowed(
    seen: &Observed,
    part: RequestPart<'_>,
    refusal: &LenderRefusal,
    field: &'static str,
) -> Problem {
    let lender = &refusal.lender;
    let listed = &refusal.not_listed;
    let annotation = match part {
        RequestPart::Token(_) => ALLOWED_TOKEN_HOSTS_ANNOTATION,
        _ if lender.obtained => ALLOWED_TOKEN_HOSTS_ANNOTATION,
        _ => ALLOWED_HOSTS_ANNOTATION,
    };
    Problem::waiting(TrustFinding::HostNotAllowed {
        kind: lender.kind,
        name: lender.name.clone(),
        namespace: seen.resource.namespace.clone(),
        what: what(part),
        host: listed.destination.clone(),
        field,
        annotation,
        list: listed.list.clone(),
        unreadable: listed.unreadable.first().cloned(),
    })
}

pub(super) fn lender_gone(seen: &Observed, lender: &Lender, part: RequestPart<'_>) -> Problem {
    Problem::waiting(TrustFinding::OwnerGone {
        kind: lender.kind,
        name: lender.name.clone(),
        namespace: seen.resource.namespace.clone(),
        resource: seen.resource.name.clone(),
        what: what(part),
    })
}

pub(super) fn lender_opted_out(seen: &Observed, lender: &Lender, part: RequestPart<'_>) -> Problem {
    let namespace = seen.resource.namespace.clone();
    let name = lender.name.clone();
    let what = what(part);
    Problem::waiting(match (&lender.kind, &lender.audience) {
        (LenderKind::ServiceAccount, Some(audience)) => TrustFinding::AudienceWithdrawn {
            list: with_audience(seen, &name, audience),
            name,
            namespace,
            what,
            audience: audience.clone(),
        },
        _ => TrustFinding::OptedOut {
            name,
            namespace,
            what,
        },
    })
}

/// The audiences that a ServiceAccount allows, with one more.
fn with_audience(seen: &Observed, account: &str, audience: &str) -> String {
    let list = match seen.accounts.get(account) {
        Some(AccountSeen::There { annotations, .. }) => {
            annotations.get(ALLOWED_AUDIENCES_ANNOTATION)
        }
        _ => None,
    };
    with_entry(list, audience)
}

pub(super) fn unknown_lenders(seen: &Observed, secret: &SecretSeen) -> Problem {
    Problem::waiting(TrustFinding::OwnersUnknown {
        secret: secret.name.clone(),
        namespace: seen.resource.namespace.clone(),
    })
}

pub(super) fn family_without_lenders(seen: &Observed) -> Problem {
    Problem::waiting(TrustFinding::RefreshTokenOwnersUnknown {
        resource: seen.resource.name.clone(),
        namespace: seen.resource.namespace.clone(),
    })
}

pub(super) fn too_many() -> Problem {
    Problem::stalled(TrustFinding::TooManyOwners { most: MOST_LENDERS })
}
