//! A folder with the layout of a mounted Secret.
//!
//! ```text
//! bokbasen-token/
//!   ..2026_11_22_18_24_57.482910377/access_token   the data, in a new folder for each write
//!   ..data -> ..2026_11_22_18_24_57.482910377      replaced by one rename: readers see all changes at once
//!   access_token -> ..data/access_token            the path that workloads open
//! ```
//!
//! A program that reads a mounted Secret reads this folder with the same code, and one that watches `..data` gets the
//! same event.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::private::{
    Access, absent_is_fine, make_folder, make_folders, may_be_ours, open_existing, own_folder,
    sync, sync_parent, write_new,
};
use crate::secret::Secret;

/// The link that is replaced.
const DATA: &str = "..data";
/// Renamed to [`DATA`]; the kubelet uses the same name.
const NEXT_DATA: &str = "..data_tmp";
/// Renamed to a key's link.
const NEXT_LINK: &str = "..link_tmp";
/// A larger file at a key's place is not read: a Secret has at most 1 MiB.
const MAX_FILE: u64 = 1 << 20;

/// The folder of one Secret.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf, Access);

impl Folder {
    /// A folder that nobody else may read.
    #[cfg(test)]
    pub(super) fn new(path: PathBuf) -> Self {
        Folder(path, Access::default())
    }

    /// A folder that those with `access` may read.
    pub(super) fn with(path: PathBuf, access: Access) -> Self {
        Folder(path, access)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Whether it is in a folder of another user, or behind a link. Then nothing is read or written there.
    pub(super) fn is_elsewhere(&self) -> io::Result<bool> {
        let namespace = self.0.parent().map_or(Ok(true), may_be_ours);
        Ok(!namespace?)
    }

    /// Whether anything is at its place, including a dangling link.
    pub(super) fn exists(&self) -> io::Result<bool> {
        Ok(look(&self.0)?.is_some())
    }

    /// The version that readers see: the target of `..data`. `None` if there is no such link.
    pub(super) fn current(&self) -> io::Result<Option<String>> {
        let is_folder = look(&self.0)?.is_some_and(|found| found.is_dir());
        if !is_folder {
            return Ok(None);
        }
        match fs::read_link(self.0.join(DATA)) {
            Ok(target) => Ok(target.to_str().map(str::to_owned)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            // Not a link: someone else put something there.
            Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What readers see of these keys in a version. A missing link is restored; a file that replaced a link is read.
    pub(super) fn read<'a>(
        &self,
        version: &str,
        keys: impl IntoIterator<Item = &'a String>,
    ) -> io::Result<BTreeMap<String, Secret>> {
        let mut data = BTreeMap::new();
        for key in keys {
            let value = match self.at_key(key)? {
                AtKey::Link => read_file(&self.0.join(version).join(key))?,
                AtKey::Nothing => {
                    self.link(key)?;
                    read_file(&self.0.join(version).join(key))?
                }
                AtKey::File => read_file(&self.0.join(key))?,
                AtKey::Other => None,
            };
            if let Some(value) = value {
                data.insert(key.clone(), value);
            }
        }
        Ok(data)
    }

    /// Creates the folder itself.
    ///
    /// # Errors
    /// [`ErrorKind::AlreadyExists`] if something is there already; [`ErrorKind::PermissionDenied`] if the folder of its
    /// namespace is not ours.
    pub(super) fn make(&self) -> io::Result<()> {
        if let Some(namespace) = self.0.parent() {
            if let Some(output) = namespace.parent() {
                make_folders(output)?;
            }
            own_folder(namespace)?;
            self.1.give_folder(namespace)?;
        }
        make_folder(&self.0)?;
        self.1.give_folder(&self.0)?;
        sync_parent(&self.0)
    }

    /// Applies the current access to the existing files.
    pub(super) fn give<'a>(
        &self,
        version: &str,
        keys: impl IntoIterator<Item = &'a String>,
    ) -> io::Result<()> {
        if let Some(namespace) = self.0.parent() {
            own_folder(namespace)?;
            self.1.give_folder(namespace)?;
        }
        let version = self.0.join(version);
        for key in keys {
            let file = match open_existing(&version.join(key)) {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            self.1.give_file(&file)?;
        }
        self.1.give_folder(&version)?;
        self.1.give_folder(&self.0)
    }

    /// Writes a version and activates it: readers see either all of the previous one or all of this one. Then it
    /// removes remains of others.
    pub(super) fn publish(&self, version: &str, data: &BTreeMap<String, Secret>) -> io::Result<()> {
        for key in data.keys() {
            if self.at_key(key)? == AtKey::Other {
                let place = self.0.join(key);
                return Err(io::Error::other(format!(
                    "there is a folder at {}",
                    place.display()
                )));
            }
        }
        let fresh = self.0.join(version);
        make_folder(&fresh)?;
        for (key, value) in data {
            write_new(&fresh.join(key), value.expose_bytes(), self.1)?;
        }
        self.1.give_folder(&fresh)?;
        sync(&fresh)?;
        self.swap(DATA, NEXT_DATA, Path::new(version))?;
        sync(&self.0)?;
        for key in data.keys() {
            if self.at_key(key)? != AtKey::Link {
                self.link(key)?;
            }
        }
        Ok(())
    }

    /// Removes a version that readers no longer see, and the links of removed keys.
    pub(super) fn retire<'a>(
        &self,
        version: &str,
        gone: impl IntoIterator<Item = &'a String>,
    ) -> io::Result<()> {
        for key in gone {
            if self.at_key(key)? == AtKey::Link {
                fs::remove_file(self.0.join(key))?;
            }
        }
        absent_is_fine(fs::remove_dir_all(self.0.join(version)))
    }

    /// Removes everything that was created here. Files of others stay, and the folder with them.
    pub(super) fn remove<'a>(
        &self,
        versions: impl IntoIterator<Item = &'a String>,
        keys: impl IntoIterator<Item = &'a String>,
    ) -> io::Result<Removed> {
        if !look(&self.0)?.is_some_and(|found| found.is_dir()) {
            return Ok(Removed::Wholly);
        }
        for key in keys {
            if self.at_key(key)? == AtKey::Link {
                fs::remove_file(self.0.join(key))?;
            }
        }
        for name in [DATA, NEXT_DATA, NEXT_LINK] {
            let path = self.0.join(name);
            if look(&path)?.is_some_and(|found| found.is_symlink()) {
                fs::remove_file(path)?;
            }
        }
        for version in versions {
            absent_is_fine(fs::remove_dir_all(self.0.join(version)))?;
        }
        match fs::remove_dir(&self.0) {
            Ok(()) => sync_parent(&self.0).map(|()| Removed::Wholly),
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => Ok(Removed::ButForeign),
            Err(error) => Err(error),
        }
    }

    /// A number that changes if someone touches the folder: paths, sizes and times, no content.
    pub(super) fn stamp<'a>(
        &self,
        version: &str,
        keys: impl IntoIterator<Item = &'a String>,
    ) -> u64 {
        let mut hash = DefaultHasher::new();
        let mut note = |path: &Path| match fs::symlink_metadata(path) {
            Ok(found) => (
                found.ino(),
                found.size(),
                found.mtime(),
                found.mtime_nsec(),
                found.mode(),
            )
                .hash(&mut hash),
            Err(error) => error.kind().to_string().hash(&mut hash),
        };
        note(&self.0.join(DATA));
        for key in keys {
            note(&self.0.join(key));
            note(&self.0.join(version).join(key));
        }
        hash.finish()
    }

