//! The two small HTTP servers: `/healthz` and `/readyz` on one port, `/metrics` on another.
//!
//! Alive means that the program's own loops run, not that the Kubernetes API or a provider answers: their outages must
//! not kill a pod that may hold a token that is not written yet. Ready means started and not about to stop. A process
//! that waits for the Lease or for its CRD is ready; otherwise a rolling update would wait forever. A process without a
//! required permission is not ready: a rolling update then stops before it removes a version that still works.
//!
//! Each port has its own thread, so that a flood on one slows down neither the other nor the work on tokens.

mod descriptors;
mod pages;
mod port;
mod probes;
mod readers;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::metrics::ConnectionMetrics;
pub use descriptors::raise_limit;
pub use pages::Pages;
use port::ConnectionLimits;
pub use probes::{Heartbeat, Liveness, Readiness, SILENCE};
pub use readers::Readers;

/// Limits for probes: a kubelet sends its request at once, and the response fits into one packet.
const PROBES: ConnectionLimits = ConnectionLimits {
    connections: 256,
    header: Duration::from_secs(2),
    whole: Duration::from_secs(5),
};

/// Limits for scrapes.
const METRICS: ConnectionLimits = ConnectionLimits {
    connections: 64,
    header: Duration::from_secs(5),
    whole: Duration::from_secs(10),
};

/// The address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for {what} ({source}): choose another address with {flag}")]
pub struct ListenError {
    address: SocketAddr,
    what: &'static str,
    flag: &'static str,
    source: io::Error,
}

/// What serving one port needs.
struct Port {
    name: &'static str,
    listener: std::net::TcpListener,
    limits: ConnectionLimits,
    pages: Pages,
    metrics: ConnectionMetrics,
    answer: pages::Handler,
}

/// A port that is being served. Dropping it closes the port.
pub struct Serving {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    ended: oneshot::Receiver<()>,
}

impl Serving {
    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts no more connections, and waits at most 10 s until the open ones end.
    pub async fn close(mut self) {
        self.stop.take();
        let _ = (&mut self.ended).await;
    }
}

/// Serves `/healthz` and `/readyz` on `address`.
///
/// # Errors
/// The address is in use or not local, or the system cannot start a thread.
pub fn probes(address: SocketAddr, pages: Pages) -> Result<Serving, ListenError> {
    let failed = |source| ListenError {
        address,
        what: "probes",
        flag: "--probe-listen",
        source,
    };
    let answer: pages::Handler = Arc::new(|pages, request, _| {
        let answer = pages::probe(&pages, &request);
        Box::pin(async move { answer })
    });
    start("probes", address, PROBES, pages, answer).map_err(failed)
}

/// Serves `/metrics` on `address` to authorized clients.
///
/// # Errors
/// The address is in use or not local, or the system cannot start a thread.
pub fn metrics(
    address: SocketAddr,
    pages: Pages,
    readers: Readers,
) -> Result<Serving, ListenError> {
    let failed = |source| ListenError {
        address,
        what: "/metrics",
        flag: "--listen",
        source,
    };
    let answer: pages::Handler = Arc::new(move |pages, request, client: IpAddr| {
        let readers = readers.clone();
        Box::pin(async move { pages::scrape(&pages, &readers, &request, client).await })
    });
    start("metrics", address, METRICS, pages, answer).map_err(failed)
}

fn start(
    name: &'static str,
    address: SocketAddr,
    limits: ConnectionLimits,
    pages: Pages,
    answer: pages::Handler,
) -> io::Result<Serving> {
    let listener = port::bind(address)?.into_std()?;
    let address = listener.local_addr()?;
    let (stop, stopped) = oneshot::channel::<()>();
    let (done, ended) = oneshot::channel();
    let port = Port {
        name,
        listener,
        limits: within(limits, descriptors::limit()),
        metrics: pages.metrics.connections(name),
        pages,
        answer,
    };
    let (report, started) = std::sync::mpsc::sync_channel(1);
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let (runtime, result) = match runtime {
                Ok(runtime) => (Some(runtime), Ok(())),
                Err(error) => (None, Err(error)),
            };
            let _ = report.send(result);
            if let Some(runtime) = runtime {
                runtime.block_on(port.serve(async {
                    let _ = stopped.await;
                }));
            }
            let _ = done.send(());
        })?;
    started
        .recv()
        .unwrap_or_else(|_| Err(io::Error::other("the thread ended")))?;
    Ok(Serving {
        address,
        stop: Some(stop),
        ended,
    })
}

/// Reduces the number of connections if the process may open few files: each port uses at most an eighth of them.
fn within(limits: ConnectionLimits, files: u64) -> ConnectionLimits {
    let share = usize::try_from(files / 8).unwrap_or(usize::MAX).max(2);
    ConnectionLimits {
        connections: limits.connections.min(share),
        ..limits
    }
}

impl Port {
    async fn serve(self, shutdown: impl Future<Output = ()>) {
        let listener = match TcpListener::from_std(self.listener) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%error, port = self.name, "the port cannot be served");
                return;
            }
        };
        let (pages, answer, header) = (self.pages, self.answer, self.limits.header);
        let connection = move |stream, client| {
            pages::connection(stream, header, pages.clone(), Arc::clone(&answer), client)
        };
        port::serve(listener, self.limits, self.metrics, shutdown, connection).await;
    }
}

#[cfg(test)]
mod tests;
