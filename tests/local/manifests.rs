//! Manifests, edits and what they refer to.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::rig::{CANARY, PATH, Rig, names, secret};

/// Long enough for an edit to have been picked up.
const PICKED_UP: Duration = Duration::from_secs(3);

/// Runs `local --once` on a folder of `tests/manifests`; what it printed.
fn judged(folder: &str) -> String {
    let output = tempfile::tempdir().unwrap();
    let ran = Command::new(env!("CARGO_BIN_EXE_oauthclient-operator"))
        .args(["local", "--once", "-f"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder))
        .arg("--output")
        .arg(output.path())
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(1));
    String::from_utf8(ran.stdout).unwrap()
}

#[test]
fn every_bad_manifest_is_refused_with_file_and_field() {
    let folder = "tests/manifests/bad";
    let printed = judged(folder);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files: Vec<String> = names(&path)
        .into_iter()
        .filter(|name| name.ends_with(".yaml"))
        .collect();
    assert!(files.len() >= 30);
    for file in files {
        let text = fs::read_to_string(path.join(&file)).unwrap();
        let field = text.lines().find_map(|line| line.strip_prefix("# field: "));
        let field = format!(": {}: ", field.unwrap());
        let line = printed
            .lines()
            .find(|line| line.contains(&format!("/{file}")) && line.contains(&field));
        assert!(
            line.is_some_and(|line| line.contains("refused")),
            "{file} {field}:\n{printed}"
        );
    }
}

#[test]
fn every_good_manifest_is_accepted_and_asks_for_nothing_without_its_credentials() {
    let folder = "tests/manifests/good";
    let printed = judged(folder);
    assert!(!printed.contains("refused"), "{printed}");
    let files = names(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder));
    let waiting = printed
        .lines()
        .filter(|line| line.contains("  not-ready  "))
        .count();
    assert_eq!(waiting, files.len(), "{printed}");
}

#[tokio::test]
async fn the_refresh_annotation_asks_once() {
    let rig = Rig::new(3600.0);
    let running = rig.start(&[]);
    running.line(&["issued"]).await;
    let first = rig.token();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let asking = rig.client("books", "").replace(
        "{name: books}",
        "{name: books, annotations: {oauthclient.dev/refresh-requested-at: now}}",
    );
    rig.write("books.yaml", &asking);
    rig.token_after(&first).await;
    tokio::time::sleep(PICKED_UP).await;
    assert!(running.terminate().await.success());
    assert_eq!(rig.once().await.0, 0);
    assert_eq!(rig.requests(), 2);
}

#[tokio::test]
async fn what_is_suspended_asks_for_nothing_until_it_is_resumed() {
    let rig = Rig::new(3600.0);
    rig.write("books.yaml", &rig.client("books", "  suspend: true\n"));
    let running = rig.start(&[]);
    tokio::time::sleep(PICKED_UP).await;
    assert_eq!(rig.requests(), 0);
    rig.write("books.yaml", &rig.client("books", ""));
    running.line(&["issued"]).await;
}

#[tokio::test]
async fn a_ca_bundle_that_comes_later_is_picked_up() {
    let rig = Rig::new(3600.0);
    rig.remove("ca.yaml");
    let running = rig.start(&[]);
    running.line(&["waiting", "There is no ConfigMap ca"]).await;
    assert_eq!(rig.requests(), 0);
    rig.write("ca.yaml", &rig.config_map());
    running.line(&["issued"]).await;
}

#[tokio::test]
async fn without_its_ca_bundle_the_provider_is_not_trusted() {
    let rig = Rig::new(3600.0);
    rig.write(
        "books.yaml",
        &rig.client("books", "")
            .replace("    caBundle: {configMapName: ca}\n", ""),
    );
    let (code, text) = rig.once().await;
    assert_eq!((code, rig.requests()), (1, 0), "{text}");
    assert!(text.contains("caBundle"), "{text}");
}

#[tokio::test]
async fn a_deleted_output_is_restored_at_the_start_as_well() {
    let rig = Rig::new(3600.0);
    assert_eq!(rig.once().await.0, 0);
    fs::remove_dir_all(rig.output().join("default")).unwrap();
    let (code, text) = rig.once().await;
    assert_eq!((code, rig.requests()), (0, 2), "{text}");
    assert!(text.contains("restored"), "{text}");
    assert!(rig.is_valid(&rig.token()));
}

#[tokio::test]
async fn the_type_of_a_secret_cannot_be_edited() {
    let rig = Rig::new(3600.0);
    let running = rig.start(&[]);
    running.line(&["issued"]).await;
    let other = rig.client("books", "").replace(
        "{name: books-token}",
        "{name: books-token, type: example.com/token}",
    );
    rig.write("books.yaml", &other);
    running
        .line(&["refused", "spec.tokenSecret.type", "is immutable"])
        .await;
    assert!(rig.is_valid(&rig.token()));
    assert_eq!(rig.requests(), 1);
}

#[tokio::test]
async fn a_clock_that_was_set_forward_is_noticed() {
    let rig = Rig::new(3600.0);
    let offset = rig.folder.path().join("offset");
    fs::write(&offset, "0").unwrap();
    let running = rig.start(&["--clock-offset-file", offset.to_str().unwrap()]);
    running.line(&["issued"]).await;
    let first = rig.token();
    fs::write(&offset, "3500").unwrap();
    rig.token_after(&first).await;
    assert_eq!(rig.requests(), 2);
}

#[tokio::test]
async fn a_wrong_password_is_not_tried_again_after_a_restart_but_other_credentials_are() {
    let rig = Rig::new(3600.0);
    rig.provider.update(PATH, |behaviour| {
        behaviour.accepts.clients = vec![testkit::provider::Account {
            id: "books".to_owned(),
            secret: "right".to_owned(),
            ..Default::default()
        }];
    });
    for _ in 0..3 {
        let running = rig.start(&[]);
        while rig.requests() == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        // Time to write the failure down, and to try again if it did.
        tokio::time::sleep(Duration::from_secs(3)).await;
        running.kill();
    }
    assert_eq!(rig.requests(), 1);
    rig.write("credentials.yaml", &secret("right", true));
    let (code, text) = rig.once().await;
    assert_eq!((code, rig.requests()), (0, 2), "{text}");
    assert!(!text.contains(CANARY), "{text}");
}

#[tokio::test]
async fn a_path_that_is_not_there_ends_it_with_2() {
    let rig = Rig::new(3600.0);
    let running = rig.start_on(&rig.folder.path().join("nothing"), &[]);
    running.line(&["cannot read", "nothing"]).await;
    assert_eq!(running.ended().await.code(), Some(2));
}
