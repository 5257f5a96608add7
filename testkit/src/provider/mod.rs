#![doc = include_str!("../../PROVIDER.md")]

pub mod accepts;
mod answer;
mod assertion;
pub mod behaviour;
mod black_hole;
mod check;
pub mod fault;
mod inspect;
mod ledger;
mod play;
pub mod presets;
mod record;
mod server;
mod span;
mod state;
mod wire;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::clock;
use crate::tls::{Authority, ClientCertificates, Identity};
use crate::{Context, Error, Result};
use state::{Endpoint, State, Tls};

pub use accepts::{
    Accepts, Account, Authentication, BodyFormat, Federated, ParameterRule, Refusal, Refusals,
};
pub use assertion::AssertionRule;
pub use behaviour::{
    Behaviour, Encoding, Lifetime, RefreshTokens, Shape, TimeField, TimeOf, TimeUnit, TokenForm,
    Tokens, Written,
};
pub use black_hole::BlackHole;
pub use fault::{ConnectionFault, Fault, Place};
pub use ledger::IssuedToken;
pub use presets::{Lifetimes, Preset};
pub use record::RecordedRequest;

/// What a provider does, as one JSON document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    /// The endpoints by path; any other path responds with 404.
    pub endpoints: BTreeMap<String, Behaviour>,
    /// What happens to new connections.
    pub connections: Option<ConnectionFault>,
}

impl Script {
    /// One endpoint.
    #[must_use]
    pub fn one(path: &str, behaviour: Behaviour) -> Script {
        Script::default().with(path, behaviour)
    }

    /// The same with one more endpoint.
    #[must_use]
    pub fn with(mut self, path: &str, behaviour: Behaviour) -> Script {
        self.endpoints.insert(path.to_owned(), behaviour);
        self
    }
}

/// Where and how a provider listens.
#[derive(Clone)]
pub struct Listen {
    /// The address; `127.0.0.1` by default. All of 127.0.0.0/8 is loopback: a second host is `127.0.0.2`.
    pub address: IpAddr,
    /// The port; 0, the default, takes a free one.
    pub port: u16,
    /// The certificate to show; without one the provider speaks plain HTTP.
    pub tls: Option<Identity>,
    /// Serves `/_scripted/introspect` and `/_scripted/counts` to every client.
    pub inspection: bool,
}

impl Default for Listen {
    fn default() -> Self {
        Listen {
            address: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            tls: None,
            inspection: false,
        }
    }
}

/// A running provider. It runs on its own thread, so that tests with different runtimes can share it, and ends with all
/// its
/// connections when the handle is dropped.
pub struct Provider {
    state: Arc<State>,
    address: SocketAddr,
    secure: bool,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Provider {
    /// Starts a provider over plain HTTP on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn plain(script: Script) -> Result<Provider> {
        Provider::start(script, Listen::default())
    }

    /// Starts a provider over TLS on a free port of 127.0.0.1, with a good certificate of this authority.
    ///
    /// # Errors
    /// When it cannot listen or the certificate cannot be made.
    pub fn tls(script: Script, authority: &Authority) -> Result<Provider> {
        let identity = authority.issue_for_loopback(None)?;
        Provider::start(
            script,
            Listen {
                tls: Some(identity),
                ..Listen::default()
            },
        )
    }

    /// Starts a provider. It is ready when this returns.
    ///
    /// # Errors
    /// When it cannot listen or its certificate does not work.
    pub fn start(script: Script, listen: Listen) -> Result<Provider> {
        let wanted = SocketAddr::new(listen.address, listen.port);
        let what = || format!("cannot listen on {wanted}");
        let listener = std::net::TcpListener::bind(wanted).context(what)?;
        listener.set_nonblocking(true).context(what)?;
        let address = listener.local_addr().context(what)?;
        let tls = listen
            .tls
            .as_ref()
            .map(|identity| Tls::new(identity.clone(), ClientCertificates::NotAsked))
            .transpose()?;
        let secure = tls.is_some();
        let state = Arc::new(State::new(script.endpoints, script.connections, tls));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("provider")
            .enable_all()
            .build()
            .context(|| "cannot start the provider's thread")?;
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::clone(&state);
        let run = move || {
            runtime.block_on(async {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
                    return;
                };
                tokio::select! {
                    () = server::serve(listener, shared, listen.inspection) => {}
                    _ = stopped => {}
                }
            });
            runtime.shutdown_timeout(Duration::from_secs(2));
        };
        let thread = std::thread::Builder::new()
            .name("provider".to_owned())
            .spawn(run);
        let thread = thread.context(|| "cannot start the provider's thread")?;
        Ok(Provider {
            state,
            address,
            secure,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a path, with the IP address as host.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.address)
    }

