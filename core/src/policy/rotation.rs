//! Rotation of two client secrets: which one is sent, and when the other one is tried.
//!
//! The *key* of the secret that worked is stored, never its value: on the token Secret, with the version of the
//! credentials. The other secret is tried only if the provider refuses the client, once for each content of the Secret.

use crate::messages::FollowUp;
use crate::model::{ClientSecret, Failure, Observed, SecretSeen, TokenState, Validated, short};
use crate::oauth::Client;
use crate::oauth::error::RefusalSubject;
use crate::policy::ownership::our_target;
use crate::time::{Span, Time};

/// How long after a refusal the other secret is tried, as after any failure.
const PAUSE: Span = Span::from_millis(2500);

/// Whether a credentials Secret contains a second client secret that this client could send.
pub fn has_next(spec: &Validated, credentials: Option<&SecretSeen>) -> bool {
    let keys = &spec.client.keys;
    spec.client.uses_client_secret()
        && keys.next_client_secret != keys.client_secret
        && credentials.is_some_and(|secret| secret.data.contains_key(&keys.next_client_secret))
}

/// The secret that a published token was requested with.
pub fn requested_with(state: &TokenState) -> ClientSecret {
    match state.client_secret_key {
        Some(_) => ClientSecret::Next,
        None => ClientSecret::Current,
    }
}

/// The secret that goes first: the one that worked last, if the Secret still contains it under either key.
pub(super) fn first(seen: &Observed, spec: &Validated) -> ClientSecret {
    if seen.next_content.is_none() {
        return ClientSecret::Current;
    }
    let Some(state) = our_target(seen, spec).and_then(SecretSeen::state) else {
        return ClientSecret::Current;
    };
    if seen.credentials_version().as_ref() == Some(&state.credentials) {
        let next = state.client_secret_key.as_ref() == Some(&spec.client.keys.next_client_secret);
        return if next {
            ClientSecret::Next
        } else {
            ClientSecret::Current
        };
    }
    let known = seen.memory.fingerprint.as_ref();
    let known = known.filter(|known| known.version == short(&state.credentials));
    match known.map(|known| known.content) {
        Some(content) if seen.content == Some(content) => ClientSecret::Current,
        Some(content) if seen.next_content == Some(content) => ClientSecret::Next,
        _ => ClientSecret::Current,
    }
}

/// The secret for the next request.
pub(super) fn next_secret(seen: &Observed, spec: &Validated) -> ClientSecret {
    let first = first(seen, spec);
    let refused = refused(seen);
    let keys = &spec.client.keys;
    let is_refused = |secret: ClientSecret| refused.contains(secret.key(keys));
    if seen.next_content.is_some() && is_refused(first) && !is_refused(first.other()) {
        first.other()
    } else {
        first
    }
}

/// The client with the secret for the next request.
pub(super) fn client(seen: &Observed, spec: &Validated) -> Client {
    client_with(spec, next_secret(seen, spec))
}

/// The client with the other secret; `None` if there is only one.
pub(super) fn other_client(seen: &Observed, spec: &Validated) -> Option<Client> {
    has_next(spec, seen.credentials.as_ref())
        .then(|| client_with(spec, next_secret(seen, spec).other()))
}

fn client_with(spec: &Validated, secret: ClientSecret) -> Client {
    let mut client = spec.client.clone();
    client.keys.client_secret = secret.key(&client.keys).clone();
    client
}

/// The key of the secret that is sent, if it is the second one.
pub(super) fn sent_key(seen: &Observed) -> Option<String> {
    let spec = seen.resource.spec.as_ref().ok()?;
    next_secret(seen, spec).stored_key(spec)
}

/// The keys of the secrets that the provider has refused in the failed attempt, if that still applies.
fn refused(seen: &Observed) -> &[String] {
    let Some(attempt) = seen.memory.attempt.as_deref() else {
        return &[];
    };
    let same = seen.credentials_version().as_ref() == Some(&attempt.credentials)
        || (attempt.content.is_some() && attempt.content == seen.whole_content());
    let counts =
        same && attempt.inputs == seen.resource.inputs && seen.unhandled_request().is_none();
    if counts { &attempt.refused } else { &[] }
}

/// The consequences of a refused client if there are two secrets.
pub(super) struct RefusedSecrets {
    /// The keys that were refused so far.
    pub(super) refused: Vec<String>,
    /// When the other one is tried; `None` if both were refused, or there is no other.
    pub(super) other_at: Option<Time>,
    /// What follows from it.
    pub(super) remark: Option<FollowUp>,
}

/// Evaluates a failure; `None` if it is not about the client, or there is only one secret.
pub(super) fn evaluate(
    seen: &Observed,
    spec: &Validated,
    failure: &Failure,
    received: Time,
) -> Option<RefusedSecrets> {
    // Providers report a wrong secret differently. Any refusal that may mean it counts, because the other secret is
    // tried only once for each content of the Secret.
    let of_client = failure
        .about()
        .is_some_and(RefusalSubject::may_refuse_client);
    let mut refused = refused(seen).to_vec();
    seen.next_content?;
    if !of_client {
        // It is not about the secret, so the order stays.
        return (!refused.is_empty()).then_some(RefusedSecrets {
            refused,
            other_at: None,
            remark: None,
        });
    }
    let keys = &spec.client.keys;
    let sent = next_secret(seen, spec);
    if !refused.contains(sent.key(keys)) {
        refused.push(sent.key(keys).clone());
    }
    let other = sent.other().key(keys);
    let tried = refused.contains(other);
    let remark = match tried {
        true => FollowUp::BothSecrets,
        false => FollowUp::OtherSecret {
            other: other.clone(),
        },
    };
    Some(RefusedSecrets {
        refused,
        other_at: (!tried).then(|| received + PAUSE),
        remark: Some(remark),
    })
}
