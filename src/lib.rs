//! Keeps OAuth 2.0 access tokens fresh: the parts of `oauthclient-operator`.
//!
//! Dependencies point inward: the core ([`oauth`], [`schedule`], [`queue`], [`engine`]) knows no Kubernetes, no clock and
//! no socket.

pub mod api;
pub mod cli;
pub mod clock;
pub mod controller;
pub mod decide;
pub mod engine;
pub mod http;
pub mod inputs;
pub mod leader;
pub mod local;
pub mod metrics;
pub mod oauth;
pub mod queue;
pub mod schedule;
pub mod secret;
pub mod server;
pub mod telemetry;
pub mod template;
pub mod time;
pub mod walk;
