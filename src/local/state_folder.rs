//! The state that survives a restart: the resources as an API server would store them, and the metadata of the token
//! Secrets.
//!
//! ```text
//! OUTPUT/.state/
//!   lock                            held while a process uses this output
//!   key                             random: the key for hashes of credentials
//!   oauthclients/NAMESPACE/NAME     the object with UID, generation and status, and its file
//!   secrets/NAMESPACE/NAME          the metadata of the token Secret, by version of its folder
//!   refresh/NAMESPACE/NAME          the next refresh token, and the response that contained it
//! ```
//!
//! A token Secret consists of its metadata here and its data in the output. Both change atomically: the metadata of the
//! next version is written first, beside the current one, and `..data` determines which of them is valid.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::api::OAuthClient;
use crate::engine::Key;

use super::private::{
    absent_is_fine, clear_unfinished, make_folders, open_own, own_folder, read_own, replace_file,
};

/// A stored resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct StoredClient {
    /// The file of the manifest.
    pub(super) source: PathBuf,
    /// The object, with UID, generation and status.
    pub(super) object: OAuthClient,
}

/// The metadata of a token Secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SecretRecord {
    pub(super) uid: String,
    #[serde(rename = "type")]
    pub(super) type_: String,
    /// By the name of the folder with the data: the current version, and during a write the next one.
    pub(super) versions: BTreeMap<String, Version>,
}

/// The mutable part of a token Secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Version {
    /// Increases with each write.
    pub(super) resource_version: u64,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) owners: Vec<OwnerReference>,
    /// The keys of the data.
    pub(super) keys: BTreeSet<String>,
}

/// An owner reference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OwnerReference {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) controller: bool,
}

/// The state folder.
pub(super) struct StateFolder {
    root: PathBuf,
    hashing: hmac::Key,
    /// Open as long as the process uses the folder.
    _lock: Lock,
}

const CLIENTS: &str = "oauthclients";
const SECRETS: &str = "secrets";
const REFRESH: &str = "refresh";

impl StateFolder {
    /// Opens the state, and creates it if there is none.
    ///
    /// # Errors
    /// For people: it cannot be created or read, or another process uses it.
    pub(super) fn open(root: &Path) -> Result<StateFolder, String> {
        let describe = |what: &str, error: &dyn std::fmt::Display| {
            format!("{what} {}: {error}", root.display())
        };
        make_folders(root).map_err(|error| describe("cannot create the state folder", &error))?;
        let lock = lock(root)?;
        let hashing = hashing_key(root)
            .map_err(|error| describe("cannot use the key in the folder of state", &error))?;
        tidy(root).map_err(|error| describe("cannot write to the folder of state", &error))?;
        Ok(StateFolder {
            root: root.to_owned(),
            hashing,
            _lock: lock,
        })
    }

    /// A keyed hash: equal for equal bytes as long as the state exists, and useless for guessing them without it.
    pub(super) fn hash(&self, what: &str, bytes: &[u8]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.hashing);
        context.update(&(what.len() as u64).to_le_bytes());
        context.update(what.as_bytes());
        context.update(bytes);
        let mut hash = [0; 32];
        hash.copy_from_slice(context.sign().as_ref());
        hash
    }

    /// All stored resources.
    pub(super) fn clients(&self) -> io::Result<BTreeMap<Key, StoredClient>> {
        self.all(CLIENTS)
    }

    /// The metadata of all token Secrets.
    pub(super) fn secrets(&self) -> io::Result<BTreeMap<Key, SecretRecord>> {
        self.all(SECRETS)
    }

    pub(super) fn save_client(&self, key: &Key, stored: &StoredClient) -> io::Result<()> {
        self.save(CLIENTS, key, stored)
    }

    pub(super) fn save_secret(&self, key: &Key, record: &SecretRecord) -> io::Result<()> {
        self.save(SECRETS, key, record)
    }

    pub(super) fn forget_client(&self, key: &Key) -> io::Result<()> {
        absent_is_fine(fs::remove_file(self.path(CLIENTS, key)))
    }

    pub(super) fn forget_secret(&self, key: &Key) -> io::Result<()> {
        absent_is_fine(fs::remove_file(self.path(SECRETS, key)))
    }

    /// The state of the refresh token of one resource.
    pub(super) fn refresh_state(&self, key: &Key) -> io::Result<Option<StoredRefreshState>> {
        let path = self.path(REFRESH, key);
        match read_own(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|_| io::Error::other(format!("{} cannot be read", path.display()))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All states of refresh tokens, by the name of the state Secret.
    pub(super) fn refresh_states(&self) -> io::Result<BTreeMap<Key, StoredRefreshState>> {
        self.all(REFRESH)
    }

    pub(super) fn save_refresh_state(
        &self,
        key: &Key,
        stored: &StoredRefreshState,
    ) -> io::Result<()> {
        self.save(REFRESH, key, stored)
    }

    pub(super) fn forget_refresh_state(&self, key: &Key) -> io::Result<()> {
        absent_is_fine(fs::remove_file(self.path(REFRESH, key)))
    }

    fn path(&self, kind: &str, key: &Key) -> PathBuf {
        self.root
            .join(kind)
            .join(key.namespace())
            .join(format!("{}.json", key.name()))
    }

    fn save(&self, kind: &str, key: &Key, value: &impl Serialize) -> io::Result<()> {
        let path = self.path(kind, key);
        if let Some(parent) = path.parent() {
            own_folder(parent)?;
        }
        let json = serde_json::to_vec_pretty(value).map_err(io::Error::other)?;
        replace_file(&path, &json)
    }

    fn all<T: DeserializeOwned>(&self, kind: &str) -> io::Result<BTreeMap<Key, T>> {
        let mut all = BTreeMap::new();
        for (namespace, folder) in entries(&self.root.join(kind))? {
            for (file, path) in entries(&folder)? {
                let Some(name) = file.strip_suffix(".json") else {
                    continue;
                };
                let value = serde_json::from_slice(&read_own(&path)?).map_err(|error| {
                    io::Error::other(format!("{} cannot be read: {error}", path.display()))
                })?;
                all.insert(Key::new(&namespace, name), value);
            }
        }
        Ok(all)
    }
}

/// Creates the folders of the kinds, and removes what a crash left in them.
fn tidy(root: &Path) -> io::Result<()> {
    clear_unfinished(root)?;
    for kind in [CLIENTS, SECRETS, REFRESH] {
        let kind = root.join(kind);
        own_folder(&kind)?;
        for (_, namespace) in entries(&kind)? {
            own_folder(&namespace)?;
            clear_unfinished(&namespace)?;
        }
    }
    Ok(())
}

/// Names and paths in a folder.
fn entries(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if let Ok(name) = entry.file_name().into_string() {
            found.push((name, entry.path()));
        }
    }
    Ok(found)
}

