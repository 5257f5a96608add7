//! Why there was no response, typed. The text of the HTTP library's errors is never used, because it may contain the
//! URL, and a URL may contain credentials.

#[cfg(test)]
mod tests;

use std::error::Error as StdError;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::oauth::error::Reached;
use crate::oauth::{Client, FailureClass};

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

/// The server that a request is for, as messages name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// What it is, after an article.
    name: &'static str,
    /// Its URL, at the beginning of a sentence.
    url: &'static str,
    /// The field of the resource that says where it is.
    field: &'static str,
    /// How the reader sets a flag, before the flag.
    flags: &'static str,
}

impl Peer {
    /// The token endpoint that the resource names.
    pub const TOKEN_ENDPOINT: Peer = Peer {
        name: "token endpoint",
        url: "The token URL",
        field: "spec.provider.tokenURL",
        flags: "start the operator with",
    };
    /// The issuer, for its discovery document.
    pub const ISSUER: Peer = Peer {
        name: "issuer",
        url: "The issuer's URL",
        field: "spec.provider.issuerURL",
        flags: Peer::TOKEN_ENDPOINT.flags,
    };

    /// The token endpoint of a resource.
    pub fn of(client: &Client) -> Peer {
        Peer {
            field: client.provider_field(),
            ..Peer::TOKEN_ENDPOINT
        }
    }

    /// Another endpoint of the same provider, for a request that is no token request.
    #[must_use]
    pub fn named(self, name: &'static str) -> Peer {
        Peer { name, ..self }
    }

    /// The same for people who start the program themselves: its flags are their own.
    #[must_use]
    pub fn with_own_flags(self) -> Peer {
        Peer {
            flags: "give",
            ..self
        }
    }
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
    /// The server found no cipher suite, key exchange or version that both sides support.
    NoCommonCipher,
    /// The handshake failed otherwise, or the peer does not speak TLS.
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

    /// What happened and the next step of a token request, as sentences for people. Contains no secret.
    pub fn explain(&self) -> String {
        self.explain_about(&Peer::TOKEN_ENDPOINT)
    }

    /// The same for a request to another server, or for other readers.
    pub fn explain_about(&self, peer: &Peer) -> String {
        format!("{}. {}", self.what(peer), self.next_step(peer))
    }

    /// What happened, without the next step.
    fn what(&self, peer: &Peer) -> String {
        let Peer { name, url, .. } = peer;
        match self {
            SendError::BadUrl => format!("{url} is invalid"),
            SendError::BadHeader { name: header } => format!("The header {header} cannot be sent"),
            SendError::HttpNotAllowed => {
                format!("{url} is http, so the credentials could be read on the network")
            }
            SendError::AddressRefused {
                address: None,
                kind,
            } => format!("The {name} is {kind}"),
            SendError::AddressRefused {
                address: Some(address),
                kind,
            } => {
                format!(
                    "The {name} is at {address}, {kind}. No request is sent to it"
                )
            }
            SendError::BadCaBundle(problem) => {
                format!("No request was sent, because {problem}")
            }
            SendError::Dns => format!("The host name of the {name} could not be resolved"),
            SendError::Connect(ConnectProblem::Refused) => {
                format!("The connection to the {name} was refused")
            }
            SendError::Connect(ConnectProblem::Unreachable) => {
                format!("The address of the {name} is unreachable")
            }
            SendError::Connect(ConnectProblem::Reset) => {
                format!("The connection to the {name} was reset during the handshake")
            }
            SendError::Connect(ConnectProblem::Other) => {
                format!("The connection to the {name} failed")
            }
            SendError::ConnectTimeout => format!("Connecting to the {name} timed out"),
            SendError::Proxy => format!("The proxy did not connect to the {name}"),
            SendError::Tls(TlsProblem::Expired) => {
                format!("The certificate of the {name} has expired")
            }
            SendError::Tls(TlsProblem::NotYetValid) => {
                format!("The certificate of the {name} is not valid yet")
            }
            SendError::Tls(TlsProblem::WrongName) => {
                format!("The certificate of the {name} is for another name")
            }
            SendError::Tls(TlsProblem::UnknownIssuer) => {
                format!("The certificate of the {name} is signed by an issuer that is not trusted")
            }
            SendError::Tls(TlsProblem::CaAsServer) => {
                format!("The {name} uses the certificate of a CA as its own")
            }
            SendError::Tls(TlsProblem::BadCertificate) => {
                format!("The certificate of the {name} is invalid")
            }
            SendError::Tls(TlsProblem::ClientCertificateWanted) => {
                format!("The {name} requires a client certificate")
            }
            SendError::Tls(TlsProblem::ClientCertificateRefused) => {
                format!("The {name} refused the client certificate")
            }
            SendError::Tls(TlsProblem::NoCommonCipher) => {
                format!("The {name} ended the TLS handshake: it has no cipher suite, key exchange or version in common with the operator, or requires a client certificate")
            }
            SendError::Tls(TlsProblem::Handshake) => {
                format!("The TLS handshake with the {name} failed")
            }
            SendError::Timeout {
                after,
                answering: false,
            } => {
                format!(
                    "The {name} did not respond within {} s",
                    after.as_secs_f64()
                )
            }
            SendError::Timeout {
                after,
                answering: true,
            } => {
                format!(
                    "The response of the {name} was not complete within {} s",
                    after.as_secs_f64()
                )
            }
            SendError::Cut => {
                format!("The connection to the {name} closed before the response was complete")
            }
            SendError::Garbled => {
                format!("The response of the {name} is not HTTP, or its compression is damaged")
            }
            SendError::BodyTooLarge => format!("The response of the {name} is larger than 1 MiB"),
            SendError::NoRoom => {
                "The response is large and was not read, because other large responses in this namespace wait to be written".to_owned()
            }
            SendError::Setup => "The HTTP client could not be set up".to_owned(),
        }
    }

