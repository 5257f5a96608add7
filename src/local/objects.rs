//! The objects in files, as a reconcile reads them: manifests, token Secrets in the output, refresh tokens in the state folder.

use std::io;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::engine::Key;
use crate::index::secret_id;
use crate::model::{AccountSeen, FamilySeen, Memory, Rules, SecretSeen};
use crate::oauth::Nonce;
use crate::reconcile::{ConfigMapRead, Objects, Purpose, ReferencedRead, ResourceRead, StoreError};
use crate::time::{Span, Time};

use super::files::Files;
use super::state_folder::hex;

impl Files {
    /// A Secret that a resource uses: from its manifest, or the token Secret of another resource.
    ///
    /// The version of a manifest is a keyed hash of its data, so neither a restart nor an edit of its labels looks like a change
    /// of the credentials.
    pub(super) fn opted_in_secret(&self, key: &Key) -> io::Result<Option<SecretSeen>> {
        let known = self.known();
        let Some(secret) = known.catalogue.secrets.get(key) else {
            drop(known);
            return self.tokens.see(key);
        };
        let secret = &secret.value;
        let mut content = zeroize::Zeroizing::new(Vec::new());
        for (name, value) in &secret.data {
            for part in [name.as_bytes(), value.expose_bytes()] {
                content.extend_from_slice(&(part.len() as u64).to_le_bytes());
                content.extend_from_slice(part);
            }
        }
        let short = |hash: [u8; 32]| hex(hash.get(..16).unwrap_or_default());
        Ok(Some(SecretSeen {
            name: key.name().to_owned(),
            uid: short(self.store.hash("uid", key.to_string().as_bytes())),
            resource_version: short(self.store.hash("credentials", &content)),
            type_: secret.type_.clone(),
            labels: secret.labels.clone(),
            annotations: secret.annotations.clone(),
            data: secret.data.clone(),
            immutable: false,
            deleting: false,
            owners: Vec::new(),
        }))
    }

    fn refresh_state(&self, key: &Key) -> io::Result<Option<SecretSeen>> {
        let stored = self.store.refresh_state(key)?;
        stored
            .map(|stored| stored.seen(key.name().to_owned()))
            .transpose()
    }
}

impl Objects for Files {
    fn now(&self) -> Time {
        self.clock.now()
    }

    fn nonce(&self) -> Nonce {
        self.clock.nonce()
    }

    fn rules(&self) -> Rules {
        self.rules
    }

    async fn resource(&self, key: &Key) -> Result<Option<ResourceRead>, StoreError> {
        let object = self
            .known()
            .clients
            .get(key)
            .map(|stored| stored.object.clone());
        Ok(object.map(|mut object| {
            // What else a manifest has of the metadata belongs to a cluster.
            object.metadata = ObjectMeta {
                uid: object.metadata.uid,
                generation: object.metadata.generation.or(Some(1)),
                annotations: object.metadata.annotations,
                ..ObjectMeta::default()
            };
            ResourceRead::new(key, object, None)
        }))
    }

    async fn referenced(&self, key: &Key) -> Result<Option<ReferencedRead>, StoreError> {
        let known = self.known();
        let stored = known.clients.get(key);
        Ok(stored.map(|stored| stored.object.clone().into()))
    }

    async fn secret(
        &self,
        key: &Key,
        name: &str,
        purpose: Purpose,
    ) -> Result<Option<SecretSeen>, StoreError> {
        let secret = Key::new(key.namespace(), name);
        let read = match purpose {
            Purpose::Token => self.tokens.see(&secret),
            Purpose::RefreshState => self.refresh_state(&secret),
            Purpose::Login | Purpose::OptedIn => self.opted_in_secret(&secret),
        };
        read.map_err(|error| StoreError::Passing(error.to_string()))
    }

    async fn config_map(
        &self,
        key: &Key,
        name: &str,
        data_key: &str,
    ) -> Result<ConfigMapRead, StoreError> {
        let known = self.known();
        let maps = &known.catalogue.config_maps;
        Ok(match maps.get(&Key::new(key.namespace(), name)) {
            None => ConfigMapRead::Missing,
            Some(map) => match map.value.get(data_key) {
                None => ConfigMapRead::KeyMissing,
                Some(bytes) => ConfigMapRead::Value(bytes.clone()),
            },
        })
    }

    async fn account(&self, _key: &Key, name: &str) -> Result<AccountSeen, StoreError> {
        Ok(match self.account_files.get(name) {
            Some(_) => AccountSeen::Given,
            None => AccountSeen::NoCluster,
        })
    }

    fn stale_secrets(&self, key: &Key, uid: &str, current: &str) -> Vec<String> {
        let owned = self.tokens.owned_by(key.namespace(), uid).into_iter();
        owned
            .map(|(secret, _)| secret.name().to_owned())
            .filter(|name| name != current)
            .collect()
    }

    fn publisher(&self, key: &Key, secret: &str) -> Option<String> {
        let secret = secret_id(key.namespace(), secret);
        let publisher = self.known().index.publisher(key, secret)?;
        Some(publisher.name().to_owned())
    }

    fn cycle(&self, key: &Key) -> Option<Vec<String>> {
        self.known().index.cycle(key)
    }

    fn memory(&self, key: &Key, _uid: &str) -> Memory {
        let known = self.known();
        known.memories.get(key).cloned().unwrap_or_default()
    }

    fn process(&self, attempt: String) -> FamilySeen {
        FamilySeen {
            process: self.process.clone(),
            attempt,
            elapsed: Span::from_seconds_f64(self.clock.elapsed().as_secs_f64()),
            host_time: self.clock.host_time(),
            drain: Span::ZERO,
            // The lock on the state folder ensures it.
            is_only_process: true,
            ..FamilySeen::default()
        }
    }

    fn hash(&self, content: &[u8]) -> u64 {
        let hash = self.store.hash("content", content);
        u64::from_le_bytes(hash.first_chunk().copied().unwrap_or_default())
    }

    fn absence_is_certain(&self) -> bool {
        true
    }

    fn claim(&self, key: &Key, secret: &str) -> Option<String> {
        self.claims.claim(key, secret)
    }
}
