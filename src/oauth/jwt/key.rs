//! Private keys as they are found in Secrets: PEM, JWK, or a service account's key as Google gives it.

mod jwk;
mod read;
mod signing;

use ring::rand::SecureRandom;

use super::KeyProblem;
use crate::secret::Secret;
use signing::Material;

pub use signing::{ServiceAccount, SigningKey};

impl SigningKey {
    /// Reads a private key: PEM (PKCS#8, PKCS#1, SEC1; certificates beside it are passed over), a JWK (RFC 7517, with
    /// private RSA, EC, OKP or symmetric material), or a service account's key as Google gives it. The randomness only
    /// blinds; which key is read does not depend on it.
    ///
    /// # Errors
    /// [`KeyProblem`], which holds nothing of the key.
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
