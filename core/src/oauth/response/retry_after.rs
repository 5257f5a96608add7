//! `Retry-After` (RFC 9110 section 10.2.3): seconds or an HTTP date.

use jiff::civil::DateTime;
use jiff::fmt::strtime;

use crate::time::{Span, Time};

/// The maximum wait for a `Retry-After`; longer ones are reduced to it.
pub const MAX_RETRY_AFTER: Span = Span::from_seconds(3600);

/// The three forms of an HTTP date (RFC 9110 section 5.6.7); all are UTC.
const DATES: [&str; 3] = [
    "%a, %d %b %Y %H:%M:%S GMT",
    "%A, %d-%b-%y %H:%M:%S GMT",
    "%a %b %e %H:%M:%S %Y",
];

/// How long to wait from `received`: at least zero, at most [`MAX_RETRY_AFTER`]. `None` if the value is neither seconds
/// nor a date: then the default backoff applies. A fraction of a second (which no RFC allows) is rounded up.
pub fn retry_after(value: &str, received: Time) -> Option<Span> {
    let value = value.trim();
    let wait = seconds(value).or_else(|| http_date(value).map(|at| at.since(received)))?;
    Some(wait.clamp(Span::ZERO, MAX_RETRY_AFTER))
}

fn seconds(value: &str) -> Option<Span> {
    let (negative, digits) = value
        .strip_prefix('-')
        .map_or((false, value), |digits| (true, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    if negative {
        return Some(Span::ZERO);
    }
    // A number that overflows is far more than an hour.
    let whole = whole.parse::<i64>().unwrap_or(i64::MAX);
    let more = i64::from(fraction.bytes().any(|byte| byte != b'0'));
    Some(Span::from_seconds(whole.saturating_add(more)))
}

/// A point in time in an HTTP header (RFC 9110 section 5.6.7), in any of the three forms.
pub fn http_date(value: &str) -> Option<Time> {
    let civil = DATES.iter().find_map(|format| {
        strtime::parse(format, value)
            .and_then(|read| read.to_datetime())
            .ok()
    })?;
    civil_utc(civil)
}

/// A date and time without a zone, interpreted as UTC.
pub(super) fn civil_utc(civil: DateTime) -> Option<Time> {
    let zoned = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Time::from_millis(zoned.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT
    const NOW: Time = Time::from_seconds(784_111_777);

    #[test]
    fn seconds_and_dates_are_understood_and_bounded() {
        let table = [
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("0", Some(0)),
            ("1.2", Some(2)),
            ("3.0", Some(3)),
            ("3600", Some(3600)),
            ("3601", Some(3600)),
            ("99999999999999999999999999", Some(3600)),
            ("-5", Some(0)),
            ("Sun, 06 Nov 1994 08:51:37 GMT", Some(120)),
            ("Sunday, 06-Nov-94 08:51:37 GMT", Some(120)),
            ("Sun Nov  6 08:51:37 1994", Some(120)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("Fri, 01 Jan 2038 00:00:00 GMT", Some(3600)),
            ("", None),
            ("soon", None),
            ("12abc", None),
            ("1e3", None),
            ("-", None),
            ("0x10", None),
            ("Sun, 99 Nov 1994 08:51:37 GMT", None),
            ("1994-11-06T08:51:37Z", None),
        ];
        for (value, wait) in table {
            assert_eq!(
                retry_after(value, NOW),
                wait.map(Span::from_seconds),
                "{value:?}"
            );
        }
    }
}
