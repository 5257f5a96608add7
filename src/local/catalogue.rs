//! The content of all manifests together, and its changes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use super::documents::{BadDocument, Document, Manifest, SecretManifest};
use crate::api::OAuthClient;
use crate::engine::Key;

/// Everything that was read in one pass.
#[derive(Default)]
pub(super) struct Loaded {
    pub(super) clients: BTreeMap<Key, Defined<OAuthClient>>,
    pub(super) secrets: BTreeMap<Key, Defined<SecretManifest>>,
    pub(super) config_maps: BTreeMap<Key, Defined<BTreeMap<String, Vec<u8>>>>,
    pub(super) problems: Vec<BadManifest>,
}

/// An object and the file that defines it.
#[derive(Clone, PartialEq)]
pub(super) struct Defined<T> {
    pub(super) value: T,
    pub(super) source: PathBuf,
}

/// A document that is refused, as the API server would refuse it. Its objects stay as they were.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BadManifest {
    file: PathBuf,
    /// From 1; 0 for the whole file.
    document: usize,
    line: Option<u64>,
    field: String,
    message: String,
}

impl fmt::Display for BadManifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if self.document > 0 {
            write!(f, " document {}", self.document)?;
        }
        if self.field.is_empty() {
            write!(f, ": {}", self.message)
        } else {
            write!(f, ": {}: {}", self.field, self.message)
        }
    }
}

impl BadManifest {
    /// A change of a resource that is not allowed.
    pub(super) fn refused(file: &Path, field: &str, message: String) -> Self {
        BadManifest {
            file: file.to_owned(),
            document: 0,
            line: None,
            field: field.to_owned(),
            message,
        }
    }
}

impl Loaded {
    /// Adds the content of one file.
    pub(super) fn add(&mut self, file: &Path, documents: Vec<Document>, bad: Vec<BadDocument>) {
        let source = file.to_owned();
        self.problems.extend(bad.into_iter().map(|bad| BadManifest {
            file: source.clone(),
            document: bad.number,
            line: bad.line,
            field: bad.field,
            message: bad.message,
        }));
        for Document {
            number,
            key,
            manifest,
        } in documents
        {
            let source = source.clone();
            let taken = match manifest {
                Manifest::Client(client) => define(&mut self.clients, &key, *client, source),
                Manifest::Secret(secret) => define(&mut self.secrets, &key, secret, source),
                Manifest::ConfigMap(data) => define(&mut self.config_maps, &key, data, source),
            };
            if let Err(other) = taken {
                self.problems.push(BadManifest {
                    file: file.to_owned(),
                    document: number,
                    line: None,
                    field: "metadata.name".to_owned(),
                    message: format!(
                        "{key} is already in {}: keep one of the two",
                        other.display()
                    ),
                });
            }
        }
    }

    /// A file that could not be read.
    pub(super) fn unreadable(&mut self, file: &Path, message: &str) {
        self.problems
            .push(BadManifest::refused(file, "", message.to_owned()));
    }

    /// Files with a refused document. What they defined before and do not define now stays.
    fn bad_files(&self) -> BTreeSet<PathBuf> {
        self.problems
            .iter()
            .map(|problem| problem.file.clone())
            .collect()
    }
}

fn define<T>(
    all: &mut BTreeMap<Key, Defined<T>>,
    key: &Key,
    value: T,
    source: PathBuf,
) -> Result<(), PathBuf> {
    if let Some(other) = all.get(key) {
        return Err(other.source.clone());
    }
    all.insert(key.clone(), Defined { value, source });
    Ok(())
}

/// The content that was read last.
#[derive(Default)]
pub(super) struct Catalogue {
    pub(super) secrets: BTreeMap<Key, Defined<SecretManifest>>,
    pub(super) config_maps: BTreeMap<Key, Defined<BTreeMap<String, Vec<u8>>>>,
}

/// The differences from the previous content.
pub(super) struct Changes {
    /// Every defined resource.
    pub(super) clients: BTreeMap<Key, Defined<OAuthClient>>,
    /// Files with a refused document.
    pub(super) bad_files: BTreeSet<PathBuf>,
    /// Credentials that were added, removed or changed.
    pub(super) secrets: BTreeSet<Key>,
    /// ConfigMaps that were added, removed or changed.
    pub(super) config_maps: BTreeSet<Key>,
    /// The refused documents.
    pub(super) problems: Vec<BadManifest>,
}

impl Catalogue {
    /// Applies what was read.
    pub(super) fn take(&mut self, loaded: Loaded) -> Changes {
        let bad_files = loaded.bad_files();
        Changes {
            secrets: replace(&mut self.secrets, loaded.secrets, &bad_files),
            config_maps: replace(&mut self.config_maps, loaded.config_maps, &bad_files),
            clients: loaded.clients,
            problems: loaded.problems,
            bad_files,
        }
    }
}

/// Replaces `all` by `now`, and returns what changed. What a bad file defined before is kept.
fn replace<T: PartialEq>(
    all: &mut BTreeMap<Key, Defined<T>>,
    mut now: BTreeMap<Key, Defined<T>>,
    bad_files: &BTreeSet<PathBuf>,
) -> BTreeSet<Key> {
    let mut changed: BTreeSet<Key> = now
        .keys()
        .filter(|key| !all.contains_key(*key))
        .cloned()
        .collect();
    for (key, before) in std::mem::take(all) {
        match now.get(&key) {
            Some(new) if new.value == before.value => {}
            Some(_) => {
                changed.insert(key);
            }
            None if bad_files.contains(&before.source) => {
                now.insert(key, before);
            }
            None => {
                changed.insert(key);
            }
        }
    }
    *all = now;
    changed
}
