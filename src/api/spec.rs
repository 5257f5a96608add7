//! The spec of an `OAuthClient`: what a user writes.
//!
//! The comments on the fields are what `kubectl explain` and the reference show, so they say what to write and when.
//! Choices are plain text here, not enums, with their list in the schema: an object stored by another version of the
//! operator must not break the decoding of a whole list. [`super::validate`] turns all of it into typed values.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::OAuthClientStatus;

/// Where a token comes from, how it is asked for, and into which Secret it goes.
#[expect(
    clippy::duplicated_attributes,
    reason = "each printer column has a type of its own"
)]
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "oauthclient.dev",
    version = "v1alpha1",
    kind = "OAuthClient",
    plural = "oauthclients",
    singular = "oauthclient",
    shortname = "oac",
    category = "oauth",
    namespaced,
    status = "OAuthClientStatus",
    derive = "PartialEq",
    doc = "Keeps a valid OAuth 2.0 access token in a Secret: asks the provider for one with the credentials of another Secret, and replaces it before it expires.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        description = "Whether the published token is valid.",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        description = "Why it is ready or not, in one word.",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#
    ),
    printcolumn(
        name = "Expires",
        type_ = "string",
        description = "When the published token ends (UTC).",
        json_path = ".status.token.expirationTime"
    ),
    printcolumn(
        name = "Refresh",
        type_ = "string",
        description = "When the next token is due (UTC).",
        json_path = ".status.token.refreshTime"
    ),
    printcolumn(
        name = "Secret",
        type_ = "string",
        description = "The Secret that holds the token.",
        json_path = ".spec.tokenSecret.name"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct OAuthClientSpec {
    /// The server that issues tokens, and how it is reached.
    pub provider: Provider,
    /// What the token is asked with (the OAuth 2.0 grant).
    #[serde(default)]
    pub grant: Grant,
    /// How the client proves who it is to the token endpoint.
    #[serde(default)]
    pub client_authentication: ClientAuthentication,
    /// The Secret that holds the credentials. It stands in this namespace and must carry the label
    /// oauthclient.dev/credentials: "true", set by whoever owns it.
    pub credentials: Credentials,
    /// Scopes to ask for, each an item of its own. Leave out to take what the provider grants by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 256)), extend("x-kubernetes-list-type" = "set"))]
    pub scopes: Vec<String>,
    /// Further parameters of the token request, such as audience or resource, in the order given. Only resource and
    /// audience may appear more than once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub parameters: Vec<Parameter>,
    /// How the token request is written, for providers that stray from RFC 6749.
    #[serde(default)]
    pub request: Request,
    /// Where the answer holds the token and its lifetime, for providers that stray from RFC 6749. Leave out for all others.
    #[serde(default, skip_serializing_if = "Response::is_default")]
    pub response: Response,
    /// When the token is replaced. The defaults suit most: a quarter of its life before it expires, at least 3 minutes.
    #[serde(default)]
    pub refresh: Refresh,
    /// The Secret that the token is written to. The operator makes it, owns it, and deletes it with this resource.
    pub token_secret: TokenSecret,
    /// Set to true to ask for no more tokens. The one that is published stays until it expires.
    #[serde(default)]
    pub suspend: bool,
}

/// The server that issues tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Provider {
    /// The token endpoint: an https URL such as https://auth.example.com/oauth/token. http is accepted only where the
    /// operator runs with --allow-http.
    #[serde(rename = "tokenURL")]
    #[schemars(length(min = 1, max = 2048))]
    pub token_url: String,
    /// A ConfigMap of this namespace with the certificates of the authorities to trust, besides the system's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<CaBundle>,
    /// How long a token request may take in seconds, from looking up the name to the last byte of the answer.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 60))]
    pub timeout_seconds: i32,
}

fn ten() -> i32 {
    10
}

/// Certificates of authorities, in PEM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CaBundle {
    /// Name of the ConfigMap, in this namespace.
    #[schemars(length(min = 1, max = 253))]
    pub config_map_name: String,
    /// Its key that holds the certificates, in PEM.
    #[serde(default = "ca_crt")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

fn ca_crt() -> String {
    "ca.crt".to_owned()
}

/// The OAuth 2.0 grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// The grant_type: client_credentials, password, or the name of an extension grant, which is sent as it is together
    /// with parameters.
    #[serde(rename = "type", default = "client_credentials")]
    #[schemars(length(min = 1, max = 128))]
    pub type_: String,
}

fn client_credentials() -> String {
    "client_credentials".to_owned()
}

impl Default for Grant {
    fn default() -> Self {
        Grant {
            type_: client_credentials(),
        }
    }
}

/// How the client proves who it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientAuthentication {
    /// client_secret_basic sends client id and secret in the Authorization header, client_secret_post in the body; none
    /// sends the client id alone, where the Secret has one (for credentials in parameters or headers).
    #[serde(default = "client_secret_basic")]
    #[schemars(extend("enum" = ["client_secret_basic", "client_secret_post", "none"]))]
    pub method: String,
    /// Only with method client_secret_basic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_basic: Option<ClientSecretBasic>,
}

fn client_secret_basic() -> String {
    "client_secret_basic".to_owned()
}