    /// The next step.
    fn next_step(&self, peer: &Peer) -> String {
        let Peer {
            name, field, flags, ..
        } = peer;
        match self {
            SendError::BadUrl => {
                format!("Set {field} to an https URL without user name and fragment")
            }
            SendError::BadHeader { .. } => {
                "Correct spec.request.headers, or the key of the credentials Secret with its value".to_owned()
            }
            SendError::HttpNotAllowed => {
                format!("Use https. Only if you trust the network, {flags} --allow-http")
            }
            SendError::AddressRefused {
                kind: AddressKind::Loopback,
                ..
            } => {
                format!("Use an address that is not loopback. To try it on one machine, {flags} --allow-loopback")
            }
            SendError::AddressRefused { .. } => {
                format!("Check the host in {field} and its DNS entry. If the address is correct, the administrator can allow it with --allow-address")
            }
            SendError::BadCaBundle(_) => {
                "Put the issuer's certificate, in PEM, under the key that spec.provider.caBundle names".to_owned()
            }
            SendError::Dns => {
                format!("Check the host in {field}, and the DNS of the cluster")
            }
            SendError::Connect(_) | SendError::ConnectTimeout => {
                format!("The operator retries. If this lasts, check host and port in {field}, network policies and firewalls, and whether a proxy is needed (HTTPS_PROXY)")
            }
            SendError::Proxy => {
                "Check that the proxy in HTTPS_PROXY allows this host, and its user name and password, or add the host to NO_PROXY".to_owned()
            }
            SendError::Tls(problem) => problem.next_step(peer),
            SendError::Timeout { .. } => {
                "The operator retries. If this lasts, check the provider's status page, or increase spec.provider.timeoutSeconds".to_owned()
            }
            SendError::Cut => {
                "The operator retries. If this lasts, look for a proxy or firewall in between".to_owned()
            }
            SendError::Garbled | SendError::BodyTooLarge => {
                format!("Check that {field} is the URL of the {name}")
            }
            SendError::NoRoom => {
                "The operator retries. If this lasts, reduce the size of the tokens at the provider, or the number of OAuthClients in this namespace".to_owned()
            }
            SendError::Setup => "Restart the operator. If this lasts, report it with the version".to_owned(),
        }
    }
}

impl TlsProblem {
    fn next_step(self, peer: &Peer) -> String {
        let field = peer.field;
        match self {
            TlsProblem::Expired => {
                "Ask the provider to renew its certificate, and check the clock of the node".to_owned()
            }
            TlsProblem::NotYetValid => {
                "Check the clock of the node, and the provider's certificate".to_owned()
            }
            TlsProblem::WrongName => {
                format!("Use the host name that the provider documents in {field}")
            }
            TlsProblem::UnknownIssuer => {
                "If the provider has a private CA, or a proxy terminates TLS, put the CA's certificate into a ConfigMap and name it in spec.provider.caBundle".to_owned()
            }
            TlsProblem::CaAsServer => {
                "Give the server its own certificate (CA:FALSE), and name the CA in spec.provider.caBundle".to_owned()
            }
            TlsProblem::BadCertificate => {
                "Ask the provider for a certificate that web browsers accept".to_owned()
            }
            TlsProblem::ClientCertificateWanted => {
                "The endpoint requires mutual TLS: name the Secret with your client certificate in spec.clientAuthentication.tlsClientAuth (method tls_client_auth or self_signed_tls_client_auth) or in spec.provider.clientCertificate".to_owned()
            }
            TlsProblem::ClientCertificateRefused => {
                "Check that this certificate is registered at the provider, signed by an authority that it trusts, valid for client authentication, and not expired. tls.crt must contain the chain up to that authority. A new certificate in the Secret is used at once".to_owned()
            }
            TlsProblem::Handshake => {
                format!("Check host and port in {field}: the server must use https with TLS 1.2 or 1.3")
            }
            TlsProblem::NoCommonCipher => {
                "The operator supports TLS 1.3, and TLS 1.2 with ECDHE and AES-GCM or ChaCha20-Poly1305. Cipher suites with CBC or RSA key exchange are not supported: have the provider enable one of the others, or put a proxy that speaks one in between".to_owned()
            }
        }
    }
}

/// What happened, without the next step, for a token request.
impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what(&Peer::TOKEN_ENDPOINT))
    }
}

impl StdError for SendError {}

impl From<BadCaBundle> for SendError {
    fn from(problem: BadCaBundle) -> Self {
        SendError::BadCaBundle(problem)
    }
}
