//! A token as a response gave it.

use super::disclosure::SentSecrets;
use super::grammar::{Scope, TokenType};
use crate::secret::Secret;
use crate::time::{Span, Time};

/// A token as an answer gave it.
#[derive(Clone, PartialEq)]
pub struct Token {
    /// The access token: not empty, no control characters.
    pub access_token: Secret,
    /// The type; `Bearer` where missing or `bearer` in any case, else as sent.
    pub token_type: TokenType,
    /// The lifetime as granted; `None` when the answer gave none (or 0).
    pub lifetime: Option<Lifetime>,
    /// When the server asks to be asked again, counted from the sending of the request (`refresh_in`).
    pub refresh_in: Option<Span>,
    /// The granted scope, where told (RFC 6749 section 5.1).
    pub scope: Option<Scope>,
    /// The decoded document, for templates: without anything that repeats a secret of the request. Secret.
    pub document: Document,
    /// The secrets of the request, for what is rendered of the document.
    pub sent: SentSecrets,
    /// Whether something of the response repeated one of them, and was left out.
    pub echoes: bool,
    /// What was odd but accepted, as static sentences for the condition's message.
    pub remarks: Vec<&'static str>,
}

impl Lifetime {
    /// Whichever ends first for a response that was received at `received`.
    #[must_use]
    pub fn earlier(self, other: Lifetime, received: Time) -> Lifetime {
        let end = |lifetime| match lifetime {
            Lifetime::For(span) => received + span,
            Lifetime::Until(time) => time,
        };
        if end(other) < end(self) { other } else { self }
    }
}

/// How an answer told the token's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Relative: counted from the sending of the request.
    For(Span),
    /// Absolute: by the server's clock.
    Until(Time),
}

/// A decoded answer. It holds the token, so it has no `Debug`.
#[derive(Clone, PartialEq)]
pub struct Document(pub serde_json::Value);
