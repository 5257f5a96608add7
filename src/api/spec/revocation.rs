//! Revocation of tokens that are no longer needed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When tokens are revoked at the provider (RFC 7009). This requires provider.revocationURL, or an issuer whose discovery document
/// names a revocation endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Revocation {
    /// Revoke the token when this resource is deleted. A finalizer delays the deletion for at most 30 seconds; then the
    /// resource is deleted, whether the revocation succeeded or not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub on_deletion: bool,
    /// Revoke the previous token some time after it was replaced. Best effort: pending revocations are lost when the operator
    /// stops. Not allowed with refresh tokens, because the provider may revoke them too (RFC 7009 section 2.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_token: Option<PreviousToken>,
}

/// When the previous token is revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreviousToken {
    /// The number of seconds after its replacement. Mounted Secrets take up to 90 seconds to update, and workloads may read them
    /// even later.
    #[serde(default = "five_minutes")]
    #[schemars(range(min = 120, max = 86_400))]
    pub after_seconds: i32,
}

fn five_minutes() -> i32 {
    300
}
