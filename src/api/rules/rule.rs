//! One rule, and how rules access values.

use serde_json::Value;

use crate::api::validators;

/// One rule.
pub(crate) struct Rule {
    /// The value that it applies to, from the root; `[]` stands for every item.
    pub(crate) at: &'static str,
    /// The field with the problem, with a leading dot; empty for the value itself.
    pub(crate) field: &'static str,
    /// The rule in CEL.
    pub(crate) cel: &'static str,
    /// What is wrong and how to fix it.
    pub(crate) message: &'static str,
    /// The rule in Rust. Rules about changes always hold here, because only the API server knows the previous value.
    pub(crate) holds: fn(&Value) -> bool,
}

pub(super) const OBJECT_NAME: &str =
    "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')";
pub(super) const OBJECT_NAME_MESSAGE: &str = "is not a name of a Kubernetes object: use lower case letters, digits, - and . only, with a letter or digit at both ends";
pub(super) const DATA_KEY: &str =
    "self.matches('^[-._a-zA-Z0-9]+$') && self != '.' && !self.startsWith('..')";
pub(super) const DATA_KEY_MESSAGE: &str = "is not a key that a Secret or ConfigMap can have: use letters, digits, - _ and . only, and no .. at the start";
pub(super) const POINTER: &str = "self.matches('^(/([^/~]|~0|~1)*)*$')";
pub(super) const POINTER_MESSAGE: &str = "is not a JSON pointer (RFC 6901): start each step with /, as in /value/token, and write ~ as ~0 and / as ~1";
pub(super) const FIXED: &str = "self.matches('^[^[:cntrl:]]*$')";
pub(super) const FIXED_MESSAGE: &str = "holds a line break or another control character: remove it (in YAML, | and > add a line break at the end)";

/// A rule about the value itself.
pub(super) const fn own(
    at: &'static str,
    cel: &'static str,
    message: &'static str,
    holds: fn(&Value) -> bool,
) -> Rule {
    Rule {
        at,
        field: "",
        cel,
        message,
        holds,
    }
}

pub(super) const fn object_name(at: &'static str) -> Rule {
    own(at, OBJECT_NAME, OBJECT_NAME_MESSAGE, |v| {
        validators::is_object_name(text(v))
    })
}

pub(super) const fn data_key(at: &'static str) -> Rule {
    own(at, DATA_KEY, DATA_KEY_MESSAGE, |v| {
        validators::is_data_key(text(v))
    })
}

pub(super) const fn pointer(at: &'static str) -> Rule {
    own(at, POINTER, POINTER_MESSAGE, |v| {
        validators::is_pointer(text(v))
    })
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(super) fn field<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).map(text).unwrap_or_default()
}

pub(super) fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

pub(super) fn below<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(pointer).into_iter().flat_map(items)
}

pub(super) fn keys(value: &Value) -> impl Iterator<Item = &str> {
    value
        .as_object()
        .into_iter()
        .flat_map(|map| map.keys().map(String::as_str))
}

pub(super) fn values(value: &Value) -> impl Iterator<Item = &str> {
    value
        .as_object()
        .into_iter()
        .flat_map(|map| map.values().map(text))
}
