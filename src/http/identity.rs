//! The client certificate with its private key, as in a Secret of type `kubernetes.io/tls`.

use std::collections::BTreeMap;
use std::sync::Arc;

use ring::digest::{Context, SHA256};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

use crate::secret::Secret;
use crate::time::Time;
use crate::trust::Lenders;

use super::pem::tidy;

/// The key of the Secret that holds the certificate and its chain, in PEM.
pub const CERTIFICATE_KEY: &str = "tls.crt";
/// The key of the Secret that holds the private key, in PEM.
pub const PRIVATE_KEY_KEY: &str = "tls.key";

/// A client certificate (RFC 8705) with its private key. Cheap to clone; the key can be used, not read.
#[derive(Clone)]
pub struct ClientIdentity {
    key: Arc<CertifiedKey>,
    digest: [u8; 32],
    not_before: Time,
    not_after: Time,
    lenders: Lenders,
}

/// Why a client certificate cannot be used. Names keys, never their values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadIdentity {
    /// The key is missing.
    #[error("key \"{key}\" is missing")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// The key is empty.
    #[error("key \"{key}\" is empty")]
    Empty {
        /// The key.
        key: &'static str,
    },
    /// There are no certificates in PEM.
    #[error(
        "key \"tls.crt\" holds no certificate in PEM (blocks from -----BEGIN CERTIFICATE----- to its END)"
    )]
    NoCertificate,
    /// The first certificate cannot be parsed.
    #[error("the first certificate in key \"tls.crt\" cannot be read as an X.509 certificate")]
    BadCertificate,
    /// The private key is protected by a passphrase.
    #[error(
        "the private key in key \"tls.key\" is encrypted with a passphrase: store it without one (openssl pkey -in FILE)"
    )]
    Encrypted,
    /// There is no private key in PEM.
    #[error(
        "key \"tls.key\" holds no private key in PEM (a block that begins with -----BEGIN PRIVATE KEY-----)"
    )]
    NoPrivateKey,
    /// The kind of private key is not supported.
    #[error(
        "the private key in key \"tls.key\" cannot be used: it must be RSA of 2048 to 8192 bits, ECDSA on P-256 or P-384, or Ed25519"
    )]
    UnsupportedKey,
    /// The private key belongs to another certificate.
    #[error(
        "the private key in key \"tls.key\" does not belong to the first certificate in key \"tls.crt\""
    )]
    Mismatch,
}

impl ClientIdentity {
    /// Parses `tls.crt` (the certificate first, then its chain) and `tls.key` (PKCS #8, PKCS #1 or SEC 1) of a Secret,
    /// and checks that they belong together. The caller checks whether the certificate is valid now. `lenders` are the
    /// owners that allow its use.
    ///
    /// # Errors
    /// [`BadIdentity`].
    pub fn from_secret(
        data: &BTreeMap<String, Secret>,
        lenders: &Lenders,
    ) -> Result<ClientIdentity, BadIdentity> {
        let part = |key: &'static str| match data.get(key) {
            None => Err(BadIdentity::Missing { key }),
            Some(value) if value.expose_bytes().trim_ascii().is_empty() => {
                Err(BadIdentity::Empty { key })
            }
            Some(value) => Ok(value.expose_bytes()),
        };
        ClientIdentity::from_pem(part(CERTIFICATE_KEY)?, part(PRIVATE_KEY_KEY)?, lenders)
    }

    /// Like [`ClientIdentity::from_secret`].
    ///
    /// # Errors
    /// [`BadIdentity`].
    pub fn from_pem(
        certificates: &[u8],
        private_key: &[u8],
        lenders: &Lenders,
    ) -> Result<ClientIdentity, BadIdentity> {
        let chain: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(&tidy(certificates))
                .collect::<Result<_, _>>()
                .map_err(|_| BadIdentity::NoCertificate)?;
        let leaf = chain.first().ok_or(BadIdentity::NoCertificate)?;
        let (_, parsed) =
            x509_parser::parse_x509_certificate(leaf).map_err(|_| BadIdentity::BadCertificate)?;
        let validity = parsed.validity();
        let not_before = Time::from_seconds(validity.not_before.timestamp());
        let not_after = Time::from_seconds(validity.not_after.timestamp());
        let mut digest = Context::new(&SHA256);
        for certificate in &chain {
            digest.update(&(certificate.len() as u64).to_be_bytes());
            digest.update(certificate);
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.finish().as_ref());
        let encrypted = private_key.windows(9).any(|part| part == b"ENCRYPTED");
        let key =
            PrivateKeyDer::from_pem_slice(&tidy(private_key)).map_err(|_| match encrypted {
                true => BadIdentity::Encrypted,
                false => BadIdentity::NoPrivateKey,
            })?;
        let key =
            rustls::crypto::ring::sign::any_supported_type(&key).map_err(|_| match encrypted {
                true => BadIdentity::Encrypted,
                false => BadIdentity::UnsupportedKey,
            })?;
        let key = CertifiedKey::new(chain, key);
        match key.keys_match() {
            Ok(()) => {}
            Err(rustls::Error::InconsistentKeys(_)) => return Err(BadIdentity::Mismatch),
            Err(_) => return Err(BadIdentity::BadCertificate),
        }
        Ok(ClientIdentity {
            key: Arc::new(key),
            digest: bytes,
            not_before,
            not_after,
            lenders: lenders.clone(),
        })
    }

    /// The start of the validity of the certificate.
    pub fn not_before(&self) -> Time {
        self.not_before
    }

    /// The end of the validity of the certificate.
    pub fn not_after(&self) -> Time {
        self.not_after
    }

    /// Identifies the certificate with its chain. Not secret, because every server sees it.
    pub fn fingerprint(&self) -> String {
        self.digest
            .iter()
            .take(6)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// The owners that allow its use, and their hosts.
    pub fn lenders(&self) -> &Lenders {
        &self.lenders
    }

    /// Equal for identities with the same certificates.
    pub(super) fn digest(&self) -> [u8; 32] {
        self.digest
    }

    pub(super) fn resolver(&self) -> Arc<SingleCertAndKey> {
        Arc::new(SingleCertAndKey::from(Arc::clone(&self.key)))
    }
}
