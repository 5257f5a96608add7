//! The program's `local`, run as a user would, against the scripted provider over TLS.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "helpers of tests may panic as the tests themselves, and are shared by the files of this test"
)]

mod access;
mod altinn;
mod dpop;
mod examples;
mod issuer;
mod manifests;
mod recorded;
mod refresh;
mod rig;
mod ways;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use rig::{CANARY, PATH, Rig, TOKEN, names, secret};
use testkit::process::Signal;
use testkit::provider::Fault;

const PAUSE: Duration = Duration::from_millis(1500);

#[tokio::test]
async fn a_token_is_issued_and_replaced_before_it_expires() {
    let rig = Rig::new(20.0);
    let running = rig.start(&[]);
    let line = running
        .line(&["default/books", "issued", "next refresh at"])
        .await;
    assert!(line.contains("output/default/books-token"), "{line}");
    let first = rig.token();
    let second = rig.token_after(&first).await;
    assert!(
        rig.is_valid(&first),
        "the first was still valid when it was replaced"
    );
    assert!(rig.is_valid(&second));
    running.line(&["default/books", "refreshed"]).await;
    assert!(running.terminate().await.success());
}

#[tokio::test]
async fn the_output_is_laid_out_as_a_mounted_secret_for_nobody_else_to_read() {
    let rig = Rig::new(3600.0);
    assert_eq!(rig.once().await.0, 0);
    let folder = rig.output().join("default/books-token");
    let found = names(&folder);
    assert!(found[0].starts_with("..20"), "{found:?}");
    assert_eq!(
        found[1..],
        ["..data", "access_token", "expires_at", "token_type"]
    );
    assert_eq!(
        fs::read_link(folder.join("..data")).unwrap(),
        Path::new(&found[0])
    );
    assert_eq!(
        fs::read_link(folder.join("access_token")).unwrap(),
        Path::new("..data/access_token")
    );
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&rig.token_file()), 0o600);
    for private in [
        folder.clone(),
        folder.join(&found[0]),
        rig.output(),
        rig.output().join(".state"),
        rig.output().join("default"),
    ] {
        assert_eq!(mode(&private), 0o700, "{private:?}");
    }
    assert_eq!(
        mode(&rig.output().join(".state/oauthclients/default/books.json")),
        0o600
    );
}

#[tokio::test]
async fn once_ends_with_0_when_all_is_well_and_asks_for_nothing_the_next_time() {
    let rig = Rig::new(3600.0);
    let (code, text) = rig.once().await;
    assert_eq!(code, 0, "{text}");
    let token = rig.token();
    let (code, text) = rig.once().await;
    assert_eq!((code, rig.requests()), (0, 1), "{text}");
    assert_eq!(rig.token(), token);
}

#[tokio::test]
async fn once_ends_with_1_and_the_reason_when_a_token_could_not_be_had() {
    let rig = Rig::new(3600.0);
    rig.provider.update(PATH, |behaviour| {
        behaviour.fault = Some(Fault::error("invalid_client"));
    });
    let (code, text) = rig.once().await;
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("default/books  failed  InvalidClient"),
        "{text}"
    );
    assert!(
        text.contains("default/books  not-ready  InvalidClient"),
        "{text}"
    );
    assert_eq!(rig.requests(), 1);
    // What failed is not due again yet: a second run asks for nothing.
    let (code, text) = rig.once().await;
    assert_eq!((code, rig.requests()), (1, 1), "{text}");
    assert!(text.contains("not retried before"), "{text}");
    assert!(!rig.token_file().exists());
}

#[tokio::test]
async fn what_a_flag_forbade_is_tried_at_once_when_the_flag_allows_it() {
    let rig = Rig::new(3600.0);
    let strict = rig.run(&rig.manifests(), &["--once"]);
    strict.line(&["failed", "AddressRefused"]).await;
    assert_eq!(strict.ended().await.code(), Some(1));
    let (code, text) = rig.once().await;
    assert_eq!((code, rig.requests()), (0, 1), "{text}");
}

#[tokio::test]
async fn a_restart_asks_for_nothing() {
    let rig = Rig::new(3600.0);
    let running = rig.start(&[]);
    running.line(&["issued"]).await;
    running.kill();
    let token = rig.token();
    for _ in 0..2 {
        let running = rig.start(&[]);
        tokio::time::sleep(PAUSE).await;
        assert!(running.terminate().await.success());
    }
    assert_eq!((rig.requests(), rig.token()), (1, token));
}

