//! What the operator tells a Prometheus: typed methods to record with, and the text that `/metrics` answers.
//!
//! Names follow Prometheus' conventions: base units, `_total` for counters. No label grows with the number of resources,
//! except by [`Metrics::expose_each`]; hosts are capped at [`HOSTS`]. `docs/metrics.md` is made from this file by a test.

mod labels;
mod process;
mod sampled;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::clock::Clock;
use crate::time::{Span, Time};
use labels::{
    ClassLabels, HostLabel, HostLabels, KindLabels, OutcomeLabels, RequestLabels, RightLabels,
    StateLabels, WriteLabels,
};
pub use labels::{HOSTS, ResourceState, WriteKind};
pub use sampled::{ClientExpiry, TokenExpiry};
use sampled::{Sampled, SampledCollector};

/// The content type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Buckets of a token request's duration, in seconds; the longest time-out is 60.
const DURATION_BUCKETS: [f64; 11] = [0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Buckets of a refresh's lateness, in seconds.
const LATENESS_BUCKETS: [f64; 9] = [0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0];

/// The metrics of this process. Cheap to clone; clones record into the same place.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    hosts: HostLabels,
    sampled: Arc<Sampled>,
    resources: Family<StateLabels, Gauge>,
    expired: Gauge,
    token_requests: Family<RequestLabels, Counter>,
    token_request_duration: Family<HostLabel, Histogram, fn() -> Histogram>,
    lateness: Histogram,
    api_writes: Family<WriteLabels, Counter>,
    api_requests_in_flight: Gauge,
    api_requests_waiting: Family<KindLabels, Gauge>,
    queue_depth: Family<ClassLabels, Gauge>,
    lane_in_flight: Family<HostLabel, Gauge>,
    lane_slots: Family<HostLabel, Gauge>,
    lanes: Mutex<HashSet<Arc<str>>>,
    watch_restarts: Family<KindLabels, Counter>,
    discovery_requests: Family<OutcomeLabels, Counter>,
    discovery_documents: Gauge,
    revocations: Family<OutcomeLabels, Counter>,
    revocations_waiting: Gauge,
    rights_missing: Family<RightLabels, Gauge>,
    leader: Gauge,
}

/// One lane: a token endpoint's host, and how busy it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// Host and port.
    pub host: Arc<str>,
    /// Token requests in flight.
    pub in_flight: u32,
    /// Token requests that may be in flight.
    pub slots: u32,
}

/// Counts a request to the Kubernetes API as in flight until dropped.
pub struct ApiRequest(Gauge);

