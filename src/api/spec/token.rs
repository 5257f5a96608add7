//! When the token is refreshed, and where it is written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When the token is refreshed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refresh {
    /// Refresh the token this many seconds before it expires, instead of the default. Not together with beforePercent. The
    /// value is limited to two thirds of the token's lifetime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 31_536_000))]
    pub before_seconds: Option<i32>,
    /// Refresh the token when this percentage of its lifetime is left. Not together with beforeSeconds. The value is limited to
    /// two thirds of the lifetime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 99))]
    pub before_percent: Option<i32>,
    /// The lifetime in seconds to assume if the response has none.
    #[serde(default = "assumed")]
    #[schemars(range(min = 10, max = 31_536_000))]
    pub assumed_lifetime_seconds: i32,
    /// How a new token affects the previous one: with Independent both stay valid until they expire; with InvalidatesPrevious
    /// the previous one becomes invalid at once, so it is refreshed as late as is safe.
    #[serde(default = "independent")]
    #[schemars(extend("enum" = ["Independent", "InvalidatesPrevious"]))]
    pub token_reuse: String,
    /// For providers that return one cached token until this many seconds of its lifetime are left: no request is sent before.
    /// By default, the operator learns the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 20, max = 31_536_000))]
    pub cache_window_seconds: Option<i32>,
}

fn assumed() -> i32 {
    3300
}
fn independent() -> String {
    "Independent".to_owned()
}

impl Default for Refresh {
    fn default() -> Self {
        Refresh {
            before_seconds: None,
            before_percent: None,
            assumed_lifetime_seconds: assumed(),
            token_reuse: independent(),
            cache_window_seconds: None,
        }
    }
}

/// The Secret that the token is written to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenSecret {
    /// Name of the Secret, in this namespace. A Secret that already exists is not changed unless it has the annotation
    /// oauthclient.dev/adopt with the name of this resource.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Type of the Secret. Immutable, as in Secrets. Types in the domains kubernetes.io and k8s.io are refused, except
    /// kubernetes.io/dockerconfigjson and kubernetes.io/basic-auth.
    #[serde(rename = "type", default = "opaque")]
    #[schemars(length(min = 1, max = 253))]
    pub type_: String,
    /// Additional labels of the Secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "labels_schema")]
    pub labels: BTreeMap<String, String>,
    /// Additional annotations of the Secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "annotations_schema")]
    pub annotations: BTreeMap<String, String>,
    /// Keys of the Secret with templates for their values, instead of the keys access_token, token_type, expires_at and scope.
    /// Example: authorization: "{{ token_type }} {{ access_token }}". Variables: access_token, token_type, expires_at, scope,
    /// response (the decoded response), and credentials.KEY for client_id, username and the keys that the annotation
    /// oauthclient.dev/disclosed-keys of the credentials Secret names. Filters: b64encode, tojson, lower, upper, trim, default.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "data_schema")]
    pub data: BTreeMap<String, String>,
}

fn opaque() -> String {
    "Opaque".to_owned()
}

fn map_schema(max_properties: u32, max_length: u32) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "maxProperties": max_properties,
        "additionalProperties": {"type": "string", "maxLength": max_length},
    })
}

fn labels_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    map_schema(32, 63)
}

fn annotations_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    map_schema(32, 4096)
}

fn data_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    map_schema(32, 16_384)
}
