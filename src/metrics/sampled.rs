//! Metrics that are computed at a scrape: time left, panics, and optionally state and times of each resource.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, EncodeMetric, LabelSetEncoder,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use super::labels::ResourceState;
use crate::clock::Clock;
use crate::telemetry;
use crate::time::Time;

/// State and times of one resource, for [`super::Metrics::expose_each`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceTimes {
    /// The resource's namespace.
    pub namespace: String,
    /// The resource's name.
    pub name: String,
    /// The state that it is counted in.
    pub state: ResourceState,
    /// The times of its published token, if it has one.
    pub token: Option<TokenTimes>,
}

/// The times of a published token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenTimes {
    /// When the request that returned it was sent.
    pub issued: Time,
    /// When it is due for a refresh.
    pub refresh: Time,
    /// When it expires.
    pub expires: Time,
}

/// When the client certificate or the client secret of one resource expires, for [`super::Metrics::expose_clients`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientExpiry {
    /// The resource's namespace.
    pub namespace: String,
    /// The resource's name.
    pub name: String,
    /// `certificate` or `secret`.
    pub kind: &'static str,
    /// Its state, as in the status.
    pub state: CredentialState,
    /// When it expires; `None` if the annotation is not a time.
    pub expires: Option<Time>,
}

/// The state of a client certificate or client secret, as the status reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CredentialState {
    /// It is valid for long enough.
    Valid,
    /// It expires soon.
    ExpiresSoon,
    /// It has expired.
    Expired,
    /// Its annotation is not a time.
    Unknown,
}

impl CredentialState {
    /// All states.
    pub const ALL: [CredentialState; 4] = [
        CredentialState::Valid,
        CredentialState::ExpiresSoon,
        CredentialState::Expired,
        CredentialState::Unknown,
    ];

    const fn label(self) -> &'static str {
        match self {
            CredentialState::Valid => "valid",
            CredentialState::ExpiresSoon => "expires_soon",
            CredentialState::Expired => "expired",
            CredentialState::Unknown => "unknown",
        }
    }
}

pub(super) type ListClients = Box<dyn Fn() -> Vec<ClientExpiry> + Send + Sync>;

pub(super) type ListResources = Box<dyn Fn() -> Vec<ResourceTimes> + Send + Sync>;

const NO_EXPIRY: i64 = i64::MAX;

/// The inputs of the computed metrics.
pub(super) struct Sampled {
    clock: Clock,
    earliest_expiry: AtomicI64,
    each: OnceLock<ListResources>,
    clients: OnceLock<ListClients>,
}

impl Sampled {
    pub(super) fn new(clock: Clock) -> Self {
        Sampled {
            clock,
            earliest_expiry: AtomicI64::new(NO_EXPIRY),
            each: OnceLock::new(),
            clients: OnceLock::new(),
        }
    }

    pub(super) fn earliest_expiry(&self, expires: Option<Time>) {
        let millis = expires.map_or(NO_EXPIRY, Time::millis);
        self.earliest_expiry.store(millis, Ordering::Relaxed);
    }

    pub(super) fn expose_each(&self, list: ListResources) {
        let _ = self.each.set(list);
    }

    pub(super) fn expose_clients(&self, list: ListClients) {
        let _ = self.clients.set(list);
    }
}

/// Provides them to a registry.
pub(super) struct SampledCollector(pub(super) Arc<Sampled>);

impl fmt::Debug for SampledCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SampledCollector")
    }
}

impl Collector for SampledCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let panics: ConstCounter<u64> = ConstCounter::new(telemetry::panics());
        let help = "Panics. Each was caught and logged with its location, and is a bug.";
        let counter = encoder.encode_descriptor("panics", help, None, MetricType::Counter)?;
        panics.encode(counter)?;

        let earliest = self.0.earliest_expiry.load(Ordering::Relaxed);
        if earliest != NO_EXPIRY {
            let left = Time::from_millis(earliest).since(self.0.clock.now());
            let help = "Time until the first valid token expires; absent if there is none.";
            let gauge = encoder.encode_descriptor(
                "token_earliest_expiration",
                help,
                Some(&Unit::Seconds),
                MetricType::Gauge,
            )?;
            ConstGauge::new(left.seconds_f64()).encode(gauge)?;
        }
        let clients = self.0.clients.get().map_or_else(Vec::new, |list| list());
        self.encode_clients(&mut encoder, &clients)?;
        let Some(list) = self.0.each.get() else {
            return Ok(());
        };
        encode_client_times(&mut encoder, &clients)?;
        encode_resources(&mut encoder, &list())
    }
}

