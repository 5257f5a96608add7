//! Files and folders that nobody else can read, replace or redirect.
//!
//! A folder is used only if nobody except us and root could replace its content. Files are created under a name that
//! cannot be guessed, readable only by us from the start, and moved to their place by one rename. Links are never
//! followed at a place that is written or read.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

use ring::rand::{SecureRandom, SystemRandom};
use rustix::fs::OFlags;
use zeroize::Zeroizing;

/// The prefix of files that are not in their place yet.
const UNFINISHED: &str = ".unfinished-";
/// Others may write, and nothing prevents them from renaming foreign files.
const OTHERS_WRITE: u32 = 0o002;
const GROUP_WRITES: u32 = 0o020;
const STICKY: u32 = 0o1000;

/// Who may read the tokens: the mode of their files, and the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Access {
    mode: u32,
    group: Option<u32>,
}

impl Default for Access {
    fn default() -> Self {
        Access {
            mode: 0o600,
            group: None,
        }
    }
}

impl Access {
    pub(super) fn new(mode: u32, group: Option<u32>) -> Self {
        Access { mode, group }
    }

    /// Whoever may read a file may enter and list its folder.
    pub(super) fn folder_mode(self) -> u32 {
        0o700 | self.mode & 0o044 | (self.mode & 0o044) >> 2
    }

    /// Applies the access to a file. The group first, so that no other group can read it in between.
    pub(super) fn give_file(self, file: &File) -> io::Result<()> {
        self.give(file, self.mode)
    }

    /// Applies the access to one of our folders.
    pub(super) fn give_folder(self, path: &Path) -> io::Result<()> {
        let folder = OpenOptions::new()
            .read(true)
            .custom_flags(flags(OFlags::NOFOLLOW | OFlags::DIRECTORY))
            .open(path)?;
        self.give(&folder, self.folder_mode())
    }

    fn give(self, file: &File, mode: u32) -> io::Result<()> {
        let before = file.metadata()?;
        if let Some(group) = self.group.filter(|group| *group != before.gid()) {
            fchown(file, None, Some(group))?;
        }
        if before.mode() & 0o777 != mode {
            file.set_permissions(Permissions::from_mode(mode))?;
        }
        Ok(())
    }
}

/// Creates a folder and its missing parents; nobody else may enter them.
pub(super) fn make_folders(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).recursive(true).create(path)
}

/// Creates a folder that does not exist yet; nobody else may enter it.
///
/// # Errors
/// [`ErrorKind::AlreadyExists`] if something is there.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// Creates a folder in one of ours, unless it exists and is ours.
///
/// # Errors
/// Something else is there: a link, a file, or a folder that others own or may write to.
pub(super) fn own_folder(path: &Path) -> io::Result<()> {
    match make_folder(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        other => return other,
    }
    let found = fs::symlink_metadata(path)?;
    let wrong = if found.is_dir() {
        weakness(&found, true)
    } else {
        Some("is not a folder".to_owned())
    };
    wrong.map_or(Ok(()), |wrong| Err(denied(path, &wrong)))
}

