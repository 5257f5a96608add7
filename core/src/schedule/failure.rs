//! When a failed request is retried, and how soon any request may be sent.

use crate::oauth::error::FailureClass;
use crate::time::{Span, Time};

/// The maximum `Retry-After` that is respected.
const LONGEST_RETRY_AFTER: Span = Span::from_seconds(3600);
/// The minimum pause after the last attempt, even for immediate requests.
const SHORTEST_PAUSE: Span = Span::from_seconds(2);

/// When a failed request is retried; [`Time::NEVER`] if only a change of spec or credentials helps.
///
/// `failures` is the number of failures in a row, including this one (at least 1); `remaining` is the remaining
/// lifetime of the published token, `None` without one; `retry_after` is a minimum of at most 1 h set by the server;
/// `jitter` is in [0,1).
///
/// Transient: `min(cap, 5*2^k) * U[0.5,1]` with `cap = clamp(remaining/8, 10, 300)`, 300 without a valid token.
/// Permanent: a probe after 1 min, growing to 1 h, up to a tenth earlier so that a fleet spreads; one that would come after the
/// published token has expired comes 20 s before.
pub fn retry(
    class: FailureClass,
    failures: u32,
    remaining: Option<Span>,
    retry_after: Option<Span>,
    now: Time,
    jitter: f64,
) -> Time {
    let jitter = jitter.clamp(0.0, 1.0);
    let pause = match class {
        FailureClass::NeedsPerson => return Time::NEVER,
        FailureClass::Permanent => {
            let probe = doubling(60, failures, Span::from_seconds(3600)).scale(1.0 - 0.1 * jitter);
            remaining.map_or(probe, |left| before_the_end(probe, left))
        }
        FailureClass::Transient => doubling(5, failures, cap(remaining)).scale(0.5 + 0.5 * jitter),
    };
    let floor = retry_after.unwrap_or(Span::ZERO).min(LONGEST_RETRY_AFTER);
    now + pause.max(floor)
}

/// How long before a token ends a request is repeated that was refused.
const BEFORE_THE_END: Span = Span::from_seconds(20);

/// The shortest pause after a failure, rounded up.
const SOON: Span = Span::from_seconds(3);

/// A pause that would outlast the published token ends shortly before it does: some providers refuse a refresh as long as the
/// token is young (Exact Online: until 30 s before its end).
pub fn before_the_end(pause: Span, remaining: Span) -> Span {
    let last = remaining - BEFORE_THE_END;
    match last >= SOON && pause > last {
        true => last,
        false => pause,
    }
}

/// The maximum pause after a transient failure.
fn cap(remaining: Option<Span>) -> Span {
    let longest = Span::from_seconds(300);
    match remaining {
        Some(left) if left > Span::ZERO => {
            Span::from_millis(left.millis() / 8).clamp(Span::from_seconds(10), longest)
        }
        _ => longest,
    }
}

/// `first` seconds for the first of `count`, doubled for each further one, at most `longest`.
fn doubling(first: i64, count: u32, longest: Span) -> Span {
    let steps = count.saturating_sub(1).min(32);
    Span::from_seconds(first << steps).min(longest)
}

/// The earliest time for an immediate request (after a change, by annotation, for a repair): 2 s after the last attempt
/// and not before `not_before`, the end of its `Retry-After`. `elsewhere` means that endpoint or client changed, so
/// neither applies.
pub fn earliest(last_attempt: Time, not_before: Time, elsewhere: bool) -> Time {
    if elsewhere {
        last_attempt
    } else {
        (last_attempt + SHORTEST_PAUSE).max(not_before)
    }
}

/// How long after the last repair of an altered or deleted token Secret the next one waits, after `repairs` in a row:
/// 10 s doubling to 1 h. The first one is immediate.
pub fn repair_delay(repairs: u32) -> Span {
    match repairs {
        0 => Span::ZERO,
        _ => doubling(10, repairs, Span::from_seconds(3600)),
    }
}

/// Whether repairs are no longer in a row: none was needed for twice the last delay, and for 10 min.
pub fn repairs_forgotten(repairs: u32, since_last: Span) -> bool {
    let delay = repair_delay(repairs);
    since_last > (delay + delay).max(Span::from_seconds(600))
}
