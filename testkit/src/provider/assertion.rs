//! Whether a signed assertion is right: signature, audience, times; that none comes twice is the ledger's to know.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::hmac;
use ring::signature::{
    self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::accepts::Account;

/// The requirements of an endpoint for assertions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AssertionRule {
    /// Values of `aud` that are right; empty takes any.
    pub audiences: Vec<String>,
    /// `exp - iat` at most, seconds.
    pub longest_seconds: i64,
    /// `iat` at most this far from now, seconds.
    pub skew_seconds: i64,
    /// Members of the header and claims that must be there with these values; a claim that is to be `null` must not be there.
    pub header: Map<String, Value>,
    /// As `header`, for the claims.
    pub claims: Map<String, Value>,
}

impl Default for AssertionRule {
    fn default() -> Self {
        AssertionRule {
            audiences: Vec::new(),
            longest_seconds: 300,
            skew_seconds: 10,
            header: Map::new(),
            claims: Map::new(),
        }
    }
}

/// An assertion that is right.
pub(crate) struct Assertion {
    /// Who signed it: `iss`.
    pub(crate) issuer: String,
    /// `jti`; an endpoint takes each once.
    pub(crate) id: String,
}

/// A JWT, read and not yet believed.
struct Jwt {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    message: String,
    mac: Vec<u8>,
}

impl Jwt {
    fn read(token: &str) -> Result<Jwt, String> {
        let mut parts = token.split('.');
        let (Some(head), Some(body), Some(mac), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err("the assertion is not a JWT".to_owned());
        };
        match (object(head), object(body), URL_SAFE_NO_PAD.decode(mac)) {
            (Some(header), Some(claims), Ok(mac)) => Ok(Jwt {
                header,
                claims,
                message: format!("{head}.{body}"),
                mac,
            }),
            _ => Err("the assertion is not base64url of JSON".to_owned()),
        }
    }

    /// A claim that is text; empty where it is none.
    fn claim(&self, name: &str) -> &str {
        let text = self.claims.get(name).and_then(Value::as_str);
        text.unwrap_or_default()
    }

    fn verify(&self, account: &Account) -> Result<(), String> {
        let algorithm = self.header.get("alg").and_then(Value::as_str);
        let algorithm = algorithm.unwrap_or_default();
        if verifies(algorithm, account, self.message.as_bytes(), &self.mac) {
            Ok(())
        } else {
            Err(format!("the assertion's signature is wrong ({algorithm})"))
        }
    }
}

/// Judges an assertion; why it is refused, in words.
pub(crate) fn check(
    token: &str,
    rule: &AssertionRule,
    accounts: &[Account],
    now: Timestamp,
) -> Result<Assertion, String> {
    let jwt = Jwt::read(token)?;
    let issuer = jwt.claim("iss");
    let account = accounts
        .iter()
        .find(|account| account.id == issuer)
        .ok_or("nobody is known by the assertion's iss")?;
    jwt.verify(account)?;
    for (of, wanted, found) in [
        ("header", &rule.header, &jwt.header),
        ("claims", &rule.claims, &jwt.claims),
    ] {
        for (name, value) in wanted {
            if found.get(name).unwrap_or(&Value::Null) != value {
                return Err(format!("{name} in the assertion's {of} is wrong"));
            }
        }
    }
    if !rule.audiences.is_empty() && !rule.audiences.iter().any(|one| one == jwt.claim("aud")) {
        return Err("the assertion is for somebody else".to_owned());
    }
    check_times(rule, &jwt.claims, now)?;
    let id = jwt.claim("jti").to_owned();
    if id.is_empty() {
        return Err("the assertion has no jti".to_owned());
    }
    Ok(Assertion {
        issuer: issuer.to_owned(),
        id,
    })
}

/// Judges a token of an issuer that an account trusts; why it is refused, in words.
pub(crate) fn federated(token: &str, account: &Account, now: Timestamp) -> Result<(), String> {
    let jwt = Jwt::read(token)?;
    let trusted = account.federated.as_ref();
    let trusted = trusted.ok_or("the client trusts no other issuer")?;
    jwt.verify(account)?;
    if jwt.claim("iss") != trusted.issuer || jwt.claim("sub") != trusted.subject {
        return Err("iss or sub of the assertion is not the one that is trusted".to_owned());
    }
    let audience = Value::from(trusted.audience.as_str());
    let is_meant = match jwt.claims.get("aud") {
        Some(Value::Array(all)) => all.contains(&audience),
        one => one == Some(&audience),
    };
    if !is_meant {
        return Err("the assertion is for somebody else".to_owned());
    }
    let end = jwt.claims.get("exp").and_then(Value::as_i64);
    if end.is_none_or(|end| end <= now.as_second()) {
        return Err("the assertion is over".to_owned());
    }
    Ok(())
}

fn check_times(
    rule: &AssertionRule,
    claims: &Map<String, Value>,
    now: Timestamp,
) -> Result<(), String> {
    let number = |name: &str| claims.get(name).and_then(Value::as_i64);
    let (Some(issued), Some(end)) = (number("iat"), number("exp")) else {
        return Err("the assertion lacks iat or exp".to_owned());
    };
    let now = now.as_second();
    if end <= now {
        return Err("the assertion is over".to_owned());
    }
    if end - issued > rule.longest_seconds {
        return Err("the assertion lives too long".to_owned());
    }
    if (now - issued).abs() > rule.skew_seconds {
        return Err("the assertion's iat is too far from now".to_owned());
    }
    Ok(())
}

fn object(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

fn verifies(algorithm: &str, account: &Account, message: &[u8], mac: &[u8]) -> bool {
    let member = |name: &str| -> Vec<u8> {
        let text = account.public_jwk.get(name).and_then(Value::as_str);
        URL_SAFE_NO_PAD
            .decode(text.unwrap_or_default())
            .unwrap_or_default()
    };
    let keyed = |digest| {
        let key = hmac::Key::new(digest, account.secret.as_bytes());
        !account.secret.is_empty() && hmac::verify(&key, message, mac).is_ok()
    };
    let rsa = |parameters: &'static RsaParameters| {
        let public = RsaPublicKeyComponents {
            n: member("n"),
            e: member("e"),
        };
        public.verify(parameters, message, mac).is_ok()
    };
    let ec = |how: &'static dyn VerificationAlgorithm| {
        let point = [vec![4], member("x"), member("y")].concat();
        UnparsedPublicKey::new(how, point)
            .verify(message, mac)
            .is_ok()
    };
    match algorithm {
        "HS256" => keyed(hmac::HMAC_SHA256),
        "HS384" => keyed(hmac::HMAC_SHA384),
        "HS512" => keyed(hmac::HMAC_SHA512),
        "RS256" => rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
        "RS384" => rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
        "RS512" => rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
        "PS256" => rsa(&signature::RSA_PSS_2048_8192_SHA256),
        "PS384" => rsa(&signature::RSA_PSS_2048_8192_SHA384),
        "PS512" => rsa(&signature::RSA_PSS_2048_8192_SHA512),
        "ES256" => ec(&signature::ECDSA_P256_SHA256_FIXED),
        "ES384" => ec(&signature::ECDSA_P384_SHA384_FIXED),
        "EdDSA" => UnparsedPublicKey::new(&signature::ED25519, member("x"))
            .verify(message, mac)
            .is_ok(),
        _ => false,
    }
}
