//! Assertions that the operator signs: for client authentication, and as the grant itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The assertion of private_key_jwt (RFC 7523 section 2.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PrivateKeyJwt {
    /// The signature algorithm. Defaults to RS256, ES256, ES384 or EdDSA, depending on the key, or to the one that a JWK names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]))]
    pub algorithm: Option<String>,
    /// The key ID at the provider (kid). Defaults to the kid of a JWK.
    #[serde(default, rename = "keyID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub key_id: Option<String>,
    /// The audience (aud): the provider's issuer identifier, its token URL, or another value that it requires. Defaults to the
    /// choice of audienceFrom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub audience: Option<String>,
    /// The source of the audience: Issuer is provider.issuerURL, TokenURL is the token endpoint, configured or discovered.
    /// Defaults to Issuer if issuerURL is set, else to TokenURL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Issuer", "TokenURL"]))]
    pub audience_from: Option<String>,
    /// The lifetime of an assertion in seconds. Each request gets a new one.
    #[serde(default = "sixty")]
    #[schemars(range(min = 10, max = 300))]
    pub lifetime_seconds: i32,
    /// How many seconds the issue time (iat) of an assertion is backdated, for providers whose clock is behind. The lifetime
    /// counts from there. Keep it small for providers that refuse older assertions, such as Maskinporten.
    #[serde(default = "three")]
    #[schemars(range(min = 0, max = 60))]
    pub backdate_seconds: i32,
    /// The typ of the JWT header. Some providers require client-authentication+jwt.
    #[serde(default = "jwt")]
    #[schemars(length(min = 1, max = 64))]
    pub header_type: String,
    /// The certificate of the key, for providers that know it by its thumbprint or want its chain, such as Entra.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<AssertionCertificate>,
    /// Who asks (iss). The default is the client id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub issuer: Option<String>,
    /// Whom the assertion is about (sub). The default is the client id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub subject: Option<String>,
    /// Further claims. iss, sub, aud, exp, iat, nbf and jti are set by other fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub claims: Vec<Claim>,
    /// The parameter that carries the assertion: client_assertion by RFC 7521, or client_secret for providers that take a
    /// signed JWT as the client secret, such as Apple.
    #[serde(default = "client_assertion")]
    #[schemars(extend("enum" = ["client_assertion", "client_secret"]))]
    pub send_as: String,
    /// Whether client_id is sent with the assertion. Set it to false for providers that refuse it.
    #[serde(default = "yes", rename = "sendClientID")]
    pub send_client_id: bool,
}

/// A certificate that the header of the assertion names by a thumbprint, or holds with its chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssertionCertificate {
    /// Key of the credentials Secret that holds the certificate, in PEM, and after it those of its chain. The first must be the
    /// one of the private key.
    #[serde(default = "tls_crt")]
    #[schemars(length(min = 1, max = 253))]
    pub credentials_key: String,
    /// Which thumbprint is sent: x5t#S256 is SHA-256, x5t is SHA-1. None sends the chain alone.
    #[serde(default = "sha256")]
    #[schemars(extend("enum" = ["x5t#S256", "x5t", "None"]))]
    pub thumbprint: String,
    /// Set to true to send the certificate and its chain (x5c), as Maskinporten and Entra's authentication by subject name and
    /// issuer take it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub send_chain: bool,
}

/// The assertion of client_secret_jwt (OpenID Connect Core section 9).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientSecretJwt {
    /// The signature algorithm. The client secret is the key.
    #[serde(default = "hs256")]
    #[schemars(extend("enum" = ["HS256", "HS384", "HS512"]))]
    pub algorithm: String,
    /// The key ID at the provider (kid), if it requires one.
    #[serde(default, rename = "keyID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub key_id: Option<String>,
    /// The audience (aud): the provider's issuer identifier, its token URL, or another value that it requires. Defaults to the
    /// choice of audienceFrom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub audience: Option<String>,
    /// The source of the audience: Issuer is provider.issuerURL, TokenURL is the token endpoint, configured or discovered.
    /// Defaults to Issuer if issuerURL is set, else to TokenURL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Issuer", "TokenURL"]))]
    pub audience_from: Option<String>,
    /// The lifetime of an assertion in seconds. Each request gets a new one.
    #[serde(default = "sixty")]
    #[schemars(range(min = 10, max = 300))]
    pub lifetime_seconds: i32,
    /// How many seconds the issue time (iat) of an assertion is backdated, for providers whose clock is behind. The lifetime
    /// counts from there. Keep it small for providers that refuse older assertions, such as Maskinporten.
    #[serde(default = "three")]
    #[schemars(range(min = 0, max = 60))]
    pub backdate_seconds: i32,
    /// Whether client_id is sent with the assertion. Set it to false for providers that refuse it.
    #[serde(default = "yes", rename = "sendClientID")]
    pub send_client_id: bool,
}

