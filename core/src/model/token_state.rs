//! The state that a token Secret carries.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::schedule::{End, Planned};
use crate::time::{Span, Time};
use crate::trust::Lenders;

/// The state of a token Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenState {
    /// When the request that gave the token was sent.
    pub issued: Time,
    /// When the token expires, and how that is known.
    pub end: End,
    /// When it is to be replaced.
    pub refresh: Time,
    /// What that time was computed from; `None` in a state of an earlier version.
    pub planned: Option<Planned>,
    /// The resource that the token was issued for; `None` in a state of an earlier version.
    pub owner: Option<StateOwner>,
    /// The inputs of request and templates ([`crate::inputs`]).
    pub inputs: String,
    /// Its lenders; `None` in a state of an earlier version.
    pub lenders: Option<Lenders>,
    /// UID and resourceVersion of the credentials Secret, as `UID/VERSION`.
    pub credentials: String,
    /// The key of the client secret that was sent, if it is the second one (`policy/rotation.rs`).
    pub client_secret_key: Option<String>,
    /// Hash of our data and of the times above.
    pub data_hash: String,
    /// Hash of the access token: shows whether a server returned the same one again.
    pub token_hash: String,
    /// The cache window learned from the server.
    pub learnt_window: Option<Span>,
    /// Whether the server has returned this token more than once.
    pub served_again: bool,
    /// The last handled refresh request.
    pub handled_request: Option<String>,
    /// Accepted deviations of the response, as sentences.
    pub remarks: Option<String>,
    /// Which keys are ours.
    pub managed: Managed,
}

/// The resource that a token was issued for. Backup tools strip owner references: this identifies a restored Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateOwner {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The group of operators that serves it (`--resource-group`); `None` if there are no groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// The maximum length of remarks, because others may write the annotation.
pub const LONGEST_REMARKS: usize = 2048;

/// Our keys of a token Secret: what is listed and no longer needed is removed, everything else is not changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Managed {
    /// Keys of `data`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub data: BTreeSet<String>,
    /// Keys of `metadata.labels`, without those with our own prefix.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub labels: BTreeSet<String>,
    /// Keys of `metadata.annotations`, without those with our own prefix.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub annotations: BTreeSet<String>,
}

/// Whether a text could be a key of a Secret, because others may write the annotation.
pub fn is_key(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    text.len() <= 253 && !text.is_empty() && text.bytes().all(fits)
}
