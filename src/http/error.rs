//! Why there was no response, typed. The text of the HTTP library's errors is never used, because it may contain the
//! URL, and a URL may contain credentials.

#[cfg(test)]
mod tests;

use std::error::Error as StdError;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::oauth::FailureClass;
use crate::oauth::error::Reached;

use super::address::AddressKind;
use super::tls::BadCaBundle;

/// Why a request got no response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The token URL is invalid.
    BadUrl,
    /// A header's name or value cannot be sent.
    BadHeader {
        /// The header's name.
        name: String,
    },
    /// The token URL is `http`, which is not allowed.
    HttpNotAllowed,
    /// The address of the token endpoint is refused (see [`super::address`]).
    AddressRefused {
        /// The address, unless the name alone was refused.
        address: Option<IpAddr>,
        /// Why it is refused.
        kind: AddressKind,
    },
    /// The resource's CA bundle cannot be used.
    BadCaBundle(BadCaBundle),
    /// The name has no address, or the look-up failed.
    Dns,
    /// No connection was established.
    Connect(ConnectProblem),
    /// No connection was established in time.
    ConnectTimeout,
    /// The proxy was reached, but refused to connect.
    Proxy,
    /// The TLS handshake failed.
    Tls(TlsProblem),
    /// The whole exchange took too long.
    Timeout {
        /// The time-out.
        after: Duration,
        /// Whether the response had started.
        answering: bool,
    },
    /// The connection closed before the response was complete.
    Cut,
    /// The response is not HTTP, or its compression is damaged.
    Garbled,
    /// The body is larger than the limit.
    BodyTooLarge,
    /// The response is large, and other large responses waited to be written for too long, so it was not read.
    NoRoom,
    /// The HTTP client could not be built: a problem of the operator or its environment.
    Setup,
}

/// How connecting failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectProblem {
    /// The port is closed.
    Refused,
    /// There is no route to the host.
    Unreachable,
    /// The connection was reset during the handshake.
    Reset,
    /// Any other problem.
    Other,
}

/// How TLS failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsProblem {
    /// The certificate has expired.
    Expired,
    /// The certificate is not valid yet.
    NotYetValid,
    /// The certificate is for another name.
    WrongName,
    /// The certificate is signed by an unknown authority.
    UnknownIssuer,
    /// The server presents a CA certificate as its own.
    CaAsServer,
    /// The certificate is invalid for another reason.
    BadCertificate,
    /// The server requires a client certificate, and there is none.
    ClientCertificateWanted,
    /// The server refused the client certificate.
    ClientCertificateRefused,
    /// There is no common version, cipher or protocol, or the peer does not speak TLS.
    Handshake,
}

impl SendError {
    /// How the failure is retried. TLS failures are transient: a handshake sends no credentials, so retries do no harm,
    /// and a corrected certificate is noticed within minutes. A server that requires another client certificate waits
    /// for a person; a new one in its Secret is tried at once.
    pub fn class(&self) -> FailureClass {
        match self {
            SendError::BadUrl
            | SendError::BadHeader { .. }
            | SendError::HttpNotAllowed
            | SendError::AddressRefused { .. }
            | SendError::BadCaBundle(_)
            | SendError::Tls(
                TlsProblem::ClientCertificateWanted | TlsProblem::ClientCertificateRefused,
            ) => FailureClass::Permanent,
            _ => FailureClass::Transient,
        }
    }

    /// Corrects the error for servers that complain about a client certificate although none was sent, instead of
    /// requesting one.
    pub(super) fn of_our_certificate(self, route: &crate::http::route::Route) -> SendError {
        match self {
            SendError::Tls(TlsProblem::ClientCertificateRefused) if route.identity.is_none() => {
                SendError::Tls(TlsProblem::ClientCertificateWanted)
            }
            other => other,
        }
    }

    /// Whether this is a time-out, which narrows the host queue.
    pub fn is_timeout(&self) -> bool {
        matches!(self, SendError::Timeout { .. } | SendError::ConnectTimeout)
    }

    /// How far the request got, which matters for single-use tokens.
    pub fn reached(&self) -> Reached {
        match self {
            SendError::Timeout { .. }
            | SendError::Cut
            | SendError::Garbled
            | SendError::NoRoom
            | SendError::BodyTooLarge => Reached::Unknown,
            _ => Reached::Never,
        }
    }

