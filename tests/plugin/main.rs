//! The kubectl plugin as people run it: `kubectl oauthclient ...` with the real kubectl, against a real API server, a scripted
//! provider for every fault, and an independent OAuth server in a real browser.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

mod browser;
mod canary;
mod checks;
mod clients;
mod code;
mod commands;
mod create;
mod dashboard;
mod device;
mod newcomer;
mod person;
mod refresh_tokens;
mod rig;
mod views;
