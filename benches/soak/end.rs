//! After the faults: last changes, and until everything is well.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use kube::api::{Api, ListParams};
use oauthclient_operator::api::OAuthClient;
use serde_json::json;

use super::items::{CHURN, Published};
use super::kinds::{KINDS, Kind};
use super::now;
use super::watch::{self, published};
use super::world::{World, oauthclients, secrets};

/// The longest pause between two attempts without a valid token, and what follows.
const SETTLED: Duration = Duration::from_secs(400);
/// How many resources of each kind and group are changed at the end.
const CHANGED: usize = 3;

/// What a resource reports.
pub struct Status {
    pub ready: bool,
    /// Why a person has to act.
    pub stalled: Option<String>,
}

/// The status of every resource; `None` if the API server is away.
pub async fn statuses(world: &World) -> Option<BTreeMap<String, Status>> {
    let api: Api<OAuthClient> = Api::all(world.client.clone());
    let all = ListParams::default();
    let listed = tokio::time::timeout(Duration::from_secs(20), api.list(&all)).await;
    let listed = listed.ok()?.ok()?;
    let status = |resource: OAuthClient| {
        let conditions = resource.status.iter().flat_map(|status| &status.conditions);
        let is_true = |kind: &str| {
            let mut conditions = conditions.clone();
            conditions.find(|one| one.type_ == kind && one.status == "True")
        };
        let stalled = is_true("Stalled").map(|one| format!("{}: {}", one.reason, one.message));
        let ready = is_true("Ready").is_some();
        (resource.name_any(), Status { ready, stalled })
    };
    Some(listed.items.into_iter().map(status).collect())
}

/// A refresh token that was lost with a killed leader is replaced, as a person would; any other loss breaks a promise.
pub async fn refresh_tokens(world: &World, statuses: &BTreeMap<String, Status>) {
    let mut replaced = Vec::new();
    for (name, status) in statuses {
        let Some(why) = &status.stalled else {
            continue;
        };
        let mut items = world.items();
        let Some(item) = items.0.get_mut(name) else {
            continue;
        };
        if !item.kind.has_refresh_token() || item.deleted.is_some() || item.changed.is_some() {
            continue;
        }
        let mut slots = world.slots.iter();
        let killed = slots.any(|slot| slot.killed_near(item.group, item.last_request));
        if killed && item.kind == Kind::RefreshStrict {
            item.reseeded += 1;
            replaced.push((name.clone(), item.kind));
        } else if !item.reported {
            item.reported = true;
            drop(items);
            let what = format!("{name}: its refresh token was lost: {why}");
            world.findings().broken(what);
        }
    }
    for (name, kind) in replaced {
        world.findings().refresh_tokens_lost_with_kill += 1;
        let data = json!({"refresh_token": world.login(kind, &name)});
        world.replace_credentials(&name, data).await;
    }
}

/// Changes after the last fault: of specs, which the watch of resources has to show, and of token Secrets. Changes of credentials
/// were made all the time.
async fn last_changes(world: &World) {
    for kind in KINDS {
        for group in [0, 1] {
            let chosen: Vec<(String, String)> = {
                let items = world.items();
                let fits = items
                    .live()
                    .filter(|item| item.kind == kind && item.group == group && item.number < CHURN);
                fits.take(CHANGED)
                    .map(|item| (item.namespace.clone(), item.name.clone()))
                    .collect()
            };
            for (namespace, name) in chosen {
                if kind == Kind::Post {
                    let secret = format!("{name}-token");
                    world.delete(&secrets(), &namespace, &secret).await;
                } else {
                    let patch = json!({"spec": {"scopes": ["last"]}});
                    world
                        .patch(&oauthclients(), &namespace, &name, &patch)
                        .await;
                }
                world.note_change(&name);
            }
        }
    }
}

/// Makes the last changes, and waits until every resource is ready and nothing is left over.
pub async fn settle(world: &World) {
    println!("the faults have ended");
    while world.outages().lasts(|_| true) {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    last_changes(world).await;
    let patience = SETTLED.mul_f64(world.settings.patience);
    let deadline = now() + patience.as_secs_f64();
    loop {
        tokio::time::sleep(Duration::from_secs(3)).await;
        watch::requests(world);
        let left = match statuses(world).await {
            Some(statuses) => {
                refresh_tokens(world, &statuses).await;
                left(world, &statuses)
            }
            None => vec!["the API server does not respond".to_owned()],
        };
        if left.is_empty() {
            break;
        }
        if now() > deadline {
            let mut findings = world.findings();
            for what in left {
                findings.broken(format!("at the end, {what}"));
            }
            break;
        }
    }
    tokens(world).await;
}

/// What is not as it should be.
fn left(world: &World, statuses: &BTreeMap<String, Status>) -> Vec<String> {
    let mut left = Vec::new();
    let items = world.items();
    let mut ready = 0;
    for item in items.0.values() {
        let name = &item.name;
        match statuses.get(name) {
            Some(_) if item.deleted.is_some() => left.push(format!("{name} is deleted and exists")),
            None if item.deleted.is_none() => left.push(format!("{name} does not exist")),
            Some(status) if !status.ready => left.push(format!("{name} is not ready")),
            Some(_) => ready += 1,
            None => {}
        }
        if item.deleted.is_some() && item.published.is_some() {
            left.push(format!(
                "the token Secret of {name}, which is deleted, exists"
            ));
        }
        if item.deleted.is_none() && item.published.is_none() {
            left.push(format!("{name} has no token Secret"));
        }
        if item.deleted.is_none() && item.changed.is_some() {
            left.push(format!("a change of {name} led to no request"));
        }
    }
    drop(items);
    world.findings().ready = ready;
    left
}

/// Every token is valid by the provider's own book, and every Secret has the resource that it is of.
async fn tokens(world: &World) {
    let api: Api<Secret> = Api::all(world.client.clone());
    let params = ListParams::default().labels("oauthclient.dev/token=true");
    let listed = api.list(&params).await.unwrap();
    let mut broken = Vec::new();
    let mut live = 0;
    let items = world.items();
    for secret in listed {
        let name = secret.name_any();
        let name = name.trim_end_matches("-token");
        let Some(item) = items.0.get(name).filter(|item| item.deleted.is_none()) else {
            broken.push(format!("a token Secret without a resource: {name}"));
            continue;
        };
        live += 1;
        let data = secret
            .data
            .as_ref()
            .and_then(|data| data.get("access_token"));
        let token = data.and_then(|bytes| std::str::from_utf8(&bytes.0).ok());
        let provider = &world.providers[item.kind.provider()];
        let valid = token.is_some_and(|token| provider.introspect(token).is_some());
        let fresh = published(secret.annotations())
            .is_some_and(|Published { expires_at, .. }| expires_at > now());
        if !valid || !fresh {
            broken.push(format!(
                "at the end, the provider does not know the token of {name}"
            ));
        }
    }
    let all = items.live().count();
    drop(items);
    if live != all {
        broken.push(format!("{live} token Secrets for {all} resources"));
    }
    let mut findings = world.findings();
    broken.into_iter().for_each(|what| findings.broken(what));
}
