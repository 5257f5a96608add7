//! Objects of the cluster as they were seen.

use std::collections::BTreeMap;

use crate::model::{STATE_LABEL, STATE_TYPE, TokenState, short};
use crate::names::TOKEN_LABEL;
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

    /// Whether an `OAuthClient` writes it or has written it, so that its labels and annotations are not its owner's consent. A
    /// restored one may have lost its owner.
    pub fn is_written_by_a_resource(&self) -> bool {
        self.owners.iter().any(Owner::is_of_our_kind)
            || self.labels.contains_key(TOKEN_LABEL)
            || self.is_refresh_state()
            || self.state().is_some()
    }

    /// Whether it holds, or held, the refresh token of a resource.
    pub fn is_refresh_state(&self) -> bool {
        self.type_ == STATE_TYPE || self.labels.contains_key(STATE_LABEL)
    }

    /// The Secret with only those data that its labels and annotations speak for. In a Secret that a resource writes, they come
    /// from that resource, and its state names the lenders of the token alone: other keys (of a Secret that was adopted, or of
    /// a Secret that held something else before) are nobody's to give.
    #[must_use]
    pub fn only_opted_in(mut self) -> SecretSeen {
        if self.is_refresh_state() {
            self.data.clear();
        } else if self.is_written_by_a_resource() {
            let state = self.state();
            let managed = state.map(|state| state.managed.data).unwrap_or_default();
            self.data.retain(|key, _| managed.contains(key));
        }
        self
    }
}

const KIND: &str = "OAuthClient";

const GROUP_SLASH: &str = "oauthclient.dev/";

impl Owner {
    /// Whether it is our kind `OAuthClient`; OpenShift has a kind of the same name.
    pub fn is_of_our_kind(&self) -> bool {
        self.kind == KIND && self.api_version.starts_with(GROUP_SLASH)
    }
}

/// Several versions as one: of the credentials Secret (or [`NO_REFERENCES`]), then of each token Secret referred to,
/// each as [`short`] makes it.
pub fn combined_version(versions: &[u64]) -> String {
    let texts: Vec<String> = versions.iter().map(|one| format!("{one:016x}")).collect();
    format!("lent:{:016x}", short(&texts.join(",")))
}
