//! The files with manifests, checked about once a second.
//!
//! No notification service of the system is used, because they miss files on network and container mounts, and checking
//! a few files is cheap.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ring::digest::{SHA256, digest};
use zeroize::Zeroizing;

use super::catalogue::Loaded;
use super::documents;

/// A larger file is not a manifest.
const MAX_FILE: u64 = 4 << 20;
/// In seconds: a file that was modified longer ago has another modification time when it is written again. The coarsest
/// file systems in use count in steps of two seconds.
const RESOLUTION: i64 = 3;
/// The extensions of files that are read in a folder.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// All files on the command line, and those in folders on the command line.
pub(super) struct Sources {
    roots: Vec<PathBuf>,
    files: BTreeMap<PathBuf, SourceFile>,
    /// Changes at the last check. They are read when they no longer change, so that no incomplete file is read.
    unsettled: BTreeMap<PathBuf, Option<FileStamp>>,
    lost: BTreeSet<PathBuf>,
}

struct SourceFile {
    sign: FileStamp,
    content: [u8; 32],
    /// It may have been written again within the resolution of its modification time.
    fresh: bool,
}

/// Distinguishes states of a file without reading it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct FileStamp {
    inode: u64,
    size: u64,
    seconds: i64,
    nanoseconds: i64,
}

impl Sources {
    pub(super) fn new(roots: Vec<PathBuf>) -> Self {
        Sources {
            roots,
            files: BTreeMap::new(),
            unsettled: BTreeMap::new(),
            lost: BTreeSet::new(),
        }
    }

    /// Whether a file is, or would be, among the sources.
    pub(super) fn covers(&self, file: &Path) -> bool {
        self.roots
            .iter()
            .any(|root| file == root || file.parent() == Some(root))
    }

    /// Whether the files hold still, so that the first reading finds whole ones: each is older than the resolution of its
    /// modification time, or is as it was at the last call. `now` is in seconds since 1970.
    ///
    /// A file that is being written while the program starts would otherwise read as empty, which deletes tokens.
    pub(super) fn are_stable(&mut self, now: i64) -> bool {
        // What cannot be listed is an error of `load`.
        let found = self.roots.iter().filter_map(|root| listed(root).ok());
        let recent: BTreeMap<PathBuf, Option<FileStamp>> = found
            .flatten()
            .filter(|(_, sign)| now - sign.seconds < RESOLUTION)
            .map(|(path, sign)| (path, Some(sign)))
            .collect();
        let still = recent == self.unsettled;
        self.unsettled = if still { BTreeMap::new() } else { recent };
        still
    }

    /// Reads everything for the first time.
    ///
    /// # Errors
    /// A path on the command line cannot be read.
    pub(super) fn load(&mut self) -> Result<Loaded, String> {
        for root in self.roots.clone() {
            listed(&root).map_err(|error| format!("cannot read {}: {error}", root.display()))?;
        }
        let found = self.find();
        Ok(self.read(found.into_keys()))
    }

    /// Checks for changes. Returns everything if there are settled ones. `now` is in seconds since 1970, for comparison
    /// with modification times.
    pub(super) fn look(&mut self, now: i64) -> Option<Loaded> {
        let found = self.find();
        let mut unsettled = BTreeMap::new();
        for (path, sign) in &found {
            match self.files.get(path) {
                Some(known) if known.sign == *sign && !known.fresh => {}
                Some(known) if known.sign == *sign => {
                    if content(path).is_ok_and(|(_, content)| content != known.content) {
                        unsettled.insert(path.clone(), Some(*sign));
                    }
                }
                _ => {
                    unsettled.insert(path.clone(), Some(*sign));
                }
            }
        }
        for path in self.files.keys().filter(|path| !found.contains_key(*path)) {
            unsettled.insert(path.clone(), None);
        }
        for (path, known) in &mut self.files {
            known.fresh &= !unsettled.contains_key(path) && now - known.sign.seconds < RESOLUTION;
        }
        let settled = unsettled == self.unsettled;
        if unsettled.is_empty() || !settled {
            self.unsettled = unsettled;
            return None;
        }
        self.unsettled.clear();
        Some(self.read(found.into_keys()))
    }

    /// What was read could not be applied. It is read again at one of the next checks, as if it had changed.
    pub(super) fn read_again(&mut self) {
        for known in self.files.values_mut() {
            known.sign.inode = 0;
        }
    }

    /// All files. Those of a folder that cannot be listed now (such as a lost mount) count as unchanged, because a
    /// missing folder must not delete tokens.
    fn find(&mut self) -> BTreeMap<PathBuf, FileStamp> {
        let mut found = BTreeMap::new();
        for root in self.roots.clone() {
            match listed(&root) {
                Ok(files) => {
                    self.lost.remove(&root);
                    found.extend(files);
                }
                Err(error)
                    if error.kind() == ErrorKind::NotFound && self.files.contains_key(&root) => {}
                Err(error) => {
                    if self.lost.insert(root.clone()) {
                        tracing::warn!(path = %root.display(), %error, "manifests cannot be read; what they said still holds");
                    }
                    let kept = self
                        .files
                        .iter()
                        .filter(|(path, _)| path.parent() == Some(&root) || **path == root);
                    found.extend(kept.map(|(path, known)| (path.clone(), known.sign)));
                }
            }
        }
        found
    }

