//! What is written into a Secret of ours, as data.

use std::collections::BTreeMap;
use std::ops::Deref;

use crate::model::{Owner, SecretSeen, TokenState};
use crate::secret::Secret;

/// A write to a Secret of ours: only its changes.
#[derive(Clone)]
pub struct SecretBody {
    /// The Secret's name.
    pub name: String,
    /// Whether it is created or changed.
    pub mode: WriteMode,
    /// Its type, for creation.
    pub type_: String,
    /// Data to set or (`None`) to remove.
    pub data: BTreeMap<String, Option<Secret>>,
    /// Labels to set or (`None`) to remove.
    pub labels: BTreeMap<String, Option<String>>,
    /// Annotations to set or (`None`) to remove.
    pub annotations: BTreeMap<String, Option<String>>,
    /// The owners to set, if they are not as they should be: foreign ones and ours.
    pub owners: Option<Vec<Owner>>,
}

/// A write to a token Secret: its body, and its state.
#[derive(Clone)]
pub struct SecretWrite {
    /// What to write.
    pub body: SecretBody,
    /// The state after the write.
    pub state: TokenState,
    /// All our data, changed or not; empty if the token is not changed.
    pub rendered: BTreeMap<String, Secret>,
    /// Whether it repairs what someone else altered, without requesting a token.
    pub repairs: bool,
}

impl SecretWrite {
    /// All our data after the write.
    pub fn data_after(&self, target: Option<&SecretSeen>) -> BTreeMap<String, Secret> {
        if self.rendered.is_empty() {
            return target.map_or_else(BTreeMap::new, |target| target.data.clone());
        }
        self.rendered.clone()
    }
}

impl Deref for SecretWrite {
    type Target = SecretBody;

    fn deref(&self) -> &SecretBody {
        &self.body
    }
}

/// Whether a Secret is created or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteMode {
    /// It does not exist: created only if that is still so.
    Create,
    /// It exists: changed only if it is still this one.
    Patch {
        /// Its UID.
        uid: String,
        /// Its resourceVersion.
        resource_version: String,
    },
}

/// A Secret of ours to delete, by UID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaleSecret {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}
