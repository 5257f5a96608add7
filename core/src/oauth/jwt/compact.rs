//! The compact serialization of a signed JWT (RFC 7515 section 3.1, RFC 7519 section 3).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SecureRandom;
use serde_json::Value;
use zeroize::Zeroizing;

use super::algorithm::Algorithm;
use super::key::SigningKey;
use super::problem::KeyProblem;
use crate::secret::Secret;

/// The members of a JSON object in their order, without white space, so that equal content is equal bytes. It may
/// contain values of a Secret, so it has no `Debug`.
#[derive(Default)]
pub struct Fields(Vec<(String, Value)>);

impl Fields {
    /// Adds a member.
    pub fn add(&mut self, name: &str, value: impl Into<Value>) {
        self.0.push((name.to_owned(), value.into()));
    }

    /// Adds a member if there is a value.
    pub fn add_some(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }

    /// The members as a value, in the order of their names.
    pub fn value(&self) -> Value {
        Value::Object(self.0.iter().cloned().collect())
    }

    /// The object as text.
    pub fn text(&self) -> Zeroizing<String> {
        self.json()
    }

    fn json(&self) -> Zeroizing<String> {
        let mut out = Zeroizing::new("{".to_owned());
        for (index, (name, value)) in self.0.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            out.push_str(&Value::from(name.as_str()).to_string());
            out.push(':');
            out.push_str(&Zeroizing::new(value.to_string()));
        }
        out.push('}');
        out
    }
}

/// A signed JWT: `alg` first, then the members of the header, then the claims.
///
/// # Errors
/// [`KeyProblem`] if key and algorithm do not match, or signing fails.
pub fn compact(
    key: &SigningKey,
    algorithm: Algorithm,
    header: &Fields,
    claims: &Fields,
    random: &dyn SecureRandom,
) -> Result<Secret, KeyProblem> {
    let mut first = Fields::default();
    first.add("alg", algorithm.name());
    first.0.extend(header.0.iter().cloned());
    let mut out = Zeroizing::new(String::new());
    URL_SAFE_NO_PAD.encode_string(first.json().as_bytes(), &mut out);
    out.push('.');
    URL_SAFE_NO_PAD.encode_string(claims.json().as_bytes(), &mut out);
    let signature = key.sign(algorithm, out.as_bytes(), random)?;
    out.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut out);
    Ok(Secret::from(out.as_str()))
}

/// Random bits as a `jti` (RFC 7519 section 4.1.7), in the form of a UUID (RFC 9562 section 5.4), which Entra requires.
pub fn identifier(random: [u8; 16]) -> String {
    let mut bits = u128::from_be_bytes(random);
    bits &= !(0xf << 76 | 0x3 << 62);
    bits |= 0x4 << 76 | 0x2 << 62;
    let hex = format!("{bits:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    )
}
