//! Rules for the endpoints in `spec.provider`: the token endpoint, or the issuer whose document names it.

use super::login::{ENDPOINT, ENDPOINT_MESSAGE};
use super::rule::{Rule, own, text};
use crate::api::validators;

pub(super) const RULES: &[Rule] = &[
    Rule {
        at: "spec.provider",
        field: ".tokenURL",
        cel: "has(self.tokenURL) || has(self.issuerURL)",
        message: "is required, or issuerURL instead: set the provider's token endpoint, or the issuer whose discovery document names it",
        holds: |v| v.get("tokenURL").is_some() || v.get("issuerURL").is_some(),
    },
    Rule {
        at: "spec.provider",
        field: ".issuerURL",
        cel: "!has(self.tokenURL) || !has(self.issuerURL)",
        message: "cannot be combined with provider.tokenURL: remove one of the two",
        holds: |v| v.get("tokenURL").is_none() || v.get("issuerURL").is_none(),
    },
    own("spec.provider.issuerURL", ENDPOINT, ENDPOINT_MESSAGE, |v| {
        validators::is_plain_endpoint(text(v))
    }),
    own(
        "spec.provider.issuerURL",
        "!self.contains('?') && !self.contains('/.well-known/')",
        "is not an issuer: write what the discovery document names as issuer, which in most cases is its address up to /.well-known/, without a query (RFC 8414 section 2)",
        |v| !text(v).contains('?') && !text(v).contains("/.well-known/"),
    ),
];
