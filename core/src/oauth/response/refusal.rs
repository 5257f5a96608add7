//! Exceptions in successful responses: those that are failures (Slack's `ok: false`, GitHub's `error`), and the expiry
//! of a token that is a JWT.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use zeroize::Zeroizing;

use super::vetted::{ResponseFields, leads_to_a_code};
use crate::oauth::document;
use crate::oauth::error::{ErrorMeaning, ProviderCode};
use crate::oauth::{ErrorCode, ResponseShape};
use crate::secret::Secret;

/// The maximum size of claims that are parsed, in bytes; a longer token is treated as opaque.
const LONGEST_CLAIMS: usize = 64 << 10;

/// Where providers put an error code, in the order in which it is looked for.
const PLACES: [&str; 22] = [
    "/error",
    "/error/code",
    "/error/type",
    "/error/status",
    // WeChat
    "/errcode",
    "/error_code",
    "/errorCode",
    "/errors/0/code",
    "/errors/0/errorCode",
    "/errors/0/type",
    // Apigee
    "/fault/detail/errorcode",
    // WSO2
    "/fault/code",
    // QuickBooks
    "/fault/error/0/code",
    // eBay
    "/errors/0/errorId",
    // LinkedIn
    "/serviceErrorCode",
    "/error/0",
    // Salesforce: a list of errors
    "/0/errorCode",
    "/0/error",
    "/0/code",
    "/code",
    // HubSpot
    "/status",
    "/reason",
];
/// What some providers write beside a token where an error would stand.
const NO_ERROR: [&str; 8] = [
    "", "0", "false", "null", "none", "no_error", "ok", "success",
];
/// The places among them that successful responses fill too.
const OF_EVERY_RESPONSE: [&str; 3] = ["/code", "/status", "/reason"];

/// What a response says of a refusal.
pub(super) struct Refusal {
    /// What it means.
    pub(super) code: ErrorCode,
    /// The provider's own code, as far as it may be shown.
    pub(super) provider_code: Option<ProviderCode>,
}

impl Refusal {
    /// A refusal that says nothing.
    pub(super) fn silent() -> Refusal {
        Refusal {
            code: ErrorCode::Unknown,
            provider_code: None,
        }
    }

    /// A refusal with this code.
    pub(super) fn code(code: &str, place: &str) -> Refusal {
        Refusal {
            code: ErrorCode::parse(code),
            provider_code: ProviderCode::parse(code, place),
        }
    }

    /// A refusal that is nothing but a text: it says something if that is a known code.
    pub(super) fn word(text: &str, place: &str) -> Refusal {
        match ErrorCode::parse(text) {
            ErrorCode::Unknown => Refusal::silent(),
            _ => Refusal::code(text, place),
        }
    }

    /// Whether it says nothing.
    pub(super) fn says_nothing(&self) -> bool {
        self.code == ErrorCode::Unknown && self.provider_code.is_none()
    }
}

/// Whether an answer at 2xx is a refusal: where the resource says what success is, that alone counts; else a telling `error`,
/// `ok: false`, or a code that the resource names.
pub(super) fn is_refusal(shape: &ResponseShape, response: &ResponseFields<'_>) -> bool {
    match &shape.success {
        Some(success) => {
            let value = response.at(&success.pointer).and_then(text);
            value.as_deref() != Some(&success.value)
        }
        None => has_error(shape, response) || named(shape, response).is_some(),
    }
}

fn has_error(shape: &ResponseShape, response: &ResponseFields<'_>) -> bool {
    let error = match &shape.error {
        Some(pointer) => response.at(pointer),
        None => response.alike("/error").map(|(_, error)| error),
    };
    let error = match error {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::String(text)) => !is_no_error(text),
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Object(fields)) => !fields.is_empty(),
        Some(Value::Bool(true)) => true,
    };
    error || response.get("ok") == Some(&Value::Bool(false))
}

fn is_no_error(text: &str) -> bool {
    NO_ERROR.contains(&text.trim().to_ascii_lowercase().as_str())
}

