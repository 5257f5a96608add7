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

const NO_EXPIRY: i64 = i64::MAX;

pub(super) type ListExpiries = Box<dyn Fn() -> Vec<TokenExpiry> + Send + Sync>;

/// What is worked out at the moment of a scrape.
pub(super) struct Sampled {
    clock: Clock,
    earliest_expiry: AtomicI64,
    each: OnceLock<ListExpiries>,
}

impl Sampled {
    pub(super) fn new(clock: Clock) -> Self {
        Sampled {
            clock,
            earliest_expiry: AtomicI64::new(NO_EXPIRY),
            each: OnceLock::new(),
        }
    }

    pub(super) fn earliest_expiry(&self, expires: Option<Time>) {
        let millis = expires.map_or(NO_EXPIRY, Time::millis);
        self.earliest_expiry.store(millis, Ordering::Relaxed);
    }

    pub(super) fn expose_each(&self, list: ListExpiries) {
        let _ = self.each.set(list);
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
        self.encode_each(&mut encoder)
    }
}

impl SampledCollector {
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
