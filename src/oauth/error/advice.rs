//! The next step by what a client sends: whatever is wrong with it, the provider tells it in no other words than "bad client"
//! or "bad grant".

use super::TokenError;
use crate::oauth::request::required_keys;
use crate::oauth::{Client, ClientAuthentication, Grant};

const PRIVATE_KEY: &str = "Check that the provider has the public key of the one in the credentials Secret, compare \
     spec.clientAuthentication.privateKeyJWT (keyID, algorithm, audience, certificate) with its documentation, and look whether \
     the clock of this machine is right";
const CLIENT_SECRET: &str = "Check client id and client secret in the credentials Secret, compare \
     spec.clientAuthentication.clientSecretJWT (algorithm, audience) with the provider's documentation, and look whether the \
     clock of this machine is right";
const GRANT: &str = "Check that the provider has the public key of the one in the credentials Secret, compare \
     spec.grant.jwtBearer (keyID, algorithm, issuer, subject, audience, lifetimeSeconds, claims) with its documentation, and look \
     whether the clock of this machine is right";

const CERTIFICATE: &str = "Check that the client certificate is the one that is registered with the provider (its subject, or for \
     self_signed_tls_client_auth the certificate itself), and that client id and spec.clientAuthentication.method are as the \
     provider wants them";
const ACCOUNT: &str = "Check that the provider trusts this cluster as an issuer, for the ServiceAccount and the audience in \
     spec.clientAuthentication.serviceAccountToken, and that the client id is right";
const PUBLIC: &str = "Check the client id, and whether the provider wants the client to prove who it is: then set another \
     spec.clientAuthentication.method";
const EXCHANGE: &str = "Check that the provider trusts who issued the token in spec.grant.tokenExchange, that its type and audience \
     are what the provider wants, and that it has not ended";
const REFRESH: &str =
    "The refresh token has expired, was revoked, or was used elsewhere: log in anew";
const OTHER: &str = "Compare what spec.grant and spec.parameters send with the provider's documentation: what the token is asked with \
     may have ended, or belong to another client";

impl TokenError {
    /// As [`TokenError::explain`], with the next step that fits what this client sends.
    pub fn explain_to(&self, client: &Client) -> String {
        match advice(self.reason(), client) {
            Some(step) => format!("{self}. {step}"),
            None => self.explain(),
        }
    }
}

fn advice(reason: &str, client: &Client) -> Option<&'static str> {
    match reason {
        "InvalidClient" | "Unauthorized" => of_client(client),
        "InvalidGrant" => of_grant(&client.grant),
        // What RFC 8693 section 2.2.2 prescribes for a subject or actor token that is not acceptable.
        "InvalidRequest" if matches!(client.grant, Grant::TokenExchange(_)) => Some(EXCHANGE),
        _ => None,
    }
}

/// `None`: the client secret, which is what the usual words speak of.
fn of_client(client: &Client) -> Option<&'static str> {
    match &client.authentication {
        ClientAuthentication::PrivateKeyJwt(_) => Some(PRIVATE_KEY),
        ClientAuthentication::ClientSecretJwt(_) => Some(CLIENT_SECRET),
        // The assertion may be all that tells who the client is (Maskinporten).
        _ if client.grant.jwt_bearer().is_some() => Some(GRANT),
        ClientAuthentication::TlsClientAuth | ClientAuthentication::SelfSignedTlsClientAuth => {
            Some(CERTIFICATE)
        }
        ClientAuthentication::ServiceAccountToken(_) => Some(ACCOUNT),
        // Credentials in headers or parameters are in the credentials Secret as well.
        ClientAuthentication::None if required_keys(client).is_empty() => Some(PUBLIC),
        ClientAuthentication::None
        | ClientAuthentication::ClientSecretBasic { .. }
        | ClientAuthentication::ClientSecretPost => None,
    }
}

/// `None`: user name and password, which is what the usual words speak of.
fn of_grant(grant: &Grant) -> Option<&'static str> {
    match grant {
        Grant::Password => None,
        Grant::JwtBearer(_) => Some(GRANT),
        Grant::TokenExchange(_) => Some(EXCHANGE),
        Grant::RefreshToken => Some(REFRESH),
        Grant::ClientCredentials | Grant::Other(_) => Some(OTHER),
    }
}
