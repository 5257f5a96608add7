//! The state in a run, without what differs between runs: two runs that ended in the same way compare as equal.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::scene::{CREDENTIALS, NAME, Run};
use crate::harness::jiff_now;

const ASKED: &str = "/metadata/annotations/oauthclient.dev~1refresh-requested-at";

fn at<'a>(object: &'a Value, path: &str) -> &'a Value {
    object.pointer(path).unwrap_or(&Value::Null)
}

fn keys(map: &Value) -> Vec<&String> {
    map.as_object()
        .into_iter()
        .flatten()
        .map(|(k, _)| k)
        .collect()
}

fn ours(map: &Value) -> BTreeMap<&String, &Value> {
    let all = map.as_object().into_iter().flatten();
    all.filter(|(key, _)| key.starts_with("oauthclient.dev/"))
        .collect()
}

impl Run<'_> {
    /// The state of the resource and of every Secret except its credentials.
    pub async fn standing(&self) -> Value {
        let group = "apis/oauthclient.dev/v1alpha1";
        let resource = self.get(group, &format!("oauthclients/{NAME}")).await;
        let resource = resource.unwrap_or_default();
        let secrets = self.get("api/v1", "secrets").await.unwrap_or_default();
        let secrets: BTreeMap<String, Value> = at(&secrets, "/items")
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|secret| Some((at(secret, "/metadata/name").as_str()?, secret)))
            .filter(|(name, _)| *name != CREDENTIALS)
            .map(|(name, secret)| (name.to_owned(), self.of_secret(secret, &resource)))
            .collect();
        json!({"resource": of_resource(&resource), "secrets": secrets})
    }

    fn of_secret(&self, secret: &Value, resource: &Value) -> Value {
        let owners: Vec<Value> = at(secret, "/metadata/ownerReferences")
            .as_array()
            .into_iter()
            .flatten()
            .map(|owner| {
                let mut owner = owner.clone();
                owner["uid"] = json!(at(&owner, "/uid") == at(resource, "/metadata/uid"));
                owner
            })
            .collect();
        let text = |key: &str| {
            let value = at(secret, &format!("/data/{key}")).as_str()?;
            String::from_utf8(STANDARD.decode(value).ok()?).ok()
        };
        let token = text("access_token").map(|token| {
            let newest = self.scene.provider.tokens(&self.path).pop();
            let until = self.scene.provider.introspect(&token);
            json!({
                "valid": until.is_some_and(|until| until > jiff_now()),
                "newest": newest.is_some_and(|newest| newest.token == token),
            })
        });
        let newest = self.scene.provider.refresh_tokens(&self.path).pop();
        let refresh = text("refresh_token").map(|token| newest == Some(token));
        let claim = text("claim").and_then(|claim| serde_json::from_str::<Value>(&claim).ok());
        json!({
            "newest refresh token": refresh,
            "open claim": claim.map(|claim| claim["open"].clone()),
            "type": at(secret, "/type"),
            "labels": ours(at(secret, "/metadata/labels")),
            "annotations": ours(at(secret, "/metadata/annotations")).into_keys().collect::<Vec<_>>(),
            "owners": owners,
            "keys": keys(at(secret, "/data")),
            "token": token,
            "deleting": !at(secret, "/metadata/deletionTimestamp").is_null(),
        })
    }
}

fn of_resource(resource: &Value) -> Value {
    if resource.is_null() {
        return Value::Null;
    }
    let generation = at(resource, "/metadata/generation");
    let conditions: Vec<Value> = at(resource, "/status/conditions")
        .as_array()
        .into_iter()
        .flatten()
        .map(|condition| {
            let observed = at(condition, "/observedGeneration") == generation;
            let of = |field| at(condition, field);
            json!([of("/type"), of("/status"), of("/reason"), observed])
        })
        .collect();
    json!({
        "observed": at(resource, "/status/observedGeneration") == generation,
        "conditions": conditions,
        "token": keys(at(resource, "/status/token")),
        "attempt": at(resource, "/status/attempt"),
        "handled": at(resource, "/status/lastRefreshRequest") == at(resource, ASKED),
        "finalizers": at(resource, "/metadata/finalizers"),
        "deleting": !at(resource, "/metadata/deletionTimestamp").is_null(),
    })
}
