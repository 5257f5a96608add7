//! The token Secrets: metadata from the state and data from the output, read and written as one object.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use crate::engine::Key;
use crate::lock::lock;
use crate::messages::WriteRefusal;
use crate::model::{SecretSeen, SecretWrite, WriteMode};
use crate::reconcile::WriteError;
use crate::secret::Secret;
use crate::time::Time;

use super::folder::{Folder, Removed};
use super::metadata::{change, foreign, merge, secret_seen, write_error};
use super::private::Access;
use super::state_folder::{SecretRecord, StateFolder, Version, new_uid};

/// The size limit of a Secret in bytes, as in Kubernetes.
const MAX_SECRET: usize = 1 << 20;

/// All token Secrets in an output folder.
pub(super) struct Tokens {
    output: PathBuf,
    access: Access,
    known: Mutex<KnownTokens>,
}

#[derive(Default)]
struct KnownTokens {
    records: BTreeMap<Key, SecretRecord>,
    /// A digest of each folder when it was last read or written.
    stamps: BTreeMap<Key, u64>,
}

/// What is at a Secret's path.
enum PathState {
    Nothing,
    /// Something that this program did not create.
    Foreign,
    /// A Secret that this program created.
    Ours {
        /// The version that the metadata belongs to.
        name: String,
        version: Version,
        data: BTreeMap<String, Secret>,
    },
}

impl Tokens {
    /// Reads the state, removes what a crash left, and gives the Secrets to the users with `access`.
    pub(super) fn open(output: &Path, access: Access, store: &StateFolder) -> io::Result<Tokens> {
        let tokens = Tokens {
            output: output.to_owned(),
            access,
            known: Mutex::default(),
        };
        let mut records = store.secrets()?;
        for (key, record) in &mut records {
            tokens.tidy(store, key, record)?;
            tokens.give(key, record)?;
        }
        tokens.lock().records = records;
        Ok(tokens)
    }

