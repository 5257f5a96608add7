//! Private keys in Secrets: PEM, JWK, or a Google service account key.

mod jwk;
mod public;
mod read;
mod signing;

use ring::rand::SecureRandom;

use super::KeyProblem;
use crate::secret::Secret;
use signing::Material;

pub use signing::{ServiceAccount, SigningKey};

impl SigningKey {
    /// Parses a private key: PEM (PKCS#8, PKCS#1, SEC1; certificates in it are ignored), a JWK (RFC 7517, with private
    /// RSA, EC, OKP or symmetric material), or a Google service account key. The random numbers are only for blinding;
    /// the result does not depend on them.
    ///
    /// # Errors
    /// [`KeyProblem`], without any part of the key.
    pub fn parse(content: &[u8], random: &dyn SecureRandom) -> Result<SigningKey, KeyProblem> {
        let text = std::str::from_utf8(content)
            .map_err(|_| KeyProblem::NotAKey)?
            .trim_start_matches('\u{feff}')
            .trim();
        if text.starts_with('{') {
            jwk::parse(text, random)
        } else {
            read::pem(text, random).map(SigningKey::bare)
        }
    }

    /// The client secret as a key (OpenID Connect Core section 9): its bytes, or those of a JWK of type `oct`.
    pub fn symmetric(secret: &str, random: &dyn SecureRandom) -> SigningKey {
        if secret.starts_with('{')
            && let Ok(key) = jwk::parse(secret, random)
            && let Material::Symmetric(_) = key.material
        {
            return key;
        }
        SigningKey::bare(Material::Symmetric(Secret::from(secret)))
    }
}
