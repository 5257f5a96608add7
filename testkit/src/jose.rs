//! Keys and signatures by other hands than ours: Node's crypto makes the keys, npm's `jose` reads what was signed.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{Context, Error, Result, oidc};

/// A pair of keys in every form in which people have them.
#[derive(Clone, Debug, Deserialize)]
pub struct Keys {
    /// The private key as PKCS#8, PEM.
    pub pkcs8: String,
    /// The private key as PKCS#1 or SEC1, PEM, where the kind has such a form.
    pub traditional: Option<String>,
    /// The private key as PKCS#8 with a passphrase.
    pub encrypted: String,
    /// The private key as PKCS#1 or SEC1 with a passphrase.
    pub encrypted_traditional: Option<String>,
    /// The public key, PEM.
    pub public_pem: String,
    /// The private key as a JWK; `null` where there is no such form.
    pub jwk: Value,
    /// The public key as a JWK.
    pub public_jwk: Value,
}

/// What a JWT holds whose signature is right.
#[derive(Clone, Debug, Deserialize)]
pub struct Verified {
    /// Its header.
    pub header: Value,
    /// Its claims.
    pub claims: Value,
}

/// Makes a pair of keys: `rsa`, `rsa-short`, `rsa-pss`, `p256`, `p384`, `p521`, `secp256k1`, `ed25519` or `ed448`.
///
/// # Errors
/// When there is no Node, or it knows no such kind.
pub fn make(kind: &str) -> Result<Keys> {
    ask(&json!({"make": kind}))
}

/// Verifies the signature of a JWT with a public or symmetric JWK, by the algorithm that its header names.
///
/// # Errors
/// When the signature is wrong, or there is no Node.
pub fn verify(token: &str, jwk: &Value) -> Result<Verified> {
    ask(&json!({"verify": token, "jwk": jwk}))
}

fn ask<T: DeserializeOwned>(question: &Value) -> Result<T> {
    let what = || "cannot ask jose";
    let installed = oidc::install()?;
    let mut node = Command::new("node")
        .arg(installed.join("jose.mjs"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context(what)?;
    if let Some(mut input) = node.stdin.take() {
        input
            .write_all(question.to_string().as_bytes())
            .context(what)?;
    }
    let said = node.wait_with_output().context(what)?;
    if !said.status.success() {
        let why = String::from_utf8_lossy(&said.stderr);
        return Err(Error::new(format!("jose refuses: {why}")));
    }
    serde_json::from_slice(&said.stdout).context(what)
}
