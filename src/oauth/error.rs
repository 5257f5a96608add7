//! What a token endpoint's refusal means: its code, whether to try again, and what to tell people.

mod advice;

use std::fmt;

use super::Grant;
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

/// Every spelling that is known, and what it means. The registered spellings come first; the rest is field use.
const SPELLINGS: &[(&str, ErrorCode)] = &[
    ("invalid_request", ErrorCode::InvalidRequest),
    ("invalid_client", ErrorCode::InvalidClient),
    ("invalid_grant", ErrorCode::InvalidGrant),
    ("unauthorized_client", ErrorCode::UnauthorizedClient),
    ("unsupported_grant_type", ErrorCode::UnsupportedGrantType),
    ("invalid_scope", ErrorCode::InvalidScope),
    ("invalid_target", ErrorCode::InvalidTarget),
    ("access_denied", ErrorCode::AccessDenied),
    ("server_error", ErrorCode::ServerError),
    ("temporarily_unavailable", ErrorCode::TemporarilyUnavailable),
    ("slow_down", ErrorCode::SlowDown),
    // GitHub
    ("incorrect_client_credentials", ErrorCode::InvalidClient),
    // Slack
    ("invalid_client_id", ErrorCode::InvalidClient),
    ("bad_client_secret", ErrorCode::InvalidClient),
    ("ratelimited", ErrorCode::SlowDown),
];

impl ErrorCode {
    /// Reads a code as an answer gave it; whatever is not on the list is [`ErrorCode::Unknown`].
    pub fn parse(text: &str) -> ErrorCode {
        SPELLINGS
            .iter()
            .find(|(spelling, _)| *spelling == text)
            .map_or(ErrorCode::Unknown, |(_, code)| *code)
    }

    /// The registered spelling, or `None` for [`ErrorCode::Unknown`].
    pub fn registered(self) -> Option<&'static str> {
        SPELLINGS
            .iter()
            .find(|(_, code)| *code == self)
            .map(|(spelling, _)| *spelling)
    }
}

/// What a failure asks for: when the next request may be sent, and whether someone must do something first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureClass {
    /// It may pass by itself: try again soon, backing off.
    Transient,
    /// It will not pass by itself, but asking again does no harm: probe seldom, and at once when something changed.
    Permanent,
    /// Asking again does harm (a locked account, a killed token family): stop until spec or credentials change.
    NeedsPerson,
}

/// How far a request that failed came: whether a single-use token may have been used by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// It was certainly never sent, or not read: no token was used.
    Never,
    /// The server answered that it failed.
    Answered,
    /// The server does not take the grant any more.
    InvalidGrant,
    /// Nobody knows: no answer, or one that cannot be read.
    Unknown,
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
    /// The endpoint sent us elsewhere. Credentials do not follow redirects.
    Redirected {
        /// The HTTP status, 300 to 399.
        status: u16,
    },
    /// The endpoint answered with success, but what it sent cannot be published.
    Unusable {
        /// What is wrong with it, in words that hold nothing of the body.
        problem: &'static str,
    },
}

impl TokenError {
    /// What the failure asks for. The grant decides on `invalid_grant`: for a password, another try can lock the account, for a refresh token it can kill the family.
    pub fn class(&self, grant: &Grant) -> FailureClass {
        let TokenError::Refused { status, code, .. } = self else {
            return match self {
                TokenError::Redirected { .. } => FailureClass::Permanent,
                _ => FailureClass::Transient,
            };
        };
        // Told to wait is told to wait, whatever code came along: some gateways send `access_denied` with a 429.
        if matches!(status, 408 | 425 | 429) {
            return FailureClass::Transient;
        }
        match code {
            ErrorCode::InvalidGrant if matches!(grant, Grant::Password | Grant::RefreshToken) => {
                FailureClass::NeedsPerson
            }
            ErrorCode::InvalidGrant
            | ErrorCode::InvalidRequest
            | ErrorCode::InvalidClient
            | ErrorCode::UnauthorizedClient
            | ErrorCode::UnsupportedGrantType
            | ErrorCode::InvalidScope
            | ErrorCode::InvalidTarget
            | ErrorCode::AccessDenied => FailureClass::Permanent,
            ErrorCode::ServerError | ErrorCode::TemporarilyUnavailable | ErrorCode::SlowDown => {
                FailureClass::Transient
            }
            ErrorCode::Unknown => match status {
                401 | 403 | 404 | 407 => FailureClass::Permanent,
                _ => FailureClass::Transient,
            },
        }
    }

    /// How far the request came, as far as single-use tokens are concerned. A gateway that waited in vain for the server
    /// (504) knows no more than we do; a success that cannot be read may have brought the successor.
    pub fn reached(&self) -> Reached {
        match self {
            TokenError::Refused {
                status: 408 | 425 | 429,
                ..
            } => Reached::Answered,
            TokenError::Refused {
                code: ErrorCode::InvalidGrant,
                ..
            } => Reached::InvalidGrant,
            TokenError::Refused { status: 504, .. } | TokenError::Unusable { .. } => {
                Reached::Unknown
            }
            TokenError::Refused { .. } | TokenError::Redirected { .. } => Reached::Answered,
        }
    }

