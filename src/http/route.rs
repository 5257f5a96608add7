//! How a request reaches its provider.

use std::time::Duration;

use crate::http::identity::ClientIdentity;
use crate::http::tls::CaBundle;

/// Settings for the requests of one resource.
#[derive(Clone)]
pub struct Route {
    /// Certificates that are trusted in addition to the system's.
    pub ca: Option<CaBundle>,
    /// The client certificate, if the endpoint requests one (RFC 8705).
    pub identity: Option<ClientIdentity>,
    /// The time-out of the whole exchange, from DNS to the last byte.
    pub timeout: Duration,
}
