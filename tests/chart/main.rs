//! The Helm chart: that it is complete and in step with `deploy/`, and what real Helm does with it on a real API server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    missing_docs,
    reason = "tests"
)]

mod files;
// The harness of the cluster tests serves here too; not all of it is used.
#[allow(dead_code, reason = "shared with the tests on a cluster")]
#[path = "../cluster/harness.rs"]
mod harness;
mod helm;
mod releases;
mod rendered;
