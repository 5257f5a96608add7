//! The workloads to restart, as typed values.

use std::fmt;

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
    /// As an argument of `kubectl`.
    pub fn as_argument(self) -> &'static str {
        match self {
            WorkloadKind::Deployment => "deployment",
            WorkloadKind::StatefulSet => "statefulset",
            WorkloadKind::DaemonSet => "daemonset",
        }
    }
}

impl fmt::Display for Restart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            WorkloadKind::Deployment => "Deployment",
            WorkloadKind::StatefulSet => "StatefulSet",
            WorkloadKind::DaemonSet => "DaemonSet",
        };
        write!(f, "{kind} {}", self.name)
    }
}
