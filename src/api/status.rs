//! The status of an `OAuthClient`: what the operator reports.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the operator knows of the token and of its last attempts. Times are RFC 3339 in UTC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OAuthClientStatus {
    /// The generation of the spec that this status tells of; -1 until the operator has looked.
    #[serde(default = "never_observed")]
    pub observed_generation: i64,
    /// The published token. Left out where the operator runs with --status-updates=transitions: the annotations of the token
    /// Secret tell the times then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenStatus>,
    /// The refresh token that is used next, where the provider told when it ends. Left out with
    /// --status-updates=transitions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<RefreshTokenStatus>,
    /// The failing token request, as long as it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<AttemptStatus>,
    /// Repairs of a token Secret that someone else altered or deleted. Left out where there were none for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repairs: Option<RepairStatus>,
    /// The client certificate, where one is shown to the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<ExpiryStatus>,
    /// The client secret, where the annotation oauthclient.dev/client-secret-expires-at of the credentials Secret says when it
    /// ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<ExpiryStatus>,
    /// The key of the client secret that the provider takes, where it is the second of two
    /// (spec.credentials.keys.nextClientSecret).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub client_secret_key: Option<String>,
    /// The value of the annotation oauthclient.dev/refresh-requested-at that was handled last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub last_refresh_request: Option<String>,
    /// Ready: the published token is valid. RefreshFailing: the last token request failed. Reconciling: something is under way
    /// or awaited. Stalled: a person must act; the message says how.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
}

fn never_observed() -> i64 {
    -1
}

impl Default for OAuthClientStatus {
    fn default() -> Self {
        OAuthClientStatus {
            observed_generation: never_observed(),
            token: None,
            refresh_token: None,
            attempt: None,
            repairs: None,
            client_certificate: None,
            client_secret: None,
            client_secret_key: None,
            last_refresh_request: None,
            conditions: Vec::new(),
        }
    }
}

/// The published token's times.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenStatus {
    /// When the request that gave the token was sent.
    #[schemars(length(max = 40))]
    pub issued_time: String,
    /// When the token ends.
    #[schemars(length(max = 40))]
    pub expiration_time: String,
    /// When the next token is due.
    #[schemars(length(max = 40))]
    pub refresh_time: String,
    /// The scope that was granted, where the provider told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub scope: Option<String>,
}

/// Something that ends besides the token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExpiryStatus {
    /// When it ends; left out where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40))]
    pub expiration_time: Option<String>,
    /// Valid, ExpiresSoon (there is time to renew it), Expired, or Unknown (what the annotation says is no time).
    #[schemars(length(max = 32))]
    pub state: String,
}

/// The refresh token's times.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefreshTokenStatus {
    /// When the refresh token ends if it is not used before; the operator uses it in time.
    #[schemars(length(max = 40))]
    pub expiration_time: String,
}

/// Repairs of a token Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RepairStatus {
    /// How many there were in a row. The pause before the next one doubles with each, from 10 s to 1 h.
    #[schemars(range(min = 0))]
    pub count: i32,
    /// When the last one was made.
    #[schemars(length(max = 40))]
    pub time: String,
}

/// A failing token request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttemptStatus {
    /// When the last request was sent.
    #[schemars(length(max = 40))]
    pub time: String,
    /// When the next one may be made; left out when only a change of the resource or of its credentials helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40))]
    pub next_time: Option<String>,
    /// The end of the provider's `Retry-After`, before which nothing is sent to it for the same client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40))]
    pub retry_after_time: Option<String>,
    /// How many requests in a row have failed.
    #[schemars(range(min = 0))]
    pub failures: i32,
    /// The keys of the client secrets that the provider has refused, where the credentials Secret holds two.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2), inner(length(max = 253)), extend("x-kubernetes-list-type" = "atomic"))]
    pub refused_secret_keys: Vec<String>,
    /// Why the last one failed, in one word.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// Where Kubernetes did not accept the token Secret: the UID and resourceVersion of that Secret as it was, or none. No token
    /// is requested until it, the spec or the credentials change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub rejected_secret: Option<String>,
    /// Stands for what was sent: the attempt counts for these inputs only.
    #[schemars(length(max = 128))]
    pub inputs_hash: String,
}

/// `metav1.Condition` with its limits, as a map by type.
fn conditions_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array",
        "maxItems": 8,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "description": "One condition; docs/conditions.md lists their types and reasons.",
            "required": ["type", "status", "lastTransitionTime", "reason", "message"],
            "properties": {
                "type": {"type": "string", "maxLength": 316, "description": "Ready, RefreshFailing, Reconciling or Stalled."},
                "status": {"type": "string", "enum": ["True", "False", "Unknown"], "description": "Whether it holds."},
                "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0, "description": "The generation of the spec that it tells of."},
                "lastTransitionTime": {"type": "string", "format": "date-time", "maxLength": 40, "description": "When the status last changed."},
                "reason": {"type": "string", "minLength": 1, "maxLength": 1024, "description": "Why, in one word of a documented list."},
                "message": {"type": "string", "maxLength": 32768, "description": "Why, in a sentence, and what to do next."},
            },
        },
    })
}
