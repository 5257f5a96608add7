//! The messages if a lender does not allow its secret to be sent: which lender, which list, and what its owner can do.

use crate::api::ALLOWED_AUDIENCES_ANNOTATION;
use crate::api::conditions::Reason;
use crate::command::{Command, with_entry};
use crate::messages::Audience;
use crate::model::{
    ALLOWED_HOSTS, ALLOWED_TOKEN_HOSTS, AccountSeen, Observed, Problem, ProblemKind, SecretSeen,
};
use crate::policy::provenance::part::Part;
use crate::trust::{Lender, LenderKind, Refusal};

/// The maximum length of a list in a message, in characters.
const LONGEST_LIST: usize = 100;

fn waiting(reason: Reason, message: String) -> Problem {
    Problem {
        kind: ProblemKind::Waiting,
        reason,
        message,
    }
}

fn kind_of(lender: &Lender) -> (&'static str, &'static str) {
    match lender.kind {
        LenderKind::ServiceAccount => ("ServiceAccount", "serviceaccount"),
        LenderKind::Secret | LenderKind::TokenSecret => ("Secret", "secret"),
    }
}

/// What is not sent, from its lender's point of view.
fn what(lender: &Lender, part: Part<'_>) -> String {
    let (kind, _) = kind_of(lender);
    let name = &lender.name;
    match part {
        Part::Content if lender.kind == LenderKind::ServiceAccount => {
            format!("A token of ServiceAccount {name}")
        }
        Part::Content => format!("{kind} {name}"),
        Part::Token(secret) => {
            format!("The token in Secret {secret}, obtained with {kind} {name},")
        }
        Part::Returned => format!("The access token, obtained with {kind} {name},"),
        Part::RefreshToken => format!("The refresh token, obtained with {kind} {name},"),
    }
}

/// A list in a message: printable ASCII, truncated if long.
fn shown(list: &str) -> String {
    let plain = |c: char| c.is_ascii_graphic() || c == ' ';
    let text: String = list
        .chars()
        .map(|c| if plain(c) { c } else { '?' })
        .take(LONGEST_LIST)
        .collect();
    match text.len() < list.chars().count() {
        true => format!("\"{text}...\""),
        false => format!("\"{text}\""),
    }
}

/// The command with which the owner of a lender adds a host to one of its lists.
fn add_host(
    seen: &Observed,
    lender: &Lender,
    annotation: &'static str,
    list: &str,
    host: &str,
) -> Command {
    let namespace = &seen.resource.namespace;
    let (_, resource) = kind_of(lender);
    let list = match list.trim() {
        "" => host.to_owned(),
        list => format!("{list},{host}"),
    };
    Command::kubectl(&["annotate", resource])
        .value(&lender.name)
        .namespace(namespace)
        .fixed(&["--overwrite"])
        .pair(annotation, &list)
}

pub(super) fn host_not_allowed(
    seen: &Observed,
    part: Part<'_>,
    refusal: &Refusal,
    field: &str,
) -> Problem {
    let lender = &refusal.lender;
    let listed = &refusal.not_listed;
    let host = &listed.destination;
    let (kind, _) = kind_of(lender);
    let annotation = match part {
        Part::Token(_) => ALLOWED_TOKEN_HOSTS,
        _ if lender.obtained => ALLOWED_TOKEN_HOSTS,
        _ => ALLOWED_HOSTS,
    };
    let what = what(lender, part);
    let unreadable = match listed.unreadable.first() {
        Some(entry) => format!(", of which {} cannot be parsed", shown(entry)),
        None => String::new(),
    };
    let why = match (listed.list.is_empty(), listed.unreadable.is_empty(), part) {
        (true, true, Part::Token(_)) => format!(
            "{kind} {} names no hosts in {ALLOWED_TOKEN_HOSTS} or {ALLOWED_HOSTS}",
            lender.name
        ),
        (true, true, _) if lender.kind == LenderKind::ServiceAccount => {
            format!("its annotation {ALLOWED_HOSTS} names no host")
        }
        (true, true, _) => format!(
            "its annotation {ALLOWED_HOSTS} names no host, and the operator runs with --require-allowed-hosts"
        ),
        (_, _, Part::Token(_)) => format!(
            "the hosts that it allows for tokens are {}{unreadable}",
            shown(&listed.list)
        ),
        (_, _, Part::RefreshToken) => format!(
            "the hosts that were allowed when it was obtained, or are now, are {}{unreadable}",
            shown(&listed.list)
        ),
        _ => format!(
            "its annotation {ALLOWED_HOSTS} is {}{unreadable}",
            shown(&listed.list)
        ),
    };
    let command = || add_host(seen, lender, annotation, &listed.list, host);
    let remedy = match (lender.kind, part, seen.rules.audience) {
        (_, Part::RefreshToken, Audience::Cluster) => format!(
            "Correct {field}, or let that host in and log in again: {}",
            command()
        ),
        (LenderKind::TokenSecret, Part::Content, _) => format!(
            "Correct {field}. If it may be sent there, add {host} to {ALLOWED_HOSTS} in spec.tokenSecret.annotations of its OAuthClient"
        ),
        (_, _, Audience::Cluster) => format!(
            "Correct {field}. If it may be sent there, its owner runs: {}",
            command()
        ),
        (_, _, Audience::Files) => {
            let then = match part {
                Part::RefreshToken => ", and log in again",
                _ => "",
            };
            format!(
                "Correct {field}, or add the host to the annotation {annotation} in the manifest of {kind} {}{then}.",
                lender.name
            )
        }
    };
    waiting(
        Reason::HostNotAllowed,
        format!("{what} may not be sent to {host}: {why}. {remedy}"),
    )
}

