//! The client's side of mutual TLS: when a certificate is requested, and which one was presented.

use std::sync::Arc;

use ring::digest::{SHA256, digest};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};

use super::{certificates, crypto};
use crate::{Context, Result};

/// Whether a server requests client certificates, and which it accepts in the handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificates {
    /// None is requested.
    #[default]
    NotAsked,
    /// Requested from all clients. Any certificate is accepted whose key the client has, and none as well: the endpoint
    /// decides which clients it knows.
    Any,
    /// All must show a certificate that is signed by one of these authorities (PEM).
    Of(String),
}

/// A certificate that a client has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// SHA-256 of the certificate in hex: its thumbprint (RFC 8705 section 3.1, there in base64url).
    pub sha256: String,
    /// Its subject, such as `CN=shop`.
    pub subject: String,
}

impl ClientCertificate {
    pub(crate) fn read(der: &CertificateDer<'_>) -> Option<ClientCertificate> {
        let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
        let sha256 = digest(&SHA256, der);
        Some(ClientCertificate {
            sha256: sha256
                .as_ref()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            subject: certificate.subject().to_string(),
        })
    }

    /// Whether it is named in a list of thumbprints and subjects.
    #[must_use]
    pub fn is_one_of(&self, list: &[String]) -> bool {
        list.iter()
            .any(|name| *name == self.sha256 || *name == self.subject)
    }
}

/// The verifier of client certificates; `None` if none is requested.
pub(super) fn verifier(
    clients: &ClientCertificates,
) -> Result<Option<Arc<dyn ClientCertVerifier>>> {
    let what = || "cannot set up the check of client certificates";
    match clients {
        ClientCertificates::NotAsked => Ok(None),
        ClientCertificates::Any => Ok(Some(Arc::new(Anybody(
            crypto().signature_verification_algorithms,
        )))),
        ClientCertificates::Of(pem) => {
            let mut roots = rustls::RootCertStore::empty();
            for certificate in certificates(pem)? {
                roots.add(certificate).context(what)?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), crypto());
            Ok(Some(verifier.build().context(what)?))
        }
    }
}

/// Takes any certificate, as long as the client has its key.
#[derive(Debug)]
struct Anybody(WebPkiSupportedAlgorithms);

impl ClientCertVerifier for Anybody {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> std::result::Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
