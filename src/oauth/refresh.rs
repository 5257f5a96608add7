//! Refresh tokens (RFC 6749 section 6): how one is sent, and what an answer says of the next.

use serde_json::Value;

use super::response::MAX_LIFETIME;
use super::{Client, Document, Grant};
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

/// Where a chain of refresh tokens begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// With a refresh token that somebody put into the credentials, or got by a login.
    Given,
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

/// What an answer says of refresh tokens.
#[derive(Default)]
pub struct Next {
    /// The new one; `None` where the old one stays (RFC 6749 section 6).
    pub token: Option<Secret>,
    /// How long the refresh token lives, counted from the sending of the request; `None` where it is not told, or has no end.
    pub lifetime: Option<Span>,
}

/// Reads `refresh_token`, and its lifetime from `refresh_expires_in` or `refresh_token_expires_in`: seconds, as number or
/// as text. What cannot be used counts as not given.
pub fn next(document: &Document) -> Next {
    let text = document.0.get("refresh_token").and_then(Value::as_str);
    let usable = |text: &&str| {
        !text.trim().is_empty() && text.len() <= LONGEST && !text.chars().any(char::is_control)
    };
    Next {
        token: text.filter(usable).map(Secret::from),
        lifetime: ["refresh_expires_in", "refresh_token_expires_in"]
            .iter()
            .find_map(|name| seconds(document.0.get(*name)?)),
    }
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
        let next = next(&Document(serde_json::from_str(json).unwrap()));
        let token = next
            .token
            .map(|token| token.expose().unwrap_or_default().to_owned());
        (token, next.lifetime.map(Span::seconds))
    }

    #[test]
    fn the_next_refresh_token_and_its_life_are_read_as_providers_write_them() {
        let told = |token: &str, life| (Some(token.to_owned()), life);
        assert_eq!(read(r#"{"refresh_token":"a"}"#), told("a", None));
        for field in ["refresh_expires_in", "refresh_token_expires_in"] {
            for value in ["1800", "\"1800\"", "1800.9", "\" 1800 \""] {
                let json = format!(r#"{{"refresh_token":"a","{field}":{value}}}"#);
                assert_eq!(read(&json), told("a", Some(1800)), "{json}");
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
}
