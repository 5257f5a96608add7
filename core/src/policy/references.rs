//! Tokens of other resources in a request: whether they may be used, and their values.

use crate::messages::{NoToken, ReferenceFinding};
use crate::model::{Observed, Problem, Reference, SecretSeen, Validated, short};
use crate::names::CREDENTIALS_LABEL;
use crate::oauth::{PublishedToken, TokenSource, TokensInHand};
use crate::policy::token_sources::referenced_tokens;
use crate::time::{Span, Time};

use super::provenance;

/// What prevents using the tokens of other resources.
pub(super) fn not_ready(seen: &Observed, spec: &Validated, now: Time) -> Option<Problem> {
    if let Some(way) = &seen.cycle {
        return Some(cycle(way));
    }
    referenced_tokens(spec)
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
        && referenced_tokens(spec).into_iter().any(|token| {
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
        return Some(Problem::waiting(ReferenceFinding::NotFound {
            client: name.clone(),
            namespace: namespace.clone(),
        }));
    };
    let Some(secret) = found.own() else {
        return Some(no_token(seen, name, NoToken::NotIssued));
    };
    if !secret.has_label(CREDENTIALS_LABEL, "true") {
        return Some(Problem::waiting(ReferenceFinding::NotOptedIn {
            client: name.clone(),
            namespace: namespace.clone(),
        }));
    }
    if secret.state().is_some()
        && let Some(problem) = provenance::secret_not_ready(seen, spec, secret)
    {
        return Some(problem);
    }
    match secret.state() {
        Some(state) if !state.intact(&secret.data) => {
            return Some(no_token(seen, name, NoToken::Repairing));
        }
        Some(state) if state.expires() <= now => {
            return Some(no_token(seen, name, NoToken::Expired));
        }
        None => return Some(no_token(seen, name, NoToken::NotIssued)),
        Some(_) => {}
    }
    let value = secret.data.get(&token.key);
    let usable = value.and_then(|value| value.expose());
    if usable.is_none_or(|text| text.is_empty() || text.chars().any(char::is_control)) {
        return Some(Problem::waiting(ReferenceFinding::KeyMissing {
            client: name.clone(),
            secret: secret.name.clone(),
            key: token.key.clone(),
        }));
    }
    None
}

fn no_token(seen: &Observed, name: &str, why: NoToken) -> Problem {
    Problem::waiting(ReferenceFinding::NotReady {
        client: name.to_owned(),
        namespace: seen.resource.namespace.clone(),
        why,
    })
}

fn cycle(way: &[String]) -> Problem {
    Problem::stalled(ReferenceFinding::Cycle { way: way.to_vec() })
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
    pub fn tokens(&self, spec: &Validated) -> TokensInHand {
        let mut tokens = self.created_tokens.clone();
        for token in referenced_tokens(spec) {
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
    pub fn referenced_versions(&self) -> Option<Vec<u64>> {
        let version = |one: &Reference| {
            let secret = one.found.as_ref()?.secret.as_ref()?;
            Some(short(&secret.version()))
        };
        self.references.iter().map(version).collect()
    }
}
