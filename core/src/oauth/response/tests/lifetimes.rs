//! The lifetime of a token in every format.

use super::*;
use crate::oauth::{ExpiryShape, ExpiryUnit};

/// Parses a token response with these additional members, and returns its lifetime or the error.
fn lifetime(members: &str) -> Result<Option<Lifetime>, TokenError> {
    decode_json(&format!(r#"{{"access_token":"t",{members}}}"#)).map(|token| token.lifetime)
}

fn until(seconds: i64) -> Option<Lifetime> {
    Some(Lifetime::Until(Time::from_seconds(seconds)))
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
        decode(shape, &answer(200, "application/json", body), NOW)
            .map(|token| (token.lifetime, token.own_end))
            .map_err(drop)
    };
    let end = jwt(r#"{"exp":1700000900}"#);
    let own = Some(NOW + Span::from_seconds(900));
    let given = seconds(60);
    assert_eq!(read(&asked, &end, ""), Ok((None, own)));
    assert_eq!(read(&ResponseShape::default(), &end, ""), Ok((None, None)));
    // Both are kept: which one counts is decided when the token is scheduled.
    let both = read(&asked, &end, r#","expires_in":60"#);
    assert_eq!(both, Ok((given, own)));
    assert_eq!(read(&asked, "opaque", ""), Ok((None, None)));
    let over = jwt(r#"{"exp":1600000000}"#);
    assert_eq!(read(&asked, &over, ""), Err(()), "it has expired already");
}

#[test]
fn a_time_in_the_field_for_a_lifetime_is_read_as_one() {
    let token = token(decode_json(
        r#"{"access_token":"t","expires_in":"2027-01-01T00:00:00Z"}"#,
    ));
    let end = Time::parse_rfc3339("2027-01-01T00:00:00Z").unwrap();
    assert_eq!(token.lifetime, Some(Lifetime::Until(end)));
    assert_eq!(token.remarks.len(), 1);
}
