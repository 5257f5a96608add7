//! The driver of the engine over Kubernetes.
//!
//! | file | content |
//! |---|---|
//! | `watch` | converts watch events into compact facts |
//! | `driver` | the loop until the Lease is lost, and the drain |
//! | `store` | the `Store` over Kubernetes |
//! | `objects` | the reads of a reconcile |
//! | `act`, `status_write`, `replacing`, `refresh_tokens` | all writes |
//! | `permission_denied` | reports a permission that was removed |
//! | `accounts` | tokens of `ServiceAccounts` |
//! | `calls` | every API call: deadline, slot, typed failure |
//! | `api_limiter` | the order of calls if there are too many |
//! | `secret_reads`, `secret_changes` | Secrets that many use: one read for each version, and notifications of changes
//! |
//! | `cache`, `recent` | what is kept about a resource between two reconciles; the resource itself, if the next one is soon |
//! | `groups`, `group_queue` | resources that belong to another group of operators, or leave ours |
//! | `stored` | stored resources, each decoded separately |
//! | `events` | events for people |
//! | `gauges`, `survey`, `expiries` | metrics |
//!
//! kube's `Controller` is not used: it puts all watches behind one backoff, its queue knows no deadlines, and a panic
//! in one object ends it.

mod accounts;
mod act;
mod api_limiter;
mod cache;
mod calls;
mod changed_secrets;
mod convert;
mod credential_expiries;
mod driver;
mod events;
mod expiries;
mod finalizer;
mod gauges;
mod group_queue;
mod groups;
mod objects;
mod own_accounts;
mod permission_denied;
mod permissions;
mod process;
mod recent;
mod refresh_tokens;
mod replacing;
mod restart_queue;
mod restarts;
mod rollouts;
mod secret_changes;
mod secret_copies;
mod secret_reads;
mod shared;
mod start;
mod status_write;
mod store;
mod stored;
mod survey;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch as channel};
use tokio::task::JoinSet;

use crate::cli::{RunArgs, StatusUpdates};
use crate::clock::Clock;
use crate::engine::Engine;
use crate::http::Sender;
use crate::kubernetes::start::name_of;
use crate::leader::{Leader, LeaderStatus, Leadership, Settings};
use crate::lock::lock;
use crate::messages::Audience;
use crate::metrics::Metrics;
use crate::model::Rules;
use crate::policy::StatusDetail;
use crate::queue::Limits;
use crate::server::{self, Liveness, Pages, Readers};
use crate::time::Span;

use calls::Calls;
use permissions::PermissionCheck;
use shared::{Components, Shared};
use watch::{WatchScope, Watching};

pub(crate) use convert::{config_map_read, secret_seen};
pub use own_accounts::{Accounts, ClientWith};
pub use start::StartError;

/// How fast the contents of Secrets are checked in the background after a start: 20 a second.
const CHECK_PAUSE: Duration = Duration::from_millis(50);
/// How often the gauges are set.
const GAUGE_INTERVAL: Duration = Duration::from_secs(1);

/// Runs the operator until it is asked to stop, or until another replica is the leader.
///
/// # Errors
/// It cannot start (no API configuration, an address in use), or the Lease was lost: the process must exit to be
/// restarted.
pub async fn run(arguments: RunArgs) -> Result<(), StartError> {
    let clock = arguments
        .clock_offset_file
        .as_ref()
        .map_or_else(Clock::system, Clock::with_offset_file);
    let group = group_of(&arguments);
    let pages = Pages::new(&clock, Metrics::of_group(clock.clone(), group));
    // First, so that the kubelet gets an answer while the rest of the start waits.
    let probes = server::probes(arguments.probe_listen, pages.clone())?;
    let connected = start::client(&arguments).await?;
    let readers = if arguments.metrics_auth {
        Readers::authorized(connected.0.clone(), clock.clone())
            .map_err(|_| StartError::Randomness)?
    } else {
        Readers::Anyone
    };
    let scrapes = server::metrics(arguments.listen, pages.clone(), readers)?;
    let sender = start::sender(&arguments, &clock)?;
    let (client, namespace, accounts) = connected;
    let surroundings = ProcessEnvironment {
        clock,
        client,
        accounts,
        namespace,
        sender,
        gauge_interval: GAUGE_INTERVAL,
    };
    let mut signals = start::signals()?;
    let ended = lead(&arguments, group, pages, surroundings, signals.wait()).await;
    let closing = async { tokio::join!(scrapes.close(), probes.close()) };
    let _ = tokio::time::timeout(Duration::from_secs(2), closing).await;
    ended
}

