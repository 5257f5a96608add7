//! What belongs together and what does not: each rule once, as CEL for the API server and as Rust for everybody else.
//!
//! The API server enforces the CEL of [`all`] (they are written into the CRD); [`super::validate`] and `local` evaluate
//! [`Rule::holds`] over the same value, defaults filled in. The manifests under `tests/manifests/` are put to both.
//! A rule is evaluated only on a value that the schema accepts, so it need not look at types.

mod assertion;
mod client_authentication;
mod client_certificate;
mod endpoints;
mod exchange;
mod grant;
mod login;
mod provider;
mod refresh;
mod request;
mod revocation;
mod token_secret;

use serde_json::Value;

use super::words;

/// One rule.
pub(crate) struct Rule {
    /// The value it looks at, from the root; `[]` stands for every item.
    pub(crate) at: &'static str,
    /// The field below that is to blame, with a leading dot; empty for the value itself.
    pub(crate) field: &'static str,
    /// The rule as the API server reads it.
    pub(crate) cel: &'static str,
    /// What is wrong and how to mend it.
    pub(crate) message: &'static str,
    /// The rule as everybody else reads it. Rules on changes hold always: only the API server knows what was before.
    pub(crate) holds: fn(&Value) -> bool,
}

const OBJECT_NAME: &str =
    "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')";
const OBJECT_NAME_MESSAGE: &str = "is not a name of a Kubernetes object: use lower case letters, digits, - and . only, with a letter or digit at both ends";
const DATA_KEY: &str = "self.matches('^[-._a-zA-Z0-9]+$') && self != '.' && !self.startsWith('..')";
const DATA_KEY_MESSAGE: &str = "is not a key that a Secret or ConfigMap can have: use letters, digits, - _ and . only, and no .. at the start";
const POINTER: &str = "self.matches('^(/([^/~]|~0|~1)*)*$')";
const POINTER_MESSAGE: &str = "is not a JSON pointer (RFC 6901): start each step with /, as in /value/token, and write ~ as ~0 and / as ~1";
const FIXED: &str = "self.matches('^[^[:cntrl:]]+$')";
const FIXED_MESSAGE: &str = "holds a line break or another control character: remove it (in YAML, | and > add a line break at the end)";

/// A rule on a value itself.
const fn own(
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

const fn object_name(at: &'static str) -> Rule {
    own(at, OBJECT_NAME, OBJECT_NAME_MESSAGE, |v| {
        words::is_object_name(text(v))
    })
}

const fn data_key(at: &'static str) -> Rule {
    own(at, DATA_KEY, DATA_KEY_MESSAGE, |v| {
        words::is_data_key(text(v))
    })
}

const fn pointer(at: &'static str) -> Rule {
    own(at, POINTER, POINTER_MESSAGE, |v| words::is_pointer(text(v)))
}

/// Every rule of the spec, in the order in which people read the fields.
pub(crate) fn all() -> impl Iterator<Item = &'static Rule> {
    [
        endpoints::RULES,
        provider::RULES,
        login::RULES,
        grant::RULES,
        exchange::RULES,
        refresh::RULES,
        client_authentication::RULES,
        assertion::RULES,
        client_certificate::RULES,
        request::RULES,
        revocation::RULES,
        token_secret::RULES,
    ]
    .into_iter()
    .flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn field<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).map(text).unwrap_or_default()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn below<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(pointer).into_iter().flat_map(items)
}

fn keys(value: &Value) -> impl Iterator<Item = &str> {
    value
        .as_object()
        .into_iter()
        .flat_map(|map| map.keys().map(String::as_str))
}

fn values(value: &Value) -> impl Iterator<Item = &str> {
    value
        .as_object()
        .into_iter()
        .flat_map(|map| map.values().map(text))
}