impl Drop for ApiRequest {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    /// Fresh metrics, all at zero. `clock` tells how far off the earliest expiry is when somebody asks.
    pub fn new(clock: Clock) -> Self {
        let mut root = Registry::default();
        let sampled = Arc::new(Sampled::new(clock));
        root.register_collector(Box::new(process::Process::start()));
        let own = root.sub_registry_with_prefix("oauthclient");
        own.register_collector(Box::new(SampledCollector(Arc::clone(&sampled))));
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        own.register("build", "The running version; always 1", version);
        let duration: Family<HostLabel, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(DURATION_BUCKETS));
        own.register_with_unit(
            "token_request_duration",
            "Time from sending a token request to its last byte, by host (the first 50, then other)",
            Unit::Seconds,
            duration.clone(),
        );
        let lateness = Histogram::new(LATENESS_BUCKETS);
        own.register_with_unit(
            "refresh_lateness",
            "How long after it was due a token request was sent",
            Unit::Seconds,
            lateness.clone(),
        );
        let mut with = Registrar(own);
        Metrics(Arc::new(Inner {
            hosts: HostLabels::default(),
            sampled,
            resources: with.help(
                "resources",
                "Resources by the first state that holds: suspended, stalled (a person must act), refresh_failing, \
                 pending (no valid token yet, or not any more), ready",
            ),
            expired: with.help("tokens_expired", "Resources whose token has expired and has not been replaced"),
            token_requests: with.help(
                "token_requests",
                "Token requests by host (the first 50, then other) and outcome: success, or the reason of the failure",
            ),
            token_request_duration: duration,
            lateness,
            api_writes: with.help(
                "api_writes",
                "Writes to the Kubernetes API by kind (secret, status, finalizer, event, lease) and outcome (success, error)",
            ),
            api_requests_in_flight: with.help(
                "api_requests_in_flight",
                "Requests to the Kubernetes API that are waiting for an answer, watches not counted",
            ),
            api_requests_waiting: with.help(
                "api_requests_waiting",
                "Requests to the Kubernetes API that wait for their turn, by kind: work (what a token Secret waits for), status",
            ),
            queue_depth: with.help("queue_depth", "Resources that are due and wait for their turn, by class"),
            lane_in_flight: with.help(
                "lane_requests_in_flight",
                "Token requests in flight by host (the first 50, then other)",
            ),
            lane_slots: with.help(
                "lane_slots",
                "Token requests that may be in flight by host (the first 50, then other)",
            ),
            lanes: Mutex::default(),
            watch_restarts: with.help(
                "watch_restarts",
                "Watches that had to be started again after an error, by kind",
            ),
            discovery_requests: with.help(
                "discovery_requests",
                "Times that an issuer's discovery document was asked for, by outcome: success, or the reason of the failure",
            ),
            discovery_documents: with.help(
                "discovery_documents",
                "Discovery documents that are kept, at most 1024",
            ),
            revocations: with.help(
                "revocations",
                "Tokens that were to be revoked, by outcome: success, failed (no answer, or one that may pass), refused",
            ),
            revocations_waiting: with.help(
                "revocations_waiting",
                "Tokens that were replaced and wait to be revoked, at most 1000",
            ),
            rights_missing: with.help(
                "rights_missing",
                "Namespaces (or 1 for all of them) in which the operator lacks a right that it cannot do without, by verb and resource",
            ),
            leader: with.help("leader", "1 while this process is the one that works, 0 while it stands by"),
            registry: root,
        }))
    }

    /// Everything in the OpenMetrics text format.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail; were it to, a scrape would rather see what there is than nothing.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.0.registry);
        text
    }

    /// How many resources are in a state now.
    pub fn resources(&self, state: ResourceState, number: usize) {
        let state = state.label();
        let gauge = self.0.resources.get_or_create_owned(&StateLabels { state });
        gauge.set(count(number));
    }

    /// When the first of all valid tokens expires; `None` when there is none.
    pub fn earliest_expiry(&self, expires: Option<Time>) {
        self.0.sampled.earliest_expiry(expires);
    }

    /// How many tokens have expired without being replaced.
    pub fn tokens_expired(&self, number: usize) {
        self.0.expired.set(count(number));
    }

    /// A token request has come to this: `success`, or the reason of its failure (one of a fixed list).
    pub fn token_request(&self, host: &str, outcome: &'static str) {
        let host = self.0.hosts.label(host);
        self.0
            .token_requests
            .get_or_create_owned(&RequestLabels { host, outcome })
            .inc();
    }

    /// How long a token request took, from the name's resolution to the last byte, or to its failure.
    pub fn token_request_took(&self, host: &str, took: Span) {
        let host = self.0.hosts.label(host);
        self.0
            .token_request_duration
            .get_or_create_owned(&HostLabel { host })
            .observe(took.seconds_f64());
    }

    /// A token request was sent this long after it was due.
    pub fn refresh_lateness(&self, late: Span) {
        self.0.lateness.observe(late.seconds_f64().max(0.0));
    }

    /// Something was written to the Kubernetes API, or failed to be.
    pub fn api_write(&self, kind: WriteKind, success: bool) {
        let outcome = if success { "success" } else { "error" };
        let labels = WriteLabels {
            kind: kind.label(),
            outcome,
        };
        self.0.api_writes.get_or_create_owned(&labels).inc();
    }

    /// A request to the Kubernetes API is under way until the guard is dropped.
    pub fn api_request(&self) -> ApiRequest {
        self.0.api_requests_in_flight.inc();
        ApiRequest(self.0.api_requests_in_flight.clone())
    }

    /// How many requests of a kind wait until they may be sent to the Kubernetes API.
    pub fn api_requests_waiting(&self, kind: &'static str, number: usize) {
        self.0
            .api_requests_waiting
            .get_or_create_owned(&KindLabels { kind })
            .set(count(number));
    }

    /// How many resources of a class wait for their turn.
    pub fn queue_depth(&self, class: &'static str, number: usize) {
        self.0
            .queue_depth
            .get_or_create_owned(&ClassLabels { class })
            .set(count(number));
    }

    /// All lanes as they are now; those not named are gone.
    pub fn lanes(&self, lanes: impl IntoIterator<Item = Lane>) {
        let mut known = self.0.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sums: HashMap<Arc<str>, (i64, i64)> = HashMap::new();
        for lane in lanes {
            let sum = sums.entry(self.0.hosts.label(&lane.host)).or_default();
            sum.0 = sum.0.saturating_add(i64::from(lane.in_flight));
            sum.1 = sum.1.saturating_add(i64::from(lane.slots));
        }
        for host in known.iter().filter(|host| !sums.contains_key(*host)) {
            let label = HostLabel {
                host: Arc::clone(host),
            };
            self.0.lane_in_flight.remove(&label);
            self.0.lane_slots.remove(&label);
        }
        *known = sums.keys().cloned().collect();
        for (host, (in_flight, slots)) in sums {
            let label = HostLabel { host };
            self.0
                .lane_in_flight
                .get_or_create_owned(&label)
                .set(in_flight);
            self.0.lane_slots.get_or_create_owned(&label).set(slots);
        }
    }

    /// A watch of this kind (`oauthclients`, `credentials`, `tokens`) had to be started again.
    pub fn watch_restart(&self, kind: &'static str) {
        self.0
            .watch_restarts
            .get_or_create_owned(&KindLabels { kind })
            .inc();
    }

    /// An issuer's discovery document was asked for: `success`, or the reason of the failure (one of a fixed list).
    pub fn discovery(&self, outcome: &'static str) {
        let labels = OutcomeLabels { outcome };
        self.0.discovery_requests.get_or_create_owned(&labels).inc();
    }

    /// How many discovery documents are kept.
    pub fn discovery_documents(&self, number: usize) {
        self.0.discovery_documents.set(count(number));
    }

    /// A token was to be revoked: `success`, `failed` or `refused`.
    pub fn revocation(&self, outcome: &'static str) {
        let labels = OutcomeLabels { outcome };
        self.0.revocations.get_or_create_owned(&labels).inc();
    }

    /// How many tokens wait to be revoked.
    pub fn revocations_waiting(&self, number: usize) {
        self.0.revocations_waiting.set(count(number));
    }

    /// In how many of the namespaces that are watched a right is missing; all of them count as one.
    pub fn rights_missing(&self, verb: &'static str, resource: &'static str, number: usize) {
        let labels = RightLabels { verb, resource };
        let gauge = self.0.rights_missing.get_or_create_owned(&labels);
        gauge.set(count(number));
    }

    /// Whether this process is the one that works.
    pub fn leader(&self, leads: bool) {
        self.0.leader.set(i64::from(leads));
    }

    /// Exposes when client certificates and client secrets end, as `list` gives them at every scrape: the first of each kind, and
    /// with [`Metrics::expose_each`] all of them. Only the first call counts.
    pub fn expose_clients(&self, list: impl Fn() -> Vec<ClientExpiry> + Send + Sync + 'static) {
        self.0.sampled.expose_clients(Box::new(list));
    }

    /// Exposes the expiry of each token, as `list` gives them at every scrape. Only the first call counts.
    pub fn expose_each(&self, list: impl Fn() -> Vec<TokenExpiry> + Send + Sync + 'static) {
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
