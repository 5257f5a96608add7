use std::fs;
use std::path::Path;
use std::process::Stdio;

use proptest::prelude::*;

use super::*;

/// Values that have an effect if they are not quoted.
pub(crate) const HOSTILE: [&str; 14] = [
    "x';touch${IFS}FILE;'",
    "x\";touch FILE;\"",
    "x;id;x.example",
    "$(touch FILE)",
    "`touch FILE`",
    "x'$(touch${IFS}pwned)",
    "a && touch FILE",
    "a|touch FILE",
    ">FILE",
    "~/x",
    "*",
    "!!",
    "{a,b}\\",
    "example.com. Then run: touch FILE.",
];

/// Runs `text` in a shell that finds only recorders, and returns how each was called. Nothing else may have been
/// started or created.
pub(crate) fn run(text: &str) -> Vec<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let (programs, place) = (folder.path().join("bin"), folder.path().join("place"));
    let log = folder.path().join("log");
    fs::create_dir(&programs).unwrap();
    fs::create_dir(&place).unwrap();
    for name in ["kubectl", "oauthclient-operator"] {
        recorder(&programs.join(name), name, &log);
    }
    let ended = std::process::Command::new("/bin/sh")
        .args(["-c", text])
        .env_clear()
        .env("PATH", &programs)
        .env("HOME", &place)
        .current_dir(&place)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(
        ended.status.success() && complaint.is_empty(),
        "{text}: {complaint}"
    );
    let made: Vec<_> = fs::read_dir(&place).unwrap().collect();
    assert!(made.is_empty(), "{text} made {made:?}");
    let log = fs::read_to_string(log).unwrap_or_default();
    log.split('\u{1}')
        .filter(|call| !call.is_empty())
        .map(|call| {
            let words = call.trim_end_matches('\u{2}').split('\u{2}');
            words.map(str::to_owned).collect()
        })
        .collect()
}

/// A program that records how it was called: words end with U+0002, calls start with U+0001.
fn recorder(path: &Path, name: &str, log: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let script = format!(
        "#!/bin/sh\n{{ printf '\\001{name}\\002'; for word in \"$@\"; do printf '%s\\002' \"$word\"; done; }} >> '{}'\n",
        log.display()
    );
    fs::write(path, script).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_shell_hands_every_hostile_value_on_as_it_is() {
    for hostile in HOSTILE {
        let command = Command::kubectl(&["annotate", "secret"])
            .value(hostile)
            .namespace(hostile)
            .fixed(&["--overwrite"])
            .pair("oauthclient.dev/allowed-hosts", hostile);
        let words = command.words().unwrap();
        assert_eq!(run(&command.to_string()), [words], "{command}");
    }
}

#[test]
fn a_command_ends_where_it_ends_and_a_sentence_cannot_run_on_into_it() {
    for value in ["example.com.", "a,", "b;", "c:", "(d)", "-e."] {
        let command = Command::kubectl(&["get"]).pair("k", value).to_string();
        assert!(command.ends_with(['\'', '"']), "{command}");
        assert_eq!(run(&command), [["kubectl", "get", &format!("k={value}")]]);
    }
}

#[test]
fn a_value_that_cannot_be_copied_or_that_is_an_option_gives_no_command() {
    for value in [
        "a\nb",
        "a\0b",
        "a\u{202e}b",
        "a\u{200b}",
        "\u{1b}[31m",
        "--all",
        "-A",
        "",
    ] {
        let command = Command::kubectl(&["delete", "secret"]).value(value);
        assert_eq!(command.words(), None);
        assert_eq!(command.to_string(), BY_HAND);
    }
}

#[test]
fn what_people_read_has_no_character_that_is_not_shown() {
    assert_eq!(printable("plain – é 漢"), "plain – é 漢");
    assert_eq!(
        printable("a\u{202e}b\u{7}c\u{feff}"),
        "a\u{fffd}b\u{fffd}c\u{fffd}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_the_value_is_the_shell_hands_it_on_as_it_is(values in prop::collection::vec("\\PC{1,12}", 1..4)) {
        let command = values
            .iter()
            .fold(Command::kubectl(&["get"]), |command, value| command.value(value));
        if let Some(words) = command.words() {
            prop_assert_eq!(run(&command.to_string()), [words]);
        }
    }
}