#[tokio::test]
async fn an_altered_or_deleted_output_is_restored() {
    let rig = Rig::new(3600.0);
    let running = rig.start(&[]);
    running.line(&["issued"]).await;
    let first = rig.token();
    tokio::time::sleep(Duration::from_millis(2500)).await;
    fs::write(rig.token_file(), "theirs").unwrap();
    running.line(&["restored"]).await;
    let second = rig.token();
    assert!(rig.is_valid(&second) && second != first);
    fs::remove_dir_all(rig.output().join("default/books-token")).unwrap();
    let third = rig.token_after(&second).await;
    assert!(rig.is_valid(&third));
    assert_eq!(rig.requests(), 3);
}

#[tokio::test]
async fn a_link_that_was_deleted_comes_back_without_a_request() {
    let rig = Rig::new(3600.0);
    let running = rig.start(&[]);
    running.line(&["issued"]).await;
    let token = rig.token();
    fs::remove_file(rig.token_file()).unwrap();
    assert_eq!(rig.token_after("").await, token);
    assert_eq!(rig.requests(), 1);
}

#[tokio::test]
async fn what_somebody_else_made_is_never_touched() {
    let rig = Rig::new(3600.0);
    let folder = rig.output().join("default/books-token");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("access_token"), "theirs").unwrap();
    let (code, text) = rig.once().await;
    assert_eq!((code, rig.requests()), (1, 0), "{text}");
    assert!(
        text.contains("SecretNotOwned") && text.contains("move ") && !text.contains("kubectl"),
        "{text}"
    );
    assert_eq!(names(&folder), ["access_token"]);
    assert_eq!(rig.token(), "theirs");

    let elsewhere = rig.folder.path().join("elsewhere");
    fs::rename(&folder, &elsewhere).unwrap();
    symlink(&elsewhere, &folder).unwrap();
    assert_eq!(rig.once().await.0, 1);
    assert_eq!(names(&elsewhere), ["access_token"]);
}

#[tokio::test]
async fn an_edit_is_picked_up_and_asks_for_a_token_only_where_it_changes_what_is_sent() {
    let rig = Rig::new(3600.0);
    let running = rig.start(&[]);
    running.line(&["issued"]).await;
    let first = rig.token();
    rig.write(
        "books.yaml",
        &rig.client("books", "  refresh: {beforeSeconds: 600}\n"),
    );
    tokio::time::sleep(2 * PAUSE).await;
    assert_eq!((rig.requests(), rig.token()), (1, first.clone()));
    rig.write("books.yaml", &rig.client("books", "  scopes: [read]\n"));
    rig.token_after(&first).await;
    assert_eq!(
        rig.provider.requests_to(PATH)[1]
            .form_value("scope")
            .as_deref(),
        Some("read")
    );
}

#[tokio::test]
async fn other_credentials_ask_for_a_token_and_other_labels_do_not() {
    let rig = Rig::new(3600.0);
    let running = rig.start(&[]);
    running.line(&["issued"]).await;
    let first = rig.token();
    let annotated = secret(CANARY, true).replace("labels: {", "labels: {team: books, ");
    rig.write("credentials.yaml", &annotated);
    tokio::time::sleep(2 * PAUSE).await;
    assert_eq!(rig.requests(), 1);
    rig.write("credentials.yaml", &secret("another-secret", true));
    rig.token_after(&first).await;
    assert_eq!(rig.requests(), 2);
}

#[tokio::test]
async fn credentials_that_are_not_lent_are_not_sent_until_they_are() {
    let rig = Rig::new(3600.0);
    rig.write("credentials.yaml", &secret(CANARY, false));
    let running = rig.start(&[]);
    let line = running
        .line(&["default/books", "waiting", "lacks the label"])
        .await;
    assert!(!line.contains("kubectl"), "{line}");
    assert_eq!(rig.requests(), 0);
    rig.write("credentials.yaml", &secret(CANARY, true));
    running.line(&["issued"]).await;
}