fn login(seen: &Observed) -> Command {
    let resource = &seen.resource;
    seen.rules
        .audience
        .login(&resource.name, &resource.namespace)
}

pub(super) fn lender_gone(seen: &Observed, lender: &Lender, part: Part<'_>) -> Problem {
    let (kind, _) = kind_of(lender);
    let namespace = &seen.resource.namespace;
    let instead = match part {
        Part::RefreshToken => {
            format!(", or log in again: {}", login(seen))
        }
        _ => ", or get a new token without it".to_owned(),
    };
    waiting(
        match lender.kind {
            LenderKind::ServiceAccount => Reason::ServiceAccountNotFound,
            _ => Reason::CredentialsNotFound,
        },
        format!(
            "{} is not sent, since there is no such {kind} in namespace {namespace} any more. A published token stays. Create {kind} {} again{instead}",
            what(lender, part),
            lender.name
        ),
    )
}

pub(super) fn lender_opted_out(seen: &Observed, lender: &Lender, part: Part<'_>) -> Problem {
    let namespace = &seen.resource.namespace;
    let name = &lender.name;
    let (reason, why, command) = match (&lender.kind, &lender.audience) {
        (LenderKind::ServiceAccount, Some(audience)) => (
            Reason::ServiceAccountNotOptedIn,
            format!(
                "that ServiceAccount no longer allows tokens for audience {}",
                shown(audience)
            ),
            Command::kubectl(&["annotate", "serviceaccount"])
                .value(name)
                .namespace(namespace)
                .fixed(&["--overwrite"])
                .pair(
                    ALLOWED_AUDIENCES_ANNOTATION,
                    &with_audience(seen, name, audience),
                ),
        ),
        _ => (
            Reason::CredentialsNotLabelled,
            "that Secret lacks the label oauthclient.dev/credentials=true".to_owned(),
            crate::policy::messages::opt_in(name, namespace),
        ),
    };
    let remedy = seen.rules.audience.choose(
        format!("If it may be used again, the owner runs: {command}"),
        "If it may be used again, put the label oauthclient.dev/credentials: \"true\" into its manifest.",
    );
    waiting(
        reason,
        format!(
            "{} is not sent, since {why}. A published token stays. {remedy}",
            what(lender, part)
        ),
    )
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
    let namespace = &seen.resource.namespace;
    let name = &secret.name;
    waiting(
        Reason::ReferenceNotReady,
        format!(
            "Secret {name} holds a token of an OAuthClient, and does not say with which Secrets it was obtained: it is not sent until that OAuthClient has written it again. {}",
            seen.rules.audience.choose(
                format!(
                    "See how that one is: {}",
                    Command::kubectl(&["get", "oauthclients.oauthclient.dev"]).namespace(namespace)
                ),
                "The lines about it say how it is.",
            )
        ),
    )
}

pub(super) fn family_without_lenders(seen: &Observed) -> Problem {
    waiting(
        Reason::ReauthorizationRequired,
        format!(
            "It is not known whose Secret the refresh token was obtained with, so it is not sent. A published token stays. Log in again: {}",
            login(seen)
        ),
    )
}

pub(super) fn too_many() -> Problem {
    Problem {
        kind: ProblemKind::Stalled,
        reason: Reason::ReferenceCycle,
        message: format!(
            "More than {} Secrets and ServiceAccounts have a part in this token, through a row of token exchanges. Exchange fewer tokens for each other.",
            crate::policy::provenance::part::MOST_LENDERS
        ),
    }
}
