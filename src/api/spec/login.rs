//! Settings of `kubectl oauthclient login`.

#![allow(
    rustdoc::bare_urls,
    reason = "these comments are also the descriptions in the schema, which are plain text"
)]

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of kubectl oauthclient login. They are not part of a token request, so changing them requests no token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Login {
    /// Scopes to request at the login in addition to spec.scopes, such as offline_access. Without it, many providers return no
    /// refresh token.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 256)), extend("x-kubernetes-list-type" = "set"))]
    pub scopes: Vec<String>,
    /// Additional parameters of the authorization request, such as access_type=offline and prompt=consent at Google. resource
    /// and audience in spec.parameters are sent too; do not repeat them here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub parameters: Vec<LoginParameter>,
    /// Whether the provider asks the person again (prompt of OpenID Connect): login, consent, select_account, or several of
    /// them with a space between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["none", "login", "consent", "select_account", "create", "login consent", "consent select_account"]))]
    pub prompt: Option<String>,
    /// Who is to log in (login_hint), such as a mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub login_hint: Option<String>,
    /// How long ago the person may have logged in at the provider, in seconds (max_age). 0 has the person log in now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 31536000))]
    pub max_age_seconds: Option<i32>,
    /// How the person is to be authenticated (acr_values), the preferred value first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 256)), extend("x-kubernetes-list-type" = "atomic"))]
    pub acr_values: Vec<String>,
    /// The redirect URI that is registered with the client, on the loopback interface of your machine, such as
    /// http://127.0.0.1:8400/callback. Without a port, any free port is used. Defaults to http://127.0.0.1/callback, for
    /// providers that accept every port there (RFC 8252 section 7.3).
    #[serde(
        default,
        rename = "redirectURI",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(length(min = 1, max = 256))]
    pub redirect_uri: Option<String>,
}

/// A parameter of the authorization request. The browser shows it, so it must not be a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoginParameter {
    /// Name of the parameter.
    #[schemars(length(min = 1, max = 128))]
    pub name: String,
    /// Value of the parameter.
    #[schemars(length(min = 1, max = 1024))]
    pub value: String,
}
