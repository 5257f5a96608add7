//! Requests without a response.

use std::time::Duration;

use crate::conditions::Reason;
use crate::oauth::send_error::{
    AddressKind, BadCaBundle, ConnectProblem, Peer, SendError, TlsProblem,
};

use super::catalogue::{Example, Values};
use super::text::{Text, text};
use super::{Explanation, Remedy};

/// The failure in words.
pub(super) fn explain(error: &SendError, peer: &Peer) -> Explanation {
    Explanation::new(happened(error, peer), Remedy::advice(advice(error, peer)))
}

/// The reason of the failure.
pub(super) fn reason(error: &SendError) -> Reason {
    Reason::parse(error.reason()).unwrap_or(Reason::ConnectFailed)
}

/// What happened.
pub(super) fn happened(error: &SendError, peer: &Peer) -> Text {
    let Peer { name, url, .. } = *peer;
    match error {
        SendError::BadUrl => text![url, " is invalid."],
        SendError::BadHeader { name } => text!["The header ", name, " cannot be sent."],
        SendError::HttpNotAllowed => {
            text![url, " is http, so the network could read the credentials."]
        }
        SendError::AddressRefused {
            address: None,
            kind,
        } => text!["The ", name, " is ", Text::own(kind), "."],
        SendError::AddressRefused {
            address: Some(address),
            kind,
        } => text![
            "The ",
            name,
            " is at ",
            address.to_string(),
            ", ",
            Text::own(kind),
            "."
        ],
        SendError::BadCaBundle(problem) => {
            text!["No request was sent, because ", Text::own(problem), "."]
        }
        SendError::Dns => text!["The host name of the ", name, " could not be resolved."],
        SendError::Connect(ConnectProblem::Refused) => {
            text!["The connection to the ", name, " was refused."]
        }
        SendError::Connect(ConnectProblem::Unreachable) => {
            text!["The address of the ", name, " is unreachable."]
        }
        SendError::Connect(ConnectProblem::Reset) => {
            text!["The connection to the ", name, " was reset."]
        }
        SendError::Connect(ConnectProblem::Other) => {
            text!["The connection to the ", name, " failed."]
        }
        SendError::ConnectTimeout => text!["Connecting to the ", name, " timed out."],
        SendError::Proxy => text!["The proxy did not connect to the ", name, "."],
        SendError::Tls(problem) => of_tls(*problem, name),
        SendError::Timeout {
            after,
            answering: false,
        } => text![
            "The ",
            name,
            " did not respond within ",
            seconds(*after),
            " s."
        ],
        SendError::Timeout {
            after,
            answering: true,
        } => text![
            "The response of the ",
            name,
            " was not complete within ",
            seconds(*after),
            " s."
        ],
        SendError::Cut => {
            text![
                "The connection to the ",
                name,
                " closed before the response was complete."
            ]
        }
        SendError::Garbled => {
            text![
                "The response of the ",
                name,
                " is not HTTP, or its compression is damaged."
            ]
        }
        SendError::BodyTooLarge => text!["The response of the ", name, " is larger than 1 MiB."],
        SendError::NoRoom => {
            text!["The response was not read: other large ones wait to be written."]
        }
        SendError::Setup => text!["The HTTP client could not be set up."],
    }
}

fn seconds(time: Duration) -> Text {
    Text::own(time.as_secs_f64())
}

fn of_tls(problem: TlsProblem, name: &'static str) -> Text {
    match problem {
        TlsProblem::Expired => text!["The certificate of the ", name, " has expired."],
        TlsProblem::NotYetValid => text!["The certificate of the ", name, " is not valid yet."],
        TlsProblem::WrongName => text!["The certificate of the ", name, " is for another name."],
        TlsProblem::UnknownIssuer => {
            text![
                "The certificate of the ",
                name,
                " is signed by an unknown CA."
            ]
        }
        TlsProblem::CaAsServer => text!["The ", name, " uses the certificate of a CA as its own."],
        TlsProblem::BadCertificate => text!["The certificate of the ", name, " is invalid."],
        TlsProblem::ClientCertificateWanted => {
            text!["The ", name, " requires a client certificate."]
        }
        TlsProblem::ClientCertificateRefused => {
            text!["The ", name, " refused the client certificate."]
        }
        TlsProblem::NoCommonCipher => {
            text![
                "The ",
                name,
                " ended the TLS handshake: no common cipher or version, or no client certificate."
            ]
        }
        TlsProblem::Handshake => text!["The TLS handshake with the ", name, " failed."],
    }
}

