//! Tokens of other resources in a request: whether they may be used, and their values.

use crate::api::conditions::Reason;
use crate::api::validate::Validated;
use crate::command::Command;
use crate::model::{
    CREDENTIALS_LABEL, Observed, Problem, ProblemKind, Reference, SecretSeen, short,
};
use crate::oauth::{PublishedToken, TokenSource, TokensInHand};
use crate::policy::token_sources::published;
use crate::time::{Span, Time};

use super::provenance;

/// What prevents using the tokens of other resources.
pub(super) fn not_ready(seen: &Observed, spec: &Validated, now: Time) -> Option<Problem> {
    if let Some(way) = &seen.cycle {
        return Some(cycle(way));
    }
    published(spec)
        .into_iter()
        .find_map(|token| not_usable(seen, spec, token, now))
}

/// How long before its time a refresh of another resource counts as imminent.
const IMMINENT: Span = Span::from_seconds(5);
/// How long after its time it may still come.
const OVERDUE: Span = Span::from_seconds(30);
/// What must be left of the own token to wait for it.
const SPARE: Span = Span::from_seconds(60);

/// Whether a token that is exchanged is about to be replaced: the new one asks for an exchange of its own, so the one that is due
/// now waits for it.
pub(super) fn are_about_to_change(
    seen: &Observed,
    spec: &Validated,
    own_end: Option<Time>,
    now: Time,
) -> bool {
    let can_wait = own_end.is_none_or(|end| end.since(now) > SPARE);
    can_wait
        && published(spec).into_iter().any(|token| {
            let found = seen.reference(&token.client);
            let found = found.and_then(|one| one.found.as_ref()?.own());
            let refresh = found.and_then(SecretSeen::state).map(|state| state.refresh);
            refresh.is_some_and(|refresh| refresh <= now + IMMINENT && now < refresh + OVERDUE)
        })
}

fn not_usable(
    seen: &Observed,
    spec: &Validated,
    token: &PublishedToken,
    now: Time,
) -> Option<Problem> {
    let (name, namespace) = (&token.client, &seen.resource.namespace);
    let Some(found) = seen.reference(name).and_then(|one| one.found.as_ref()) else {
        return Some(waiting(
            Reason::ReferenceNotFound,
            format!(
                "There is no OAuthClient {name} in namespace {namespace}, whose token is to be exchanged (spec.grant.tokenExchange). Create it, or name another one; it is picked up at once."
            ),
        ));
    };
    let Some(secret) = found.own() else {
        return Some(no_token(seen, name, "has no token yet"));
    };
    if !secret.has_label(CREDENTIALS_LABEL, "true") {
        let lend = Command::kubectl(&["patch", "oauthclients.oauthclient.dev"])
            .value(name)
            .namespace(namespace)
            .fixed(&["--type=merge", "-p", LEND]);
        return Some(waiting(
            Reason::ReferenceNotOptedIn,
            format!(
                "The token Secret of OAuthClient {name} lacks the label oauthclient.dev/credentials=true. If you own it and want it sent to this provider, {}",
                seen.rules.audience.choose(
                    format!("run: {lend}"),
                    "put the label oauthclient.dev/credentials: \"true\" into spec.tokenSecret.labels of its manifest.",
                )
            ),
        ));
    }
    if secret.state().is_some()
        && let Some(problem) = provenance::secret_not_ready(seen, spec, secret)
    {
        return Some(problem);
    }
    match secret.state() {
        Some(state) if !state.intact(&secret.data) => {
            return Some(no_token(seen, name, "is mending its altered token Secret"));
        }
        Some(state) if state.expires <= now => {
            return Some(no_token(seen, name, "has a token that has expired"));
        }
        None => return Some(no_token(seen, name, "has no token yet")),
        Some(_) => {}
    }
    let value = secret.data.get(&token.key);
    let usable = value.and_then(|value| value.expose());
    if usable.is_none_or(|text| text.is_empty() || text.chars().any(char::is_control)) {
        let key = &token.key;
        return Some(waiting(
            Reason::ReferenceKeyMissing,
            format!(
                "The token Secret {} of OAuthClient {name} in namespace {namespace} has no token under the key {key}. Name the right key beside oauthClientName in spec.grant.tokenExchange, or add it to spec.tokenSecret.data there. A change is picked up at once.",
                secret.name
            ),
        ));
    }
    None
}

fn no_token(seen: &Observed, name: &str, what: &str) -> Problem {
    waiting(
        Reason::ReferenceNotReady,
        format!(
            "OAuthClient {name}, whose token is exchanged (spec.grant.tokenExchange), {what}. The operator continues as soon as there is a valid token. {}",
            seen.rules.audience.choose(
                format!(
                    "To see why there is none, run: {}",
                    client_command("describe", name, &seen.resource.namespace)
                ),
                "The lines about it say why there is none.",
            )
        ),
    )
}

/// The patch with which an `OAuthClient` opts in its token.
const LEND: &str = r#"{"spec":{"tokenSecret":{"labels":{"oauthclient.dev/credentials":"true"}}}}"#;

fn client_command(verb: &'static str, name: &str, namespace: &str) -> Command {
    Command::kubectl(&[verb, "oauthclients.oauthclient.dev"])
        .value(name)
        .namespace(namespace)
}

fn cycle(way: &[String]) -> Problem {
    Problem {
        kind: ProblemKind::Stalled,
        reason: Reason::ReferenceCycle,
        message: format!(
            "These OAuthClients exchange each other's tokens in a cycle: {}. Change the source in spec.grant.tokenExchange of one of them; no token is requested until then.",
            way.join(" -> ")
        ),
    }
}

fn waiting(reason: Reason, message: String) -> Problem {
    Problem {
        kind: ProblemKind::Waiting,
        reason,
        message,
    }
}

impl Observed {
    /// The observation of a referenced resource.
    pub fn reference(&self, name: &str) -> Option<&Reference> {
        self.references.iter().find(|one| one.name == name)
    }

    /// The token Secret of a referenced resource, if that resource owns it.
    pub(super) fn token_secret_of(&self, name: &str) -> Option<&SecretSeen> {
        self.reference(name)?.found.as_ref()?.own()
    }

    /// The tokens in a request that are not in the credentials Secret, if available.
    pub(super) fn tokens(&self, spec: &Validated) -> TokensInHand {
        let mut tokens = self.made.clone();
        for token in published(spec) {
            if let Some(secret) = self.token_secret_of(&token.client)
                && let Some(value) = secret.data.get(&token.key)
                && let Ok(lenders) = provenance::of_token_of(self, secret)
            {
                let source = TokenSource::Published(token.clone());
                tokens.insert(source, value.clone(), &lenders);
            }
        }
        tokens
    }

    /// The versions of the referenced token Secrets; `None` while one is missing.
    pub(crate) fn referenced_versions(&self) -> Option<Vec<u64>> {
        let version = |one: &Reference| {
            let secret = one.found.as_ref()?.secret.as_ref()?;
            Some(short(&secret.version()))
        };
        self.references.iter().map(version).collect()
    }
}
