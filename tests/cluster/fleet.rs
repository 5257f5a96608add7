//! Many resources read at once, for tests in which each is one case.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams};
use serde_json::Value;

use super::harness::{Condition, SOON, Stage};

/// How often it is looked; a look is two lists.
const PERIOD: Duration = Duration::from_millis(150);

/// All resources of a stage, and their token Secrets.
pub struct Fleet<'a> {
    stage: &'a Stage,
    resources: Api<DynamicObject>,
    secrets: Api<Secret>,
    events: Api<Event>,
}

/// The state of one resource and its token Secret.
#[derive(Clone, Debug)]
pub struct Look {
    pub object: Value,
    /// The data of Secret `NAME-token`, decoded; `None` when there is none.
    pub data: Option<BTreeMap<String, String>>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

impl Look {
    /// A condition; empty words when it is not there. One that is only present while True is False when only others are
    /// there.
    pub fn condition(&self, kind: &str) -> Condition {
        let none = Vec::new();
        let conditions = self.object.pointer("/status/conditions");
        let found = conditions
            .and_then(Value::as_array)
            .unwrap_or(&none)
            .iter()
            .find(|condition| condition.get("type").and_then(Value::as_str) == Some(kind));
        let text = |field: &str| {
            let text = found.and_then(|found| found.get(field)?.as_str());
            text.unwrap_or_default().to_owned()
        };
        let reported = conditions
            .and_then(Value::as_array)
            .is_some_and(|list| !list.is_empty());
        let status = match found {
            None if kind != "Ready" && reported => "False".to_owned(),
            _ => text("status"),
        };
        Condition {
            status,
            reason: text("reason"),
            message: text("message"),
        }
    }

    /// Whether a condition has this status.
    pub fn is(&self, kind: &str, status: &str) -> bool {
        self.condition(kind).status == status
    }

    /// The published token.
    pub fn token(&self) -> Option<&str> {
        self.data.as_ref()?.get("access_token").map(String::as_str)
    }

    /// A text of the status, by JSON pointer.
    pub fn status(&self, pointer: &str) -> Option<&str> {
        self.object.get("status")?.pointer(pointer)?.as_str()
    }
}

impl<'a> Fleet<'a> {
    /// The fleet of a stage.
    pub fn of(stage: &'a Stage) -> Fleet<'a> {
        let client = stage.plane.client().unwrap();
        let kind = GroupVersionKind::gvk("oauthclient.dev", "v1alpha1", "OAuthClient");
        let kind = ApiResource::from_gvk_with_plural(&kind, "oauthclients");
        Fleet {
            stage,
            resources: Api::namespaced_with(client.clone(), &stage.namespace, &kind),
            secrets: Api::namespaced(client.clone(), &stage.namespace),
            events: Api::namespaced(client, &stage.namespace),
        }
    }

    /// Every resource by name, as it is now.
    pub async fn look(&self) -> BTreeMap<String, Look> {
        let every = ListParams::default();
        let (resources, secrets) =
            tokio::try_join!(self.resources.list(&every), self.secrets.list(&every)).unwrap();
        let secrets: BTreeMap<String, Secret> = secrets
            .into_iter()
            .map(|secret| (secret.metadata.name.clone().unwrap(), secret))
            .collect();
        let look = |resource: DynamicObject| {
            let name = resource.metadata.name.clone().unwrap();
            let secret = secrets.get(&format!("{name}-token"));
            let look = Look {
                object: serde_json::to_value(resource).unwrap(),
                data: secret.map(decoded),
                annotations: secret
                    .and_then(|secret| secret.metadata.annotations.clone())
                    .unwrap_or_default(),
            };
            (name, look)
        };
        resources.into_iter().map(look).collect()
    }

    /// Waits until `met` is true of every one of `names`, and returns them.
    pub async fn until(
        &self,
        what: &str,
        names: &[&str],
        within: Duration,
        met: impl Fn(&str, &Look) -> bool,
    ) -> BTreeMap<String, Look> {
        let mut lacking = String::new();
        let waiting = async {
            loop {
                let all = self.look().await;
                let unmet = names
                    .iter()
                    .find(|name| !all.get(**name).is_some_and(|look| met(name, look)));
                match unmet {
                    None => return all,
                    Some(name) => lacking = format!("{name}: {:#?}", all.get(*name)),
                }
                tokio::time::sleep(PERIOD).await;
            }
        };
        match tokio::time::timeout(within, waiting).await {
            Ok(all) => all,
            Err(_) => panic!("{what}: not within {within:?}; {lacking}"),
        }
    }

    /// Waits until all of `names` are ready and nothing fails.
    pub async fn well(&self, names: &[&str]) -> BTreeMap<String, Look> {
        self.until("all are well", names, SOON, |_, look| {
            look.is("Ready", "True")
                && ["RefreshFailing", "Reconciling", "Stalled"]
                    .iter()
                    .all(|kind| look.is(kind, "False"))
        })
        .await
    }

    /// Waits until every one of `names` has the event that `wanted` names, as `TYPE REASON`. At most 20 events a second
    /// are sent.
    pub async fn told(&self, names: &[&str], wanted: impl Fn(&str) -> String) {
        let mut lacking = String::new();
        let waiting = async {
            loop {
                let events = self.events().await;
                let unmet = names.iter().find(|name| {
                    !events
                        .get(**name)
                        .is_some_and(|told| told.contains(&wanted(name)))
                });
                match unmet {
                    None => return,
                    Some(name) => lacking = format!("{name}: {:?}", events.get(*name)),
                }
                tokio::time::sleep(PERIOD).await;
            }
        };
        if tokio::time::timeout(SOON, waiting).await.is_err() {
            panic!("not told: {lacking}");
        }
    }

    /// The events of every resource, as `TYPE REASON`.
    pub async fn events(&self) -> BTreeMap<String, Vec<String>> {
        let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for event in self.events.list(&ListParams::default()).await.unwrap() {
            let name = event.regarding.and_then(|of| of.name).unwrap_or_default();
            let words = [event.type_, event.reason].map(Option::unwrap_or_default);
            told.entry(name).or_default().push(words.join(" "));
        }
        told
    }

    /// Asks every resource for a refresh, by the annotation; `word` must be new.
    pub async fn refresh(&self, word: &str) {
        let word = format!("oauthclient.dev/refresh-requested-at={word}");
        self.stage
            .kubectl(&["annotate", "oauthclients", "--all", "--overwrite", &word])
            .await;
    }
}

fn decoded(secret: &Secret) -> BTreeMap<String, String> {
    let data = secret.data.clone().unwrap_or_default();
    data.into_iter()
        .map(|(key, value)| (key, String::from_utf8(value.0).unwrap()))
        .collect()
}