    /// The URL of a path, with another name for the host, such as `localhost`.
    #[must_use]
    pub fn url_at(&self, host: &str, path: &str) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{host}:{}{path}", self.address.port())
    }

    /// Sets what an endpoint does from the next request on, its `faults` from the first.
    pub fn set(&self, path: &str, behaviour: Behaviour) {
        self.state
            .lock()
            .endpoints
            .insert(path.to_owned(), Endpoint::new(behaviour));
    }

    /// Changes what an endpoint does; one that is not there starts from the default. `faults` that have struck are
    /// gone from what `change` sees.
    pub fn update(&self, path: &str, change: impl FnOnce(&mut Behaviour)) {
        let mut shared = self.state.lock();
        let mut behaviour = match shared.endpoints.get(path) {
            Some(endpoint) => {
                let mut behaviour = Behaviour::clone(&endpoint.behaviour);
                behaviour.faults.drain(..endpoint.struck);
                behaviour
            }
            None => Behaviour::default(),
        };
        change(&mut behaviour);
        shared
            .endpoints
            .insert(path.to_owned(), Endpoint::new(behaviour));
    }

    /// Every request to this endpoint meets `fault` from now on; `None` heals it, and drops `faults` still to come.
    pub fn set_fault(&self, path: &str, fault: Option<Fault>) {
        self.update(path, |behaviour| {
            behaviour.faults.clear();
            behaviour.fault = fault;
        });
    }

    /// What new connections meet; `None` heals them. Connections that are open stay as they are.
    pub fn set_connection_fault(&self, fault: Option<ConnectionFault>) {
        self.state.lock().connections = fault;
    }

    /// Shows another certificate to new connections.
    ///
    /// # Errors
    /// When certificate and key do not work together.
    pub fn set_certificate(&self, identity: &Identity) -> Result<()> {
        let mut shared = self.state.lock();
        let clients = shared.tls.as_ref().map(|tls| tls.clients.clone());
        shared.tls = Some(Tls::new(identity.clone(), clients.unwrap_or_default())?);
        Ok(())
    }

    /// Sets whether new connections are asked for a client certificate (RFC 8705). Without TLS it has no effect.
    ///
    /// # Errors
    /// When an authority cannot be read.
    pub fn ask_for_certificates(&self, clients: ClientCertificates) -> Result<()> {
        let mut shared = self.state.lock();
        if let Some(tls) = &shared.tls {
            shared.tls = Some(Tls::new(tls.identity.clone(), clients)?);
        }
        Ok(())
    }

    /// All requests in order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.state.lock().record.requests(None)
    }

    /// The requests to one endpoint in order of arrival.
    #[must_use]
    pub fn requests_to(&self, path: &str) -> Vec<RecordedRequest> {
        self.state.lock().record.requests(Some(path))
    }

    /// How many requests came to an endpoint.
    #[must_use]
    pub fn count(&self, path: &str) -> usize {
        self.state.lock().record.count(path)
    }

    /// How many requests came in all, forgotten ones included.
    #[must_use]
    pub fn total(&self) -> usize {
        self.state.lock().record.total()
    }

    /// Drops the record of requests and sets the counts of endpoints to 0; tokens stay. For long runs.
    pub fn forget_requests(&self) {
        self.state.lock().record.forget();
    }

    /// Removes the requests that arrived before `before` from the record, and returns them in order of arrival. Counts stay. For
    /// long runs that look at each request once.
    #[must_use]
    pub fn take_requests(&self, before: Timestamp) -> Vec<RecordedRequest> {
        self.state.lock().record.take(before)
    }

    /// Forgets access tokens that ended before `before`, and all assertions that are used up by then, so that the memory of a long
    /// run stays flat. [`Provider::token`] does not know them any more.
    ///
    /// An assertion may be replayed once it is forgotten, so keep `before` further back than assertions live.
    pub fn forget_tokens(&self, before: Timestamp) {
        self.state.lock().ledger.forget(before);
    }

    /// Waits until an endpoint has received at least `wanted` requests, and returns all of them.
    ///
    /// # Errors
    /// When there are fewer after `patience`.
    pub async fn wait_for_requests(
        &self,
        path: &str,
        wanted: usize,
        patience: Duration,
    ) -> Result<Vec<RecordedRequest>> {
        if self
            .wait_until(patience, || self.count(path) >= wanted)
            .await
        {
            return Ok(self.requests_to(path));
        }
        let seen = self.count(path);
        Err(Error::new(format!(
            "waited {patience:?} for {wanted} requests to {path}, there were {seen}"
        )))
    }

    /// Waits until `holds` returns true, and returns whether it did within `patience`. It is called again after
    /// everything that is
    /// recorded: requests, responses, connections.
    pub async fn wait_until(&self, patience: Duration, mut holds: impl FnMut() -> bool) -> bool {
        let mut changes = self.state.watch();
        let waiting = async {
            loop {
                changes.borrow_and_update();
                if holds() || changes.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::time::timeout(patience, waiting).await.is_ok()
    }

    /// How many requests to an endpoint are being answered now.
    #[must_use]
    pub fn in_flight(&self, path: &str) -> usize {
        self.state.lock().record.in_flight(path)
    }

    /// The most requests to an endpoint that were being answered at one time.
    #[must_use]
    pub fn max_concurrency(&self, path: &str) -> usize {
        self.state.lock().record.most_in_flight(path)
    }

    /// How many connections were accepted.
    #[must_use]
    pub fn connections_opened(&self) -> u64 {
        self.state.lock().record.connections_opened
    }

    /// How many connections are open now.
    #[must_use]
    pub fn connections_open(&self) -> usize {
        self.state.lock().record.connections_open
    }

    /// How many TLS handshakes failed: clients that did not like our certificate, or spoke no TLS.
    #[must_use]
    pub fn handshakes_failed(&self) -> u64 {
        self.state.lock().record.handshakes_failed
    }

    /// How many requests broke off before their end, or were not HTTP/1.1; they are not among [`Provider::requests`].
    #[must_use]
    pub fn requests_broken(&self) -> u64 {
        self.state.lock().record.requests_broken
    }

    /// Until when a token is valid, if it is valid now: issued here, not over, not killed.
    #[must_use]
    pub fn introspect(&self, token: &str) -> Option<Timestamp> {
        let now = clock::now();
        let shared = self.state.lock();
        shared
            .ledger
            .get(token)
            .filter(|token| token.is_valid_at(now))
            .map(|token| token.expires)
    }

    /// What is known of a token, valid or not.
    #[must_use]
    pub fn token(&self, token: &str) -> Option<IssuedToken> {
        self.state.lock().ledger.get(token).cloned()
    }

    /// The tokens that an endpoint has issued, in order.
    #[must_use]
    pub fn tokens(&self, path: &str) -> Vec<IssuedToken> {
        self.state.lock().ledger.issued(path)
    }

    /// Hands a client a refresh token outside of any request, as a login does: the first of a new family.
    #[must_use]
    pub fn issue_refresh_token(&self, path: &str, client: &str) -> String {
        self.state.lock().ledger.first_refresh_token(path, client)
    }

    /// Every refresh token that an endpoint has issued, valid or not, in order.
    #[must_use]
    pub fn refresh_tokens(&self, path: &str) -> Vec<String> {
        self.state.lock().ledger.refresh_tokens(path)
    }

    /// Kills a token; whether it was there and not killed before.
    pub fn revoke(&self, token: &str) -> bool {
        self.state.lock().ledger.kill(token, clock::now())
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It has already ended if there is no receiver.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
