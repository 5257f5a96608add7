//! Reads of Secrets that many resources use: one for each version that a watch reports, shared by all of them.
//!
//! A copy is used as long as no watch reports a newer version, and at most for half a minute, so that a delayed watch
//! does no harm. The read names the version from the watch, so the API server may answer it from its cache.

use k8s_openapi::api::core::v1::Secret as ApiSecret;

use crate::engine::Key;
use crate::kubernetes::convert::outdated;
use crate::kubernetes::secret_copies::{Copy, FRESH, size};
use crate::lock::lock;
use crate::model::SecretSeen;
use crate::names::RETRY_REQUESTED;
use crate::reconcile::StoreError;
use crate::time::Span;

use super::convert::secret_seen;
use super::shared::Shared;
use crate::index::{ordered, secret_id};

/// A Secret whose owner may have opted in, as new as a watch has reported.
pub(super) async fn opted_in_secret(
    shared: &Shared,
    key: &Key,
    name: &str,
) -> Result<Option<SecretSeen>, StoreError> {
    let id = secret_id(key.namespace(), name);
    let (known_version, is_shared, seen) = {
        let index = lock(&shared.index);
        let known_version = index.credentials_version_seen(id);
        (known_version, index.is_shared(id), index.secrets_seen())
    };
    match known_version {
        Some(version) if version != 0 && is_shared => {
            shared_read(shared, key.namespace(), name, version).await
        }
        _ => read(shared, key.namespace(), name, seen).await,
    }
}

/// The shared copy of the Secret: at least as new as `version`.
pub(super) async fn shared_read(
    shared: &Shared,
    namespace: &str,
    name: &str,
    version: u64,
) -> Result<Option<SecretSeen>, StoreError> {
    let id = secret_id(namespace, name);
    let slot = shared.secret_reads.slot(namespace, id, shared.clock.now());
    let mut copy = slot.copy.lock().await;
    let now = shared.clock.now();
    if let Some(copy) = &*copy {
        let age = now.since(copy.at);
        if copy.version >= version && age >= Span::ZERO && age < FRESH {
            lock(&shared.index).note_content(id, copy.content);
            return Ok(Some(copy.secret.clone()));
        }
    }
    *copy = None;
    *lock(&slot.held) = (0, now);
    let secret = read(shared, namespace, name, version).await?;
    if let Some(secret) = &secret {
        let bytes = size(secret);
        let version = ordered(Some(&secret.resource_version));
        if version != 0 && shared.secret_reads.has_room(namespace, bytes) {
            *lock(&slot.held) = (bytes, now);
            *copy = Some(Copy {
                at: now,
                version,
                content: content(shared, secret),
                secret: secret.clone(),
            });
        }
    }
    Ok(secret)
}

/// One read, not older than `version` (0 for the newest) and than what a watch has reported.
async fn read(
    shared: &Shared,
    namespace: &str,
    name: &str,
    version: u64,
) -> Result<Option<SecretSeen>, StoreError> {
    let secret = shared
        .calls
        .get_since::<ApiSecret>(namespace, name, version)
        .await?
        .map(secret_seen);
    let id = secret_id(namespace, name);
    let served = secret
        .as_ref()
        .map(|secret| secret.resource_version.as_str());
    let mut index = lock(&shared.index);
    if index.knows_newer_credentials(id, served) {
        return Err(outdated(&format!("of Secret {name}")));
    }
    if let Some(secret) = &secret {
        index.note_content(id, content(shared, secret));
    }
    Ok(secret)
}

/// A keyed hash of a Secret's content, and of its annotation for another attempt.
fn content(shared: &Shared, secret: &SecretSeen) -> u64 {
    let mut context = ring::hmac::Context::with_key(&shared.content_key);
    let mut part = |bytes: &[u8]| {
        context.update(&(bytes.len() as u64).to_le_bytes());
        context.update(bytes);
    };
    part(secret.uid.as_bytes());
    for (key, value) in &secret.data {
        part(key.as_bytes());
        part(value.expose_bytes());
    }
    let retry = secret.annotations.get(RETRY_REQUESTED);
    part(retry.map_or(&[][..], String::as_bytes));
    let tag = context.sign();
    u64::from_le_bytes(tag.as_ref().first_chunk().copied().unwrap_or_default()).max(1)
}
