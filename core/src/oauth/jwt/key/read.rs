//! Parses PEM and the DER in it.

use ring::error::KeyRejected;
use ring::rand::SecureRandom;
use ring::signature::{EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};

use super::super::der::{self, PrivateKeyInfo};
use super::super::pem::{self, Block};
use super::super::{KeyKind, KeyProblem};
use super::signing::{Material, ecdsa};

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];

/// The private key in a PEM text. Certificates and curve parameters are ignored.
pub(super) fn pem(text: &str, random: &dyn SecureRandom) -> Result<Material, KeyProblem> {
    let blocks = pem::blocks(text)?;
    let mut keys = blocks
        .iter()
        .filter(|block| block.label.ends_with("PRIVATE KEY"));
    match (keys.next(), keys.next()) {
        (Some(key), None) => block(key, random),
        (Some(_), Some(_)) => Err(KeyProblem::Several),
        (None, _) => Err(match blocks.first().map(|block| block.label) {
            None => KeyProblem::NotAKey,
            Some("CERTIFICATE") => KeyProblem::Certificate,
            Some(label) if label.ends_with("PUBLIC KEY") => KeyProblem::Public,
            Some(_) => KeyProblem::OtherPem,
        }),
    }
}

fn block(block: &Block<'_>, random: &dyn SecureRandom) -> Result<Material, KeyProblem> {
    match block.label {
        "ENCRYPTED PRIVATE KEY" => Err(KeyProblem::Encrypted),
        "OPENSSH PRIVATE KEY" => Err(KeyProblem::OpenSsh),
        _ if block.is_encrypted() => Err(KeyProblem::Encrypted),
        "PRIVATE KEY" => pkcs8(&block.document()?, random),
        "RSA PRIVATE KEY" => rsa(&block.document()?),
        "EC PRIVATE KEY" => sec1(&block.document()?, random),
        _ => Err(KeyProblem::OtherPem),
    }
}

fn pkcs8(document: &[u8], random: &dyn SecureRandom) -> Result<Material, KeyProblem> {
    let PrivateKeyInfo {
        algorithm,
        parameters,
        key,
    } = der::private_key_info(document).ok_or(KeyProblem::Damaged)?;
    match algorithm {
        RSA => rsa(key),
        ED25519 => Ed25519KeyPair::from_pkcs8_maybe_unchecked(document)
            .map(|pair| Material::Ed25519(Box::new(pair)))
            .map_err(rejected),
        EC => {
            let (_, public) = der::ec_private_key(key).ok_or(KeyProblem::Damaged)?;
            if public {
                ec(curve(parameters)?, document, random)
            } else {
                Err(KeyProblem::WithoutPublicPart)
            }
        }
        _ => Err(KeyProblem::OtherKind),
    }
}

fn sec1(document: &[u8], random: &dyn SecureRandom) -> Result<Material, KeyProblem> {
    let (named, public) = der::ec_private_key(document).ok_or(KeyProblem::Damaged)?;
    let kind = curve(named)?;
    if !public {
        return Err(KeyProblem::WithoutPublicPart);
    }
    ec(
        kind,
        &der::wrap_ec(named.unwrap_or_default(), document),
        random,
    )
}

fn curve(named: Option<&[u8]>) -> Result<KeyKind, KeyProblem> {
    match named {
        Some(P256) => Ok(KeyKind::P256),
        Some(P384) => Ok(KeyKind::P384),
        _ => Err(KeyProblem::OtherKind),
    }
}

fn ec(kind: KeyKind, pkcs8: &[u8], random: &dyn SecureRandom) -> Result<Material, KeyProblem> {
    EcdsaKeyPair::from_pkcs8(ecdsa(kind), pkcs8, random)
        .map(|pair| Material::Ec(kind, Box::new(pair)))
        .map_err(rejected)
}

fn rsa(pkcs1: &[u8]) -> Result<Material, KeyProblem> {
    RsaKeyPair::from_der(pkcs1)
        .map(|pair| Material::Rsa(Box::new(pair)))
        .map_err(rejected)
}

/// Converts `ring`'s error, which consists of text only.
pub(super) fn rejected(why: KeyRejected) -> KeyProblem {
    match why.to_string().as_str() {
        "TooSmall" => KeyProblem::TooShort,
        "TooLarge" => KeyProblem::TooLong,
        "InconsistentComponents" => KeyProblem::Inconsistent,
        "WrongAlgorithm" => KeyProblem::OtherKind,
        _ => KeyProblem::Damaged,
    }
}
