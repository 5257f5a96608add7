//! When a token expires, and how that is known.
//!
//! Four sources say when a token expires: the response that grants it, the token itself, an earlier response about the same
//! token, and the assumption that is made where nothing says. Only [`End::after`] combines them. It takes no assumed end
//! for a token of which a known one exists, and nothing turns an [`AssumedEnd`] into a [`KnownEnd`].

use crate::oauth::Lifetime;
use crate::time::{Span, Time};

/// How it is known when a token expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The response granted this lifetime.
    Granted,
    /// The token says so itself (`exp` of a JWT).
    Token,
    /// An earlier response about the same token said so.
    Earlier,
}

/// An expiry that the provider has named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownEnd {
    at: Time,
    source: Source,
}

impl KnownEnd {
    /// The expiry of a lifetime that was granted in the response to a request that was sent at `sent`; `None` if the response
    /// grants none, which a lifetime of 0 means too.
    pub fn granted(lifetime: Option<Lifetime>, sent: Time, longest: Span) -> Option<KnownEnd> {
        let at = match lifetime? {
            Lifetime::For(Span::ZERO) => return None,
            Lifetime::For(span) => sent + span.min(longest),
            Lifetime::Until(end) => end.min(sent + longest),
        };
        Some(KnownEnd {
            at,
            source: Source::Granted,
        })
    }

    /// The expiry that the token names itself.
    pub fn of_token(at: Time) -> KnownEnd {
        KnownEnd {
            at,
            source: Source::Token,
        }
    }

    /// The earlier of two: a cached token ends before the lifetime that comes with it does.
    #[must_use]
    pub fn earlier(self, other: KnownEnd) -> KnownEnd {
        if other.at < self.at { other } else { self }
    }

    /// The time.
    pub fn at(self) -> Time {
        self.at
    }

    /// How it is known.
    pub fn source(self) -> Source {
        self.source
    }
}

/// An expiry that is assumed, because nothing names one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssumedEnd(Time);

impl AssumedEnd {
    /// The expiry of an assumed lifetime that starts with a response.
    pub fn of(lifetime: Span, sent: Time) -> AssumedEnd {
        AssumedEnd(sent + lifetime.max(Span::from_seconds(1)))
    }
}

/// When a token expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The provider has named it.
    Known(KnownEnd),
    /// Nobody has.
    Assumed(AssumedEnd),
}

impl End {
    /// The expiry of a token after another response. `before` is what is known of it, if the response contains the published
    /// token again; `named`, what this response names.
    ///
    /// An assumed end stays too while `still_counts`: if it started again with each response, a cached token would be
    /// published after its expiry.
    pub fn after(
        before: Option<End>,
        named: Option<KnownEnd>,
        assumed: AssumedEnd,
        still_counts: impl FnOnce(Time) -> bool,
    ) -> End {
        match (named, before) {
            (Some(named), _) => End::Known(named),
            (None, Some(End::Known(known))) => End::Known(KnownEnd {
                source: Source::Earlier,
                ..known
            }),
            (None, Some(before)) if still_counts(before.at()) => before,
            (None, _) => End::Assumed(assumed),
        }
    }

    /// The expiry that is stored with a published token.
    pub const fn stored(at: Time, is_assumed: bool) -> End {
        match is_assumed {
            true => End::Assumed(AssumedEnd(at)),
            false => End::Known(KnownEnd {
                at,
                source: Source::Earlier,
            }),
        }
    }

    /// The same as it is read again once it is stored.
    #[must_use]
    pub fn as_stored(self) -> End {
        End::stored(self.at(), self.is_assumed())
    }

    /// The time.
    pub fn at(self) -> Time {
        match self {
            End::Known(known) => known.at,
            End::Assumed(AssumedEnd(at)) => at,
        }
    }

    /// Whether nobody has named it.
    pub fn is_assumed(self) -> bool {
        matches!(self, End::Assumed(_))
    }
}