/// What connects a process to the rest of the world.
pub struct ProcessEnvironment {
    /// Clocks and randomness.
    pub clock: Clock,
    /// The Kubernetes API.
    pub client: kube::Client,
    /// The operator's own account, and clients for trying tokens that were issued for a `ServiceAccount`.
    pub accounts: Accounts,
    /// The namespace of the operator.
    pub namespace: String,
    /// Sends token requests.
    pub sender: Sender,
    /// How often the gauges are set; [`run`] sets them every second.
    pub gauge_interval: Duration,
}

/// Runs the operator in other surroundings, without listening for probes and scrapes, until `stop` ends, or until another
/// replica is the leader.
///
/// # Errors
/// As [`run`].
pub async fn run_in(
    surroundings: ProcessEnvironment,
    arguments: &RunArgs,
    stop: impl Future<Output = ()>,
) -> Result<(), StartError> {
    let group = group_of(arguments);
    let metrics = Metrics::of_group(surroundings.clock.clone(), group);
    let pages = Pages::new(&surroundings.clock, metrics);
    lead(arguments, group, pages, surroundings, stop).await
}

/// The group of operators that this process belongs to. Its name is needed until the end.
fn group_of(arguments: &RunArgs) -> Option<&'static str> {
    let derived = || arguments.resource_selector.group_name();
    let name = arguments.resource_group.clone().or_else(derived)?;
    tracing::info!(group = name, selector = %arguments.resource_selector, "serves one group of OAuthClients");
    Some(Box::leak(name.into_boxed_str()))
}

