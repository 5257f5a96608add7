//! The TCP proxy in front of an echo server.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;
use std::time::Duration;
use testkit::clock::Stopwatch;
use testkit::tcp_proxy::{TcpMode, TcpProxy};
use testkit::wait;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(10);
/// Long enough to distinguish silence from a response, which takes microseconds.
const A_WHILE: Duration = Duration::from_millis(300);

/// A server that sends everything back until the client has no more to say.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _reset = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    address
}

async fn proxy() -> TcpProxy {
    TcpProxy::start(echo().await).unwrap()
}

async fn ask(stream: &mut TcpStream, text: &str) -> std::io::Result<String> {
    stream.write_all(text.as_bytes()).await?;
    let mut answer = vec![0; text.len()];
    timeout(SOON, stream.read_exact(&mut answer))
        .await
        .unwrap()?;
    Ok(String::from_utf8(answer).unwrap())
}

#[tokio::test]
async fn everything_passes_and_each_side_may_end_first() {
    let proxy = proxy().await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(ask(&mut stream, "hello").await.unwrap(), "hello");
    stream.write_all(b"last").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut rest = String::new();
    timeout(SOON, stream.read_to_string(&mut rest))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(rest, "last");
    wait::until_true("the connection to be closed", SOON, || proxy.open() == 0)
        .await
        .unwrap();
    assert_eq!(proxy.accepted(), 1);
}

#[tokio::test]
async fn a_cut_resets_open_connections_and_lets_new_ones_in() {
    let proxy = proxy().await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    ask(&mut stream, "hello").await.unwrap();
    proxy.cut();
    let error = timeout(SOON, stream.read_u8()).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    let mut next = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(ask(&mut next, "again").await.unwrap(), "again");
}

#[tokio::test]
async fn silence_holds_open_and_new_connections_and_ends_without_loss() {
    let proxy = proxy().await;
    let mut open = TcpStream::connect(proxy.address()).await.unwrap();
    ask(&mut open, "hello").await.unwrap();
    proxy.set(TcpMode::Silent);
    let mut new = TcpStream::connect(proxy.address()).await.unwrap();
    for stream in [&mut open, &mut new] {
        stream.write_all(b"x").await.unwrap();
        assert!(timeout(A_WHILE, stream.read_u8()).await.is_err());
    }
    proxy.set(TcpMode::Pass);
    for stream in [&mut open, &mut new] {
        assert_eq!(
            timeout(SOON, stream.read_u8()).await.unwrap().unwrap(),
            b'x'
        );
    }
}

#[tokio::test]
async fn a_refused_connection_is_reset_and_an_open_one_goes_on() {
    let proxy = proxy().await;
    let mut open = TcpStream::connect(proxy.address()).await.unwrap();
    ask(&mut open, "hello").await.unwrap();
    proxy.set(TcpMode::Refuse);
    let refused = match TcpStream::connect(proxy.address()).await {
        Ok(mut stream) => timeout(SOON, stream.read_u8()).await.unwrap().map(drop),
        Err(error) => Err(error),
    };
    assert_eq!(
        refused.unwrap_err().kind(),
        std::io::ErrorKind::ConnectionReset
    );
    assert_eq!(ask(&mut open, "still").await.unwrap(), "still");
}

#[tokio::test]
async fn an_answer_is_cut_after_so_many_bytes() {
    let proxy = proxy().await;
    proxy.set(TcpMode::CutAfter(3));
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    stream.write_all(b"hello").await.unwrap();
    let mut answer = Vec::new();
    let ended = timeout(SOON, stream.read_to_end(&mut answer))
        .await
        .unwrap();
    assert_eq!(
        ended.unwrap_err().kind(),
        std::io::ErrorKind::ConnectionReset
    );
    assert!(b"hel".starts_with(&answer), "{answer:?}");
}

#[tokio::test]
async fn an_answer_trickles() {
    let proxy = proxy().await;
    proxy.set(TcpMode::Trickle(10));
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    let stopwatch = Stopwatch::start();
    assert_eq!(ask(&mut stream, "hello").await.unwrap(), "hello");
    // Five bytes have four gaps of a tenth of a second between them.
    assert!(stopwatch.elapsed() >= Duration::from_millis(390));
}

#[tokio::test]
async fn nobody_listens_once_the_proxy_is_dropped() {
    let proxy = proxy().await;
    let address = proxy.address();
    let mut stream = TcpStream::connect(address).await.unwrap();
    ask(&mut stream, "hello").await.unwrap();
    drop(proxy);
    assert!(timeout(SOON, stream.read_u8()).await.unwrap().is_err());
    wait::until("the port to close", SOON, || async {
        match TcpStream::connect(address).await {
            Ok(_) => Err(testkit::Error::new("it is open")),
            Err(_) => Ok(()),
        }
    })
    .await
    .unwrap();
}