    fn lock(&self) -> MutexGuard<'_, KnownTokens> {
        lock(&self.known)
    }

    /// Where a Secret's folder is.
    pub(super) fn folder(&self, key: &Key) -> Folder {
        let path = self.output.join(key.namespace()).join(key.name());
        Folder::with(path, self.access)
    }

    /// Gives the published version to the users with access.
    fn give(&self, key: &Key, record: &SecretRecord) -> io::Result<()> {
        let folder = self.folder(key);
        let Some(current) = folder.current()? else {
            return Ok(());
        };
        match record.versions.get(&current) {
            Some(version) => folder.give(&current, &version.keys),
            None => Ok(()),
        }
    }

    /// The Secret with this name, if there is one.
    pub(super) fn see(&self, key: &Key) -> io::Result<Option<SecretSeen>> {
        let mut known = self.lock();
        let seen = self.seen(key, known.records.get(key))?;
        self.stamp(&mut known, key);
        Ok(seen)
    }

    /// The Secrets of one owner in a namespace, each with its UID.
    pub(super) fn owned_by(&self, namespace: &str, uid: &str) -> Vec<(Key, String)> {
        let known = self.lock();
        let owned = known
            .records
            .iter()
            .filter(|(key, record)| key.namespace() == namespace && record.is_owned_by(uid));
        owned
            .map(|(key, record)| (key.clone(), record.uid.clone()))
            .collect()
    }

    /// The Secrets whose owners are all deleted: what garbage collection deletes in a cluster.
    pub(super) fn orphans(&self, alive: &BTreeSet<String>) -> Vec<(Key, String)> {
        let known = self.lock();
        let is_orphan = |record: &SecretRecord| !alive.iter().any(|uid| record.is_owned_by(uid));
        let orphans = known.records.iter().filter(|(_, record)| is_orphan(record));
        orphans
            .map(|(key, record)| (key.clone(), record.uid.clone()))
            .collect()
    }

    /// The Secrets whose folders another process changed since they were last read or written.
    pub(super) fn touched(&self) -> Vec<Key> {
        let known = self.lock();
        let touched = known.records.iter().filter(|(key, record)| {
            known
                .stamps
                .get(*key)
                .is_some_and(|stamp| *stamp != self.stamp_of(key, record))
        });
        touched.map(|(key, _)| key.clone()).collect()
    }

    /// The names of the owners of the latest version, in the order of its metadata.
    pub(super) fn owner_names(&self, key: &Key) -> Vec<String> {
        let known = self.lock();
        let version = known.records.get(key).and_then(SecretRecord::latest);
        version.map_or_else(Vec::new, |(_, version)| {
            version
                .owners
                .iter()
                .map(|owner| owner.name.clone())
                .collect()
        })
    }

    /// Writes a Secret, if it is still the one that the write was prepared for and `wanted` still holds.
    pub(super) fn write(
        &self,
        store: &StateFolder,
        key: &Key,
        write: &SecretWrite,
        now: Time,
        wanted: impl FnOnce() -> bool,
    ) -> Result<SecretSeen, WriteError> {
        let mut known = self.lock();
        // Checked under the lock, so that a deletion that follows also deletes what is written here.
        if !wanted() {
            return Err(WriteError::Raced);
        }
        let written = self.write_locked(store, &mut known, key, write, now);
        self.stamp(&mut known, key);
        written
    }

    fn write_locked(
        &self,
        store: &StateFolder,
        known: &mut KnownTokens,
        key: &Key,
        write: &SecretWrite,
        now: Time,
    ) -> Result<SecretSeen, WriteError> {
        let folder = self.folder(key);
        let passing = |error: io::Error| write_error(&folder, &error);
        let before = known.records.get(key);
        let (current, mut version, mut data) =
            match (&write.mode, self.path_state(key, before).map_err(passing)?) {
                (WriteMode::Create, PathState::Nothing) => {
                    (None, Version::default(), BTreeMap::new())
                }
                (
                    WriteMode::Patch {
                        uid,
                        resource_version,
                    },
                    PathState::Ours {
                        name,
                        version,
                        data,
                    },
                ) if before.is_some_and(|record| record.uid == *uid)
                    && version.resource_version.to_string() == *resource_version =>
                {
                    (Some(name), version, data)
                }
                _ => return Err(WriteError::Raced),
            };
        change(&mut version, write);
        merge(&mut data, &write.data);
        if data.values().map(Secret::len).sum::<usize>() > MAX_SECRET {
            return Err(WriteError::Refused(WriteRefusal::TooLarge));
        }
        version.resource_version += 1;
        version.keys = data.keys().cloned().collect();
        let mut record = match before {
            Some(record) => record.clone(),
            None => SecretRecord {
                uid: new_uid().map_err(passing)?,
                type_: write.type_.clone(),
                versions: BTreeMap::new(),
            },
        };
        let same_data = current.clone().filter(|_| write.data.is_empty());
        let name = same_data
            .clone()
            .unwrap_or_else(|| version_name(&record, now));
        if current.is_none() {
            version.resource_version +=
                record.latest().map_or(0, |(_, last)| last.resource_version);
            record.type_.clone_from(&write.type_);
        }
        record.versions.insert(name.clone(), version.clone());
        store.save_secret(key, &record).map_err(passing)?;
        known.records.insert(key.clone(), record.clone());
        if same_data.is_none() {
            if !folder.exists().map_err(passing)?
                && let Err(error) = folder.make()
            {
                // Another process was faster: what is there now is not ours, and must not be recorded as ours.
                if known.records.remove(key).is_some() {
                    store.forget_secret(key).map_err(passing)?;
                }
                return Err(passing(error));
            }
            folder.publish(&name, &data).map_err(passing)?;
            // The new version is published. What is left to do can also be done at the next start.
            if let Err(error) = self.tidy(store, key, &mut record) {
                tracing::warn!(secret = %key, %error, "an old version could not be cleared away yet");
            }
            known.records.insert(key.clone(), record.clone());
        }
        Ok(secret_seen(key, &record, &version, data))
    }

    /// Deletes a Secret, if it is still the same one.
    pub(super) fn delete(
        &self,
        store: &StateFolder,
        key: &Key,
        uid: &str,
    ) -> io::Result<Option<Removed>> {
        let mut known = self.lock();
        let Some(record) = known.records.get(key).filter(|record| record.uid == uid) else {
            return Ok(None);
        };
        let removed = self
            .folder(key)
            .remove(record.versions.keys(), &record.keys())?;
        store.forget_secret(key)?;
        known.records.remove(key);
        known.stamps.remove(key);
        Ok(Some(removed))
    }

    fn path_state(&self, key: &Key, record: Option<&SecretRecord>) -> io::Result<PathState> {
        let folder = self.folder(key);
        if folder.is_elsewhere()? {
            return Ok(PathState::Foreign);
        }
        if !folder.exists()? {
            return Ok(PathState::Nothing);
        }
        let Some((record, (latest, last))) =
            record.and_then(|record| Some((record, record.latest()?)))
        else {
            return Ok(PathState::Foreign);
        };
        if !folder.path().symlink_metadata()?.is_dir() {
            return Ok(PathState::Foreign);
        }
        let Some(current) = folder.current()? else {
            // Created, but nothing was published, or the link was removed: written as if nothing were there.
            return Ok(PathState::Nothing);
        };
        Ok(match record.versions.get(&current) {
            Some(version) => PathState::Ours {
                data: folder.read(&current, &version.keys)?,
                name: current,
                version: version.clone(),
            },
            // Another process replaced the version: reported as altered.
            None => PathState::Ours {
                name: latest.clone(),
                version: last.clone(),
                data: BTreeMap::new(),
            },
        })
    }

    fn seen(&self, key: &Key, record: Option<&SecretRecord>) -> io::Result<Option<SecretSeen>> {
        Ok(match self.path_state(key, record)? {
            PathState::Nothing => None,
            PathState::Foreign => Some(foreign(key)),
            PathState::Ours { version, data, .. } => {
                record.map(|record| secret_seen(key, record, &version, data))
            }
        })
    }

    /// Removes all versions except the published one.
    fn tidy(&self, store: &StateFolder, key: &Key, record: &mut SecretRecord) -> io::Result<()> {
        let folder = self.folder(key);
        let Some(current) = folder
            .current()?
            .filter(|current| record.versions.contains_key(current))
        else {
            return Ok(());
        };
        if record.versions.len() == 1 {
            return Ok(());
        }
        let kept = record
            .versions
            .get(&current)
            .map(|version| version.keys.clone())
            .unwrap_or_default();
        for (name, version) in record.versions.iter().filter(|(name, _)| **name != current) {
            folder.retire(name, version.keys.difference(&kept))?;
        }
        record.versions.retain(|name, _| *name == current);
        store.save_secret(key, record)
    }

    fn stamp(&self, known: &mut KnownTokens, key: &Key) {
        if let Some(record) = known.records.get(key) {
            let stamp = self.stamp_of(key, record);
            known.stamps.insert(key.clone(), stamp);
        }
    }

    fn stamp_of(&self, key: &Key, record: &SecretRecord) -> u64 {
        let Some((name, version)) = record.latest() else {
            return 0;
        };
        self.folder(key).stamp(name, &version.keys)
    }
}

/// A name for a version's folder, formed like the kubelet's.
fn version_name(record: &SecretRecord, now: Time) -> String {
    let time = now.rfc3339();
    let stamp: String = time
        .trim_end_matches('Z')
        .chars()
        .map(|c| if c.is_ascii_digit() { c } else { '_' })
        .collect();
    let next = record
        .latest()
        .map_or(0, |(_, version)| version.resource_version)
        + 1;
    format!("..{stamp}.{:03}{next}", now.millis().rem_euclid(1000))
}