    /// One word for condition, event and metric. The documented list of reasons contains all of them. It is coarser
    /// than this type; the message has the details.
    pub fn reason(&self) -> &'static str {
        match self {
            SendError::BadUrl | SendError::BadHeader { .. } => "InvalidSpec",
            SendError::HttpNotAllowed => "HTTPNotAllowed",
            SendError::AddressRefused { .. } => "AddressRefused",
            SendError::BadCaBundle(_) => "CAInvalid",
            SendError::Dns => "DNSFailed",
            SendError::Connect(_)
            | SendError::ConnectTimeout
            | SendError::Proxy
            | SendError::Cut
            | SendError::NoRoom
            | SendError::Setup => "ConnectFailed",
            SendError::Tls(
                TlsProblem::ClientCertificateWanted | TlsProblem::ClientCertificateRefused,
            ) => "ClientCertificateRefused",
            SendError::Tls(_) => "TLSFailed",
            SendError::Timeout { .. } => "Timeout",
            SendError::Garbled => "UnusableResponse",
            SendError::BodyTooLarge => "ResponseTooLarge",
        }
    }

    /// What happened and the next step, as sentences for people. Contains no secret.
    pub fn explain(&self) -> String {
        format!("{self}. {}", self.next_step())
    }

    /// The next step.
    fn next_step(&self) -> &'static str {
        match self {
            SendError::BadUrl => {
                "Set spec.provider.tokenURL to an https URL without user name and fragment"
            }
            SendError::BadHeader { .. } => {
                "Correct spec.request.headers, or the key of the credentials Secret with its value"
            }
            SendError::HttpNotAllowed => {
                "Use https. Only if you trust the network, start the operator with --allow-http"
            }
            SendError::AddressRefused {
                kind: AddressKind::Loopback,
                ..
            } => {
                "Use an address that is not loopback. To try it on one machine, start the operator with --allow-loopback"
            }
            SendError::AddressRefused { .. } => {
                "Check the host in spec.provider.tokenURL and its DNS entry. If the address is correct, the administrator can allow it with --allow-address"
            }
            SendError::BadCaBundle(_) => {
                "Put the issuer's certificate, in PEM, under the key that spec.provider.caBundle names"
            }
            SendError::Dns => {
                "Check the host in spec.provider.tokenURL, and the DNS of the cluster"
            }
            SendError::Connect(_) | SendError::ConnectTimeout => {
                "The operator retries. If this lasts, check host and port in spec.provider.tokenURL, network policies and firewalls, and whether a proxy is needed (HTTPS_PROXY)"
            }
            SendError::Proxy => {
                "Check that the proxy in HTTPS_PROXY allows this host, and its user name and password, or add the host to NO_PROXY"
            }
            SendError::Tls(problem) => problem.next_step(),
            SendError::Timeout { .. } => {
                "The operator retries. If this lasts, check the provider's status page, or increase spec.provider.timeoutSeconds"
            }
            SendError::Cut => {
                "The operator retries. If this lasts, look for a proxy or firewall in between"
            }
            SendError::Garbled | SendError::BodyTooLarge => {
                "Check that spec.provider.tokenURL is the URL of the token endpoint"
            }
            SendError::NoRoom => {
                "The operator retries. If this lasts, reduce the size of the tokens at the provider, or the number of OAuthClients in this namespace"
            }
            SendError::Setup => "Restart the operator. If this lasts, report it with the version",
        }
    }
}

impl TlsProblem {
    fn next_step(self) -> &'static str {
        match self {
            TlsProblem::Expired => {
                "Ask the provider to renew its certificate, and check the clock of the node"
            }
            TlsProblem::NotYetValid => {
                "Check the clock of the node, and the provider's certificate"
            }
            TlsProblem::WrongName => {
                "Use the host name that the provider documents in spec.provider.tokenURL"
            }
            TlsProblem::UnknownIssuer => {
                "If the provider has a private CA, or a proxy terminates TLS, put the CA's certificate into a ConfigMap and name it in spec.provider.caBundle"
            }
            TlsProblem::CaAsServer => {
                "Give the server its own certificate (CA:FALSE), and name the CA in spec.provider.caBundle"
            }
            TlsProblem::BadCertificate => {
                "Ask the provider for a certificate that web browsers accept"
            }
            TlsProblem::ClientCertificateWanted => {
                "The endpoint requires mutual TLS: name the Secret with your client certificate in spec.clientAuthentication.tlsClientAuth (method tls_client_auth or self_signed_tls_client_auth) or in spec.provider.clientCertificate"
            }
            TlsProblem::ClientCertificateRefused => {
                "Check that this certificate is registered at the provider, signed by an authority that it trusts, valid for client authentication, and not expired. tls.crt must contain the chain up to that authority. A new certificate in the Secret is used at once"
            }
            TlsProblem::Handshake => {
                "Check host and port in spec.provider.tokenURL: the server must use https with TLS 1.2 or 1.3"
            }
        }
    }
}

