//! Rules for refresh tokens: which grants use them, and where they are sent.

use serde_json::Value;

use super::login::{ENDPOINT, ENDPOINT_MESSAGE};
use super::rule::{Rule, below, data_key, field, own, text};
use crate::api::validators;

pub(super) const RULES: &[Rule] = &[
    own(
        "spec.provider.refreshURL",
        ENDPOINT,
        ENDPOINT_MESSAGE,
        |v| validators::is_plain_endpoint(text(v)),
    ),
    Rule {
        at: "spec",
        field: ".provider.refreshURL",
        cel: "!has(self.provider.refreshURL) || self.grant.type == 'refresh_token' || \
              (has(self.grant.password) && self.grant.password.useRefreshToken)",
        message: "requires refresh tokens, which this resource does not use: remove it, or set grant.type to refresh_token, or \
                  grant.password.useRefreshToken to true",
        holds: |v| v.pointer("/provider/refreshURL").is_none() || uses_refresh_tokens(v),
    },
    Rule {
        at: "spec.grant",
        field: ".password",
        cel: "!has(self.password) || self.type == 'password'",
        message: "belongs to grant.type password: remove it, or set that type",
        holds: |v| v.get("password").is_none() || field(v, "type") == "password",
    },
    Rule {
        at: "spec",
        field: ".parameters",
        cel: "!has(self.parameters) || !self.parameters.exists(p, p.name == 'refresh_token') || \
              !(self.grant.type == 'refresh_token' || (has(self.grant.password) && self.grant.password.useRefreshToken))",
        message: "must not set refresh_token, which the grant sets: put the initial one into the credentials Secret \
                  (credentials.keys.refreshToken names its key)",
        holds: |v| {
            !uses_refresh_tokens(v)
                || !below(v, "/parameters").any(|p| field(p, "name") == "refresh_token")
        },
    },
    Rule {
        at: "spec",
        field: ".response.refreshTokenPointer",
        cel: "!has(self.response) || !has(self.response.refreshTokenPointer) || self.grant.type == 'refresh_token' || \
              (has(self.grant.password) && self.grant.password.useRefreshToken)",
        message: "requires refresh tokens, which this resource does not use: remove it, or set grant.type to refresh_token, \
                  or grant.password.useRefreshToken to true",
        holds: |v| v.pointer("/response/refreshTokenPointer").is_none() || uses_refresh_tokens(v),
    },
    Rule {
        at: "spec",
        field: ".revocation.previousToken",
        cel: "!has(self.revocation) || !has(self.revocation.previousToken) || \
              !(self.grant.type == 'refresh_token' || (has(self.grant.password) && self.grant.password.useRefreshToken))",
        message: "cannot be used with refresh tokens: a provider may revoke the refresh token together with an access token that was issued with it (RFC 7009 section 2.1). Remove it; onDeletion can stay",
        holds: |v| v.pointer("/revocation/previousToken").is_none() || !uses_refresh_tokens(v),
    },
    data_key("spec.credentials.keys.refreshToken"),
];

fn uses_refresh_tokens(spec: &Value) -> bool {
    let asked = spec.pointer("/grant/password/useRefreshToken");
    spec.pointer("/grant/type").map(text) == Some("refresh_token")
        || asked.and_then(Value::as_bool) == Some(true)
}
