//! How a person logs in, with `kubectl oauthclient login`.

#![allow(
    rustdoc::bare_urls,
    reason = "these comments are the schema's descriptions too, which are plain text"
)]

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What kubectl oauthclient login asks for and where it listens. Nothing of it is part of a token request, so a change
/// of it asks for no token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Login {
    /// Scopes to ask for at the login besides spec.scopes, such as offline_access, without which many providers return no
    /// refresh token.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 256)), extend("x-kubernetes-list-type" = "set"))]
    pub scopes: Vec<String>,
    /// Further parameters of the authorization request, such as access_type=offline and prompt=consent at Google. resource
    /// and audience of spec.parameters are sent in it too, and need not be repeated here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub parameters: Vec<LoginParameter>,
    /// The redirect URI that is registered with the client, on the loopback of the machine that logs in, such as
    /// http://127.0.0.1:8400/callback. Without a port any free one is taken. Left out it is http://127.0.0.1/callback, for
    /// providers that accept every port there (RFC 8252 section 7.3).
    #[serde(
        default,
        rename = "redirectURI",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(length(min = 1, max = 256))]
    pub redirect_uri: Option<String>,
}

/// A parameter of the authorization request. It shows in the browser, so it is never a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoginParameter {
    /// Its name.
    #[schemars(length(min = 1, max = 128))]
    pub name: String,
    /// Its value.
    #[schemars(length(min = 1, max = 1024))]
    pub value: String,
}
