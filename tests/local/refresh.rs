//! Refresh tokens in files: each is used once, whenever the process ends.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use testkit::provider::{Fault, RefreshTokens};

use crate::rig::{CANARY, PATH, PATIENCE, Rig, names, secret};

const GRANT: &str = "  grant: {type: refresh_token}\n";
const STATE: &str = "refresh/default/books-refresh-state.json";

/// A provider whose refresh tokens work once, with or without some time in which an old one still does; and a resource
/// that works with them. Its first refresh token is in the credentials.
fn rig(grace_seconds: f64) -> (Rig, String) {
    let rig = Rig::new(3600.0);
    rig.provider.update(PATH, |behaviour| {
        behaviour.refresh_tokens = RefreshTokens {
            issue: true,
            rotate: true,
            grace_seconds,
        };
    });
    rig.write("books.yaml", &rig.client("books", GRANT));
    let seed = rig.offer();
    (rig, seed)
}

impl Rig {
    /// Puts a refresh token that the provider knows into the credentials.
    fn offer(&self) -> String {
        let token = self.provider.issue_refresh_token(PATH, "books");
        self.write(
            "credentials.yaml",
            &format!("{}  refresh_token: {token}\n", secret(CANARY, true)),
        );
        token
    }

    /// Asks for a new token by the annotation.
    fn ask(&self, what: usize) {
        let manifest = self.client("books", GRANT);
        let annotated = format!(
            "{{name: books, annotations: {{oauthclient.dev/refresh-requested-at: r{what}}}}}"
        );
        self.write("books.yaml", &manifest.replace("{name: books}", &annotated));
    }

    /// Which refresh tokens were sent, in order.
    fn sent(&self) -> Vec<String> {
        let requests = self.provider.requests_to(PATH);
        let sent = requests
            .iter()
            .filter_map(|request| request.form_value("refresh_token"));
        sent.collect()
    }

    fn state(&self) -> PathBuf {
        self.output().join(".state")
    }

    /// The output with its state, as it is now, in a folder of its own.
    fn copy(&self, name: &str) -> PathBuf {
        let copy = self.folder.path().join(name);
        replace(&self.output(), &copy);
        copy
    }

    /// Refresh tokens appear in no place except their state.
    fn nothing_leaked(&self, text: &str) {
        let tokens = self.provider.refresh_tokens(PATH);
        let mut others = Vec::new();
        files(&self.output(), &mut others);
        others.retain(|path| !path.starts_with(self.state().join("refresh")));
        assert!(others.len() > 4, "{others:?}");
        for token in &tokens {
            assert!(!text.contains(token), "{text}");
            for path in &others {
                let content = fs::read(path).unwrap();
                let found = content
                    .windows(token.len())
                    .any(|part| part == token.as_bytes());
                assert!(!found, "{}", path.display());
            }
        }
    }
}

/// All files below, links left out.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => files(&entry.path(), found),
            kind if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
}

/// Makes `to` what `from` is: links, rights and times included.
fn replace(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(copied.unwrap().success());
}

#[tokio::test]
async fn each_refresh_token_is_sent_once_and_stands_in_its_own_file_alone() {
    let (rig, seed) = rig(0.0);
    let (code, text) = rig.once().await;
    assert_eq!((code, rig.requests()), (0, 1), "{text}");
    assert!(rig.is_valid(&rig.token()));
    rig.nothing_leaked(&text);
    let mode = fs::metadata(rig.state().join(STATE)).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    for asked in 2..5 {
        rig.ask(asked);
        let (code, text) = rig.once().await;
        assert_eq!((code, rig.requests()), (0, asked), "{text}");
        rig.nothing_leaked(&text);
        // A restart asks for nothing.
        assert_eq!((rig.once().await.0, rig.requests()), (0, asked));
    }
    let issued = rig.provider.refresh_tokens(PATH);
    assert_eq!(rig.sent()[0], seed);
    assert_eq!(
        rig.sent(),
        issued[..issued.len() - 1],
        "each once, in order"
    );
}

