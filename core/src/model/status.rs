//! The status of an `OAuthClient`: what the operator reports.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::time::Time;

/// The state of the token and of the last attempts. Times are in RFC 3339 and UTC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OAuthClientStatus {
    /// The generation of the spec that this status describes; -1 until the operator has observed it.
    #[serde(default = "never_observed")]
    pub observed_generation: i64,
    /// The published token. Absent if the operator runs with --status-updates=transitions: then the annotations of the token
    /// Secret hold the times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenStatus>,
    /// The current refresh token, if the provider returned when it expires. Absent with --status-updates=transitions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<RefreshTokenStatus>,
    /// The last failed token request, until a request succeeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<AttemptStatus>,
    /// Repairs of the token Secret after someone else changed or deleted it. Absent if there were none recently.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repairs: Option<RepairStatus>,
    /// The client certificate, if one is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<ExpiryStatus>,
    /// The client secret, if the annotation oauthclient.dev/client-secret-expires-at of the credentials Secret says when it
    /// expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<ExpiryStatus>,
    /// The key of the client secret that the provider accepts, if it is the second of two
    /// (spec.credentials.keys.nextClientSecret).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub client_secret_key: Option<String>,
    /// The last handled value of the annotation oauthclient.dev/refresh-requested-at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub last_refresh_request: Option<String>,
    /// Ready: the published token is valid. RefreshFailing: the last token request failed. Reconciling: work is in progress
    /// or waiting for something. Stalled: a person must act; the message says how.
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

/// A condition of the status: `metav1.Condition` of Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Its type, one of [`crate::conditions::ConditionType`].
    #[serde(rename = "type")]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// The generation of the spec that it describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When the status last changed; whole seconds.
    #[serde(serialize_with = "write_time", deserialize_with = "read_time")]
    pub last_transition_time: Time,
    /// The reason, one of [`crate::conditions::Reason`].
    pub reason: String,
    /// What happened, what still works, and what to do.
    pub message: String,
}

fn write_time<S: Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

fn read_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
    let text = String::deserialize(deserializer)?;
    Time::parse_rfc3339(&text).ok_or_else(|| de::Error::custom("a time in RFC 3339 is expected"))
}

/// The published token's times.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenStatus {
    /// When the request for the token was sent.
    #[schemars(length(max = 40))]
    pub issued_time: String,
    /// When the token expires.
    #[schemars(length(max = 40))]
    pub expiration_time: String,
    /// When the next token is due.
    #[schemars(length(max = 40))]
    pub refresh_time: String,
    /// The granted scope, if the provider returned it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub scope: Option<String>,
}

/// A credential that expires.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExpiryStatus {
    /// When it expires; absent if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40))]
    pub expiration_time: Option<String>,
    /// Valid, ExpiresSoon (renew it now), Expired, or Unknown (the annotation is not a time).
    #[schemars(length(max = 32))]
    pub state: String,
}

/// The refresh token's times.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefreshTokenStatus {
    /// When the refresh token expires if it is not used. The operator uses it in time.
    #[schemars(length(max = 40))]
    pub expiration_time: String,
}

/// Repairs of a token Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RepairStatus {
    /// The number of repairs in a row. Each doubles the pause before the next one, from 10 s to 1 h.
    #[schemars(range(min = 0))]
    pub count: i32,
    /// When the last repair was made.
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
    /// When the next request may be sent; absent if only a change of the resource or of its credentials helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40))]
    pub next_time: Option<String>,
    /// The end of the provider's Retry-After. Until then, nothing is sent to it for the same client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40))]
    pub retry_after_time: Option<String>,
    /// How many requests in a row have failed.
    #[schemars(range(min = 0))]
    pub failures: i32,
    /// The keys of the client secrets that the provider has refused, if the credentials Secret holds two.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2), inner(length(max = 253)), extend("x-kubernetes-list-type" = "atomic"))]
    pub refused_secret_keys: Vec<String>,
    /// Why the last request failed, in one word.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// Transient: it may pass, and the request is soon repeated. Permanent: it needs a change, and the request is repeated
    /// seldom. NeedsPerson: a repeated request does harm, so nothing is sent until spec or credentials change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub kind: Option<String>,
    /// How far the request got. Never: it was not sent. Answered: the provider responded with an error. Refused: it refused the
    /// credentials or the request without a known code. InvalidGrant: it refused the grant. Unclear: something between
    /// operator and provider responded. Unknown: there was no complete response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub reached: Option<String>,
    /// The status of the HTTP response; absent without a response, and if it reported success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 999))]
    pub http_status: Option<i32>,
    /// The error code as the provider writes it, if there is one that can be shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub code: Option<String>,
    /// What happened, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8192))]
    pub message: Option<String>,
    /// What to do, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8192))]
    pub remedy: Option<String>,
    /// The command that does it, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8192))]
    pub command: Option<String>,
    /// If Kubernetes refused the token Secret: UID and resourceVersion of the existing Secret, or none. No token is requested
    /// until that Secret, the spec or the credentials change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub rejected_secret: Option<String>,
    /// Identifies what was sent: the attempt applies to these inputs only.
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
                "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0, "description": "The generation of the spec that the condition describes."},
                "lastTransitionTime": {"type": "string", "format": "date-time", "maxLength": 40, "description": "When the status last changed."},
                "reason": {"type": "string", "minLength": 1, "maxLength": 1024, "description": "The reason, one word of a documented list."},
                "message": {"type": "string", "maxLength": 32768, "description": "What happened, what still works, and what to do."},
            },
        },
    })
}
