//! A token from a response.

use super::disclosure::SentSecrets;
use super::grammar::{Scope, TokenType};
use crate::secret::Secret;
use crate::time::{Span, Time};

/// A token from a response.
#[derive(Clone, PartialEq)]
pub struct Token {
    /// The access token: not empty, without control characters.
    pub access_token: Secret,
    /// The type; `Bearer` if missing or `bearer` in any case, otherwise unchanged.
    pub token_type: TokenType,
    /// The granted lifetime; `None` if the response had none (or 0).
    pub lifetime: Option<Lifetime>,
    /// When the token expires by its own account (`exp` of a JWT), if the resource has it read.
    pub own_end: Option<Time>,
    /// When the server wants the next request, counted from sending the request (`refresh_in`).
    pub refresh_in: Option<Span>,
    /// The granted scope, if returned (RFC 6749 section 5.1).
    pub scope: Option<Scope>,
    /// The decoded document for templates, without anything that repeats a secret of the request. Secret.
    pub document: Document,
    /// The secrets of the request, for checking rendered output.
    pub sent: SentSecrets,
    /// Whether a value of the response repeated one of them, and was removed.
    pub echoes: bool,
    /// Whether the access token is, or contains, a secret of the request.
    pub repeats: bool,
    /// Accepted deviations, as static sentences for the condition's message.
    pub remarks: Vec<&'static str>,
}

/// How the response expressed the expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Relative: counted from sending the request.
    For(Span),
    /// Absolute: by the server's clock.
    Until(Time),
}

/// A decoded response. It contains the token, so it has no `Debug`.
#[derive(Clone, PartialEq)]
pub struct Document(pub serde_json::Value);
