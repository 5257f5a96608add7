//! The workloads that are restarted after each new token.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A workload that is restarted after each new token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Restart {
    /// Kind of the workload.
    #[schemars(extend("enum" = ["Deployment", "StatefulSet", "DaemonSet"]))]
    pub kind: String,
    /// Name of the workload, in this namespace. Its owner must agree with the annotation oauthclient.dev/restart-by and the
    /// name of this resource.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The minimum time in seconds between two restarts. A token whose lifetime is shorter than twice this restarts nothing:
    /// mount the Secret as a volume instead.
    #[serde(default = "an_hour")]
    #[schemars(range(min = 1, max = 31_536_000))]
    pub min_interval_seconds: i32,
}

fn an_hour() -> i32 {
    3600
}
