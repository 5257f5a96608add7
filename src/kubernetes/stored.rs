//! A stored `OAuthClient`, decoded separately: one that another version of the operator wrote differently, or that
//! passed a loosened schema, must not stop the list and the watch of all others.

use std::borrow::Cow;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use crate::api::{OAuthClient, OAuthClientSpec, SpecProblem, schema};

/// The maximum depth of the search for the invalid field: none of our fields is deeper.
const DEEPEST: usize = 6;

/// A resource, and what of it could not be decoded.
#[derive(Clone, Debug)]
pub(super) struct StoredResource {
    /// The resource; if its spec cannot be decoded, one that only names its Secrets.
    pub(super) object: OAuthClient,
    /// The problem of a spec that cannot be decoded.
    pub(super) problem: Option<SpecProblem>,
    /// Whether the status has fields that this version does not know: a newer version has written them.
    pub(super) unknown_status: bool,
}

impl StoredResource {
    fn decoded(value: Value) -> Result<StoredResource, serde_json::Error> {
        let unknown_status = value.get("status").is_some_and(|status| {
            let known = schema::root().pointer("/properties/status");
            known.is_none_or(|known| !knows(known, status))
        });
        if let Ok(object) = OAuthClient::deserialize(&value) {
            return Ok(StoredResource {
                object,
                problem: None,
                unknown_status,
            });
        }
        let part = |name: &str| value.get(name).unwrap_or(&Value::Null);
        let metadata = ObjectMeta::deserialize(part("metadata"))?;
        let spec = part("spec");
        let (spec, problem) = match OAuthClientSpec::deserialize(spec) {
            Ok(spec) => (spec, None),
            Err(_) => (nothing_but_names(spec)?, Some(problem(spec))),
        };
        let mut object = OAuthClient::new("", spec);
        object.metadata = metadata;
        // A status that cannot be decoded is ignored and written again.
        object.status = Deserialize::deserialize(part("status")).ok();
        Ok(StoredResource {
            object,
            problem,
            unknown_status,
        })
    }

    /// Whether the status already reports that the spec is invalid.
    pub(super) fn reports_its_problem(&self) -> bool {
        let conditions = self
            .object
            .status
            .iter()
            .flat_map(|status| &status.conditions);
        self.problem.is_none()
            || conditions
                .filter(|condition| condition.type_ == "Stalled" && condition.status == "True")
                .any(|condition| condition.reason == "InvalidSpec")
    }
}

impl<'de> Deserialize<'de> for StoredResource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        // The cause is not passed on, because it may quote the object.
        StoredResource::decoded(value).map_err(|_| serde::de::Error::custom("no Kubernetes object"))
    }
}

impl Resource for StoredResource {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind(dynamic: &()) -> Cow<'_, str> {
        OAuthClient::kind(dynamic)
    }

    fn group(dynamic: &()) -> Cow<'_, str> {
        OAuthClient::group(dynamic)
    }

    fn version(dynamic: &()) -> Cow<'_, str> {
        OAuthClient::version(dynamic)
    }

    fn plural(dynamic: &()) -> Cow<'_, str> {
        OAuthClient::plural(dynamic)
    }

    fn meta(&self) -> &ObjectMeta {
        &self.object.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.object.metadata
    }
}

/// Whether a schema has every field of a value.
fn knows(schema: &Value, value: &Value) -> bool {
    match value {
        Value::Object(fields) => match schema.get("properties") {
            Some(known) => fields.iter().all(|(name, value)| {
                value.is_null() || known.get(name).is_some_and(|known| knows(known, value))
            }),
            // A map with keys of its own.
            None => true,
        },
        Value::Array(items) => match schema.get("items") {
            Some(known) => items.iter().all(|item| knows(known, item)),
            None => true,
        },
        _ => true,
    }
}

/// The minimal spec with the readable names of the Secrets, so that the existing token can still be reported.
fn nothing_but_names(spec: &Value) -> Result<OAuthClientSpec, serde_json::Error> {
    let name = |pointer: &str| spec.pointer(pointer).and_then(Value::as_str);
    let mut least = json!({
        "provider": {},
        "tokenSecret": {"name": name("/tokenSecret/name").unwrap_or_default()},
    });
    if let (Some(least), Some(secret)) = (least.as_object_mut(), name("/credentials/secretName")) {
        least.insert("credentials".to_owned(), json!({"secretName": secret}));
    }
    OAuthClientSpec::deserialize(least)
}

/// What is wrong, without any value.
fn problem(spec: &Value) -> SpecProblem {
    let least = json!({"provider": {}, "tokenSecret": {"name": ""}});
    let field = culprit(&least, &mut Vec::new(), spec).unwrap_or_default();
    SpecProblem::new(
        format!("spec{field}"),
        "is not of the type that this version of the operator knows; correct it, or run the version that wrote it",
    )
}

