//! State that earlier builds wrote, kept as files in `tests/local/recorded/`: an upgrade requests no token, and goes on with the refresh
//! token in the state.
//!
//! To record another format, run the program of that build on `manifests.yaml` with an endpoint at [`ADDRESS`] whose tokens live for ten years and
//! whose refresh token is `recorded-refresh-token-1`, and copy its output with `cp -a`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use testkit::wait;

/// Where the recorded manifests expect the token endpoint. All of 127.0.0.0/8 is loopback.
const ADDRESS: &str = "127.45.0.1:18999";
const ANSWER: &str =
    r#"{"access_token":"a-token-of-today","token_type":"Bearer","expires_in":3600}"#;

fn recorded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/local/recorded")
}

/// A token endpoint that keeps the requests that it gets; it ends with the process.
async fn endpoint() -> Arc<Mutex<Vec<String>>> {
    // Another run of this test on the machine may have the address for a few seconds.
    let listening = wait::until(ADDRESS, crate::rig::PATIENCE, || async {
        TcpListener::bind(ADDRESS).map_err(|error| testkit::Error::new(error.to_string()))
    });
    let listener = listening.await.unwrap();
    let requests = Arc::new(Mutex::new(Vec::new()));
    let book = Arc::clone(&requests);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut text = String::new();
            let mut buffer = [0; 4096];
            while !is_whole(&text) {
                match stream.read(&mut buffer) {
                    Ok(0) | Err(_) => break,
                    Ok(count) => text.push_str(&String::from_utf8_lossy(&buffer[..count])),
                }
            }
            book.lock().unwrap().push(text);
            let length = ANSWER.len();
            let _gone = write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{ANSWER}"
            );
        }
    });
    requests
}

fn is_whole(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else {
        return false;
    };
    let head = head.to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    length.is_none_or(|length| body.len() >= length.trim().parse().unwrap())
}

/// Copies a folder with its links; the state may be read by its owner alone, which Git does not keep.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::Permissions::from_mode(0o700)).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            copy(&source, &target);
        } else if kind.is_symlink() {
            symlink(fs::read_link(&source).unwrap(), &target).unwrap();
        } else {
            fs::copy(&source, &target).unwrap();
            fs::set_permissions(&target, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
}

/// Runs the program once on these manifests; what it prints.
fn once(manifests: &Path, output: &Path) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oauthclient-operator"));
    command.args(["local", "--allow-loopback", "--allow-http", "--once", "-f"]);
    let done = command
        .arg(manifests)
        .arg("--output")
        .arg(output)
        .output()
        .unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
    assert!(done.status.success(), "{said}");
    said
}

/// What is published, by file.
fn published(output: &Path) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (resource, key) in [
        ("plain", "access_token"),
        ("templates", "authorization"),
        ("templates", "until"),
        ("password", "access_token"),
        ("refresh", "access_token"),
    ] {
        let path = output.join(format!("default/{resource}-token/{key}"));
        all.insert(
            format!("{resource}/{key}"),
            fs::read_to_string(path).unwrap(),
        );
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn state_of_an_earlier_build_requests_no_token_and_its_refresh_token_is_used_next() {
    let requests = endpoint().await;
    for format in ["without-lenders", "with-lenders"] {
        let work = tempfile::tempdir().unwrap();
        let (output, manifests) = (work.path().join("output"), work.path().join("all.yaml"));
        copy(&recorded().join(format), &output);
        let text = fs::read_to_string(recorded().join("manifests.yaml")).unwrap();
        fs::write(&manifests, &text).unwrap();
        let before = published(&output);
        let said = once(&manifests, &output);
        let sent = requests.lock().unwrap().clone();
        assert!(sent.is_empty(), "{format}: {sent:?}\n{said}");
        assert_eq!(published(&output), before, "{format}: {said}");

        // A refresh that is asked for sends the token that the earlier build had stored, and no other.
        let name = "metadata: {name: refresh}";
        assert!(text.contains(name));
        let asked =
            "metadata: {name: refresh, annotations: {oauthclient.dev/refresh-requested-at: now}}";
        fs::write(&manifests, text.replace(name, asked)).unwrap();
        let said = once(&manifests, &output);
        let sent = std::mem::take(&mut *requests.lock().unwrap());
        assert_eq!(sent.len(), 1, "{format}: {sent:?}\n{said}");
        assert!(
            sent[0].ends_with("grant_type=refresh_token&refresh_token=recorded-refresh-token-1"),
            "{format}: {sent:?}"
        );
        let after = published(&output);
        assert_eq!(after["refresh/access_token"], "a-token-of-today");
        assert_eq!(after["plain/access_token"], before["plain/access_token"]);
    }
}
