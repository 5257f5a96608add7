//! The meaning of a token endpoint's refusal: its code, whether to retry, and the message for people.

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
    /// A person must consent, log in or choose an account at the provider first (OpenID Connect Core section 3.1.2.6).
    ConsentRequired,
    /// The provider requires a proof of possession (DPoP, RFC 9449), which is not supported.
    ProofRequired,
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
    ("consent_required", ErrorCode::ConsentRequired),
    ("interaction_required", ErrorCode::ConsentRequired),
    ("login_required", ErrorCode::ConsentRequired),
    ("account_selection_required", ErrorCode::ConsentRequired),
    ("use_dpop_nonce", ErrorCode::ProofRequired),
    ("invalid_dpop_proof", ErrorCode::ProofRequired),
    // GitHub
    ("incorrect_client_credentials", ErrorCode::InvalidClient),
    // Slack
    ("invalid_client_id", ErrorCode::InvalidClient),
    ("bad_client_secret", ErrorCode::InvalidClient),
    ("ratelimited", ErrorCode::SlowDown),
    ("invalid_refresh_token", ErrorCode::InvalidGrant),
    ("token_revoked", ErrorCode::InvalidGrant),
    ("token_expired", ErrorCode::InvalidGrant),
    // GitHub
    ("bad_refresh_token", ErrorCode::InvalidGrant),
    // HubSpot
    ("BAD_REFRESH_TOKEN", ErrorCode::InvalidGrant),
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

/// The consequence of a failure: when the next request may be sent, and whether a person must act first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureClass {
    /// It may pass by itself: try again soon, backing off.
    Transient,
    /// It will not pass by itself, but asking again does no harm: probe seldom, and at once when something changed.
    Permanent,
    /// Asking again does harm (a locked account, a killed token family): stop until spec or credentials change.
    NeedsPerson,
}

/// What a failure means for the credential that was sent: whether a single-use token may have been redeemed by the
/// request, and
/// whether it may be sent again.
///
/// | response | variant | why |
/// |---|---|---|
/// | none, connection refused, TLS failed | `Never` | nothing was read |
/// | 408, 425, 429, 500, 502, 503 and other 5xx | `Answered` | the server did not process the request, or failed while
/// it did; it issued no successor |
/// | 504; a page of HTML or other junk at 2xx | `Unclear` | an intermediary responded, and says nothing about the token
/// |
/// | `invalid_client`, `invalid_scope` and similar; 404, 405 and similar | `Answered` | it is about the client, the
/// request or the address |
/// | `invalid_grant` | `InvalidGrant` | the token itself is refused |
/// | any other 4xx; a readable response at 2xx without a token | `Refused` | a refusal in other words than the RFC's |
/// | none after the request was sent | `Unknown` | the token may have been redeemed |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// The request was not sent, or not read: no token was redeemed.
    Never,
    /// The server responded, and the response does not refuse the credential.
    Answered,
    /// An intermediary between client and server responded: the outcome is unknown, but the token was not refused.
    Unclear,
    /// The server refused, without a code that says what: one more request confirms it.
    Refused,
    /// The server refuses the grant itself.
    InvalidGrant,
    /// There was no response: the token may have been redeemed.
    Unknown,
}

/// What a refusal is about, and so whom it concerns beside the resource whose request was refused.
///
/// | about | other resources with the same credentials | the second client secret |
/// |---|---|---|
/// | `Request` | send their own requests | is not tried |
/// | `Permission` | send their own requests | is tried |
/// | `Client` | do not send this client secret | is tried |
/// | `Grant` | do not send this password or refresh token | is not tried |
/// | `Credentials` | do not send this password or refresh token; where the request has none, this client secret | is tried |
/// | `Unclear` | do not send this password or refresh token | is tried |
/// | `Server` | do not send this password | is not tried |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum About {
    /// What this resource requests, or where.
    Request,
    /// What the client may do. Some providers say this of a client secret that they do not know.
    Permission,
    /// Who the client is: its secret, key or certificate.
    Client,
    /// What the token is requested with: a password, a refresh token, an assertion.
    Grant,
    /// One of the two above; the response does not say which.
    Credentials,
    /// The response does not say: it may be any of the above.
    Unclear,
    /// The provider's own state. The provider may have counted a password in such a request as a failed login.
    Server,
}

