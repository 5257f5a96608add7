//! Device authorization (RFC 8628): the codes, and polling.

use serde_json::Value;
use url::Url;

use crate::oauth::{HttpAnswer, ResponseShape, Token, TokenError, document, response};
use crate::secret::Secret;
use crate::time::{Span, Time};

/// The pause between polls if the response names none (RFC 8628 section 3.2).
const USUAL_INTERVAL: Span = Span::from_seconds(5);
/// How much each `slow_down` increases the pause (RFC 8628 section 3.5).
const SLOWER_BY: Span = Span::from_seconds(5);
/// The maximum pause: what a provider may request, and what pauses grow to while it is unreachable.
const LONGEST_INTERVAL: Span = Span::from_seconds(60);
/// The lifetime of codes if the response names none, and its maximum.
const USUAL_LIFE: Span = Span::from_seconds(600);
const LONGEST_LIFE: Span = Span::from_seconds(3600);

/// The codes of a device authorization.
pub struct DeviceCode {
    /// `device_code`.
    pub code: Secret,
    /// `user_code`, which the person enters.
    pub user_code: String,
    /// `verification_uri`, where the person enters it.
    pub verification_uri: Url,
    /// The URL with the code in it.
    pub verification_uri_complete: Option<Url>,
    /// The lifetime of both codes.
    pub life: Span,
    /// The pause between polls.
    pub interval: Span,
}

/// Parses the response of the device authorization endpoint (RFC 8628 section 3.2).
///
/// # Errors
/// [`TokenError`], without any part of the body.
pub fn decode(answer: &HttpAnswer, received: Time) -> Result<DeviceCode, TokenError> {
    if !(200..=299).contains(&answer.status) {
        return match response::decode(&ResponseShape::default(), answer, received) {
            Err(error) => Err(error),
            Ok(_) => Err(unusable("it is no success")),
        };
    }
    let document = read(answer).map_err(unusable)?;
    if document.get("error").is_some_and(Value::is_string) {
        // A refusal with status 200 is treated as one.
        response::decode(&ResponseShape::default(), answer, received)?;
    }
    device_code(&document, answer).map_err(unusable)
}

fn unusable(problem: &'static str) -> TokenError {
    TokenError::Unusable {
        problem,
        elsewhere: None,
        readable: true,
        provider_code: None,
    }
}

fn read(answer: &HttpAnswer) -> Result<Value, &'static str> {
    let text = document::text(answer.body.expose_bytes())?;
    if text.starts_with('{') {
        document::json(text)
    } else {
        document::form(text)
    }
}

fn device_code(document: &Value, answer: &HttpAnswer) -> Result<DeviceCode, &'static str> {
    let sent = answer.sent.finder();
    let text = |name: &str| {
        document
            .get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty() && !text.chars().any(char::is_control))
            .filter(|text| sent.find(text).is_none())
    };
    // A terminal shows it, so it must not be endless or move the cursor.
    let user_code = text("user_code")
        .filter(|code| code.len() <= 64 && code.chars().all(|c| c.is_ascii_graphic() || c == ' '))
        .ok_or("it holds no user code that could be shown")?;
    // Google's first documents used verification_url.
    let verification_uri = text("verification_uri")
        .or_else(|| text("verification_url"))
        .and_then(page)
        .ok_or("it holds no address where the code could be typed")?;
    let seconds = |name: &str| {
        let value = document.get(name)?;
        let number = value.as_f64().or_else(|| value.as_str()?.parse().ok())?;
        (number.is_finite() && number > 0.0).then(|| Span::from_seconds_f64(number))
    };
    Ok(DeviceCode {
        code: text("device_code").ok_or("it holds no device code")?.into(),
        user_code: user_code.to_owned(),
        verification_uri,
        verification_uri_complete: text("verification_uri_complete").and_then(page),
        life: seconds("expires_in")
            .unwrap_or(USUAL_LIFE)
            .min(LONGEST_LIFE),
        interval: seconds("interval")
            .unwrap_or(USUAL_INTERVAL)
            .max(Span::from_seconds(1))
            .min(LONGEST_INTERVAL),
    })
}

/// A URL for a browser.
fn page(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    (matches!(url.scheme(), "https" | "http") && url.has_host() && text.len() <= 2048)
        .then_some(url)
}

/// The result of one poll (RFC 8628 section 3.5).
pub enum Poll {
    /// Consent was given.
    Granted(Box<Token>),
    /// The person has not decided yet.
    Pending,
    /// The same, and polling is too frequent.
    SlowDown,
    /// The person refused.
    Denied,
    /// The codes have expired.
    Expired,
    /// The provider is temporarily unavailable: poll again, less often.
    Unavailable,
    /// Polling again does not help.
    Failed(TokenError),
}

/// Parses the response to a poll.
pub fn polled(shape: &ResponseShape, answer: &HttpAnswer, received: Time) -> Poll {
    let code = read(answer).ok().and_then(|document| {
        let code = document.get("error")?.as_str()?;
        Some(code.to_owned())
    });
    match code.as_deref() {
        Some("authorization_pending") => return Poll::Pending,
        Some("slow_down") => return Poll::SlowDown,
        Some("access_denied") => return Poll::Denied,
        Some("expired_token") => return Poll::Expired,
        _ => {}
    }
    match response::decode(shape, answer, received) {
        Ok(token) => Poll::Granted(Box::new(token)),
        Err(TokenError::Refused {
            status: 408 | 429 | 500 | 502..=504,
            ..
        }) => Poll::Unavailable,
        Err(error) => Poll::Failed(error),
    }
}

/// The pause between polls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PollInterval {
    interval: Span,
}

impl PollInterval {
    /// The pause that the provider requests.
    pub fn new(interval: Span) -> PollInterval {
        PollInterval { interval }
    }

    /// The pause before the next poll.
    pub fn pause(self) -> Span {
        self.interval
    }

    /// After `slow_down`: five seconds longer, permanently.
    pub fn slower(self) -> PollInterval {
        PollInterval {
            interval: self.interval + SLOWER_BY,
        }
    }

    /// After no response: twice as long (RFC 8628 section 3.5), up to a minute.
    pub fn backed_off(self) -> PollInterval {
        let longest = LONGEST_INTERVAL.max(self.interval);
        PollInterval {
            interval: (self.interval + self.interval).min(longest),
        }
    }
}
