//! Rules for the login: the endpoints in the browser, and `spec.login`.

use super::rule::{FIXED, FIXED_MESSAGE, Rule, below, field, items, own, text};
use crate::api::validators;

pub(super) const ENDPOINT: &str = r#"self.matches('^https?://([-a-zA-Z0-9._]+|[[][0-9a-fA-F:.]+[]])(:[0-9]{1,5})?([/?][!"$-\\[\\]-~]*)?$')"#;
pub(super) const ENDPOINT_MESSAGE: &str = "is not the URL of an endpoint: write https://, host and path, as in https://auth.example.com/authorize, without user name, fragment and spaces";

/// Parameters that the login sets itself, or that must not appear in a browser.
const RESERVED: [&str; 13] = [
    "response_type",
    "response_mode",
    "client_id",
    "client_secret",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "request",
    "request_uri",
    "password",
];

pub(super) const RULES: &[Rule] = &[
    own(
        "spec.provider.authorizationURL",
        ENDPOINT,
        ENDPOINT_MESSAGE,
        |v| validators::is_plain_endpoint(text(v)),
    ),
    own(
        "spec.provider.pushedAuthorizationURL",
        ENDPOINT,
        ENDPOINT_MESSAGE,
        |v| validators::is_plain_endpoint(text(v)),
    ),
    own(
        "spec.provider.deviceAuthorizationURL",
        ENDPOINT,
        ENDPOINT_MESSAGE,
        |v| validators::is_plain_endpoint(text(v)),
    ),
    own(
        "spec.login.scopes[]",
        r"self.matches('^[!#-\\[\\]-~]+$')",
        "is not one scope: write each scope as an item of its own, without spaces, quotes and backslashes",
        |v| validators::is_oauth_word(text(v)),
    ),
    own(
        "spec.login.parameters",
        "self.all(p, p.name in ['resource', 'audience'] || self.exists_one(q, q.name == p.name))",
        "name a parameter twice: keep one of them (only resource and audience may repeat)",
        |v| {
            items(v).all(|p| {
                let name = field(p, "name");
                matches!(name, "resource" | "audience")
                    || items(v).filter(|q| field(q, "name") == name).count() == 1
            })
        },
    ),
    own(
        "spec.login.parameters[].name",
        "!(self in ['response_type', 'response_mode', 'client_id', 'client_secret', 'redirect_uri', 'scope', 'state', 'nonce', \
         'code_challenge', 'code_challenge_method', 'request', 'request_uri', 'password'])",
        "is set by the login itself, or must not show in a browser: remove it (scopes go into spec.scopes or spec.login.scopes)",
        |v| !RESERVED.contains(&text(v)),
    ),
    own(
        "spec.login.parameters[].name",
        "self.matches('^[!-~]+$')",
        "is not a name of a parameter: use printable ASCII characters without spaces",
        |v| validators::is_visible(text(v)),
    ),
    own("spec.login.parameters[].value", FIXED, FIXED_MESSAGE, |v| {
        validators::is_one_line(text(v))
    }),
    own("spec.login.loginHint", FIXED, FIXED_MESSAGE, |v| {
        validators::is_one_line(text(v))
    }),
    own(
        "spec.login.acrValues[]",
        r"self.matches('^[!-~]+$')",
        "is not one value: write each as an item of its own, in printable ASCII characters without spaces",
        |v| validators::is_visible(text(v)),
    ),
    Rule {
        at: "spec.login",
        field: ".parameters",
        cel: "!has(self.parameters) || !self.parameters.exists(p, (p.name == 'prompt' && has(self.prompt)) || (p.name == 'login_hint' && has(self.loginHint)) || (p.name == 'max_age' && has(self.maxAgeSeconds)) || (p.name == 'acr_values' && has(self.acrValues)))",
        message: "name a parameter that a field of spec.login sets: remove one of the two (prompt, login_hint, max_age, acr_values)",
        holds: |v| {
            let set = |name: &str| match name {
                "prompt" => v.get("prompt").is_some(),
                "login_hint" => v.get("loginHint").is_some(),
                "max_age" => v.get("maxAgeSeconds").is_some(),
                "acr_values" => v.get("acrValues").is_some(),
                _ => false,
            };
            !below(v, "/parameters").any(|p| set(field(p, "name")))
        },
    },
    own(
        "spec.login.redirectURI",
        r#"self.matches('^http://(127[.]0[.]0[.]1|localhost|[[]::1[]])(:[1-9][0-9]{0,4})?(/[!"$->@-\\[\\]-~]*)?$')"#,
        "is not a loopback redirect (RFC 8252 section 7.3): write http://127.0.0.1:8400/callback, or with [::1] or localhost instead of the address, without query and fragment",
        |v| validators::is_loopback_redirect(text(v)),
    ),
];
