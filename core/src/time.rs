//! Points in time and durations, as plain numbers.
//!
//! Nothing here reads a clock: time is always an argument (the operator has a module `clock` for it).

use std::fmt;
use std::ops::{Add, Sub};

/// A point in time: milliseconds since the Unix epoch, by the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(i64);

/// A duration in milliseconds; may be negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(i64);

/// A point in time on a clock that the processes of one machine share: it counts from the machine's start and is never set.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HostTime {
    /// Which start of which machine.
    pub host: String,
    /// Milliseconds since then.
    pub millis: i64,
}

impl HostTime {
    /// The duration since an earlier point on the same clock; `None` for one of another clock, and for a later one.
    pub fn since(&self, earlier: &HostTime) -> Option<Span> {
        let span = Span(self.millis.saturating_sub(earlier.millis));
        (self.host == earlier.host && span >= Span::ZERO).then_some(span)
    }
}

impl Time {
    /// The latest possible time, which means never.
    pub const NEVER: Time = Time(i64::MAX);

    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Time(millis)
    }

    /// From whole seconds since the Unix epoch; saturates.
    pub const fn from_seconds(seconds: i64) -> Self {
        Time(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the Unix epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The duration from `earlier` to this time; negative if `earlier` is later.
    pub const fn since(self, earlier: Time) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }

    /// RFC 3339 in UTC with whole seconds, rounded down, as in a status.
    pub fn rfc3339(self) -> String {
        jiff::Timestamp::from_second(self.seconds())
            .map_or_else(|_| "out of range".to_owned(), |time| time.to_string())
    }

    /// RFC 3339 in UTC with milliseconds if there are any, as in stored state.
    pub fn rfc3339_millis(self) -> String {
        jiff::Timestamp::from_millisecond(self.0)
            .map_or_else(|_| "out of range".to_owned(), |time| time.to_string())
    }

    /// Parses RFC 3339; `None` for anything else.
    pub fn parse_rfc3339(text: &str) -> Option<Time> {
        text.trim()
            .parse::<jiff::Timestamp>()
            .ok()
            .map(|time| Time(time.as_millisecond()))
    }
}

impl Span {
    /// The empty duration.
    pub const ZERO: Span = Span(0);

    /// From milliseconds.
    pub const fn from_millis(millis: i64) -> Self {
        Span(millis)
    }

    /// From whole seconds; saturates.
    pub const fn from_seconds(seconds: i64) -> Self {
        Span(seconds.saturating_mul(1000))
    }

    /// From seconds with a fraction, rounded to milliseconds; saturates, and NaN is zero.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float-to-integer cast saturates, which is what is wanted"
    )]
    pub fn from_seconds_f64(seconds: f64) -> Self {
        Span((seconds * 1000.0).round() as i64)
    }

    /// Milliseconds.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Seconds with their fraction.
    #[expect(clippy::cast_precision_loss, reason = "2^53 ms are 285,000 years")]
    pub fn seconds_f64(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// As a standard duration; a negative one is zero.
    pub fn to_duration(self) -> std::time::Duration {
        std::time::Duration::from_millis(u64::try_from(self.0).unwrap_or(0))
    }

    /// This duration times `factor`, rounded to milliseconds.
    pub fn scale(self, factor: f64) -> Span {
        Span::from_seconds_f64(self.seconds_f64() * factor)
    }
}

impl Add<Span> for Time {
    type Output = Time;
    fn add(self, span: Span) -> Time {
        Time(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Time {
    type Output = Time;
    fn sub(self, span: Span) -> Time {
        Time(self.0.saturating_sub(span.0))
    }
}

impl Add for Span {
    type Output = Span;
    fn add(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }
}

impl Sub for Span {
    type Output = Span;
    fn sub(self, other: Span) -> Span {
        Span(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

/// For people: `45 s`, `12 min`, `3 h 5 min`, `2 d 4 h`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, total) = if self.0 < 0 {
            ("-", self.0.saturating_neg() / 1000)
        } else {
            ("", self.0 / 1000)
        };
        let (days, hours, minutes, seconds) = (
            total / 86_400,
            total / 3600 % 24,
            total / 60 % 60,
            total % 60,
        );
        f.write_str(sign)?;
        match (days, hours, minutes) {
            (0, 0, 0) => write!(f, "{seconds} s"),
            (0, 0, _) if minutes < 5 && seconds > 0 => write!(f, "{minutes} min {seconds} s"),
            (0, 0, _) => write!(f, "{minutes} min"),
            (0, _, 0) => write!(f, "{hours} h"),
            (0, _, _) => write!(f, "{hours} h {minutes} min"),
            (_, 0, _) => write!(f, "{days} d"),
            (_, _, _) => write!(f, "{days} d {hours} h"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_people_say_them() {
        let text = |seconds| Span::from_seconds(seconds).to_string();
        assert_eq!(text(45), "45 s");
        assert_eq!(text(62), "1 min 2 s");
        assert_eq!(text(720), "12 min");
        assert_eq!(text(11_100), "3 h 5 min");
        assert_eq!(text(187_200), "2 d 4 h");
        assert_eq!(text(-30), "-30 s");
    }

    #[test]
    fn times_survive_being_written_and_read() {
        let time = Time::from_millis(1_700_000_000_123);
        assert_eq!(Time::parse_rfc3339(&time.rfc3339_millis()), Some(time));
        assert_eq!(time.rfc3339(), "2023-11-14T22:13:20Z");
        assert_eq!(Time::parse_rfc3339("tomorrow"), None);
    }
}
