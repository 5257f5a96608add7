//! What the Kubernetes client would log of a Secret, and does not: with the real client, at the loudest filter.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, PostParams};
use oauthclient_operator::telemetry;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn text(&self) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&lines).into_owned()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Lines;
    fn make_writer(&self) -> Lines {
        self.clone()
    }
}

/// An API server whose responses cannot be parsed, and which repeats what it was sent in its errors.
async fn answer_each(listener: TcpListener) {
    for (status, body) in [
        (
            "200 OK",
            r#"{"kind":"Secret","data":{"password":"Q0FOQVJZ","other":CANARY}}"#,
        ),
        (
            "422 Unprocessable Entity",
            r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"CANARY is invalid","reason":"Invalid","code":422}"#,
        ),
        ("500 Internal Server Error", "CANARY"),
    ] {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await.unwrap();
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

/// A read, a refused write and a failed write, on this thread alone, so that the thread's subscriber hears it all.
fn use_the_client() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let mut config = kube::Config::new(url.parse().unwrap());
        config.default_retry = false;
        let client = kube::Client::try_from(config).unwrap();
        let serving = tokio::spawn(answer_each(listener));
        let api: Api<Secret> = Api::namespaced(client, "bookshop");
        assert!(api.get("bokbasen-client").await.is_err());
        for _ in 0..2 {
            let written = api.create(&PostParams::default(), &Secret::default()).await;
            assert!(written.is_err());
        }
        serving.await.unwrap();
    });
}

#[test]
fn the_loudest_filter_shows_nothing_of_a_secret_that_the_client_would_log() {
    testkit::install_crypto();
    // Without our ceiling: the hazard is real, else this test would prove nothing.
    let open = Lines::default();
    let loud = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(open.clone())
        .finish();
    tracing::subscriber::with_default(loud, use_the_client);
    assert!(open.text().contains("CANARY"));

    let kept = Lines::default();
    let capped = telemetry::subscriber(
        false,
        "trace,kube_client=trace,kube=trace,hyper=trace,hyper_util=trace,tower=trace",
        kept.clone(),
    )
    .unwrap();
    tracing::subscriber::with_default(capped, use_the_client);
    let text = kept.text();
    for form in ["CANARY", "Q0FOQVJZ", "password"] {
        assert!(!text.contains(form), "{text}");
    }
    assert!(
        text.contains("failed with status 500"),
        "what is harmless is still told: {text}"
    );
}
