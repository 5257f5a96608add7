//! Where the values are in a successful response (RFC 6749 section 5.1, and providers that deviate from it).

use super::error_code::ErrorMeaning;

/// The member of the document that holds the headers which a resource reads, by their names in lower case.
pub(super) const HEADERS: &str = "headers";

/// The default pointer to the refresh token.
pub(super) const REFRESH_TOKEN: &str = "/refresh_token";

/// Where the values are in a successful response, for providers that deviate from RFC 6749 section 5.1.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ResponseShape {
    /// The token must be bound to a key (RFC 9449 section 5): any other type than `DPoP` is no token that may be used.
    pub dpop: bool,
    /// Headers that are read besides the body, names in lower case; each stands in the document under `/headers`.
    pub headers: Vec<String>,
    /// JSON pointer (RFC 6901) to the access token; `None` is `/access_token`, and `""` the whole body (a bare string).
    pub access_token: Option<String>,
    /// JSON pointer to the token type; `None` is `/token_type`.
    pub token_type: Option<String>,
    /// JSON pointer to the granted scope; `None` is `/scope`.
    pub scope: Option<String>,
    /// JSON pointer to the refresh token; `None` is `/refresh_token`.
    pub refresh_token: Option<String>,
    /// The token type that the response must have, with a grant that requests a type (RFC 8693 section 2.2.1).
    pub issued_type: IssuedType,
    /// Where the lifetime is and its unit; `None` reads `expires_in`, `expires_on`, `expires_at`.
    pub expiry: Option<ExpiryShape>,
    /// Where no lifetime is given, the token's end is the `exp` of the token, if that is a JWT.
    pub jwt_expiry: bool,
    /// What distinguishes success from failure at a status of 2xx; with `None`, `error` and `ok: false` mean failure.
    pub success: Option<SuccessShape>,
    /// JSON pointer to the error code; `None` is `/error`, or another place where providers put it.
    pub error: Option<String>,
    /// What codes of the provider's own mean.
    pub errors: Vec<ErrorShape>,
}

/// What some of the provider's own error codes mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorShape {
    /// JSON pointer to the code; `None` looks where the error code stands.
    pub pointer: Option<String>,
    /// The codes, as text.
    pub values: Vec<String>,
    /// What they mean.
    pub means: ErrorMeaning,
}

/// What a successful answer says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuccessShape {
    /// JSON pointer to a text, number, `true` or `false`.
    pub pointer: String,
    /// The value there, as text.
    pub value: String,
}

/// What an answer must say of the type of the token that was issued.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum IssuedType {
    /// Nothing.
    #[default]
    Unsaid,
    /// Whatever is no refresh token.
    Any,
    /// This one.
    Requested(String),
}

/// Where and how a response specifies the token's expiry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiryShape {
    /// JSON pointer to the value.
    pub pointer: String,
    /// What the value means.
    pub unit: ExpiryUnit,
}

/// The meaning of a number or text that specifies a token's expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpiryUnit {
    /// A lifetime in seconds.
    Seconds,
    /// A lifetime in milliseconds.
    Milliseconds,
    /// A point in time, seconds since the Unix epoch.
    EpochSeconds,
    /// A point in time, milliseconds since the Unix epoch.
    EpochMilliseconds,
    /// A point in time by RFC 3339.
    Rfc3339,
}
