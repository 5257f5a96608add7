//! Trusted certificates: those of the system and of the resource's CA bundle.

mod pinned;

use std::sync::Arc;

use ring::digest::{Context, SHA256};
use rustls::client::Resumption;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::identity::ClientIdentity;
use super::pem::tidy;

/// How many TLS sessions a client keeps for resumption.
const RESUMABLE_SESSIONS: usize = 32;

/// The CA bundle of a resource: certificates that are trusted in addition to the system's, for this resource only.
#[derive(Clone)]
pub struct CaBundle {
    certificates: Arc<[CertificateDer<'static>]>,
    digest: [u8; 32],
}

pub use oauthclient_core::oauth::send_error::BadCaBundle;

impl CaBundle {
    /// Parses certificates in PEM. Other blocks (keys, lists) and text around the blocks are ignored.
    ///
    /// # Errors
    /// [`BadCaBundle`], also for a bundle without certificates, so that a wrong key is noticed.
    pub fn from_pem(pem: &[u8]) -> Result<CaBundle, BadCaBundle> {
        let mut certificates = Vec::new();
        let mut digest = Context::new(&SHA256);
        let mut trial = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&tidy(pem)) {
            let certificate = certificate.map_err(|_| BadCaBundle::NotPem)?;
            let position = certificates.len() + 1;
            trial
                .add(certificate.clone())
                .map_err(|_| BadCaBundle::BadCertificate { position })?;
            digest.update(&certificate);
            certificates.push(certificate);
        }
        if certificates.is_empty() {
            return Err(BadCaBundle::NoCertificate);
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.finish().as_ref());
        Ok(CaBundle {
            certificates: certificates.into(),
            digest: bytes,
        })
    }

    /// Equal for bundles with the same certificates in the same order.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }
}

/// The system's trusted certificates (`SSL_CERT_FILE` and `SSL_CERT_DIR` apply). Those that cannot be parsed are
/// skipped. Reads files, and may find none.
pub(super) fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// TLS 1.2 and 1.3 with `ring`. It trusts the system and the bundle, and presents the client certificate on request.
///
/// # Errors
/// `ring` offers no TLS version: a defect of the build.
pub(super) fn config(
    system: &Arc<RootCertStore>,
    bundle: Option<&CaBundle>,
    identity: Option<&ClientIdentity>,
) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let config = match bundle {
        None => builder.with_root_certificates(Arc::clone(system)),
        Some(bundle) => {
            let those = |wanted: fn(&CertificateDer<'_>) -> bool| {
                let all = bundle.certificates.iter();
                all.filter(move |certificate| wanted(certificate)).cloned()
            };
            let mut roots = RootCertStore::clone(system);
            roots.add_parsable_certificates(those(pinned::is_authority));
            let servers: Vec<_> = those(pinned::is_server).collect();
            match servers.is_empty() {
                true => builder.with_root_certificates(roots),
                false => {
                    let verifier = pinned::PinnedServers::new(roots, servers, &provider);
                    builder
                        .dangerous()
                        .with_custom_certificate_verifier(Arc::new(verifier))
                }
            }
        }
    };
    let mut config = match identity {
        Some(identity) => config.with_client_cert_resolver(identity.resolver()),
        None => config.with_no_client_auth(),
    };
    config.resumption = Resumption::in_memory_sessions(RESUMABLE_SESSIONS);
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(pem: &str) -> BadCaBundle {
        match CaBundle::from_pem(pem.as_bytes()) {
            Ok(_) => panic!("the bundle was taken"),
            Err(problem) => problem,
        }
    }

    #[test]
    fn a_machine_without_any_certificates_is_no_error() {
        assert!(config(&Arc::new(RootCertStore::empty()), None, None).is_ok());
    }

    #[test]
    fn bundles_that_trust_nothing_are_refused() {
        assert_eq!(refused(""), BadCaBundle::NoCertificate);
        assert_eq!(refused("not pem at all"), BadCaBundle::NoCertificate);
        let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert_eq!(refused(key), BadCaBundle::NoCertificate);
        assert_eq!(
            refused("-----BEGIN CERTIFICATE-----\nAAAA\n"),
            BadCaBundle::NotPem
        );
        let damaged = "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
        assert_eq!(refused(damaged), BadCaBundle::NotPem);
        let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(
            refused(no_certificate),
            BadCaBundle::BadCertificate { position: 1 }
        );
    }
}
