//! Why there was no response, typed. The text of an HTTP library's errors is never used, because it may contain the URL,
//! and a URL may contain credentials.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::oauth::error::Reached;
use crate::oauth::{Client, FailureClass};

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
    /// The address of the token endpoint is refused ([`AddressKind`]).
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
    pub name: &'static str,
    /// Its URL, at the beginning of a sentence.
    pub url: &'static str,
    /// The field of the resource that says where it is.
    pub field: &'static str,
    /// How the reader sets a flag, before the flag.
    pub flags: &'static str,
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

/// Why an address is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressKind {
    /// This machine: 127.0.0.0/8, `::1`, and the name `localhost`.
    Loopback,
    /// The unspecified address, which systems treat as this machine: 0.0.0.0/8, `::`.
    Unspecified,
    /// Link-local: 169.254.0.0/16, fe80::/10.
    LinkLocal,
    /// Multicast and broadcast: 224.0.0.0/4, 255.255.255.255, ff00::/8.
    Multicast,
    /// The metadata service of a cloud, which returns the machine's own credentials.
    Metadata,
    /// The local-use NAT64 prefix 64:ff9b:1::/48 (RFC 8215), whose wrapped address is unknown.
    LocalNat64,
}

/// Why a CA bundle cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCaBundle {
    /// It is not PEM: a block is incomplete or its base64 is damaged.
    #[error("the CA bundle is not valid PEM")]
    NotPem,
    /// It holds no certificate.
    #[error("the CA bundle holds no certificate in PEM")]
    NoCertificate,
    /// A certificate cannot be parsed.
    #[error("certificate number {position} of the CA bundle cannot be read")]
    BadCertificate {
        /// Its position, counted from 1.
        position: usize,
    },
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
}

impl fmt::Display for AddressKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AddressKind::Loopback => "a loopback address",
            AddressKind::Unspecified => "an unspecified address",
            AddressKind::LinkLocal => "a link-local address",
            AddressKind::Multicast => "a multicast or broadcast address",
            AddressKind::Metadata => "a cloud's metadata service",
            AddressKind::LocalNat64 => "a local NAT64 address",
        })
    }
}

impl From<BadCaBundle> for SendError {
    fn from(problem: BadCaBundle) -> Self {
        SendError::BadCaBundle(problem)
    }
}

impl AddressKind {
    /// All kinds.
    pub const ALL: [AddressKind; 6] = [
        AddressKind::Loopback,
        AddressKind::Unspecified,
        AddressKind::LinkLocal,
        AddressKind::Multicast,
        AddressKind::Metadata,
        AddressKind::LocalNat64,
    ];
}

impl BadCaBundle {
    /// One of each kind.
    pub const EXAMPLES: [BadCaBundle; 3] = [
        BadCaBundle::NotPem,
        BadCaBundle::NoCertificate,
        BadCaBundle::BadCertificate { position: 123 },
    ];
}

impl ConnectProblem {
    /// All problems.
    pub const ALL: [ConnectProblem; 4] = [
        ConnectProblem::Refused,
        ConnectProblem::Unreachable,
        ConnectProblem::Reset,
        ConnectProblem::Other,
    ];
}

impl TlsProblem {
    /// All problems.
    pub const ALL: [TlsProblem; 10] = [
        TlsProblem::Expired,
        TlsProblem::NotYetValid,
        TlsProblem::WrongName,
        TlsProblem::UnknownIssuer,
        TlsProblem::CaAsServer,
        TlsProblem::BadCertificate,
        TlsProblem::ClientCertificateWanted,
        TlsProblem::ClientCertificateRefused,
        TlsProblem::NoCommonCipher,
        TlsProblem::Handshake,
    ];
}
