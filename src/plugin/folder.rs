//! A folder of manifests instead of a cluster, as `oauthclient-operator local` reads it.

use std::path::{Path, PathBuf};

use crate::local::Manifests;
use crate::plugin::problem::Problem;

use super::new_secret::NewSecret;

/// The file for a Secret, if it contains nothing else and no other file contains the Secret.
pub(super) fn file_for(manifests: &Manifests, new_secret: &NewSecret) -> Result<PathBuf, Problem> {
    let file = manifests.folder().join(format!("{}.yaml", new_secret.name));
    let (namespace, name) = (&new_secret.namespace, &new_secret.name);
    match manifests.secret(namespace, name) {
        Some(found) if same_file(found.file, &file) => {
            new_secret.may_replace(Some(found.labels))?;
        }
        Some(found) => {
            return Err(Problem::new(format!(
                "Secret {namespace}/{name} is already in {}: remove it there, then run the command again",
                found.file.display()
            )));
        }
        None if file.exists() => {
            return Err(Problem::new(format!(
                "{} exists and holds something else than Secret {namespace}/{name}, so it is not changed: rename it",
                file.display()
            )));
        }
        None => {}
    }
    Ok(file)
}

/// Writes the file, which only its owner can read.
pub(super) fn put(
    manifests: &Manifests,
    file: &Path,
    new_secret: &NewSecret,
) -> Result<(), Problem> {
    manifests
        .write(file, &new_secret.manifest())
        .map_err(|error| Problem::new(format!("{} cannot be written: {error}", file.display())))
}

fn same_file(one: &Path, other: &Path) -> bool {
    one == other
        || one
            .canonicalize()
            .ok()
            .is_some_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}

/// Reads a folder.
pub(super) fn read(folder: &Path) -> Result<Manifests, Problem> {
    Manifests::read(folder).map_err(Problem::new)
}
