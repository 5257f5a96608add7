//! The state of refresh tokens: a file beside the output, never in it, that no other user may read.
//!
//! It replaces the state Secret of a cluster, with UID and version, so reconciliation treats it alike. A write is on
//! disk
//! when it returns, before anything is sent or published.

use std::collections::BTreeMap;
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::engine::Key;
use crate::local::state_folder::StoredRefreshState;
use crate::messages::WriteRefusal;
use crate::model::{Owner, STATE_LABEL, STATE_TYPE, SecretBody, SecretSeen, WriteMode};
use crate::reconcile::WriteError;
use crate::secret::Secret;

use super::files::Files;
use super::metadata::merge;
use super::state_folder::{OwnerReference, new_uid};

impl StoredRefreshState {
    /// Whether a resource with this UID owns it.
    pub(super) fn is_owned_by(&self, uid: &str) -> bool {
        self.owners.iter().any(|owner| owner.uid == uid)
    }

    pub(super) fn seen(&self, name: String) -> io::Result<SecretSeen> {
        let mut data = BTreeMap::new();
        for (key, value) in &self.data {
            let bytes = STANDARD
                .decode(value)
                .map_err(|_| io::Error::other("the state of a refresh token cannot be read"))?;
            data.insert(key.clone(), Secret::new(bytes));
        }
        Ok(SecretSeen {
            name,
            uid: self.uid.clone(),
            resource_version: self.resource_version.to_string(),
            type_: STATE_TYPE.to_owned(),
            labels: BTreeMap::from([(STATE_LABEL.to_owned(), "true".to_owned())]),
            annotations: BTreeMap::new(),
            data,
            immutable: false,
            deleting: false,
            owners: self.owners.iter().map(Owner::from).collect(),
        })
    }
}

impl Files {
    /// Writes the state of a refresh token, if the state is still the one that the write was prepared for.
    pub(super) fn write_refresh_state(
        &self,
        key: &Key,
        body: &SecretBody,
    ) -> Result<SecretSeen, WriteError> {
        // Held until the end, so that a deletion that follows also deletes what is written here.
        let known = self.known();
        let uid = known
            .clients
            .get(key)
            .and_then(|stored| stored.object.metadata.uid.clone());
        let uid = uid.ok_or(WriteError::Raced)?;
        let failed = |error: io::Error| {
            tracing::warn!(%error, "the state of a refresh token could not be written");
            match error.kind() {
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    WriteError::Forbidden(WriteRefusal::File {
                        error: error.to_string(),
                    })
                }
                _ => WriteError::Passing(error.to_string()),
            }
        };
        let place = Key::new(key.namespace(), &body.name);
        let before = self.store.refresh_state(&place).map_err(failed)?;
        let mut stored = match (&body.mode, before) {
            (WriteMode::Create, None) => StoredRefreshState {
                uid: new_uid().map_err(failed)?,
                resource_version: 0,
                owners: Vec::new(),
                data: BTreeMap::new(),
            },
            (
                WriteMode::Patch {
                    uid,
                    resource_version,
                },
                Some(stored),
            ) if stored.uid == *uid && stored.resource_version.to_string() == *resource_version => {
                stored
            }
            _ => return Err(WriteError::Raced),
        };
        if let Some(owners) = &body.owners {
            stored.owners = owners.iter().map(OwnerReference::from).collect();
        }
        if !stored.is_owned_by(&uid) {
            return Err(WriteError::Raced);
        }
        let encoded = body.data.iter().map(|(key, value)| {
            let value = value
                .as_ref()
                .map(|value| STANDARD.encode(value.expose_bytes()));
            (key.clone(), value)
        });
        merge(&mut stored.data, &encoded.collect());
        stored.resource_version += 1;
        self.store
            .save_refresh_state(&place, &stored)
            .map_err(failed)?;
        drop(known);
        stored.seen(body.name.clone()).map_err(failed)
    }
}
