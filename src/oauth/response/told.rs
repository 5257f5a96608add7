//! Exceptions in successful responses: those that are failures (Slack's `ok: false`, GitHub's `error`), and the expiry
//! of a token that is a JWT.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use zeroize::Zeroizing;

use super::vetted::Told;
use crate::oauth::document;
use crate::oauth::{ErrorCode, ResponseShape};
use crate::secret::Secret;

/// The maximum size of claims that are parsed, in bytes; a longer token is treated as opaque.
const LONGEST_CLAIMS: usize = 64 << 10;

/// Whether an answer at 2xx is a refusal: where the resource says what success is, that alone counts; else a telling `error`,
/// or `ok: false`.
pub(super) fn is_refusal(shape: &ResponseShape, response: &Told<'_>) -> bool {
    match &shape.success {
        Some(success) => {
            let told = response.at(&success.pointer).and_then(text);
            told.as_deref() != Some(&success.value)
        }
        None => has_error(shape, response),
    }
}

fn has_error(shape: &ResponseShape, response: &Told<'_>) -> bool {
    let error = match error_at(shape, response) {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        Some(_) => true,
    };
    error || response.get("ok") == Some(&Value::Bool(false))
}

/// The error code of a document, where it is one of the known list.
pub(super) fn code(shape: &ResponseShape, response: &Told<'_>) -> ErrorCode {
    error_at(shape, response)
        .and_then(Value::as_str)
        .map_or(ErrorCode::Unknown, ErrorCode::parse)
}

fn error_at<'v>(shape: &ResponseShape, response: &Told<'v>) -> Option<&'v Value> {
    response.at(shape.error.as_deref().unwrap_or("/error"))
}

/// A scalar value as text, as in JSON.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    }
}

/// The claim `exp` of a token that is a signed JWT (RFC 7519 section 4.1.4); `None` if it is not one, or has none.
/// Nothing is verified: the provider sent the token over TLS, and the claim only determines when the next one is
/// requested.
pub(super) fn expiry_of_jwt(token: &Secret) -> Option<Value> {
    let mut parts = token.expose()?.split('.');
    let (Some(_), Some(claims), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    if claims.len() > LONGEST_CLAIMS {
        return None;
    }
    let claims = Zeroizing::new(URL_SAFE_NO_PAD.decode(claims).ok()?);
    let mut claims = document::json(document::text(&claims).ok()?).ok()?;
    claims
        .get_mut("exp")
        .map(Value::take)
        .filter(Value::is_number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::response::vetted::Vetted;
    use crate::oauth::{SentSecrets, SuccessShape};

    fn jwt(claims: &str) -> Secret {
        let claims = URL_SAFE_NO_PAD.encode(claims);
        Secret::from(format!("eyJhbGciOiJub25lIn0.{claims}.c2ln"))
    }

    #[test]
    fn the_end_of_a_jwt_is_read_and_anything_else_is_opaque() {
        let exp = |claims: &str| expiry_of_jwt(&jwt(claims));
        assert_eq!(exp(r#"{"exp":1700003600}"#), Some(1_700_003_600.into()));
        assert_eq!(exp(r#"{"exp":1700003600.5}"#), Some(1_700_003_600.5.into()));
        for claims in [
            r#"{"iat":1}"#,
            r#"{"exp":"soon"}"#,
            r#"{"exp":null}"#,
            "[]",
            "rubbish",
            "",
            r#"{"exp":1,"exp":2}"#,
        ] {
            assert_eq!(exp(claims), None, "{claims}");
        }
        for token in ["opaque", "a.b", "a.b.c.d", "..", "a.!!!.c", "é.é.é"] {
            assert_eq!(expiry_of_jwt(&Secret::from(token)), None, "{token}");
        }
        let long = format!(
            r#"{{"pad":"{}","exp":1700003600}}"#,
            "x".repeat(LONGEST_CLAIMS)
        );
        assert_eq!(exp(&long), None);
    }

    #[test]
    fn success_is_what_the_resource_says_it_is() {
        let shape = ResponseShape {
            success: Some(SuccessShape {
                pointer: "/status/code".into(),
                value: "0".into(),
            }),
            ..ResponseShape::default()
        };
        let refused = |text: &str| {
            let value = serde_json::from_str(text).unwrap();
            let vetted = Vetted::new(&shape, value, &SentSecrets::default()).unwrap();
            is_refusal(&shape, &vetted.told())
        };
        assert!(!refused(r#"{"status":{"code":0}}"#));
        assert!(!refused(
            r#"{"status":{"code":"0"},"error":{"is":"always there"}}"#
        ));
        assert!(refused(r#"{"status":{"code":7}}"#));
        assert!(refused(r#"{"status":{}}"#));
        assert!(refused("\"bare\""));
    }

    #[test]
    fn the_error_code_stands_where_the_resource_says() {
        let shape = ResponseShape {
            error: Some("/errors/0/code".into()),
            ..ResponseShape::default()
        };
        let document = serde_json::json!({"errors": [{"code": "invalid_client"}]});
        let vetted = Vetted::new(&shape, document, &SentSecrets::default()).unwrap();
        let response = vetted.told();
        assert_eq!(code(&shape, &response), ErrorCode::InvalidClient);
        assert!(is_refusal(&shape, &response));
        assert_eq!(
            code(&ResponseShape::default(), &response),
            ErrorCode::Unknown
        );
    }
}
