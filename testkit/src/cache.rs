//! Things that are built or installed once, outside the checkout, and kept for all later runs.

use crate::{Context, Error, Result};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// The folder that `fill` has once filled for this `kind` of thing with this `key` (all that it depends on).
///
/// Blocks. Several processes may call it at once: one fills, the others wait for it. A filling cut short is never taken for a
/// whole one. The folder lies in `XDG_CACHE_HOME`, or else in `~/.cache`.
///
/// # Errors
/// When there is no place for a cache, or `fill` fails; then nothing is kept.
pub(crate) fn filled_once(
    kind: &str,
    key: &[u8],
    fill: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let cache = base_folder()?.join(kind);
    let dir = cache.join(short_hash(key));
    if dir.is_dir() {
        return Ok(dir);
    }
    fs::create_dir_all(&cache).context(|| format!("cannot make {}", cache.display()))?;
    let path = cache.join("lock");
    let lock = File::create(&path).context(|| format!("cannot make {}", path.display()))?;
    if lock.try_lock().is_err() {
        eprintln!(
            "testkit: another process is filling the cache of the {kind}; waiting for it ({})",
            path.display()
        );
        lock.lock()
            .context(|| format!("cannot lock {}", path.display()))?;
    }
    if dir.is_dir() {
        return Ok(dir);
    }
    // Whatever lies there is of a filling that was cut short: the lock is ours.
    let unfinished = dir.with_extension("tmp");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished)
            .context(|| format!("cannot remove {}", unfinished.display()))?;
    }
    fs::create_dir_all(&unfinished).context(|| format!("cannot make {}", unfinished.display()))?;
    fill(&unfinished)?;
    fs::rename(&unfinished, &dir)
        .context(|| format!("cannot move {} to {}", unfinished.display(), dir.display()))?;
    Ok(dir)
}

fn base_folder() -> Result<PathBuf> {
    let set = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let base = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    let base = base.ok_or_else(|| {
        Error::new("neither XDG_CACHE_HOME nor HOME is set: no place for a cache")
    })?;
    Ok(base.join("oauthclient-operator"))
}

/// The first 16 hex digits of the SHA-256: another content is another folder.
fn short_hash(key: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, key);
    let digits = digest.as_ref().iter().take(8);
    digits.map(|byte| format!("{byte:02x}")).collect()
}
