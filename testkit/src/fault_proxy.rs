//! A reverse proxy in front of the API server that does to requests what networks and overloaded servers do.
//!
//! It ends TLS with the API server's own certificate, so that a client needs another address and nothing else. What goes wrong is
//! said by [`Rule`]s that can be added and removed at any time; without rules it changes nothing. Every request is recorded.
//!
//! HTTP/1.1 only, as kube's client; no upgrades (`kubectl exec`), of which there is nothing without a kubelet.

mod answers;
mod rule;
mod serve;
mod watch;

pub use rule::{Answer, Fault, Rule, WatchFault};

use crate::background::Background;
use crate::clock::Stopwatch;
use crate::control_plane::ControlPlane;
use crate::{Context, Error, Result, wait};
use answers::Answers;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch as latch};
use tokio_rustls::TlsAcceptor;

/// The connection is closed without a (further) word.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("dropped by the fault proxy")]
struct Dropped;

/// Which rule: for [`FaultProxy::hits`], [`FaultProxy::release`] and [`FaultProxy::remove`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(u64);

/// One request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// When it came, since the proxy was started.
    pub at: Duration,
    /// As `GET`.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Empty where there is none; as it was encoded.
    pub query: String,
    /// Who the client said it was.
    pub user_agent: String,
    /// The API server's status code; `None` if the request was not forwarded, or has no response (yet).
    pub upstream: Option<u16>,
    /// The status code that the client received; `None` if it received nothing (yet).
    pub answered: Option<u16>,
    /// The last rule that befell it.
    pub rule: Option<RuleId>,
}

impl Request {
    /// Whether it is a POST, PUT, PATCH or DELETE that may change something.
    pub fn is_write(&self) -> bool {
        let writes = matches!(self.method.as_str(), "POST" | "PUT" | "PATCH" | "DELETE");
        writes && !rule::is_question(&self.path)
    }

    /// Whether the request starts a watch.
    pub fn is_watch(&self) -> bool {
        rule::is_watch(&self.query)
    }
}

/// A running proxy. Dropping it closes its port and every connection.
///
/// It runs on its own thread, so it continues while a test blocks.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    _background: Background,
}

/// What the connections and the test see alike.
#[derive(Debug)]
struct Shared {
    /// The API server's own address.
    upstream: String,
    client: reqwest::Client,
    started: Stopwatch,
    state: Mutex<State>,
    /// True while every connection is closed and none is accepted.
    down: latch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    rules: BTreeMap<RuleId, Active>,
    /// How often each rule befell a request; kept when the rule is gone.
    hits: BTreeMap<RuleId, usize>,
    next_rule: u64,
    requests: BTreeMap<u64, Request>,
    next_request: u64,
    answers: Answers,
    watches: Vec<OpenWatch>,
}

/// A rule at work.
#[derive(Debug)]
struct Active {
    rule: Rule,
    /// How many requests fitted it.
    fitted: usize,
    /// True when what it holds may go on; closed when it is to be dropped.
    released: latch::Sender<bool>,
}

/// A watch that a client reads from right now.
#[derive(Debug)]
struct OpenWatch {
    path: String,
    breaks: mpsc::UnboundedSender<WatchFault>,
}

impl FaultProxy {
    /// Starts one in front of `plane`, on a loopback port of its own.
    ///
    /// # Errors
    /// When the API server's certificate cannot be read, or no port can be had.
    pub async fn start(plane: &ControlPlane) -> Result<FaultProxy> {
        crate::install_crypto();
        let acceptor = acceptor(plane)?;
        let pem = std::fs::read(plane.ca_path())
            .context(|| "cannot read the API server's certificate")?;
        let client = reqwest::Client::builder()
            .tls_certs_only(
                reqwest::Certificate::from_pem_bundle(&pem)
                    .context(|| "the API server's certificate does not parse")?,
            )
            .no_proxy()
            .no_gzip()
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .build()
            .context(|| "cannot make an HTTP client")?;
        let shared = Arc::new(Shared {
            upstream: plane.server_url(),
            client,
            started: Stopwatch::start(),
            state: Mutex::default(),
            down: latch::Sender::new(false),
        });
        let background = Background::start("fault-proxy")?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .context(|| "cannot listen on 127.0.0.1")?;
        listener
            .set_nonblocking(true)
            .context(|| "cannot listen on 127.0.0.1")?;
        let address = listener
            .local_addr()
            .context(|| "cannot listen on 127.0.0.1")?;
        let task = Arc::clone(&shared);
        background.spawn(async move {
            // Registering with the runtime has to happen inside it; it fails only where the process is out of descriptors, and
            // then every client sees the port closed.
            if let Ok(listener) = TcpListener::from_std(listener) {
                serve::accept(listener, acceptor, task).await;
            }
        });
        Ok(FaultProxy {
            address,
            shared,
            _background: background,
        })
    }

