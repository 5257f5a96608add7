//! The public part of a key as a JWK (RFC 7517, RFC 7518 section 6, RFC 8037 section 2).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rsa::PublicKeyComponents;
use ring::signature::KeyPair as _;

use super::super::{Fields, KeyKind};
use super::signing::{Material, SigningKey};

impl SigningKey {
    /// The public part as a JWK, with the members of a thumbprint in their order (RFC 7638 section 3.2, RFC 8037 section 2);
    /// `None` for a symmetric key.
    pub fn public_jwk(&self) -> Option<Fields> {
        let mut jwk = Fields::default();
        match &self.material {
            Material::Rsa(pair) => {
                let public: PublicKeyComponents<Vec<u8>> = pair.public().into();
                jwk.add("e", URL_SAFE_NO_PAD.encode(&public.e));
                jwk.add("kty", "RSA");
                jwk.add("n", URL_SAFE_NO_PAD.encode(&public.n));
            }
            Material::Ec(kind, pair) => {
                // An uncompressed point: 4, then both coordinates.
                let point = pair.public_key().as_ref().get(1..)?;
                let (x, y) = point.split_at_checked(point.len() / 2)?;
                jwk.add(
                    "crv",
                    if *kind == KeyKind::P384 {
                        "P-384"
                    } else {
                        "P-256"
                    },
                );
                jwk.add("kty", "EC");
                jwk.add("x", URL_SAFE_NO_PAD.encode(x));
                jwk.add("y", URL_SAFE_NO_PAD.encode(y));
            }
            Material::Ed25519(pair) => {
                jwk.add("crv", "Ed25519");
                jwk.add("kty", "OKP");
                jwk.add("x", URL_SAFE_NO_PAD.encode(pair.public_key().as_ref()));
            }
            Material::Symmetric(_) => return None,
        }
        Some(jwk)
    }
}
