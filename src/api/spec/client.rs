//! The provider, the grant, the client authentication and the credentials.

#![allow(
    rustdoc::bare_urls,
    reason = "these comments are also the descriptions in the schema, which are plain text"
)]

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::assertion::{ClientSecretJwt, JwtBearer, PrivateKeyJwt};
use super::client_certificate::{ClientCertificate, TlsClientAuth};
use super::exchange::{ServiceAccountToken, TokenExchange};

/// The server that issues tokens: exactly one of tokenURL and issuerURL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Provider {
    /// The token endpoint: an https URL such as https://auth.example.com/oauth/token. http is accepted only if the
    /// operator runs with --allow-http.
    #[serde(rename = "tokenURL", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub token_url: Option<String>,
    /// Instead of tokenURL: the issuer identifier, such as https://auth.example.com/realms/shop. Its discovery document
    /// (RFC 8414, else OpenID Connect) names the endpoints. Write it exactly as the provider does, with or without a slash at
    /// the end: the document's issuer is compared with it character by character.
    #[serde(rename = "issuerURL", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub issuer_url: Option<String>,
    /// The authorization endpoint (RFC 6749 section 3.1), where kubectl oauthclient login sends the browser.
    #[serde(
        default,
        rename = "authorizationURL",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(length(min = 1, max = 2048))]
    pub authorization_url: Option<String>,
    /// The endpoint for pushed authorization requests (RFC 9126), for providers that require them. Defaults to the one in the
    /// discovery document of issuerURL. With it, the parameters of a login do not show in the browser.
    #[serde(
        default,
        rename = "pushedAuthorizationURL",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(length(min = 1, max = 2048))]
    pub pushed_authorization_url: Option<String>,
    /// The device authorization endpoint (RFC 8628 section 3.1), for kubectl oauthclient login --device.
    #[serde(
        default,
        rename = "deviceAuthorizationURL",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(length(min = 1, max = 2048))]
    pub device_authorization_url: Option<String>,
    /// The revocation endpoint (RFC 7009), for spec.revocation. Defaults to the one in the discovery document of issuerURL.
    #[serde(
        default,
        rename = "revocationURL",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(length(min = 1, max = 2048))]
    pub revocation_url: Option<String>,
    /// The endpoint for refresh tokens, if it differs from tokenURL. Only with grant.type refresh_token, or password with
    /// useRefreshToken.
    #[serde(
        rename = "refreshURL",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(length(min = 1, max = 2048))]
    pub refresh_url: Option<String>,
    /// A ConfigMap in this namespace with certificate authorities to trust in addition to those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<CaBundle>,
    /// A client certificate to present in addition to another client authentication. For tls_client_auth and
    /// self_signed_tls_client_auth, use clientAuthentication.tlsClientAuth instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<ClientCertificate>,
    /// The time-out of a token request in seconds, from the DNS look-up to the last byte of the response.
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
    /// The key that holds the certificates, in PEM.
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
    /// The grant_type: client_credentials, password, refresh_token, urn:ietf:params:oauth:grant-type:jwt-bearer,
    /// urn:ietf:params:oauth:grant-type:token-exchange, or the name of an extension grant, which is sent unchanged together
    /// with parameters.
    #[serde(rename = "type", default = "client_credentials")]
    #[schemars(length(min = 1, max = 128))]
    pub type_: String,
    /// Only with type urn:ietf:params:oauth:grant-type:jwt-bearer: the content of the assertion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt_bearer: Option<JwtBearer>,
    /// Only with type urn:ietf:params:oauth:grant-type:token-exchange (RFC 8693): what is exchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_exchange: Option<TokenExchange>,
    /// Only with type password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<PasswordGrant>,
}

/// Settings of the password grant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PasswordGrant {
    /// Set to true to use the refresh token that the provider returns. User name and password are then sent only if no refresh
    /// token works.
    #[serde(default)]
    pub use_refresh_token: bool,
}

fn client_credentials() -> String {
    "client_credentials".to_owned()
}

impl Default for Grant {
    fn default() -> Self {
        Grant {
            type_: client_credentials(),
            jwt_bearer: None,
            token_exchange: None,
            password: None,
        }
    }
}

