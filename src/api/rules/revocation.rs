//! Rules for `spec.revocation`: the endpoint, and whether the operator can find the token.

use super::login::{ENDPOINT, ENDPOINT_MESSAGE};
use super::rule::{Rule, own, text, values};
use crate::api::validators;

pub(super) const RULES: &[Rule] = &[
    own(
        "spec.provider.revocationURL",
        ENDPOINT,
        ENDPOINT_MESSAGE,
        |v| validators::is_plain_endpoint(text(v)),
    ),
    Rule {
        at: "spec",
        field: ".revocation",
        cel: "!has(self.revocation) || has(self.provider.revocationURL) || has(self.provider.issuerURL)",
        message: "needs a revocation endpoint: set provider.revocationURL (RFC 7009), or provider.issuerURL instead of provider.tokenURL",
        holds: |v| {
            v.get("revocation").is_none()
                || v.pointer("/provider/revocationURL").is_some()
                || v.pointer("/provider/issuerURL").is_some()
        },
    },
    Rule {
        at: "spec",
        field: ".tokenSecret.data",
        cel: "!has(self.revocation) || !has(self.tokenSecret.data) || size(self.tokenSecret.data) == 0 || \
              self.tokenSecret.data.exists(k, self.tokenSecret.data[k].endsWith('{{ access_token }}'))",
        message: "needs a key that ends with {{ access_token }} if spec.revocation is set, because the operator keeps tokens nowhere else",
        holds: |v| {
            let data = v.pointer("/tokenSecret/data");
            let keys = |data: &serde_json::Value| {
                data.as_object().is_none_or(serde_json::Map::is_empty)
                    || values(data).any(|template| template.ends_with("{{ access_token }}"))
            };
            v.get("revocation").is_none() || data.is_none_or(keys)
        },
    },
];
