//! The shipped binary on a real Kubernetes API, against a scripted provider over TLS, with the rights of `deploy/`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    missing_docs,
    reason = "tests"
)]

mod harness;
mod life;
mod oracle;
mod stale;
