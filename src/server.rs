//! The small HTTP server: `/healthz`, `/readyz` and `/metrics`.
//!
//! Alive means that our own loops turn, not that the Kubernetes API or a provider answers: an outage of theirs must not
//! kill a pod that may hold a token not yet written. Ready means started and not about to stop: a standby is ready, and so
//! is one that waits for its CRD, or else a rolling update would wait for ever. One that lacks a right without which nothing
//! works is not: a rolling update then stops before it takes away a version that still works.

mod probes;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::metrics::{Format, Metrics};
pub use probes::{Beat, Liveness, Readiness, SILENCE};

/// Connections at a time; further ones wait in the kernel's queue.
const CONNECTIONS: usize = 64;

/// How long a client may take to send its request's head.
const HEADER_DEADLINE: Duration = Duration::from_secs(5);

/// How long a connection may last. It carries one request, so that idle ones cannot keep a probe out.
const CONNECTION_DEADLINE: Duration = Duration::from_secs(10);

/// How long to wait after an accept that failed (usually: out of file descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the server answers from. Cheap to clone.
#[derive(Clone)]
pub struct Pages {
    /// Behind `/healthz`.
    pub liveness: Liveness,
    /// Behind `/readyz`.
    pub readiness: Readiness,
    /// Behind `/metrics`.
    pub metrics: Metrics,
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen on {address} for /metrics and probes ({source}): choose another address with --listen"
)]
pub struct ListenError {
    address: SocketAddr,
    source: io::Error,
}

/// Takes the address, so that a wrong one is noticed at start.
///
/// # Errors
/// When the address is in use or not ours.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| ListenError { address, source })
}

/// Serves until `shutdown` is done, then lets the requests under way end (10 s at most).
pub async fn serve(listener: TcpListener, pages: Pages, shutdown: impl Future<Output = ()> + Send) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        while connections.try_join_next().is_some() {}
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await.ok()?;
            Some((slot, listener.accept().await))
        };
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = next => accepted,
        };
        match accepted {
            Some((slot, Ok((stream, _)))) => {
                let pages = pages.clone();
                connections.spawn(async move {
                    // A client that is too slow or goes away is its own affair.
                    let _ = timeout(CONNECTION_DEADLINE, connection(stream, pages)).await;
                    drop(slot);
                });
            }
            Some((_, Err(error))) => {
                tracing::warn!(%error, "cannot accept a connection for /metrics or a probe; will go on trying");
                sleep(ACCEPT_PAUSE).await;
            }
            None => break,
        }
    }
    drop(listener);
    let _ = timeout(CONNECTION_DEADLINE, async {
        while connections.join_next().await.is_some() {}
    })
    .await;
}

async fn connection(stream: TcpStream, pages: Pages) -> Result<(), hyper::Error> {
    let service = service_fn(move |request: Request<Incoming>| {
        let accept = request.headers().get(ACCEPT);
        let format = Format::of_accept(accept.and_then(|accept| accept.to_str().ok()));
        let answer = answer(request.method(), request.uri().path(), format, &pages);
        async move { Ok::<_, Infallible>(answer) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_DEADLINE)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

fn answer(method: &Method, path: &str, format: Format, pages: &Pages) -> Response<Full<Bytes>> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
    }
    match path {
        "/healthz" => verdict(pages.liveness.check()),
        "/readyz" => verdict(pages.readiness.check()),
        "/metrics" => {
            let mut response = text(StatusCode::OK, pages.metrics.render(format));
            let kind = HeaderValue::from_static(format.content_type());
            response.headers_mut().insert(CONTENT_TYPE, kind);
            response
        }
        _ => text(
            StatusCode::NOT_FOUND,
            "there is /healthz, /readyz and /metrics\n".to_owned(),
        ),
    }
}

fn verdict(verdict: Result<String, String>) -> Response<Full<Bytes>> {
    let (status, words) = match verdict {
        Ok(words) => (StatusCode::OK, words),
        Err(words) => (StatusCode::SERVICE_UNAVAILABLE, words),
    };
    text(status, words + "\n")
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests;
