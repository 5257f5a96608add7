//! Keeps OAuth 2.0 access tokens fresh: the parts of `oauthclient-operator`.
//!
//! Dependencies point inward: the core ([`oauth`], [`schedule`]) knows no Kubernetes, no clock and no socket.

pub mod oauth;
pub mod secret;
pub mod time;
