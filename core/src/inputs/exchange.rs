//! The inputs of tokens in a request. The lifetime of a `ServiceAccount` token is not part of it, because it does not
//! change the provider's response.

use super::canonical::Canonical;
use crate::oauth::{Client, ClientAuthentication, Grant, ServiceAccountToken, TokenSource};

pub(super) fn fields(form: &mut Canonical, client: &Client) {
    if let ClientAuthentication::ServiceAccountToken(token) = &client.authentication {
        form.field("clientAssertion", "ServiceAccount");
        service_account(form, token);
    }
    let Grant::TokenExchange(exchange) = &client.grant else {
        return;
    };
    for (input, name) in exchange.inputs().zip(["subjectToken", "actorToken"]) {
        form.field(name, &input.token_type);
        match &input.source {
            TokenSource::CredentialsKey(key) => form.field("credentialsKey", key),
            TokenSource::ServiceAccount(token) => service_account(form, token),
            TokenSource::Published(token) => {
                form.field("oauthClientName", &token.client);
                form.field("key", &token.key);
            }
        }
    }
    if let Some(wanted) = &exchange.requested_type {
        form.field("requestedTokenType", wanted);
    }
}

fn service_account(form: &mut Canonical, token: &ServiceAccountToken) {
    form.field("serviceAccountName", &token.account);
    form.field("audience", &token.audience);
}
