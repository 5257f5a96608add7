//! What is worked out at the moment of a scrape: time left, panics, and the expiry of each token where that is asked for.

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

use crate::clock::Clock;
use crate::telemetry;
use crate::time::Time;

/// The expiry of one resource's token, for [`super::Metrics::expose_each`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenExpiry {
    /// The resource's namespace.
    pub namespace: String,
    /// The resource's name.
    pub name: String,
    /// When its token expires.
    pub expires: Time,
}

/// When the client certificate or the client secret of one resource ends, for [`super::Metrics::expose_clients`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientExpiry {
    /// The resource's namespace.
    pub namespace: String,
    /// The resource's name.
    pub name: String,
    /// `certificate` or `secret`.
    pub kind: &'static str,
    /// When it ends.
    pub expires: Time,
}

pub(super) type ListClients = Box<dyn Fn() -> Vec<ClientExpiry> + Send + Sync>;

const NO_EXPIRY: i64 = i64::MAX;

pub(super) type ListExpiries = Box<dyn Fn() -> Vec<TokenExpiry> + Send + Sync>;

/// What is worked out at the moment of a scrape.
pub(super) struct Sampled {
    clock: Clock,
    earliest_expiry: AtomicI64,
    each: OnceLock<ListExpiries>,
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

    pub(super) fn expose_each(&self, list: ListExpiries) {
        let _ = self.each.set(list);
    }

    pub(super) fn expose_clients(&self, list: ListClients) {
        let _ = self.clients.set(list);
    }
}

/// Shows them to a registry.
pub(super) struct SampledCollector(pub(super) Arc<Sampled>);

impl fmt::Debug for SampledCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SampledCollector")
    }
}

impl Collector for SampledCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let panics: ConstCounter<u64> = ConstCounter::new(telemetry::panics());
        let help = "Panics, each caught and logged with its location; every one is a bug.";
        let counter = encoder.encode_descriptor("panics", help, None, MetricType::Counter)?;
        panics.encode(counter)?;

        let earliest = self.0.earliest_expiry.load(Ordering::Relaxed);
        if earliest != NO_EXPIRY {
            let left = Time::from_millis(earliest).since(self.0.clock.now());
            let help = "Time until the first of all published tokens expires, negative once it has; absent without one.";
            let gauge = encoder.encode_descriptor(
                "token_earliest_expiration",
                help,
                Some(&Unit::Seconds),
                MetricType::Gauge,
            )?;
            ConstGauge::new(left.seconds_f64()).encode(gauge)?;
        }
        self.encode_clients(&mut encoder)?;
        self.encode_each(&mut encoder)
    }
}

impl SampledCollector {
    fn encode_clients(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let all = self.0.clients.get().map_or_else(Vec::new, |list| list());
        if all.is_empty() {
            return Ok(());
        }
        let now = self.0.clock.now();
        let help = "Time until the first of all client certificates, or of all client secrets whose end is noted, expires, negative \
                    once it has; absent without one.";
        let mut family = encoder.encode_descriptor(
            "client_credential_earliest_expiration",
            help,
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?;
        for kind in ["certificate", "secret"] {
            let of_kind = all.iter().filter(|client| client.kind == kind);
            if let Some(first) = of_kind.map(|client| client.expires).min() {
                let labels = [("kind", kind)];
                let metric = family.encode_family(&labels)?;
                ConstGauge::new(first.since(now).seconds_f64()).encode(metric)?;
            }
        }
        if self.0.each.get().is_none() {
            return Ok(());
        }
        let help = "When the client certificate or client secret of a resource expires, as a Unix time; only with \
                    --metrics-per-resource.";
        let mut family = encoder.encode_descriptor(
            "client_credential_expiration_timestamp",
            help,
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?;
        for client in all {
            let seconds = client.expires.since(Time::from_millis(0)).seconds_f64();
            let metric = family.encode_family(&client)?;
            ConstGauge::new(seconds).encode(metric)?;
        }
        Ok(())
    }

    fn encode_each(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(list) = self.0.each.get() else {
            return Ok(());
        };
        let help =
            "When a resource's token expires, as a Unix time; only with --metrics-per-resource.";
        let mut family = encoder.encode_descriptor(
            "token_expiration_timestamp",
            help,
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?;
        for token in list() {
            let seconds = token.expires.since(Time::from_millis(0)).seconds_f64();
            let metric = family.encode_family(&token)?;
            ConstGauge::new(seconds).encode(metric)?;
        }
        Ok(())
    }
}

impl EncodeLabelSet for TokenExpiry {
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
