//! The meaning of a token endpoint's refusal: its code, whether to retry, and the message for people.

use super::Grant;
use crate::time::Span;

pub use super::error_code::{ErrorCode, ErrorMeaning, ProviderCode};

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

impl FailureClass {
    const WORDS: [(FailureClass, &str); 3] = [
        (FailureClass::Transient, "Transient"),
        (FailureClass::Permanent, "Permanent"),
        (FailureClass::NeedsPerson, "NeedsPerson"),
    ];

    /// The word for it in a status.
    pub fn as_str(self) -> &'static str {
        word_of(&Self::WORDS, self)
    }

    /// Reads that word.
    pub fn parse(word: &str) -> Option<FailureClass> {
        value_of(&Self::WORDS, word)
    }
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

impl Reached {
    const WORDS: [(Reached, &str); 6] = [
        (Reached::Never, "Never"),
        (Reached::Answered, "Answered"),
        (Reached::Unclear, "Unclear"),
        (Reached::Refused, "Refused"),
        (Reached::InvalidGrant, "InvalidGrant"),
        (Reached::Unknown, "Unknown"),
    ];

    /// The word for it in a status.
    pub fn as_str(self) -> &'static str {
        word_of(&Self::WORDS, self)
    }

    /// Reads that word.
    pub fn parse(word: &str) -> Option<Reached> {
        value_of(&Self::WORDS, word)
    }
}

