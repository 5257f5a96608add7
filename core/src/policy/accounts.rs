//! Tokens of `ServiceAccounts` in a request: whether they may be created, and whether they were.

use crate::command::with_entry;
use crate::messages::{RequestFinding, TrustFinding};
use crate::model::{AccountSeen, Failure, Observed, Prerequisite, Problem, Validated};
use crate::names::ALLOWED_AUDIENCES_ANNOTATION;
use crate::oauth::error::{FailureClass, Reached};
use crate::oauth::{ClientAuthentication, ServiceAccountToken, TokenSource, TokensInHand};
use crate::policy::token_sources::account_tokens;
use crate::secret::Secret;
use crate::trust::Lenders;

/// Why a `ServiceAccount` may not be used for this audience: its owner does not allow it, or it cannot be read.
pub(super) fn not_opted_in(seen: &Observed, token: &ServiceAccountToken) -> Option<Problem> {
    let namespace = &seen.resource.namespace;
    let ServiceAccountToken {
        account, audience, ..
    } = token;
    let annotations = match seen.accounts.get(account) {
        Some(AccountSeen::Given) => return None,
        Some(AccountSeen::There { annotations, .. }) => annotations,
        Some(AccountSeen::Forbidden) => return Some(Problem::stalled(forbidden(namespace))),
        Some(AccountSeen::NoCluster) => {
            return Some(Problem::stalled(TrustFinding::NoCluster {
                account: account.clone(),
                namespace: namespace.clone(),
                audience: audience.clone(),
            }));
        }
        Some(AccountSeen::Missing) | None => {
            return Some(Problem::waiting(TrustFinding::AccountNotFound {
                account: account.clone(),
                namespace: namespace.clone(),
            }));
        }
    };
    let audiences = annotations.get(ALLOWED_AUDIENCES_ANNOTATION);
    let allowed = audiences.is_some_and(|list| listed(list, audience));
    (!allowed).then(|| {
        Problem::waiting(TrustFinding::AudienceNotAllowed {
            account: account.clone(),
            namespace: namespace.clone(),
            audience: audience.clone(),
            list: with_entry(audiences, audience),
        })
    })
}

/// Whether a list, separated by commas or white space, contains exactly this audience.
pub(super) fn listed(list: &str, audience: &str) -> bool {
    list.split(|c: char| c == ',' || c.is_whitespace())
        .any(|one| !one.is_empty() && one == audience)
}

fn forbidden(namespace: &str) -> TrustFinding {
    TrustFinding::AccountsForbidden {
        namespace: namespace.to_owned(),
    }
}

/// Adds a placeholder for each token that must be created, to check whether the request can be built. Such a request is
/// never sent, because [`needed`] requires the token first.
pub(super) fn insert_placeholders(spec: &Validated, tokens: &mut TokensInHand) {
    for token in account_tokens(spec) {
        let source = TokenSource::ServiceAccount(token.clone());
        if tokens.find(&source).is_none() {
            tokens.insert(source, Secret::from("stand-in"), &Lenders::none());
        }
    }
}

/// The token for client authentication, if it must be created: all that is needed for a call that is not a token
/// request.
pub(super) fn needed_for_call(seen: &Observed, spec: &Validated) -> Option<Prerequisite> {
    let ClientAuthentication::ServiceAccountToken(token) = &spec.client.authentication else {
        return None;
    };
    let source = TokenSource::ServiceAccount(token.clone());
    let missing = seen.created_tokens.find(&source).is_none();
    missing.then(|| Prerequisite::ServiceAccountToken(token.clone()))
}

/// The next token that must be created.
pub(super) fn needed(seen: &Observed, spec: &Validated) -> Option<Prerequisite> {
    account_tokens(spec)
        .into_iter()
        .find(|token| {
            let source = TokenSource::ServiceAccount((*token).clone());
            seen.created_tokens.find(&source).is_none()
        })
        .map(|token| Prerequisite::ServiceAccountToken(token.clone()))
}

impl Failure {
    /// A token of a `ServiceAccount` could not be created; this may be temporary.
    pub fn account_token(token: &ServiceAccountToken, why: &str) -> Failure {
        Failure::new(
            FailureClass::Transient,
            RequestFinding::AccountTokenFailed {
                account: token.account.clone(),
                why: why.to_owned(),
            },
            Reached::Never,
        )
    }

    /// The operator lacks the permission to create tokens.
    pub fn account_token_forbidden(namespace: &str) -> Failure {
        Failure::new(
            FailureClass::Permanent,
            forbidden(namespace),
            Reached::Never,
        )
    }

    /// The audience is one of the Kubernetes API itself.
    pub fn audience_refused(token: &ServiceAccountToken) -> Failure {
        Failure::new(
            FailureClass::NeedsPerson,
            RequestFinding::AudienceRefused {
                account: token.account.clone(),
                audience: token.audience.clone(),
            },
            Reached::Never,
        )
    }
}
