//! The ID token of a code exchange (OpenID Connect Core section 3.1.3.7), as far as it ties the response to the login.
//!
//! Its signature is not checked, because it came from the token endpoint over TLS (point 6 there), and nothing else in
//! it is used.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::oauth::document;

/// Checks the ID token of a response, if there is one: `nonce` is the one that was sent, `aud` contains the client,
/// `iss` is the issuer if that is known.
///
/// # Errors
/// What does not match, without any part of the token.
pub fn check_id_token(
    answer: &Value,
    nonce: &str,
    client_id: &str,
    issuer: Option<&str>,
) -> Result<(), &'static str> {
    let Some(token) = answer.get("id_token").filter(|token| !token.is_null()) else {
        return Ok(());
    };
    let claims = token
        .as_str()
        .and_then(|token| token.split('.').nth(1))
        .and_then(|part| URL_SAFE_NO_PAD.decode(part).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|text| document::json(&text).ok())
        .ok_or("its ID token is not a JWT")?;
    let claim = |name: &str| claims.get(name).and_then(Value::as_str);
    if claim("nonce") != Some(nonce) {
        return Err("its ID token is not for this login (nonce)");
    }
    let names_us = match claims.get("aud") {
        Some(Value::Array(list)) => list.iter().any(|one| one.as_str() == Some(client_id)),
        Some(Value::String(one)) => one == client_id,
        _ => false,
    };
    if !names_us {
        return Err("its ID token is for another client (aud)");
    }
    if issuer.is_some() && claim("iss") != issuer {
        return Err("its ID token is of another issuer (iss)");
    }
    Ok(())
}
