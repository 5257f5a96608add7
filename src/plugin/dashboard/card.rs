//! The data of one resource on the page: its status, the next command, and what its buttons may do. Pure.

use serde::Serialize;

use crate::api::conditions::Reason;
use crate::api::spec::OAuthClient;
use crate::plugin::next_command;
use crate::plugin::paint::Tone;
use crate::plugin::status::Summary;
use crate::time::Time;

/// A resource on the page.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Card {
    #[serde(flatten)]
    summary: Summary,
    /// `good`, `warn` or `bad`.
    tone: &'static str,
    /// The most important reason and message.
    shown: String,
    says: String,
    /// The meaning of that reason.
    meaning: &'static str,
    /// The next command, quoted for a shell.
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<String>,
    /// The provider.
    provider: String,
    grant: String,
    /// Whether a person logs in for it.
    takes_login: bool,
    conditions: Vec<ShownCondition>,
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct ShownCondition {
    kind: String,
    holds: bool,
    reason: String,
    message: String,
    since: String,
}

impl Card {
    /// Of a resource.
    pub(super) fn of(client: &OAuthClient, now: Time) -> Card {
        let summary = Summary::of(client, now);
        let (shown, says) = summary.shown();
        let conditions = client.status.iter().flat_map(|status| &status.conditions);
        let provider = &client.spec.provider;
        let grant = &client.spec.grant;
        let refreshes = grant
            .password
            .as_ref()
            .is_some_and(|own| own.use_refresh_token);
        Card {
            tone: match summary.tone() {
                Tone::Good => "good",
                Tone::Bad => "bad",
                _ => "warn",
            },
            shown: shown.to_owned(),
            says: says.to_owned(),
            meaning: Reason::parse(shown).map_or("", Reason::meaning),
            command: next_command::command(client, shown).map(|command| command.to_string()),
            provider: provider
                .token_url
                .clone()
                .or_else(|| provider.issuer_url.clone())
                .unwrap_or_default(),
            grant: grant.type_.clone(),
            takes_login: grant.type_ == "refresh_token" || refreshes,
            conditions: conditions
                .map(|one| ShownCondition {
                    kind: one.type_.clone(),
                    holds: one.status == "True",
                    reason: one.reason.clone(),
                    message: one.message.clone(),
                    since: one.last_transition_time.to_string(),
                })
                .collect(),
            summary,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_card_tells_what_failed_last_though_the_token_is_still_valid() {
        let condition = |kind: &str, reason: &str| {
            json!({"type": kind, "status": "True", "reason": reason, "message": "Words.",
                   "lastTransitionTime": "2023-11-14T22:00:00Z"})
        };
        let client: OAuthClient = serde_json::from_value(json!({
            "apiVersion": "oauthclient.dev/v1alpha1", "kind": "OAuthClient",
            "metadata": {"name": "api", "namespace": "shop"},
            "spec": {"provider": {"tokenURL": "https://auth.example.com/token"}, "grant": {"type": "refresh_token"},
                     "credentials": {"secretName": "client"}, "tokenSecret": {"name": "t"}},
            "status": {
                "token": {"issuedTime": "2023-11-14T22:00:00Z", "expirationTime": "2023-11-14T22:43:20Z", "refreshTime": "2023-11-14T22:10:00Z"},
                "attempt": {"time": "2023-11-14T22:12:20Z", "failures": 3, "reason": "DNSFailed", "inputsHash": "x"},
                "conditions": [condition("Ready", "TokenValid"), condition("RefreshFailing", "DNSFailed")],
            },
        }))
        .unwrap();
        let card = Card::of(&client, Time::from_seconds(1_700_000_000));
        assert_eq!(card.tone, "warn");
        assert_eq!(
            card.command.as_deref(),
            Some("kubectl oauthclient explain DNSFailed")
        );
        assert!(card.takes_login);
        let value = serde_json::to_value(&card).unwrap();
        assert_eq!(value["issuedTime"], "2023-11-14T22:00:00Z");
        assert_eq!(value["conditions"][1]["reason"], "DNSFailed");
    }
}
