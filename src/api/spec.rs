//! The spec of an `OAuthClient`: what a user writes.
//!
//! `kubectl explain` and the reference show the comments on the fields, so they say what to write and when.
//! Choices are plain text here, not enums; the schema lists them. An object stored by another version of the operator must
//! not break the decoding of a whole list. [`super::validate()`] converts the text into typed values.

mod assertion;
mod client;
mod client_certificate;
mod exchange;
mod login;
mod request;
mod restart;
mod revocation;
mod token;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::OAuthClientStatus;

pub use assertion::{AssertionCertificate, Claim, ClientSecretJwt, JwtBearer, PrivateKeyJwt};
pub use client::{
    CaBundle, ClientAuthentication, ClientSecretBasic, CredentialKeys, Credentials, Grant,
    PasswordGrant, Provider,
};
pub use client_certificate::{ClientCertificate, TlsClientAuth};
pub use exchange::{ExchangedToken, ServiceAccountToken, TokenExchange};
pub use login::{Login, LoginParameter};
pub use request::{
    Expiry, Header, Parameter, ProviderError, Request, RequestTime, Response, Success,
};
pub use restart::Restart;
pub use revocation::{PreviousToken, Revocation};
pub use token::{Refresh, TokenSecret};

/// Where a token comes from, how it is requested, and which Secret it is written to.
#[expect(
    clippy::duplicated_attributes,
    reason = "each printer column has its own type"
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
    doc = "Keeps a valid OAuth 2.0 access token in a Secret: requests tokens from the provider with the credentials in another Secret, and refreshes each token before it expires.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        description = "Whether the published token is valid.",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        description = "Why the resource is ready or not, in one word.",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#
    ),
    printcolumn(
        name = "Expires",
        type_ = "string",
        description = "When the published token expires (UTC).",
        json_path = ".status.token.expirationTime"
    ),
    printcolumn(
        name = "Refresh",
        type_ = "string",
        description = "When the next token is due (UTC).",
        json_path = ".status.token.refreshTime"
    ),
    printcolumn(
        name = "Problem",
        type_ = "string",
        description = "Why the last request failed, or what the resource waits for.",
        json_path = r#".status.conditions[?(@.type!="Ready")].reason"#
    ),
    printcolumn(
        name = "Retry",
        type_ = "string",
        description = "When a failed request is repeated (UTC).",
        json_path = ".status.attempt.nextTime"
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
    /// The OAuth 2.0 grant.
    #[serde(default)]
    pub grant: Grant,
    /// How the client authenticates at the token endpoint.
    #[serde(default)]
    pub client_authentication: ClientAuthentication,
    /// The Secret that holds the credentials. It is in this namespace and must have the label
    /// oauthclient.dev/credentials: "true", set by its owner. Required unless no value of the request comes from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,
    /// The scopes to request, one item for each. By default, the provider decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 256)), extend("x-kubernetes-list-type" = "set"))]
    pub scopes: Vec<String>,
    /// Additional parameters of the token request, such as audience or resource, in the given order. Only resource and
    /// audience may appear more than once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub parameters: Vec<Parameter>,
    /// How the token request is written, for providers that deviate from RFC 6749.
    #[serde(default)]
    pub request: Request,
    /// Where the response holds the token and its lifetime, for providers that deviate from RFC 6749.
    #[serde(default, skip_serializing_if = "Response::is_default")]
    pub response: Response,
    /// When the token is refreshed. By default, when a quarter of its lifetime is left, at least 3 minutes before it expires.
    #[serde(default)]
    pub refresh: Refresh,
    /// The Secret that the token is written to. The operator creates it and owns it. It is deleted with this resource.
    pub token_secret: TokenSecret,
    /// When tokens are revoked at the provider. By default, they expire by themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation: Option<Revocation>,
    /// Workloads that are restarted after each new token, because their environment variables or subPath mounts do not follow it.
    /// The operator needs an additional permission (deploy/restart), and each workload must agree with the annotation
    /// oauthclient.dev/restart-by. A mounted Secret needs no restart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub restart: Vec<Restart>,
    /// Settings for kubectl oauthclient login, if the endpoints of provider are not enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<Login>,
    /// Set to {} for tokens that are bound to a key (DPoP, RFC 9449). The operator generates a key pair, proves possession of it in
    /// each request, and publishes the private key with the token (dpop_key, dpop_jwk), because workloads must prove it too. A
    /// key of your own goes into the credentials Secret as dpop_key; it is not published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpop: Option<Dpop>,
    /// Set to true to stop requesting tokens. The published token stays until it expires.
    #[serde(default)]
    pub suspend: bool,
}

/// How tokens are bound to a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("maxProperties" = 0))]
pub struct Dpop {}

impl OAuthClientSpec {
    /// The name of the Secret with the client certificate, if the spec uses one.
    pub fn client_certificate_secret(&self) -> Option<&str> {
        let authentication = &self.client_authentication;
        if matches!(
            authentication.method.as_str(),
            "tls_client_auth" | "self_signed_tls_client_auth"
        ) {
            let own = authentication.tls_client_auth.as_ref();
            let credentials = self.credentials.as_ref();
            return own
                .and_then(|own| own.secret_name.as_deref())
                .or_else(|| credentials.map(|credentials| credentials.secret_name.as_str()));
        }
        let besides = self.provider.client_certificate.as_ref()?;
        Some(&besides.secret_name)
    }
}