#[tokio::test]
async fn killed_before_the_answer_came_the_same_refresh_token_is_sent_once_more() {
    for (grace, ends_well) in [(60.0, true), (0.0, false)] {
        let (rig, seed) = rig(grace);
        // The provider has issued the successor, and the response is lost.
        rig.provider
            .set_fault(PATH, Some(Fault::StallBody { after_bytes: 3 }));
        let running = rig.start(&[]);
        rig.provider
            .wait_for_requests(PATH, 1, PATIENCE)
            .await
            .unwrap();
        running.kill();
        rig.provider.set_fault(PATH, None);
        let (code, text) = rig.once().await;
        assert_eq!(rig.sent(), [seed.clone(), seed.clone()], "{text}");
        assert_eq!(code == 0, ends_well, "{text}");
        if ends_well {
            assert!(rig.is_valid(&rig.token()));
            continue;
        }
        assert!(text.contains("ReauthorizationRequired"), "{text}");
        let command = "kubectl oauthclient login books -n default --local FOLDER";
        assert!(text.contains(command), "{text}");
        // Never a third time, whatever restarts; a login resolves it.
        rig.ask(1);
        assert_eq!((rig.once().await.0, rig.requests()), (1, 2));
        let fresh = rig.provider.issue_refresh_token(PATH, "books");
        let login = secret(CANARY, true).replace("name: credentials", "name: books-login");
        rig.write("login.yaml", &format!("{login}  refresh_token: {fresh}\n"));
        let (code, text) = rig.once().await;
        assert_eq!((code, rig.sent().last()), (0, Some(&fresh)), "{text}");
    }
}

#[tokio::test]
async fn killed_at_any_moment_no_refresh_token_is_lost_where_the_provider_gives_grace() {
    let (rig, _) = rig(600.0);
    for round in 0..20 {
        rig.ask(round);
        let before = rig.requests();
        let running = rig.start(&[]);
        let sent = rig
            .provider
            .wait_for_requests(PATH, before + 1, PATIENCE)
            .await;
        assert!(sent.is_ok(), "{round}: {}", running.text());
        tokio::time::sleep(Duration::from_millis(round as u64 % 10)).await;
        running.kill();
        // Killed a second time before the response is stored, it needs a person, because it is unknown whether the
        // token was used.
        let (code, text) = rig.once().await;
        assert_eq!(code, 0, "{round}: {text}");
        assert!(rig.is_valid(&rig.token()));
    }
    let sent = rig.sent();
    for token in &sent {
        let times = sent.iter().filter(|other| *other == token).count();
        assert!(times <= 2, "sent {times} times: once more is the most");
    }
}

/// What is written for one response, in order: the state of the refresh token, the token, the status.
const WRITES: [&[&str]; 3] = [
    &[".state/refresh"],
    &[".state/secrets", "default"],
    &[".state/oauthclients"],
];

/// Runs one request, and makes every state between two writes in which the process could be killed after it was sent.
/// What is half done within a write is tried elsewhere, by killing at any moment.
async fn every_state(rig: &Rig, name: &str) -> Vec<PathBuf> {
    let before = rig.requests();
    rig.provider
        .update(PATH, |behaviour| behaviour.latency_ms = 4000);
    let running = rig.start(&[]);
    rig.provider
        .wait_for_requests(PATH, before + 1, PATIENCE)
        .await
        .unwrap();
    // The use is recorded before the request is sent.
    let claimed = rig.copy(&format!("{name}-claimed"));
    running.line(&["default/books", "next refresh at"]).await;
    assert!(running.terminate().await.success());
    let after = rig.copy(&format!("{name}-after"));
    rig.provider
        .update(PATH, |behaviour| behaviour.latency_ms = 0);
    let mut states = vec![claimed];
    for (number, parts) in WRITES.iter().enumerate() {
        let state = rig.folder.path().join(format!("{name}-{number}"));
        replace(states.last().unwrap(), &state);
        for part in *parts {
            replace(&after.join(part), &state.join(part));
        }
        states.push(state);
    }
    states
}