/// The right to work on an output.
struct Lock(File);

impl Drop for Lock {
    /// Closing the file is not enough: a child that is being started still has it open.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

fn lock(root: &Path) -> Result<Lock, String> {
    let path = root.join("lock");
    let file =
        open_own(&path).map_err(|error| format!("cannot open {}: {error}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(format!(
            "another process works on this output already (it holds {}): stop it, or choose another --output",
            path.display()
        )),
        Err(TryLockError::Error(error)) => Err(format!("cannot lock {}: {error}", path.display())),
    }
}

fn hashing_key(root: &Path) -> io::Result<hmac::Key> {
    let path = root.join("key");
    let bytes = match read_own(&path) {
        Ok(bytes) if bytes.len() == 32 => bytes,
        Ok(_) => {
            return Err(io::Error::other(
                "it is damaged; if you delete it, every token is requested again",
            ));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let fresh = zeroize::Zeroizing::new(random::<32>()?.to_vec());
            replace_file(&path, &fresh)?;
            fresh
        }
        Err(error) => return Err(error),
    };
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| io::Error::other("the system gives no random bytes"))?;
    Ok(bytes)
}

/// A fresh UID (RFC 9562, version 4).
pub(super) fn new_uid() -> io::Result<String> {
    let mut bytes = u128::from_be_bytes(random::<16>()?);
    bytes = bytes & !(0xf << 76) | (0x4 << 76);
    bytes = bytes & !(0x3 << 62) | (0x2 << 62);
    let hex = format!("{bytes:032x}");
    let parts = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)];
    let parts: Vec<&str> = parts
        .iter()
        .filter_map(|(from, to)| hex.get(*from..*to))
        .collect();
    Ok(parts.join("-"))
}

/// Hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl SecretRecord {
    /// The valid version: the one that readers see, or else the latest.
    pub(super) fn latest(&self) -> Option<(&String, &Version)> {
        self.versions
            .iter()
            .max_by_key(|(_, version)| version.resource_version)
    }

    /// All keys of all versions.
    pub(super) fn keys(&self) -> BTreeSet<String> {
        self.versions
            .values()
            .flat_map(|version| version.keys.clone())
            .collect()
    }

    /// Whether a resource with this UID owns it.
    pub(super) fn is_owned_by(&self, uid: &str) -> bool {
        self.latest()
            .is_some_and(|(_, version)| version.owners.iter().any(|owner| owner.uid == uid))
    }
}

/// The stored state of one resource.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StoredRefreshState {
    pub(super) uid: String,
    pub(super) resource_version: u64,
    pub(super) owners: Vec<OwnerReference>,
    /// In base64.
    pub(super) data: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_process_works_on_an_output() {
        let folder = tempfile::tempdir().unwrap();
        let first = StateFolder::open(folder.path()).unwrap();
        let refused = StateFolder::open(folder.path()).err().unwrap();
        assert!(refused.contains("another process"), "{refused}");
        drop(first);
        assert!(StateFolder::open(folder.path()).is_ok());
    }

    #[test]
    fn hashes_outlive_the_process_and_differ_between_outputs() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let hash = |root: &Path| StateFolder::open(root).unwrap().hash("a", b"b");
        assert_eq!(hash(one.path()), hash(one.path()));
        assert_ne!(hash(one.path()), hash(two.path()));
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = StateFolder::open(folder.path()).unwrap();
        let key = Key::new("shop", "token");
        let record = SecretRecord {
            uid: new_uid().unwrap(),
            type_: "Opaque".into(),
            versions: BTreeMap::from([("..1".into(), Version::default())]),
        };
        store.save_secret(&key, &record).unwrap();
        assert_eq!(
            store.secrets().unwrap(),
            BTreeMap::from([(key.clone(), record)])
        );
        store.forget_secret(&key).unwrap();
        assert!(store.secrets().unwrap().is_empty());
    }

    #[test]
    fn uids_are_of_version_4() {
        let uid = new_uid().unwrap();
        assert_eq!(uid.len(), 36, "{uid}");
        assert_eq!(uid.as_bytes()[14], b'4', "{uid}");
        assert!(b"89ab".contains(&uid.as_bytes()[19]), "{uid}");
    }
}
