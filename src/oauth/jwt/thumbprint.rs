//! The thumbprint of a certificate as a header of a JWT (RFC 7515 sections 4.1.7 and 4.1.8).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use rustls_pki_types::CertificateDer;

use super::{KeyProblem, SigningKey, pem};

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

/// The thumbprint of the first certificate in a PEM text, which must be the one of the key.
///
/// # Errors
/// [`KeyProblem::NotACertificate`] and [`KeyProblem::OtherCertificate`].
pub fn thumbprint(
    content: &[u8],
    key: &SigningKey,
    which: Thumbprint,
) -> Result<String, KeyProblem> {
    let text = std::str::from_utf8(content).map_err(|_| KeyProblem::NotACertificate)?;
    let blocks = pem::blocks(text).map_err(|_| KeyProblem::NotACertificate)?;
    let document = blocks
        .iter()
        .find(|block| block.label == "CERTIFICATE")
        .and_then(|block| block.document().ok())
        .ok_or(KeyProblem::NotACertificate)?;
    let der = CertificateDer::from(document.as_slice());
    let certificate =
        webpki::EndEntityCert::try_from(&der).map_err(|_| KeyProblem::NotACertificate)?;
    let public = certificate.subject_public_key_info();
    // A SubjectPublicKeyInfo ends with the public key's bits.
    if !key
        .public()
        .is_some_and(|key| public.as_ref().ends_with(key))
    {
        return Err(KeyProblem::OtherCertificate);
    }
    let algorithm = match which {
        Thumbprint::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        Thumbprint::Sha256 => &digest::SHA256,
    };
    Ok(URL_SAFE_NO_PAD.encode(digest::digest(algorithm, &document)))
}
