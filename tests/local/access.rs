//! Who may read what `local` writes, and where it refuses to write.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::rig::{CANARY, Rig, names};

/// A user and a group that do not exist.
const OTHER: u32 = 4711;

/// Only root can change a file's owner, and read as another user.
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o777
}

/// Runs once with these flags; exit code and output.
async fn once(rig: &Rig, flags: &[&str]) -> (i32, String) {
    let running = rig.start(&[&["--once"], flags].concat());
    fs::write(&running.log, "").unwrap();
    let status = running.ended().await;
    (status.code().unwrap(), running.text())
}

#[tokio::test]
async fn an_output_that_others_may_write_to_is_refused_before_anything_is_written() {
    let rig = Rig::new(3600.0);
    fs::create_dir(rig.output()).unwrap();
    let mut wrong = vec![(0o777, None, "may be written to by everybody")];
    if is_root() {
        wrong.push((0o755, Some(OTHER), "belongs to another user (4711)"));
    }
    for (bits, owner, words) in wrong {
        chmod(&rig.output(), bits);
        chown(rig.output(), owner, None).unwrap();
        let (code, text) = once(&rig, &[]).await;
        assert_eq!(code, 2, "{text}");
        assert!(
            text.contains(words) && text.contains("--allow-shared-output"),
            "{text}"
        );
        assert!(names(&rig.output()).is_empty());
        let state = rig.output().join("deeper/state");
        let (code, text) = once(&rig, &["--state", state.to_str().unwrap()]).await;
        assert_eq!(code, 2, "{text}");
        assert!(
            names(&rig.output()).is_empty(),
            "nothing is made beneath it"
        );
    }
    assert_eq!(rig.requests(), 0);
    let (code, text) = once(&rig, &["--allow-shared-output"]).await;
    assert_eq!(code, 0, "{text}");
}

#[tokio::test]
async fn state_never_goes_into_a_file_that_somebody_prepared() {
    let rig = Rig::new(3600.0);
    let victim = rig.folder.path().join("victim");
    fs::write(&victim, "theirs").unwrap();
    let state = rig.output().join(".state");
    fs::create_dir_all(state.join("oauthclients/default")).unwrap();
    fs::create_dir_all(state.join("secrets/default")).unwrap();
    for prepared in [
        "key.tmp",
        "oauthclients/default/books.json.tmp",
        "secrets/default/books-token.json.tmp",
    ] {
        symlink(&victim, state.join(prepared)).unwrap();
    }
    for folder in [
        "",
        "oauthclients",
        "oauthclients/default",
        "secrets",
        "secrets/default",
    ] {
        chmod(&state.join(folder), 0o700);
    }
    chmod(&rig.output(), 0o700);
    let (code, text) = rig.once().await;
    assert_eq!(code, 0, "{text}");
    assert_eq!(fs::read_to_string(&victim).unwrap(), "theirs");

    // A link instead of a file that is read, and a file of another user.
    let key = state.join("key");
    fs::remove_file(&key).unwrap();
    symlink(&victim, &key).unwrap();
    let (code, text) = rig.once().await;
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("is a link"), "{text}");
    if is_root() {
        fs::remove_file(&key).unwrap();
        fs::write(&key, [7; 32]).unwrap();
        chown(&key, Some(OTHER), None).unwrap();
        let (code, text) = rig.once().await;
        assert_eq!(code, 2, "{text}");
        assert!(text.contains("belongs to another user"), "{text}");
    }
}

#[tokio::test]
async fn a_link_in_place_of_a_folder_of_the_output_is_not_followed() {
    let rig = Rig::new(3600.0);
    let victim = rig.folder.path().join("victim");
    for folder in [&victim, &rig.output()] {
        fs::create_dir(folder).unwrap();
        chmod(folder, 0o700);
    }
    symlink(&victim, rig.output().join("default")).unwrap();
    let (code, text) = rig.once().await;
    assert_eq!(code, 1, "{text}");
    assert!(names(&victim).is_empty());
    assert_eq!(rig.requests(), 0, "no token for what cannot be written");
    assert!(!text.contains(CANARY));
}

/// The first folders and files under one, that are ours.
fn below(folder: PathBuf, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if fs::symlink_metadata(&path).unwrap().is_dir() {
            below(path, found);
        } else if !fs::symlink_metadata(&path).unwrap().is_symlink() {
            found.push(path);
        }
    }
    found.push(folder);
}

#[tokio::test]
async fn a_group_may_read_the_tokens_and_nothing_else() {
    let rig = Rig::new(3600.0);
    chmod(rig.folder.path(), 0o755);
    let group = if is_root() {
        OTHER
    } else {
        rustix::process::getegid().as_raw()
    };
    let number = group.to_string();
    // First without access for others: existing files get the new access when the flags change, without a request.
    let (code, text) = once(&rig, &[]).await;
    assert_eq!(code, 0, "{text}");
    chmod(&rig.output(), 0o755);
    let (code, text) = once(&rig, &["--group", &number]).await;
    assert_eq!((code, rig.requests()), (0, 1), "{text}");

    let mut found = Vec::new();
    below(rig.output().join("default"), &mut found);
    assert!(found.len() > 4, "{found:?}");
    for path in &found {
        let wanted = if path.is_dir() { 0o750 } else { 0o640 };
        assert_eq!(mode(path), wanted, "{}", path.display());
        assert_eq!(
            fs::metadata(path).unwrap().gid(),
            group,
            "{}",
            path.display()
        );
    }
    let mut state = Vec::new();
    below(rig.output().join(".state"), &mut state);
    for path in state {
        assert_eq!(mode(&path) & 0o077, 0, "{}", path.display());
    }
    if is_root() {
        let read = |group: u32| {
            use std::os::unix::process::CommandExt as _;
            let mut command = Command::new("cat");
            command.arg(rig.token_file()).uid(OTHER + 1).gid(group);
            command.output().unwrap()
        };
        assert_eq!(read(OTHER).stdout, rig.token().as_bytes());
        assert!(!read(OTHER + 1).status.success());
    }
}

#[tokio::test]
async fn a_mode_that_fits_no_group_and_an_unknown_group_are_refused() {
    let rig = Rig::new(3600.0);
    for (flags, words) in [
        (&["--group", "no-such-group"][..], "no such group"),
        (&["--group", "0", "--mode", "0600"][..], "--mode 0640"),
        (&["--mode", "0660"][..], "0600, 0640 or 0644"),
    ] {
        let (code, text) = once(&rig, flags).await;
        assert_eq!(code, 2, "{text}");
        assert!(text.contains(words), "{text}");
    }
    assert!(!rig.output().exists());
}
