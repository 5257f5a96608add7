//! Rules for `spec.provider`.

use super::rule::{Rule, data_key, object_name, own, text};
use crate::api::validators;

pub(super) const RULES: &[Rule] = &[
    own(
        "spec.provider.tokenURL",
        "self.startsWith('https://') || self.startsWith('http://')",
        "must start with https://, as in https://auth.example.com/oauth/token (http:// only where the operator runs with --allow-http)",
        |v| text(v).starts_with("https://") || text(v).starts_with("http://"),
    ),
    own(
        "spec.provider.tokenURL",
        "!self.contains('#')",
        "must not have a fragment (RFC 6749 section 3.2): remove the # and what follows it",
        |v| !text(v).contains('#'),
    ),
    own(
        "spec.provider.tokenURL",
        "!self.matches('^[a-z]+://[^/?#]*@')",
        "must not hold a user name or password: put them into the credentials Secret and remove everything before the @",
        |v| !validators::has_user_info(text(v)),
    ),
    own(
        "spec.provider.tokenURL",
        r"!self.matches('^https?://') || self.matches('^https?://[^/?#]*@') || self.matches('^https?://([-a-zA-Z0-9._]+|[[][0-9a-fA-F:.]+[]])(:[0-9]{1,5})?([/?#][!-\\[\\]-~]*)?$')",
        "is not a URL that a token request can be sent to: write scheme, host and path, as in https://auth.example.com/oauth/token, without spaces; percent-encode other characters",
        |v| validators::is_endpoint(text(v)),
    ),
    object_name("spec.provider.caBundle.configMapName"),
    data_key("spec.provider.caBundle.key"),
];
