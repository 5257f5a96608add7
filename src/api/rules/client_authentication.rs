//! Rules on `spec.clientAuthentication` and `spec.credentials`: who asks.

use super::{FIXED, FIXED_MESSAGE, Rule, below, data_key, field, object_name, own, text};
use crate::api::words;
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
    own(
        "spec.clientAuthentication.clientID",
        FIXED,
        FIXED_MESSAGE,
        |v| words::is_one_line(text(v)),
    ),
    Rule {
        at: "spec",
        field: ".credentials",
        cel: "has(self.credentials) || (self.clientAuthentication.method == 'none' && self.grant.type != 'password' && \
              self.grant.type != 'urn:ietf:params:oauth:grant-type:jwt-bearer' && \
              (!has(self.parameters) || self.parameters.all(p, !has(p.credentialsKey))) && \
              (!has(self.request.headers) || self.request.headers.all(h, !has(h.credentialsKey))))",
        message: "is required: name the Secret that holds what the client authentication, the grant, or a credentialsKey needs",
        holds: |v| {
            let keyed =
                |pointer| below(v, pointer).any(|item| item.get("credentialsKey").is_some());
            let grant = v.pointer("/grant/type").map(text);
            let method = v.pointer("/clientAuthentication/method").map(text);
            v.get("credentials").is_some()
                || (method == Some("none")
                    && grant != Some("password")
                    && grant != Some(JWT_BEARER)
                    && !keyed("/parameters")
                    && !keyed("/request/headers"))
        },
    },
    object_name("spec.credentials.secretName"),
    data_key("spec.credentials.keys.clientID"),
    data_key("spec.credentials.keys.clientSecret"),
    data_key("spec.credentials.keys.username"),
    data_key("spec.credentials.keys.password"),
];
