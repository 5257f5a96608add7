//! The workloads to restart, as typed values.

use crate::api::spec;
use crate::model::{Restart, WorkloadKind};
use crate::time::Span;

/// Converts one; any other kind was refused by the schema.
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
