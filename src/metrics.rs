//! The metrics: typed methods to record them, and the two text formats of `/metrics`.
//!
//! Names follow Prometheus' conventions: base units, `_total` for counters. No label grows with the number of resources,
//! except by [`Metrics::expose_each`]; hosts are capped at [`HOSTS`]. A test generates `docs/metrics.md` from this file.

mod format;
mod labels;
mod process;
mod sampled;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::clock::Clock;
use crate::lock::lock;
use crate::time::{Span, Time};
pub use format::Format;
use labels::{
    ClassLabels, HostLabel, HostLabels, KindLabels, OutcomeLabels, PermissionLabels, PortLabels,
    RequestLabels, StateLabels, WriteLabels,
};
pub use labels::{HOSTS, ResourceState, WriteKind};
pub use sampled::{ClientExpiry, CredentialState, ResourceTimes, TokenTimes};
use sampled::{Sampled, SampledCollector};

/// Buckets for the duration of token requests, in seconds; the longest time-out is 60.
const DURATION_BUCKETS: [f64; 11] = [0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Buckets for the lateness of refreshes, in seconds.
const LATENESS_BUCKETS: [f64; 9] = [0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0];

/// The metrics of this process. Cheap to clone; clones record into the same place.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    hosts: HostLabels,
    sampled: Arc<Sampled>,
    resources: Family<StateLabels, Gauge>,
    longest: Family<StateLabels, Gauge<f64, AtomicU64>>,
    expired: Gauge,
    expiring: Gauge,
    token_requests: Family<RequestLabels, Counter>,
    token_request_duration: Family<HostLabel, Histogram, fn() -> Histogram>,
    lateness: Histogram,
    api_writes: Family<WriteLabels, Counter>,
    api_requests: Family<OutcomeLabels, Counter>,
    api_requests_in_flight: Gauge,
    api_requests_waiting: Family<KindLabels, Gauge>,
    queue_depth: Family<ClassLabels, Gauge>,
    queue_longest_wait: Gauge<f64, AtomicU64>,
    host_in_flight: Family<HostLabel, Gauge>,
    host_slots: Family<HostLabel, Gauge>,
    host_queues: Mutex<HashSet<Arc<str>>>,
    watch_restarts: Family<KindLabels, Counter>,
    discovery_requests: Family<OutcomeLabels, Counter>,
    discovery_documents: Gauge,
    revocations: Family<OutcomeLabels, Counter>,
    revocations_waiting: Gauge,
    in_use: Family<KindLabels, Gauge>,
    waiting: Family<KindLabels, Gauge>,
    permissions_missing: Family<PermissionLabels, Gauge>,
    connections: Family<PortLabels, Gauge>,
    connections_displaced: Family<PortLabels, Counter>,
    leader: Gauge,
    of_other_groups: Gauge,
}

/// The queue of one token host, and its occupancy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostQueue {
    /// Host and port.
    pub host: Arc<str>,
    /// Token requests in flight.
    pub in_flight: u32,
    /// The limit for token requests in flight.
    pub slots: u32,
}

/// Metrics of the connections to one of our ports.
#[derive(Clone)]
pub struct ConnectionMetrics {
    open: Gauge,
    displaced: Counter,
}

impl ConnectionMetrics {
    /// The number of open connections.
    pub fn open(&self, number: usize) {
        self.open.set(count(number));
    }

    /// A connection was closed to accept a newer one.
    pub fn displaced(&self) {
        self.displaced.inc();
    }
}

/// Counts a request to the Kubernetes API as in flight until dropped.
pub struct ApiRequest(Gauge);

impl Drop for ApiRequest {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    /// New metrics, all zero. A scrape reads `clock` for the time until the earliest expiry.
    pub fn new(clock: Clock) -> Self {
        Metrics::of_group(clock, None)
    }