    /// One word for condition, event and metric alike; all of them are in the documented list of reasons.
    pub fn reason(&self) -> &'static str {
        match self {
            TokenError::Redirected { .. } => "Redirected",
            TokenError::Unusable { .. } => "UnusableResponse",
            TokenError::Refused { status, .. } if *status == 429 => "RateLimited",
            TokenError::Refused { status, code, .. } => match code {
                ErrorCode::InvalidRequest => "InvalidRequest",
                ErrorCode::InvalidClient => "InvalidClient",
                ErrorCode::InvalidGrant => "InvalidGrant",
                ErrorCode::UnauthorizedClient => "UnauthorizedClient",
                ErrorCode::UnsupportedGrantType => "UnsupportedGrantType",
                ErrorCode::InvalidScope => "InvalidScope",
                ErrorCode::InvalidTarget => "InvalidTarget",
                ErrorCode::AccessDenied => "AccessDenied",
                ErrorCode::ServerError => "ServerError",
                ErrorCode::TemporarilyUnavailable => "TemporarilyUnavailable",
                ErrorCode::SlowDown => "RateLimited",
                ErrorCode::Unknown => match status {
                    401 => "Unauthorized",
                    403 => "Forbidden",
                    404 => "NotFound",
                    407 => "ProxyRefused",
                    503 => "TemporarilyUnavailable",
                    500..=599 => "ServerError",
                    _ => "RequestRefused",
                },
            },
        }
    }

    /// What happened and the next step, in sentences for a person. Holds nothing of the answer but status and known code.
    pub fn explain(&self) -> String {
        format!("{self}. {}", self.next_step())
    }

    /// `Retry-After`, where the answer gave one: no request of this resource before it has passed.
    pub fn retry_after(&self) -> Option<Span> {
        match self {
            TokenError::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The next step alone.
    fn next_step(&self) -> &'static str {
        match self.reason() {
            "InvalidRequest" => {
                "Compare spec.parameters, spec.request and spec.grant with the provider's documentation: something is missing, repeated or misspelt"
            }
            "InvalidClient" => {
                "Check client id and client secret in the credentials Secret (has the secret expired at the provider?), and whether the provider wants another spec.clientAuthentication.method"
            }
            "InvalidGrant" => {
                "Check user name and password in the credentials Secret, and that the account is neither locked nor expired"
            }
            "UnauthorizedClient" => {
                "Ask the provider to allow this grant for the client, or set another spec.grant.type"
            }
            "UnsupportedGrantType" => {
                "Set another spec.grant.type: the provider's documentation names those it knows"
            }
            "InvalidScope" => {
                "Check spec.scopes, and that the provider has granted them to the client"
            }
            "InvalidTarget" => "Check the parameters resource and audience in spec.parameters",
            "AccessDenied" => {
                "Ask the provider whether the client has access to the scopes, audience or resource it asks for"
            }
            "Unauthorized" => {
                "Check the credentials Secret, and whether the provider wants another spec.clientAuthentication.method"
            }
            "Forbidden" => {
                "Ask the provider whether the client has access to what it asks for, and whether this network may reach it"
            }
            "NotFound" => {
                "Check spec.provider.tokenURL: there is no token endpoint at that address"
            }
            "ProxyRefused" => {
                "Give the operator a proxy address with user name and password (HTTPS_PROXY)"
            }
            "RateLimited" => {
                "The operator waits and tries again by itself; if it goes on, look for others that use the same client"
            }
            "ServerError" | "TemporarilyUnavailable" => {
                "The operator tries again by itself; if it goes on, look at the provider's status page"
            }
            "Redirected" => {
                "Set spec.provider.tokenURL to the address of the token endpoint itself: credentials are never sent on to another one"
            }
            "UnusableResponse" => {
                "Check spec.provider.tokenURL, and set spec.response if the provider puts the token or its lifetime elsewhere"
            }
            _ => {
                "The operator tries again by itself; if it goes on, compare spec with the provider's documentation"
            }
        }
    }
}

/// What happened, without the next step.
impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TokenError::Refused { status, code, .. } => match code.registered() {
                Some(code) => write!(
                    f,
                    "The token endpoint refused the request with {code} (HTTP {status})"
                ),
                None => write!(
                    f,
                    "The token endpoint refused the request with HTTP {status} and no known error code"
                ),
            },
            TokenError::Redirected { status } => {
                write!(
                    f,
                    "The token endpoint answered with a redirect (HTTP {status}), and redirects are not followed"
                )
            }
            TokenError::Unusable { problem } => {
                write!(f, "The token endpoint answered with success, but {problem}")
            }
        }
    }
}

impl std::error::Error for TokenError {}

#[cfg(test)]
mod tests;
