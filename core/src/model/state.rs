//! The state of a token Secret: our annotations, written together with the token.
//!
//! Three annotations contain the times that people read. One contains everything else, as versioned JSON
//! (`state/stored.rs`). They are authoritative across restarts: with them, nothing is requested before it is due
//! (`docs/architecture.md`, "State").

use std::collections::{BTreeMap, BTreeSet};

use ring::digest;

use crate::model::TokenState;
use crate::secret::Secret;
use crate::time::{Span, Time};

use stored::StoredState;

mod former;
mod stored;

/// The prefix of all our labels and annotations.
pub const PREFIX: &str = "oauthclient.dev/";
/// The type of a state Secret, so that no workload mistakes it for a token.
pub const STATE_TYPE: &str = "oauthclient.dev/refresh-state";
/// The label of a state Secret.
pub const STATE_LABEL: &str = "oauthclient.dev/refresh-state";

const ISSUED: &str = "oauthclient.dev/issued-at";
const EXPIRES: &str = "oauthclient.dev/expires-at";
const REFRESH: &str = "oauthclient.dev/refresh-at";
/// Annotation with everything else of the state, as JSON.
const STATE: &str = "oauthclient.dev/state";

/// Stands for the version of credentials of which nothing is known but that a restored token was obtained with them: whatever is
/// there is taken for them.
pub const RESTORED: &str = "restored";

/// The maximum length of a refresh request that is stored unchanged: the limit of the status.
const LONGEST_REQUEST: usize = 256;

impl TokenState {
    /// Parses the state of a token Secret; `None` if it is incomplete, so that a damaged one counts as altered.
    pub fn read(annotations: &BTreeMap<String, String>) -> Option<TokenState> {
        let time = |key: &str| Time::parse_rfc3339(annotations.get(key)?);
        let times = (time(ISSUED)?, time(EXPIRES)?, time(REFRESH)?);
        let stored = match annotations.get(STATE) {
            Some(text) => StoredState::parse(text)?,
            None => former::read(annotations)?,
        };
        Some(stored.with_times(times))
    }

    /// The annotations of this state; `None` is one to remove.
    pub fn write(&self) -> BTreeMap<String, Option<String>> {
        let mut annotations = former::removed();
        let times = [
            (ISSUED, self.issued),
            (EXPIRES, self.expires()),
            (REFRESH, self.refresh),
        ];
        for (key, time) in times {
            annotations.insert(key.to_owned(), Some(time.rfc3339_millis()));
        }
        annotations.insert(STATE.to_owned(), Some(StoredState::of(self).text()));
        annotations
    }

    /// When the token expires.
    pub fn expires(&self) -> Time {
        self.end.at()
    }

    /// The granted or assumed lifetime.
    pub fn lifetime(&self) -> Span {
        self.expires().since(self.issued)
    }

    /// Sets [`TokenState::data_hash`] for the managed keys of the Secret's `data`.
    pub fn seal(mut self, data: &BTreeMap<String, Secret>) -> TokenState {
        self.data_hash = self.hash_of(data);
        self
    }

    /// Whether `data` and the times are as we wrote them.
    pub fn intact(&self, data: &BTreeMap<String, Secret>) -> bool {
        self.data_hash == self.hash_of(data)
    }

    fn hash_of(&self, data: &BTreeMap<String, Secret>) -> String {
        let times = [self.issued, self.expires(), self.refresh].map(Time::rfc3339_millis);
        let mut hash = Hash::new("data");
        for time in &times {
            hash.part(time.as_bytes());
        }
        for key in &self.managed.data {
            hash.part(key.as_bytes());
            match data.get(key) {
                Some(value) => hash.part(value.expose_bytes()),
                None => hash.part_missing(),
            }
        }
        hash.hex()
    }
}

/// How a refresh request is stored: unchanged, or as its hash if a status could not contain it.
pub fn request_name(requested: &str) -> String {
    if requested.len() <= LONGEST_REQUEST {
        return requested.to_owned();
    }
    let mut hash = Hash::new("refresh-request");
    hash.part(requested.as_bytes());
    hash.hex()
}

/// Hash of an access token for [`TokenState::token_hash`], bound to its owner, so that equal tokens of two resources
/// are not visible in their annotations.
pub fn token_hash(owner_uid: &str, access_token: &Secret) -> String {
    let mut hash = Hash::new("token");
    hash.part(owner_uid.as_bytes());
    hash.part(access_token.expose_bytes());
    hash.hex()
}

/// A short hash of those data of a Secret that these keys name.
pub fn data_hash(keys: &BTreeSet<String>, data: &BTreeMap<String, Secret>) -> u64 {
    let mut hash = Hash::new("noted data");
    for key in keys {
        hash.part(key.as_bytes());
        match data.get(key) {
            Some(value) => hash.part(value.expose_bytes()),
            None => hash.part_missing(),
        }
    }
    short(&hash.hex())
}

/// A short hash of a text, for comparisons in compact records. Never 0 and never `u64::MAX`, which mean "none" and
/// "any".
pub fn short(text: &str) -> u64 {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    let mut first = [0_u8; 8];
    for (to, from) in first.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    u64::from_le_bytes(first).clamp(1, u64::MAX - 1)
}

/// SHA-256 over unambiguously separated parts.
struct Hash(digest::Context);