/// The assertion of the JWT bearer grant (RFC 7523 section 2.1), signed with the private key of the credentials Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JwtBearer {
    /// The signature algorithm. Defaults to RS256, ES256, ES384, EdDSA or HS256, depending on the key, or to the one that a JWK
    /// names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA", "HS256", "HS384", "HS512"]))]
    pub algorithm: Option<String>,
    /// The key ID at the provider (kid). Defaults to the kid of a JWK, or to the private_key_id of a Google service account key.
    #[serde(default, rename = "keyID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub key_id: Option<String>,
    /// The issuer (iss). Defaults to the client_email of a Google service account key, or for any other key to the client id in
    /// the credentials Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub issuer: Option<String>,
    /// The subject (sub), such as the user that a service account acts for. By default, none is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub subject: Option<String>,
    /// The audience (aud). Defaults to the choice of audienceFrom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub audience: Option<String>,
    /// The source of the audience: Issuer is provider.issuerURL, TokenURL is the token endpoint, configured or discovered.
    /// Defaults to Issuer if issuerURL is set, else to TokenURL; with placement AuthorizationHeader no audience is sent by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Issuer", "TokenURL"]))]
    pub audience_from: Option<String>,
    /// The lifetime of an assertion in seconds. Each request gets a new one.
    #[serde(default = "sixty")]
    #[schemars(range(min = 10, max = 3600))]
    pub lifetime_seconds: i32,
    /// How many seconds the issue time (iat) of an assertion is backdated, for providers whose clock is behind. The lifetime
    /// counts from there. Keep it small for providers that refuse older assertions, such as Maskinporten.
    #[serde(default = "three")]
    #[schemars(range(min = 0, max = 60))]
    pub backdate_seconds: i32,
    /// The typ of the JWT header.
    #[serde(default = "jwt")]
    #[schemars(length(min = 1, max = 64))]
    pub header_type: String,
    /// The certificate of the key, for providers that know it by its thumbprint or want its chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<AssertionCertificate>,
    /// Further claims. iss, sub, aud, exp, iat, nbf, jti and scope are set by other fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub claims: Vec<Claim>,
    /// Where the scopes go: Parameter sends them as a parameter, Assertion puts them into the assertion as the claim scope, as
    /// Google and Maskinporten require.
    #[serde(default = "parameter")]
    #[schemars(extend("enum" = ["Parameter", "Assertion"]))]
    pub scope_placement: String,
    /// Where the assertion goes: Parameter sends it as the parameter assertion with its grant_type (RFC 7523). AuthorizationHeader
    /// sends it as a bearer token in the Authorization header and no grant_type, as a GitHub App asks for its tokens.
    #[serde(default = "parameter")]
    #[schemars(extend("enum" = ["Parameter", "AuthorizationHeader"]))]
    pub placement: String,
    /// Whether clientAuthentication.method none sends the client id with the assertion, if the Secret has one. Most providers do
    /// not expect it, because the assertion identifies the client.
    #[serde(default, rename = "sendClientID")]
    pub send_client_id: bool,
}

impl Default for JwtBearer {
    fn default() -> Self {
        JwtBearer {
            algorithm: None,
            key_id: None,
            issuer: None,
            subject: None,
            audience: None,
            audience_from: None,
            lifetime_seconds: sixty(),
            backdate_seconds: three(),
            header_type: jwt(),
            certificate: None,
            claims: Vec::new(),
            scope_placement: parameter(),
            placement: parameter(),
            send_client_id: false,
        }
    }
}

impl Default for PrivateKeyJwt {
    fn default() -> Self {
        PrivateKeyJwt {
            algorithm: None,
            key_id: None,
            audience: None,
            audience_from: None,
            lifetime_seconds: sixty(),
            backdate_seconds: three(),
            header_type: jwt(),
            certificate: None,
            issuer: None,
            subject: None,
            claims: Vec::new(),
            send_as: client_assertion(),
            send_client_id: true,
        }
    }
}

impl Default for ClientSecretJwt {
    fn default() -> Self {
        ClientSecretJwt {
            algorithm: hs256(),
            key_id: None,
            audience: None,
            audience_from: None,
            lifetime_seconds: sixty(),
            backdate_seconds: three(),
            send_client_id: true,
        }
    }
}

/// A claim: exactly one of value, jsonValue and credentialsKey.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// Name of the claim.
    #[schemars(length(min = 1, max = 128))]
    pub name: String,
    /// The value, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub value: Option<String>,
    /// The value as JSON, such as '["a", "b"]' or 'true'.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub json_value: Option<String>,
    /// Key of the credentials Secret that holds the value, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub credentials_key: Option<String>,
}

fn sixty() -> i32 {
    60
}
fn three() -> i32 {
    3
}
fn jwt() -> String {
    "JWT".to_owned()
}
fn yes() -> bool {
    true
}
fn tls_crt() -> String {
    "tls.crt".to_owned()
}
fn client_assertion() -> String {
    "client_assertion".to_owned()
}
fn sha256() -> String {
    "x5t#S256".to_owned()
}
fn hs256() -> String {
    "HS256".to_owned()
}
fn parameter() -> String {
    "Parameter".to_owned()
}