#[tokio::test]
async fn credentials_go_only_to_the_hosts_that_they_allow() {
    let rig = Rig::new(3600.0);
    let allowing = |host: &str| {
        secret(CANARY, true).replace(
            "labels:",
            &format!("annotations: {{oauthclient.dev/allowed-hosts: {host}}}, labels:"),
        )
    };
    rig.write("credentials.yaml", &allowing("auth.example.com"));
    let running = rig.start(&[]);
    running
        .line(&["default/books", "waiting", "allowed-hosts"])
        .await;
    assert_eq!(rig.requests(), 0);
    rig.write("credentials.yaml", &allowing("127.0.0.1"));
    running.line(&["issued"]).await;
}

#[tokio::test]
async fn a_bad_manifest_is_refused_by_name_and_what_it_said_before_still_holds() {
    let rig = Rig::new(3600.0);
    let running = rig.start(&[]);
    running.line(&["issued"]).await;
    let bad = format!(
        "{}---\n{}",
        secret("other", true).replace("name: credentials", "name: other"),
        rig.client("books", "  scope: [read]\n")
    );
    rig.write("books.yaml", &bad);
    let line = running
        .line(&[
            "manifest",
            "refused",
            "books.yaml",
            "document 2",
            "spec.scope",
        ])
        .await;
    assert!(line.contains("unknown field"), "{line}");
    tokio::time::sleep(PAUSE).await;
    assert!(rig.is_valid(&rig.token()), "its token is still there");
    rig.write("books.yaml", &rig.client("books", ""));
    running.line(&["manifest", "accepted"]).await;
    assert_eq!(rig.requests(), 1);
}

#[tokio::test]
async fn a_manifest_that_is_removed_takes_its_tokens_along() {
    let rig = Rig::new(3600.0);
    rig.write("films.yaml", &rig.client("films", ""));
    let running = rig.start(&[]);
    running.line(&["default/books", "issued"]).await;
    running.line(&["default/films", "issued"]).await;
    rig.remove("films.yaml");
    running.line(&["default/films", "removed"]).await;
    assert!(!rig.output().join("default/films-token").exists());
    assert!(running.terminate().await.success());
    // While nothing runs, too.
    rig.remove("books.yaml");
    let (code, text) = rig.once().await;
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("there is no OAuthClient"), "{text}");
    assert!(!rig.output().join("default/books-token").exists());
    assert!(names(&rig.output().join(".state/oauthclients/default")).is_empty());
}

#[tokio::test]
async fn tokens_of_manifests_that_are_not_named_this_time_are_left_alone() {
    let rig = Rig::new(3600.0);
    assert_eq!(rig.once().await.0, 0);
    let others = rig.folder.path().join("others");
    fs::create_dir(&others).unwrap();
    fs::write(others.join("ca.yaml"), rig.config_map()).unwrap();
    let running = rig.start_on(&others, &[]);
    running.line(&["default/books", "left", "books.yaml"]).await;
    assert!(running.terminate().await.success());
    assert!(rig.is_valid(&rig.token()));
    // And found again as they were.
    assert_eq!((rig.once().await.0, rig.requests()), (0, 1));
}

#[tokio::test]
async fn a_new_name_of_the_token_secret_moves_the_token() {
    let rig = Rig::new(3600.0);
    let running = rig.start(&[]);
    running.line(&["issued"]).await;
    let token = rig.token();
    rig.write(
        "books.yaml",
        &rig.client("books", "").replace("books-token", "renamed"),
    );
    running
        .line(&["default/books", "removed", "books-token"])
        .await;
    let moved = fs::read_to_string(rig.output().join("default/renamed/access_token")).unwrap();
    assert_eq!((moved, rig.requests()), (token, 1));
}

#[tokio::test]
async fn two_resources_never_write_one_folder() {
    let rig = Rig::new(3600.0);
    rig.write(
        "films.yaml",
        &rig.client("films", "")
            .replace("films-token", "books-token"),
    );
    let (code, text) = rig.once().await;
    assert_eq!((code, rig.requests()), (1, 1), "{text}");
    assert!(text.contains("SecretContested"), "{text}");
}

#[tokio::test]
async fn a_failure_keeps_the_token_and_says_when_it_is_tried_again() {
    let rig = Rig::new(12.0);
    let running = rig.start(&[]);
    running.line(&["issued"]).await;
    let token = rig.token();
    rig.provider.set_fault(PATH, Some(Fault::status(503)));
    let line = running
        .line(&["default/books", "failed", "Next try at"])
        .await;
    assert!(line.contains("stays valid until"), "{line}");
    assert_eq!(rig.token(), token);
    running.line(&["default/books", "expired"]).await;
    rig.provider.set_fault(PATH, None);
    rig.token_after(&token).await;
    running.line(&["default/books", "recovered"]).await;
}