/// When the last file below a folder was written.
fn written(folder: &Path) -> SystemTime {
    let mut found = Vec::new();
    files(folder, &mut found);
    let times = found
        .iter()
        .map(|path| fs::metadata(path).unwrap().modified().unwrap());
    times.max().unwrap()
}

#[tokio::test]
async fn killed_between_any_two_writes_the_answer_that_is_stored_is_published_without_a_request() {
    let (rig, _) = rig(0.0);
    for name in ["first", "next"] {
        rig.ask(name.len());
        fs::write(rig.folder.path().join("log"), "").unwrap();
        let states = every_state(&rig, name).await;
        let (asked, token) = (rig.requests(), rig.token());
        let order = WRITES.map(|parts| written(&rig.output().join(parts[0])));
        assert!(order.is_sorted(), "{order:?}");
        let kept = |state: &PathBuf| fs::read(state.join(".state").join(STATE)).unwrap();
        assert_ne!(kept(&states[0]), kept(&states[1]));
        // Nothing is sent, so the strict provider stays as it is.
        for state in &states[1..] {
            replace(state, &rig.output());
            let (code, text) = rig.once().await;
            assert_eq!((code, rig.requests()), (0, asked), "{state:?}: {text}");
            assert_eq!(rig.token(), token, "{state:?}");
            let found = names(&rig.output().join("default/books-token"));
            let versions = found.iter().filter(|name| name.starts_with("..20"));
            assert_eq!(versions.count(), 1, "{state:?}: {found:?}");
        }
    }
    // What is stored stays in use.
    rig.ask(99);
    let asked = rig.requests();
    let (code, text) = rig.once().await;
    assert_eq!((code, rig.requests()), (0, asked + 1), "{text}");
}

#[tokio::test]
async fn a_password_is_sent_once_and_again_only_when_its_refresh_token_dies() {
    let (rig, _) = rig(0.0);
    let grant = "  grant: {type: password, password: {useRefreshToken: true}}\n";
    rig.write("books.yaml", &rig.client("books", grant));
    let person = "  username: reader\n  password: CANARY-password\n";
    rig.write(
        "credentials.yaml",
        &format!("{}{person}", secret(CANARY, true)),
    );
    let grants = || -> Vec<String> {
        let requests = rig.provider.requests_to(PATH);
        let sent = requests
            .iter()
            .filter_map(|request| request.form_value("grant_type"));
        sent.collect()
    };
    let ask = |what: &str| {
        let annotated = format!(
            "{{name: books, annotations: {{oauthclient.dev/refresh-requested-at: {what}}}}}"
        );
        let manifest = rig.client("books", grant);
        rig.write("books.yaml", &manifest.replace("{name: books}", &annotated));
    };
    assert_eq!(rig.once().await.0, 0);
    for what in ["a", "b"] {
        ask(what);
        let (code, text) = rig.once().await;
        assert_eq!(code, 0, "{text}");
        assert!(!text.contains("CANARY-password"), "{text}");
    }
    assert_eq!(grants(), ["password", "refresh_token", "refresh_token"]);
    // Somebody else uses it, which kills the family.
    let refused = Fault::error("invalid_grant");
    rig.provider
        .update(PATH, |behaviour| behaviour.faults = vec![Some(refused)]);
    ask("c");
    let running = rig.start(&[]);
    rig.provider
        .wait_for_requests(PATH, 5, PATIENCE)
        .await
        .unwrap();
    assert!(running.terminate().await.success());
    assert_eq!(grants()[3..], ["refresh_token", "password"]);
    assert_eq!(rig.once().await.0, 0);
    assert!(rig.is_valid(&rig.token()));
}
