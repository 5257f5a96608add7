//! Rules on `spec.clientAuthentication` and `spec.credentials`: who asks.

use super::{Rule, data_key, field, object_name};

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
    object_name("spec.credentials.secretName"),
    data_key("spec.credentials.keys.clientID"),
    data_key("spec.credentials.keys.clientSecret"),
    data_key("spec.credentials.keys.username"),
    data_key("spec.credentials.keys.password"),
];
