//! The workloads to restart, as typed values.

use crate::api::spec;
use crate::time::Span;

/// A workload that is restarted after each new token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restart {
    /// Its kind.
    pub kind: WorkloadKind,
    /// Its name.
    pub name: String,
    /// The shortest time between two restarts.
    pub min_interval: Span,
}

/// A kind of workload that can be restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WorkloadKind {
    /// A `Deployment`.
    Deployment,
    /// A `StatefulSet`.
    StatefulSet,
    /// A `DaemonSet`.
    DaemonSet,
}

impl Restart {
    /// Any other kind was refused by the schema.
    pub(super) fn of(raw: &spec::Restart) -> Restart {
        Restart {
            kind: match raw.kind.as_str() {
                "StatefulSet" => WorkloadKind::StatefulSet,
                "DaemonSet" => WorkloadKind::DaemonSet,
                _ => WorkloadKind::Deployment,
            },
            name: raw.name.clone(),
            min_interval: Span::from_seconds(i64::from(raw.min_interval_seconds)),
        }
    }
}

impl WorkloadKind {
    /// The kind.
    pub fn as_str(self) -> &'static str {
        match self {
            WorkloadKind::Deployment => "Deployment",
            WorkloadKind::StatefulSet => "StatefulSet",
            WorkloadKind::DaemonSet => "DaemonSet",
        }
    }
}
