//! What becomes of tokens that nobody needs any more.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When tokens are revoked at the provider (RFC 7009). It needs provider.revocationURL, or an issuer whose discovery document
/// names a revocation endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Revocation {
    /// Revoke the token when this resource is deleted. A finalizer holds the resource for that, for half a minute at most: then
    /// it goes, revoked or not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub on_deletion: bool,
    /// Revoke the token before, some time after it was replaced. Best effort: what waits is forgotten when the operator ends.
    /// Not for a resource that works with refresh tokens, since those may be revoked with it (RFC 7009 section 2.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_token: Option<PreviousToken>,
}

/// When the token before is revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreviousToken {
    /// How many seconds after it was replaced. Mounted Secrets take up to 90 seconds to follow, and workloads read them when
    /// they like.
    #[serde(default = "five_minutes")]
    #[schemars(range(min = 120, max = 86_400))]
    pub after_seconds: i32,
}

fn five_minutes() -> i32 {
    300
}
