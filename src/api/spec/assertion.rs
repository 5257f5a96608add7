//! Assertions that the operator signs: as the client's proof of who it is, and as the grant itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the assertion of private_key_jwt is written (RFC 7523 section 2.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PrivateKeyJwt {
    /// How it is signed. Left out it is the usual algorithm of the key: RS256, ES256, ES384 or EdDSA, or the one that a JWK names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]))]
    pub algorithm: Option<String>,
    /// Name of the key at the provider (kid). Left out it is the one that the key itself gives, as a JWK may.
    #[serde(default, rename = "keyID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub key_id: Option<String>,
    /// Whom the assertion is for (aud): the provider's issuer identifier, its token URL, or what else it asks for. Left out it is
    /// what audienceFrom says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub audience: Option<String>,
    /// Whom the assertion is for, without writing it out: Issuer is provider.issuerURL, TokenURL the token endpoint, discovered or
    /// not. Left out it is the issuer where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Issuer", "TokenURL"]))]
    pub audience_from: Option<String>,
    /// How long an assertion is valid, in seconds. Each request gets one of its own.
    #[serde(default = "sixty")]
    #[schemars(range(min = 10, max = 300))]
    pub lifetime_seconds: i32,
    /// How far in the past an assertion says that it was made (iat), in seconds, for providers whose clock is behind. The lifetime
    /// counts from there. Providers that refuse what is older than some seconds, such as Maskinporten, want it small.
    #[serde(default = "three")]
    #[schemars(range(min = 0, max = 60))]
    pub backdate_seconds: i32,
    /// The typ of the header. Some providers ask for client-authentication+jwt.
    #[serde(default = "jwt")]
    #[schemars(length(min = 1, max = 64))]
    pub header_type: String,
    /// The certificate of the key, for providers that know it by its thumbprint, such as Entra.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<AssertionCertificate>,
    /// Whether client_id is sent beside the assertion. Set to false for providers that refuse it.
    #[serde(default = "yes", rename = "sendClientID")]
    pub send_client_id: bool,
}

/// A certificate whose thumbprint the header of the assertion names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssertionCertificate {
    /// Key of the credentials Secret that holds the certificate, in PEM. It must be the one of the private key.
    #[serde(default = "tls_crt")]
    #[schemars(length(min = 1, max = 253))]
    pub credentials_key: String,
    /// Which thumbprint is sent: x5t#S256 is SHA-256, x5t is SHA-1.
    #[serde(default = "sha256")]
    #[schemars(extend("enum" = ["x5t#S256", "x5t"]))]
    pub thumbprint: String,
}

/// How the assertion of client_secret_jwt is written (OpenID Connect Core section 9).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientSecretJwt {
    /// How it is signed, with the client secret as the key.
    #[serde(default = "hs256")]
    #[schemars(extend("enum" = ["HS256", "HS384", "HS512"]))]
    pub algorithm: String,
    /// Name of the key at the provider (kid), where it wants one.
    #[serde(default, rename = "keyID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub key_id: Option<String>,
    /// Whom the assertion is for (aud): the provider's issuer identifier, its token URL, or what else it asks for. Left out it is
    /// what audienceFrom says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub audience: Option<String>,
    /// Whom the assertion is for, without writing it out: Issuer is provider.issuerURL, TokenURL the token endpoint, discovered or
    /// not. Left out it is the issuer where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Issuer", "TokenURL"]))]
    pub audience_from: Option<String>,
    /// How long an assertion is valid, in seconds. Each request gets one of its own.
    #[serde(default = "sixty")]
    #[schemars(range(min = 10, max = 300))]
    pub lifetime_seconds: i32,
    /// How far in the past an assertion says that it was made (iat), in seconds, for providers whose clock is behind. The lifetime
    /// counts from there. Providers that refuse what is older than some seconds, such as Maskinporten, want it small.
    #[serde(default = "three")]
    #[schemars(range(min = 0, max = 60))]
    pub backdate_seconds: i32,
    /// Whether client_id is sent beside the assertion. Set to false for providers that refuse it.
    #[serde(default = "yes", rename = "sendClientID")]
    pub send_client_id: bool,
}

/// The assertion of the JWT bearer grant (RFC 7523 section 2.1), signed with the private key of the credentials Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JwtBearer {
    /// How it is signed. Left out it is the usual algorithm of the key: RS256, ES256, ES384, EdDSA or HS256, or the one that a JWK
    /// names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA", "HS256", "HS384", "HS512"]))]
    pub algorithm: Option<String>,
    /// Name of the key at the provider (kid). Left out it is the one that the key itself gives: a JWK's kid, or the private_key_id
    /// of a Google service account key.
    #[serde(default, rename = "keyID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub key_id: Option<String>,
    /// Who asks (iss). Left out it is the client_email of a Google service account key, for any other key the client id of the
    /// credentials Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub issuer: Option<String>,
    /// For whom (sub), such as the user that a service account acts for. Left out, none is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub subject: Option<String>,
    /// Whom the assertion is for (aud). Left out it is what audienceFrom says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub audience: Option<String>,
    /// Whom the assertion is for, without writing it out: Issuer is provider.issuerURL, TokenURL the token endpoint, discovered or
    /// not. Left out it is the issuer where there is one; with placement AuthorizationHeader none is sent then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Issuer", "TokenURL"]))]
    pub audience_from: Option<String>,
    /// How long an assertion is valid, in seconds. Each request gets one of its own.
    #[serde(default = "sixty")]
    #[schemars(range(min = 10, max = 3600))]
    pub lifetime_seconds: i32,
    /// How far in the past an assertion says that it was made (iat), in seconds, for providers whose clock is behind. The lifetime
    /// counts from there. Providers that refuse what is older than some seconds, such as Maskinporten, want it small.
    #[serde(default = "three")]
    #[schemars(range(min = 0, max = 60))]
    pub backdate_seconds: i32,
    /// The typ of the header.
    #[serde(default = "jwt")]
    #[schemars(length(min = 1, max = 64))]
    pub header_type: String,
    /// Further claims. iss, sub, aud, exp, iat, nbf, jti and scope are set by other fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub claims: Vec<Claim>,
    /// Where the scopes go: Parameter sends them beside the assertion, Assertion puts them into it as the claim scope, as Google
    /// and Maskinporten want it.
    #[serde(default = "parameter")]
    #[schemars(extend("enum" = ["Parameter", "Assertion"]))]
    pub scope_placement: String,
    /// Where the assertion goes: Parameter sends it as the parameter assertion with its grant_type (RFC 7523). AuthorizationHeader
    /// sends it as a bearer token in the Authorization header and no grant_type, as a GitHub App asks for its tokens.
    #[serde(default = "parameter")]
    #[schemars(extend("enum" = ["Parameter", "AuthorizationHeader"]))]
    pub placement: String,
    /// Whether clientAuthentication.method none sends the client id beside the assertion, where the Secret has one. Most providers
    /// do not want it, since the assertion says who asks.
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
    /// The value as JSON, for numbers, true and false, lists and objects: '["a", "b"]'.
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
fn sha256() -> String {
    "x5t#S256".to_owned()
}
fn hs256() -> String {
    "HS256".to_owned()
}
fn parameter() -> String {
    "Parameter".to_owned()
}
