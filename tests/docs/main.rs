//! What people read is true: manifests are valid, commands run, links lead somewhere, names exist.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

mod claims;
mod commands;
mod migration;
mod pages;
mod runbooks;
mod security;
mod site;
