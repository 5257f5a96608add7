//! Tokens of other resources that are asked with: whether they may be used, and what they are.

use crate::api::conditions::Reason;
use crate::api::validate::Validated;
use crate::command::Command;
use crate::model::{
    CREDENTIALS_LABEL, Observed, Problem, ProblemKind, Reference, SecretSeen, short,
};
use crate::oauth::{PublishedToken, TokenSource, TokensInHand};
use crate::policy::token_sources::published;
use crate::time::Time;

use super::provenance;

/// What stands in the way of asking with the tokens of other resources.
pub(super) fn not_ready(seen: &Observed, spec: &Validated, now: Time) -> Option<Problem> {
    if let Some(way) = &seen.cycle {
        return Some(cycle(way));
    }
    published(spec)
        .into_iter()
        .find_map(|token| not_usable(seen, spec, token, now))
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
        return Some(no_token(name, namespace, "has no token yet"));
    };
    if !secret.has_label(CREDENTIALS_LABEL, "true") {
        let lend = Command::kubectl(&["patch", "oauthclients.oauthclient.dev"])
            .value(name)
            .namespace(namespace)
            .fixed(&["--type=merge", "-p", LEND]);
        return Some(waiting(
            Reason::ReferenceNotLent,
            format!(
                "OAuthClient {name} has not lent its token to be sent to a token endpoint. If it may be, run: {lend}"
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
            return Some(no_token(
                name,
                namespace,
                "is mending its altered token Secret",
            ));
        }
        Some(state) if state.expires <= now => {
            return Some(no_token(name, namespace, "has a token that has expired"));
        }
        None => return Some(no_token(name, namespace, "has no token yet")),
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

fn no_token(name: &str, namespace: &str, what: &str) -> Problem {
    waiting(
        Reason::ReferenceNotReady,
        format!(
            "OAuthClient {name}, whose token is to be exchanged (spec.grant.tokenExchange), {what}. It goes on here as soon as there is a valid one. To see why there is none, run: {}",
            client_command("describe", name, namespace)
        ),
    )
}

/// What makes an `OAuthClient` lend its token.
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
            "These OAuthClients wait for each other's token: {}. Name another source in spec.grant.tokenExchange of one of them; no token is asked for until then.",
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
    /// What was seen of a resource that this one refers to.
    pub fn reference(&self, name: &str) -> Option<&Reference> {
        self.references.iter().find(|one| one.name == name)
    }

    /// The token Secret of a resource that this one refers to, if it is that resource's own.
    pub(super) fn token_secret_of(&self, name: &str) -> Option<&SecretSeen> {
        self.reference(name)?.found.as_ref()?.own()
    }

    /// The tokens that go into a request and stand in no credentials Secret, as far as they are there.
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

    /// The versions of the token Secrets that are referred to; `None` while one is not there.
    pub(crate) fn referenced_versions(&self) -> Option<Vec<u64>> {
        let version = |one: &Reference| {
            let secret = one.found.as_ref()?.secret.as_ref()?;
            Some(short(&secret.version()))
        };
        self.references.iter().map(version).collect()
    }
}
