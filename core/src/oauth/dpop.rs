//! Proofs of possession (DPoP, RFC 9449): a token is bound to a key, and each request proves that its sender holds that key.
//!
//! Pure, as the rest of `oauth`: time and randomness are arguments.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::digest;
use ring::rand::SecureRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::Value;
use zeroize::Zeroizing;

use super::jwt::{Fields, KeyKind, KeyProblem, SigningKey, compact};
use super::{HttpAnswer, Method};
use crate::secret::Secret;
use crate::time::Time;

/// The key of a credentials Secret that may hold a key pair of the user's own, and of a token Secret that holds the
/// generated one.
pub const KEY: &str = "dpop_key";
/// The header of a proof.
pub const HEADER: &str = "dpop";
/// The header by which a server hands out a nonce.
const NONCE_HEADER: &str = "dpop-nonce";
/// The `token_type` of a token that is bound to a key (RFC 9449 section 5).
pub const TOKEN_TYPE: &str = "DPoP";
/// The longest nonce that is taken, in bytes.
const LONGEST_NONCE: usize = 512;
/// The length of a P-256 key in PKCS#8 as `ring` writes it, and where its private number begins in it.
const PKCS8_LENGTH: usize = 138;
const PKCS8_PRIVATE: usize = 36;

/// What a request proves possession of.
#[derive(Clone, PartialEq, Eq)]
pub struct ProofKey {
    /// The private key, in any form that [`SigningKey::parse`] reads.
    pub key: Secret,
    /// The nonce that the server handed out last, if it did.
    pub nonce: Option<String>,
}

/// What a proof is for.
pub struct ProofPurpose<'a> {
    /// The method of the request.
    pub method: Method,
    /// The URL of the request; query and fragment are left out of the proof.
    pub url: &'a str,
    /// The identifier of the proof: another one for each.
    pub id: &'a str,
    /// When the proof is made.
    pub now: Time,
    /// The nonce of the server.
    pub nonce: Option<&'a str>,
}

/// Generates a key pair on P-256, as PKCS#8 in PEM.
///
/// # Errors
/// [`KeyProblem::Unsigned`] where there is no randomness.
pub fn generate(random: &dyn SecureRandom) -> Result<Secret, KeyProblem> {
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, random)
        .map_err(|_| KeyProblem::Unsigned)?;
    let text = Zeroizing::new(STANDARD.encode(document.as_ref()));
    let mut pem = Zeroizing::new("-----BEGIN PRIVATE KEY-----\n".to_owned());
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    Ok(Secret::from(pem.as_str()))
}

/// A key that [`generate`] made, as a JWK with its private part (RFC 7518 section 6.2); `None` for any other.
pub fn private_jwk(pem: &Secret, random: &dyn SecureRandom) -> Option<Secret> {
    let key = SigningKey::parse(pem.expose_bytes(), random).ok()?;
    let lines = pem.expose()?.lines();
    let text: Zeroizing<String> =
        Zeroizing::new(lines.filter(|line| !line.starts_with('-')).collect());
    let document = Zeroizing::new(STANDARD.decode(text.as_bytes()).ok()?);
    if key.kind() != KeyKind::P256 || document.len() != PKCS8_LENGTH {
        return None;
    }
    let private = document.get(PKCS8_PRIVATE..PKCS8_PRIVATE + 32)?;
    let mut jwk = key.public_jwk()?;
    jwk.add("d", URL_SAFE_NO_PAD.encode(private));
    jwk.add("alg", "ES256");
    jwk.add("use", "sig");
    Some(Secret::from(jwk.text().as_str()))
}

/// The thumbprint of the public key (RFC 7638), by which a server knows the key; `None` for a symmetric key.
pub fn thumbprint(key: &SigningKey) -> Option<String> {
    let text = key.public_jwk()?.text();
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    Some(URL_SAFE_NO_PAD.encode(hash))
}