impl SampledCollector {
    fn encode_clients(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        all: &[ClientExpiry],
    ) -> Result<(), fmt::Error> {
        let help = "OAuthClients by kind of client credential (certificate; secret, if its expiry is recorded) and its state: valid, expires_soon, expired, unknown (the recorded value is not a time).";
        let mut family =
            encoder.encode_descriptor("client_credentials", help, None, MetricType::Gauge)?;
        for kind in ["certificate", "secret"] {
            for state in CredentialState::ALL {
                let of = |client: &&ClientExpiry| client.kind == kind && client.state == state;
                let number = i64::try_from(all.iter().filter(of).count()).unwrap_or(i64::MAX);
                let labels = [("kind", kind), ("state", state.label())];
                ConstGauge::new(number).encode(family.encode_family(&labels)?)?;
            }
        }
        if all.iter().all(|client| client.expires.is_none()) {
            return Ok(());
        }
        let now = self.0.clock.now();
        let help = "Time until the first of all client certificates, or of all client secrets with a recorded expiry, expires; negative after that; absent if there is none.";
        let mut family = encoder.encode_descriptor(
            "client_credential_earliest_expiration",
            help,
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?;
        for kind in ["certificate", "secret"] {
            let of_kind = all.iter().filter(|client| client.kind == kind);
            if let Some(first) = of_kind.filter_map(|client| client.expires).min() {
                let labels = [("kind", kind)];
                let metric = family.encode_family(&labels)?;
                ConstGauge::new(first.since(now).seconds_f64()).encode(metric)?;
            }
        }
        Ok(())
    }
}

fn encode_client_times(
    encoder: &mut DescriptorEncoder<'_>,
    all: &[ClientExpiry],
) -> Result<(), fmt::Error> {
    let timed: Vec<(&ClientExpiry, Time)> = all
        .iter()
        .filter_map(|client| Some((client, client.expires?)))
        .collect();
    if timed.is_empty() {
        return Ok(());
    }
    let help = "When the client certificate or client secret of an OAuthClient expires, as a Unix time; only with \
                --metrics-per-resource.";
    let mut family = encoder.encode_descriptor(
        "client_credential_expiration_timestamp",
        help,
        Some(&Unit::Seconds),
        MetricType::Gauge,
    )?;
    for (client, expires) in timed {
        ConstGauge::new(unix(expires)).encode(family.encode_family(client)?)?;
    }
    Ok(())
}

fn encode_resources(
    encoder: &mut DescriptorEncoder<'_>,
    all: &[ResourceTimes],
) -> Result<(), fmt::Error> {
    if all.is_empty() {
        return Ok(());
    }
    let help = "The state of an OAuthClient in a label, as in oauthclient_resources; the value is always 1; only with \
                --metrics-per-resource.";
    let mut family = encoder.encode_descriptor("resource_state", help, None, MetricType::Gauge)?;
    for resource in all {
        let labels = [
            ("namespace", resource.namespace.as_str()),
            ("name", resource.name.as_str()),
            ("state", resource.state.label()),
        ];
        ConstGauge::new(1_i64).encode(family.encode_family(&labels)?)?;
    }
    type Pick = fn(&TokenTimes) -> Time;
    let times: [(&str, &str, Pick); 3] = [
        (
            "token_issued_timestamp",
            "When the published token of an OAuthClient was requested, as a Unix time; only with --metrics-per-resource.",
            |token| token.issued,
        ),
        (
            "token_refresh_timestamp",
            "When the published token of an OAuthClient is due for a refresh, as a Unix time; only with --metrics-per-resource.",
            |token| token.refresh,
        ),
        (
            "token_expiration_timestamp",
            "When the published token of an OAuthClient expires, as a Unix time; only with --metrics-per-resource.",
            |token| token.expires,
        ),
    ];
    for (name, help, pick) in times {
        let with_token = || {
            all.iter()
                .filter_map(|one| Some((one, one.token.as_ref()?)))
        };
        if with_token().next().is_none() {
            return Ok(());
        }
        let mut family =
            encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Gauge)?;
        for (resource, token) in with_token() {
            ConstGauge::new(unix(pick(token))).encode(family.encode_family(resource)?)?;
        }
    }
    Ok(())
}

fn unix(time: Time) -> f64 {
    time.since(Time::from_millis(0)).seconds_f64()
}

impl EncodeLabelSet for ResourceTimes {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), fmt::Error> {
        [("namespace", &self.namespace), ("name", &self.name)].encode(encoder)
    }
}

impl EncodeLabelSet for ClientExpiry {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), fmt::Error> {
        [
            ("namespace", self.namespace.as_str()),
            ("name", self.name.as_str()),
            ("kind", self.kind),
        ]
        .encode(encoder)
    }
}
