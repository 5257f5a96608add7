//! Refresh tokens (RFC 6749 section 6): how one is sent, and what an answer says of the next.

use serde_json::Value;

use super::response::{self, MAX_LIFETIME};
use super::{Client, Document, Grant, HttpAnswer, ResponseShape};
use crate::secret::Secret;
use crate::time::Span;

/// Longest refresh token that is taken, in bytes: it must fit into a Secret beside the answer.
const LONGEST: usize = 128 * 1024;

/// That a resource works with refresh tokens, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refreshing {
    /// Where the first refresh token comes from.
    pub origin: Origin,
    /// Where refresh tokens are sent; `None` is the token endpoint.
    pub url: Option<url::Url>,
}

/// Where the refresh tokens of a family begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// With a refresh token from the credentials Secret or from a login.
    Provided,
    /// With the answer to the password grant (RFC 6749 section 4.3).
    Password,
}

impl Refreshing {
    /// The client as it refreshes: with the grant of RFC 6749 section 6, at the endpoint for it.
    pub fn client(&self, client: &Client) -> Client {
        Client {
            token_url: self.url.as_ref().unwrap_or(&client.token_url).clone(),
            grant: Grant::RefreshToken,
            ..client.clone()
        }
    }
}

/// The default pointer to the refresh token.
pub const POINTER: &str = super::shape::REFRESH_TOKEN;

/// What an answer says of refresh tokens.
#[derive(Default)]
pub struct ReturnedRefreshToken {
    /// The new one; `None` where the old one stays (RFC 6749 section 6).
    pub token: Option<Secret>,
    /// The lifetime of the refresh token, from the sending of the request; `None` if it is unknown or unlimited.
    pub lifetime: Option<Span>,
}

/// Reads the refresh token, and beside it its lifetime from `refresh_expires_in` or `refresh_token_expires_in`: seconds, as
/// number or as text. What cannot be used counts as not given.
pub fn returned(shape: &ResponseShape, document: &Document) -> ReturnedRefreshToken {
    let pointer = shape.refresh_token.as_deref().unwrap_or(POINTER);
    let beside = pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
    let beside = document.0.pointer(beside);
    let text = document.0.pointer(pointer).and_then(Value::as_str);
    ReturnedRefreshToken {
        token: text.filter(usable).map(Secret::from),
        lifetime: ["refresh_expires_in", "refresh_token_expires_in"]
            .iter()
            .find_map(|name| seconds(beside?.get(*name)?)),
    }
}

fn usable(text: &&str) -> bool {
    !text.trim().is_empty() && text.len() <= LONGEST && !text.chars().any(char::is_control)
}

/// What an answer brought that was a success, but whose access token cannot be used: `None` where it brought no refresh token,
/// or is no success that can be read.
pub fn successor(shape: &ResponseShape, answer: &HttpAnswer) -> Option<ReturnedRefreshToken> {
    let document = response::document(shape, answer)?;
    Some(returned(shape, &document)).filter(|returned| returned.token.is_some())
}

/// A span that is more than nothing: some servers write 0 for a refresh token without an end.
fn seconds(value: &Value) -> Option<Span> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    (number.is_finite() && number >= 1.0)
        .then(|| Span::from_seconds_f64(number.floor()).min(MAX_LIFETIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> (Option<String>, Option<i64>) {
        let shape = ResponseShape::default();
        let next = returned(&shape, &Document(serde_json::from_str(json).unwrap()));
        let token = next
            .token
            .map(|token| token.expose().unwrap_or_default().to_owned());
        (token, next.lifetime.map(Span::seconds))
    }

    #[test]
    fn the_next_refresh_token_and_its_life_are_read_as_providers_write_them() {
        let expected = |token: &str, life| (Some(token.to_owned()), life);
        assert_eq!(read(r#"{"refresh_token":"a"}"#), expected("a", None));
        for field in ["refresh_expires_in", "refresh_token_expires_in"] {
            for value in ["1800", "\"1800\"", "1800.9", "\" 1800 \""] {
                let json = format!(r#"{{"refresh_token":"a","{field}":{value}}}"#);
                assert_eq!(read(&json), expected("a", Some(1800)), "{json}");
            }
        }
        let known_first = r#"{"refresh_token_expires_in":7,"refresh_expires_in":9}"#;
        assert_eq!(read(known_first), (None, Some(9)));
    }

    #[test]
    fn what_is_no_refresh_token_and_no_life_counts_as_not_given() {
        for value in ["null", "\"\"", "\" \"", "7", "[\"a\"]", "\"a\\nb\""] {
            let json = format!(r#"{{"refresh_token":{value}}}"#);
            assert_eq!(read(&json), (None, None), "{json}");
        }
        for value in ["0", "\"0\"", "-5", "null", "\"60abc\"", "\"inf\"", "true"] {
            let json = format!(r#"{{"refresh_expires_in":{value}}}"#);
            assert_eq!(read(&json), (None, None), "{json}");
        }
        assert_eq!(
            read(r#"{"refresh_expires_in":1e300}"#).1,
            Some(MAX_LIFETIME.seconds())
        );
        assert_eq!(read(r#""a bare token""#), (None, None));
    }

    #[test]
    fn a_refresh_token_elsewhere_is_found_with_its_life_beside_it() {
        let shape = ResponseShape {
            refresh_token: Some("/data/refresh~1token".into()),
            ..ResponseShape::default()
        };
        let json = r#"{"refresh_token":"no","refresh_expires_in":1,"data":{"refresh/token":"a","refresh_expires_in":60}}"#;
        let next = returned(&shape, &Document(serde_json::from_str(json).unwrap()));
        assert_eq!(next.token.as_ref().and_then(Secret::expose), Some("a"));
        assert_eq!(next.lifetime, Some(Span::from_seconds(60)));
    }

    #[test]
    fn what_came_with_an_access_token_that_cannot_be_used_is_found() {
        let found = |status, body: &str| {
            let answer = HttpAnswer {
                headers: Vec::new(),
                status,
                content_type: Some("application/json".into()),
                retry_after: None,
                body: Secret::from(body),
                sent: Default::default(),
            };
            successor(&ResponseShape::default(), &answer)
                .and_then(|next| Some(next.token?.expose()?.to_owned()))
        };
        let a = Some("a".to_owned());
        for body in [
            r#"{"refresh_token":"a"}"#,
            r#"{"access_token":7,"refresh_token":"a"}"#,
            r#"{"access_token":"x","token_type":{},"refresh_token":"a"}"#,
            r#"{"access_token":"x","expires_in":-1,"refresh_token":"a"}"#,
        ] {
            assert_eq!(found(200, body), a, "{body}");
        }
        // A refusal, an error, and what can be read in two ways bring nothing.
        assert_eq!(found(200, r#"{"error":"x","refresh_token":"a"}"#), None);
        assert_eq!(found(400, r#"{"refresh_token":"a"}"#), None);
        assert_eq!(
            found(200, r#"{"refresh_token":"a","refresh_token":"b"}"#),
            None
        );
        assert_eq!(found(200, "<html>"), None);
        assert_eq!(found(200, r#"{"access_token":7}"#), None);
    }
}