/// A proof (RFC 9449 section 4.2).
///
/// # Errors
/// [`KeyProblem`] where nothing can be signed with the key.
pub fn proof(
    key: &SigningKey,
    purpose: &ProofPurpose<'_>,
    random: &dyn SecureRandom,
) -> Result<Secret, KeyProblem> {
    let jwk = key.public_jwk().ok_or(KeyProblem::SymmetricProof)?;
    let algorithm = key.choose(None)?;
    let mut header = Fields::default();
    header.add("typ", "dpop+jwt");
    header.add("jwk", jwk.value());
    compact(key, algorithm, &header, &claims(purpose), random)
}

fn claims(purpose: &ProofPurpose<'_>) -> Fields {
    let url = purpose.url.split(['?', '#']).next().unwrap_or_default();
    let mut claims = Fields::default();
    claims.add("jti", purpose.id);
    claims.add(
        "htm",
        match purpose.method {
            Method::Post => "POST",
            Method::Get => "GET",
            Method::Put => "PUT",
        },
    );
    claims.add("htu", url);
    claims.add("iat", purpose.now.seconds());
    claims.add_some("nonce", purpose.nonce);
    claims
}

/// The nonce that an answer hands out for the next proof, whether the answer is a success or not (RFC 9449 section 8.2);
/// `None` where there is none that may be used.
pub fn nonce(answer: &HttpAnswer) -> Option<String> {
    let mut all = answer
        .headers
        .iter()
        .filter(|(name, _)| name == NONCE_HEADER);
    let (found, None) = (all.next()?, all.next()) else {
        return None;
    };
    let text = found.1.expose()?;
    // NQCHAR of RFC 6749 appendix A.
    let fits = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    let is_one = !text.is_empty() && text.len() <= LONGEST_NONCE && text.bytes().all(fits);
    // A server may repeat what was sent: that is no nonce.
    let repeats = answer.sent.finder().find(text).is_some();
    (is_one && !repeats).then(|| text.to_owned())
}