/// What happened, without the next step.
impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            SendError::BadUrl => "The token URL is invalid",
            SendError::BadHeader { name } => return write!(f, "The header {name} cannot be sent"),
            SendError::HttpNotAllowed => {
                "The token URL is http, so the credentials could be read on the network"
            }
            SendError::AddressRefused {
                address: None,
                kind,
            } => return write!(f, "The token endpoint is {kind}"),
            SendError::AddressRefused {
                address: Some(address),
                kind,
            } => {
                return write!(
                    f,
                    "The token endpoint is at {address}, {kind}. No request is sent to it"
                );
            }
            SendError::BadCaBundle(problem) => {
                return write!(f, "No request was sent, because {problem}");
            }
            SendError::Dns => "The host name of the token endpoint could not be resolved",
            SendError::Connect(ConnectProblem::Refused) => {
                "The connection to the token endpoint was refused"
            }
            SendError::Connect(ConnectProblem::Unreachable) => {
                "The address of the token endpoint is unreachable"
            }
            SendError::Connect(ConnectProblem::Reset) => {
                "The connection to the token endpoint was reset during the handshake"
            }
            SendError::Connect(ConnectProblem::Other) => {
                "The connection to the token endpoint failed"
            }
            SendError::ConnectTimeout => "Connecting to the token endpoint timed out",
            SendError::Proxy => "The proxy did not connect to the token endpoint",
            SendError::Tls(TlsProblem::Expired) => {
                "The certificate of the token endpoint has expired"
            }
            SendError::Tls(TlsProblem::NotYetValid) => {
                "The certificate of the token endpoint is not valid yet"
            }
            SendError::Tls(TlsProblem::WrongName) => {
                "The certificate of the token endpoint is for another name"
            }
            SendError::Tls(TlsProblem::UnknownIssuer) => {
                "The certificate of the token endpoint is signed by an issuer that is not trusted"
            }
            SendError::Tls(TlsProblem::CaAsServer) => {
                "The token endpoint uses the certificate of a CA as its own"
            }
            SendError::Tls(TlsProblem::BadCertificate) => {
                "The certificate of the token endpoint is invalid"
            }
            SendError::Tls(TlsProblem::ClientCertificateWanted) => {
                "The token endpoint requires a client certificate"
            }
            SendError::Tls(TlsProblem::ClientCertificateRefused) => {
                "The token endpoint refused the client certificate"
            }
            SendError::Tls(TlsProblem::Handshake) => {
                "The TLS handshake with the token endpoint failed"
            }
            SendError::Timeout {
                after,
                answering: false,
            } => {
                return write!(
                    f,
                    "The token endpoint did not respond within {} s",
                    after.as_secs_f64()
                );
            }
            SendError::Timeout {
                after,
                answering: true,
            } => {
                return write!(
                    f,
                    "The response of the token endpoint was not complete within {} s",
                    after.as_secs_f64()
                );
            }
            SendError::Cut => {
                "The connection to the token endpoint closed before the response was complete"
            }
            SendError::Garbled => {
                "The response of the token endpoint is not HTTP, or its compression is damaged"
            }
            SendError::BodyTooLarge => "The response of the token endpoint is larger than 1 MiB",
            SendError::NoRoom => {
                "The response is large and was not read, because other large responses in this namespace wait to be written"
            }
            SendError::Setup => "The HTTP client could not be set up",
        };
        f.write_str(words)
    }
}

impl StdError for SendError {}

impl From<BadCaBundle> for SendError {
    fn from(problem: BadCaBundle) -> Self {
        SendError::BadCaBundle(problem)
    }
}
