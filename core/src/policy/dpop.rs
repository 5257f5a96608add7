//! The key that a resource's tokens are bound to (DPoP, RFC 9449): which one it is, and when a new one is generated.
//!
//! A key of the user's own stands in the credentials Secret under `dpop_key`, and is never published. Any other is
//! generated, kept in the state Secret, and published with the token.

use url::Url;

use crate::messages::CredentialsFinding;
use crate::model::{
    FamilyRecord, GeneratedKey, Observed, Problem, SecretBody, ServerNonce, Validated,
};
use crate::oauth::ClientAuthentication;
use crate::oauth::dpop::{self, KEY, ProofKey};
use crate::secret::Secret;

use super::refresh_token;

/// The key of the user's own, in the credentials Secret.
fn own_key(seen: &Observed) -> Option<&Secret> {
    seen.credentials.as_ref()?.data.get(KEY)
}

/// The stored generated key, if it is still the requested one.
fn stored_key(seen: &Observed, spec: &Validated) -> Option<GeneratedKey> {
    let state = seen.family.state.as_ref()?;
    if !state.is_owned_by(&seen.resource) {
        return None;
    }
    let record = seen.record()?.ok()?;
    let stored = record.dpop.as_ref()?;
    let wanted = spec.dpop.as_ref()?;
    (stored.rotation == wanted.rotation || is_bound(spec, &record)).then(|| stored.clone())
}

/// Whether the refresh token works with the key alone: that of a public client does (RFC 9449 section 5).
fn is_bound(spec: &Validated, record: &FamilyRecord) -> bool {
    record.refresh_token.is_some() && spec.client.authentication == ClientAuthentication::None
}

/// The write that keeps a newly generated key, where one is needed: before any request, so that no token is bound to a key
/// that is lost.
pub(super) fn key_write(seen: &Observed, spec: &Validated) -> Option<SecretBody> {
    let wanted = spec.dpop.as_ref()?;
    // What has no process keeps nothing: a trial.
    if own_key(seen).is_some() || stored_key(seen, spec).is_some() || seen.family.process.is_empty()
    {
        return None;
    }
    let mut record = seen.record().and_then(Result::ok).unwrap_or_default();
    record.owned_by(seen.resource.state_owner(), &seen.resource.uid);
    record.dpop = Some(GeneratedKey {
        key: dpop::generate(&seen.nonce.random).ok()?,
        rotation: wanted.rotation.clone(),
    });
    Some(refresh_token::state_secret_write(seen, &record))
}

/// The server of a URL, as far as a nonce is its own.
fn server(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// A nonce of the server at `url`, to be remembered.
pub fn nonce_of(url: &Url, nonce: String) -> ServerNonce {
    let server = server(url);
    ServerNonce { server, nonce }
}

/// What a request of the resource to `url` proves possession of; `None` where it proves nothing.
pub(super) fn proof_key(seen: &Observed, spec: &Validated, url: &Url) -> Option<ProofKey> {
    spec.dpop.as_ref()?;
    let key = match own_key(seen) {
        Some(own) => own.clone(),
        None => match stored_key(seen, spec) {
            Some(stored) => stored.key,
            // Of a trial: it ends with it.
            None => dpop::generate(&seen.nonce.random).ok()?,
        },
    };
    let server = server(url);
    let mut nonces = seen.memory.family.dpop_nonces.iter();
    let nonce = nonces.find(|known| known.server == server);
    Some(ProofKey {
        key,
        nonce: nonce.map(|known| known.nonce.clone()),
    })
}

/// The key as templates see it: the generated one. `None` for the user's own.
pub(super) fn published_key(seen: &Observed, spec: &Validated) -> Option<Secret> {
    spec.dpop.as_ref()?;
    match own_key(seen) {
        Some(_) => None,
        None => stored_key(seen, spec).map(|stored| stored.key).or_else(|| {
            let is_trial = seen.family.process.is_empty();
            is_trial.then(|| dpop::generate(&seen.nonce.random).ok())?
        }),
    }
}

/// What keeps the templates from being rendered: they publish a key that the owner of the credentials keeps.
pub(super) fn not_published(seen: &Observed, spec: &Validated) -> Option<Problem> {
    spec.dpop.as_ref()?;
    own_key(seen)?;
    let templates = &spec.token_secret.templates;
    let name = ["dpop_key", "dpop_jwk"]
        .into_iter()
        .find(|name| templates.uses(name))?;
    let secret = seen.credentials.as_ref()?;
    Some(Problem::waiting(CredentialsFinding::OwnDpopKey {
        secret: secret.name.clone(),
        name: name.to_owned(),
    }))
}
