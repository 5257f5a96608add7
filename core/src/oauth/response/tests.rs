mod lifetimes;
mod odd;
mod random;

use super::*;
use crate::oauth::ErrorCode;
use crate::oauth::Lifetime;
use crate::oauth::{ExpiryShape, ExpiryUnit};
use crate::time::Span;

/// 2023-11-14T22:13:20Z
const NOW: Time = Time::from_seconds(1_700_000_000);

fn answer(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> HttpAnswer {
    let content_type = Some(content_type.to_owned()).filter(|kind| !kind.is_empty());
    HttpAnswer {
        headers: Vec::new(),
        status,
        content_type,
        retry_after: None,
        body: Secret::new(body),
        sent: Default::default(),
    }
}

fn decode_json(body: &str) -> Result<Token, TokenError> {
    decode(
        &ResponseShape::default(),
        &answer(200, "application/json", body),
        NOW,
    )
}

fn token(result: Result<Token, TokenError>) -> Token {
    result.unwrap_or_else(|error| panic!("{error:?}"))
}

fn error(result: Result<Token, TokenError>) -> TokenError {
    match result {
        Ok(_) => panic!("a token was read"),
        Err(error) => error,
    }
}

fn secret(token: &Token) -> &str {
    token.access_token.expose().unwrap()
}

fn seconds(seconds: i64) -> Option<Lifetime> {
    Some(Lifetime::For(Span::from_seconds(seconds)))
}

#[test]
fn the_answer_of_the_rfc_is_read() {
    let token = token(decode_json(
        r#"{"access_token":"2YotnFZFEjr1zCsicMWpAA","token_type":"example","expires_in":3600,"scope":"a b","example_parameter":"v"}"#,
    ));
    assert_eq!(secret(&token), "2YotnFZFEjr1zCsicMWpAA");
    assert_eq!(token.token_type, "example");
    assert_eq!(token.lifetime, seconds(3600));
    assert_eq!(token.scope.as_ref().map(Scope::as_str), Some("a b"));
    assert_eq!(token.refresh_in, None);
    assert!(token.remarks.is_empty());
    assert_eq!(token.document.0["example_parameter"], "v");
}

#[test]
fn entra_v1_with_its_strings_is_read() {
    let token = token(decode_json(
        r#"{"token_type":"Bearer","expires_in":"3599","ext_expires_in":"3599","expires_on":"1700003599","not_before":"1699999700","resource":"r","access_token":"eyJ"}"#,
    ));
    assert_eq!(token.lifetime, seconds(3599));
    assert!(token.remarks.is_empty());
}

#[test]
fn a_missing_token_type_means_bearer_in_any_case() {
    for (member, expected) in [
        (r#""x":1"#, "Bearer"),
        (r#""token_type":null"#, "Bearer"),
        (r#""token_type":"""#, "Bearer"),
        (r#""token_type":"bearer""#, "Bearer"),
        (r#""token_type":"BEARER""#, "Bearer"),
        (r#""token_type":"DPoP""#, "DPoP"),
    ] {
        let token = token(decode_json(&format!(r#"{{"access_token":"t",{member}}}"#)));
        assert_eq!(token.token_type, expected, "{member}");
    }
    // It only describes the token, so it never spoils it (eBay, Apigee).
    for (member, remarks) in [
        (r#""token_type":7"#, 1),
        (r#""token_type":"a\r\nb""#, 1),
        (r#""token_type":"a b""#, 1),
        (r#""token_type":"Application Access Token""#, 1),
        (r#""token_type":"BearerToken""#, 0),
    ] {
        let token = token(decode_json(&format!(r#"{{"access_token":"t",{member}}}"#)));
        assert_eq!(token.token_type, "Bearer", "{member}");
        assert_eq!(token.remarks.len(), remarks, "{member}");
    }
}

#[test]
fn scopes_are_text_or_a_list_and_never_fail_a_token() {
    for (value, expected) in [
        (r#""a b""#, Some("a b")),
        (r#"["a","b"]"#, Some("a b")),
        (r#""""#, Some("")),
        ("null", None),
        ("7", None),
        (r#"["a",1]"#, None),
        (r#""a\nb""#, None),
    ] {
        let token = token(decode_json(&format!(
            r#"{{"access_token":"t","scope":{value}}}"#
        )));
        assert_eq!(token.scope.as_ref().map(Scope::as_str), expected, "{value}");
    }
}

#[test]
fn tokens_that_are_rubbish_are_refused() {
    for body in [
        r#"{"token_type":"bearer"}"#,
        r#"{"access_token":null}"#,
        r#"{"access_token":""}"#,
        r#"{"access_token":"  "}"#,
        r#"{"access_token":7}"#,
        r#"{"access_token":["t"]}"#,
        r#"{"access_token":{"t":"t"}}"#,
        r#"{"access_token":"a\r\nb"}"#,
        r#"{"access_token":"a\u0000b"}"#,
        r#"{"access_token":"a\u007fb"}"#,
        r#"{"access_token":"a\u0085b"}"#,
        r#"{"access_token":"a","access_token":"b"}"#,
        r#"{"access_token":"a"}}"#,
        r#"{"access_token":"a"} and more"#,
        r#"{"access_token":"a"#,
        r#"[{"access_token":"a"}]"#,
        "null",
        "7",
        r#""a""#,
        "",
        "   ",
        "<html><body>access_token=a</body></html>",
    ] {
        let error = error(decode_json(body));
        assert!(matches!(error, TokenError::Unusable { .. }), "{body}");
        assert_eq!(error.reason(), "UnusableResponse");
    }
    error(decode(
        &ResponseShape::default(),
        &answer(
            200,
            "application/json",
            b"{\"access_token\":\"\xff\"}".as_slice(),
        ),
        NOW,
    ));
}

#[test]
fn a_byte_order_mark_before_the_document_is_tolerated() {
    let token = token(decode_json("\u{feff}{\"access_token\":\"t\"}"));
    assert_eq!(secret(&token), "t");
}

#[test]
fn form_encoded_and_plain_text_answers_are_read() {
    let form = "access_token=gho_16C7%2B&scope=repo%2Cgist&token_type=bearer&expires_in=28800\n";
    for kind in [
        "application/x-www-form-urlencoded; charset=utf-8",
        "text/plain",
        "Text/Plain;charset=utf-8",
        "",
    ] {
        let token = token(decode(
            &ResponseShape::default(),
            &answer(200, kind, form),
            NOW,
        ));
        assert_eq!(secret(&token), "gho_16C7+");
        assert_eq!(token.scope.as_ref().map(Scope::as_str), Some("repo,gist"));
        assert_eq!(token.lifetime, seconds(28_800));
    }
    error(decode(
        &ResponseShape::default(),
        &answer(200, "application/json", form),
        NOW,
    ));
}

#[test]
fn json_is_read_whatever_the_content_type_says() {
    for kind in [
        "",
        "text/plain",
        "text/html; charset=utf-8",
        "application/x-www-form-urlencoded",
        "application/vnd.x+json",
    ] {
        let token = token(decode(
            &ResponseShape::default(),
            &answer(200, kind, r#"{"access_token":"t"}"#),
            NOW,
        ));
        assert_eq!(secret(&token), "t");
    }
}

#[test]
fn tokens_elsewhere_are_found() {
    for (pointer, body) in [
        ("/token", r#"{"token":"t"}"#),
        ("/value/token", r#"{"value":{"token":"t"}}"#),
        ("/tokens/1/a~1b", r#"{"tokens":[{},{"a/b":"t"}]}"#),
        ("", r#""t""#),
        ("", "t\n"),
    ] {
        let shape = ResponseShape {
            access_token: Some(pointer.into()),
            ..ResponseShape::default()
        };
        let token = token(decode(&shape, &answer(200, "application/json", body), NOW));
        assert_eq!(secret(&token), "t", "{pointer}");
        assert_eq!(token.token_type, "Bearer");
        assert_eq!(token.lifetime, None);
    }
}

#[test]
fn a_body_that_is_no_bare_token_is_refused() {
    let shape = ResponseShape {
        access_token: Some(String::new()),
        ..ResponseShape::default()
    };
    for body in [
        "",
        "try again later",
        r#"{"access_token":"t"}"#,
        "null",
        "17",
        "true",
        "<html>",
        r#""a" "b""#,
        r#""a\nb""#,
        "a\nb",
    ] {
        error(decode(&shape, &answer(200, "application/json", body), NOW));
    }
    error(decode(&shape, &answer(200, "text/plain", "null"), NOW));
    let refused = error(decode(
        &shape,
        &answer(200, "application/json", r#"{"error":"invalid_client"}"#),
        NOW,
    ));
    assert_eq!(refused.reason(), "InvalidClient");
}

#[test]
fn a_success_that_is_a_refusal_is_refused() {
    for (body, code) in [
        (r#"{"error":"invalid_grant"}"#, ErrorCode::InvalidGrant),
        (
            r#"{"error":"invalid_client","access_token":"t"}"#,
            ErrorCode::InvalidClient,
        ),
        (r#"{"error":{"code":1}}"#, ErrorCode::Unknown),
        (r#"{"error":true,"access_token":"t"}"#, ErrorCode::Unknown),
        (r#"{"ok":false,"error":"ratelimited"}"#, ErrorCode::SlowDown),
        (r#"{"ok":false,"access_token":"t"}"#, ErrorCode::Unknown),
    ] {
        let error = error(decode_json(body));
        let TokenError::Refused {
            status: 200,
            code: found,
            ..
        } = error
        else {
            panic!("{body}: {error:?}");
        };
        assert_eq!(found, code, "{body}");
    }
    for body in [
        r#"{"error":null,"access_token":"t"}"#,
        r#"{"error":"","access_token":"t"}"#,
        r#"{"error":false,"access_token":"t"}"#,
        r#"{"error":0,"access_token":"t"}"#,
        r#"{"ok":true,"access_token":"t"}"#,
    ] {
        token(decode_json(body));
    }
}

#[test]
fn errors_are_typed_by_the_known_codes_alone() {
    for (status, kind, body, code) in [
        (
            400,
            "application/json",
            r#"{"error":"invalid_scope","error_description":"x"}"#,
            ErrorCode::InvalidScope,
        ),
        (
            401,
            "application/json",
            r#"{"error":"invalid_client"}"#,
            ErrorCode::InvalidClient,
        ),
        (
            400,
            "text/plain",
            "error=invalid_grant&error_description=x",
            ErrorCode::InvalidGrant,
        ),
        (
            400,
            "application/json",
            r#"{"error":"the s3cret was wrong"}"#,
            ErrorCode::Unknown,
        ),
        (
            400,
            "application/json",
            r#"{"error":["the s3cret was wrong"]}"#,
            ErrorCode::Unknown,
        ),
        (500, "text/html", "<html>", ErrorCode::Unknown),
        (502, "", "", ErrorCode::Unknown),
        (
            400,
            "application/json",
            r#"{"error":"invalid_client","error":"x"}"#,
            ErrorCode::Unknown,
        ),
    ] {
        let refused = error(decode(
            &ResponseShape::default(),
            &answer(status, kind, body),
            NOW,
        ));
        let TokenError::Refused {
            status: of,
            code: found,
            ..
        } = &refused
        else {
            panic!("{body}: {refused:?}");
        };
        assert_eq!((*of, *found), (status, code), "{body}");
        assert!(!format!("{refused:?}").contains("s3cret"));
    }
}

#[test]
fn retry_after_comes_with_the_refusal() {
    let mut throttled = answer(429, "application/json", "");
    throttled.retry_after = Some("17".into());
    let refused = error(decode(&ResponseShape::default(), &throttled, NOW));
    assert_eq!(refused.retry_after(), Some(Span::from_seconds(17)));
    assert_eq!(refused.reason(), "RateLimited");
}

#[test]
fn a_redirect_is_an_error_of_its_own() {
    for status in [301, 302, 303, 307, 308] {
        let redirect = error(decode(
            &ResponseShape::default(),
            &answer(status, "application/json", r#"{"access_token":"t"}"#),
            NOW,
        ));
        assert_eq!(redirect, TokenError::Redirected { status });
        assert_eq!(redirect.http_status(), Some(status));
    }
}

#[test]
fn failure_told_with_status_200_is_a_refusal_as_the_resource_says_it_shows() {
    let shape = ResponseShape {
        success: Some(crate::oauth::SuccessShape {
            pointer: "/ok".into(),
            value: "true".into(),
        }),
        error: Some("/problem".into()),
        ..ResponseShape::default()
    };
    let read = |body: &str| decode(&shape, &answer(200, "application/json", body), NOW);
    assert!(read(r#"{"ok":true,"access_token":"a"}"#).is_ok());
    let refused = error(read(
        r#"{"ok":false,"problem":"invalid_client","access_token":"a"}"#,
    ));
    assert_eq!(refused.reason(), "InvalidClient");
    assert!(matches!(
        error(read(r#"{"access_token":"a"}"#)),
        TokenError::Refused {
            code: ErrorCode::Unknown,
            status: 200,
            ..
        }
    ));
}

#[test]
fn of_a_response_with_tokens_by_the_thousand_only_its_own_is_read() {
    let many = |count: usize| {
        let fields: Vec<String> = (0..count)
            .map(|number| format!(r#""token_{number}":"value-{number}-of-a-token""#))
            .collect();
        let fields = fields.join(",");
        let body = format!(r#"{{"access_token":"abc","expires_in":60,"scope":"read",{fields}}}"#);
        token(decode_json(&body))
    };
    let usual = many(20);
    assert_eq!(usual.scope.as_deref(), Some("read"));
    let odd = many(1_000);
    assert_eq!(secret(&odd), "abc");
    assert_eq!(odd.scope, None);
    assert_eq!(odd.lifetime, seconds(60));
}

#[test]
fn a_token_and_its_lifetime_are_read_from_headers() {
    let shape = ResponseShape {
        headers: vec!["x-subject-token".into(), "x-ttl".into()],
        access_token: Some("/headers/x-subject-token".into()),
        expiry: Some(ExpiryShape {
            pointer: "/headers/x-ttl".into(),
            unit: ExpiryUnit::Seconds,
        }),
        ..ResponseShape::default()
    };
    let with = |headers: &[(&str, &str)], body: &str| {
        let mut answer = answer(201, "", body);
        answer.headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Secret::from(*value)))
            .collect();
        decode(&shape, &answer, NOW)
    };
    for body in ["", "<html>", r#"{"token":{"methods":["password"]}}"#, "[]"] {
        let token = token(with(
            &[
                ("x-subject-token", "t0ken"),
                ("x-ttl", "600"),
                ("x-other", "1"),
            ],
            body,
        ));
        assert_eq!(token.access_token.expose(), Some("t0ken"), "{body}");
        assert_eq!(token.lifetime, Some(Lifetime::For(Span::from_seconds(600))));
        // Only what the resource reads is there for templates.
        assert!(token.document.0["headers"].get("x-other").is_none());
    }
    // Without the header there is no token; of two nobody can tell which is meant.
    error(with(&[], "{}"));
    error(with(
        &[("x-subject-token", "a"), ("x-subject-token", "b")],
        "{}",
    ));
    // A refusal is one, whatever stands in the headers.
    error(with(
        &[("x-subject-token", "t0ken")],
        r#"{"error":"invalid_client"}"#,
    ));
}

#[test]
fn a_header_that_repeats_a_secret_of_the_request_is_not_read() {
    let shape = ResponseShape {
        headers: vec!["x-echo".into(), "x-scopes".into()],
        scope: Some("/headers/x-scopes".into()),
        ..ResponseShape::default()
    };
    let mut answer = answer(200, "application/json", r#"{"access_token":"t0ken"}"#);
    answer.headers = vec![
        ("x-echo".into(), "you sent s3cret-s3cret".into()),
        ("x-scopes".into(), "t0ken".into()),
    ];
    answer.sent.add_key("client_secret", true, "s3cret-s3cret");
    let token = token(decode(&shape, &answer, NOW));
    assert!(token.echoes);
    assert_eq!(token.document.0["headers"].get("x-echo"), None);
    assert_eq!(token.scope, None, "a token is no scope");
}

#[test]
fn only_what_is_used_of_a_response_must_be_utf8() {
    let read = |body: &[u8]| {
        decode(
            &ResponseShape::default(),
            &answer(200, "application/json", body),
            NOW,
        )
    };
    let plain = token(read(
        b"{\"access_token\":\"t\",\"refresh_token\":\"r\",\"name\":\"Bj\xf8rn\",\"scope\":\"read\"}",
    ));
    assert_eq!(plain.access_token.expose(), Some("t"));
    assert_eq!(plain.scope.as_deref(), Some("read"));
    assert_eq!(plain.document.0["refresh_token"], "r");
    assert!(plain.document.0["name"].is_null());
    assert!(
        plain
            .remarks
            .iter()
            .any(|told| told.contains("not valid UTF-8")),
        "{:?}",
        plain.remarks
    );
    // Half of a name is none, and a damaged scope is left out.
    let halved = token(read(
        b"{\"access_token\":\"t\",\"sco\xffpe\":\"a\",\"scope\":\"re\xffad\"}",
    ));
    assert_eq!(halved.scope, None);
    assert_eq!(halved.document.0.as_object().unwrap().len(), 2);
    // A character that stands for a damaged one, in a valid response, is what the provider wrote.
    let whole = token(read(
        "{\"access_token\":\"t\",\"name\":\"\u{fffd}\"}".as_bytes(),
    ));
    assert_eq!(whole.document.0["name"], "\u{fffd}");
    assert!(whole.remarks.is_empty(), "{:?}", whole.remarks);
    // The successor of a refresh token is found beside an access token that is damaged.
    let damaged = answer(
        200,
        "application/json",
        b"{\"access_token\":\"t\xf8\",\"refresh_token\":\"r2\"}".to_vec(),
    );
    let found = document(&ResponseShape::default(), &damaged).unwrap();
    assert_eq!(found.0["refresh_token"], "r2");
    let damaged = error(read(b"{\"access_token\":\"t\xf8\"}"));
    assert!(
        format!("{damaged:?}").contains("not valid UTF-8"),
        "{damaged:?}"
    );
    assert_eq!(
        damaged.reached(false),
        crate::oauth::error::Reached::Unclear
    );
    let refused = error(decode(
        &ResponseShape::default(),
        &answer(
            400,
            "application/json",
            b"{\"error\":\"invalid_grant\",\"error_description\":\"ung\xfcltig\"}".to_vec(),
        ),
        NOW,
    ));
    assert_eq!(refused.reason(), "InvalidGrant");
}
