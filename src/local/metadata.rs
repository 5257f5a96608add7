//! A token Secret's metadata: how a write changes it, and how a reconciliation sees it.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};

use crate::engine::Key;
use crate::messages::WriteRefusal;
use crate::model::{Owner, SecretSeen, SecretWrite};
use crate::reconcile::WriteError;
use crate::secret::Secret;

use super::folder::Folder;
use super::state_folder::{OwnerReference, SecretRecord, Version};

pub(super) fn change(version: &mut Version, write: &SecretWrite) {
    merge(&mut version.labels, &write.labels);
    merge(&mut version.annotations, &write.annotations);
    if let Some(owners) = &write.owners {
        version.owners = owners.iter().map(OwnerReference::from).collect();
    }
}

impl From<&Owner> for OwnerReference {
    fn from(owner: &Owner) -> Self {
        OwnerReference {
            api_version: owner.api_version.clone(),
            kind: owner.kind.clone(),
            name: owner.name.clone(),
            uid: owner.uid.clone(),
            controller: owner.controller,
        }
    }
}

impl From<&OwnerReference> for Owner {
    fn from(owner: &OwnerReference) -> Self {
        Owner {
            api_version: owner.api_version.clone(),
            kind: owner.kind.clone(),
            name: owner.name.clone(),
            uid: owner.uid.clone(),
            controller: owner.controller,
        }
    }
}

pub(super) fn merge<T: Clone>(
    all: &mut BTreeMap<String, T>,
    changes: &BTreeMap<String, Option<T>>,
) {
    for (key, value) in changes {
        match value {
            Some(value) => {
                all.insert(key.clone(), value.clone());
            }
            None => {
                all.remove(key);
            }
        }
    }
}

pub(super) fn secret_seen(
    key: &Key,
    record: &SecretRecord,
    version: &Version,
    data: BTreeMap<String, Secret>,
) -> SecretSeen {
    SecretSeen {
        name: key.name().to_owned(),
        uid: record.uid.clone(),
        resource_version: version.resource_version.to_string(),
        type_: record.type_.clone(),
        labels: version.labels.clone(),
        annotations: version.annotations.clone(),
        data,
        immutable: false,
        deleting: false,
        owners: version.owners.iter().map(Owner::from).collect(),
    }
}

/// An object at a Secret's path that this program did not create: a Secret without an owner or an annotation of ours.
pub(super) fn foreign(key: &Key) -> SecretSeen {
    SecretSeen {
        name: key.name().to_owned(),
        uid: String::new(),
        resource_version: String::new(),
        type_: "Opaque".to_owned(),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        data: BTreeMap::new(),
        immutable: false,
        deleting: false,
        owners: Vec::new(),
    }
}

pub(super) fn write_error(folder: &Folder, error: &io::Error) -> WriteError {
    let place = folder.path().display();
    let file = |error: &io::Error| WriteRefusal::File {
        error: format!("{place}: {error}"),
    };
    tracing::warn!(%place, %error, "a token could not be written");
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            WriteError::Forbidden(file(error))
        }
        ErrorKind::Other | ErrorKind::NotADirectory | ErrorKind::IsADirectory => {
            WriteError::Refused(file(error))
        }
        ErrorKind::AlreadyExists => WriteError::Raced,
        _ => WriteError::Passing(format!("{place}: {error}")),
    }
}