/// How the client authenticates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientAuthentication {
    /// client_secret_basic sends client id and secret in the Authorization header, client_secret_post in the body; private_key_jwt
    /// and client_secret_jwt send an assertion signed with the private key or the client secret; service_account_token sends a
    /// token of a Kubernetes ServiceAccount as client_assertion, so that no secret is stored; tls_client_auth and
    /// self_signed_tls_client_auth send the client id and authenticate with a client certificate (RFC 8705); none sends only
    /// the client id, if there is one (for credentials in parameters or headers).
    #[serde(default = "client_secret_basic")]
    #[schemars(extend("enum" = ["client_secret_basic", "client_secret_post", "private_key_jwt", "client_secret_jwt", "service_account_token", "none", "tls_client_auth", "self_signed_tls_client_auth"]))]
    pub method: String,
    /// The client id, if no Secret holds one. It overrides the one in the credentials Secret.
    #[serde(rename = "clientID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub client_id: Option<String>,
    /// Set to true for a client whose secret is the empty text, such as cf of Cloud Foundry's UAA: client_secret_basic and
    /// client_secret_post send it so, and no key of the credentials Secret is read for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub empty_client_secret: bool,
    /// Only with method client_secret_basic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_basic: Option<ClientSecretBasic>,
    /// Only with method private_key_jwt: the content of the assertion.
    #[serde(
        default,
        rename = "privateKeyJWT",
        skip_serializing_if = "Option::is_none"
    )]
    pub private_key_jwt: Option<PrivateKeyJwt>,
    /// Only with method client_secret_jwt: the content of the assertion.
    #[serde(
        default,
        rename = "clientSecretJWT",
        skip_serializing_if = "Option::is_none"
    )]
    pub client_secret_jwt: Option<ClientSecretJwt>,
    /// Only with the methods tls_client_auth and self_signed_tls_client_auth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_client_auth: Option<TlsClientAuth>,
    /// Only with method service_account_token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_token: Option<ServiceAccountToken>,
}

fn client_secret_basic() -> String {
    "client_secret_basic".to_owned()
}

impl Default for ClientAuthentication {
    fn default() -> Self {
        ClientAuthentication {
            method: client_secret_basic(),
            client_id: None,
            empty_client_secret: false,
            client_secret_basic: None,
            private_key_jwt: None,
            client_secret_jwt: None,
            tls_client_auth: None,
            service_account_token: None,
        }
    }
}

/// Settings of HTTP Basic authentication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientSecretBasic {
    /// FormEncoded form-encodes client id and secret before base64, as RFC 6749 section 2.3.1 requires. Raw does not: try it if a
    /// provider refuses correct credentials with special characters.
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
    /// The keys of the Secret, if they differ from the defaults.
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
    /// Key that may hold a second client secret, for a rotation without an outage. It is tried once when the provider refuses
    /// the first one. If it is accepted, it is used first from then on.
    #[serde(default = "next_client_secret")]
    #[schemars(length(min = 1, max = 253))]
    pub next_client_secret: String,
    /// Key that holds the user name of the password grant.
    #[serde(default = "username")]
    #[schemars(length(min = 1, max = 253))]
    pub username: String,
    /// Key that holds the password of the password grant.
    #[serde(default = "password")]
    #[schemars(length(min = 1, max = 253))]
    pub password: String,
    /// Key that holds the private key for signing assertions: PEM (PKCS#8, PKCS#1, SEC1), a JWK, or a Google service
    /// account key as downloaded.
    #[serde(default = "private_key")]
    #[schemars(length(min = 1, max = 253))]
    pub private_key: String,
    /// Key that holds the initial refresh token, for grant.type refresh_token. A new value here replaces the current refresh
    /// token. You may remove it once it was used.
    #[serde(default = "refresh_token")]
    #[schemars(length(min = 1, max = 253))]
    pub refresh_token: String,
}

fn client_id() -> String {
    "client_id".to_owned()
}
fn client_secret() -> String {
    "client_secret".to_owned()
}
fn next_client_secret() -> String {
    "next_client_secret".to_owned()
}
fn username() -> String {
    "username".to_owned()
}
fn password() -> String {
    "password".to_owned()
}
fn private_key() -> String {
    "private_key".to_owned()
}
fn refresh_token() -> String {
    "refresh_token".to_owned()
}

impl Default for CredentialKeys {
    fn default() -> Self {
        CredentialKeys {
            client_id: client_id(),
            client_secret: client_secret(),
            next_client_secret: next_client_secret(),
            username: username(),
            password: password(),
            private_key: private_key(),
            refresh_token: refresh_token(),
        }
    }
}
