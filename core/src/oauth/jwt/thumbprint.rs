//! A certificate in the header of a JWT: its thumbprint, or its whole chain (RFC 7515 sections 4.1.6 to 4.1.8).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::digest;
use rustls_pki_types::CertificateDer;

use super::key::SigningKey;
use super::pem;
use super::problem::KeyProblem;

/// So many certificates go into a header: a request must stay smaller than what servers accept.
const LONGEST_CHAIN: usize = 8;

/// Which thumbprint is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Thumbprint {
    /// `x5t`: SHA-1, which Entra required for a long time.
    Sha1,
    /// `x5t#S256`: SHA-256.
    Sha256,
}

impl Thumbprint {
    /// The header's name.
    pub fn header(self) -> &'static str {
        match self {
            Thumbprint::Sha1 => "x5t",
            Thumbprint::Sha256 => "x5t#S256",
        }
    }
}

/// The certificates of a PEM text, that of the key first.
pub struct Chain(Vec<Vec<u8>>);

impl Chain {
    /// Reads a chain whose first certificate must be the one of the key. Text and blocks of other kinds are passed over.
    ///
    /// # Errors
    /// [`KeyProblem::NotACertificate`], [`KeyProblem::OtherCertificate`] and [`KeyProblem::ChainTooLong`].
    pub fn read(content: &[u8], key: &SigningKey) -> Result<Chain, KeyProblem> {
        let text = std::str::from_utf8(content).map_err(|_| KeyProblem::NotACertificate)?;
        let blocks = pem::blocks(text).map_err(|_| KeyProblem::NotACertificate)?;
        let chain = blocks
            .iter()
            .filter(|block| block.label == "CERTIFICATE")
            .map(|block| block.document().map(|document| document.to_vec()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| KeyProblem::NotACertificate)?;
        let first = chain.first().ok_or(KeyProblem::NotACertificate)?;
        if chain.len() > LONGEST_CHAIN {
            return Err(KeyProblem::ChainTooLong);
        }
        let der = CertificateDer::from(first.as_slice());
        let certificate =
            webpki::EndEntityCert::try_from(&der).map_err(|_| KeyProblem::NotACertificate)?;
        let public = certificate.subject_public_key_info();
        // A SubjectPublicKeyInfo ends with the public key's bits.
        let is_its = key
            .public()
            .is_some_and(|key| public.as_ref().ends_with(key));
        match is_its {
            true => Ok(Chain(chain)),
            false => Err(KeyProblem::OtherCertificate),
        }
    }

    /// The thumbprint of the key's certificate.
    pub fn thumbprint(&self, which: Thumbprint) -> String {
        let algorithm = match which {
            Thumbprint::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Thumbprint::Sha256 => &digest::SHA256,
        };
        let first = self.0.first().map_or(&[][..], Vec::as_slice);
        URL_SAFE_NO_PAD.encode(digest::digest(algorithm, first))
    }

    /// The whole chain as the header `x5c` holds it: in base64, not base64url (RFC 7515 section 4.1.6).
    pub fn x5c(&self) -> Vec<String> {
        self.0.iter().map(|one| STANDARD.encode(one)).collect()
    }
}
