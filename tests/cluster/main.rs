//! The shipped binary on a real Kubernetes API, against a scripted provider over TLS, with the rights of `deploy/`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    unreachable_pub,
    missing_docs,
    reason = "tests"
)]

mod api_server;
mod assertions;
mod brakes;
mod calls;
mod canary;
mod certificates;
mod clocks;
mod columns;
mod crash;
mod discovery;
mod endpoint;
mod exchange;
mod expiries;
mod federation;
mod fleet;
mod foreign;
mod groups;
mod harness;
mod health;
mod independent;
mod isolation;
mod life;
mod life_cycle;
mod many;
mod metrics_auth;
mod minted;
mod missing_rights;
mod monitoring;
mod oracle;
mod own_account;
mod parity;
mod provenance;
mod providers;
mod reasons;
mod refresh_faults;
mod refresh_offers;
mod refresh_tokens;
mod refusals;
mod refused;
mod replicas;
mod restarts;
mod restored;
mod revocation;
mod rights;
mod rotation;
mod stale;
mod stored;
mod upgrade;