/// The innermost field that alone makes the minimal spec invalid: its path after `spec`.
fn culprit(least: &Value, path: &mut Vec<String>, at: &Value) -> Option<String> {
    let inner: Vec<(String, &Value)> = match at {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), value))
            .collect(),
        Value::Array(items) => items.iter().map(|item| ("[]".to_owned(), item)).collect(),
        _ => Vec::new(),
    };
    for (name, value) in inner {
        path.push(name);
        let wrong = |value: Value| {
            OAuthClientSpec::deserialize(with(least.clone(), path, value))
                .is_err_and(|error| !error.to_string().starts_with("missing field"))
        };
        if wrong(value.clone()) {
            // If even an empty value is invalid, the field itself is wrong.
            let hollow = match value {
                Value::Object(_) => json!({}),
                Value::Array(_) => json!([]),
                other => other.clone(),
            };
            let inside = path.len() < DEEPEST && !wrong(hollow);
            let deeper = inside.then(|| culprit(least, path, value)).flatten();
            return Some(deeper.unwrap_or_else(|| written(path)));
        }
        path.pop();
    }
    None
}

/// A path as the API server writes it: `.parameters[].value`.
fn written(path: &[String]) -> String {
    let parts = path.iter().map(|part| match part.as_str() {
        "[]" => part.clone(),
        name => format!(".{name}"),
    });
    parts.collect()
}

/// The spec with one more value; `[]` in the path is a list of one.
fn with(spec: Value, path: &[String], value: Value) -> Value {
    let Some((first, rest)) = path.split_first() else {
        return value;
    };
    if first == "[]" {
        return Value::Array(vec![with(Value::Null, rest, value)]);
    }
    let mut fields = match spec {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    let before = fields.remove(first).unwrap_or(Value::Null);
    fields.insert(first.clone(), with(before, rest, value));
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(spec: Value) -> StoredResource {
        let object = json!({
            "apiVersion": "oauthclient.dev/v1alpha1",
            "kind": "OAuthClient",
            "metadata": {"name": "a", "namespace": "n", "uid": "u", "generation": 3},
            "spec": spec,
            "status": {"observedGeneration": 2},
        });
        serde_json::from_value(object).unwrap()
    }

    fn spec() -> Value {
        json!({
            "provider": {"tokenURL": "https://auth.example.com/token"},
            "credentials": {"secretName": "client"},
            "tokenSecret": {"name": "token"},
            "scopes": ["read"],
            "parameters": [{"name": "audience", "value": "x"}],
        })
    }

    #[test]
    fn what_decodes_is_taken_as_it_is() {
        let stored = stored(spec());
        assert!(stored.problem.is_none() && stored.reports_its_problem());
        assert_eq!(stored.object.spec.scopes, ["read"]);
        assert_eq!(stored.object.status.unwrap().observed_generation, 2);
    }

    #[test]
    fn the_field_that_does_not_decode_is_named_and_not_quoted() {
        for (pointer, wrong, field) in [
            ("/scopes", json!("s3cr3t"), "spec.scopes"),
            ("/scopes/0", json!({"s3cr3t": 1}), "spec.scopes[]"),
            ("/parameters/0/value", json!([1]), "spec.parameters[].value"),
            ("/provider/tokenURL", json!(5), "spec.provider.tokenURL"),
            (
                "/tokenSecret/name",
                json!(["s3cr3t"]),
                "spec.tokenSecret.name",
            ),
            ("/credentials", json!("s3cr3t"), "spec.credentials"),
            ("", json!("s3cr3t"), "spec"),
            ("", Value::Null, "spec"),
        ] {
            let mut spec = spec();
            *spec.pointer_mut(pointer).unwrap() = wrong;
            let stored = stored(spec);
            let problem = stored.problem.clone().unwrap();
            assert_eq!(problem.field, field);
            assert!(!problem.message.contains("s3cr3t"));
            assert_eq!(stored.meta().uid.as_deref(), Some("u"));
            assert!(!stored.reports_its_problem());
            assert!(crate::api::validate(&stored.object).is_err());
        }
    }

    #[test]
    fn what_can_still_be_read_of_it_is_kept() {
        let mut wrong = spec();
        *wrong.pointer_mut("/scopes").unwrap() = json!(7);
        let object = stored(wrong).object;
        assert_eq!(object.spec.token_secret.name, "token");
        assert_eq!(object.spec.credentials.unwrap().secret_name, "client");
    }

    #[test]
    fn fields_of_a_status_that_only_a_newer_version_knows_are_noticed() {
        let unknown = |status: Value| {
            let object = json!({"metadata": {"name": "a"}, "spec": spec(), "status": status});
            let stored: StoredResource = serde_json::from_value(object).unwrap();
            stored.unknown_status
        };
        let token = json!({"issuedTime": "i", "expirationTime": "e", "refreshTime": "r"});
        let ready = json!({"type": "Ready", "status": "True", "reason": "r", "message": "m",
            "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 1});
        assert!(!unknown(
            json!({"observedGeneration": 1, "token": token, "conditions": [ready]})
        ));
        assert!(!unknown(json!({"observedGeneration": 1, "another": null})));
        assert!(unknown(json!({"observedGeneration": 1, "another": 1})));
        let mut token = token;
        token["another"] = json!("x");
        assert!(unknown(json!({"observedGeneration": 1, "token": token})));
        let mut ready = ready;
        ready["another"] = json!(1);
        assert!(unknown(
            json!({"observedGeneration": 1, "conditions": [ready]})
        ));
    }

    #[test]
    fn a_status_that_does_not_decode_is_none() {
        let object = json!({
            "metadata": {"name": "a"},
            "spec": spec(),
            "status": {"observedGeneration": "many"},
        });
        let stored: StoredResource = serde_json::from_value(object).unwrap();
        assert!(stored.problem.is_none() && stored.object.status.is_none());
        assert_eq!(stored.object.spec.scopes, ["read"]);
    }
}