impl Hash {
    fn new(what: &str) -> Self {
        let mut hash = Hash(digest::Context::new(&digest::SHA256));
        hash.part(what.as_bytes());
        hash
    }

    fn part(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    fn part_missing(&mut self) {
        self.0.update(&u64::MAX.to_le_bytes());
    }

    /// 128 bits are enough, because only our own values are compared.
    fn hex(self) -> String {
        let digest = self.0.finish();
        digest
            .as_ref()
            .iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Managed, StateOwner};
    use crate::schedule::{End, Planned, Policy};
    use crate::trust::Lenders;

    fn state() -> TokenState {
        TokenState {
            issued: Time::from_seconds(1000),
            end: End::stored(Time::from_seconds(4600), false),
            refresh: Time::from_millis(3_600_123),
            planned: Some(Planned::with(&Policy::default(), None, 0.25)),
            owner: Some(StateOwner {
                namespace: "ns".into(),
                name: "books".into(),
                group: None,
            }),
            lenders: Some(Lenders::none()),
            inputs: "v1:00".into(),
            credentials: "u/1".into(),
            client_secret_key: None,
            data_hash: String::new(),
            token_hash: "t".into(),
            learnt_window: Some(Span::from_seconds(600)),
            served_again: false,
            handled_request: None,
            remarks: None,
            managed: Managed {
                data: ["access_token".to_owned()].into(),
                ..Managed::default()
            },
        }
    }

    fn data(token: &str) -> BTreeMap<String, Secret> {
        BTreeMap::from([("access_token".to_owned(), Secret::from(token))])
    }

    fn kept(state: &TokenState) -> BTreeMap<String, String> {
        state
            .write()
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)))
            .collect()
    }

    #[test]
    fn a_state_survives_being_written_and_read() {
        let state = state().seal(&data("abc"));
        assert_eq!(TokenState::read(&kept(&state)), Some(state));
    }

    #[test]
    fn a_state_that_lacks_a_part_does_not_count() {
        let whole = kept(&state());
        for key in [ISSUED, EXPIRES, REFRESH, STATE] {
            let mut part = whole.clone();
            part.remove(key);
            assert_eq!(TokenState::read(&part), None, "{key}");
        }
        for field in ["inputs", "credentials", "dataHash", "tokenHash", "managed"] {
            let mut part = whole.clone();
            let mut stored: serde_json::Value = serde_json::from_str(&part[STATE]).unwrap();
            stored.as_object_mut().unwrap().remove(field).unwrap();
            part.insert(STATE.into(), stored.to_string());
            assert_eq!(TokenState::read(&part), None, "{field}");
        }
    }

    #[test]
    fn a_state_of_a_later_version_is_read_as_far_as_this_version_knows_it() {
        let mut later = kept(&state());
        let mut stored: serde_json::Value = serde_json::from_str(&later[STATE]).unwrap();
        stored["version"] = 2.into();
        stored["added"] = "x".into();
        later.insert(STATE.into(), stored.to_string());
        assert_eq!(TokenState::read(&later), Some(state()));
    }

    #[test]
    fn the_annotations_of_earlier_versions_are_read_and_then_replaced_by_one() {
        let state = TokenState {
            owner: None,
            lenders: None,
            planned: None,
            ..state()
        };
        let mut annotations = kept(&state);
        annotations.remove(STATE);
        for (key, value) in [
            ("inputs", "v1:00"),
            ("credentials-version", "u/1"),
            ("data-hash", ""),
            ("token-hash", "t"),
            ("cache-window-seconds", "600"),
            ("managed-keys", r#"{"data":["access_token"]}"#),
        ] {
            annotations.insert(format!("{PREFIX}{key}"), value.into());
        }
        let read = TokenState::read(&annotations);
        assert_eq!(read.as_ref(), Some(&state));
        for (key, value) in read.unwrap().write() {
            match value {
                Some(value) => annotations.insert(key, value),
                None => annotations.remove(&key),
            };
        }
        assert_eq!(annotations, kept(&state));
        assert_eq!(annotations.len(), 4);
    }

    #[test]
    fn altered_data_and_altered_times_are_noticed_and_foreign_keys_are_not() {
        let state = state().seal(&data("abc"));
        assert!(state.intact(&data("abc")));
        assert!(!state.intact(&data("abd")));
        assert!(!state.intact(&BTreeMap::new()));
        let mut foreign = data("abc");
        foreign.insert("theirs".into(), Secret::from("x"));
        assert!(state.intact(&foreign));
        let later = TokenState {
            end: End::stored(Time::from_seconds(9999), false),
            ..state
        };
        assert!(!later.intact(&data("abc")));
    }

    #[test]
    fn a_refresh_request_that_no_status_can_hold_is_known_by_its_hash() {
        assert_eq!(request_name("2026-01-01"), "2026-01-01");
        let long = "x".repeat(257);
        assert_eq!(request_name(&long).len(), 32);
        assert_eq!(request_name(&long), request_name(&long));
        assert_ne!(request_name(&long), request_name(&"y".repeat(257)));
    }

    #[test]
    fn short_hashes_never_mean_none_or_any() {
        assert!(short("") != 0 && short("") != u64::MAX);
        assert_ne!(short("a"), short("b"));
    }
}
