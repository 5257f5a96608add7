//! The next step depending on what a client sends, because the provider reports every problem with it as "bad client" or
//! "bad grant".

use super::TokenError;
use crate::oauth::request::required_keys;
use crate::oauth::{Client, ClientAuthentication, Grant};

const PRIVATE_KEY: &str = "Check that the provider has the public key for the private key in the credentials Secret, compare \
     spec.clientAuthentication.privateKeyJWT (keyID, algorithm, audience, certificate) with its documentation, and check the \
     clock of this machine";
const CLIENT_SECRET: &str = "Check client id and client secret in the credentials Secret, compare \
     spec.clientAuthentication.clientSecretJWT (algorithm, audience) with the provider's documentation, and check the clock of \
     this machine";
const GRANT: &str = "Check that the provider has the public key for the private key in the credentials Secret, compare \
     spec.grant.jwtBearer (keyID, algorithm, issuer, subject, audience, lifetimeSeconds, claims) with its documentation, and \
     check the clock of this machine";

const CERTIFICATE: &str = "Check that the client certificate is registered at the provider (its subject, or for \
     self_signed_tls_client_auth the certificate itself), and check the client id and spec.clientAuthentication.method";
const ACCOUNT: &str = "Check that the provider trusts this cluster as an issuer, for the ServiceAccount and the audience in \
     spec.clientAuthentication.serviceAccountToken, and check the client id";
const PUBLIC: &str = "Check the client id. If the provider requires client authentication, set another \
     spec.clientAuthentication.method";
const EXCHANGE: &str = "Check that the provider trusts the issuer of the token in spec.grant.tokenExchange, that it accepts the token's \
     type and audience, and that the token has not expired";
const REFRESH: &str =
    "The refresh token has expired, was revoked, or was used elsewhere: log in again";
const OTHER: &str = "Compare spec.grant and spec.parameters with the provider's documentation: a value in the request may have expired, \
     or belong to another client";

impl TokenError {
    /// Like [`TokenError::explain`], with the next step for what this client sends.
    pub fn explain_to(&self, client: &Client) -> String {
        let of_issuer = || {
            let has_issuer = client.issuer.is_some() && self.said().is_none();
            has_issuer.then(|| of_issuer(self.reason())).flatten()
        };
        match advice(self.reason(), client).or_else(of_issuer) {
            Some(step) => format!("{self}. {step}"),
            None => self.explain(),
        }
    }
}

/// Where the resource names an issuer, whose document names the token endpoint.
fn of_issuer(reason: &str) -> Option<&'static str> {
    match reason {
        "NotFound" => Some(
            "Check spec.provider.issuerURL: the token endpoint in its discovery document is none. Or set spec.provider.tokenURL in its place",
        ),
        "Redirected" => Some(
            "Set spec.provider.tokenURL to the URL of the token endpoint itself, in place of spec.provider.issuerURL",
        ),
        "UnusableResponse" => Some(
            "Check spec.provider.issuerURL, and set spec.response if the provider puts the token or its lifetime elsewhere",
        ),
        _ => None,
    }
}

fn advice(reason: &str, client: &Client) -> Option<&'static str> {
    match reason {
        "InvalidClient" | "Unauthorized" => of_client(client),
        "InvalidGrant" => of_grant(&client.grant),
        // RFC 8693 section 2.2.2 prescribes this for an unacceptable subject or actor token.
        "InvalidRequest" if matches!(client.grant, Grant::TokenExchange(_)) => Some(EXCHANGE),
        _ => None,
    }
}

/// `None`: the client secret, which the default text is about.
fn of_client(client: &Client) -> Option<&'static str> {
    match &client.authentication {
        ClientAuthentication::PrivateKeyJwt(_) => Some(PRIVATE_KEY),
        ClientAuthentication::ClientSecretJwt(_) => Some(CLIENT_SECRET),
        // The assertion alone may identify the client (Maskinporten).
        _ if client.grant.jwt_bearer().is_some() => Some(GRANT),
        ClientAuthentication::TlsClientAuth | ClientAuthentication::SelfSignedTlsClientAuth => {
            Some(CERTIFICATE)
        }
        ClientAuthentication::ServiceAccountToken(_) => Some(ACCOUNT),
        // Credentials in headers or parameters are in the credentials Secret too.
        ClientAuthentication::None if required_keys(client).is_empty() => Some(PUBLIC),
        ClientAuthentication::None
        | ClientAuthentication::ClientSecretBasic { .. }
        | ClientAuthentication::ClientSecretPost => None,
    }
}

/// `None`: user name and password, which the default text is about.
fn of_grant(grant: &Grant) -> Option<&'static str> {
    match grant {
        Grant::Password => None,
        Grant::JwtBearer(_) => Some(GRANT),
        Grant::TokenExchange(_) => Some(EXCHANGE),
        Grant::RefreshToken => Some(REFRESH),
        Grant::ClientCredentials | Grant::Other(_) => Some(OTHER),
    }
}
