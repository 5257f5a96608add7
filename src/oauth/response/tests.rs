use super::*;
use crate::oauth::{ExpiryShape, ExpiryUnit, Lifetime};
use crate::time::Span;
use proptest::prelude::*;

/// 2023-11-14T22:13:20Z
const NOW: Time = Time::from_seconds(1_700_000_000);

fn answer(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> HttpAnswer {
    let content_type = Some(content_type.to_owned()).filter(|kind| !kind.is_empty());
    HttpAnswer {
        status,
        content_type,
        retry_after: None,
        body: Secret::new(body),
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
    result.unwrap_or_else(|error| panic!("{error}"))
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

/// Reads a token with these further members, and gives its lifetime or why there is none.
fn lifetime(members: &str) -> Result<Option<Lifetime>, TokenError> {
    decode_json(&format!(r#"{{"access_token":"t",{members}}}"#)).map(|token| token.lifetime)
}

fn seconds(seconds: i64) -> Option<Lifetime> {
    Some(Lifetime::For(Span::from_seconds(seconds)))
}

fn until(seconds: i64) -> Option<Lifetime> {
    Some(Lifetime::Until(Time::from_seconds(seconds)))
}

#[test]
fn the_answer_of_the_rfc_is_read() {
    let token = token(decode_json(
        r#"{"access_token":"2YotnFZFEjr1zCsicMWpAA","token_type":"example","expires_in":3600,"scope":"a b","example_parameter":"v"}"#,
    ));
    assert_eq!(secret(&token), "2YotnFZFEjr1zCsicMWpAA");
    assert_eq!(token.token_type, "example");
    assert_eq!(token.lifetime, seconds(3600));
    assert_eq!(token.scope.as_deref(), Some("a b"));
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
    for member in [
        r#""token_type":7"#,
        r#""token_type":"a\r\nb""#,
        r#""token_type":"a b""#,
    ] {
        error(decode_json(&format!(r#"{{"access_token":"t",{member}}}"#)));
    }
}

#[test]
fn relative_lifetimes_are_read_in_every_shape() {
    for (member, expected) in [
        (r#""expires_in":60"#, seconds(60)),
        (r#""expires_in":"60""#, seconds(60)),
        (r#""expires_in":" 60 ""#, seconds(60)),
        (r#""expires_in":59.99"#, seconds(59)),
        (r#""expires_in":"59.99""#, seconds(59)),
        (r#""expires_in":6e1"#, seconds(60)),
        (r#""expires_in":null"#, None),
        (r#""expires_in":0"#, None),
        (r#""expires_in":"0""#, None),
        (r#""expires_in":0.0"#, None),
        (r#""expires_in":-0.0"#, None),
        (r#""expires_in":"""#, None),
        (r#""x":1"#, None),
        (r#""expires_in":315360000"#, seconds(315_360_000)),
    ] {
        assert_eq!(lifetime(member), Ok(expected), "{member}");
    }
}

#[test]
fn absurd_lifetimes_are_cut_to_ten_years_with_a_remark() {
    for value in [
        "1e308",
        "9223372036854775807",
        "18446744073709551615",
        "315360001",
        r#""99999999999999999999999999""#,
    ] {
        let token = token(decode_json(&format!(
            r#"{{"access_token":"t","expires_in":{value}}}"#
        )));
        assert_eq!(token.lifetime, Some(Lifetime::For(MAX_LIFETIME)), "{value}");
        assert_eq!(token.remarks.len(), 1, "{value}");
    }
    let forever = token(decode_json(
        r#"{"access_token":"t","expires_at":"9999-12-31T23:59:59Z"}"#,
    ));
    assert_eq!(forever.lifetime, Some(Lifetime::Until(NOW + MAX_LIFETIME)));
    assert_eq!(forever.remarks.len(), 1);
}

#[test]
fn lifetimes_that_are_rubbish_publish_nothing() {
    for value in [
        "-1",
        "-0.5",
        r#""-60""#,
        "0.5",
        r#""60abc""#,
        r#""abc""#,
        r#""1e3""#,
        r#""0x10""#,
        r#""inf""#,
        r#""NaN""#,
        r#""+60""#,
        r#""6 0""#,
        r#""60.""#,
        "true",
        "[60]",
        "{}",
        "1e999",
    ] {
        let result = lifetime(&format!(r#""expires_in":{value}"#));
        assert!(
            matches!(result, Err(TokenError::Unusable { .. })),
            "{value}: {result:?}"
        );
    }
}

#[test]
fn absolute_expiries_are_read_in_every_shape() {
    for (member, expected) in [
        (r#""expires_on":1700003600"#, until(1_700_003_600)),
        (r#""expires_on":"1700003600""#, until(1_700_003_600)),
        (r#""expires_at":1700003600"#, until(1_700_003_600)),
        (r#""expires_at":1700003600000"#, until(1_700_003_600)),
        (
            r#""expires_at":"2023-11-14T23:13:20Z""#,
            until(1_700_003_600),
        ),
        (
            r#""expires_at":"2023-11-15T00:13:20+01:00""#,
            until(1_700_003_600),
        ),
        (
            r#""expires_at":"2023-11-14T23:13:20""#,
            until(1_700_003_600),
        ),
        (
            r#""expires_at":"2023-11-14 23:13:20""#,
            until(1_700_003_600),
        ),
        (
            r#""expires_at":null,"expires_on":1700003600"#,
            until(1_700_003_600),
        ),
        (r#""expires_at":0"#, None),
        (r#""expires_on":"""#, None),
    ] {
        assert_eq!(lifetime(member), Ok(expected), "{member}");
    }
    for member in [
        r#""expires_on":1699999999"#,
        r#""expires_on":1700000000"#,
        r#""expires_on":-5"#,
        r#""expires_at":"2020-01-01T00:00:00Z""#,
        r#""expires_at":"tomorrow""#,
        r#""expires_at":true"#,
    ] {
        assert!(lifetime(member).is_err(), "{member}");
    }
}

#[test]
fn the_relative_expiry_counts_and_a_difference_over_a_minute_is_remarked_on() {
    let remarks = |members: &str| {
        let token = token(decode_json(&format!(
            r#"{{"access_token":"t","expires_in":3600,{members}}}"#
        )));
        assert_eq!(token.lifetime, seconds(3600), "{members}");
        token.remarks.len()
    };
    assert_eq!(remarks(r#""expires_on":1700003600"#), 0);
    assert_eq!(remarks(r#""expires_on":1700003660"#), 0);
    assert_eq!(remarks(r#""expires_on":1700003661"#), 1);
    assert_eq!(remarks(r#""expires_on":1700003539"#), 1);
    assert_eq!(remarks(r#""expires_on":5"#), 1);
    assert_eq!(remarks(r#""expires_on":"06/20/2019 02:57:58 +00:00""#), 1);
    assert_eq!(remarks(r#""expires_on":0"#), 0);
}

#[test]
fn a_lifetime_of_its_own_place_and_unit_is_read() {
    let table = [
        (ExpiryUnit::Seconds, "60", seconds(60)),
        (
            ExpiryUnit::Milliseconds,
            "60500",
            Some(Lifetime::For(Span::from_millis(60_500))),
        ),
        (ExpiryUnit::Milliseconds, r#""60000""#, seconds(60)),
        (ExpiryUnit::EpochSeconds, "1700000060", until(1_700_000_060)),
        (
            ExpiryUnit::EpochMilliseconds,
            "1700000060000",
            until(1_700_000_060),
        ),
        (
            ExpiryUnit::Rfc3339,
            r#""2023-11-14T22:14:20Z""#,
            until(1_700_000_060),
        ),
        (ExpiryUnit::Seconds, "0", None),
    ];
    for (unit, value, expected) in table {
        let expiry = Some(ExpiryShape {
            pointer: "/value/life".into(),
            unit,
        });
        let shape = ResponseShape {
            access_token: Some("/value/token".into()),
            expiry,
            ..ResponseShape::default()
        };
        let body = format!(r#"{{"expires_in":9,"value":{{"token":"t","life":{value}}}}}"#);
        let token = token(decode(&shape, &answer(201, "application/json", body), NOW));
        assert_eq!(token.lifetime, expected, "{unit:?} {value}");
    }
    for (unit, value) in [
        (ExpiryUnit::Seconds, "-1"),
        (ExpiryUnit::Milliseconds, "500"),
        (ExpiryUnit::EpochSeconds, "1699999999"),
        (ExpiryUnit::Rfc3339, "1700000060"),
        (ExpiryUnit::Rfc3339, r#""soon""#),
        (ExpiryUnit::Seconds, r#""2023-11-14T22:14:20Z""#),
    ] {
        let expiry = Some(ExpiryShape {
            pointer: "/life".into(),
            unit,
        });
        let shape = ResponseShape {
            expiry,
            ..ResponseShape::default()
        };
        let body = format!(r#"{{"access_token":"t","life":{value}}}"#);
        error(decode(&shape, &answer(200, "application/json", body), NOW));
    }
}

#[test]
fn a_lifetime_that_is_not_where_it_should_be_is_remarked_on() {
    let expiry = Some(ExpiryShape {
        pointer: "/nowhere".into(),
        unit: ExpiryUnit::Seconds,
    });
    let shape = ResponseShape {
        expiry,
        ..ResponseShape::default()
    };
    let token = token(decode(
        &shape,
        &answer(200, "", r#"{"access_token":"t","expires_in":5}"#),
        NOW,
    ));
    assert_eq!(token.lifetime, None);
    assert_eq!(token.remarks.len(), 1);
}

#[test]
fn refresh_in_is_a_hint_that_never_fails_a_token() {
    for (value, expected, remarks) in [
        ("1800", Some(1800), 0),
        (r#""1800""#, Some(1800), 0),
        ("0", None, 0),
        ("null", None, 0),
        ("-5", None, 1),
        (r#""x""#, None, 1),
    ] {
        let token = token(decode_json(&format!(
            r#"{{"access_token":"t","refresh_in":{value}}}"#
        )));
        assert_eq!(
            token.refresh_in,
            expected.map(Span::from_seconds),
            "{value}"
        );
        assert_eq!(token.remarks.len(), remarks, "{value}");
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
        assert_eq!(token.scope.as_deref(), expected, "{value}");
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
        assert_eq!(token.scope.as_deref(), Some("repo,gist"));
        assert_eq!(token.lifetime, seconds(28_800));
    }
    for kind in ["application/json", "text/html", "application/octet-stream"] {
        error(decode(
            &ResponseShape::default(),
            &answer(200, kind, form),
            NOW,
        ));
    }
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
        assert_eq!(
            error(decode_json(body)),
            TokenError::Refused {
                status: 200,
                code,
                retry_after: None
            },
            "{body}"
        );
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
            r#"{"error":"s3cret"}"#,
            ErrorCode::Unknown,
        ),
        (
            400,
            "application/json",
            r#"{"error":["invalid_client"]}"#,
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
        assert_eq!(
            refused,
            TokenError::Refused {
                status,
                code,
                retry_after: None
            },
            "{body}"
        );
        assert!(!format!("{refused:?} {}", refused.explain()).contains("s3cret"));
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
        assert!(redirect.explain().contains(&status.to_string()));
    }
}

/// Shapes that a body may be read with.
fn shapes() -> impl Strategy<Value = ResponseShape> {
    let units = prop_oneof![
        Just(None),
        Just(Some(ExpiryUnit::Seconds)),
        Just(Some(ExpiryUnit::Milliseconds)),
        Just(Some(ExpiryUnit::EpochSeconds)),
        Just(Some(ExpiryUnit::EpochMilliseconds)),
        Just(Some(ExpiryUnit::Rfc3339)),
    ];
    let pointers = prop_oneof![
        Just(None),
        Just(Some(String::new())),
        Just(Some("/value/token".to_owned()))
    ];
    (pointers, units).prop_map(|(access_token, unit)| ResponseShape {
        access_token,
        expiry: unit.map(|unit| ExpiryShape {
            pointer: "/expires_in".into(),
            unit,
        }),
        ..ResponseShape::default()
    })
}

fn kinds() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just(""),
        Just("application/json"),
        Just("text/plain"),
        Just("application/x-www-form-urlencoded")
    ]
}

/// Whatever is read must be fit to publish, and whatever is refused must say nothing of the body.
fn check(shape: &ResponseShape, status: u16, kind: &str, body: Vec<u8>) {
    match decode(shape, &answer(status, kind, body), NOW) {
        Ok(token) => {
            assert!((200..300).contains(&status));
            let text = secret(&token);
            assert!(!text.trim().is_empty() && !text.chars().any(char::is_control));
            match token.lifetime {
                Some(Lifetime::For(span)) => {
                    assert!(span >= Span::from_seconds(1) && span <= MAX_LIFETIME)
                }
                Some(Lifetime::Until(end)) => assert!(end > NOW && end <= NOW + MAX_LIFETIME),
                None => {}
            }
        }
        Err(error) => assert!(!format!("{error:?} {}", error.explain()).contains("cAnArY")),
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(shape in shapes(), kind in kinds(), status in 100u16..600, body in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&shape, status, kind, body);
    }

    #[test]
    fn mutated_answers_never_panic_or_leak(
        shape in shapes(),
        kind in kinds(),
        status in prop_oneof![Just(200u16), Just(201), Just(400)],
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..3), 0..6),
    ) {
        let mut body = br#"{"access_token":"cAnArY","value":{"token":"cAnArY"},"token_type":"bearer","expires_in":3600,"expires_on":"1700003600","error":"","scope":["cAnArY"]}"#.to_vec();
        for (place, byte, how) in edits {
            let at = place.index(body.len());
            match how {
                0 => body[at] = byte,
                1 => body.insert(at, byte),
                _ => body.truncate(at.max(1)),
            }
        }
        check(&shape, status, kind, body);
    }

    #[test]
    fn odd_numbers_never_panic(shape in shapes(), number in "-?[0-9]{1,40}(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,3})?", quoted: bool) {
        let number = if quoted { format!("\"{number}\"") } else { number };
        let body = format!(r#"{{"access_token":"t","value":{{"token":"t"}},"expires_in":{number},"expires_at":{number},"refresh_in":{number}}}"#);
        check(&shape, 200, "application/json", body.into_bytes());
    }
}

#[test]
fn a_jwt_tells_its_end_where_the_answer_does_not_and_only_if_asked_to() {
    use base64::Engine as _;
    let jwt = |claims: &str| {
        let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(claims);
        format!("e30.{claims}.c2ln")
    };
    let asked = ResponseShape {
        jwt_expiry: true,
        ..ResponseShape::default()
    };
    let read = |shape: &ResponseShape, token: &str, more: &str| {
        let body = format!(r#"{{"access_token":"{token}"{more}}}"#);
        decode(shape, &answer(200, "application/json", body), NOW).map(|token| token.lifetime)
    };
    let end = jwt(r#"{"exp":1700000900}"#);
    let lifetime = Some(Lifetime::Until(NOW + Span::from_seconds(900)));
    assert!(read(&asked, &end, "").is_ok_and(|found| found == lifetime));
    assert!(read(&ResponseShape::default(), &end, "").is_ok_and(|found| found.is_none()));
    let given = Some(Lifetime::For(Span::from_seconds(60)));
    assert!(read(&asked, &end, r#","expires_in":60"#).is_ok_and(|found| found == given));
    assert!(read(&asked, "opaque", "").is_ok_and(|found| found.is_none()));
    let over = jwt(r#"{"exp":1600000000}"#);
    assert!(read(&asked, &over, "").is_err(), "it has expired already");
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
