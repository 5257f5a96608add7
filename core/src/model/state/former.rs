//! The annotations of earlier versions, one for each field of the state: still read, so that an upgrade requests no
//! token, and removed by the next write.

use std::collections::BTreeMap;

use super::stored::StoredState;

const INPUTS: &str = "oauthclient.dev/inputs";
const CREDENTIALS: &str = "oauthclient.dev/credentials-version";
const CLIENT_SECRET_KEY: &str = "oauthclient.dev/client-secret-key";
const DATA_HASH: &str = "oauthclient.dev/data-hash";
const TOKEN_HASH: &str = "oauthclient.dev/token-hash";
const WINDOW: &str = "oauthclient.dev/cache-window-seconds";
const HANDLED: &str = "oauthclient.dev/handled-refresh-request";
const SERVED_AGAIN: &str = "oauthclient.dev/served-again";
const ASSUMED: &str = "oauthclient.dev/lifetime-assumed";
const REMARKS: &str = "oauthclient.dev/remarks";
const MANAGED: &str = "oauthclient.dev/managed-keys";

/// Parses the state from them; `None` if it is incomplete.
pub(super) fn read(annotations: &BTreeMap<String, String>) -> Option<StoredState> {
    let text = |key: &str| annotations.get(key).cloned();
    Some(StoredState {
        version: 0,
        owner: None,
        lenders: None,
        inputs: text(INPUTS)?,
        credentials: text(CREDENTIALS)?,
        client_secret_key: text(CLIENT_SECRET_KEY),
        data_hash: text(DATA_HASH)?,
        token_hash: text(TOKEN_HASH)?,
        cache_window_seconds: text(WINDOW).and_then(|text| text.parse().ok()),
        served_again: annotations.contains_key(SERVED_AGAIN),
        handled_refresh_request: text(HANDLED),
        lifetime_assumed: annotations.contains_key(ASSUMED),
        planned: None,
        remarks: text(REMARKS),
        managed: serde_json::from_str(annotations.get(MANAGED)?).ok()?,
    })
}

/// All of them, to be removed.
pub(super) fn removed() -> BTreeMap<String, Option<String>> {
    [
        INPUTS,
        CREDENTIALS,
        CLIENT_SECRET_KEY,
        DATA_HASH,
        TOKEN_HASH,
        WINDOW,
        HANDLED,
        SERVED_AGAIN,
        ASSUMED,
        REMARKS,
        MANAGED,
    ]
    .map(|key| (key.to_owned(), None))
    .into()
}
