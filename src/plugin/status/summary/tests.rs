use serde_json::json;

use super::*;
use crate::plugin::paint::testing;

const NOW: Time = Time::from_seconds(1_700_000_000);

fn resource(status: serde_json::Value) -> OAuthClient {
    serde_json::from_value(json!({
        "apiVersion": "oauthclient.dev/v1alpha1", "kind": "OAuthClient",
        "metadata": {"name": "api", "namespace": "shop"},
        "spec": {
            "provider": {"tokenURL": "https://auth.example.com/token"},
            "credentials": {"secretName": "client"},
            "tokenSecret": {"name": "api-token"},
        },
        "status": status,
    }))
    .unwrap()
}

fn condition(kind: &str, status: &str, reason: &str) -> serde_json::Value {
    json!({"type": kind, "status": status, "reason": reason, "message": format!("{reason} in words."),
           "lastTransitionTime": "2023-11-14T22:00:00Z"})
}

#[test]
fn what_stands_in_the_way_is_told_before_what_still_works() {
    let summary = Summary::of(
        &resource(json!({
            "token": {"issuedTime": "2023-11-14T22:00:00Z", "expirationTime": "2023-11-14T22:43:20Z",
                      "refreshTime": "2023-11-14T22:10:00Z"},
            "attempt": {"time": "2023-11-14T22:12:20Z", "failures": 3, "reason": "InvalidClient", "inputsHash": "x"},
            "conditions": [
                condition("Ready", "True", "TokenValid"),
                condition("RefreshFailing", "True", "InvalidClient"),
                condition("Stalled", "True", "InvalidClient"),
            ],
        })),
        NOW,
    );
    let text = testing::stripped(&summary.in_full());
    let wanted = "shop/api: ready (InvalidClient)
  Expires:       in 30 min (2023-11-14T22:43:20Z)
  Refresh:       3 min 20 s ago (2023-11-14T22:10:00Z)
  Secret:        api-token
  Failure:       InvalidClient, 3 in a row, last 1 min ago (2023-11-14T22:12:20Z)
  Next try:      when the resource or its credentials change
  Message:       InvalidClient in words.";
    assert_eq!(text, wanted);
}

#[test]
fn a_resource_that_nobody_has_looked_at_says_so() {
    let summary = Summary::of(&resource(json!(null)), NOW);
    assert!(!summary.ready);
    assert!(testing::stripped(&summary.in_full()).contains("has not observed it yet"));
}

/// The operator stopped, and nobody has written the status since.
#[test]
fn an_expired_token_is_not_ready_though_its_status_says_so() {
    let at = |expires: &str| {
        Summary::of(
            &resource(json!({
                "token": {"issuedTime": "2023-11-14T21:00:00Z", "expirationTime": expires,
                          "refreshTime": "2023-11-14T22:00:00Z"},
                "conditions": [condition("Ready", "True", "TokenValid")],
            })),
            NOW,
        )
    };
    let summary = at("2023-11-14T22:10:00Z");
    assert!(!summary.ready);
    assert_eq!(summary.reason, "TokenExpired");
    assert_eq!(summary.tone(), Tone::Bad);
    assert!(
        summary.message.contains("kubectl oauthclient doctor"),
        "{}",
        summary.message
    );
    for valid in ["2023-11-14T22:12:30Z", "2023-11-14T22:43:20Z"] {
        assert!(at(valid).ready, "{valid}");
    }
}