    fn at_key(&self, key: &str) -> io::Result<AtKey> {
        let path = self.0.join(key);
        let Some(found) = look(&path)? else {
            return Ok(AtKey::Nothing);
        };
        if found.is_symlink() {
            let ours = fs::read_link(&path)? == Path::new(DATA).join(key);
            return Ok(if ours { AtKey::Link } else { AtKey::File });
        }
        Ok(if found.is_file() {
            AtKey::File
        } else {
            AtKey::Other
        })
    }

    fn link(&self, key: &str) -> io::Result<()> {
        self.swap(key, NEXT_LINK, &Path::new(DATA).join(key))?;
        sync(&self.0)
    }

    /// Creates a link from `name` to `target` atomically.
    fn swap(&self, name: &str, by_way_of: &str, target: &Path) -> io::Result<()> {
        let next = self.0.join(by_way_of);
        // Left by a crash.
        absent_is_fine(fs::remove_file(&next))?;
        symlink(target, &next)?;
        fs::rename(&next, self.0.join(name))
    }
}

/// The result of removing a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Removed {
    /// It was removed.
    Wholly,
    /// It contains files of others, which stay.
    ButForeign,
}

/// What is at a key's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AtKey {
    Nothing,
    /// Our link.
    Link,
    /// A file, or a link that is not ours.
    File,
    /// A folder, or anything else that cannot be replaced by a link.
    Other,
}

