//! Tokens of `ServiceAccounts` that are asked with: whether they may be made, and whether they were.

use crate::api::ALLOWED_AUDIENCES_ANNOTATION;
use crate::api::conditions::Reason;
use crate::api::validate::Validated;
use crate::command::Command;
use crate::model::{AccountSeen, Failure, Observed, Prerequisite, Problem, ProblemKind};
use crate::oauth::error::FailureClass;
use crate::oauth::{ClientAuthentication, ServiceAccountToken, TokenSource, TokensInHand};
use crate::policy::token_sources::account_tokens;
use crate::secret::Secret;
use crate::trust::Lenders;

/// Why a `ServiceAccount` may not be used for this audience: its owner does not allow it, or it cannot be looked at.
pub(super) fn not_opted_in(seen: &Observed, token: &ServiceAccountToken) -> Option<Problem> {
    let namespace = &seen.resource.namespace;
    let ServiceAccountToken {
        account, audience, ..
    } = token;
    let annotations = match seen.accounts.get(account) {
        Some(AccountSeen::Given) => return None,
        Some(AccountSeen::There { annotations, .. }) => annotations,
        Some(AccountSeen::Forbidden) => return Some(forbidden(namespace)),
        Some(AccountSeen::NoCluster) => {
            return Some(problem(
                ProblemKind::Stalled,
                Reason::ServiceAccountTokenMissing,
                format!(
                    "A token of ServiceAccount {account} is made by a Kubernetes cluster, and here is none. Give one in a file that something else keeps fresh: --service-account-token-file {account}=PATH ({} makes one).",
                    Command::kubectl(&["create", "token"])
                        .value(account)
                        .namespace(namespace)
                        .fixed(&["--audience"])
                        .value(audience)
                ),
            ));
        }
        Some(AccountSeen::Missing) | None => {
            return Some(problem(
                ProblemKind::Waiting,
                Reason::ServiceAccountNotFound,
                format!(
                    "There is no ServiceAccount {account} in namespace {namespace}. Create it, or name another one in the spec; it is looked for every minute."
                ),
            ));
        }
    };
    let audiences = annotations.get(ALLOWED_AUDIENCES_ANNOTATION);
    if !audiences.is_some_and(|list| listed(list, audience)) {
        return Some(problem(
            ProblemKind::Waiting,
            Reason::ServiceAccountNotLent,
            format!(
                "ServiceAccount {account} does not lend itself for the audience {audience}: its annotation oauthclient.dev/allowed-audiences does not name it. It is looked at every minute. If it may be used so, run: {}",
                annotate(account, namespace)
                    .pair(ALLOWED_AUDIENCES_ANNOTATION, &with(audiences, audience))
            ),
        ));
    }
    None
}

/// A list of audiences, separated by commas or white space, each exact.
pub(super) fn listed(list: &str, audience: &str) -> bool {
    list.split(|c: char| c == ',' || c.is_whitespace())
        .any(|one| !one.is_empty() && one == audience)
}

/// The list with one more entry, for a command.
fn with(list: Option<&String>, one: &str) -> String {
    match list.map(|list| list.trim()).filter(|list| !list.is_empty()) {
        Some(list) => format!("{list},{one}"),
        _ => one.to_owned(),
    }
}

fn annotate(account: &str, namespace: &str) -> Command {
    Command::kubectl(&["annotate", "serviceaccount"])
        .value(account)
        .namespace(namespace)
        .fixed(&["--overwrite"])
}

/// What the operator may not do, and what gives it the right.
fn forbidden_message(namespace: &str) -> String {
    format!(
        "The operator may not read ServiceAccounts and make tokens of them in namespace {namespace}: that right is an addition to its usual ones. Whoever runs it applies deploy/service-account-tokens (everywhere), or for this namespace alone runs: {}",
        Command::kubectl(&["apply"])
            .namespace(namespace)
            .fixed(&["-k", "deploy/service-account-tokens/namespaced"])
    )
}

fn forbidden(namespace: &str) -> Problem {
    let message = forbidden_message(namespace);
    problem(ProblemKind::Stalled, Reason::PermissionMissing, message)
}

fn problem(kind: ProblemKind, reason: Reason, message: String) -> Problem {
    Problem {
        kind,
        reason,
        message,
    }
}

/// Puts something in the place of each token that is yet to be made, so that it can be seen whether the request could be
/// built with it. Such a request is never sent: [`needed`] names the token first.
pub(super) fn stand_in(spec: &Validated, tokens: &mut TokensInHand) {
    for token in account_tokens(spec) {
        let source = TokenSource::ServiceAccount(token.clone());
        if tokens.find(&source).is_none() {
            tokens.insert(source, Secret::from("stand-in"), &Lenders::none());
        }
    }
}

/// The token that the client proves itself with, where it is yet to be made: all that a call needs which is no token request.
pub(super) fn needed_for_call(seen: &Observed, spec: &Validated) -> Option<Prerequisite> {
    let ClientAuthentication::ServiceAccountToken(token) = &spec.client.authentication else {
        return None;
    };
    let source = TokenSource::ServiceAccount(token.clone());
    let missing = seen.made.find(&source).is_none();
    missing.then(|| Prerequisite::ServiceAccountToken(token.clone()))
}

/// The next token that is yet to be made.
pub(super) fn needed(seen: &Observed, spec: &Validated) -> Option<Prerequisite> {
    account_tokens(spec)
        .into_iter()
        .find(|token| {
            let source = TokenSource::ServiceAccount((*token).clone());
            seen.made.find(&source).is_none()
        })
        .map(|token| Prerequisite::ServiceAccountToken(token.clone()))
}

impl Failure {
    /// A token of a `ServiceAccount` could not be made, in a way that may pass.
    pub fn account_token(token: &ServiceAccountToken, why: &str) -> Failure {
        Failure {
            class: FailureClass::Transient,
            reason: Reason::ServiceAccountTokenFailed.as_str(),
            message: format!(
                "No token of ServiceAccount {} could be made: {why}. It is tried again",
                token.account
            ),
            retry_after: None,
            timed_out: false,
            reached: crate::oauth::error::Reached::Never,
        }
    }

    /// The operator lacks the right to make tokens.
    pub fn account_token_forbidden(namespace: &str) -> Failure {
        Failure {
            class: FailureClass::Permanent,
            reason: Reason::PermissionMissing.as_str(),
            message: forbidden_message(namespace),
            retry_after: None,
            timed_out: false,
            reached: crate::oauth::error::Reached::Never,
        }
    }

    /// The audience is one of the Kubernetes API's own.
    pub fn audience_refused(token: &ServiceAccountToken) -> Failure {
        Failure {
            class: FailureClass::NeedsPerson,
            reason: Reason::AudienceRefused.as_str(),
            message: format!(
                "A token of ServiceAccount {} for the audience {} would be good for the Kubernetes API itself: it is not sent anywhere. Write the audience that the provider wants, in serviceAccountToken.audience",
                token.account, token.audience
            ),
            retry_after: None,
            timed_out: false,
            reached: crate::oauth::error::Reached::Never,
        }
    }
}
