//! Everything that can go wrong at a token endpoint, as data.

use serde::{Deserialize, Serialize};

/// What happens to a request instead of a normal response. A fault that shows a token ([`Fault::shows_token`]) happens
/// after the
/// request was checked and the token issued; every other fault happens before, whatever the request contains.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// Nothing is ever answered; the connection stays open until the client closes it.
    Hang,
    /// The connection is closed without a response.
    Close,
    /// The connection is reset (RST) without a response.
    Reset,
    /// The token is issued, the previous one revoked or the refresh token rotated, and the response is lost: the
    /// connection is closed.
    Lost,
    /// The normal response's head and this many bytes of its body, then silence.
    StallBody {
        /// Bytes of the body that are sent.
        after_bytes: usize,
    },
    /// The normal response's head and this many bytes of its body, then the connection is closed.
    Cut {
        /// Bytes of the body that are sent.
        after_bytes: usize,
    },
    /// The whole normal response, head included, byte by byte.
    Drip {
        /// Speed.
        bytes_per_second: f64,
    },
    /// A body without an end, as fast as the client reads.
    Endless,
    /// A valid JSON document of this length, `content-length` given.
    LargeBody {
        /// Length of the body.
        bytes: u64,
    },
    /// A small body that unpacks to this length (`content-encoding: gzip`).
    GzipBomb {
        /// Length after decompression.
        bytes: u64,
    },
    /// A redirect.
    Redirect {
        /// 301, 302, 303, 307 or 308.
        status: u16,
        /// Where to.
        location: String,
    },
    /// A page of HTML with status 200, as captive portals and login pages send it.
    Html,
    /// JSON at 200 whose token holds bytes that are not UTF-8.
    InvalidUtf8,
    /// A normal response whose token contains this text: CR, LF, NUL, anything.
    TokenWith {
        /// The text.
        text: String,
        /// Where in the token.
        #[serde(default)]
        at: Place,
    },
    /// A normal response with a byte order mark before the document.
    ByteOrderMark,
    /// A normal response in which `access_token` occurs twice with different values.
    DuplicateKeys,
    /// A normal response with an additional field that is nested this deep.
    Nesting {
        /// Levels of arrays.
        levels: usize,
    },
    /// A normal response whose token is padded to this length.
    LargeToken {
        /// Length of the token.
        bytes: usize,
    },
    /// A normal response without the token.
    WithoutToken,
    /// A status without an OAuth error: 404, 429, 500, 502, 503.
    Status {
        /// The status.
        status: u16,
        /// The `retry-after` header, any text.
        #[serde(default)]
        retry_after: Option<String>,
    },
    /// An OAuth error (RFC 6749 section 5.2), on request with status 200.
    Error {
        /// The status.
        status: u16,
        /// `error`.
        code: String,
        /// `error_description` in front of what `echo` adds.
        #[serde(default)]
        description: Option<String>,
        /// The description repeats the request's credentials and its whole body, as careless servers do.
        #[serde(default)]
        echo: bool,
        /// The `retry-after` header, any text.
        #[serde(default)]
        retry_after: Option<String>,
    },
    /// `{"ok": false, "error": CODE}` with status 200, as Slack responds.
    NotOk {
        /// `error`.
        code: String,
    },
    /// These bytes as body; `{{token}}` in it is replaced by a token that is issued for the request, `{{request}}` by what the
    /// request sent: target, `authorization` and body.
    Answer {
        /// The status.
        status: u16,
        /// `content-type`.
        content_type: String,
        /// The body.
        body: String,
        /// Further headers.
        #[serde(default)]
        headers: Vec<(String, String)>,
    },
}

impl Fault {
    /// An OAuth error with the status that RFC 6749 section 5.2 gives it.
    #[must_use]
    pub fn error(code: &str) -> Fault {
        let status = match code {
            "invalid_client" => 401,
            "server_error" => 500,
            "temporarily_unavailable" => 503,
            _ => 400,
        };
        Fault::Error {
            status,
            code: code.to_owned(),
            description: None,
            echo: false,
            retry_after: None,
        }
    }

    /// A bare status.
    #[must_use]
    pub fn status(status: u16) -> Fault {
        Fault::Status {
            status,
            retry_after: None,
        }
    }

    /// 429 with this `retry-after`.
    #[must_use]
    pub fn throttled(retry_after: &str) -> Fault {
        Fault::Status {
            status: 429,
            retry_after: Some(retry_after.to_owned()),
        }
    }

    /// Whether the request is checked and a token issued before this fault strikes.
    #[must_use]
    pub fn shows_token(&self) -> bool {
        match self {
            Fault::Lost
            | Fault::StallBody { .. }
            | Fault::Cut { .. }
            | Fault::Drip { .. }
            | Fault::TokenWith { .. }
            | Fault::ByteOrderMark
            | Fault::DuplicateKeys
            | Fault::Nesting { .. }
            | Fault::LargeToken { .. }
            | Fault::WithoutToken => true,
            Fault::Answer { body, .. } => body.contains(TOKEN_MARK),
            _ => false,
        }
    }
}

/// What [`Fault::Answer`] replaces by a token.
pub const TOKEN_MARK: &str = "{{token}}";
/// What [`Fault::Answer`] replaces by what was sent.
pub const REQUEST_MARK: &str = "{{request}}";

/// A position in a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// In front.
    Start,
    /// In the middle.
    Middle,
    /// At the end.
    #[default]
    End,
}

/// What happens to new connections, before any request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionFault {
    /// The handshake of TCP succeeds (the kernel does that), then the server says and reads nothing.
    Silent,
    /// Closed as soon as it is accepted.
    Close,
    /// Reset as soon as it is accepted.
    Reset,
    /// The client's first TLS message is read and never answered.
    StallTls,
    /// The TLS handshake is answered with plain text.
    PlainText,
}