/// The nonce with which an answer asks for the same request once more (RFC 9449 section 8).
pub fn asked_for(answer: &HttpAnswer) -> Option<String> {
    if !matches!(answer.status, 400 | 401) {
        return None;
    }
    let body: Value = serde_json::from_slice(answer.body.expose_bytes()).ok()?;
    let code = body.get("error").and_then(Value::as_str);
    (code == Some("use_dpop_nonce"))
        .then(|| nonce(answer))
        .flatten()
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use serde_json::json;

    use super::*;

    /// The header and the claims of the proof in RFC 9449 section 4.2.
    const RFC_HEADER: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19";
    const RFC_CLAIMS: &str = "eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ";

    fn read(part: &str) -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    fn key() -> (Secret, SigningKey) {
        let pem = generate(&SystemRandom::new()).unwrap();
        let key = SigningKey::parse(pem.expose_bytes(), &SystemRandom::new()).unwrap();
        (pem, key)
    }

    fn answer(status: u16, nonces: &[&str], body: &str) -> HttpAnswer {
        HttpAnswer {
            status,
            content_type: Some("application/json".into()),
            retry_after: None,
            headers: nonces
                .iter()
                .map(|nonce| (NONCE_HEADER.to_owned(), Secret::from(*nonce)))
                .collect(),
            body: Secret::from(body),
            sent: Default::default(),
        }
    }

    #[test]
    fn the_claims_are_those_of_the_rfc_byte_for_byte() {
        let purpose = ProofPurpose {
            method: Method::Post,
            url: "https://server.example.com/token?a=b#c",
            id: "-BwC3ESc6acc2lTc",
            now: Time::from_seconds(1_562_262_616),
            nonce: None,
        };
        let text = URL_SAFE_NO_PAD.encode(claims(&purpose).text().as_bytes());
        assert_eq!(text, RFC_CLAIMS);
    }

    #[test]
    fn a_proof_has_the_members_of_the_rfc_and_its_own_public_key() {
        let (_, key) = key();
        let purpose = ProofPurpose {
            method: Method::Put,
            url: "https://server.example.com/token",
            id: "one",
            now: Time::from_seconds(1_562_262_616),
            nonce: Some("n-1"),
        };
        let proof = proof(&key, &purpose, &SystemRandom::new()).unwrap();
        let parts: Vec<&str> = proof.expose().unwrap().split('.').collect();
        let (header, expected) = (read(parts[0]), read(RFC_HEADER));
        let names = |value: &Value| -> Vec<String> {
            let fields = value.as_object().unwrap();
            fields.keys().cloned().collect()
        };
        assert_eq!(names(&header), names(&expected));
        assert_eq!(names(&header["jwk"]), names(&expected["jwk"]));
        assert_eq!(
            (&header["typ"], &header["alg"]),
            (&expected["typ"], &expected["alg"])
        );
        let claims = read(parts[1]);
        assert_eq!(
            (&claims["htm"], &claims["nonce"]),
            (&json!("PUT"), &json!("n-1"))
        );
        // By another hand: the signature is of the key in the header.
        let member = |name: &str| {
            URL_SAFE_NO_PAD
                .decode(header["jwk"][name].as_str().unwrap())
                .unwrap()
        };
        let point = [vec![4], member("x"), member("y")].concat();
        let public = ring::signature::UnparsedPublicKey::new(
            &ring::signature::ECDSA_P256_SHA256_FIXED,
            point,
        );
        let message = format!("{}.{}", parts[0], parts[1]);
        let signature = URL_SAFE_NO_PAD.decode(parts[2]).unwrap();
        public.verify(message.as_bytes(), &signature).unwrap();
    }

    #[test]
    fn the_thumbprint_of_the_rfcs_key_is_that_of_the_rfc() {
        // RFC 9449 section 6.1: the confirmation of the key of the proof above.
        let jwk = &read(RFC_HEADER)["jwk"];
        let mut fields = Fields::default();
        for name in ["crv", "kty", "x", "y"] {
            fields.add(name, jwk[name].clone());
        }
        let hash = digest::digest(&digest::SHA256, fields.text().as_bytes());
        let expected = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
        assert_eq!(URL_SAFE_NO_PAD.encode(hash), expected);
        let (_, own) = key();
        assert_eq!(thumbprint(&own).unwrap().len(), 43);
    }

    #[test]
    fn a_generated_key_is_the_same_as_pem_and_as_jwk() {
        let (pem, key) = key();
        let random = SystemRandom::new();
        let jwk = private_jwk(&pem, &random).unwrap();
        let same = SigningKey::parse(jwk.expose_bytes(), &random).unwrap();
        assert_eq!(thumbprint(&same), thumbprint(&key));
        let (other, _) = self::key();
        assert!(other != pem, "each one is another");
    }

    #[test]
    fn a_nonce_is_taken_from_any_answer_but_only_one_that_is_one() {
        assert_eq!(
            nonce(&answer(200, &["abc.~-_"], "{}")),
            Some("abc.~-_".into())
        );
        for bad in [&["a b"][..], &["a\"b"], &["a\\b"], &[""], &["a", "b"], &[]] {
            assert_eq!(nonce(&answer(200, bad, "{}")), None, "{bad:?}");
        }
        assert_eq!(nonce(&answer(200, &["x".repeat(513).as_str()], "{}")), None);
        let mut echo = answer(200, &["s3cret-s3cret"], "{}");
        echo.sent.add_key("client_secret", true, "s3cret-s3cret");
        assert_eq!(nonce(&echo), None);
    }

    #[test]
    fn the_request_is_asked_for_again_only_with_a_nonce_and_the_code() {
        let code = r#"{"error":"use_dpop_nonce"}"#;
        assert_eq!(asked_for(&answer(400, &["n"], code)), Some("n".into()));
        assert_eq!(asked_for(&answer(401, &["n"], code)), Some("n".into()));
        assert_eq!(asked_for(&answer(400, &[], code)), None);
        assert_eq!(asked_for(&answer(500, &["n"], code)), None);
        assert_eq!(
            asked_for(&answer(400, &["n"], r#"{"error":"invalid_grant"}"#)),
            None
        );
        assert_eq!(asked_for(&answer(400, &["n"], "use_dpop_nonce")), None);
    }
}
