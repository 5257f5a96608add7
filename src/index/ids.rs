//! Short names of Secrets and versions in the index.

use crate::engine::Key;
use crate::policy::{login_name, short};

/// Hashes of `namespace/name` of Secrets.
pub(crate) type SecretId = u64;

/// No Secret: never the id of one.
pub(crate) const NONE: SecretId = 0;

/// A resourceVersion as a number, for comparison; 0 if it is none.
pub(crate) fn ordered(resource_version: Option<&str>) -> u64 {
    resource_version
        .and_then(|version| version.parse().ok())
        .unwrap_or(0)
}

/// The id of a Secret.
pub(crate) fn secret_id(namespace: &str, name: &str) -> SecretId {
    short(&format!("{namespace}/{name}"))
}

pub(crate) fn login_id(key: &Key) -> SecretId {
    secret_id(key.namespace(), &login_name(key.name()))
}
