//! What is written into a Secret of ours, as data.

use std::collections::BTreeMap;
use std::ops::Deref;

use crate::model::{Owner, SecretSeen, TokenState};
use crate::secret::Secret;

/// A write of a Secret of ours: only what is to change of it.
#[derive(Clone)]
pub struct SecretBody {
    /// The Secret's name.
    pub name: String,
    /// Whether it is made or changed.
    pub on: On,
    /// Its type; counts when it is made.
    pub type_: String,
    /// Data to set, or (`None`) to remove.
    pub data: BTreeMap<String, Option<Secret>>,
    /// Labels to set, or (`None`) to remove.
    pub labels: BTreeMap<String, Option<String>>,
    /// Annotations to set, or (`None`) to remove.
    pub annotations: BTreeMap<String, Option<String>>,
    /// The owners it shall have, when they are not as they should be: the foreign ones and ours.
    pub owners: Option<Vec<Owner>>,
}

/// A write of a token Secret: its body, and the state that it carries.
#[derive(Clone)]
pub struct SecretWrite {
    pub(crate) body: SecretBody,
    /// The state that it carries afterwards.
    pub state: TokenState,
    /// All the data of ours, changed or not; empty where the token is left alone.
    pub(crate) rendered: BTreeMap<String, Secret>,
    /// It mends what somebody else altered, and asks for no token.
    pub repairs: bool,
}

impl SecretWrite {
    /// All data of ours once it stands.
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

/// Whether a Secret is made or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum On {
    /// It does not exist: made, and only if it still does not.
    Create,
    /// It exists: changed, if it is still this one.
    Patch {
        /// Its UID.
        uid: String,
        /// Its resourceVersion.
        resource_version: String,
    },
}

/// A Secret of ours to be deleted, by UID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaleSecret {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}