/// What a refusal says: what the resource names goes first, then a code that is known, then one that can be shown.
pub(super) fn refusal(
    shape: &ResponseShape,
    response: &ResponseFields<'_>,
    status: u16,
) -> Refusal {
    let found = codes(shape, response, status);
    let known = found
        .iter()
        .map(|(place, code)| (place, code, ErrorCode::parse(code)))
        .find(|(_, _, parsed)| *parsed != ErrorCode::Unknown);
    let own = known.map_or(ErrorCode::Unknown, |(_, _, parsed)| parsed);
    if let Some((place, code, means)) = named(shape, response)
        && let Some(meant) = means.of(own)
    {
        return Refusal {
            code: meant,
            provider_code: Some(ProviderCode::mapped(&code, place)),
        };
    }
    match known {
        Some((place, code, parsed)) => Refusal {
            code: parsed,
            provider_code: ProviderCode::parse(code, place),
        },
        None => Refusal {
            code: ErrorCode::Unknown,
            provider_code: found
                .iter()
                .find_map(|(place, code)| ProviderCode::parse(code, place)),
        },
    }
}

/// The provider's own code in a response at 2xx that has no token where one is expected, as far as it is certain to be one.
pub(super) fn code_without_token(
    shape: &ResponseShape,
    response: &ResponseFields<'_>,
    status: u16,
) -> Option<ProviderCode> {
    codes(shape, response, status)
        .iter()
        .filter(|(place, code)| !OF_EVERY_RESPONSE.contains(&place.as_str()) || is_number(code))
        .find_map(|(place, code)| ProviderCode::parse(code, place))
}

/// Whether a code is a number other than the statuses of success: no authorization code looks like this.
fn is_number(code: &str) -> bool {
    let digits = code.strip_prefix('-').unwrap_or(code);
    let is_number = digits.len() <= 10 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number && !matches!(code.parse(), Ok(1_i64 | 200..=299))
}

/// All that may be an error code, with its place. A pointer is written by whoever writes the resource, and names are given by the
/// provider: what it calls neither error nor code is not read.
fn codes(
    shape: &ResponseShape,
    response: &ResponseFields<'_>,
    status: u16,
) -> Vec<(String, String)> {
    let own = shape.error.as_deref();
    own.filter(|pointer| leads_to_a_code(pointer))
        .into_iter()
        .filter_map(|place| Some((place.to_owned(), response.at(place)?)))
        .chain(
            PLACES
                .into_iter()
                .filter(|_| own.is_none())
                .filter_map(|place| response.alike(place)),
        )
        .filter_map(|(place, found)| Some((place, text(found)?)))
        .filter(|(_, code)| code != "true" && !is_no_error(code))
        // The status is shown anyway.
        .filter(|(_, code)| *code != status.to_string())
        .collect()
}

