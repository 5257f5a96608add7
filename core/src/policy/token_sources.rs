//! Which token sources a spec names.

use crate::model::Validated;
use crate::oauth::{ClientAuthentication, Grant, PublishedToken, ServiceAccountToken, TokenSource};

/// The `ServiceAccount` tokens that a spec uses, each once.
pub fn account_tokens(spec: &Validated) -> Vec<&ServiceAccountToken> {
    let mut found: Vec<&ServiceAccountToken> = Vec::new();
    if let ClientAuthentication::ServiceAccountToken(token) = &spec.client.authentication {
        found.push(token);
    }
    if let Grant::TokenExchange(exchange) = &spec.client.grant {
        for input in exchange.inputs() {
            if let TokenSource::ServiceAccount(token) = &input.source
                && !found.contains(&token)
            {
                found.push(token);
            }
        }
    }
    found
}

/// The tokens of other resources that a spec uses, each source once.
pub fn referenced_tokens(spec: &Validated) -> Vec<&PublishedToken> {
    let mut found: Vec<&PublishedToken> = Vec::new();
    if let Grant::TokenExchange(exchange) = &spec.client.grant {
        for input in exchange.inputs() {
            if let TokenSource::Published(token) = &input.source
                && !found.contains(&token)
            {
                found.push(token);
            }
        }
    }
    found
}
