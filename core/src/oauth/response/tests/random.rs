//! For any input, nothing panics and nothing leaks.

use proptest::prelude::*;

use super::*;
use crate::oauth::{ExpiryShape, ExpiryUnit};

/// Shapes to parse a body with.
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

/// Everything accepted must be fit to publish, and no error may contain a part of the body.
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
        Err(error) => assert!(!format!("{error:?}").contains("cAnArY")),
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
