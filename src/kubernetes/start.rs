//! What a start needs: the API client, the HTTP client, signals, and the CRD.

use std::time::Duration;

use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::api::OAuthClient;
use crate::cli::{Namespaces, RunArgs};
use crate::clock::Clock;
use crate::http::address::AddressRules;
use crate::http::{ProxySettings, Sender, SenderOptions};
use crate::kubernetes::own_accounts::Accounts;
use crate::server::ListenError;

use super::calls::CallError;
use super::shared::Shared;
use super::watch::WatchScope;

/// Why the operator did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address for metrics or probes is not available.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// There is no configuration for the Kubernetes API.
    #[error(
        "no configuration for the Kubernetes API ({0}): run in a pod with a ServiceAccount, or give --kubeconfig FILE"
    )]
    Configuration(String),
    /// The environment names an invalid proxy.
    #[error("{0}")]
    Proxy(String),
    /// The system provided no random numbers.
    #[error("the system gives no random numbers")]
    Randomness,
    /// The signal handlers could not be installed.
    #[error("cannot listen for signals: {0}")]
    Signals(#[from] std::io::Error),
    /// Another replica is the leader now.
    #[error("lost the Lease: another replica is the leader; this process exits to be restarted")]
    LeaseLost,
}

const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
/// How often to check whether the CRD exists.
const CRD_PAUSE: Duration = Duration::from_secs(5);

/// The client, our namespace, and the source of `ServiceAccount` tokens.
pub(super) type Connected = (Client, String, Accounts);

/// Reads the configuration of the Kubernetes API without connecting.
pub(super) async fn client(arguments: &RunArgs) -> Result<Connected, StartError> {
    let configuration_error =
        |error: &dyn std::fmt::Display| StartError::Configuration(error.to_string());
    let options = KubeConfigOptions {
        context: arguments.context.clone(),
        ..KubeConfigOptions::default()
    };
    let mut config = match (&arguments.kubeconfig, &arguments.context) {
        (Some(path), _) => {
            let kubeconfig =
                Kubeconfig::read_from(path).map_err(|error| configuration_error(&error))?;
            Config::from_custom_kubeconfig(kubeconfig, &options)
                .await
                .map_err(|error| configuration_error(&error))?
        }
        (None, Some(_)) => Config::from_kubeconfig(&options)
            .await
            .map_err(|error| configuration_error(&error))?,
        (None, None) => Config::infer()
            .await
            .map_err(|error| configuration_error(&error))?,
    };
    config.connect_timeout = Some(CONNECT_DEADLINE);
    // A connection without data for this long is closed: a watch delivers at least a bookmark a minute.
    let silence = Duration::from_secs(arguments.api_silence_seconds);
    config.read_timeout = Some(silence);
    config.write_timeout = Some(silence);
    // An idle pooled connection is not silent: the time starts with the request.
    config.reset_reader_on_write = true;
    // Every call has its own deadline and retries.
    config.default_retry = false;
    let namespace = config.default_namespace.clone();
    let accounts = Accounts::new(&config);
    let client = Client::try_from(config).map_err(|error| configuration_error(&error))?;
    Ok((client, namespace, accounts))
}

/// The HTTP client for token requests.
pub(super) fn sender(arguments: &RunArgs, clock: &Clock) -> Result<Sender, StartError> {
    let guard = &arguments.guard;
    let sender = Sender::new(SenderOptions {
        allow_http: guard.allow_http,
        addresses: AddressRules {
            allow_loopback: guard.allow_loopback,
            allowed: guard.allow_address.clone(),
        },
        proxies: ProxySettings::from_environment(),
        clock: clock.clone(),
        ..SenderOptions::default()
    })
    .map_err(|error| StartError::Proxy(error.to_string()))?;
    if sender.trusted_certificates() == 0 {
        tracing::warn!(
            "the system trusts no certificate authority: only resources with a caBundle can reach an https endpoint"
        );
    }
    Ok(sender)
}

/// A new key for hashing the content of credentials.
pub(super) fn content_key() -> Result<ring::hmac::Key, StartError> {
    ring::hmac::Key::generate(ring::hmac::HMAC_SHA256, &ring::rand::SystemRandom::new())
        .map_err(|_| StartError::Randomness)
}

/// A unique name for this process, for reservations of refresh tokens.
pub(super) fn process_name(clock: &Clock) -> String {
    clock.nonce().name()
}

/// The namespaces to watch; all if none is named.
pub(super) fn scopes(namespaces: &Namespaces) -> Vec<WatchScope> {
    if namespaces.0.is_empty() {
        vec![None]
    } else {
        namespaces.0.iter().cloned().map(Some).collect()
    }
}

/// SIGTERM and SIGINT.
pub(super) struct Signals {
    term: Signal,
    int: Signal,
}

pub(super) fn signals() -> Result<Signals, StartError> {
    Ok(Signals {
        term: signal(SignalKind::terminate())?,
        int: signal(SignalKind::interrupt())?,
    })
}

impl Signals {
    /// Waits for one of them.
    pub(super) async fn wait(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}

/// Waits until OAuthClients can be listed: without the CRD there is nothing to do, and no reason to crash.
pub(super) async fn wait_for_crd(shared: &Shared, client: &Client, scopes: &[WatchScope]) {
    let mut logged = false;
    for scope in scopes {
        let api = api_of(client, scope);
        let params = ListParams::default().limit(1);
        loop {
            let why = match shared.calls.call(api.list_metadata(&params)).await {
                Ok(_) => break,
                Err(CallError::Refused(status)) if status.code == 404 => {
                    "the CRD oauthclients.oauthclient.dev is not installed: kubectl apply -f crds/"
                        .to_owned()
                }
                Err(CallError::Refused(status)) if status.code == 403 => {
                    shared.permissions_doubted.notify_one();
                    "the operator may not list oauthclients.oauthclient.dev: apply the roles in deploy/".to_owned()
                }
                Err(error) => error.summary(),
            };
            if logged {
                tracing::debug!(why, "still waiting for OAuthClients");
            } else {
                tracing::warn!(why, "waiting until OAuthClients can be listed");
            }
            logged = true;
            tokio::time::sleep(CRD_PAUSE).await;
        }
    }
}

pub(crate) fn name_of(scope: &WatchScope) -> &str {
    scope.as_deref().unwrap_or("everywhere")
}

/// Where the resources of a scope are listed, to find out whether the CRD exists.
pub(crate) fn api_of(client: &kube::Client, scope: &WatchScope) -> kube::Api<OAuthClient> {
    match scope {
        Some(namespace) => kube::Api::namespaced(client.clone(), namespace),
        None => kube::Api::all(client.clone()),
    }
}
