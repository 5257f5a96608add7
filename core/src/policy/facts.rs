//! Converts an observation into the engine's facts: compact, with hashes for what is only compared.

use std::sync::Arc;

use crate::engine::{Attempt, CredentialsFacts, TokenFacts, attempt_inputs};
use crate::inputs;
use crate::model::{
    ClientSecret, FailedAttempt, NO_REFERENCES, Observed, SecretSeen, TokenState, Validated,
    combined_version, short,
};
use crate::oauth::{self, TokenSource};
use crate::policy::token_sources::referenced_tokens;
use crate::secret::Secret;
use crate::time::Time;

/// The hash of a UID.
pub fn uid_fact(uid: &str) -> u64 {
    short(uid)
}

/// The host queue of a resource: host and port of its refresh endpoint, or of its issuer until that is discovered.
pub fn host_queue(spec: &Validated) -> Arc<str> {
    host_queue_of(spec.endpoint())
}

/// The host queue of a URL: its host, with the port if there is one.
pub fn host_queue_of(url: &url::Url) -> Arc<str> {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}").into(),
        None => host.into(),
    }
}

/// The facts about a token Secret; `None` if its state is incomplete or it has no owner of our kind.
pub fn token_facts(secret: &SecretSeen) -> Option<TokenFacts> {
    let state = TokenState::read(&secret.annotations)?;
    let owner = secret
        .owners
        .iter()
        .find(|owner| owner.controller && owner.kind == "OAuthClient")?;
    Some(TokenFacts {
        owner: short(&owner.uid),
        version: short(&secret.version()),
        issued: state.issued,
        expires: state.expires(),
        refresh: state.refresh,
        inputs: inputs::short(&state.inputs),
        credentials: short(&state.credentials),
        refresh_request: state.handled_request.as_deref().map_or(0, short),
    })
}

/// The facts about a credentials Secret: its version.
pub fn credentials_facts(uid: &str, resource_version: &str) -> CredentialsFacts {
    CredentialsFacts {
        version: short(&format!("{uid}/{resource_version}")),
    }
}

/// The facts for a resource that needs no Secret.
pub fn no_references() -> CredentialsFacts {
    CredentialsFacts {
        version: short(NO_REFERENCES),
    }
}

/// The facts about several Secrets together (one hash of all their versions).
pub fn reference_facts(versions: &[u64]) -> CredentialsFacts {
    CredentialsFacts {
        version: short(&combined_version(versions)),
    }
}

impl FailedAttempt {
    /// The engine's fact about it.
    pub fn fact(&self) -> Attempt {
        Attempt {
            failures: self.failures,
            time: self.time,
            next: self.next.unwrap_or(Time::NEVER),
            not_before: self.not_before.unwrap_or(self.time),
            inputs: attempt_inputs(inputs::short(&self.inputs), short(&self.credentials)),
        }
    }
}

/// The part of the credentials that the provider or a template gets, in a form for a keyed hash.
pub fn relevant_content(seen: &Observed, spec: &Validated, client_secret: ClientSecret) -> Secret {
    let credentials = seen.credentials.as_ref();
    let client = &spec.client;
    let mut keys = oauth::request::required_keys(client);
    if client.client_id.is_none() {
        keys.push(client.keys.client_id.clone());
    }
    for name in spec.token_secret.templates.credentials() {
        keys.push(name.to_owned());
        if name == "username" {
            keys.push(client.keys.username.clone());
        }
    }
    keys.sort();
    keys.dedup();
    let mut content = Vec::new();
    for key in keys {
        // By its role in the request: a secret that moves from one key to the other is the same secret.
        let is_secret = client.uses_client_secret() && key == client.keys.client_secret;
        let from = if is_secret {
            client_secret.key(&client.keys)
        } else {
            &key
        };
        let value = credentials.and_then(|secret| secret.data.get(from));
        part(&mut content, &key, value);
    }
    let tokens = seen.tokens(spec);
    for token in referenced_tokens(spec) {
        let value = tokens.find(&TokenSource::Published(token.clone()));
        part(&mut content, &token.client, value);
    }
    Secret::new(content)
}

/// A name with its value, in an unambiguous form.
fn part(content: &mut Vec<u8>, name: &str, value: Option<&Secret>) {
    let length = value.map_or(u64::MAX, |value| value.len() as u64);
    content.extend((name.len() as u64).to_le_bytes());
    content.extend(name.as_bytes());
    content.extend(length.to_le_bytes());
    content.extend(value.map_or(&[][..], |value| value.expose_bytes()));
}
