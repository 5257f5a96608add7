//! Rules for `spec.clientAuthentication` and `spec.credentials`.

use serde_json::Value;

use super::client_certificate::is_tls;
use super::rule::{FIXED, FIXED_MESSAGE, Rule, below, data_key, field, object_name, own, text};
use crate::api::validators;
use crate::oauth::assertion::JWT_BEARER;

pub(super) const RULES: &[Rule] = &[
    Rule {
        at: "spec.clientAuthentication",
        field: ".clientSecretBasic",
        cel: "!has(self.clientSecretBasic) || self.method == 'client_secret_basic'",
        message: "belongs to method client_secret_basic: remove it, or set clientAuthentication.method to client_secret_basic",
        holds: |v| {
            v.get("clientSecretBasic").is_none() || field(v, "method") == "client_secret_basic"
        },
    },
    Rule {
        at: "spec.clientAuthentication",
        field: ".emptyClientSecret",
        cel: "!has(self.emptyClientSecret) || !self.emptyClientSecret || self.method in ['client_secret_basic', 'client_secret_post']",
        message: "belongs to the methods client_secret_basic and client_secret_post: remove it, or set one of them",
        holds: |v| {
            v.get("emptyClientSecret") != Some(&Value::Bool(true))
                || matches!(
                    field(v, "method"),
                    "client_secret_basic" | "client_secret_post"
                )
        },
    },
    own(
        "spec.clientAuthentication.clientID",
        FIXED,
        FIXED_MESSAGE,
        |v| validators::is_one_line(text(v)),
    ),
    Rule {
        at: "spec",
        field: ".credentials",
        cel: "has(self.credentials) || ((self.clientAuthentication.method in ['none', 'service_account_token'] || \
              (has(self.clientAuthentication.emptyClientSecret) && self.clientAuthentication.emptyClientSecret && has(self.clientAuthentication.clientID)) || \
              (self.clientAuthentication.method in ['tls_client_auth', 'self_signed_tls_client_auth'] && has(self.clientAuthentication.clientID) && \
              has(self.clientAuthentication.tlsClientAuth) && has(self.clientAuthentication.tlsClientAuth.secretName))) && self.grant.type != 'password' && \
              self.grant.type != 'urn:ietf:params:oauth:grant-type:jwt-bearer' && \
              (!has(self.grant.tokenExchange) || (!has(self.grant.tokenExchange.subjectToken.credentialsKey) && \
              (!has(self.grant.tokenExchange.actorToken) || !has(self.grant.tokenExchange.actorToken.credentialsKey)))) && \
              (!has(self.parameters) || self.parameters.all(p, !has(p.credentialsKey))) && \
              (!has(self.request.headers) || self.request.headers.all(h, !has(h.credentialsKey))))",
        message: "is required: name the Secret with the values for the client authentication, the grant, or a credentialsKey",
        holds: |v| {
            let keyed =
                |pointer| below(v, pointer).any(|item| item.get("credentialsKey").is_some());
            let grant = v.pointer("/grant/type").map(text);
            let method = v.pointer("/clientAuthentication/method").map(text);
            v.get("credentials").is_some()
                || ((matches!(method, Some("none" | "service_account_token"))
                    || by_certificate(v)
                    || by_empty_secret(v))
                    && v.pointer("/grant/tokenExchange/subjectToken/credentialsKey")
                        .is_none()
                    && v.pointer("/grant/tokenExchange/actorToken/credentialsKey")
                        .is_none()
                    && grant != Some("password")
                    && grant != Some(JWT_BEARER)
                    && !keyed("/parameters")
                    && !keyed("/request/headers"))
        },
    },
    object_name("spec.credentials.secretName"),
    data_key("spec.credentials.keys.clientID"),
    data_key("spec.credentials.keys.clientSecret"),
    data_key("spec.credentials.keys.nextClientSecret"),
    data_key("spec.credentials.keys.username"),
    data_key("spec.credentials.keys.password"),
];

/// Whether the client is named by the resource and has no secret.
fn by_empty_secret(spec: &Value) -> bool {
    let at = |pointer| spec.pointer(pointer);
    at("/clientAuthentication/emptyClientSecret") == Some(&Value::Bool(true))
        && at("/clientAuthentication/clientID").is_some()
}

/// Whether the resource contains the client id, and the client authenticates with a certificate from a separate Secret.
fn by_certificate(spec: &Value) -> bool {
    let at = |pointer| spec.pointer(pointer);
    at("/clientAuthentication/method").is_some_and(|method| is_tls(text(method)))
        && at("/clientAuthentication/clientID").is_some()
        && at("/clientAuthentication/tlsClientAuth/secretName").is_some()
}
