//! The next step for a client that signs assertions: what is wrong with one is told by the provider in no other words than
//! "bad client" or "bad grant".

use super::TokenError;
use crate::oauth::{Client, ClientAuthentication};

const PRIVATE_KEY: &str = "Check that the provider has the public key of the one in the credentials Secret, compare \
     spec.clientAuthentication.privateKeyJWT (keyID, algorithm, audience, certificate) with its documentation, and look whether \
     the clock of this machine is right";
const CLIENT_SECRET: &str = "Check client id and client secret in the credentials Secret, compare \
     spec.clientAuthentication.clientSecretJWT (algorithm, audience) with the provider's documentation, and look whether the \
     clock of this machine is right";
const GRANT: &str = "Check that the provider has the public key of the one in the credentials Secret, compare \
     spec.grant.jwtBearer (keyID, algorithm, issuer, subject, audience, lifetimeSeconds, claims) with its documentation, and look \
     whether the clock of this machine is right";

impl TokenError {
    /// As [`TokenError::explain`], with the next step that fits what this client sends.
    pub fn explain_to(&self, client: &Client) -> String {
        let own = match (self.reason(), &client.authentication) {
            ("InvalidClient" | "Unauthorized", ClientAuthentication::PrivateKeyJwt(_)) => {
                Some(PRIVATE_KEY)
            }
            ("InvalidClient" | "Unauthorized", ClientAuthentication::ClientSecretJwt(_)) => {
                Some(CLIENT_SECRET)
            }
            ("InvalidClient" | "InvalidGrant" | "Unauthorized", _)
                if client.grant.jwt_bearer().is_some() =>
            {
                Some(GRANT)
            }
            _ => None,
        };
        match own {
            Some(step) => format!("{self}. {step}"),
            None => self.explain(),
        }
    }
}
