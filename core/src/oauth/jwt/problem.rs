//! What is wrong with a key, in words for a person and without a byte of the key.

use thiserror::Error;

use super::{Algorithm, KeyKind};

/// Why a key in a Secret cannot sign. Each is the rest of a sentence that begins with the key's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyProblem {
    /// Neither PEM nor JSON.
    #[error(
        "is not a private key: it takes PEM (from -----BEGIN PRIVATE KEY----- to -----END PRIVATE KEY-----) or a JWK (a JSON object)"
    )]
    NotAKey,
    /// `\n` is written as two characters, as inside of JSON.
    #[error("is PEM with \\n written as two characters, as inside of JSON: write real line breaks")]
    EscapedLineBreaks,
    /// A PEM block that begins and does not end.
    #[error(
        "is PEM that is cut off: a -----BEGIN line has no -----END line of the same name after it"
    )]
    CutOff,
    /// The text of a PEM block is not base64.
    #[error("is PEM with text that is not base64: copy the file as it is")]
    NotBase64,
    /// An encrypted key.
    #[error(
        "is an encrypted private key: write it without a passphrase (openssl pkcs8 -topk8 -nocrypt -in OLD -out NEW)"
    )]
    Encrypted,
    /// OpenSSH's own format.
    #[error(
        "is a private key in OpenSSH's own format: write it as PKCS#8, with ssh-keygen -p -m PKCS8 -f FILE"
    )]
    OpenSsh,
    /// A public key.
    #[error("is a public key: signing takes the private one, whose PEM says PRIVATE KEY")]
    Public,
    /// A certificate.
    #[error("is a certificate: signing takes the private key that belongs to it")]
    Certificate,
    /// Another PEM document.
    #[error(
        "is PEM of another kind: it takes PRIVATE KEY (PKCS#8), RSA PRIVATE KEY (PKCS#1) or EC PRIVATE KEY (SEC1)"
    )]
    OtherPem,
    /// Several private keys.
    #[error("holds several private keys: leave the one that is to sign")]
    Several,
    /// The DER, or what a JWK holds, is not a key.
    #[error("is damaged: what it holds is not a private key that can be read")]
    Damaged,
    /// An RSA key that is too short.
    #[error("is an RSA key that is too short: it takes 2048 bits or more")]
    TooShort,
    /// An RSA key that is too long.
    #[error("is an RSA key that is too long: it takes 4096 bits or fewer")]
    TooLong,
    /// The numbers of an RSA key, or the public and private parts of another, do not belong together.
    #[error("is not consistent: its public and private parts do not belong together")]
    Inconsistent,
    /// A JWK of an RSA key with `d` alone.
    #[error("is a JWK of an RSA key without p, q, dp, dq and qi: write all of them")]
    RsaWithoutPrimes,
    /// An elliptic curve key without its public part.
    #[error("lacks its public part: convert it with openssl ec -in OLD -out NEW")]
    WithoutPublicPart,
    /// A key of a kind that cannot be used.
    #[error(
        "is a key of a kind that cannot be used: it takes RSA, P-256, P-384 and Ed25519 (and not RSA keys that are restricted to PSS)"
    )]
    OtherKind,
    /// A JSON object that is neither a JWK nor a service account's key.
    #[error(
        "is JSON, but neither a JWK with a private key nor a service account key as Google gives it"
    )]
    OtherJson,
    /// A JWK set.
    #[error("is a set of JWKs: leave the one that is to sign, without keys and the list around it")]
    JwkSet,
    /// A JWK that is not for signing, or for another algorithm.
    #[error("is a JWK whose \"use\" or \"key_ops\" does not allow signing")]
    NotForSigning,
    /// The key and the algorithm do not fit each other.
    #[error(
        "is {kind}, which cannot sign with {name}: set the algorithm to one of {fitting}, or give it another key",
        name = algorithm.name(),
        fitting = kind.algorithms()
    )]
    Algorithm {
        /// The requested algorithm.
        algorithm: Algorithm,
        /// What the key is.
        kind: KeyKind,
    },
    /// A symmetric key where a private one is needed.
    #[error(
        "is a symmetric key: private_key_jwt takes a private key (client_secret_jwt signs with the client secret)"
    )]
    Symmetric,
    /// A symmetric key where a proof of possession is to be made.
    #[error(
        "is a symmetric key: a proof of possession takes a private key, such as one on the curve P-256"
    )]
    SymmetricProof,
    /// The signature could not be made.
    #[error("could not sign: the key is damaged, or there is no randomness on this machine")]
    Unsigned,
    /// What should be a certificate is none.
    #[error(
        "is not a certificate: it takes PEM, from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----"
    )]
    NotACertificate,
    /// More certificates than go into a header.
    #[error(
        "holds more than 8 certificates: leave that of the key and those that lead from it to an authority"
    )]
    ChainTooLong,
    /// The certificate is of another key.
    #[error("is a certificate of another key: it must be the one of the private key that signs")]
    OtherCertificate,
}

impl KeyProblem {
    /// All problems, for documentation and tests.
    pub const ALL: [KeyProblem; 28] = [
        KeyProblem::NotAKey,
        KeyProblem::EscapedLineBreaks,
        KeyProblem::CutOff,
        KeyProblem::NotBase64,
        KeyProblem::Encrypted,
        KeyProblem::OpenSsh,
        KeyProblem::Public,
        KeyProblem::Certificate,
        KeyProblem::OtherPem,
        KeyProblem::Several,
        KeyProblem::Damaged,
        KeyProblem::TooShort,
        KeyProblem::TooLong,
        KeyProblem::Inconsistent,
        KeyProblem::RsaWithoutPrimes,
        KeyProblem::WithoutPublicPart,
        KeyProblem::OtherKind,
        KeyProblem::OtherJson,
        KeyProblem::JwkSet,
        KeyProblem::NotForSigning,
        KeyProblem::Algorithm {
            algorithm: Algorithm::Rs256,
            kind: KeyKind::P256,
        },
        KeyProblem::Symmetric,
        KeyProblem::SymmetricProof,
        KeyProblem::Unsigned,
        KeyProblem::NotACertificate,
        KeyProblem::ChainTooLong,
        KeyProblem::OtherCertificate,
        KeyProblem::Algorithm {
            algorithm: Algorithm::Hs256,
            kind: KeyKind::Rsa,
        },
    ];
}
