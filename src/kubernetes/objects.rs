//! The objects of the cluster, as a reconcile reads them.
//!
//! Reads name the newest version that a watch or an answer has shown, so that the API server can answer them from its watch
//! cache. Refresh tokens are read as they are in etcd.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Secret as ApiSecret, ServiceAccount};

use crate::engine::Key;
use crate::index::secret_id;
use crate::lock::lock;
use crate::model::{AccountSeen, FamilySeen, Memory, Observed, Rules, SecretSeen};
use crate::oauth::Nonce;
use crate::reconcile::{ConfigMapRead, Objects, Purpose, ReferencedRead, ResourceRead, StoreError};
use crate::time::{Span, Time};

use super::calls::CallError;
use super::convert::{config_map_read, outdated, secret_seen};
use super::permission_denied;
use super::secret_reads::opted_in_secret;
use super::shared::{ClusterStore, Shared};
use super::stored::StoredResource;

impl Objects for ClusterStore {
    fn now(&self) -> Time {
        self.0.clock.now()
    }

    fn nonce(&self) -> Nonce {
        self.0.clock.nonce()
    }

    fn rules(&self) -> Rules {
        self.0.rules
    }

    async fn resource(&self, key: &Key) -> Result<Option<ResourceRead>, StoreError> {
        let stored = match self.0.recent(key) {
            Some(stored) => Some(stored),
            None => current(&self.0, key).await?,
        };
        Ok(stored.map(|stored| {
            self.0.note_unknown(key, &stored);
            ResourceRead::new(key, stored.object, stored.problem)
        }))
    }

    async fn referenced(&self, key: &Key) -> Result<Option<ReferencedRead>, StoreError> {
        let stored = current(&self.0, key).await?;
        Ok(stored.map(|stored| stored.object.into()))
    }

    async fn secret(
        &self,
        key: &Key,
        name: &str,
        purpose: Purpose,
    ) -> Result<Option<SecretSeen>, StoreError> {
        match purpose {
            Purpose::Token => {
                let since = lock(&self.0.index).secrets_seen();
                secret_since(&self.0, key, name, since).await
            }
            Purpose::RefreshState => secret_since(&self.0, key, name, 0).await,
            Purpose::Login => login(&self.0, key, name).await,
            Purpose::OptedIn => opted_in_secret(&self.0, key, name).await,
        }
    }

    /// Read for each reconcile, because ConfigMaps are not watched.
    async fn config_map(
        &self,
        key: &Key,
        name: &str,
        data_key: &str,
    ) -> Result<ConfigMapRead, StoreError> {
        let map = self.0.calls.get::<ConfigMap>(key.namespace(), name).await?;
        Ok(config_map_read(map, data_key))
    }

    /// Read for each reconcile, because `ServiceAccounts` are not watched.
    async fn account(&self, key: &Key, name: &str) -> Result<AccountSeen, StoreError> {
        let api = self.0.calls.api::<ServiceAccount>(key.namespace());
        match self.0.calls.call(api.get_metadata(name)).await {
            Ok(object) => Ok(AccountSeen::There {
                uid: object.metadata.uid.unwrap_or_default(),
                annotations: object.metadata.annotations.unwrap_or_default(),
            }),
            Err(error) if error.is_not_found() => Ok(AccountSeen::Missing),
            Err(CallError::Refused(status)) if status.code == 403 => Ok(AccountSeen::Forbidden),
            Err(error) => Err(error.into()),
        }
    }

    fn stale_secrets(&self, key: &Key, _uid: &str, current: &str) -> Vec<String> {
        lock(&self.0.index).stale_secrets(key, current)
    }

    fn stale_secret_is_gone(&self, key: &Key, name: &str) {
        lock(&self.0.index).remove_stale_secret(key, name);
    }

    fn publisher(&self, key: &Key, secret: &str) -> Option<String> {
        let secret = secret_id(key.namespace(), secret);
        let publisher = lock(&self.0.index).publisher(key, secret)?;
        Some(publisher.name().to_owned())
    }

    fn cycle(&self, key: &Key) -> Option<Vec<String>> {
        lock(&self.0.index).cycle(key)
    }

    fn memory(&self, key: &Key, uid: &str) -> Memory {
        self.0.memory(key, uid)
    }

    fn process(&self, attempt: String) -> FamilySeen {
        FamilySeen {
            process: self.0.process.name.clone(),
            attempt,
            elapsed: Span::from_seconds_f64(self.0.clock.elapsed().as_secs_f64()),
            host_time: self.0.clock.host_time(),
            drain: self.0.process.drain,
            is_only_process: false,
            ..FamilySeen::default()
        }
    }

    fn hash(&self, content: &[u8]) -> u64 {
        let tag = ring::hmac::sign(&self.0.content_key, content);
        u64::from_le_bytes(tag.as_ref().first_chunk().copied().unwrap_or_default())
    }

    fn claim(&self, key: &Key, secret: &str) -> Option<String> {
        self.0.claims.claim(key, secret)
    }

    fn deleting_for(&self, key: &Key) -> Duration {
        self.0.deleting_for(key)
    }

    async fn permission_is_missing(&self, seen: &Observed, permission: &str) {
        permission_denied::report_denied(&self.0, seen, permission).await;
    }
}

/// The resource from the API server, as new as the watch has reported. An older one comes from a cache in between: a token
/// requested with it would follow an outdated spec.
async fn current(shared: &Shared, key: &Key) -> Result<Option<StoredResource>, StoreError> {
    let since = lock(&shared.index).resource_seen(key);
    let object = shared
        .calls
        .get_since::<StoredResource>(key.namespace(), key.name(), since)
        .await?;
    let version = object
        .as_ref()
        .and_then(|stored| stored.object.metadata.resource_version.as_deref());
    if lock(&shared.index).knows_newer(key, version) {
        return Err(outdated("of this resource"));
    }
    Ok(object)
}

async fn secret_since(
    shared: &Shared,
    key: &Key,
    name: &str,
    version: u64,
) -> Result<Option<SecretSeen>, StoreError> {
    let secret = shared
        .calls
        .get_since::<ApiSecret>(key.namespace(), name, version)
        .await?;
    Ok(secret.map(secret_seen))
}

/// The login Secret, as new as a watch has reported.
async fn login(shared: &Shared, key: &Key, name: &str) -> Result<Option<SecretSeen>, StoreError> {
    let seen = secret_since(shared, key, name, 0).await?;
    let version = seen.as_ref().map(|secret| secret.resource_version.as_str());
    let id = secret_id(key.namespace(), name);
    if lock(&shared.index).knows_newer_credentials(id, version) {
        return Err(outdated("of the login Secret"));
    }
    Ok(seen)
}
