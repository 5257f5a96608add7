//! OAuth: error.

use crate::time::Span;

/// An error code of a token endpoint (RFC 6749 section 5.2 and its extensions). Only codes of this list ever reach a
/// status, an event or a log: anything else is [`ErrorCode::Unknown`], since a body may hold secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// RFC 6749 section 5.2.
    InvalidRequest,
    /// RFC 6749 section 5.2.
    InvalidClient,
    /// RFC 6749 section 5.2.
    InvalidGrant,
    /// RFC 6749 section 5.2.
    UnauthorizedClient,
    /// RFC 6749 section 5.2.
    UnsupportedGrantType,
    /// RFC 6749 section 5.2.
    InvalidScope,
    /// RFC 8707 section 2.
    InvalidTarget,
    /// RFC 6749 section 4.1.2.1, met at token endpoints too.
    AccessDenied,
    /// RFC 6749 section 4.1.2.1, met at token endpoints too.
    ServerError,
    /// RFC 6749 section 4.1.2.1, met at token endpoints too.
    TemporarilyUnavailable,
    /// Told to slow down by name (RFC 8628 section 3.5, and field use).
    SlowDown,
    /// Any other code, or none.
    Unknown,
}

/// What a failed request asks of the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureClass {
    /// It may go away by itself: asked again soon, with growing pauses.
    Transient,
    /// Asking again will not help by itself: probed rarely, at once when spec or credentials change.
    Permanent,
    /// Asking again does harm (locks an account, kills a token family): stopped until spec or credentials change.
    NeedsPerson,
}

/// Why a token request gave no token.
#[derive(Clone, Debug, PartialEq)]
pub enum TokenError {
    /// The endpoint answered with an error.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The error code, where one of the known list was given.
        code: ErrorCode,
        /// `Retry-After`, as a span from the time the answer came; floored at 0, at most 1 h.
        retry_after: Option<Span>,
    },
    /// The endpoint answered with success, but what it sent cannot be published.
    Unusable {
        /// What is wrong with it, in words that hold nothing of the body.
        problem: &'static str,
    },
}
