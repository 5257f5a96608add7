use std::os::unix::fs::{chown, symlink};

use super::*;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o777
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_prepared_file_or_link_is_never_written_to() {
    let root = tempfile::tempdir().unwrap();
    let victim = root.path().join("victim");
    fs::write(&victim, "theirs").unwrap();
    let place = root.path().join("state.json");
    // The paths that earlier versions wrote first, and the file itself.
    for prepared in ["state.json.tmp", "state.json"] {
        symlink(&victim, root.path().join(prepared)).unwrap();
    }
    replace_file(&place, b"secret").unwrap();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "theirs");
    assert!(!fs::symlink_metadata(&place).unwrap().is_symlink());
    assert_eq!(fs::read(&place).unwrap(), b"secret");
    assert_eq!(mode(&place), 0o600);
}

#[test]
fn a_new_file_goes_nowhere_but_to_its_own_place() {
    let root = tempfile::tempdir().unwrap();
    let (victim, place) = (root.path().join("victim"), root.path().join("place"));
    symlink(&victim, &place).unwrap();
    let refused = write_new(&place, b"secret", Access::default()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
    assert!(!victim.exists());
}

#[test]
fn what_a_crash_left_is_cleared_away_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let left = root.path().join(unfinished_name().unwrap());
    let other = root.path().join("a.json");
    fs::write(&left, "x").unwrap();
    fs::write(&other, "x").unwrap();
    clear_unfinished(root.path()).unwrap();
    assert!(!left.exists() && other.exists());
}

#[test]
fn a_failed_write_leaves_nothing_behind() {
    let root = tempfile::tempdir().unwrap();
    let place = root.path().join("place");
    fs::create_dir(&place).unwrap();
    assert!(replace_file(&place, b"secret").is_err());
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
}

#[test]
fn a_file_that_is_a_link_or_that_others_may_write_is_not_read() {
    let root = tempfile::tempdir().unwrap();
    let (file, link) = (root.path().join("file"), root.path().join("link"));
    replace_file(&file, b"x").unwrap();
    symlink(&file, &link).unwrap();
    assert_eq!(&**read_own(&file).unwrap(), b"x");
    for read in [read_own(&link).map(drop), open_own(&link).map(drop)] {
        let refused = read.unwrap_err();
        assert!(refused.to_string().contains("is a link"), "{refused}");
    }
    chmod(&file, 0o622);
    assert!(read_own(&file).unwrap_err().to_string().contains("chmod"));
    assert!(open_own(&file).is_err());
    assert!(read_own(root.path()).is_err());
}

#[test]
fn a_folder_that_others_may_write_to_is_refused_unless_it_is_sticky() {
    let root = tempfile::tempdir().unwrap();
    let (above, folder) = (root.path().join("above"), root.path().join("above/folder"));
    make_folders(&folder).unwrap();
    check_folder(&folder, true).unwrap();
    for place in [&folder, &above] {
        chmod(place, 0o777);
        let refused = check_folder(&folder, true).unwrap_err();
        assert!(
            refused.contains("chmod o-w") && refused.contains(&*place.to_string_lossy()),
            "{refused}"
        );
        chmod(place, 0o1777);
        check_folder(&folder, true).unwrap();
        chmod(place, 0o700);
    }
}

#[test]
fn a_folder_of_another_user_is_refused_as_is_one_beneath_it() {
    if !is_root() {
        // Only root can give a folder away; others find foreign folders elsewhere.
        assert!(
            check_folder(Path::new("/"), true)
                .unwrap_err()
                .contains("another user")
        );
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let (theirs, ours) = (root.path().join("theirs"), root.path().join("theirs/ours"));
    make_folders(&ours).unwrap();
    chown(&theirs, Some(4711), None).unwrap();
    for folder in [&theirs, &ours] {
        let refused = check_folder(folder, true).unwrap_err();
        assert!(refused.contains("another user (4711)"), "{refused}");
        assert!(refused.contains("--allow-shared-output"), "{refused}");
    }
    assert!(own_folder(&theirs).is_err());
    let link = root.path().join("link");
    symlink(&ours, &link).unwrap();
    assert!(check_folder(&link, true).is_err(), "it leads there");
}

#[test]
fn a_group_of_others_that_may_write_is_refused() {
    if !is_root() {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("folder");
    make_folder(&folder).unwrap();
    chown(&folder, None, Some(4711)).unwrap();
    chmod(&folder, 0o770);
    let refused = check_folder(&folder, true).unwrap_err();
    assert!(refused.contains("the group 4711 (chmod g-w)"), "{refused}");
}

#[test]
fn a_link_in_place_of_a_folder_is_not_followed() {
    let root = tempfile::tempdir().unwrap();
    let (victim, place) = (root.path().join("victim"), root.path().join("place"));
    make_folder(&victim).unwrap();
    symlink(&victim, &place).unwrap();
    let refused = own_folder(&place).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
    own_folder(&victim).unwrap();
}

#[test]
fn readers_get_into_the_folders_of_what_they_may_read() {
    for (file, folder) in [
        (0o600, 0o700),
        (0o640, 0o750),
        (0o644, 0o755),
        (0o440, 0o750),
        (0o400, 0o700),
    ] {
        assert_eq!(Access::new(file, None).folder_mode(), folder, "{file:o}");
    }
}

#[test]
fn a_file_is_given_to_a_group() {
    let root = tempfile::tempdir().unwrap();
    let group = if is_root() {
        4711
    } else {
        rustix::process::getegid().as_raw()
    };
    let access = Access::new(0o640, Some(group));
    let (folder, file) = (root.path().join("folder"), root.path().join("folder/file"));
    make_folder(&folder).unwrap();
    access.give_folder(&folder).unwrap();
    write_new(&file, b"x", access).unwrap();
    assert_eq!((mode(&folder), mode(&file)), (0o750, 0o640));
    for place in [&folder, &file] {
        assert_eq!(fs::metadata(place).unwrap().gid(), group);
    }
    assert!(!closed_to_readers(&folder, access).unwrap());
    chmod(root.path(), 0o700);
    assert!(closed_to_readers(root.path(), access).unwrap());
}
