//! A folder for a control plane's data, removed when no process uses it any more.

use crate::{Context, Result};
use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// What the names of the folders begin with.
const PREFIX: &str = "cp-";
/// The file in every folder that its owner keeps locked until it ends.
const OWNER: &str = "owner.lock";

/// A folder of this process's own. Dropping it removes it; what a killed process left is removed by the next one that makes a folder.
#[derive(Debug)]
pub(super) struct DataDir {
    path: PathBuf,
    /// The kernel unlocks it when the process ends for any reason, so others see that the folder is unused.
    _owner: File,
}

impl DataDir {
    /// Creates a new folder that no other user can read, and removes those of ended processes.
    pub(super) fn create() -> Result<DataDir> {
        let base = base_folder()?;
        let path = base.join("sweep.lock");
        // Held while a folder is made, so that a sweeper never sees one that is not locked yet.
        let sweeping = File::create(&path).context(|| format!("cannot make {}", path.display()))?;
        sweeping
            .lock()
            .context(|| format!("cannot lock {}", path.display()))?;
        sweep(&base);
        let path = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempdir_in(&base)
            .context(|| format!("cannot make a folder in {}", base.display()))?
            .keep();
        let owner = File::create(path.join(OWNER))
            .context(|| format!("cannot write to {}", path.display()))?;
        owner
            .lock()
            .context(|| format!("cannot lock {}", path.display()))?;
        Ok(DataDir {
            path,
            _owner: owner,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        // What cannot be removed now is swept later.
        let _swept_later = fs::remove_dir_all(&self.path);
    }
}

/// One folder a user, for them to be able to sweep it.
fn base_folder() -> Result<PathBuf> {
    let uid = fs::metadata("/proc/self")
        .context(|| "cannot read /proc/self")?
        .uid();
    let base = std::env::temp_dir().join(format!("oauthclient-operator-testkit-{uid}"));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&base)
        .context(|| format!("cannot make {}", base.display()))?;
    Ok(base)
}

/// Removes the folders of ended processes. The caller holds the lock on `base`.
fn sweep(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        // A folder without owner is what an earlier sweep could not remove whole.
        let owner = File::open(entry.path().join(OWNER));
        if owner.is_ok_and(|owner| owner.try_lock().is_err()) {
            continue;
        }
        // A child of the ended process may still be writing; then the next call removes it.
        let _next_time = fs::remove_dir_all(entry.path());
    }
}
