//! The annotation `oauthclient.dev/state`: the state of a token Secret except its times, as versioned JSON.
//!
//! A field may be added without a new version. The known fields of a later version are read, so that a return to an
//! earlier operator requests no token.

use serde::{Deserialize, Serialize};

use crate::model::{LONGEST_REMARKS, Managed, StateOwner, TokenState, is_key};
use crate::schedule::{End, Planned};
use crate::time::{Span, Time};
use crate::trust::Lenders;

/// The version that is written.
const VERSION: u32 = 1;

/// The stored form of the state.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StoredState {
    pub(super) version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) owner: Option<StateOwner>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lenders: Option<Lenders>,
    pub(super) inputs: String,
    pub(super) credentials: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) client_secret_key: Option<String>,
    pub(super) data_hash: String,
    pub(super) token_hash: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cache_window_seconds: Option<i64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) served_again: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) handled_refresh_request: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) lifetime_assumed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) planned: Option<Planned>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) remarks: Option<String>,
    pub(super) managed: Managed,
}

impl StoredState {
    /// Parses the annotation; `None` if it is incomplete.
    pub(super) fn parse(text: &str) -> Option<StoredState> {
        serde_json::from_str(text).ok()
    }

    /// The text of the annotation.
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The stored form of `state`.
    pub(super) fn of(state: &TokenState) -> StoredState {
        StoredState {
            version: VERSION,
            owner: state.owner.clone(),
            lenders: state.lenders.clone(),
            inputs: state.inputs.clone(),
            credentials: state.credentials.clone(),
            client_secret_key: state.client_secret_key.clone(),
            data_hash: state.data_hash.clone(),
            token_hash: state.token_hash.clone(),
            cache_window_seconds: state.learnt_window.map(Span::seconds),
            served_again: state.served_again,
            handled_refresh_request: state.handled_request.clone(),
            lifetime_assumed: state.end.is_assumed(),
            planned: state.planned.clone(),
            remarks: state.remarks.clone(),
            managed: state.managed.clone(),
        }
    }

    /// The state with its times (issued, expires, refresh). Overlong values that others may have written are dropped.
    pub(super) fn with_times(self, (issued, expires, refresh): (Time, Time, Time)) -> TokenState {
        TokenState {
            issued,
            end: End::stored(expires, self.lifetime_assumed),
            refresh,
            planned: self.planned,
            owner: self.owner,
            lenders: self.lenders,
            inputs: self.inputs,
            credentials: self.credentials,
            client_secret_key: self.client_secret_key.filter(|key| is_key(key)),
            data_hash: self.data_hash,
            token_hash: self.token_hash,
            learnt_window: self.cache_window_seconds.map(Span::from_seconds),
            served_again: self.served_again,
            handled_request: self.handled_refresh_request,
            remarks: self.remarks.filter(|text| text.len() <= LONGEST_REMARKS),
            managed: self.managed,
        }
    }
}
