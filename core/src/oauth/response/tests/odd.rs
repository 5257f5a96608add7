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
        let said = bad(200, kind, body).to_string();
        assert!(said.contains(what), "{said}");
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
        let said = bad(200, "application/json", body).explain();
        let wanted = format!("spec.response.accessTokenPointer: {pointer}. ");
        assert!(said.contains(&wanted), "{said}");
        assert!(said.len() <= 400, "{}", said.len());
    }
    // An error that is named tells more.
    let said = bad(200, "application/json", r#"{"errcode":40001,"token":"t"}"#).explain();
    assert!(said.contains("40001 at /errcode") && !said.contains("accessTokenPointer"));
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
        let said = error.said().unwrap().to_string();
        assert!(said.ends_with(&format!(" at {place}")), "{said}");
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
    assert_eq!(both.said().unwrap().to_string(), "invalid_scope at /error");
}

#[test]
fn a_number_that_stands_for_an_error_is_shown_and_a_status_of_success_is_not() {
    let said = |body: &str| {
        let error = bad(200, "application/json", body);
        error.said().map(ToString::to_string)
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
        assert_eq!(said(body).as_deref(), expected, "{body}");
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
fn a_lifetime_that_cannot_be_read_names_its_field() {
    for (members, field) in [
        (r#""expires_in":"1h""#, "expires_in"),
        (r#""expires_in":"3600s""#, "expires_in"),
        (r#""expires_in":"PT1H""#, "expires_in"),
        (r#""expires_in":"3,600""#, "expires_in"),
        (r#""expires_in":true"#, "expires_in"),
        (r#""expires_in":[3600]"#, "expires_in"),
        (r#""expires_in":{"seconds":3600}"#, "expires_in"),
        (r#""expires_in":"2023-99-99""#, "expires_in"),
        (r#""expires_at":"tomorrow""#, "expires_at"),
        (r#""expires_on":[1]"#, "expires_on"),
    ] {
        let body = format!(r#"{{"access_token":"t",{members}}}"#);
        let said = bad(200, "application/json", body).explain();
        assert!(said.contains(field), "{said}");
        assert!(said.contains("spec.response"), "{said}");
    }
    for members in [r#""expires_in":-5"#, r#""expires_in":"-3600""#] {
        let body = format!(r#"{{"access_token":"t",{members}}}"#);
        assert!(
            bad(200, "application/json", body)
                .to_string()
                .contains("negative")
        );
    }
}

#[test]
fn a_token_with_the_word_bearer_in_it_is_published_with_a_remark() {
    for (value, remarks) in [
        ("Bearer eyJ", 1),
        ("bearer eyJ", 1),
        ("Bearer", 0),
        ("bearers-token", 0),
    ] {
        let token = good(
            "application/json",
            format!(r#"{{"access_token":"{value}"}}"#),
        );
        assert_eq!(token.remarks.len(), remarks, "{value}");
        assert_eq!(secret(&token), value);
    }
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
