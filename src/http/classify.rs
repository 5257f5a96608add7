//! Classifies errors of the HTTP library by their chain of causes, never by their text.

use std::error::Error as StdError;
use std::io;

use hyper_util::client::legacy;

use super::error::{ConnectProblem, SendError, TlsProblem};
use super::resolve::Unresolved;
use super::transport::ConnectTimedOut;

/// Classifies an error of the HTTP library by its chain of causes.
pub(super) fn classify(error: &(dyn StdError + 'static), through_proxy: bool) -> SendError {
    let sending = error.downcast_ref::<legacy::Error>();
    let is_connect = sending.is_some_and(legacy::Error::is_connect);
    let mut io_kind = None;
    let mut parse = false;
    let mut timed_out = false;
    for cause in causes(error) {
        match cause.downcast_ref() {
            Some(Unresolved::Refused { address, kind }) => {
                return SendError::AddressRefused {
                    address: Some(*address),
                    kind: *kind,
                };
            }
            Some(Unresolved::NotFound) => return SendError::Dns,
            None => {}
        }
        timed_out |= cause.is::<ConnectTimedOut>();
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            let problem = tls_problem(tls);
            // A failure after the handshake breaks an exchange that had already started.
            let is_handshake =
                matches!(problem, TlsProblem::Handshake | TlsProblem::NoCommonCipher);
            if is_handshake && !is_connect {
                return SendError::Cut;
            }
            return SendError::Tls(problem);
        }
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            io_kind = Some(io.kind());
        }
        if let Some(hyper) = cause.downcast_ref::<hyper::Error>() {
            parse |= hyper.is_parse();
        }
    }
    if !is_connect {
        // What reads the body is the decompression, whose errors are I/O errors.
        let is_damaged = sending.is_none()
            && io_kind.is_some_and(|kind| {
                !matches!(
                    kind,
                    io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
                )
            });
        return if parse || is_damaged {
            SendError::Garbled
        } else {
            SendError::Cut
        };
    }
    if timed_out || io_kind == Some(io::ErrorKind::TimedOut) {
        return SendError::ConnectTimeout;
    }
    match io_kind {
        Some(io::ErrorKind::ConnectionRefused) => SendError::Connect(ConnectProblem::Refused),
        Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => {
            SendError::Connect(ConnectProblem::Unreachable)
        }
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => {
            SendError::Connect(ConnectProblem::Reset)
        }
        // rustls reports this if the peer closes the connection during the handshake.
        Some(io::ErrorKind::UnexpectedEof) => SendError::Tls(TlsProblem::Handshake),
        Some(_) => SendError::Connect(ConnectProblem::Other),
        None if through_proxy => SendError::Proxy,
        None => SendError::Connect(ConnectProblem::Other),
    }
}

/// An error and all its causes. `io::Error` hides the error that it wraps from `source`, so it is unwrapped too.
fn causes<'e>(error: &'e (dyn StdError + 'static)) -> Vec<&'e (dyn StdError + 'static)> {
    let mut found = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        found.push(error);
        next = match error.downcast_ref::<io::Error>() {
            Some(io) => io.get_ref().map(|inner| inner as &(dyn StdError + 'static)),
            None => error.source(),
        };
    }
    found
}

fn tls_problem(error: &rustls::Error) -> TlsProblem {
    use rustls::{AlertDescription as Alert, CertificateError as Certificate};
    match error {
        rustls::Error::InvalidCertificate(problem) => match problem {
            Certificate::Expired | Certificate::ExpiredContext { .. } => TlsProblem::Expired,
            Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => {
                TlsProblem::NotYetValid
            }
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
                TlsProblem::WrongName
            }
            Certificate::UnknownIssuer => TlsProblem::UnknownIssuer,
            Certificate::Other(other)
                if other.0.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity) =>
            {
                TlsProblem::CaAsServer
            }
            _ => TlsProblem::BadCertificate,
        },
        rustls::Error::AlertReceived(Alert::CertificateRequired) => {
            TlsProblem::ClientCertificateWanted
        }
        // An alert about a certificate is about ours (RFC 8446 section 6.2).
        rustls::Error::AlertReceived(
            Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied,
        ) => TlsProblem::ClientCertificateRefused,
        // What a server sends where it finds nothing in common (RFC 8446 section 6.2), and what rustls finds itself.
        rustls::Error::AlertReceived(
            Alert::HandshakeFailure | Alert::InsufficientSecurity | Alert::ProtocolVersion,
        )
        | rustls::Error::PeerIncompatible(_) => TlsProblem::NoCommonCipher,
        _ => TlsProblem::Handshake,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rustls_says_is_told_apart() {
        use rustls::{AlertDescription, CertificateError, OtherError};
        let ca = CertificateError::Other(OtherError(std::sync::Arc::new(
            webpki::Error::CaUsedAsEndEntity,
        )));
        let wanted = AlertDescription::CertificateRequired;
        for (error, problem) in [
            (CertificateError::Expired.into(), TlsProblem::Expired),
            (
                CertificateError::NotValidForName.into(),
                TlsProblem::WrongName,
            ),
            (
                CertificateError::UnknownIssuer.into(),
                TlsProblem::UnknownIssuer,
            ),
            (
                CertificateError::BadSignature.into(),
                TlsProblem::BadCertificate,
            ),
            (ca.into(), TlsProblem::CaAsServer),
            (
                rustls::Error::AlertReceived(wanted),
                TlsProblem::ClientCertificateWanted,
            ),
            (
                rustls::Error::AlertReceived(AlertDescription::UnknownCA),
                TlsProblem::ClientCertificateRefused,
            ),
            (
                rustls::Error::AlertReceived(AlertDescription::HandshakeFailure),
                TlsProblem::NoCommonCipher,
            ),
            (
                rustls::Error::AlertReceived(AlertDescription::ProtocolVersion),
                TlsProblem::NoCommonCipher,
            ),
            (rustls::Error::DecryptError, TlsProblem::Handshake),
        ] {
            assert_eq!(tls_problem(&error), problem, "{error}");
        }
    }
}
