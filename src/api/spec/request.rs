//! How the request is written and the response is read, for providers that deviate from RFC 6749.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A named value: exactly one of value, jsonValue, credentialsKey and time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameter {
    /// Name of the parameter. grant_type, scope, client_id and client_secret have their own fields.
    #[schemars(length(min = 1, max = 128))]
    pub name: String,
    /// The value in plain text. For a secret value, use credentialsKey.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub value: Option<String>,
    /// The value as JSON in plain text, such as '{"contents": "read"}'. With request.format json it is sent as JSON, with the
    /// other formats as text, as RFC 9396 requires for authorization_details.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub json_value: Option<String>,
    /// Key of the credentials Secret that holds the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub credentials_key: Option<String>,
    /// A point in time that is computed for each request, for providers that ask for a date, such as the end of a session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<RequestTime>,
    /// Which part of the request carries it: body, query or header. The default is the place that request.format gives to all
    /// parameters. A value in the query is part of the URL and may be logged by proxies and servers on its way.
    #[serde(default, rename = "in", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["body", "query", "header"]))]
    pub in_: Option<String>,
}

/// A point in time, counted from the sending of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestTime {
    /// How long after the request is sent, in seconds: 2592000 is 30 days. A negative number is a time in the past.
    #[serde(default)]
    #[schemars(range(min = -315360000, max = 315360000))]
    pub after_seconds: i64,
    /// How it is written: RFC3339 is 2026-12-29T12:00:00Z, Date is 2026-12-29 (in UTC), EpochSeconds and EpochMilliseconds
    /// count from 1970.
    #[serde(default = "rfc3339")]
    #[schemars(extend("enum" = ["RFC3339", "Date", "EpochSeconds", "EpochMilliseconds"]))]
    pub format: String,
}

fn rfc3339() -> String {
    "RFC3339".to_owned()
}

/// A header of the token request: exactly one of value and credentialsKey.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// Name of the header. Authorization only with clientAuthentication.method none.
    #[schemars(length(min = 1, max = 128))]
    pub name: String,
    /// The value in plain text. For a secret value, use credentialsKey.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub value: Option<String>,
    /// Key of the credentials Secret that holds the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub credentials_key: Option<String>,
}

/// How the token request is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// Where the parameters go: form is the form-encoded body of RFC 6749, json a JSON object in the body, query the URL.
    #[serde(default = "form")]
    #[schemars(extend("enum" = ["form", "json", "query"]))]
    pub format: String,
    /// The HTTP method. GET only with format query, and with no parameter in the body.
    #[serde(default = "post")]
    #[schemars(extend("enum" = ["POST", "GET", "PUT"]))]
    pub method: String,
    /// Additional headers, each name once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub headers: Vec<Header>,
    /// The separator between scopes: a space in RFC 6749, a comma at some providers.
    #[serde(default = "space")]
    #[schemars(length(min = 1, max = 8))]
    pub scope_separator: String,
}

fn form() -> String {
    "form".to_owned()
}
fn post() -> String {
    "POST".to_owned()
}
fn space() -> String {
    " ".to_owned()
}

impl Default for Request {
    fn default() -> Self {
        Request {
            format: form(),
            method: post(),
            headers: Vec::new(),
            scope_separator: space(),
        }
    }
}

/// Where the response holds its values, as JSON pointers (RFC 6901).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// JSON pointer to the access token, such as /value/token. Defaults to /access_token. "" means that the whole body is the
    /// token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub access_token_pointer: Option<String>,
    /// JSON pointer to the token type. Defaults to /token_type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub token_type_pointer: Option<String>,
    /// JSON pointer to the granted scope. Defaults to /scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub scope_pointer: Option<String>,
    /// JSON pointer to the refresh token, such as /data/refreshToken, for a resource that uses refresh tokens. Defaults to
    /// /refresh_token. Its lifetime is read from refresh_expires_in or refresh_token_expires_in beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub refresh_token_pointer: Option<String>,
    /// Headers of the response to read besides its body, for providers that send a token, or its lifetime, in one. Each
    /// stands in the response as /headers/NAME, with the name in lower case, for the pointers here and for templates:
    /// with X-Subject-Token, accessTokenPointer is /headers/x-subject-token.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(min = 1, max = 64)), extend("x-kubernetes-list-type" = "set"))]
    pub headers: Vec<String>,
    /// Where the lifetime is and what its unit is. Defaults to expires_in, expires_on and expires_at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry: Option<Expiry>,
    /// If the response has no lifetime, take it from the claim exp of the access token, if that is a JWT. The token is not
    /// verified: the claim only determines when the next token is requested. If there is no such claim, refresh.assumedLifetimeSeconds is used.
    #[serde(
        rename = "useJWTExpiry",
        default,
        skip_serializing_if = "std::ops::Not::not"
    )]
    pub use_jwt_expiry: bool,
    /// What identifies a successful response, for providers that report failures with status 200. By default, a response with
    /// error, or with ok: false, is a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success: Option<Success>,
    /// JSON pointer to the error code of a failure: /error by default, or another place that providers use. A code is shown if
    /// it is a word or a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub error_pointer: Option<String>,
    /// The meaning of the provider's own error codes: it determines what the operator does next, whatever the HTTP status. A
    /// response with status 200 and one of these codes is a failure.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub errors: Vec<ProviderError>,
}

/// Some of the provider's own error codes, and their meaning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderError {
    /// JSON pointer to the code, such as /errcode. Defaults to errorPointer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub pointer: Option<String>,
    /// The codes, as text: "40001" matches the number 40001 too.
    #[schemars(length(max = 32), inner(length(min = 1, max = 128)))]
    pub values: Vec<String>,
    /// The meaning of these codes. ReauthorizationRequired: the refresh token (or other grant) is no longer accepted; it is not
    /// sent again until a person acts. InvalidClient, UnauthorizedClient, InvalidRequest, InvalidScope, InvalidTarget,
    /// AccessDenied, ConsentRequired: a person must act; the request is rarely repeated. RateLimited, TemporarilyUnavailable: the
    /// problem is temporary; the request is soon repeated. With grant.type password, only ReauthorizationRequired is allowed.
    #[schemars(extend("enum" = ["ReauthorizationRequired", "InvalidClient", "UnauthorizedClient", "InvalidRequest", "InvalidScope",
        "InvalidTarget", "AccessDenied", "ConsentRequired", "RateLimited", "TemporarilyUnavailable"]))]
    pub means: String,
}

/// The value that distinguishes a successful response from a failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Success {
    /// JSON pointer to the value, such as /ok.
    #[schemars(length(min = 1, max = 256))]
    pub pointer: String,
    /// The value in a successful response, as text: "true" matches true and "true", "0" matches 0 and "0". Any other value, or
    /// none, is a failure.
    #[schemars(length(min = 1, max = 256))]
    pub value: String,
}

impl Response {
    pub(crate) fn is_default(&self) -> bool {
        *self == Response::default()
    }
}

/// Where a response holds the lifetime.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Expiry {
    /// JSON pointer to the value, such as /expires_in.
    #[schemars(length(min = 1, max = 256))]
    pub pointer: String,
    /// The unit of the value: a lifetime (Seconds, Milliseconds), a time since 1970 (EpochSeconds, EpochMilliseconds), or a
    /// timestamp as text (RFC3339).
    #[schemars(extend("enum" = ["Seconds", "Milliseconds", "EpochSeconds", "EpochMilliseconds", "RFC3339"]))]
    pub unit: String,
}