    /// The same for a group of operators, whose name is a label of every series.
    pub fn of_group(clock: Clock, group: Option<&str>) -> Self {
        let label = group.map(|group| ("group".into(), group.to_owned().into()));
        let mut root = Registry::with_labels(label.into_iter());
        let sampled = Arc::new(Sampled::new(clock));
        root.register_collector(Box::new(process::Process::start()));
        let own = root.sub_registry_with_prefix("oauthclient");
        own.register_collector(Box::new(SampledCollector(Arc::clone(&sampled))));
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        own.register(
            "build",
            "The running version in a label; the value is always 1",
            version,
        );
        let duration: Family<HostLabel, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(DURATION_BUCKETS));
        own.register_with_unit(
            "token_request_duration",
            "Time from sending a token request to the last byte of its response, by host (the first 50, then other)",
            Unit::Seconds,
            duration.clone(),
        );
        let lateness = Histogram::new(LATENESS_BUCKETS);
        own.register_with_unit(
            "refresh_lateness",
            "Time between when a token request was due and when it was sent",
            Unit::Seconds,
            lateness.clone(),
        );
        let longest: Family<StateLabels, Gauge<f64, AtomicU64>> = Family::default();
        own.register_with_unit(
            "resources_longest",
            "The longest time that an OAuthClient has been in this state, by state (stalled, refresh_failing, pending); 0 if none is. Measured from the start of the operator",
            Unit::Seconds,
            longest.clone(),
        );
        let queue_longest_wait = Gauge::<f64, AtomicU64>::default();
        own.register_with_unit(
            "queue_longest_wait",
            "The longest time that a due token request has been waiting to be sent; 0 if none waits",
            Unit::Seconds,
            queue_longest_wait.clone(),
        );
        let mut with = Registrar(own);
        let metrics = Metrics(Arc::new(Inner {
            hosts: HostLabels::default(),
            sampled,
            resources: with.help(
                "resources",
                "OAuthClients by the first state that applies: suspended, stalled (a person must act), refresh_failing, pending (no valid token, and no request failed), ready",
            ),
            longest,
            expired: with.help("tokens_expired", "OAuthClients whose published token has expired"),
            expiring: with.help(
                "tokens_expiring",
                "OAuthClients with a valid token whose refresh is overdue by more than half of its lead time",
            ),
            token_requests: with.help(
                "token_requests",
                "Token requests by host (the first 50, then other) and outcome: success, or the reason of the failure",
            ),
            token_request_duration: duration,
            lateness,
            api_writes: with.help(
                "api_writes",
                "Writes to the Kubernetes API by kind (secret, refresh_state, status, finalizer, event, lease) and outcome (success, \
                 error)",
            ),
            api_requests: with.help(
                "api_requests",
                "Requests to the Kubernetes API, watches and the Lease excepted, by outcome: success, not_found, conflict, forbidden, \
                 refused (any other 4xx), throttled (429), server_error (5xx), timeout, unreachable, unreadable",
            ),
            api_requests_in_flight: with.help(
                "api_requests_in_flight",
                "Requests to the Kubernetes API without a response yet, watches excepted",
            ),
            api_requests_waiting: with.help(
                "api_requests_waiting",
                "Requests to the Kubernetes API that are waiting to be sent, by kind: work (a token Secret depends on it), status",
            ),
            queue_depth: with.help(
                "queue_depth",
                "OAuthClients that are due and waiting, by class: urgent (less than half of the lead time is left), first (no token yet), refresh, retry, look (no token request)",
            ),
            queue_longest_wait,
            host_in_flight: with.help(
                "host_requests_in_flight",
                "Token requests without a response yet, by host (the first 50, then other)",
            ),
            host_slots: with.help(
                "host_request_slots",
                "Token requests that may be in flight, by host (the first 50, then other): 8, or 1 after a time-out until a request \
                 succeeds",
            ),
            host_queues: Mutex::default(),
            watch_restarts: with.help(
                "watch_restarts",
                "Watches that were restarted after an error, by kind (oauthclients, credentials, tokens)",
            ),
            discovery_requests: with.help(
                "discovery_requests",
                "Requests for an issuer's discovery document, by outcome: success, or the reason of the failure",
            ),
            discovery_documents: with.help(
                "discovery_documents",
                "Discovery documents in the cache, at most 1024",
            ),
            revocations: with.help(
                "revocations",
                "Token revocations by outcome: success, failed (no response, or a temporary failure), refused",
            ),
            in_use: with.help(
                "shared_in_use",
                "Use of the limits that namespaces share, by kind: token_requests, answers (not yet written and reported), answer_bytes (at most 32 MiB, each counted four times), outgrown_answers (responses with a refresh token that are larger than expected and read beside answer_bytes; at most 4), lookups (DNS; at most 64), events (not yet published; at most 512), brakes (credentials whose acceptance or refusal is remembered; at most 16384), secret_changes (recently changed Secrets with many users), restarts (OAuthClients whose workloads are looked at; at most 8)",
            ),
            waiting: with.help(
                "shared_waiting",
                "How much waits for these limits, by kind; for secret_changes, the resources that are not yet told of the change; oauthclient_queue_depth counts the waiting token requests",
            ),
            revocations_waiting: with.help(
                "revocations_waiting",
                "Replaced tokens that are waiting for revocation, at most 1000",
            ),
            permissions_missing: with.help(
                "permissions_missing",
                "Namespaces (1 for a cluster-wide permission) in which the operator lacks a required permission, by verb and resource",
            ),
            connections: with.help(
                "connections",
                "Open connections, by port: metrics (at most 64), probes (at most 256)",
            ),
            connections_displaced: with.help(
                "connections_displaced",
                "Connections that were closed to accept newer ones, by port: metrics, probes",
            ),
            of_other_groups: with.help(
                "resources_of_other_groups",
                "OAuthClients that --resource-selector selects, but that are left to another group, because the state of their token Secret names that",
            ),
            leader: with.help("leader", "1 while this process is the leader, 0 otherwise"),
            registry: root,
        }));
        metrics.begin_at_zero();
        metrics
    }

    /// Counters with known labels exist from the start; otherwise a rate misses the first event.
    fn begin_at_zero(&self) {
        for kind in WriteKind::ALL.map(WriteKind::label) {
            for outcome in ["success", "error"] {
                let labels = WriteLabels { kind, outcome };
                drop(self.0.api_writes.get_or_create_owned(&labels));
            }
        }
        for kind in ["oauthclients", "credentials", "tokens"] {
            drop(
                self.0
                    .watch_restarts
                    .get_or_create_owned(&KindLabels { kind }),
            );
        }
        for outcome in ["success", "failed", "refused"] {
            let labels = OutcomeLabels { outcome };
            drop(self.0.revocations.get_or_create_owned(&labels));
        }
        for port in ["metrics", "probes"] {
            drop(self.connections(port));
        }
        for outcome in ["success", "server_error", "timeout", "unreachable"] {
            let labels = OutcomeLabels { outcome };
            drop(self.0.api_requests.get_or_create_owned(&labels));
        }
    }

    /// All metrics in a text format.
    pub fn render(&self, format: Format) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail. If it did, partial metrics would be better than none.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.0.registry);
        format.convert(text)
    }

    /// The number of resources in a state.
    pub fn resources(&self, state: ResourceState, number: usize) {
        let state = state.label();
        let gauge = self.0.resources.get_or_create_owned(&StateLabels { state });
        gauge.set(count(number));
    }

    /// The longest time that a resource has been in this state; zero if none is in it.
    pub fn resources_longest(&self, state: ResourceState, time: Span) {
        let state = state.label();
        let gauge = self.0.longest.get_or_create_owned(&StateLabels { state });
        gauge.set(time.seconds_f64().max(0.0));
    }

    /// When the first valid token expires; `None` if there is none.
    pub fn earliest_expiry(&self, expires: Option<Time>) {
        self.0.sampled.earliest_expiry(expires);
    }

    /// The number of published tokens that have expired.
    pub fn tokens_expired(&self, number: usize) {
        self.0.expired.set(count(number));
    }

    /// The number of valid tokens whose refresh is overdue by more than half of its lead time.
    pub fn tokens_expiring(&self, number: usize) {
        self.0.expiring.set(count(number));
    }

    /// A token request ended: `success`, or the reason of its failure (one of a fixed list).
    pub fn token_request(&self, host: &str, outcome: &'static str) {
        let host = self.0.hosts.label(host);
        self.0
            .token_requests
            .get_or_create_owned(&RequestLabels { host, outcome })
            .inc();
    }

    /// How long a token request took, from the DNS look-up to the last byte, or to its failure.
    pub fn token_request_took(&self, host: &str, took: Span) {
        let host = self.0.hosts.label(host);
        self.0
            .token_request_duration
            .get_or_create_owned(&HostLabel { host })
            .observe(took.seconds_f64());
    }

    /// How long after it was due a token request was sent.
    pub fn refresh_lateness(&self, late: Span) {
        self.0.lateness.observe(late.seconds_f64().max(0.0));
    }

    /// A write to the Kubernetes API succeeded or failed.
    pub fn api_write(&self, kind: WriteKind, success: bool) {
        let outcome = if success { "success" } else { "error" };
        let labels = WriteLabels {
            kind: kind.label(),
            outcome,
        };
        self.0.api_writes.get_or_create_owned(&labels).inc();
    }

    /// A request to the Kubernetes API ended: `success`, or why it failed (one of a fixed list).
    pub fn api_request_ended(&self, outcome: &'static str) {
        let labels = OutcomeLabels { outcome };
        self.0.api_requests.get_or_create_owned(&labels).inc();
    }

    /// A request to the Kubernetes API is in flight until the guard is dropped.
    pub fn api_request(&self) -> ApiRequest {
        self.0.api_requests_in_flight.inc();
        ApiRequest(self.0.api_requests_in_flight.clone())
    }

    /// The number of requests of a kind that wait to be sent to the Kubernetes API.
    pub fn api_requests_waiting(&self, kind: &'static str, number: usize) {
        self.0
            .api_requests_waiting
            .get_or_create_owned(&KindLabels { kind })
            .set(count(number));
    }

    /// The number of resources of a class that wait for their turn.
    pub fn queue_depth(&self, class: &'static str, number: usize) {
        self.0
            .queue_depth
            .get_or_create_owned(&ClassLabels { class })
            .set(count(number));
    }

    /// The longest time that a due token request has been waiting; zero if none waits.
    pub fn queue_longest_wait(&self, time: Span) {
        self.0.queue_longest_wait.set(time.seconds_f64().max(0.0));
    }

    /// All host queues. Those that are not listed no longer exist.
    pub fn host_queues(&self, host_queues: impl IntoIterator<Item = HostQueue>) {
        let mut known = lock(&self.0.host_queues);
        let mut sums: HashMap<Arc<str>, (i64, i64)> = HashMap::new();
        for host_queue in host_queues {
            let sum = sums
                .entry(self.0.hosts.label(&host_queue.host))
                .or_default();
            sum.0 = sum.0.saturating_add(i64::from(host_queue.in_flight));
            sum.1 = sum.1.saturating_add(i64::from(host_queue.slots));
        }
        for host in known.iter().filter(|host| !sums.contains_key(*host)) {
            let label = HostLabel {
                host: Arc::clone(host),
            };
            self.0.host_in_flight.remove(&label);
            self.0.host_slots.remove(&label);
        }
        *known = sums.keys().cloned().collect();
        for (host, (in_flight, slots)) in sums {
            let label = HostLabel { host };
            self.0
                .host_in_flight
                .get_or_create_owned(&label)
                .set(in_flight);
            self.0.host_slots.get_or_create_owned(&label).set(slots);
        }
    }

    /// A watch of this kind (`oauthclients`, `credentials`, `tokens`) was restarted.
    pub fn watch_restart(&self, kind: &'static str) {
        self.0
            .watch_restarts
            .get_or_create_owned(&KindLabels { kind })
            .inc();
    }

    /// A discovery document was requested: `success`, or the reason of the failure (one of a fixed list).
    pub fn discovery(&self, outcome: &'static str) {
        let labels = OutcomeLabels { outcome };
        self.0.discovery_requests.get_or_create_owned(&labels).inc();
    }

    /// The number of cached discovery documents.
    pub fn discovery_documents(&self, number: usize) {
        self.0.discovery_documents.set(count(number));
    }

    /// A token was revoked, or not: `success`, `failed` or `refused`.
    pub fn revocation(&self, outcome: &'static str) {
        let labels = OutcomeLabels { outcome };
        self.0.revocations.get_or_create_owned(&labels).inc();
    }

    /// The use of a shared limit, and how many wait for it.
    pub fn in_use(&self, kind: &'static str, used: usize, waiting: usize) {
        let labels = KindLabels { kind };
        let gauge = self.0.in_use.get_or_create_owned(&labels);
        gauge.set(count(used));
        let gauge = self.0.waiting.get_or_create_owned(&labels);
        gauge.set(count(waiting));
    }

    /// The number of tokens that wait for revocation.
    pub fn revocations_waiting(&self, number: usize) {
        self.0.revocations_waiting.set(count(number));
    }

    /// In how many of the watched namespaces a required permission is missing; a cluster-wide one counts as one.
    pub fn permissions_missing(&self, verb: &'static str, resource: &'static str, number: usize) {
        let labels = PermissionLabels { verb, resource };
        let gauge = self.0.permissions_missing.get_or_create_owned(&labels);
        gauge.set(count(number));
    }

    /// The metrics for connections to a port: `metrics` or `probes`.
    pub fn connections(&self, port: &'static str) -> ConnectionMetrics {
        let label = PortLabels { port };
        ConnectionMetrics {
            open: self.0.connections.get_or_create_owned(&label),
            displaced: self.0.connections_displaced.get_or_create_owned(&label),
        }
    }

    /// Whether this process is the leader.
    pub fn leader(&self, leads: bool) {
        self.0.leader.set(i64::from(leads));
    }

    /// Exposes when client certificates and client secrets expire, as `list` returns them at every scrape: their number
    /// by state, the earliest of each kind, and with [`Metrics::expose_each`] all of them. Only the first call has an
    /// effect.
    pub fn expose_clients(&self, list: impl Fn() -> Vec<ClientExpiry> + Send + Sync + 'static) {
        self.0.sampled.expose_clients(Box::new(list));
    }

    /// How many selected resources are left to other groups.
    pub fn of_other_groups(&self, number: usize) {
        self.0.of_other_groups.set(count(number));
    }

    /// Exposes state and times of each resource, as `list` returns them at every scrape. Only the first call has an
    /// effect.
    pub fn expose_each(&self, list: impl Fn() -> Vec<ResourceTimes> + Send + Sync + 'static) {
        self.0.sampled.expose_each(Box::new(list));
    }
}

struct Registrar<'a>(&'a mut Registry);

impl Registrar<'_> {
    fn help<M>(&mut self, name: &str, help: &str) -> M
    where
        M: prometheus_client::registry::Metric + Clone + Default,
    {
        let metric = M::default();
        self.0.register(name, help, metric.clone());
        metric
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
