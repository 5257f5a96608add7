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
                "Mend spec.request.headers, or the key of the credentials Secret that it takes its value from"
            }
            SendError::HttpNotAllowed => {
                "Use https; only if the network in between is trusted, start the operator with --allow-http"
            }
            SendError::AddressRefused {
                kind: AddressKind::Loopback,
                ..
            } => {
                "Use an address that others reach too; for a trial on one machine, start the operator with --allow-loopback"
            }
            SendError::AddressRefused { .. } => {
                "Check the host in spec.provider.tokenURL and what DNS says of it; if it is meant, the administrator can allow it with --allow-address"
            }
            SendError::BadCaBundle(_) => {
                "Put the issuer's certificate, in PEM, under the key that spec.provider.caBundle names"
            }
            SendError::Dns => {
                "Check the host in spec.provider.tokenURL for a typing mistake, and the DNS of the cluster"
            }
            SendError::Connect(_) | SendError::ConnectTimeout => {
                "The operator tries again by itself; if it goes on, check host and port in spec.provider.tokenURL, network policies and firewalls, and whether a proxy is needed (HTTPS_PROXY)"
            }
            SendError::Proxy => {
                "Check that the proxy in HTTPS_PROXY may reach this host, and its user name and password; or name the host in NO_PROXY"
            }
            SendError::Tls(problem) => problem.next_step(),
            SendError::Timeout { .. } => {
                "The operator tries again by itself; if it goes on, look at the provider's status page, or raise spec.provider.timeoutSeconds"
            }
            SendError::Cut => {
                "The operator tries again by itself; if it goes on, look for a proxy or firewall in between"
            }
            SendError::Garbled | SendError::BodyTooLarge => {
                "Check spec.provider.tokenURL: this does not look like a token endpoint"
            }
            SendError::NoRoom => {
                "It is tried again. If it goes on, have the provider give smaller tokens, or fewer resources ask at once"
            }
            SendError::Setup => "Restart the operator; if it goes on, report this with its version",
        }
    }
}

impl TlsProblem {
    fn next_step(self) -> &'static str {
        match self {
            TlsProblem::Expired => {
                "Ask the provider to renew its certificate, and check the node's clock"
            }
            TlsProblem::NotYetValid => "Check the node's clock, and the provider's certificate",
            TlsProblem::WrongName => {
                "Use the host name that the provider documents in spec.provider.tokenURL"
            }
            TlsProblem::UnknownIssuer => {
                "If the provider has a private CA, or a proxy opens TLS, put the CA's certificate into a ConfigMap and name it in spec.provider.caBundle"
            }
            TlsProblem::CaAsServer => {
                "Give the server a certificate of its own (CA:FALSE), and name the CA in spec.provider.caBundle"
            }
            TlsProblem::BadCertificate => {
                "Ask the provider for a certificate that web browsers accept"
            }
            TlsProblem::ClientCertificateWanted => {
                "This token endpoint wants mutual TLS: name the Secret with your client certificate in spec.clientAuthentication.tlsClientAuth (method tls_client_auth or self_signed_tls_client_auth) or in spec.provider.clientCertificate"
            }
            TlsProblem::ClientCertificateRefused => {
                "Check that the certificate in the Secret is the one that is registered with the provider, is signed by an authority that it trusts, is meant for client authentication, and has not expired; tls.crt must hold the chain up to that authority. A new one in the Secret is tried at once"
            }
            TlsProblem::Handshake => {
                "Check host and port in spec.provider.tokenURL: is it https there, with TLS 1.2 or 1.3?"
            }
        }
    }
}

/// What happened, without the next step.
impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            SendError::BadUrl => "The token URL cannot be sent to",
            SendError::BadHeader { name } => return write!(f, "The header {name} cannot be sent"),
            SendError::HttpNotAllowed => {
                "The token URL is http:, which would show credentials to the network"
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
                    "The token endpoint is at {address}, {kind}, and is not asked"
                );
            }
            SendError::BadCaBundle(problem) => return write!(f, "Not asked, because {problem}"),
            SendError::Dns => "The token endpoint's name could not be resolved",
            SendError::Connect(ConnectProblem::Refused) => {
                "The connection to the token endpoint was refused"
            }
            SendError::Connect(ConnectProblem::Unreachable) => {
                "The token endpoint's address is unreachable"
            }
            SendError::Connect(ConnectProblem::Reset) => {
                "The connection to the token endpoint was reset while being set up"
            }
            SendError::Connect(ConnectProblem::Other) => {
                "The connection to the token endpoint failed"
            }
            SendError::ConnectTimeout => {
                "The connection to the token endpoint did not come about in time"
            }
            SendError::Proxy => "The proxy did not open a connection to the token endpoint",
            SendError::Tls(TlsProblem::Expired) => "The token endpoint's certificate has expired",
            SendError::Tls(TlsProblem::NotYetValid) => {
                "The token endpoint's certificate is not valid yet"
            }
            SendError::Tls(TlsProblem::WrongName) => {
                "The token endpoint's certificate is for another name"
            }
            SendError::Tls(TlsProblem::UnknownIssuer) => {
                "The token endpoint's certificate is signed by an issuer that is not trusted"
            }
            SendError::Tls(TlsProblem::CaAsServer) => {
                "The token endpoint shows a CA's certificate as its own"
            }
            SendError::Tls(TlsProblem::BadCertificate) => {
                "The token endpoint's certificate is not usable"
            }
            SendError::Tls(TlsProblem::ClientCertificateWanted) => {
                "The token endpoint wants a client certificate"
            }
            SendError::Tls(TlsProblem::ClientCertificateRefused) => {
                "The token endpoint does not accept the client certificate"
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
                    "The token endpoint did not answer within {} s",
                    after.as_secs_f64()
                );
            }
            SendError::Timeout {
                after,
                answering: true,
            } => {
                return write!(
                    f,
                    "The token endpoint began to answer, but was not done within {} s",
                    after.as_secs_f64()
                );
            }
            SendError::Cut => "The connection to the token endpoint ended before the answer did",
            SendError::Garbled => {
                "What the token endpoint answered is not HTTP, or its compression is damaged"
            }
            SendError::BodyTooLarge => "The token endpoint's answer is larger than 1 MiB",
            SendError::NoRoom => {
                "The answer is large and was not read, because other large answers of this namespace wait to be written"
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
