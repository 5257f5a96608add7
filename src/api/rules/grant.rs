//! Rules for `spec.grant`.

use super::rule::{Rule, own, text};
use crate::api::validators;

pub(super) const RULES: &[Rule] = &[
    own(
        "spec.grant.type",
        "!(self in ['authorization_code', 'urn:ietf:params:oauth:grant-type:device_code'])",
        "needs a person at a browser each time: use refresh_token, and log in once with kubectl oauthclient login NAME",
        |v| !validators::LOGIN_GRANTS.contains(&text(v)),
    ),
    own(
        "spec.grant.type",
        r"self.matches('^[!#-\\[\\]-~]+$')",
        "is not a grant type: write its registered name or URI, without spaces and quotes, as in client_credentials",
        |v| validators::is_oauth_word(text(v)),
    ),
];
