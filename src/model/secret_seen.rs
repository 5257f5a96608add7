//! Objects of the cluster as they were seen.

use std::collections::BTreeMap;

use crate::model::{TokenState, short};
use crate::secret::Secret;

/// A Secret as it was seen.
#[derive(Clone)]
pub struct SecretSeen {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: String,
    /// Its type.
    pub type_: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations; secret too, because `kubectl apply` copies data into one.
    pub annotations: BTreeMap<String, String>,
    /// Its data.
    pub data: BTreeMap<String, Secret>,
    /// Whether it is immutable.
    pub immutable: bool,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Its owners.
    pub owners: Vec<Owner>,
}

/// An owner reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// API group and version.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
    /// Whether it is the managing controller.
    pub controller: bool,
}

/// The observed CA bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaSeen {
    /// The resource names none.
    NotNamed,
    /// The ConfigMap does not exist.
    Missing,
    /// The ConfigMap lacks the key.
    KeyMissing,
    /// PEM text; the HTTP client decides whether it can be parsed.
    Pem(String),
    /// PEM text without a usable certificate, with the reason.
    Broken(String),
}

/// The version for a resource that needs no Secret.
pub const NO_REFERENCES: &str = "none";

impl CaSeen {
    /// A hash of the certificates; `None` if there are none that can be used.
    pub fn hash(&self) -> Option<u64> {
        match self {
            CaSeen::Pem(pem) => Some(short(pem)),
            _ => None,
        }
    }
}

impl SecretSeen {
    /// UID and resourceVersion as text: the version of the Secret.
    pub fn version(&self) -> String {
        format!("{}/{}", self.uid, self.resource_version)
    }

    /// Its state, if complete.
    pub fn state(&self) -> Option<TokenState> {
        TokenState::read(&self.annotations)
    }

    /// Whether a label has this value.
    pub fn has_label(&self, key: &str, value: &str) -> bool {
        self.labels.get(key).is_some_and(|found| found == value)
    }
}

const KIND: &str = "OAuthClient";

const GROUP_SLASH: &str = "oauthclient.dev/";

impl Owner {
    /// Whether it is our kind `OAuthClient`; OpenShift has a kind of the same name.
    pub(crate) fn is_of_our_kind(&self) -> bool {
        self.kind == KIND && self.api_version.starts_with(GROUP_SLASH)
    }
}

/// Several versions as one: of the credentials Secret (or [`NO_REFERENCES`]), then of each token Secret referred to,
/// each as [`short`] makes it.
pub(crate) fn lent_together(versions: &[u64]) -> String {
    let texts: Vec<String> = versions.iter().map(|one| format!("{one:016x}")).collect();
    format!("lent:{:016x}", short(&texts.join(",")))
}
