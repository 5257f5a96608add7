//! When a token expires, in the formats that providers use.
//!
//! A relative lifetime takes precedence over an absolute one, because it does not depend on synchronized clocks. Zero,
//! `null`, an empty string and a missing value mean "not given". Negative or past times, invalid values, and less than
//! a second are errors. Values above [`MAX_LIFETIME`] (such as 1e308, or `i64::MAX` for "never") are reduced to it.

use serde_json::Value;

use super::retry_after::{civil_utc, http_date};
use super::vetted::ResponseFields;
use crate::oauth::{ExpiryShape, ExpiryUnit, Lifetime};
use crate::time::{Span, Time};

/// The maximum lifetime: ten years. Longer ones are reduced to it, with a remark.
pub const MAX_LIFETIME: Span = Span::from_seconds(10 * 365 * 86_400);

/// Larger numbers are milliseconds since the epoch instead of seconds: as seconds they are after the year 17000. The end of the year
/// 9999 in seconds, which means never, is below.
const SURELY_MILLISECONDS: f64 = 5e11;

/// The difference between relative and absolute expiry that causes no remark.
const TOLERANCE: Span = Span::from_seconds(60);

const JUNK: &str = "its token lifetime is neither a number nor a time";
const JUNK_IN: &str = "expires_in in it is neither a number nor a time";
const JUNK_ON: &str = "expires_on or expires_at in it is neither a number nor a time";
const PAST: &str = "its token has already expired";
const CUT: &str = "the token's lifetime in the answer is over ten years and counts as ten years";
const DIFFER: &str = "relative and absolute expiry in the answer differ by more than 60 s; the relative one counts (are the clocks right?)";
const NO_ZONE: &str = "the token's end in the answer has no time zone and counts as UTC";
const MILLIS: &str =
    "the token's end in the answer was read as milliseconds: as seconds it would be millennia away";

const FINER: &str = "the token's end in the answer was read as micro- or nanoseconds: as seconds it would be millennia away";

const DURATION: &str = "expires_in in the response is a duration with a unit and was read as one";

const EPOCH: &str = "expires_in in the response was read as a time in seconds since 1970: as a lifetime it would be over ten years";

const DATE: &str = "expires_in in the response is a time and was read as one";

type Found<T> = Result<Option<T>, &'static str>;

/// Parses `expires_in`, then `expires_on` and `expires_at`.
pub(super) fn usual(
    value: &ResponseFields<'_>,
    received: Time,
    remarks: &mut Vec<&'static str>,
) -> Found<Lifetime> {
    let relative = match value.get("expires_in") {
        None => None,
        Some(found) if !is_given(found) => None,
        Some(Value::String(text)) if is_date(text) => {
            remarks.push(DATE);
            let end = written(text, remarks).map_err(|_| JUNK_IN)?;
            return until(end, received, remarks).map(Some);
        }
        Some(found) => {
            let seconds = match found.as_str().and_then(duration) {
                Some(seconds) => {
                    remarks.push(DURATION);
                    Some(seconds).filter(|seconds| *seconds != 0.0)
                }
                None => {
                    let number = number(found).map_err(|_| JUNK_IN)?;
                    if let Some(end) = number.and_then(|it| epoch_of_near_future(it, received)) {
                        remarks.push(EPOCH);
                        return until(end, received, remarks).map(Some);
                    }
                    number
                }
            };
            seconds
                .map(|seconds| relative(seconds, 1000.0, remarks))
                .transpose()?
        }
    };
    // A second absolute field would add nothing.
    let absolute = ["expires_on", "expires_at"]
        .iter()
        .filter_map(|name| value.get(name))
        .find(|found| is_given(found));
    let Some(absolute) = absolute else {
        return Ok(relative.map(Lifetime::For));
    };
    let end = point(absolute, received, remarks);
    match (relative, end) {
        (Some(span), Ok(end)) => {
            if end.is_some_and(|end| apart(received + span, end) > TOLERANCE) {
                remarks.push(DIFFER);
            }
            Ok(Some(Lifetime::For(span)))
        }
        (Some(span), Err(_)) => {
            remarks
                .push("the absolute expiry in the answer cannot be read; the relative one counts");
            Ok(Some(Lifetime::For(span)))
        }
        (None, end) => end
            .map_err(|problem| if problem == JUNK { JUNK_ON } else { problem })?
            .map(|end| until(end, received, remarks))
            .transpose(),
    }
}