/// Whether a folder in one of ours may be used: it does not exist yet, or only we can change it.
pub(super) fn may_be_ours(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(found.is_dir() && weakness(&found, true).is_none()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

/// Refuses a folder for secrets if another user could replace it or one of its parents. `ours`: it must be ours;
/// otherwise it is a parent of ours.
///
/// # Errors
/// The folder, what is wrong with it, and what to do.
pub(super) fn check_folder(path: &Path, ours: bool) -> Result<(), String> {
    let describe = |error: io::Error| format!("cannot look at {}: {error}", path.display());
    let real = path.canonicalize().map_err(describe)?;
    // Checks both: a link may be in a folder that another user may write to, or lead into one.
    for place in real.ancestors().chain(path.ancestors()) {
        let found = fs::symlink_metadata(place).map_err(describe)?;
        let wrong = if found.is_symlink() {
            foreign_owner(&found, false)
        } else {
            weakness(&found, ours && place == real)
        };
        if let Some(wrong) = wrong {
            return Err(unsafe_folder(path, place, &wrong));
        }
    }
    Ok(())
}

fn unsafe_folder(path: &Path, place: &Path, wrong: &str) -> String {
    let (path, place) = (path.display(), place.display());
    format!(
        "cannot keep secrets in {path}: {place} {wrong}, so another user could replace its files. Nothing was written. Choose another folder with --output and --state. If you trust everyone who shares this one, add --allow-shared-output."
    )
}

/// What lets others replace the content of a folder.
fn weakness(found: &Metadata, ours: bool) -> Option<String> {
    if let Some(owner) = foreign_owner(found, ours) {
        return Some(owner);
    }
    let mode = found.mode();
    if mode & STICKY != 0 {
        return None;
    }
    if mode & OTHERS_WRITE != 0 {
        return Some("may be written to by everybody (chmod o-w)".to_owned());
    }
    (mode & GROUP_WRITES != 0 && !is_private_group(found.gid()))
        .then(|| format!("may be written to by the group {} (chmod g-w)", found.gid()))
}

/// Many systems give each user a private group of the same number, and let it write.
fn is_private_group(group: u32) -> bool {
    let (user, own) = (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    group == own && group == user
}

fn foreign_owner(found: &Metadata, ours: bool) -> Option<String> {
    let user = rustix::process::geteuid().as_raw();
    let root = !ours && found.uid() == 0;
    (found.uid() != user && !root).then(|| format!("belongs to another user ({})", found.uid()))
}

fn denied(path: &Path, wrong: &str) -> io::Error {
    io::Error::new(
        ErrorKind::PermissionDenied,
        format!("{} {wrong}", path.display()),
    )
}

/// Replaces a file atomically, so that a crash leaves the previous one or this one.
pub(super) fn replace_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let next = folder.join(unfinished_name()?);
    let written =
        write_new(&next, content, Access::default()).and_then(|()| fs::rename(&next, path));
    if written.is_err() {
        let _ = fs::remove_file(&next);
    }
    written?;
    sync_parent(path)
}

/// Writes a new file, and applies the access when it is complete.
pub(super) fn write_new(path: &Path, content: &[u8], access: Access) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(flags(OFlags::NOFOLLOW))
        .open(path)?;
    file.write_all(content)?;
    access.give_file(&file)?;
    file.sync_all()
}

fn unfinished_name() -> io::Result<String> {
    let mut random = [0; 16];
    SystemRandom::new()
        .fill(&mut random)
        .map_err(|_| io::Error::other("the system gives no random bytes"))?;
    Ok(format!("{UNFINISHED}{:032x}", u128::from_be_bytes(random)))
}

/// Removes what a crash left of [`replace_file`] in one of our folders.
pub(super) fn clear_unfinished(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name
            .to_str()
            .is_some_and(|name| name.starts_with(UNFINISHED))
        {
            absent_is_fine(fs::remove_file(entry.path()))?;
        }
    }
    Ok(())
}

/// Reads one of our files with secrets.
///
/// # Errors
/// It is a link, not a file, or another user owns it or may write to it; those of the file system.
pub(super) fn read_own(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut file = open_existing(path)?;
    check_own(path, &file.metadata()?)?;
    let mut bytes = Zeroizing::new(Vec::new());
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Opens one of our files for writing, or creates it.
///
/// # Errors
/// As [`read_own`].
pub(super) fn open_own(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(flags(OFlags::NOFOLLOW | OFlags::NONBLOCK))
        .open(path)
        .map_err(|error| no_link(path, error))?;
    check_own(path, &file.metadata()?)?;
    Ok(file)
}

/// Opens an existing file, but no link, and does not wait for a pipe.
pub(super) fn open_existing(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(flags(OFlags::NOFOLLOW | OFlags::NONBLOCK))
        .open(path)
        .map_err(|error| no_link(path, error))
}

fn check_own(path: &Path, found: &Metadata) -> io::Result<()> {
    let wrong = if found.is_file() {
        weakness(found, true)
    } else {
        Some("is not a file".to_owned())
    };
    wrong.map_or(Ok(()), |wrong| Err(denied(path, &wrong)))
}

fn no_link(path: &Path, error: io::Error) -> io::Error {
    if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
        return denied(path, "is a link; links are not followed here");
    }
    error
}

/// The flags in the form of the standard library.
fn flags(flags: OFlags) -> i32 {
    flags.bits().cast_signed()
}

pub(super) fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Makes renames and new files in a folder survive a power failure.
pub(super) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

pub(super) fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), sync)
}

/// Lets readers of the tokens enter a new folder.
pub(super) fn open_to_readers(path: &Path, access: Access) -> io::Result<()> {
    access.give_folder(path)
}

/// Whether readers of the tokens cannot enter an existing folder.
pub(super) fn closed_to_readers(path: &Path, access: Access) -> io::Result<bool> {
    let enter = access.folder_mode() & 0o011;
    Ok(fs::metadata(path)?.mode() & enter != enter)
}

#[cfg(test)]
mod tests;
