//! How long a document stays fresh (RFC 9111 sections 4.2 and 5.2.2), within our own limits.

use crate::oauth::response::http_date;
use crate::time::{Span, Time};

/// The minimum, whatever the server says, so that a fleet sends one request, not one per token.
pub const SHORTEST: Span = Span::from_seconds(300);
/// The maximum, so that a moved endpoint is noticed within a day.
pub const LONGEST: Span = Span::from_seconds(24 * 3600);
/// The default if the server does not say.
pub const USUAL: Span = Span::from_seconds(3600);

/// The caching headers of a response, unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caching {
    /// `Cache-Control`, several joined with commas.
    pub cache_control: Option<String>,
    /// `Expires`.
    pub expires: Option<String>,
    /// `Date`.
    pub date: Option<String>,
    /// `Age`.
    pub age: Option<String>,
}

/// How long a response that was received at `received` stays fresh.
pub fn freshness(caching: &Caching, received: Time) -> Span {
    announced(caching, received).map_or(USUAL, |span| span.clamp(SHORTEST, LONGEST))
}

fn announced(caching: &Caching, received: Time) -> Option<Span> {
    let mut lifetime = None;
    for directive in caching.cache_control.iter().flat_map(|all| all.split(',')) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => return Some(Span::ZERO),
            "max-age" => lifetime = lifetime.or(seconds(value)),
            _ => {}
        }
    }
    if let Some(lifetime) = lifetime {
        let age = caching.age.as_deref().and_then(seconds);
        let age = age.unwrap_or(Span::ZERO).min(lifetime);
        return Some(Span::from_millis(
            lifetime.millis().saturating_sub(age.millis()),
        ));
    }
    let expires = caching.expires.as_deref()?;
    // An invalid date means that it has already expired (RFC 9111 section 5.3).
    let Some(expires) = http_date(expires.trim()) else {
        return Some(Span::ZERO);
    };
    let date = caching.date.as_deref().map(str::trim);
    Some(expires.since(date.and_then(http_date).unwrap_or(received)))
}

fn seconds(value: &str) -> Option<Span> {
    let digits = value.trim().trim_matches('"');
    let number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    // A number that overflows is far more than a day.
    number.then(|| Span::from_seconds(digits.parse::<i64>().unwrap_or(LONGEST.seconds())))
}
