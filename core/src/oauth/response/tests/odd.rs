//! Responses as careless servers, gateways and frameworks write them: a good token is published with a remark, and what is no token
//! is refused with a message that says what is wrong and where.

use super::*;
use crate::oauth::Grant;
use crate::oauth::error::{FailureClass, Reached};

fn good(content_type: &str, body: impl Into<Vec<u8>>) -> Token {
    token(decode(
        &ResponseShape::default(),
        &answer(200, content_type, body),
        NOW,
    ))
}

fn bad(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> TokenError {
    error(decode(
        &ResponseShape::default(),
        &answer(status, content_type, body),
        NOW,
    ))
}

#[test]
fn what_stands_beside_a_token_does_not_spoil_it() {
    for members in [
        r#""error":null"#,
        r#""error":"""#,
        r#""error":"0""#,
        r#""error":0"#,
        r#""error":false"#,
        r#""error":"none""#,
        r#""error":"OK""#,
        r#""error":"success""#,
        r#""error":[]"#,
        r#""error":{}"#,
        r#""errors":[]"#,
        r#""code":200,"msg":"success""#,
        r#""code":0"#,
        r#""status":"approved""#,
        r#""ok":true"#,
        r#""ok":null"#,
        r#""scope":{"read":true}"#,
        r#""scope":null"#,
        r#""scope":["a","b"]"#,
        r#""scope":"a,b""#,
        r#""token_type":["Bearer"]"#,
        r#""token_type":"JWT""#,
        r#""refresh_token":null"#,
        r#""refresh_in":"soon""#,
        r#""id_token":{"nested":["x"]}"#,
        r#""expires_in":null,"expires_at":null,"expires_on":null"#,
        r#""issued_token_type":7"#,
        r#""scope":"a","scope":"a""#,
        r#""user":{"id":7,"id":7}"#,
        r#""user":{"name":"Bj\u00f8rn","roles":[1,2,{"deep":[[[]]]}]}"#,
    ] {
        let token = good(
            "application/json",
            format!(r#"{{"access_token":"t0ken",{members}}}"#),
        );
        assert_eq!(secret(&token), "t0ken", "{members}");
    }
}

#[test]
fn the_frame_of_a_body_does_not_spoil_it() {
    let json = r#"{"access_token":"t0ken","expires_in":60}"#;
    for (kind, body) in [
        ("", json.to_owned()),
        ("text/html; charset=utf-8", json.to_owned()),
        ("text/javascript", json.to_owned()),
        ("application/octet-stream", json.to_owned()),
        ("application/vnd.example+json", json.to_owned()),
        ("APPLICATION/JSON;charset=ISO-8859-1", json.to_owned()),
        ("application/json", format!("\u{feff}{json}")),
        ("application/json", format!("\r\n\r\n  {json}\n\n")),
        (
            "application/x-www-form-urlencoded",
            "access_token=t0ken&expires_in=60".to_owned(),
        ),
        (
            "text/html; charset=UTF-8",
            "access_token=t0ken&expires_in=60".to_owned(),
        ),
        (
            "application/octet-stream",
            "token_type=bearer&access_token=t0ken&expires_in=60".to_owned(),
        ),
    ] {
        let token = good(kind, body.clone());
        assert_eq!(secret(&token), "t0ken", "{kind} {body}");
        assert_eq!(token.lifetime, seconds(60), "{kind} {body}");
    }
}

#[test]
fn a_body_that_cannot_be_read_says_what_it_is() {
    let utf16: Vec<u8> = "\u{feff}{\"access_token\":\"t\"}"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let of = |kind: &str, body: &[u8], what: &str| {
        let error = format!("{:?}", bad(200, kind, body));
        assert!(error.contains(what), "{error}");
    };
    of("application/json", b"", "is empty");
    of("text/html", b"<!doctype html><p>Log in", "HTML or XML");
    of(
        "application/xml",
        b"<?xml version='1.0'?><token/>",
        "HTML or XML",
    );
    of("application/json", &utf16, "UTF-16");
    of("application/json", &[0x1f, 0x8b, 8, 0, 0], "compressed");
    of(
        "application/json",
        br#"[{"access_token":"t"}]"#,
        "JSON array",
    );
    of(
        "application/json",
        br#""{\"access_token\":\"t\"}""#,
        "inside of another",
    );
    of(
        "application/json",
        br#"callback({"access_token":"t"})"#,
        "not valid JSON",
    );
    of(
        "application/json",
        br#")]}',{"access_token":"t"}"#,
        "not valid JSON",
    );
    of(
        "application/json",
        br#"{"access_token":"t",}"#,
        "not valid JSON",
    );
    of(
        "application/json",
        br#"{'access_token':'t'}"#,
        "not valid JSON",
    );
    of(
        "application/json",
        br#"{"access_token":"t","expires_in":NaN}"#,
        "not valid JSON",
    );
    of(
        "application/json",
        br#"{"access_token":"t"}{"access_token":"u"}"#,
        "not valid JSON",
    );
    let without_mark: Vec<u8> = "{\"access_token\":\"t\"}"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    of("application/json", &without_mark, "UTF-16");
    of(
        "application/json",
        br#"{"access_token":"t","access_token":"u"}"#,
        "a key twice",
    );
    of("application/json", b"Internal error", "not valid JSON");
    of(
        "text/html",
        b"Internal error, try later",
        "neither JSON nor form",
    );
}

#[test]
fn a_token_under_another_name_is_pointed_at() {
    for (body, pointer) in [
        (r#"{"accessToken":"t","expiresIn":60}"#, "/accessToken"),
        (r#"{"AccessToken":"t"}"#, "/AccessToken"),
        (r#"{"token":"t"}"#, "/token"),
        (r#"{"jwt":"t"}"#, "/jwt"),
        (
            r#"{"code":0,"msg":"success","data":{"access_token":"t"}}"#,
            "/data/access_token",
        ),
        (r#"{"result":{"accessToken":"t"}}"#, "/result/accessToken"),
        (
            r#"{"tenant_access_token":"t","expire":7200}"#,
            "/tenant_access_token",
        ),
        (r#"{"access":{"token":{"id":"t"}}}"#, "/access/token/id"),
        (r#"{"access_token":null,"token":"t"}"#, "/token"),
    ] {
        let error = bad(200, "application/json", body);
        assert!(
            matches!(error, TokenError::Unusable { elsewhere: Some(found), .. } if found == pointer),
            "{error:?}"
        );
    }
    // An error that is named tells more.
    let error = bad(200, "application/json", r#"{"errcode":40001,"token":"t"}"#);
    assert!(
        matches!(
            &error,
            TokenError::Unusable { elsewhere: None, provider_code: Some(provider_code), .. }
                if provider_code.to_string() == "40001 at /errcode"
        ),
        "{error:?}"
    );
}

#[test]
fn an_error_is_found_in_any_spelling_of_its_name() {
    for (status, body, code, place) in [
        (
            400,
            r#"{"Error":"invalid_client"}"#,
            ErrorCode::InvalidClient,
            "/Error",
        ),
        (
            400,
            r#"{"ERROR":"invalid_grant"}"#,
            ErrorCode::InvalidGrant,
            "/ERROR",
        ),
        (
            400,
            r#"{"ErrorCode":"INVALID_GRANT"}"#,
            ErrorCode::InvalidGrant,
            "/ErrorCode",
        ),
        (
            400,
            r#"{"error-code":"invalidGrant"}"#,
            ErrorCode::InvalidGrant,
            "/error-code",
        ),
        (
            400,
            r#"{"Errors":[{"Code":"invalid_scope"}]}"#,
            ErrorCode::InvalidScope,
            "/Errors/0/Code",
        ),
        (
            200,
            r#"{"Error":"invalid_grant"}"#,
            ErrorCode::InvalidGrant,
            "/Error",
        ),
        (200, r#"{"ErrCode":40001}"#, ErrorCode::Unknown, "/ErrCode"),
    ] {
        let error = bad(status, "application/json", body);
        let provider_code = error.provider_code().unwrap().to_string();
        assert!(
            provider_code.ends_with(&format!(" at {place}")),
            "{provider_code}"
        );
        if let TokenError::Refused { code: found, .. } = error {
            assert_eq!(found, code, "{body}");
        }
    }
    // The exact name goes first.
    let both = bad(
        400,
        "application/json",
        r#"{"Error":"x1","error":"invalid_scope"}"#,
    );
    assert_eq!(
        both.provider_code().unwrap().to_string(),
        "invalid_scope at /error"
    );
}

#[test]
fn an_error_is_found_in_a_list_in_a_header_and_in_a_body_that_is_nothing_else() {
    for (body, code, place) in [
        (
            r#"[{"message":"x","errorCode":"INVALID_GRANT"}]"#,
            ErrorCode::InvalidGrant,
            "/0/errorCode",
        ),
        (
            r#"[{"error":"invalid_client"}]"#,
            ErrorCode::InvalidClient,
            "/0/error",
        ),
        (
            r#"{"error":["invalid_client"]}"#,
            ErrorCode::InvalidClient,
            "/error/0",
        ),
        (
            r#"{"fault":{"code":900901,"message":"x"}}"#,
            ErrorCode::Unknown,
            "/fault/code",
        ),
        (
            r#"{"Fault":{"Error":[{"code":"3200"}]}}"#,
            ErrorCode::Unknown,
            "/Fault/Error/0/code",
        ),
        (
            r#"{"errors":[{"errorId":1001,"domain":"OAuth"}]}"#,
            ErrorCode::Unknown,
            "/errors/0/errorId",
        ),
        (
            r#"{"serviceErrorCode":65600,"status":400}"#,
            ErrorCode::Unknown,
            "/serviceErrorCode",
        ),
        ("invalid_client", ErrorCode::InvalidClient, "body"),
        (r#""invalid_grant""#, ErrorCode::InvalidGrant, "body"),
    ] {
        let error = bad(400, "application/json", body);
        let provider_code = error.provider_code().map(ToString::to_string);
        assert!(
            provider_code
                .as_ref()
                .is_some_and(|provider_code| provider_code.ends_with(&format!(" at {place}"))),
            "{body} {provider_code:?}"
        );
        let TokenError::Refused { code: found, .. } = error else {
            panic!("{body}");
        };
        assert_eq!(found, code, "{body}");
    }
    // Only a code that is known: anything else could be a secret.
    assert!(bad(400, "text/plain", "hunter2").provider_code().is_none());
    assert!(
        bad(400, "text/plain", "try again later")
            .provider_code()
            .is_none()
    );

    let challenged = |value: &str, body: &str| {
        let answer = HttpAnswer {
            headers: vec![("www-authenticate".to_owned(), value.into())],
            ..answer(401, "application/json", body)
        };
        let error = error(decode(&ResponseShape::default(), &answer, NOW));
        let TokenError::Refused {
            code,
            provider_code,
            ..
        } = error
        else {
            panic!("{value}");
        };
        (
            code,
            provider_code.map(|provider_code| provider_code.to_string()),
        )
    };
    let told = |code: &str| Some(format!("{code} at WWW-Authenticate"));
    for (value, expected) in [
        (
            r#"Bearer realm="a, b", error="invalid_client", error_description="x""#,
            (ErrorCode::InvalidClient, told("invalid_client")),
        ),
        (
            r#"Bearer error="invalid_token",realm=x"#,
            (ErrorCode::Unknown, told("invalid_token")),
        ),
        (
            r#"DPoP error=invalid_dpop_proof, algs="ES256""#,
            (ErrorCode::ProofRequired, told("invalid_dpop_proof")),
        ),
        (
            r#"Basic realm="error=invalid_client""#,
            (ErrorCode::Unknown, None),
        ),
        (
            r#"Bearer error_description="is error=invalid_client""#,
            (ErrorCode::Unknown, None),
        ),
        ("Negotiate", (ErrorCode::Unknown, None)),
        (
            r#"Bearer error="no code but a sentence""#,
            (ErrorCode::Unknown, None),
        ),
    ] {
        assert_eq!(challenged(value, ""), expected, "{value}");
    }
    // What the body says goes first.
    let both = challenged(
        r#"Bearer error="invalid_token""#,
        r#"{"error":"invalid_grant"}"#,
    );
    assert_eq!(both.0, ErrorCode::InvalidGrant);
}

#[test]
fn a_number_that_stands_for_an_error_is_shown_and_a_status_of_success_is_not() {
    let provider_code = |body: &str| {
        let error = bad(200, "application/json", body);
        error.provider_code().map(ToString::to_string)
    };
    for (body, expected) in [
        (
            r#"{"code":99991663,"msg":"token expired"}"#,
            Some("99991663 at /code"),
        ),
        (r#"{"status":-3}"#, Some("-3 at /status")),
        (r#"{"code":"10003"}"#, Some("10003 at /code")),
        (r#"{"code":200,"data":{}}"#, None),
        (r#"{"code":0,"data":{}}"#, None),
        (r#"{"status":1}"#, None),
        // It could be what a login is finished with.
        (r#"{"code":"SplxlOBeZQQYbYS6WxSbIA"}"#, None),
        (r#"{"status":"success"}"#, None),
    ] {
        assert_eq!(provider_code(body).as_deref(), expected, "{body}");
    }
}

#[test]
fn a_time_where_a_lifetime_belongs_is_read_as_one() {
    let end = |members: &str| {
        let token = good(
            "application/json",
            format!(r#"{{"access_token":"t",{members}}}"#),
        );
        (token.lifetime, token.remarks.len())
    };
    let in_an_hour = Some(Lifetime::Until(NOW + Span::from_seconds(3600)));
    for (members, remarks) in [
        (r#""expires_in":1700003600"#, 1),
        (r#""expires_in":"1700003600""#, 1),
        (r#""expires_in":1700003600000"#, 1),
        (r#""expires_in":"2023-11-14T23:13:20Z""#, 1),
        (r#""expires_in":"Tue, 14 Nov 2023 23:13:20 GMT""#, 1),
        (r#""expires_at":"Tue, 14 Nov 2023 23:13:20 GMT""#, 0),
        (r#""expires_at":"2023-11-14T23:13:20+0000""#, 0),
        (r#""expires_at":"2023-11-15T04:43:20+05:30""#, 0),
        (r#""expires_at":"/Date(1700003600000)/""#, 0),
        (r#""expires_at":"/Date(1700003600000+0100)/""#, 0),
        (r#""expires_at":"Tue, 14 Nov 2023 23:13:20 +0000""#, 0),
        (r#""expires_at":"Wed, 15 Nov 2023 00:13:20 +0100""#, 0),
        (r#""expires_at":"Tue Nov 14 23:13:20 UTC 2023""#, 0),
        (r#""expires_at":"Tue Nov 14 23:13:20 GMT 2023""#, 0),
        (r#""expires_at":"2023-11-14 23:13:20 UTC""#, 0),
        (r#""expires_at":"20231114T231320Z""#, 0),
        (r#""expires_at":1700003600000000"#, 1),
        (r#""expires_at":"1700003600000000000""#, 1),
        (r#""expires_in":1700003600000000"#, 1),
        (r#""expires_in":"Tue, 14 Nov 2023 23:13:20 +0000""#, 1),
    ] {
        assert_eq!(end(members), (in_an_hour, remarks), "{members}");
    }
    // What can only be a very long lifetime stays one: 50 years, "for ever".
    for members in [r#""expires_in":1576800000"#, r#""expires_in":99999999999"#] {
        assert_eq!(
            end(members).0,
            Some(Lifetime::For(MAX_LIFETIME)),
            "{members}"
        );
    }
}

#[test]
fn a_duration_with_units_is_read_as_one_and_a_date_that_stands_for_none_is_none() {
    let lifetime = |members: &str| {
        let body = format!(r#"{{"access_token":"t",{members}}}"#);
        let token = good("application/json", body);
        (token.lifetime, token.remarks.len())
    };
    for text in [
        "3600s",
        "3600.000s",
        "1h",
        "60m",
        "1h 0m",
        "PT1H",
        "PT3600S",
        "60 minutes",
        "01:00:00",
    ] {
        let read = lifetime(&format!(r#""expires_in":{text:?}"#));
        assert_eq!(read, (seconds(3600), 1), "{text}");
    }
    assert_eq!(lifetime(r#""expires_in":"P1D""#), (seconds(86_400), 1));
    assert_eq!(lifetime(r#""expires_in":"0s""#).0, None);
    for text in ["-PT1H", "-3600s"] {
        let body = format!(r#"{{"access_token":"t","expires_in":{text:?}}}"#);
        let provider_code = format!("{:?}", bad(200, "application/json", body));
        assert!(provider_code.contains("negative"), "{provider_code}");
    }
    for date in [
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00",
        "0000-00-00 00:00:00",
        "1970-01-01T00:00:00Z",
    ] {
        for name in ["expires_at", "expires_on", "expires_in"] {
            assert_eq!(
                lifetime(&format!("{name:?}:{date:?}")).0,
                None,
                "{name} {date}"
            );
        }
    }
    // Times for "never" stay far away, whatever they would be in a smaller unit.
    for number in ["253402300799", "9223372036854775807", "99999999999999"] {
        let read = lifetime(&format!(r#""expires_at":{number}"#)).0;
        assert_eq!(read, Some(Lifetime::Until(NOW + MAX_LIFETIME)), "{number}");
    }
}

#[test]
fn a_lifetime_that_cannot_be_read_names_its_field() {
    for (members, field) in [
        (r#""expires_in":"an hour""#, "expires_in"),
        (r#""expires_in":"1 month""#, "expires_in"),
        (r#""expires_in":"P1Y""#, "expires_in"),
        (r#""expires_in":"3,600""#, "expires_in"),
        (r#""expires_in":true"#, "expires_in"),
        (r#""expires_in":[3600]"#, "expires_in"),
        (r#""expires_in":{"seconds":3600}"#, "expires_in"),
        (r#""expires_in":"2023-99-99""#, "expires_in"),
        (r#""expires_at":"tomorrow""#, "expires_at"),
        // A zone by name is not ignored.
        (
            r#""expires_at":"2023-11-14T23:13:20[Europe/Oslo]""#,
            "expires_at",
        ),
        // Whether the month comes first cannot be known.
        (r#""expires_at":"01/02/2024 11:59:59 PM""#, "expires_at"),
        (r#""expires_on":[1]"#, "expires_on"),
    ] {
        let body = format!(r#"{{"access_token":"t",{members}}}"#);
        let error = bad(200, "application/json", body);
        assert!(format!("{error:?}").contains(field), "{error:?}");
    }
    for members in [r#""expires_in":-5"#, r#""expires_in":"-3600""#] {
        let body = format!(r#"{{"access_token":"t",{members}}}"#);
        let error = bad(200, "application/json", body);
        assert!(format!("{error:?}").contains("negative"), "{error:?}");
    }
}

#[test]
fn a_token_with_the_word_bearer_in_it_is_published_with_a_remark() {
    for (value, remarks) in [
        ("Bearer eyJ", 1),
        ("bearer eyJ", 1),
        ("Bearer", 0),
        ("bearers-token", 0),
        ("two words", 1),
        (" eyJ", 1),
        ("'eyJ'", 1),
    ] {
        let token = good(
            "application/json",
            format!(r#"{{"access_token":"{value}"}}"#),
        );
        assert_eq!(token.remarks.len(), remarks, "{value}");
        assert_eq!(secret(&token), value);
    }
    let quoted = good("application/json", r#"{"access_token":"\"eyJ\""}"#);
    assert_eq!((quoted.remarks.len(), secret(&quoted)), (1, "\"eyJ\""));
}

/// What a status without a known code means, for each grant: the class, and for a refresh token what became of it.
#[test]
fn statuses_that_no_rfc_has_for_tokens_are_harmless() {
    use FailureClass::{NeedsPerson, Permanent, Transient};
    for (status, client, password, token) in [
        (302, Permanent, NeedsPerson, Reached::Answered),
        (402, Transient, NeedsPerson, Reached::Refused),
        (409, Transient, NeedsPerson, Reached::Refused),
        (420, Transient, NeedsPerson, Reached::Refused),
        (423, Transient, NeedsPerson, Reached::Refused),
        (429, Transient, Transient, Reached::Answered),
        (451, Transient, NeedsPerson, Reached::Refused),
        (498, Transient, NeedsPerson, Reached::Refused),
        (501, Transient, Transient, Reached::Answered),
        (520, Transient, Transient, Reached::Answered),
        (530, Transient, Transient, Reached::Answered),
        (999, Transient, Transient, Reached::Answered),
    ] {
        let error = bad(status, "text/html", "<html>");
        assert_eq!(error.class(&Grant::ClientCredentials), client, "{status}");
        assert_eq!(error.class(&Grant::Password), password, "{status}");
        assert_eq!(error.reached(false), token, "{status}");
    }
    // A page instead of a token, and none at all.
    for (status, body) in [(200, "<html>Log in"), (204, ""), (202, "")] {
        let error = bad(status, "text/html", body);
        assert_eq!(error.class(&Grant::Password), NeedsPerson, "{status}");
        assert_eq!(error.class(&Grant::RefreshToken), Transient, "{status}");
        assert_eq!(error.reached(false), Reached::Unclear, "{status}");
    }
}