/// What each reason of a token endpoint's refusal is about.
const ABOUT: &[(&str, About)] = &[
    ("InvalidRequest", About::Request),
    ("InvalidScope", About::Request),
    ("InvalidTarget", About::Request),
    ("UnsupportedGrantType", About::Request),
    ("ConsentRequired", About::Request),
    ("ProofRequired", About::Request),
    ("NotFound", About::Request),
    ("Redirected", About::Request),
    ("ProxyRefused", About::Request),
    ("UnusableResponse", About::Request),
    ("UnauthorizedClient", About::Permission),
    ("InvalidClient", About::Client),
    ("Unauthorized", About::Credentials),
    ("InvalidGrant", About::Grant),
    ("Forbidden", About::Unclear),
    ("AccessDenied", About::Unclear),
    ("RequestRefused", About::Unclear),
    ("RateLimited", About::Server),
    ("ServerError", About::Server),
    ("TemporarilyUnavailable", About::Server),
];

impl About {
    /// What a reason is about, from the request itself or from a status; `None` for one that no token endpoint gave.
    pub fn of_reason(reason: &str) -> Option<About> {
        ABOUT
            .iter()
            .find(|(known, _)| *known == reason)
            .map(|(_, about)| *about)
    }

    /// Whether the client secret or key that was sent may not be sent by any resource for a while.
    pub fn refuses_client(self) -> bool {
        matches!(self, About::Client | About::Credentials)
    }

    /// Whether the password or refresh token that was sent may not be sent by any resource, where sending it again does harm
    /// ([`FailureClass::NeedsPerson`]).
    pub fn may_refuse_grant(self) -> bool {
        matches!(
            self,
            About::Grant | About::Credentials | About::Unclear | About::Server
        )
    }

    /// Whether the provider may accept another client secret.
    pub fn may_refuse_client(self) -> bool {
        matches!(
            self,
            About::Client | About::Credentials | About::Permission | About::Unclear
        )
    }
}

/// Why a token request gave no token.
#[derive(Clone, Debug, PartialEq)]
pub enum TokenError {
    /// The endpoint responded with an error.
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
    /// The endpoint reported success, but its response cannot be published.
    Unusable {
        /// What is wrong with it, in words that hold nothing of the body.
        problem: &'static str,
        /// Whether its body is a document that a token endpoint may send, rather than a page of HTML, junk or nothing.
        readable: bool,
    },
}

/// Statuses that tell of the request or its address, not of the credential in it.
const OF_THE_REQUEST: [u16; 10] = [404, 405, 406, 407, 410, 411, 413, 414, 415, 421];

impl TokenError {
    /// The consequence of the failure.
    ///
    /// Below 500 the code decides, from 500 on the status does, as it does for 408, 425 and 429: some gateways and servers that
    /// are starting up send `invalid_grant` with a 503. A password is not sent again after any refusal, whatever its words: more
    /// tries lock the account.
    pub fn class(&self, grant: &Grant) -> FailureClass {
        let is_password = *grant == Grant::Password;
        let (status, code) = match self {
            TokenError::Redirected { .. } => return FailureClass::Permanent,
            TokenError::Unusable { readable, .. } if is_password && *readable => {
                return FailureClass::NeedsPerson;
            }
            TokenError::Unusable { .. } => return FailureClass::Transient,
            TokenError::Refused { status, code, .. } => (*status, *code),
        };
        if is_not_now(status) {
            return FailureClass::Transient;
        }
        if is_password && status != 407 {
            return FailureClass::NeedsPerson;
        }
        match code {
            ErrorCode::InvalidGrant if *grant == Grant::RefreshToken => FailureClass::NeedsPerson,
            ErrorCode::InvalidGrant
            | ErrorCode::InvalidRequest
            | ErrorCode::InvalidClient
            | ErrorCode::UnauthorizedClient
            | ErrorCode::UnsupportedGrantType
            | ErrorCode::InvalidScope
            | ErrorCode::InvalidTarget
            | ErrorCode::ConsentRequired
            | ErrorCode::ProofRequired
            | ErrorCode::AccessDenied => FailureClass::Permanent,
            ErrorCode::ServerError | ErrorCode::TemporarilyUnavailable | ErrorCode::SlowDown => {
                FailureClass::Transient
            }
            ErrorCode::Unknown => match status {
                401 | 403 | 404 | 405 | 407 => FailureClass::Permanent,
                _ => FailureClass::Transient,
            },
        }
    }

