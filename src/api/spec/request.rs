//! How the request is written and the answer read, where a provider strays from the RFC.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A named value: exactly one of value, jsonValue and credentialsKey.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameter {
    /// Name of the parameter. grant_type, scope, client_id and client_secret have fields of their own.
    #[schemars(length(min = 1, max = 128))]
    pub name: String,
    /// The value, in plain sight. For anything secret use credentialsKey.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub value: Option<String>,
    /// The value as JSON, in plain sight: with request.format json for numbers, true and false, lists and objects, as in
    /// '{"contents": "read"}'. With the other formats its text is sent, as RFC 9396 wants of authorization_details.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub json_value: Option<String>,
    /// Key of the credentials Secret that holds the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub credentials_key: Option<String>,
}

/// A header of the token request: exactly one of value and credentialsKey.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// Name of the header. Authorization only with clientAuthentication.method none.
    #[schemars(length(min = 1, max = 128))]
    pub name: String,
    /// The value, in plain sight. For anything secret use credentialsKey.
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
    /// Where the parameters go: form is the form-encoded body of RFC 6749, json a JSON object as body, query the URL.
    #[serde(default = "form")]
    #[schemars(extend("enum" = ["form", "json", "query"]))]
    pub format: String,
    /// The HTTP method. GET only with format query, PUT not with it.
    #[serde(default = "post")]
    #[schemars(extend("enum" = ["POST", "GET", "PUT"]))]
    pub method: String,
    /// Further headers, each name once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub headers: Vec<Header>,
    /// What joins the scopes into one parameter: a space by RFC 6749, a comma at some providers.
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

/// Where the answer holds what is needed, as JSON pointers (RFC 6901).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// JSON pointer to the access token, such as /value/token. Left out it is /access_token; "" means that the whole body is
    /// the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub access_token_pointer: Option<String>,
    /// JSON pointer to the token type. Left out it is /token_type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub token_type_pointer: Option<String>,
    /// JSON pointer to the granted scope. Left out it is /scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub scope_pointer: Option<String>,
    /// JSON pointer to the refresh token, such as /data/refreshToken, for a resource that works with refresh tokens. Left out
    /// it is /refresh_token. How long it lives is read beside it, from refresh_expires_in or refresh_token_expires_in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub refresh_token_pointer: Option<String>,
    /// Where the lifetime stands and what it counts. Left out, expires_in, expires_on and expires_at are understood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry: Option<Expiry>,
    /// Where the answer gives no lifetime, take the end of the access token from its own claim exp, if it is a JWT. Nothing of
    /// the token is verified: the claim only says when to ask for the next one. Left out, and for a token that is no JWT,
    /// refresh.assumedLifetimeSeconds counts.
    #[serde(
        rename = "useJWTExpiry",
        default,
        skip_serializing_if = "std::ops::Not::not"
    )]
    pub use_jwt_expiry: bool,
    /// What a successful answer says of itself, for providers that tell failures with status 200. Left out, an error, or
    /// ok with the value false, is a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success: Option<Success>,
    /// JSON pointer to the error code of a failure, such as /error/code. Left out it is /error. Only codes that are known
    /// (those of RFC 6749 and a few more) are ever shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub error_pointer: Option<String>,
}

/// What tells a successful answer from a failure: the value at a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Success {
    /// JSON pointer to the value, such as /ok.
    #[schemars(length(min = 1, max = 256))]
    pub pointer: String,
    /// The value of a successful answer, as text: "true" stands for true as well as for "true", "0" for 0. Anything else
    /// there, or nothing, is a failure.
    #[schemars(length(min = 1, max = 256))]
    pub value: String,
}

impl Response {
    /// Nothing is said.
    pub(crate) fn is_default(&self) -> bool {
        *self == Response::default()
    }
}

/// Where an answer tells the token's end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Expiry {
    /// JSON pointer to the value, such as /expires_in.
    #[schemars(length(min = 1, max = 256))]
    pub pointer: String,
    /// What the value is: a lifetime (Seconds, Milliseconds), a point in time since 1970 (EpochSeconds, EpochMilliseconds),
    /// or a date as text (RFC3339).
    #[schemars(extend("enum" = ["Seconds", "Milliseconds", "EpochSeconds", "EpochMilliseconds", "RFC3339"]))]
    pub unit: String,
}
