//! What the API server accepts in a Secret, as far as this is known in advance (`ValidateSecret` and
//! `ValidateObjectMeta` of Kubernetes).

use std::fmt;

use serde::Deserializer;
use serde::de::{IgnoredAny, MapAccess, Visitor};

/// The maximum size of all values of a Secret together, in bytes.
pub const MAX_DATA_BYTES: usize = 1 << 20;
/// The maximum size of all annotations of an object together, including keys, in bytes.
pub const MAX_ANNOTATION_BYTES: usize = 256 << 10;
/// The type of Secrets for image registries.
pub const DOCKER_CONFIG: &str = "kubernetes.io/dockerconfigjson";
/// The required key of such a Secret.
pub const DOCKER_CONFIG_KEY: &str = ".dockerconfigjson";

/// Whether the API server accepts this for the key `.dockerconfigjson`: anything that Go decodes into a map, which is a
/// JSON object or `null` with any content.
pub fn is_docker_config(bytes: &[u8]) -> bool {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    json.deserialize_any(ObjectOrNull).is_ok() && json.end().is_ok()
}

/// Accepts an object or `null`, and discards it.
struct ObjectOrNull;

impl<'de> Visitor<'de> for ObjectOrNull {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

/// Whether the prefix of a label or annotation key is a DNS subdomain (RFC 1123).
pub fn is_key_prefix(prefix: &str) -> bool {
    let label = |label: &str| {
        let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = label.as_bytes();
        edge(bytes.first())
            && edge(bytes.last())
            && bytes
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || *b == b'-')
    };
    prefix.len() <= 253 && prefix.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_docker_config_is_what_go_decodes_into_a_map() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
        for accepted in [
            "{}",
            " {\"auths\": {\"r.example\": {\"auth\": \"x\"}}}\n",
            "null",
            "{\"a\":1,\"a\":2}",
            &deep,
        ] {
            assert!(is_docker_config(accepted.as_bytes()), "{accepted:.40}");
        }
        for rejected in [
            "", "x", "[]", "\"{}\"", "1", "true", "{}{}", "{\"a\":}", "{'a':1}",
        ] {
            assert!(!is_docker_config(rejected.as_bytes()), "{rejected}");
        }
    }

    #[test]
    fn the_prefix_of_a_key_is_a_dns_subdomain() {
        for accepted in ["example.com", "a", "x-1.example"] {
            assert!(is_key_prefix(accepted), "{accepted}");
        }
        let long = ["a"; 200].join(".");
        for rejected in ["", "a..b", "a.", ".a", "-a", "a-", "a.-b", "a_b", &long] {
            assert!(!is_key_prefix(rejected), "{rejected}");
        }
    }
}