/// Parses the expiry at the configured pointer.
pub(super) fn configured(
    shape: &ExpiryShape,
    value: &ResponseFields<'_>,
    received: Time,
    remarks: &mut Vec<&'static str>,
) -> Found<Lifetime> {
    let Some(found) = value.at(&shape.pointer).filter(|found| is_given(found)) else {
        remarks.push("the response has no value at the pointer of spec.response.expiry");
        return Ok(None);
    };
    let scale = match shape.unit {
        ExpiryUnit::Seconds | ExpiryUnit::EpochSeconds => 1000.0,
        ExpiryUnit::Milliseconds | ExpiryUnit::EpochMilliseconds => 1.0,
        ExpiryUnit::Rfc3339 => {
            let text = found
                .as_str()
                .ok_or("its token lifetime is not a time by RFC 3339")?;
            return until(written(text, remarks)?, received, remarks).map(Some);
        }
    };
    let Some(number) = number(found)? else {
        return Ok(None);
    };
    match shape.unit {
        ExpiryUnit::Seconds | ExpiryUnit::Milliseconds => {
            relative(number, scale, remarks).map(|span| Some(Lifetime::For(span)))
        }
        _ => until(epoch(number, scale)?, received, remarks).map(Some),
    }
}

/// Parses a JWT's `exp`: seconds since the epoch, in any number format.
pub(super) fn of_claim(
    exp: &Value,
    received: Time,
    remarks: &mut Vec<&'static str>,
) -> Result<Time, &'static str> {
    let end = since_1970(exp.as_f64().ok_or(JUNK)?, received, remarks)?;
    near(end, received, remarks)
}

/// Parses `refresh_in`: seconds from sending the request. It is a hint: an invalid value is ignored with a remark.
pub(super) fn refresh_in(found: Option<&Value>, remarks: &mut Vec<&'static str>) -> Option<Span> {
    match number(found?) {
        Ok(None) => None,
        Ok(Some(seconds)) if seconds >= 1.0 => Some(millis(seconds * 1000.0).min(MAX_LIFETIME)),
        _ => {
            remarks.push("refresh_in in the answer is not usable and was left out");
            None
        }
    }
}

/// The time that a number for a lifetime is, where it can be nothing else: as seconds or milliseconds since 1970 it is within ten years
/// from now, and as a lifetime it would be over ten years.
fn epoch_of_near_future(number: f64, received: Time) -> Option<Time> {
    let is_no_lifetime = millis(number * 1000.0) > MAX_LIFETIME;
    let mut scales = [1000.0, 1.0].into_iter().chain(FINE);
    is_no_lifetime
        .then(|| scales.find_map(|scale| near_future(number, scale, received)))
        .flatten()
}

/// How many milliseconds a microsecond and a nanosecond are.
const FINE: [f64; 2] = [1e-3, 1e-6];

/// The time that a number in this scale is, if that is within ten years from now.
fn near_future(number: f64, scale: f64, received: Time) -> Option<Time> {
    let end = Time::from_millis(millis(number * scale).millis());
    (end > received && end <= received + MAX_LIFETIME).then_some(end)
}

/// Whether a text is a date, which some providers write into a field for a lifetime.
fn is_date(text: &str) -> bool {
    let digits = |range: std::ops::Range<usize>| {
        text.trim()
            .get(range)
            .is_some_and(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let is_iso = digits(0..4) && digits(5..7) && text.trim().get(4..5) == Some("-");
    is_iso || (decimal(text.trim()).is_none() && written(text, &mut Vec::new()).is_ok())
}

/// Whether a value is given: `null` and an empty string are not, nor is a date that stands for none.
fn is_given(value: &Value) -> bool {
    let is_none =
        |text: &str| text.is_empty() || NO_DATES.iter().any(|date| text.starts_with(date));
    !value.is_null() && !value.as_str().is_some_and(|text| is_none(text.trim()))
}

/// How the zero of a date is written: by Go, .NET and others without a date, and by those that have 0 seconds since 1970.
const NO_DATES: [&str; 3] = ["0001-01-01", "0000-00-00", "1970-01-01T00:00:00"];

/// A duration with units, in seconds: by ISO 8601 (`PT1H`), of protobuf (`3600s`), and as people write it (`1h`). A day has 24 hours,
/// and months have no length.
fn duration(text: &str) -> Option<f64> {
    let span: jiff::Span = text.trim().parse().ok()?;
    let days = jiff::SpanRelativeTo::days_are_24_hours();
    Some(span.to_duration(days).ok()?.as_secs_f64())
}

/// A number, also as a string; `None` for a missing value and for zero.
fn number(value: &Value) -> Found<f64> {
    let number = match value {
        Value::Null => return Ok(None),
        Value::Number(number) => number.as_f64().ok_or(JUNK)?,
        Value::String(text) if text.trim().is_empty() => return Ok(None),
        Value::String(text) => decimal(text.trim()).ok_or(JUNK)?,
        _ => return Err(JUNK),
    };
    Ok(Some(number).filter(|number| *number != 0.0))
}

/// Digits with an optional sign and fraction; no exponent, no `inf`, no suffix.
fn decimal(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if is_number(whole) && is_number(fraction) {
        text.parse().ok()
    } else {
        None
    }
}

/// A lifetime: rounded down to whole units, positive, at least a second, at most [`MAX_LIFETIME`].
fn relative(
    number: f64,
    scale: f64,
    remarks: &mut Vec<&'static str>,
) -> Result<Span, &'static str> {
    if number < 0.0 {
        return Err("its token lifetime is negative");
    }
    let span = millis(number.floor() * scale);
    if span < Span::from_seconds(1) {
        return Err("its token lifetime is less than a second");
    }
    if span > MAX_LIFETIME {
        remarks.push(CUT);
    }
    Ok(span.min(MAX_LIFETIME))
}

/// A point in time, as a number since the epoch, or as a date.
fn point(value: &Value, received: Time, remarks: &mut Vec<&'static str>) -> Found<Time> {
    let number = match value {
        Value::String(text) if decimal(text.trim()).is_none() => {
            return written(text.trim(), remarks).map(Some);
        }
        other => number(other)?,
    };
    number
        .map(|number| since_1970(number, received, remarks))
        .transpose()
}

/// A number since the epoch, in seconds, or in a smaller unit where it can be nothing else.
fn since_1970(
    number: f64,
    received: Time,
    remarks: &mut Vec<&'static str>,
) -> Result<Time, &'static str> {
    // Times for "never" are above the range of milliseconds and stay seconds, unless they are soon in a smaller unit.
    if (SURELY_MILLISECONDS..SURELY_MILLISECONDS * 1000.0).contains(&number) {
        remarks.push(MILLIS);
        return epoch(number, 1.0);
    }
    let is_larger = number >= SURELY_MILLISECONDS * 1000.0;
    let mut fine = FINE.into_iter().filter(|_| is_larger);
    if let Some(end) = fine.find_map(|scale| near_future(number, scale, received)) {
        remarks.push(FINER);
        return Ok(end);
    }
    epoch(number, 1000.0)
}