fn word_of<T: Copy + PartialEq>(words: &[(T, &'static str)], value: T) -> &'static str {
    words
        .iter()
        .find(|(known, _)| *known == value)
        .map_or("", |(_, word)| word)
}

fn value_of<T: Copy>(words: &[(T, &'static str)], word: &str) -> Option<T> {
    words
        .iter()
        .find(|(_, known)| *known == word)
        .map(|(value, _)| *value)
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
pub enum RefusalSubject {
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
const ABOUT: &[(&str, RefusalSubject)] = &[
    ("InvalidRequest", RefusalSubject::Request),
    ("InvalidScope", RefusalSubject::Request),
    ("InvalidTarget", RefusalSubject::Request),
    ("UnsupportedGrantType", RefusalSubject::Request),
    ("ConsentRequired", RefusalSubject::Request),
    ("ProofRequired", RefusalSubject::Request),
    ("NotFound", RefusalSubject::Request),
    ("Redirected", RefusalSubject::Request),
    ("ProxyRefused", RefusalSubject::Request),
    ("UnusableResponse", RefusalSubject::Request),
    ("UnauthorizedClient", RefusalSubject::Permission),
    ("InvalidClient", RefusalSubject::Client),
    ("Unauthorized", RefusalSubject::Credentials),
    ("InvalidGrant", RefusalSubject::Grant),
    ("Forbidden", RefusalSubject::Unclear),
    ("AccessDenied", RefusalSubject::Unclear),
    ("RequestRefused", RefusalSubject::Unclear),
    ("RateLimited", RefusalSubject::Server),
    ("ServerError", RefusalSubject::Server),
    ("TemporarilyUnavailable", RefusalSubject::Server),
];

impl RefusalSubject {
    /// What a reason is about, from the request itself or from a status; `None` for one that no token endpoint gave.
    pub fn of_reason(reason: &str) -> Option<RefusalSubject> {
        ABOUT
            .iter()
            .find(|(known, _)| *known == reason)
            .map(|(_, about)| *about)
    }

    /// Whether the client secret or key that was sent may not be sent by any resource for a while.
    pub fn refuses_client(self) -> bool {
        matches!(self, RefusalSubject::Client | RefusalSubject::Credentials)
    }

    /// Whether the password or refresh token that was sent may not be sent by any resource, where sending it again does harm
    /// ([`FailureClass::NeedsPerson`]).
    pub fn may_refuse_grant(self) -> bool {
        matches!(
            self,
            RefusalSubject::Grant
                | RefusalSubject::Credentials
                | RefusalSubject::Unclear
                | RefusalSubject::Server
        )
    }

    /// Whether the provider may accept another client secret.
    pub fn may_refuse_client(self) -> bool {
        matches!(
            self,
            RefusalSubject::Client
                | RefusalSubject::Credentials
                | RefusalSubject::Permission
                | RefusalSubject::Unclear
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
        /// The code as the provider writes it, and where.
        provider_code: Option<ProviderCode>,
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
        /// A JSON pointer to a text that may be the access token, where it has none at the expected place.
        elsewhere: Option<&'static str>,
        /// Whether its body is a document that a token endpoint may send, rather than a page of HTML, junk or nothing.
        readable: bool,
        /// The provider's own error code, where the response has one.
        provider_code: Option<ProviderCode>,
    },
}

/// Statuses that are about the request or its address, not about the credential in it.
const OF_THE_REQUEST: [u16; 10] = [404, 405, 406, 407, 410, 411, 413, 414, 415, 421];

impl TokenError {
    /// The consequence of the failure.
    ///
    /// Below 500 the code decides, from 500 on the status does, as for 408, 425 and 429: some gateways and servers that
    /// are
    /// starting send `invalid_grant` with a 503. A password is not sent again after any refusal, because more attempts
    /// lock the
    /// account.
    ///
    /// Where the resource says what a code means, that decides, whatever the status. It never has a refused password sent again.
    pub fn class(&self, grant: &Grant) -> FailureClass {
        let is_password = *grant == Grant::Password;
        let (status, code) = match self {
            // A form that refuses a password sends the browser back to the page with the form, or shows it again.
            TokenError::Redirected { .. } | TokenError::Unusable { .. } if is_password => {
                return FailureClass::NeedsPerson;
            }
            TokenError::Redirected { .. } => return FailureClass::Permanent,
            TokenError::Unusable { .. } => return FailureClass::Transient,
            TokenError::Refused { status, code, .. } => (*status, *code),
        };
        let is_mapped = self.is_mapped();
        if is_not_now(status) && !is_mapped {
            return FailureClass::Transient;
        }
        if is_mapped && code == ErrorCode::InvalidGrant {
            return FailureClass::NeedsPerson;
        }
        if is_password && status != 407 && !is_not_now(status) {
            return FailureClass::NeedsPerson;
        }
        if self.asks_to_wait() {
            return FailureClass::Transient;
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
        let is_mapped = self.is_mapped();
        if status == 504 && !is_mapped {
            return Reached::Unclear;
        }
        let of_the_request = is_not_now(status) || OF_THE_REQUEST.contains(&status);
        if (of_the_request || self.asks_to_wait()) && !is_mapped {
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
            TokenError::Refused { status, code, .. } if self.is_mapped() => {
                reason_of_code(*code, *status)
            }
            TokenError::Refused { status: 429, .. } => "RateLimited",
            TokenError::Refused { .. } if self.asks_to_wait() => "RateLimited",
            TokenError::Refused {
                status: 408 | 425 | 503 | 504,
                ..
            } => "TemporarilyUnavailable",
            TokenError::Refused { status: 500.., .. } => "ServerError",
            TokenError::Refused { status, code, .. } => reason_of_code(*code, *status),
        }
    }

    /// Whether a refusal without a known code names a time for the next request (GitHub: 403 with `Retry-After`): it limits the rate
    /// of requests, and says nothing of what was sent.
    fn asks_to_wait(&self) -> bool {
        matches!(self, TokenError::Refused { status: 400..=499, code: ErrorCode::Unknown, retry_after: Some(wait), .. }
            if *wait > Span::ZERO)
    }

    /// Whether the status allows another request later, and the resource does not say otherwise.
    pub(crate) fn is_not_now(&self) -> bool {
        matches!(self, TokenError::Refused { status, .. } if is_not_now(*status) && !self.is_mapped())
    }

    /// Whether the resource says what the provider's code means.
    pub(crate) fn is_mapped(&self) -> bool {
        matches!(self, TokenError::Refused { provider_code: Some(provider_code), .. } if provider_code.is_mapped)
    }

    /// `Retry-After`, where the answer gave one: no request of this resource before it has passed.
    pub fn retry_after(&self) -> Option<Span> {
        match self {
            TokenError::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The status of a response that reports an error.
    pub fn http_status(&self) -> Option<u16> {
        match self {
            TokenError::Refused { status, .. } | TokenError::Redirected { status } => Some(*status),
            TokenError::Unusable { .. } => None,
        }
    }

    /// The provider's own code.
    pub fn provider_code(&self) -> Option<&ProviderCode> {
        match self {
            TokenError::Refused { provider_code, .. }
            | TokenError::Unusable { provider_code, .. } => provider_code.as_ref(),
            TokenError::Redirected { .. } => None,
        }
    }
}

/// The reason of a code, and of a status that came without a known one.
fn reason_of_code(code: ErrorCode, status: u16) -> &'static str {
    match code {
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
            status if OF_THE_REQUEST.contains(&status) => "InvalidRequest",
            _ => "RequestRefused",
        },
    }
}

/// Statuses that allow another request later, whatever code the response has. No RFC defines those above 599, which some servers
/// use to turn robots away: they refuse no credential.
fn is_not_now(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..)
}

#[cfg(test)]
mod tests;