#[tokio::test]
async fn an_answer_under_way_is_still_written_after_sigterm() {
    let rig = Rig::new(3600.0);
    rig.provider
        .update(PATH, |behaviour| behaviour.latency_ms = 1500);
    let running = rig.start(&[]);
    rig.provider
        .wait_for_requests(PATH, 1, rig::PATIENCE)
        .await
        .unwrap();
    assert!(running.terminate().await.success());
    assert!(rig.is_valid(&rig.token()));
}

#[tokio::test]
async fn a_second_process_on_the_same_output_is_refused() {
    let rig = Rig::new(3600.0);
    let running = rig.start(&[]);
    running.line(&["issued"]).await;
    let second = rig.start(&[]);
    second.line(&["another process works on this output"]).await;
    running.signal(Signal::Terminate);
}

/// Twelve resources that all ask and write at once, killed when so many of their requests have come: each time in the midst
/// of some writes.
#[tokio::test]
async fn killed_at_any_moment_it_leaves_whole_outputs() {
    const RESOURCES: usize = 12;
    let rig = Rig::new(3600.0);
    rig.remove("books.yaml");
    let name = |number: usize| format!("r{number}");
    let template = |round: usize| {
        format!(
            "    data:\n      one: \"{{{{ access_token }}}}\"\n      two: \"{{{{ access_token }}}}\"\n      round{round}: x\n"
        )
    };
    let folder = |number: usize| rig.output().join(format!("default/{}-token", name(number)));
    let mut cut = 0;
    for round in 0..24 {
        for number in 0..RESOURCES {
            let name = name(number);
            let flow = format!("  tokenSecret: {{name: {name}-token}}\n");
            let block = format!(
                "  tokenSecret:\n    name: {name}-token\n{}",
                template(round)
            );
            let manifest = rig.client(&name, "").replace(&flow, &block);
            rig.write(&format!("{name}.yaml"), &manifest);
        }
        let before = rig.requests();
        let running = rig.start(&[]);
        let some = 1 + round % RESOURCES;
        rig.provider
            .wait_for_requests(PATH, before + some, rig::PATIENCE)
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(round as u64 % 5)).await;
        running.kill();
        let mut written = 0;
        for number in 0..RESOURCES {
            let read = |key: &str| fs::read_to_string(folder(number).join("..data").join(key));
            if let Ok(one) = read("one") {
                assert_eq!(one, read("two").unwrap(), "both of one token");
                assert!(rig.is_valid(&one));
            }
            written += usize::from(read(&format!("round{round}")).is_ok());
        }
        cut += usize::from(written < RESOURCES);
    }
    assert!(cut >= 12, "only {cut} rounds were cut");
    let (code, text) = rig.once().await;
    assert_eq!(code, 0, "{text}");
    for number in 0..RESOURCES {
        let found = names(&folder(number));
        let versions = found.iter().filter(|name| name.starts_with("..20"));
        assert_eq!(versions.count(), 1, "{found:?}");
        assert_eq!(found[1..], ["..data", "one", "round23", "two"], "{found:?}");
        let token = fs::read_to_string(folder(number).join("one")).unwrap();
        assert!(rig.is_valid(&token));
    }
}

#[tokio::test]
async fn neither_credentials_nor_tokens_are_ever_printed() {
    let rig = Rig::new(8.0);
    let running = rig.start(&[]);
    running.line(&["refreshed"]).await;
    rig.provider
        .set_fault(PATH, Some(Fault::error("invalid_client")));
    running.line(&["failed"]).await;
    rig.write("credentials.yaml", &secret(&format!("[{CANARY}"), true));
    running.line(&["refused", "credentials.yaml"]).await;
    let text = running.text();
    for word in [CANARY, TOKEN] {
        assert!(!text.contains(word), "{text}");
    }
    let state = rig.output().join(".state");
    for kind in ["oauthclients", "secrets"] {
        for name in names(&state.join(kind).join("default")) {
            let kept = fs::read_to_string(state.join(kind).join("default").join(name)).unwrap();
            assert!(!kept.contains(CANARY) && !kept.contains(TOKEN), "{kept}");
        }
    }
}