    fn read(&mut self, paths: impl Iterator<Item = PathBuf>) -> Loaded {
        let mut loaded = Loaded::default();
        let mut files = BTreeMap::new();
        for path in paths {
            let text = fs::symlink_metadata(&path).and_then(|_| content(&path));
            match text {
                Ok((text, content)) => {
                    if let Ok(found) = fs::metadata(&path) {
                        files.insert(
                            path.clone(),
                            SourceFile {
                                sign: FileStamp::of(&found),
                                content,
                                fresh: true,
                            },
                        );
                    }
                    match std::str::from_utf8(&text) {
                        Ok(text) => {
                            let (documents, bad) = documents::read(text);
                            loaded.add(&path, documents, bad);
                        }
                        Err(_) => loaded.unreadable(&path, "is not text in UTF-8"),
                    }
                }
                Err(error) => {
                    // Kept, so that it is read again when it changes, and its previous content stays valid.
                    if let Some(known) = self.files.remove(&path) {
                        files.insert(path.clone(), known);
                    }
                    loaded.unreadable(&path, &format!("cannot be read: {error}"));
                }
            }
        }
        self.files = files;
        loaded
    }
}

impl FileStamp {
    fn of(found: &fs::Metadata) -> FileStamp {
        FileStamp {
            inode: found.ino(),
            size: found.size(),
            seconds: found.mtime(),
            nanoseconds: found.mtime_nsec(),
        }
    }
}

fn content(path: &Path) -> io::Result<(Zeroizing<Vec<u8>>, [u8; 32])> {
    if fs::metadata(path)?.size() > MAX_FILE {
        return Err(io::Error::other("it is larger than 4 MiB"));
    }
    let text = Zeroizing::new(fs::read(path)?);
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, &text).as_ref());
    Ok((text, hash))
}

/// The manifests at a path: the file itself, or those in the folder (not in subfolders).
fn listed(root: &Path) -> io::Result<BTreeMap<PathBuf, FileStamp>> {
    let found = fs::metadata(root)?;
    if !found.is_dir() {
        return Ok(BTreeMap::from([(root.to_owned(), FileStamp::of(&found))]));
    }
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(root)? {
        let path = entry?.path();
        let hidden = path
            .file_name()
            .and_then(|name| name.to_str())
            .is_none_or(|name| name.starts_with('.'));
        let ending = path
            .extension()
            .and_then(|ending| ending.to_str())
            .unwrap_or_default();
        if hidden || !ENDINGS.contains(&ending) {
            continue;
        }
        match fs::metadata(&path) {
            Ok(found) if found.is_file() => {
                files.insert(path, FileStamp::of(&found));
            }
            Ok(_) => {}
            // Removed since the folder was listed, or a dangling link.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: i64 = i64::MAX / 2;

    fn secret(name: &str) -> String {
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\n")
    }

    fn names(loaded: &Loaded) -> Vec<String> {
        loaded.secrets.keys().map(ToString::to_string).collect()
    }

    #[test]
    fn an_edit_is_read_once_it_holds_still() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.yaml"), secret("a")).unwrap();
        let mut sources = Sources::new(vec![folder.path().to_owned()]);
        assert_eq!(names(&sources.load().unwrap()), ["default/a"]);
        assert!(sources.look(LATER).is_none());
        fs::write(folder.path().join("b.yml"), secret("b")).unwrap();
        assert!(sources.look(LATER).is_none(), "seen for the first time");
        assert_eq!(
            names(&sources.look(LATER).unwrap()),
            ["default/a", "default/b"]
        );
        fs::remove_file(folder.path().join("a.yaml")).unwrap();
        assert!(sources.look(LATER).is_none());
        assert_eq!(names(&sources.look(LATER).unwrap()), ["default/b"]);
        assert!(sources.look(LATER).is_none());
    }

    #[test]
    fn the_first_reading_waits_until_files_hold_still() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        let mut sources = Sources::new(vec![folder.path().to_owned()]);
        assert!(sources.are_stable(0), "there is nothing to wait for");
        // An editor that truncates a file and then writes it.
        fs::write(&file, "").unwrap();
        assert!(!sources.are_stable(0));
        fs::write(&file, secret("a")).unwrap();
        assert!(!sources.are_stable(0));
        assert!(sources.are_stable(0));
        assert!(sources.are_stable(LATER), "an old file holds still");
        assert_eq!(names(&sources.load().unwrap()), ["default/a"]);
        assert!(sources.look(LATER).is_none());
    }

    #[test]
    fn a_folder_that_is_gone_deletes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let manifests = folder.path().join("manifests");
        fs::create_dir(&manifests).unwrap();
        fs::write(manifests.join("a.yaml"), secret("a")).unwrap();
        let mut sources = Sources::new(vec![manifests.clone()]);
        sources.load().unwrap();
        fs::remove_dir_all(&manifests).unwrap();
        assert!(sources.look(LATER).is_none());
        assert!(sources.look(LATER).is_none());
    }

    #[test]
    fn a_named_file_that_is_gone_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        fs::write(&file, secret("a")).unwrap();
        let mut sources = Sources::new(vec![file.clone()]);
        sources.load().unwrap();
        fs::remove_file(&file).unwrap();
        assert!(sources.look(LATER).is_none());
        assert!(names(&sources.look(LATER).unwrap()).is_empty());
        fs::write(&file, secret("a")).unwrap();
        assert!(sources.look(LATER).is_none());
        assert_eq!(names(&sources.look(LATER).unwrap()), ["default/a"]);
    }

    #[test]
    fn a_path_that_is_not_there_is_an_error_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let mut sources = Sources::new(vec![folder.path().join("nothing")]);
        assert!(sources.load().err().unwrap().contains("nothing"));
    }
}