/// What to do.
pub(super) fn advice(error: &SendError, peer: &Peer) -> Text {
    let Peer {
        name, field, flags, ..
    } = *peer;
    match error {
        SendError::BadUrl => text![
            "Set ",
            field,
            " to an https URL without user name and fragment."
        ],
        SendError::BadHeader { .. } => {
            text!["Correct spec.request.headers, or its value in the credentials Secret."]
        }
        SendError::HttpNotAllowed => {
            text![
                "Use https. Only if you trust the network, ",
                flags,
                " --allow-http."
            ]
        }
        SendError::AddressRefused {
            kind: AddressKind::Loopback,
            ..
        } => text![
            "Use another address. To try it on one machine, ",
            flags,
            " --allow-loopback."
        ],
        SendError::AddressRefused { .. } => {
            text![
                "Check ",
                field,
                " and its DNS entry, or allow it with --allow-address."
            ]
        }
        SendError::BadCaBundle(_) => {
            text!["Put PEM certificates under the key in spec.provider.caBundle."]
        }
        SendError::Dns => text!["Check the host in ", field, ", and the DNS of the cluster."],
        SendError::Connect(_) | SendError::ConnectTimeout => text![
            "The operator retries. If this lasts, check ",
            field,
            ", network policies and HTTPS_PROXY."
        ],
        SendError::Proxy => {
            text!["Check that the proxy in HTTPS_PROXY allows this host, or add it to NO_PROXY."]
        }
        SendError::Tls(problem) => advice_of_tls(*problem, field),
        SendError::Timeout { .. } => {
            text!["The operator retries. If this lasts, increase spec.provider.timeoutSeconds."]
        }
        SendError::Cut => {
            text!["The operator retries. If this lasts, look for a proxy or firewall in between."]
        }
        SendError::Garbled | SendError::BodyTooLarge => {
            text!["Check that ", field, " is the URL of the ", name, "."]
        }
        SendError::NoRoom => {
            text!["The operator retries. If this lasts, ask the provider for smaller tokens."]
        }
        SendError::Setup => {
            text!["Restart the operator. If this lasts, report it with the version."]
        }
    }
}

fn advice_of_tls(problem: TlsProblem, field: &'static str) -> Text {
    match problem {
        TlsProblem::Expired => {
            text!["Ask the provider to renew it, and check the clock of the node."]
        }
        TlsProblem::NotYetValid => {
            text!["Check the clock of the node, and the provider's certificate."]
        }
        TlsProblem::WrongName => text![
            "Use the host name that the provider documents in ",
            field,
            "."
        ],
        TlsProblem::UnknownIssuer => {
            text![
                "For a private CA, name a ConfigMap with its certificate in spec.provider.caBundle."
            ]
        }
        TlsProblem::CaAsServer => {
            text![
                "Give the server its own certificate (CA:FALSE), and name the CA in spec.provider.caBundle."
            ]
        }
        TlsProblem::BadCertificate => {
            text!["Ask the provider for a certificate that web browsers accept."]
        }
        TlsProblem::ClientCertificateWanted => {
            text![
                "Name its Secret in spec.clientAuthentication.tlsClientAuth or spec.provider.clientCertificate."
            ]
        }
        TlsProblem::ClientCertificateRefused => {
            text![
                "Check that it is registered at the provider, not expired, and that tls.crt holds its chain."
            ]
        }
        TlsProblem::NoCommonCipher => {
            text!["Have the provider enable TLS 1.3, or TLS 1.2 with ECDHE."]
        }
        TlsProblem::Handshake => {
            text![
                "Check ",
                field,
                ": the server must use https with TLS 1.2 or 1.3."
            ]
        }
    }
}

impl Example for Peer {
    fn examples(_: &str, values: Values) -> Vec<Peer> {
        let longest = Peer::ISSUER.named("device authorization endpoint");
        let of_issuer = Peer {
            field: Peer::ISSUER.field,
            ..Peer::TOKEN_ENDPOINT
        };
        match values {
            Values::Names => vec![Peer::TOKEN_ENDPOINT],
            Values::Long | Values::Hostile => vec![Peer::TOKEN_ENDPOINT, of_issuer, longest],
        }
    }
}

impl Example for SendError {
    fn examples(field: &str, values: Values) -> Vec<SendError> {
        let refused = |kind| SendError::AddressRefused {
            address: Some(std::net::IpAddr::from([0xfd00_u16; 8])),
            kind,
        };
        let timeout = |answering| SendError::Timeout {
            after: Duration::from_secs(300),
            answering,
        };
        let mut all = vec![
            SendError::BadUrl,
            SendError::HttpNotAllowed,
            SendError::AddressRefused {
                address: None,
                kind: AddressKind::Loopback,
            },
            SendError::Dns,
            SendError::ConnectTimeout,
            SendError::Proxy,
            timeout(false),
            timeout(true),
            SendError::Cut,
            SendError::Garbled,
            SendError::BodyTooLarge,
            SendError::NoRoom,
            SendError::Setup,
        ];
        let names = String::examples(field, values).into_iter();
        all.extend(names.map(|name| SendError::BadHeader { name }));
        all.extend(AddressKind::ALL.map(refused));
        all.extend(BadCaBundle::EXAMPLES.map(SendError::BadCaBundle));
        all.extend(ConnectProblem::ALL.map(SendError::Connect));
        all.extend(TlsProblem::ALL.map(SendError::Tls));
        all
    }
}
