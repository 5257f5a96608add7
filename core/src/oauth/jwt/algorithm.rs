//! Signature algorithms and their kinds of keys (RFC 7518 section 3, RFC 8037 section 3.1).

use std::fmt;

/// A signature algorithm by its registered name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
}

/// The kind of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// RSA.
    Rsa,
    /// The NIST curve P-256.
    P256,
    /// The NIST curve P-384.
    P384,
    /// The Edwards curve Ed25519.
    Ed25519,
    /// A shared secret.
    Symmetric,
}

/// Every algorithm with its name and its kind of key. The first of a kind is the default.
const ALL: [(Algorithm, &str, KeyKind); 12] = [
    (Algorithm::Rs256, "RS256", KeyKind::Rsa),
    (Algorithm::Rs384, "RS384", KeyKind::Rsa),
    (Algorithm::Rs512, "RS512", KeyKind::Rsa),
    (Algorithm::Ps256, "PS256", KeyKind::Rsa),
    (Algorithm::Ps384, "PS384", KeyKind::Rsa),
    (Algorithm::Ps512, "PS512", KeyKind::Rsa),
    (Algorithm::Es256, "ES256", KeyKind::P256),
    (Algorithm::Es384, "ES384", KeyKind::P384),
    (Algorithm::EdDsa, "EdDSA", KeyKind::Ed25519),
    (Algorithm::Hs256, "HS256", KeyKind::Symmetric),
    (Algorithm::Hs384, "HS384", KeyKind::Symmetric),
    (Algorithm::Hs512, "HS512", KeyKind::Symmetric),
];

impl Algorithm {
    /// The algorithm with a registered name.
    pub fn parse(name: &str) -> Option<Algorithm> {
        ALL.iter()
            .find(|(_, known, _)| *known == name)
            .map(|(algorithm, _, _)| *algorithm)
    }

    /// The registered name: `alg` in the header.
    pub fn name(self) -> &'static str {
        ALL.iter()
            .find(|(algorithm, _, _)| *algorithm == self)
            .map_or("", |(_, name, _)| name)
    }

    /// Its kind of key.
    pub fn kind(self) -> KeyKind {
        ALL.iter()
            .find(|(algorithm, _, _)| *algorithm == self)
            .map_or(KeyKind::Symmetric, |(_, _, kind)| *kind)
    }
}

impl KeyKind {
    /// The default algorithm for this kind of key.
    pub fn usual(self) -> Algorithm {
        ALL.iter()
            .find(|(_, _, kind)| *kind == self)
            .map_or(Algorithm::Hs256, |(algorithm, _, _)| *algorithm)
    }

    /// The names of the algorithms for this kind of key, for people.
    pub fn algorithms(self) -> String {
        let names: Vec<&str> = ALL
            .iter()
            .filter(|(_, _, kind)| *kind == self)
            .map(|(_, name, _)| *name)
            .collect();
        names.join(", ")
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KeyKind::Rsa => "an RSA key",
            KeyKind::P256 => "a key on the curve P-256",
            KeyKind::P384 => "a key on the curve P-384",
            KeyKind::Ed25519 => "an Ed25519 key",
            KeyKind::Symmetric => "a symmetric key",
        })
    }
}
