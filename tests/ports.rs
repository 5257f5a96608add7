//! The ports of the shipped program under 10,000 unfinished requests: every probe is answered, and so is every scrape.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use testkit::operator::{Launch, Operator};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

const PROGRAM: &str = env!("CARGO_BIN_EXE_oauthclient-operator");
const SOON: Duration = Duration::from_secs(100);
/// What the kubelet waits for, in deploy/.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
const HALF_OPEN: u64 = 10_000;
/// Files that the test needs in addition.
const OTHERS: u64 = 500;

/// A cluster without a server: the ports are the same, and no API server has to run.
const KUBECONFIG: &str = "apiVersion: v1
kind: Config
current-context: none
clusters: [{name: none, cluster: {server: 'https://127.0.0.1:1'}}]
contexts: [{name: none, context: {cluster: none, user: none}}]
users: [{name: none, user: {token: none}}]
";

fn kubeconfig(folder: &tempfile::TempDir) -> PathBuf {
    let path = folder.path().join("kubeconfig");
    std::fs::write(&path, KUBECONFIG).unwrap();
    path
}

/// Lets this process open as many files as the test needs.
fn allow_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    let wanted = HALF_OPEN + OTHERS;
    if limit.current.is_none_or(|now| now >= wanted) {
        return;
    }
    limit.current = Some(wanted);
    if limit.maximum.is_some_and(|most| most < wanted) {
        limit.maximum = Some(wanted);
    }
    setrlimit(Resource::Nofile, limit)
        .expect("this test opens 10,500 files: raise the hard limit (ulimit -Hn)");
}

/// Connects from one of 127.0.0.2 to 127.0.0.9 and sends a part of a request.
async fn half_open(address: SocketAddr, number: u64) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    let source = [127, 0, 0, 2 + u8::try_from(number % 8).unwrap()];
    socket.bind(SocketAddr::from((source, 0)))?;
    let mut stream = socket.connect(address).await?;
    // The server may have closed it by now to let newer ones in.
    let _ = stream
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\nx-")
        .await;
    Ok(stream)
}

/// A GET as the kubelet sends it, within the time that it waits; the status.
async fn probe(address: SocketAddr, path: &str) -> u16 {
    let asked = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    };
    let answer = timeout(PROBE_TIMEOUT, asked)
        .await
        .unwrap_or_else(|_| panic!("no answer to {path} within {PROBE_TIMEOUT:?}"));
    answer[9..12].parse().unwrap()
}

/// Opens 10,000 connections to `target` and holds them; meanwhile both probes and the metrics are asked, every 250th time.
async fn every_probe_is_answered_while(operator: &Operator, target: SocketAddr) {
    let mut held = Vec::new();
    for number in 0..HALF_OPEN {
        held.push(half_open(target, number).await.unwrap());
        if number % 250 == 0 {
            all_answer(operator).await;
        }
    }
    all_answer(operator).await;
    assert_eq!(held.len() as u64, HALF_OPEN);
    let displaced = operator
        .metric("oauthclient_connections_displaced_total", &[])
        .await
        .unwrap();
    assert!(displaced > 0.0, "the places were never all taken");
}

async fn all_answer(operator: &Operator) {
    for (address, path) in [
        (operator.probes(), "/healthz"),
        (operator.probes(), "/readyz"),
        (operator.address(), "/metrics"),
    ] {
        assert_eq!(probe(address, path).await, 200, "{path}");
    }
}

async fn start(files: Option<u32>) -> (tempfile::TempDir, Operator) {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = kubeconfig(&folder);
    let launch = match files {
        None => Launch::run(PROGRAM, &kubeconfig),
        Some(files) => {
            let script = format!("ulimit -n {files}; exec \"$0\" \"$@\"");
            let inner = Launch::run(PROGRAM, &kubeconfig);
            inner.through("/bin/sh", &["-c", &script])
        }
    };
    let operator = launch.start().unwrap();
    operator.wait_until_ready(SOON).await.unwrap();
    (folder, operator)
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_unfinished_requests_to_either_port_fail_no_probe() {
    allow_files();
    let (_folder, operator) = start(None).await;
    every_probe_is_answered_while(&operator, operator.probes()).await;
    every_probe_is_answered_while(&operator, operator.address()).await;
    assert_eq!(operator.exited(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn unfinished_requests_cannot_use_up_the_files_of_the_process() {
    let (_folder, operator) = start(Some(64)).await;
    let mut held = Vec::new();
    for number in 0..400 {
        for target in [operator.probes(), operator.address()] {
            held.push(half_open(target, number).await.unwrap());
        }
        if number % 50 == 0 {
            all_answer(&operator).await;
        }
    }
    all_answer(&operator).await;
    let open = operator.metric("process_open_fds", &[]).await.unwrap();
    assert!(open < 60.0, "{open} files are open");
}
