//! Servers' own certificates in a CA bundle: a server that shows one of these keys is trusted for the names in that certificate,
//! regardless of the issuer of the certificate that it shows. A pinned certificate vouches for no other server.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

/// Verifies by authorities as always, and trusts the pinned servers besides.
#[derive(Debug)]
pub(super) struct PinnedServers {
    /// `None`: there is no authority at all.
    authorities: Option<Arc<WebPkiServerVerifier>>,
    pinned: Vec<CertificateDer<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// Whether a certificate may sign for others: all but those that say that they are no authority's (RFC 5280 section 4.2.1.9),
/// and those that name servers instead. Authorities of old have neither.
pub(super) fn is_authority(certificate: &CertificateDer<'_>) -> bool {
    parsed(certificate).is_none_or(|certificate| {
        match certificate.basic_constraints().ok().flatten() {
            Some(constraints) => constraints.value.ca,
            None => !names_servers(&certificate),
        }
    })
}

/// Whether a certificate may be a server's own: it names servers, and is not for another purpose. A self-signed one often says
/// that it is an authority's as well.
pub(super) fn is_server(certificate: &CertificateDer<'_>) -> bool {
    parsed(certificate)
        .is_some_and(|certificate| names_servers(&certificate) && is_for_servers(&certificate))
}

fn names_servers(certificate: &X509Certificate<'_>) -> bool {
    let names = certificate.subject_alternative_name();
    names.is_ok_and(|names| names.is_some())
}

/// Whether the purposes of a certificate include servers (RFC 5280 section 4.2.1.12); one without purposes is for all.
fn is_for_servers(certificate: &X509Certificate<'_>) -> bool {
    certificate.extended_key_usage().is_ok_and(|purposes| {
        purposes.is_none_or(|purposes| purposes.value.server_auth || purposes.value.any)
    })
}

fn parsed<'a>(certificate: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    Some(certificate)
}

/// Whether a certificate is valid now and for this name.
fn verify(
    certificate: &CertificateDer<'_>,
    name: &ServerName<'_>,
    now: UnixTime,
) -> Result<(), Error> {
    let fields = parsed(certificate).ok_or(CertificateError::BadEncoding)?;
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let validity = fields.validity();
    if now < validity.not_before.timestamp() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > validity.not_after.timestamp() {
        return Err(CertificateError::Expired.into());
    }
    if !is_for_servers(&fields) {
        return Err(CertificateError::InvalidPurpose.into());
    }
    verify_server_name(&ParsedCertificate::try_from(certificate)?, name)
}

impl PinnedServers {
    pub(super) fn new(
        authorities: RootCertStore,
        pinned: Vec<CertificateDer<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> PinnedServers {
        let authorities = WebPkiServerVerifier::builder_with_provider(
            Arc::new(authorities),
            Arc::clone(provider),
        );
        PinnedServers {
            authorities: authorities.build().ok(),
            pinned,
            algorithms: provider.signature_verification_algorithms,
        }
    }

    /// Whether the server shows the key of a pinned certificate. Both certificates must be valid now and for this name:
    /// the holder of the key can put any name and any time into the certificate that the server shows.
    fn verify_pinned(
        &self,
        shown: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let unknown = Error::from(CertificateError::UnknownIssuer);
        let Some(fields) = parsed(shown) else {
            return Err(unknown);
        };
        let key = fields.public_key().raw;
        let mut problem = unknown;
        for pinned in &self.pinned {
            let has_key = parsed(pinned).is_some_and(|pinned| pinned.public_key().raw == key);
            if !has_key {
                continue;
            }
            match verify(pinned, name, now).and_then(|()| verify(shown, name, now)) {
                Ok(()) => return Ok(ServerCertVerified::assertion()),
                Err(error) => problem = error,
            }
        }
        Err(problem)
    }
}

impl ServerCertVerifier for PinnedServers {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let by_authority = self.authorities.as_ref().map(|authorities| {
            authorities.verify_server_cert(shown, intermediates, name, ocsp, now)
        });
        match (by_authority, self.verify_pinned(shown, name, now)) {
            (Some(Ok(verified)), _) | (_, Ok(verified)) => Ok(verified),
            // What the authorities say of a server that is not pinned is the better reason.
            (Some(Err(error)), Err(Error::InvalidCertificate(CertificateError::UnknownIssuer))) => {
                Err(error)
            }
            (_, Err(error)) => Err(error),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