    /// `https://127.0.0.1:PORT`: for [`Kubeconfig::with_server`](crate::control_plane::Kubeconfig::with_server).
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// How long it has run: now, on the clock of [`Request::at`].
    pub fn elapsed(&self) -> Duration {
        self.shared.started.elapsed()
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Adds a rule from now on. Of several rules that match a request, delays apply first, then the rule that was added
    /// first.
    pub fn add(&self, rule: Rule) -> RuleId {
        let mut state = self.shared.state();
        let id = RuleId(state.next_rule);
        state.next_rule += 1;
        state.rules.insert(
            id,
            Active {
                rule,
                fitted: 0,
                released: latch::Sender::new(false),
            },
        );
        state.hits.insert(id, 0);
        id
    }

    /// Ends a rule. The connections of requests that it holds are closed.
    pub fn remove(&self, rule: RuleId) {
        self.shared.state().rules.remove(&rule);
    }

    /// Ends all rules, as [`FaultProxy::remove`] does.
    pub fn clear(&self) {
        self.shared.state().rules.clear();
    }

    /// Ends a rule and lets the requests go on that it holds ([`Fault::HoldRequest`], [`Fault::HoldAnswer`]).
    pub fn release(&self, rule: RuleId) {
        if let Some(active) = self.shared.state().rules.remove(&rule) {
            active.released.send_replace(true);
        }
    }

    /// How many requests a rule has befallen; it may be gone by now.
    pub fn hits(&self, rule: RuleId) -> usize {
        self.shared
            .state()
            .hits
            .get(&rule)
            .copied()
            .unwrap_or_default()
    }

    /// Waits until a rule has befallen so many requests.
    ///
    /// # Errors
    /// When there are fewer after `within`; lists the requests that came instead.
    pub async fn wait_for_hits(&self, rule: RuleId, hits: usize, within: Duration) -> Result<()> {
        let what = format!("{hits} requests that a rule befalls");
        wait::until(&what, within, || async {
            let now = self.hits(rule);
            if now >= hits {
                return Ok(());
            }
            let came: Vec<String> = self
                .requests()
                .iter()
                .map(|request| format!("{} {}", request.method, request.path))
                .collect();
            Err(Error::new(format!("{now}; what came: {}", came.join(", "))))
        })
        .await
    }

    /// Every request since the start or [`FaultProxy::clear_requests`], in the order in which they came.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.state().requests.values().cloned().collect()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.shared.state().requests.clear();
    }

    /// The paths of the watches that are open right now.
    pub fn open_watches(&self) -> Vec<String> {
        let mut state = self.shared.state();
        state.watches.retain(|watch| !watch.breaks.is_closed());
        state
            .watches
            .iter()
            .map(|watch| watch.path.clone())
            .collect()
    }

    /// Breaks the watches that are open right now and have `path_has` in their path, and returns how many there were. Later ones
    /// are not affected: that takes a [`Rule`].
    pub fn break_watches(&self, path_has: &str, how: &WatchFault) -> usize {
        let state = self.shared.state();
        state
            .watches
            .iter()
            .filter(|watch| watch.path.contains(path_has))
            .filter(|watch| watch.breaks.send(how.clone()).is_ok())
            .count()
    }

    /// Closes every connection at once; new ones are let in.
    pub fn cut_connections(&self) {
        self.go_down();
        self.come_up();
    }

    /// Simulates an outage: closes every connection, and accepts none until [`FaultProxy::come_up`].
    pub fn go_down(&self) {
        self.shared.down.send_replace(true);
    }

    /// The end of an outage.
    pub fn come_up(&self) {
        self.shared.down.send_replace(false);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// TLS as the API server itself does it, HTTP/1.1 only.
fn acceptor(plane: &ControlPlane) -> Result<TlsAcceptor> {
    let (certificate, key) = plane.server_certificate();
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&certificate)
        .and_then(Iterator::collect)
        .map_err(|error| Error::new(format!("cannot read {}: {error}", certificate.display())))?;
    let key = PrivateKeyDer::from_pem_file(&key)
        .map_err(|error| Error::new(format!("cannot read {}: {error}", key.display())))?;
    let mut config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context(|| "the API server's certificate and key do not fit")?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
