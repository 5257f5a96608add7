//! When a token is refreshed: the formulas, and nothing else.
//!
//! Pure: the caller passes `now`, the draw `u` in [0,1) and what is known. Every span is real time, every draw only ever
//! makes a refresh earlier.

use crate::oauth::Lifetime;
use crate::time::{Span, Time};

/// What a resource says about its refreshes.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// How long before expiry a refresh is wanted.
    pub lead: Lead,
    /// The lifetime taken where the server gives none; 3300 s by default.
    pub assumed_lifetime: Span,
    /// What a new token does to the one before.
    pub token_reuse: TokenReuse,
    /// How long before a token's end the server starts to hand out a different one, where known.
    pub cache_window: Option<Span>,
}

/// How long before expiry a refresh is wanted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lead {
    /// The rule of this project.
    Default,
    /// The resource's own, as a span.
    Before(Span),
    /// The resource's own, in percent of the lifetime (1..=99).
    Percent(u8),
}

/// What a new token does to the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TokenReuse {
    /// Both are valid until their own end.
    #[default]
    Independent,
    /// The old one dies at once: refreshed as late as is safe.
    InvalidatesPrevious,
}

/// What is published now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Published {
    /// When the request that gave it was sent.
    pub issued: Time,
    /// When it ends.
    pub expires: Time,
    /// The cache window learnt from the server so far.
    pub learnt_window: Option<Span>,
    /// The server has handed out this very token more than once: it caches.
    pub served_again: bool,
}

/// A successful answer, as far as time goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    /// When the request was sent.
    pub sent: Time,
    /// When the answer was complete.
    pub received: Time,
    /// The lifetime granted.
    pub lifetime: Option<Lifetime>,
    /// When the server asks to be asked again, counted from `sent`.
    pub refresh_in: Option<Span>,
    /// Whether the token is the one already published.
    pub same_token: bool,
}

/// What follows from a successful answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// When the token ends.
    pub expires: Time,
    /// When the next request is due.
    pub refresh: Time,
    /// The cache window known from now on (learnt; not the resource's own).
    pub learnt_window: Option<Span>,
    /// The server has handed out this very token more than once. Kept with the token: only such a token's end tells the
    /// cache window.
    pub served_again: bool,
    /// No lifetime was given: the assumed one counts.
    pub assumed: bool,
    /// The life is shorter than what mounted volumes need (L < 2M).
    pub too_short: bool,
    /// The resource's own lead did not fit and was clamped to this.
    pub clamped_lead: Option<Span>,
}