/// The first code of the response that the resource names, where it stands and what it means.
fn named<'s>(
    shape: &'s ResponseShape,
    response: &ResponseFields<'_>,
) -> Option<(&'s str, String, ErrorMeaning)> {
    shape.errors.iter().find_map(|error| {
        let own = error.pointer.as_deref().or(shape.error.as_deref());
        own.into_iter()
            .chain(PLACES.into_iter().filter(|_| own.is_none()))
            .filter_map(|place| Some((place, response.at(place).and_then(text)?)))
            .find(|(_, code)| error.values.contains(code))
            .map(|(place, code)| (place, code, error.means))
    })
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
            is_refusal(&shape, &vetted.fields())
        };
        assert!(!refused(r#"{"status":{"code":0}}"#));
        assert!(!refused(
            r#"{"status":{"code":"0"},"error":{"is":"always there"}}"#
        ));
        assert!(refused(r#"{"status":{"code":7}}"#));
        assert!(refused(r#"{"status":{}}"#));
        assert!(refused("\"bare\""));
    }

    fn refused(shape: &ResponseShape, document: Value) -> (ErrorCode, Option<String>) {
        let vetted = Vetted::new(shape, document, &SentSecrets::default()).unwrap();
        let refusal = refusal(shape, &vetted.fields(), 400);
        (
            refusal.code,
            refusal
                .provider_code
                .map(|provider_code| provider_code.to_string()),
        )
    }

    #[test]
    fn the_error_code_stands_where_the_resource_says() {
        let shape = ResponseShape {
            error: Some("/problems/0/code".into()),
            ..ResponseShape::default()
        };
        let document = serde_json::json!({"problems": [{"code": "invalid_client"}]});
        let provider_code = Some("invalid_client at /problems/0/code".to_owned());
        let found = refused(&shape, document.clone());
        assert_eq!(found, (ErrorCode::InvalidClient, provider_code));
        let found = refused(&ResponseShape::default(), document);
        assert_eq!(found, (ErrorCode::Unknown, None));
    }

    #[test]
    fn a_code_is_found_where_providers_put_it() {
        use ErrorCode::{InvalidGrant, Unknown};
        for (document, code, provider_code) in [
            (
                r#"{"ok":false,"error":"invalid_refresh_token"}"#,
                InvalidGrant,
                "invalid_refresh_token at /error",
            ),
            (
                r#"{"status":"BAD_REFRESH_TOKEN","message":"x"}"#,
                InvalidGrant,
                "BAD_REFRESH_TOKEN at /status",
            ),
            (
                r#"{"errcode":40164,"errmsg":"invalid ip"}"#,
                Unknown,
                "40164 at /errcode",
            ),
            (
                r#"{"error":"Unauthorized","code":"invalid_grant"}"#,
                InvalidGrant,
                "invalid_grant at /code",
            ),
            (
                r#"{"error":{"code":"E17","message":"x"}}"#,
                Unknown,
                "E17 at /error/code",
            ),
            (
                r#"{"type":"about:blank","status":400,"code":"X-1"}"#,
                Unknown,
                "X-1 at /code",
            ),
        ] {
            let found = refused(
                &ResponseShape::default(),
                serde_json::from_str(document).unwrap(),
            );
            assert_eq!(found, (code, Some(provider_code.to_owned())), "{document}");
        }
        for document in [
            r#"{"error":"a sentence that says much"}"#,
            r#"{"status":400}"#,
            r#"{"code":0}"#,
            r#"{"error":"3f2a9c0e7b1d4a6f8e5c"}"#,
            r#"{"message":"E17"}"#,
        ] {
            let found = refused(
                &ResponseShape::default(),
                serde_json::from_str(document).unwrap(),
            );
            assert_eq!(found, (Unknown, None), "{document}");
        }
    }

    #[test]
    fn what_the_resource_names_goes_before_what_is_known() {
        let named = |pointer: Option<&str>, value: &str, means: &str| ResponseShape {
            errors: vec![crate::oauth::ErrorShape {
                pointer: pointer.map(str::to_owned),
                values: vec!["x".to_owned(), value.to_owned()],
                means: ErrorMeaning::parse(means).unwrap(),
            }],
            ..ResponseShape::default()
        };
        let document = || serde_json::json!({"errcode": 40001, "error": "invalid_client"});
        for (pointer, value, means, code) in [
            (
                Some("/errcode"),
                "40001",
                "RateLimited",
                ErrorCode::InvalidClient,
            ),
            (
                Some("/errcode"),
                "40001",
                "ReauthorizationRequired",
                ErrorCode::InvalidGrant,
            ),
            (
                None,
                "40001",
                "ReauthorizationRequired",
                ErrorCode::InvalidGrant,
            ),
            (
                Some("/errcode"),
                "40002",
                "InvalidScope",
                ErrorCode::InvalidClient,
            ),
        ] {
            let shape = named(pointer, value, means);
            assert_eq!(refused(&shape, document()).0, code, "{value} {means}");
        }
        // A code that the resource names makes a response at 2xx a refusal.
        let shape = named(Some("/errcode"), "40001", "InvalidClient");
        for (document, expected) in [
            (serde_json::json!({"errcode": 40001}), true),
            (
                serde_json::json!({"errcode": 0, "access_token": "t"}),
                false,
            ),
        ] {
            let vetted = Vetted::new(&shape, document, &SentSecrets::default()).unwrap();
            assert_eq!(is_refusal(&shape, &vetted.fields()), expected);
        }
    }
}