fn epoch(number: f64, scale: f64) -> Result<Time, &'static str> {
    if number < 0.0 {
        return Err(PAST);
    }
    Ok(Time::from_millis(millis(number * scale).millis()))
}

/// RFC 3339, or ISO 8601 without a zone.
fn written(text: &str, remarks: &mut Vec<&'static str>) -> Result<Time, &'static str> {
    let text = text.trim();
    if let Some(time) = Time::parse_rfc3339(text) {
        return Ok(time);
    }
    if let Some(time) = http_date(text).or_else(|| of_dotnet(text)) {
        return Ok(time);
    }
    // The maximum date of .NET and SQL means "never"; it exceeds the range of a timestamp.
    if text.starts_with("9999-12-31T") || text == "9999-12-31" {
        return Ok(Time::NEVER);
    }
    if let Some(time) = of_mail(text).or_else(|| of_java(text)) {
        return Ok(time);
    }
    // The name of a zone would be ignored.
    let (civil, has_zone) = match text.strip_suffix(" UTC").or(text.strip_suffix(" GMT")) {
        Some(civil) => (civil, true),
        None if text.contains('[') => return Err(JUNK),
        None => (text, false),
    };
    let civil = civil
        .parse::<jiff::civil::DateTime>()
        .ok()
        .and_then(civil_utc)
        .ok_or(JUNK)?;
    if !has_zone {
        remarks.push(NO_ZONE);
    }
    Ok(civil)
}

/// A date as in mails (RFC 2822): `Thu, 31 Dec 2026 23:59:59 +0000`.
fn of_mail(text: &str) -> Option<Time> {
    let zoned = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(Time::from_millis(zoned.timestamp().as_millisecond()))
}

/// A date as Java and Unix write it: `Thu Dec 31 23:59:59 UTC 2026`.
fn of_java(text: &str) -> Option<Time> {
    let formats = ["%a %b %e %H:%M:%S UTC %Y", "%a %b %e %H:%M:%S GMT %Y"];
    let mut read = formats.iter().filter_map(|format| {
        let read = jiff::fmt::strtime::parse(format, text).ok()?;
        civil_utc(read.to_datetime().ok()?)
    });
    read.next()
}

/// A date as older .NET services write it in JSON: `/Date(1700000000000)/`.
fn of_dotnet(text: &str) -> Option<Time> {
    let millis = text.strip_prefix("/Date(")?.strip_suffix(")/")?;
    let millis = millis.split(['+', '-']).next()?;
    millis.parse().ok().map(Time::from_millis)
}

/// An absolute expiry: in the future, at most [`MAX_LIFETIME`] away.
fn until(
    end: Time,
    received: Time,
    remarks: &mut Vec<&'static str>,
) -> Result<Lifetime, &'static str> {
    near(end, received, remarks).map(Lifetime::Until)
}

fn near(end: Time, received: Time, remarks: &mut Vec<&'static str>) -> Result<Time, &'static str> {
    if end <= received {
        return Err(PAST);
    }
    let furthest = received + MAX_LIFETIME;
    if end > furthest {
        remarks.push(CUT);
    }
    Ok(end.min(furthest))
}

fn apart(one: Time, other: Time) -> Span {
    one.since(other).max(other.since(one))
}

/// Milliseconds, rounded down; saturates.
fn millis(number: f64) -> Span {
    Span::from_seconds_f64(number.floor() / 1000.0)
}
