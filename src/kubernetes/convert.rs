//! Conversions between the API's objects and ours.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::{ConfigMap, Secret as ApiSecret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Map, Value, json};

use crate::model::{Owner, SecretBody, SecretSeen, WriteMode};
use crate::reconcile::{ConfigMapRead, StoreError};
use crate::secret::Secret;

/// An observed Secret.
pub(crate) fn secret_seen(secret: ApiSecret) -> SecretSeen {
    let data = secret
        .data
        .unwrap_or_default()
        .into_iter()
        .map(|(key, value)| (key, Secret::new(value.0)))
        .collect();
    SecretSeen {
        type_: secret.type_.unwrap_or_else(|| "Opaque".to_owned()),
        data,
        immutable: secret.immutable.unwrap_or(false),
        ..metadata_seen(secret.metadata)
    }
}

/// The metadata of an observed Secret.
pub(crate) fn metadata_seen(metadata: ObjectMeta) -> SecretSeen {
    let owners = metadata
        .owner_references
        .unwrap_or_default()
        .into_iter()
        .map(|owner| Owner {
            api_version: owner.api_version,
            kind: owner.kind,
            name: owner.name,
            uid: owner.uid,
            controller: owner.controller.unwrap_or(false),
        })
        .collect();
    SecretSeen {
        name: metadata.name.unwrap_or_default(),
        uid: metadata.uid.unwrap_or_default(),
        resource_version: metadata.resource_version.unwrap_or_default(),
        type_: String::new(),
        labels: metadata.labels.unwrap_or_default(),
        annotations: metadata.annotations.unwrap_or_default(),
        data: BTreeMap::new(),
        immutable: false,
        deleting: metadata.deletion_timestamp.is_some(),
        owners,
    }
}

/// One key of a ConfigMap, as text or as bytes.
pub(crate) fn config_map_read(map: Option<ConfigMap>, key: &str) -> ConfigMapRead {
    let Some(map) = map else {
        return ConfigMapRead::Missing;
    };
    let text = map.data.and_then(|mut data| data.remove(key));
    let bytes = map.binary_data.and_then(|mut data| data.remove(key));
    match text.map(String::into_bytes).or(bytes.map(|bytes| bytes.0)) {
        Some(value) => ConfigMapRead::Value(value),
        None => ConfigMapRead::KeyMissing,
    }
}

/// The body of a write: a whole object to create, otherwise a merge patch with UID and resourceVersion as
/// preconditions.
pub(super) fn write_body(write: &SecretBody) -> Value {
    let creating = write.mode == WriteMode::Create;
    let texts = |texts: &BTreeMap<String, Option<String>>| -> Map<String, Value> {
        texts
            .iter()
            .filter(|(_, value)| value.is_some() || !creating)
            .map(|(key, value)| {
                (
                    key.clone(),
                    value.clone().map_or(Value::Null, Value::String),
                )
            })
            .collect()
    };
    let data: Map<String, Value> = write
        .data
        .iter()
        .filter(|(_, value)| value.is_some() || !creating)
        .map(|(key, value)| {
            let value = value.as_ref().map_or(Value::Null, |value| {
                Value::String(STANDARD.encode(value.expose_bytes()))
            });
            (key.clone(), value)
        })
        .collect();
    let mut metadata = Map::new();
    metadata.insert("labels".to_owned(), Value::Object(texts(&write.labels)));
    metadata.insert(
        "annotations".to_owned(),
        Value::Object(texts(&write.annotations)),
    );
    if let Some(owners) = &write.owners {
        let owners = owners.iter().map(owner).collect();
        metadata.insert("ownerReferences".to_owned(), owners);
    }
    let mut body = Map::new();
    match &write.mode {
        WriteMode::Create => {
            metadata.insert("name".to_owned(), json!(write.name));
            body.insert("apiVersion".to_owned(), json!("v1"));
            body.insert("kind".to_owned(), json!("Secret"));
            body.insert("type".to_owned(), json!(write.type_));
        }
        WriteMode::Patch {
            uid,
            resource_version,
        } => {
            metadata.insert("uid".to_owned(), json!(uid));
            metadata.insert("resourceVersion".to_owned(), json!(resource_version));
        }
    }
    body.insert("metadata".to_owned(), Value::Object(metadata));
    if !data.is_empty() {
        body.insert("data".to_owned(), Value::Object(data));
    }
    Value::Object(body)
}

fn owner(owner: &Owner) -> Value {
    // A `controller` that is not true is omitted: on a foreign entry, it may not even be set.
    let mut reference = Map::from_iter([
        ("apiVersion".to_owned(), json!(owner.api_version)),
        ("kind".to_owned(), json!(owner.kind)),
        ("name".to_owned(), json!(owner.name)),
        ("uid".to_owned(), json!(owner.uid)),
    ]);
    if owner.controller {
        reference.insert("controller".to_owned(), json!(true));
    }
    Value::Object(reference)
}

pub(crate) fn outdated(what: &str) -> StoreError {
    StoreError::Passing(format!(
        "the API server returned an older version {what} than its watch had reported"
    ))
}
