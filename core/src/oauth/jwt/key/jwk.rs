//! Keys in JSON: a JWK (RFC 7517, RFC 7518 section 6, RFC 8037), or a Google service account key.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SecureRandom;
use ring::rsa::{KeyPairComponents, PublicKeyComponents};
use ring::signature::{EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};
use serde_json::Value;
use zeroize::Zeroizing;

use super::super::{Algorithm, KeyKind, KeyProblem};
use super::read::{self, rejected};
use super::signing::{Material, ServiceAccount, SigningKey, ecdsa};
use crate::secret::Secret;

/// The texts of a JSON object, wiped when dropped. Everything else is ignored, except `key_ops` and `keys`.
struct Members(BTreeMap<String, Zeroizing<String>>);

pub(super) fn parse(text: &str, random: &dyn SecureRandom) -> Result<SigningKey, KeyProblem> {
    let Ok(Value::Object(object)) = serde_json::from_str::<Value>(text) else {
        return Err(KeyProblem::NotAKey);
    };
    let set = object.contains_key("keys");
    let signs = object
        .get("key_ops")
        .and_then(Value::as_array)
        .is_none_or(|operations| operations.iter().any(|one| one == "sign"));
    let members = Members(
        object
            .into_iter()
            .filter_map(|(name, value)| match value {
                Value::String(text) => Some((name, Zeroizing::new(text))),
                _ => None,
            })
            .collect(),
    );
    if members.text("type") == Some("service_account") {
        return service_account(&members, random);
    }
    let material = match members.text("kty") {
        Some("RSA") => rsa(&members)?,
        Some("EC") => ec(&members, random)?,
        Some("OKP") => okp(&members)?,
        Some("oct") => Material::Symmetric(Secret::new(
            members.bytes("k")?.ok_or(KeyProblem::Damaged)?.to_vec(),
        )),
        Some(_) => return Err(KeyProblem::OtherKind),
        None if set => return Err(KeyProblem::JwkSet),
        None => return Err(KeyProblem::OtherJson),
    };
    if !signs || members.text("use").is_some_and(|to| to != "sig") {
        return Err(KeyProblem::NotForSigning);
    }
    Ok(SigningKey {
        id: members.text("kid").map(str::to_owned),
        algorithm: members.text("alg").and_then(Algorithm::parse),
        ..SigningKey::bare(material)
    })
}

fn service_account(members: &Members, random: &dyn SecureRandom) -> Result<SigningKey, KeyProblem> {
    let (Some(key), Some(email)) = (members.text("private_key"), members.text("client_email"))
    else {
        return Err(KeyProblem::OtherJson);
    };
    Ok(SigningKey {
        id: members.text("private_key_id").map(str::to_owned),
        service_account: Some(ServiceAccount {
            email: email.to_owned(),
        }),
        ..SigningKey::bare(read::pem(key, random)?)
    })
}

impl Members {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|text| text.as_str())
    }

    /// The bytes of a member in base64url (RFC 7515 section 2).
    fn bytes(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeyProblem> {
        self.text(name)
            .map(|text| {
                URL_SAFE_NO_PAD
                    .decode(text.trim_end_matches('='))
                    .map(Zeroizing::new)
                    .map_err(|_| KeyProblem::Damaged)
            })
            .transpose()
    }

    /// Like [`Members::bytes`], for a required public part.
    fn public(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, KeyProblem> {
        self.bytes(name)?.ok_or(KeyProblem::Damaged)
    }

    /// The private part `d`.
    fn private(&self) -> Result<Zeroizing<Vec<u8>>, KeyProblem> {
        self.bytes("d")?.ok_or(KeyProblem::Public)
    }
}

fn rsa(members: &Members) -> Result<Material, KeyProblem> {
    let whole = |name| {
        members.bytes(name)?.map_or(
            Err(KeyProblem::RsaWithoutPrimes),
            |bytes: Zeroizing<Vec<u8>>| Ok(without_leading_zeros(&bytes)),
        )
    };
    let public_key = PublicKeyComponents {
        n: without_leading_zeros(&members.public("n")?),
        e: without_leading_zeros(&members.public("e")?),
    };
    let d = without_leading_zeros(&members.private()?);
    let components = KeyPairComponents {
        public_key,
        d,
        p: whole("p")?,
        q: whole("q")?,
        dP: whole("dp")?,
        dQ: whole("dq")?,
        qInv: whole("qi")?,
    };
    RsaKeyPair::from_components(&components)
        .map(|pair| Material::Rsa(Box::new(pair)))
        .map_err(rejected)
}

/// Removes leading zeros, which some tools write and `ring` refuses.
fn without_leading_zeros(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    Zeroizing::new(bytes.get(zeros..).unwrap_or_default().to_vec())
}

fn ec(members: &Members, random: &dyn SecureRandom) -> Result<Material, KeyProblem> {
    let (kind, length) = match members.text("crv") {
        Some("P-256") => (KeyKind::P256, 32),
        Some("P-384") => (KeyKind::P384, 48),
        _ => return Err(KeyProblem::OtherKind),
    };
    let d = members.private()?;
    let (x, y) = (members.public("x")?, members.public("y")?);
    if x.len() != length || y.len() != length {
        return Err(KeyProblem::Damaged);
    }
    let mut point = vec![4];
    point.extend_from_slice(&x);
    point.extend_from_slice(&y);
    EcdsaKeyPair::from_private_key_and_public_key(ecdsa(kind), &d, &point, random)
        .map(|pair| Material::Ec(kind, Box::new(pair)))
        .map_err(rejected)
}

fn okp(members: &Members) -> Result<Material, KeyProblem> {
    if members.text("crv") != Some("Ed25519") {
        return Err(KeyProblem::OtherKind);
    }
    Ed25519KeyPair::from_seed_and_public_key(&members.private()?, &members.public("x")?)
        .map(|pair| Material::Ed25519(Box::new(pair)))
        .map_err(rejected)
}
