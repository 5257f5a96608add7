//! Why there was no response: [`SendError`], for this client.

#[cfg(test)]
mod tests;

pub use oauthclient_core::oauth::send_error::{ConnectProblem, Peer, SendError, TlsProblem};

use super::route::Route;

/// Corrects the error for servers that complain about a client certificate although none was sent, instead of requesting
/// one.
pub(super) fn of_our_certificate(error: SendError, route: &Route) -> SendError {
    match error {
        SendError::Tls(TlsProblem::ClientCertificateRefused) if route.identity.is_none() => {
            SendError::Tls(TlsProblem::ClientCertificateWanted)
        }
        other => other,
    }
}