    /// What the failure says of the credential that was sent. `public`: the client does not authenticate, so a 401 is about the
    /// grant.
    pub fn reached(&self, public: bool) -> Reached {
        let (status, code) = match self {
            TokenError::Redirected { .. } => return Reached::Answered,
            TokenError::Unusable { readable: true, .. } => return Reached::Refused,
            TokenError::Unusable { .. } => return Reached::Unclear,
            TokenError::Refused { status, code, .. } => (*status, *code),
        };
        if status == 504 {
            return Reached::Unclear;
        }
        if is_not_now(status) || OF_THE_REQUEST.contains(&status) {
            return Reached::Answered;
        }
        match code {
            ErrorCode::InvalidGrant => Reached::InvalidGrant,
            ErrorCode::Unknown if status == 401 && !public => Reached::Answered,
            ErrorCode::Unknown | ErrorCode::UnauthorizedClient | ErrorCode::AccessDenied => {
                Reached::Refused
            }
            _ => Reached::Answered,
        }
    }

    /// One word for condition, event and metric alike; all of them are in the documented list of reasons.
    pub fn reason(&self) -> &'static str {
        match self {
            TokenError::Redirected { .. } => "Redirected",
            TokenError::Unusable { .. } => "UnusableResponse",
            TokenError::Refused { status: 429, .. } => "RateLimited",
            TokenError::Refused {
                status: 408 | 425 | 503 | 504,
                ..
            } => "TemporarilyUnavailable",
            TokenError::Refused {
                status: 500..=599, ..
            } => "ServerError",
            TokenError::Refused { status, code, .. } => match code {
                ErrorCode::ConsentRequired => "ConsentRequired",
                ErrorCode::ProofRequired => "ProofRequired",
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
                    404 | 405 => "NotFound",
                    407 => "ProxyRefused",
                    410 => "NotFound",
                    status if OF_THE_REQUEST.contains(status) => "InvalidRequest",
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
                "Compare spec.parameters, spec.request and spec.grant with the provider's documentation: a parameter is missing, repeated or misspelt"
            }
            "InvalidClient" => {
                "Check client id and client secret in the credentials Secret, whether the secret has expired at the provider, and whether it requires another spec.clientAuthentication.method"
            }
            "InvalidGrant" => {
                "Check user name and password in the credentials Secret, and that the account is neither locked nor expired"
            }
            "UnauthorizedClient" => {
                "Ask the provider to allow this grant for the client, or set another spec.grant.type"
            }
            "UnsupportedGrantType" => {
                "Set another spec.grant.type, from the provider's documentation"
            }
            "InvalidScope" => {
                "Check spec.scopes, and that the provider has granted them to the client"
            }
            "InvalidTarget" => "Check the parameters resource and audience in spec.parameters",
            "AccessDenied" => {
                "Ask the provider whether the client has access to the requested scopes, audience or resource"
            }
            "Unauthorized" => {
                "Check the credentials Secret, and whether the provider requires another spec.clientAuthentication.method"
            }
            "Forbidden" => {
                "Ask the provider whether the client has access to what it requests, and whether it accepts requests from this network"
            }
            "NotFound" => {
                "Check spec.provider.tokenURL: the URL is not a token endpoint. For an issuer, set spec.provider.issuerURL instead"
            }
            "ProxyRefused" => {
                "Set HTTPS_PROXY of the operator to a URL with user name and password"
            }
            "RateLimited" => {
                "The operator waits and retries. If this lasts, check what else uses the same client"
            }
            "ServerError" | "TemporarilyUnavailable" => {
                "The operator retries. If this lasts, check the provider's status page"
            }
            "ConsentRequired" => {
                "Log in at the provider once and consent for this client, then request a refresh"
            }
            "ProofRequired" => {
                "The provider requires DPoP (RFC 9449), which is not supported: ask it for bearer tokens for this client"
            }
            "Redirected" => "Set spec.provider.tokenURL to the URL of the token endpoint itself",
            "UnusableResponse" => {
                "Check spec.provider.tokenURL, and set spec.response if the provider puts the token or its lifetime elsewhere"
            }
            _ => {
                "The operator retries. If this lasts, compare the spec with the provider's documentation"
            }
        }
    }
}

/// What happened, without the next step.
impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TokenError::Refused { status: 408, .. } => {
                write!(f, "The token endpoint reported a time-out (HTTP 408)")
            }
            TokenError::Refused { status, .. } if is_not_now(*status) => {
                write!(f, "The token endpoint answered with HTTP {status}")
            }
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
            TokenError::Unusable { problem, .. } => {
                write!(f, "The token endpoint answered with success, but {problem}")
            }
        }
    }
}

/// Statuses that ask for another request later, whatever code comes with them.
fn is_not_now(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..=599)
}

impl std::error::Error for TokenError {}

#[cfg(test)]
mod tests;