impl Default for ClientAuthentication {
    fn default() -> Self {
        ClientAuthentication {
            method: client_secret_basic(),
            client_secret_basic: None,
        }
    }
}

/// What HTTP Basic authentication needs to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientSecretBasic {
    /// FormEncoded encodes client id and secret before base64, as RFC 6749 section 2.3.1 demands. Raw does not: try it when
    /// a provider refuses credentials with special characters that are right.
    #[serde(default = "form_encoded")]
    #[schemars(extend("enum" = ["FormEncoded", "Raw"]))]
    pub encoding: String,
}

fn form_encoded() -> String {
    "FormEncoded".to_owned()
}

/// The Secret that holds the credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// Name of the Secret, in this namespace.
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: String,
    /// Which of its keys hold what, where they are not named as the defaults are.
    #[serde(default)]
    pub keys: CredentialKeys,
}

/// Keys of the credentials Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialKeys {
    /// Key that holds the client id.
    #[serde(rename = "clientID", default = "client_id")]
    #[schemars(length(min = 1, max = 253))]
    pub client_id: String,
    /// Key that holds the client secret.
    #[serde(default = "client_secret")]
    #[schemars(length(min = 1, max = 253))]
    pub client_secret: String,
    /// Key that holds the user name of the password grant.
    #[serde(default = "username")]
    #[schemars(length(min = 1, max = 253))]
    pub username: String,
    /// Key that holds the password of the password grant.
    #[serde(default = "password")]
    #[schemars(length(min = 1, max = 253))]
    pub password: String,
}

fn client_id() -> String {
    "client_id".to_owned()
}
fn client_secret() -> String {
    "client_secret".to_owned()
}
fn username() -> String {
    "username".to_owned()
}
fn password() -> String {
    "password".to_owned()
}

impl Default for CredentialKeys {
    fn default() -> Self {
        CredentialKeys {
            client_id: client_id(),
            client_secret: client_secret(),
            username: username(),
            password: password(),
        }
    }
}

/// A named value: exactly one of value and credentialsKey.
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
    /// Where the lifetime stands and what it counts. Left out, expires_in, expires_on and expires_at are understood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry: Option<Expiry>,
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

/// When the token is replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refresh {
    /// Replace the token this many seconds before it expires, instead of the default rule. Not together with beforePercent.
    /// At most two thirds of the token's life are used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 31_536_000))]
    pub before_seconds: Option<i32>,
    /// Replace the token when this share of its life is left, in percent. Not together with beforeSeconds. At most two thirds
    /// of the token's life are used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 99))]
    pub before_percent: Option<i32>,
    /// The lifetime in seconds to assume where the provider tells none.
    #[serde(default = "assumed")]
    #[schemars(range(min = 10, max = 31_536_000))]
    pub assumed_lifetime_seconds: i32,
    /// What a new token does to the one before: Independent lets both live until their own end, InvalidatesPrevious says that
    /// the old one dies at once, so it is replaced as late as is safe.
    #[serde(default = "independent")]
    #[schemars(extend("enum" = ["Independent", "InvalidatesPrevious"]))]
    pub token_reuse: String,
    /// For providers that hand out one cached token until this many seconds of its life are left: nothing is asked before.
    /// Left out, it is learnt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 20, max = 31_536_000))]
    pub cache_window_seconds: Option<i32>,
}

fn assumed() -> i32 {
    3300
}
fn independent() -> String {
    "Independent".to_owned()
}

impl Default for Refresh {
    fn default() -> Self {
        Refresh {
            before_seconds: None,
            before_percent: None,
            assumed_lifetime_seconds: assumed(),
            token_reuse: independent(),
            cache_window_seconds: None,
        }
    }
}

/// The Secret that the token is written to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenSecret {
    /// Name of the Secret, in this namespace. One that already exists is not touched unless it carries the annotation
    /// oauthclient.dev/adopt with the name of this resource.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Type of the Secret. It cannot be changed later, as that of a Secret cannot. Types of Kubernetes itself are refused,
    /// except kubernetes.io/dockerconfigjson and kubernetes.io/basic-auth.
    #[serde(rename = "type", default = "opaque")]
    #[schemars(length(min = 1, max = 253))]
    pub type_: String,
    /// Labels to put on the Secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "labels_schema")]
    pub labels: BTreeMap<String, String>,
    /// Annotations to put on the Secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "annotations_schema")]
    pub annotations: BTreeMap<String, String>,
    /// Keys of the Secret and templates of what they hold, in place of the keys access_token, token_type, expires_at and scope.
    /// Example: authorization: "{{ token_type }} {{ access_token }}". Variables: access_token, token_type, expires_at, scope,
    /// response (the decoded answer), credentials.client_id, credentials.username. Filters: b64encode, tojson, lower, upper,
    /// trim, default.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "data_schema")]
    pub data: BTreeMap<String, String>,
}

fn opaque() -> String {
    "Opaque".to_owned()
}

fn map_schema(max_properties: u32, max_length: u32) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "maxProperties": max_properties,
        "additionalProperties": {"type": "string", "maxLength": max_length},
    })
}

fn labels_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    map_schema(32, 63)
}

fn annotations_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    map_schema(32, 4096)
}

fn data_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    map_schema(32, 16_384)
}