fn look(path: &Path) -> io::Result<Option<fs::Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The content of a file; `None` if there is none, if it cannot be a Secret's, or if a link leads elsewhere.
fn read_file(path: &Path) -> io::Result<Option<Secret>> {
    if look(path)?.is_some_and(|found| !found.is_file()) {
        return Ok(None);
    }
    let file = match open_existing(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Zeroizing::new(Vec::new());
    match file.take(MAX_FILE + 1).read_to_end(&mut bytes) {
        Ok(_) if bytes.len() as u64 > MAX_FILE => Ok(None),
        Ok(_) => Ok(Some(Secret::new(std::mem::take(&mut *bytes)))),
        Err(error) if error.kind() == ErrorKind::IsADirectory => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(pairs: &[(&str, &str)]) -> BTreeMap<String, Secret> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), Secret::from(*value)))
            .collect()
    }

    fn folder() -> (tempfile::TempDir, Folder) {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::new(root.path().join("default/token"));
        folder.make().unwrap();
        (root, folder)
    }

    fn names(folder: &Folder) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn mode(path: PathBuf) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn it_is_laid_out_as_a_mounted_secret_and_nobody_else_may_read_it() {
        let (_root, folder) = folder();
        folder
            .publish("..1", &data(&[("access_token", "abc"), ("scope", "x")]))
            .unwrap();
        assert_eq!(names(&folder), ["..1", "..data", "access_token", "scope"]);
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(read("access_token"), "abc");
        assert_eq!(read("..data/scope"), "x");
        assert_eq!(mode(folder.path().join("access_token")), 0o600);
        assert_eq!(mode(folder.path().join("..1")), 0o700);
        assert_eq!(mode(folder.path().to_owned()), 0o700);
        assert_eq!(mode(folder.path().parent().unwrap().to_owned()), 0o700);
    }

    #[test]
    fn a_new_version_takes_the_place_of_the_one_before() {
        let (_root, folder) = folder();
        folder
            .publish("..1", &data(&[("access_token", "abc"), ("scope", "x")]))
            .unwrap();
        folder
            .publish("..2", &data(&[("access_token", "def")]))
            .unwrap();
        folder.retire("..1", &["scope".to_owned()]).unwrap();
        assert_eq!(names(&folder), ["..2", "..data", "access_token"]);
        assert_eq!(folder.current().unwrap().as_deref(), Some("..2"));
        let read = folder.read("..2", &["access_token".to_owned()]).unwrap();
        assert!(read == data(&[("access_token", "def")]));
    }

    #[test]
    fn a_link_that_was_taken_away_comes_back_and_a_file_in_its_place_shows() {
        let (_root, folder) = folder();
        folder
            .publish("..1", &data(&[("a", "1"), ("b", "2")]))
            .unwrap();
        fs::remove_file(folder.path().join("a")).unwrap();
        fs::remove_file(folder.path().join("b")).unwrap();
        fs::write(folder.path().join("b"), "theirs").unwrap();
        let keys = ["a".to_owned(), "b".to_owned()];
        assert!(folder.read("..1", &keys).unwrap() == data(&[("a", "1"), ("b", "theirs")]));
        assert_eq!(folder.at_key("a").unwrap(), AtKey::Link);
    }

    #[test]
    fn what_is_not_ours_survives_the_removal() {
        let (_root, folder) = folder();
        folder.publish("..1", &data(&[("a", "1")])).unwrap();
        fs::write(folder.path().join("theirs"), "x").unwrap();
        let removed = folder.remove(&["..1".to_owned()], &["a".to_owned()]);
        assert_eq!(removed.unwrap(), Removed::ButForeign);
        assert_eq!(names(&folder), ["theirs"]);
        fs::remove_file(folder.path().join("theirs")).unwrap();
        assert_eq!(folder.remove(&[], &[]).unwrap(), Removed::Wholly);
        assert!(!folder.exists().unwrap());
    }

    #[test]
    fn a_folder_at_a_keys_place_is_left_alone() {
        let (_root, folder) = folder();
        fs::create_dir(folder.path().join("a")).unwrap();
        let refused = folder.publish("..1", &data(&[("a", "1")])).unwrap_err();
        assert!(refused.to_string().contains("there is a folder at"));
        assert!(folder.current().unwrap().is_none());
    }

    #[test]
    fn touching_it_changes_its_stamp() {
        let (_root, folder) = folder();
        folder.publish("..1", &data(&[("a", "1")])).unwrap();
        let keys = ["a".to_owned()];
        let before = folder.stamp("..1", &keys);
        assert_eq!(folder.stamp("..1", &keys), before);
        fs::write(folder.path().join("a"), "22").unwrap();
        assert_ne!(folder.stamp("..1", &keys), before);
    }
}
