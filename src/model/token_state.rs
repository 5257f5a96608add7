//! The state that a token Secret carries.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::time::{Span, Time};
use crate::trust::Lenders;

/// The state that a token Secret carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenState {
    /// When the request that gave the token was sent.
    pub issued: Time,
    /// When the token expires.
    pub expires: Time,
    /// When it is to be replaced.
    pub refresh: Time,
    /// The resource that the token was issued for; `None` in a state that an earlier version wrote.
    pub owner: Option<StateOwner>,
    /// What was sent and rendered ([`crate::inputs`]).
    pub inputs: String,
    /// Whose secrets it was obtained with; `None` in a state that an earlier version wrote.
    pub lenders: Option<Lenders>,
    /// UID and resourceVersion of the credentials Secret, as `UID/VERSION`.
    pub credentials: String,
    /// The key of the client secret that was sent, where it is the second one (`policy/rotation.rs`).
    pub client_secret_key: Option<String>,
    /// Hash of the data we wrote and of the times above.
    pub data_hash: String,
    /// Hash of the access token: tells whether a server handed out the same one again.
    pub token_hash: String,
    /// The cache window learnt from the server.
    pub learnt_window: Option<Span>,
    /// Whether the server has handed out this very token more than once.
    pub served_again: bool,
    /// The refresh request that was handled last.
    pub handled_request: Option<String>,
    /// Whether the lifetime is assumed, since the server gave none.
    pub assumed: bool,
    /// What was odd about the response but accepted, in sentences.
    pub remarks: Option<String>,
    /// Which keys are ours.
    pub managed: Managed,
}

/// The resource that a token was issued for. Backup tools strip owner references: by this a restored Secret is known again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateOwner {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// The longest remarks that are kept and told: others may write the annotation.
pub(crate) const LONGEST_REMARKS: usize = 2048;

/// The keys of a token Secret that are ours: what is listed here and no longer wanted is removed, all else is left alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Managed {
    /// Keys of `data`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub data: BTreeSet<String>,
    /// Keys of `metadata.labels`, without our own prefix.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub labels: BTreeSet<String>,
    /// Keys of `metadata.annotations`, without our own prefix.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub annotations: BTreeSet<String>,
}

/// Whether a text could be the name of a Secret's key: others may write the annotation.
pub(crate) fn is_key(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    text.len() <= 253 && !text.is_empty() && text.bytes().all(fits)
}
