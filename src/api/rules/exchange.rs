//! Rules for token exchange and for tokens of `ServiceAccounts`.

use serde_json::Value;

use super::rule::{Rule, data_key, field, object_name, own, text};
use crate::api::validators;
use crate::oauth::exchange::TOKEN_EXCHANGE;

const SUBJECT: &str = "spec.grant.tokenExchange.subjectToken";
const ACTOR: &str = "spec.grant.tokenExchange.actorToken";

pub(super) const RULES: &[Rule] = &[
    Rule {
        at: "spec.grant",
        field: ".tokenExchange",
        cel: "has(self.tokenExchange) == (self.type == 'urn:ietf:params:oauth:grant-type:token-exchange')",
        message: "and type urn:ietf:params:oauth:grant-type:token-exchange belong together: set both, or none of them",
        holds: |v| v.get("tokenExchange").is_some() == (field(v, "type") == TOKEN_EXCHANGE),
    },
    one_source(SUBJECT),
    key_of_another(SUBJECT),
    token_type("spec.grant.tokenExchange.subjectToken.tokenType"),
    data_key("spec.grant.tokenExchange.subjectToken.credentialsKey"),
    data_key("spec.grant.tokenExchange.subjectToken.key"),
    object_name("spec.grant.tokenExchange.subjectToken.oauthClientName"),
    object_name("spec.grant.tokenExchange.subjectToken.serviceAccountToken.serviceAccountName"),
    audience("spec.grant.tokenExchange.subjectToken.serviceAccountToken.audience"),
    not_kubernetes("spec.grant.tokenExchange.subjectToken.serviceAccountToken.audience"),
    one_source(ACTOR),
    key_of_another(ACTOR),
    token_type("spec.grant.tokenExchange.actorToken.tokenType"),
    data_key("spec.grant.tokenExchange.actorToken.credentialsKey"),
    data_key("spec.grant.tokenExchange.actorToken.key"),
    object_name("spec.grant.tokenExchange.actorToken.oauthClientName"),
    object_name("spec.grant.tokenExchange.actorToken.serviceAccountToken.serviceAccountName"),
    audience("spec.grant.tokenExchange.actorToken.serviceAccountToken.audience"),
    not_kubernetes("spec.grant.tokenExchange.actorToken.serviceAccountToken.audience"),
    token_type("spec.grant.tokenExchange.requestedTokenType"),
    Rule {
        at: "spec.clientAuthentication",
        field: ".serviceAccountToken",
        cel: "has(self.serviceAccountToken) == (self.method == 'service_account_token')",
        message: "and method service_account_token belong together: set both, or none of them",
        holds: |v| {
            v.get("serviceAccountToken").is_some()
                == (field(v, "method") == "service_account_token")
        },
    },
    object_name("spec.clientAuthentication.serviceAccountToken.serviceAccountName"),
    audience("spec.clientAuthentication.serviceAccountToken.audience"),
    not_kubernetes("spec.clientAuthentication.serviceAccountToken.audience"),
];

const SOURCES: [&str; 3] = ["credentialsKey", "serviceAccountToken", "oauthClientName"];

const fn one_source(at: &'static str) -> Rule {
    own(
        at,
        "[has(self.credentialsKey), has(self.serviceAccountToken), has(self.oauthClientName)].exists_one(there, there)",
        "needs exactly one of credentialsKey, serviceAccountToken and oauthClientName: set the one, remove the others",
        |v| SOURCES.iter().filter(|name| v.get(name).is_some()).count() == 1,
    )
}

const fn key_of_another(at: &'static str) -> Rule {
    Rule {
        at,
        field: ".key",
        cel: "!has(self.key) || has(self.oauthClientName)",
        message: "names a key of another OAuthClient's token Secret: set oauthClientName too, or use credentialsKey for a key of the credentials Secret",
        holds: |v| v.get("key").is_none() || v.get("oauthClientName").is_some(),
    }
}

const fn token_type(at: &'static str) -> Rule {
    own(
        at,
        "self.matches('^[A-Za-z][-+.A-Za-z0-9]*:[!-~]+$')",
        "is not a URI: write the registered name of the type, as in urn:ietf:params:oauth:token-type:access_token",
        |v| validators::is_uri(text(v)),
    )
}

const fn audience(at: &'static str) -> Rule {
    own(
        at,
        "self.matches('^[!-+\\\\--~]+$')",
        "is not one audience: write it as the provider requires, without spaces and commas",
        |v| validators::is_visible(text(v)) && !text(v).contains(','),
    )
}

const fn not_kubernetes(at: &'static str) -> Rule {
    own(
        at,
        "!self.matches('^(https?://)?kubernetes[.]default([.]svc([.][^/:]*)?)?([/:].*)?$')",
        "is the Kubernetes API itself: a token for it would grant the ServiceAccount's permissions to its receiver, so it is never created; set the audience that the provider requires",
        |v: &Value| !validators::is_kubernetes_audience(text(v)),
    )
}
