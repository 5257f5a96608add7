//! The program `control-plane`, and what is left of it when it ends for different reasons.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use testkit::wait;

/// A `control-plane up` that has said that it is ready.
struct Up {
    child: Child,
    api_server: SocketAddr,
    folder: PathBuf,
}

async fn up(kubeconfig: &Path) -> Up {
    let mut child = Command::new(env!("CARGO_BIN_EXE_control-plane"))
        .args(["up", "--kubeconfig"])
        .arg(kubeconfig)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let said = tokio::task::spawn_blocking(move || {
        let mut said = String::new();
        for line in &mut lines {
            said.push_str(&line.unwrap());
            said.push('\n');
            if said.contains("its logs are in") {
                break;
            }
        }
        said
    });
    let said = tokio::time::timeout(Duration::from_secs(120), said)
        .await
        .unwrap()
        .unwrap();
    let api_server = said
        .split("https://")
        .nth(1)
        .unwrap()
        .split(". ")
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let folder = PathBuf::from(said.split("its logs are in ").nth(1).unwrap().trim());
    Up {
        child,
        api_server,
        folder,
    }
}

async fn gone(server: SocketAddr) {
    wait::until_true("the API server to be gone", Duration::from_secs(20), || {
        TcpStream::connect(server).is_err()
    })
    .await
    .unwrap();
}

/// A signal by name, as people send it.
fn send(signal: &str, child: &Child) {
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args([signal, &pid])
            .status()
            .unwrap()
            .success()
    );
}

#[tokio::test]
async fn ctrl_c_ends_the_servers_and_removes_what_they_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let kubeconfig = dir.path().join("kubeconfig");
    let mut up = up(&kubeconfig).await;
    let text = std::fs::read_to_string(&kubeconfig).unwrap();
    assert!(text.contains(&up.api_server.to_string()), "{text}");
    assert!(TcpStream::connect(up.api_server).is_ok());

    send("-INT", &up.child);
    assert!(up.child.wait().unwrap().success());
    gone(up.api_server).await;
    assert!(!up.folder.exists());
    assert!(!kubeconfig.exists());
}

#[tokio::test]
async fn a_killed_process_takes_its_servers_along_and_its_folder_is_swept_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let mut killed = up(&dir.path().join("first")).await;
    send("-KILL", &killed.child);
    killed.child.wait().unwrap();
    gone(killed.api_server).await;

    let mut next = up(&dir.path().join("second")).await;
    assert!(!killed.folder.exists());
    assert!(next.folder.exists());
    send("-TERM", &next.child);
    assert!(next.child.wait().unwrap().success());
}

#[test]
fn unknown_arguments_are_refused_with_the_usage() {
    let output = Command::new(env!("CARGO_BIN_EXE_control-plane"))
        .arg("down")
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("Usage: control-plane COMMAND"), "{said}");
}
