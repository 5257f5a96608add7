//! A key that can sign, whatever its format was.

use ring::rand::SecureRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
    RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use ring::{hmac, signature};

use crate::oauth::jwt::algorithm::{Algorithm, KeyKind};
use crate::oauth::jwt::problem::KeyProblem;
use crate::secret::Secret;

/// A key that can sign. It has no `Debug`.
pub struct SigningKey {
    pub(super) material: Material,
    pub(super) id: Option<String>,
    pub(super) algorithm: Option<Algorithm>,
    pub(super) service_account: Option<ServiceAccount>,
}

pub(super) enum Material {
    Rsa(Box<RsaKeyPair>),
    Ec(KeyKind, Box<EcdsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
    Symmetric(Secret),
}

/// The other content of a Google service account key. `token_uri` is not part of it: the resource and the Secret's
/// owner decide where credentials are sent, never a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccount {
    /// `client_email`: the account.
    pub email: String,
}

impl SigningKey {
    pub(super) fn bare(material: Material) -> SigningKey {
        SigningKey {
            material,
            id: None,
            algorithm: None,
            service_account: None,
        }
    }

    /// The kind of key.
    pub fn kind(&self) -> KeyKind {
        match &self.material {
            Material::Rsa(_) => KeyKind::Rsa,
            Material::Ec(kind, _) => *kind,
            Material::Ed25519(_) => KeyKind::Ed25519,
            Material::Symmetric(_) => KeyKind::Symmetric,
        }
    }

    /// The `kid` of a JWK or of a service account key.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The account of a service account key.
    pub fn service_account(&self) -> Option<&ServiceAccount> {
        self.service_account.as_ref()
    }

    /// The algorithm to sign with: the requested one, else that of a JWK, else the default of the kind.
    ///
    /// # Errors
    /// [`KeyProblem::Algorithm`] if it does not match the key.
    pub fn choose(&self, wanted: Option<Algorithm>) -> Result<Algorithm, KeyProblem> {
        let kind = self.kind();
        let algorithm = wanted.or(self.algorithm).unwrap_or_else(|| kind.usual());
        if algorithm.kind() == kind {
            Ok(algorithm)
        } else {
            Err(KeyProblem::Algorithm { algorithm, kind })
        }
    }

    /// The public part, as at the end of `SubjectPublicKeyInfo` in a certificate; `None` for a symmetric key.
    pub(crate) fn public(&self) -> Option<&[u8]> {
        match &self.material {
            Material::Rsa(pair) => Some(pair.public_key().as_ref()),
            Material::Ec(_, pair) => Some(pair.public_key().as_ref()),
            Material::Ed25519(pair) => Some(pair.public_key().as_ref()),
            Material::Symmetric(_) => None,
        }
    }

    /// The signature of a message in the form of JWS (RFC 7518 section 3: ECDSA as `r` and `s`, not as DER).
    ///
    /// # Errors
    /// [`KeyProblem::Algorithm`] if the algorithm does not match, [`KeyProblem::Unsigned`] if signing fails.
    pub fn sign(
        &self,
        algorithm: Algorithm,
        message: &[u8],
        random: &dyn SecureRandom,
    ) -> Result<Vec<u8>, KeyProblem> {
        let kind = self.kind();
        if algorithm.kind() != kind {
            return Err(KeyProblem::Algorithm { algorithm, kind });
        }
        match &self.material {
            Material::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(padding(algorithm), random, message, &mut signature)
                    .map_err(|_| KeyProblem::Unsigned)?;
                Ok(signature)
            }
            Material::Ec(_, pair) => pair
                .sign(random, message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| KeyProblem::Unsigned),
            Material::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Material::Symmetric(secret) => {
                let digest = match algorithm {
                    Algorithm::Hs384 => hmac::HMAC_SHA384,
                    Algorithm::Hs512 => hmac::HMAC_SHA512,
                    _ => hmac::HMAC_SHA256,
                };
                let key = hmac::Key::new(digest, secret.expose_bytes());
                Ok(hmac::sign(&key, message).as_ref().to_vec())
            }
        }
    }
}

fn padding(algorithm: Algorithm) -> &'static dyn RsaEncoding {
    match algorithm {
        Algorithm::Rs384 => &RSA_PKCS1_SHA384,
        Algorithm::Rs512 => &RSA_PKCS1_SHA512,
        Algorithm::Ps256 => &RSA_PSS_SHA256,
        Algorithm::Ps384 => &RSA_PSS_SHA384,
        Algorithm::Ps512 => &RSA_PSS_SHA512,
        _ => &RSA_PKCS1_SHA256,
    }
}

/// `ring`'s signature algorithm for a curve.
pub(super) fn ecdsa(kind: KeyKind) -> &'static signature::EcdsaSigningAlgorithm {
    match kind {
        KeyKind::P384 => &ECDSA_P384_SHA384_FIXED_SIGNING,
        _ => &ECDSA_P256_SHA256_FIXED_SIGNING,
    }
}
