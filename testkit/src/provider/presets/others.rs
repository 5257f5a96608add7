//! Providers of the guides other than the first four, for the clients of their examples.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::provider::accepts::{
    Accepts, Account, Authentication, BodyFormat, Federated, ParameterRule, Refusal, Refusals,
};
use crate::provider::behaviour::Behaviour;

/// The grant of RFC 8693.
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// The grant of RFC 7522.
const SAML_BEARER: &str = "urn:ietf:params:oauth:grant-type:saml2-bearer";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// Entra ID with its v2 endpoint, for an app registration with a federated credential: `trusted` is the issuer whose
/// tokens
/// replace the client secret, `public_jwk` its key. The scope is a resource and `/.default`; without it no token is
/// issued.
#[must_use]
pub fn entra_federated(seconds: f64, trusted: Federated, public_jwk: Value) -> Behaviour {
    let mut behaviour = Behaviour::living(seconds);
    behaviour.accepts = Accepts {
        formats: vec![BodyFormat::Form],
        authentication: vec![Authentication::Federated],
        clients: vec![Account {
            id: "11111111-2222-3333-4444-555555555555".to_owned(),
            public_jwk,
            federated: Some(trusted),
            ..Account::default()
        }],
        grants: vec!["client_credentials".to_owned()],
        parameters: required(&[("scope", &["https://graph.microsoft.com/.default"])]),
        ..Accepts::default()
    };
    let extra = &mut behaviour.shape.extra;
    extra.insert("ext_expires_in".to_owned(), json!(3599));
    behaviour
}

/// Keycloak's standard token exchange in one realm: `shop` gets tokens with its secret, `orders` exchanges them for `orders-api`.
/// Each client may use its own grant alone.
#[must_use]
pub fn keycloak_exchange(seconds: f64) -> Behaviour {
    let client = |id: &str, grant: &str| Account {
        id: id.to_owned(),
        secret: format!("the-secret-of-{id}"),
        grants: vec![grant.to_owned()],
        ..Account::default()
    };
    let mut behaviour = Behaviour::living(seconds);
    behaviour.accepts = Accepts {
        formats: vec![BodyFormat::Form],
        clients: vec![
            client("shop", "client_credentials"),
            client("orders", TOKEN_EXCHANGE),
        ],
        parameters: [
            ("subject_token_type", vec![ACCESS_TOKEN.to_owned()]),
            ("requested_token_type", vec![ACCESS_TOKEN.to_owned()]),
            ("audience", vec!["orders-api".to_owned()]),
        ]
        .map(|(name, values)| {
            let rule = ParameterRule {
                values,
                ..ParameterRule::default()
            };
            (name.to_owned(), rule)
        })
        .into(),
        ..Accepts::default()
    };
    let extra = &mut behaviour.shape.extra;
    extra.insert("issued_token_type".to_owned(), json!(ACCESS_TOKEN));
    behaviour
}

/// A provider that takes SAML assertions (RFC 7522), as SAP's do: which assertion is right it does not judge but by its text.
#[must_use]
pub fn saml_bearer(seconds: f64, assertions: &[&str]) -> Behaviour {
    let mut behaviour = Behaviour::living(seconds);
    let mut parameters = required(&[("assertion", assertions), ("company_id", &["your-company"])]);
    if let Some(rule) = parameters.get_mut("assertion") {
        rule.wrong = Some(Refusal::new(400, "invalid_grant"));
    }
    behaviour.accepts = Accepts {
        formats: vec![BodyFormat::Form],
        authentication: vec![Authentication::None],
        clients: vec![Account {
            id: "your-client-id".to_owned(),
            ..Account::default()
        }],
        grants: vec![SAML_BEARER.to_owned()],
        parameters,
        refusals: Refusals::default(),
        ..Accepts::default()
    };
    behaviour
}

/// Parameters that a request must have, each with one of these values.
fn required(parameters: &[(&str, &[&str])]) -> BTreeMap<String, ParameterRule> {
    let rule = |(name, values): &(&str, &[&str])| {
        let rule = ParameterRule {
            required: true,
            values: values.iter().map(|one| (*one).to_owned()).collect(),
            ..ParameterRule::default()
        };
        ((*name).to_owned(), rule)
    };
    parameters.iter().map(rule).collect()
}