/// From the start of the election to the end.
async fn lead(
    arguments: &RunArgs,
    group: Option<&'static str>,
    pages: Pages,
    surroundings: ProcessEnvironment,
    stop: impl Future<Output = ()>,
) -> Result<(), StartError> {
    let ProcessEnvironment {
        clock,
        client,
        accounts,
        namespace,
        sender,
        gauge_interval,
    } = surroundings;
    let mut must_stop = std::pin::pin!(stop);
    let metrics = pages.metrics.clone();
    let elect = arguments.election.leader_elect;
    let settings = elect.then(|| Settings::new(&arguments.election, &namespace, group, &clock));
    let lease = settings
        .as_ref()
        .map(|settings| (settings.namespace.clone(), settings.name.clone()));
    let election = settings.map(|settings| {
        tracing::info!(
            identity = settings.identity,
            lease = settings.name,
            namespace = settings.namespace,
            "stands for election"
        );
        let heartbeat = pages.liveness.register("lease");
        Leader::start(
            client.clone(),
            settings,
            clock.clone(),
            metrics.clone(),
            heartbeat,
        )
    });
    let leader_status = election
        .as_ref()
        .map_or_else(|| LeaderStatus::always(clock.clone()), Leader::status);
    let instance = election.as_ref().map_or_else(
        || "oauthclient-operator".to_owned(),
        |leader| leader.identity().to_owned(),
    );
    let calls = Calls::new(
        client.clone(),
        arguments.max_api_requests,
        metrics.clone(),
        clock.clone(),
    );
    let scopes = start::scopes(&arguments.watch_namespaces);
    let permissions_doubted = Arc::new(Notify::new());
    // Ends with this function.
    let mut aside = JoinSet::new();
    let permissions = PermissionCheck {
        calls: calls.clone(),
        scopes: scopes.clone(),
        lease,
        metrics: metrics.clone(),
        readiness: pages.readiness.clone(),
        doubted: Arc::clone(&permissions_doubted),
    };
    aside.spawn(permissions.run(pages.liveness.register("rights")));
    pages.readiness.standby();
    let mut leadership = leader_status.watch();
    let leading = async {
        let _ = leadership
            .wait_for(|state| matches!(state, Leadership::Leading { .. }))
            .await;
    };
    tokio::select! {
        () = leading => {}
        () = &mut must_stop => {
            pages.readiness.stopping();
            end(election).await;
            return Ok(());
        }
    }
    metrics.leader(true);
    pages.readiness.listing();
    let (drained, drain_over) = channel::channel(false);
    let shared = Shared::new(Components {
        events: events::start(
            calls.clone(),
            metrics.clone(),
            clock.clone(),
            instance,
            group,
        ),
        selector: arguments.resource_selector.clone(),
        calls,
        accounts,
        sender,
        metrics: metrics.clone(),
        clock: clock.clone(),
        leader_status: leader_status.clone(),
        rules: Rules {
            require_allowed_hosts: arguments.require_allowed_hosts,
            allow_http: arguments.guard.allow_http,
            audience: Audience::Cluster,
            group,
        },
        detail: match arguments.status_updates {
            StatusUpdates::Always => StatusDetail::Always,
            StatusUpdates::Transitions => StatusDetail::Transitions,
        },
        process: crate::kubernetes::process::Process {
            name: start::process_name(&clock),
            drain: Span::from_seconds(i64::try_from(arguments.drain_seconds).unwrap_or(i64::MAX)),
        },
        content_key: start::content_key()?,
        engine: Engine::new(Limits {
            token_requests: arguments.max_token_requests as usize,
            ..Limits::default()
        }),
        drained: drain_over,
        permissions_doubted,
        gauge_interval,
    });
    expiries::expose(&shared);
    if arguments.metrics_per_resource {
        gauges::expose_each(&shared);
    }
    let mut tasks = JoinSet::new();
    let mut lost = leader_status.watch();
    let mut stop = std::pin::pin!(async {
        let lost = async {
            if lost
                .wait_for(|state| *state == Leadership::Lost)
                .await
                .is_err()
            {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = must_stop => {}
            () = lost => {}
        }
    });
    let work = async {
        let begun = begin(&shared, &client, &scopes, &pages.liveness, &mut tasks);
        tokio::select! {
            () = begun => true,
            () = &mut stop => false,
        }
    };
    if work.await {
        pages.readiness.leading();
        let heartbeat = pages.liveness.register("driver");
        let drain = Duration::from_secs(arguments.drain_seconds);
        let stopping = async {
            stop.await;
            pages.readiness.stopping();
        };
        driver::drive(
            Arc::clone(&shared),
            heartbeat,
            arguments.panic_on.clone(),
            stopping,
            drain,
            drained,
        )
        .await;
    }
    metrics.leader(false);
    tasks.shutdown().await;
    let lost = leader_status.leadership() == Leadership::Lost;
    end(election).await;
    if lost {
        Err(StartError::LeaseLost)
    } else {
        Ok(())
    }
}

async fn end(election: Option<Leader>) {
    if let Some(leader) = election {
        leader.release().await;
    }
    tracing::info!("ended");
}

/// Starts the watches and waits for their first lists: Secrets after the resources that they belong to.
async fn begin(
    shared: &Arc<Shared>,
    client: &kube::Client,
    scopes: &[WatchScope],
    liveness: &Liveness,
    tasks: &mut JoinSet<()>,
) {
    start::wait_for_crd(shared, client, scopes).await;
    let watching = |kind: &str, scope: &WatchScope| {
        let (synced, has_synced) = channel::channel(false);
        let watching = Watching {
            client: client.clone(),
            scope: scope.clone(),
            shared: Arc::clone(shared),
            heartbeat: liveness.register(format!("{kind} {}", name_of(scope))),
            synced,
        };
        (watching, has_synced)
    };
    let mut synced = Vec::new();
    for scope in scopes {
        let (resources, has_synced) = watching("oauthclients", scope);
        tasks.spawn(watch::resources(resources));
        synced.push(has_synced);
    }
    all(synced).await;
    let mut synced = Vec::new();
    for scope in scopes {
        let (credentials, has_synced) = watching("credentials", scope);
        tasks.spawn(watch::credentials(credentials));
        synced.push(has_synced);
        let (tokens, has_synced) = watching("tokens", scope);
        tasks.spawn(watch::tokens(tokens));
        synced.push(has_synced);
    }
    all(synced).await;
    let now = shared.clock.now();
    let stopped = {
        let mut engine = lock(&shared.engine);
        engine.ready(now);
        engine.stopped(now)
    };
    lock(&shared.brakes).expect(stopped, now);
    tracing::info!(
        resources = lock(&shared.engine).len(),
        "the first lists are complete; work begins"
    );
    shared.wake.notify_one();
    tasks.spawn(secret_changes::serve(Arc::clone(shared)));
    tasks.spawn(gauges::update(Arc::clone(shared)));
    tasks.spawn(check(Arc::clone(shared)));
    tasks.spawn(groups::release(Arc::clone(shared)));
}

async fn all(synced: Vec<channel::Receiver<bool>>) {
    for mut one in synced {
        let _ = one.wait_for(|synced| *synced).await;
    }
}

/// Reads the Secrets of all resources that seemed current by metadata, slowly: this finds what was altered while no
/// operator ran, and records the content of the credentials.
async fn check(shared: Arc<Shared>) {
    let keys = lock(&shared.index).keys(None);
    for key in keys {
        let at_rest = lock(&shared.engine)
            .record(&key)
            .is_some_and(|record| record.token.is_some() && !record.in_flight);
        if at_rest {
            shared.changed(&key, crate::engine::Event::Look);
            tokio::time::sleep(CHECK_PAUSE).await;
        }
    }
}
