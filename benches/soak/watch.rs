//! What is seen of the run from outside: token Secrets, and the requests that reach the providers.

use std::time::Duration;

use futures::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use kube::api::Api;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{Config, Event, watcher};
use testkit::clock;
use testkit::provider::RecordedRequest;

use super::items::Published;
use super::now;
use super::world::World;

/// Requests are looked at when they are this old: then it is known what became of them.
const OLD: SignedDuration = SignedDuration::from_secs(6);
/// Ended tokens are forgotten after this long.
const KEPT: SignedDuration = SignedDuration::from_secs(180);
/// The pause after a watch that ended.
const PAUSE: Duration = Duration::from_millis(500);

pub fn begin(world: &World) {
    tokio::spawn(secrets(world.clone()));
    let world = world.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            requests(&world);
        }
    });
}

async fn secrets(world: World) {
    let api: Api<PartialObjectMeta<Secret>> = Api::all(world.client.clone());
    let config = Config::default().labels("oauthclient.dev/token=true");
    // Without the usual pauses: a late view of the Secrets would look like a late operator.
    let mut events = Box::pin(watcher(api, config));
    let mut listed = std::collections::BTreeSet::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(object)) => {
                listed.insert(object.name_any());
                apply(&world, &object);
            }
            Ok(Event::InitDone) => {
                for item in world.items().0.values_mut() {
                    let secret = format!("{}-token", item.name);
                    if item.published.is_some() && !listed.contains(&secret) {
                        item.published = None;
                        item.missing = Some(now());
                    }
                }
            }
            Ok(Event::Apply(object)) => apply(&world, &object),
            Ok(Event::Delete(object)) => {
                if let Some(item) = world.items().0.get_mut(item_of(&object.name_any())) {
                    item.published = None;
                    item.missing = Some(now());
                }
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

fn item_of(secret: &str) -> &str {
    secret.trim_end_matches("-token")
}

/// The times in the annotations of a token Secret.
pub fn published(annotations: &std::collections::BTreeMap<String, String>) -> Option<Published> {
    let time = |name: &str| {
        let text = annotations.get(&format!("oauthclient.dev/{name}"))?;
        let time: Timestamp = text.parse().ok()?;
        Some(time.as_microsecond() as f64 / 1e6)
    };
    Some(Published {
        refresh_at: time("refresh-at")?,
        expires_at: time("expires-at")?,
    })
}

fn apply(world: &World, object: &PartialObjectMeta<Secret>) {
    let mut items = world.items();
    let Some(item) = items.0.get_mut(item_of(&object.name_any())) else {
        return;
    };
    // A Secret of the operator without these times is as good as none.
    if let Some(seen) = published(object.annotations()) {
        item.published = Some(seen);
        item.missing = None;
    }
}

/// Looks at every request once.
pub fn requests(world: &World) {
    let now = clock::now();
    let before = now.checked_sub(OLD).unwrap();
    for provider in &world.providers {
        for request in provider.take_requests(before) {
            note(world, &request);
        }
        provider.forget_tokens(now.checked_sub(KEPT).unwrap());
    }
}

fn note(world: &World, request: &RecordedRequest) {
    let at = request.at.as_microsecond() as f64 / 1e6;
    let name = request.form_value("resource_name").unwrap_or_default();
    let mut items = world.items();
    let mut findings = world.findings();
    findings.requests += 1;
    let Some(item) = items.0.get_mut(&name) else {
        findings.broken(format!("a request names no resource: {:?}", request.target));
        return;
    };
    item.requests += 1;
    item.last_request = at;
    if item.changed.is_some_and(|changed| at >= changed) {
        findings.slowest_change = findings.slowest_change.max(at - item.changed.unwrap_or(at));
        findings.changes_seen += 1;
        item.changed = None;
    }
    if let Some(why) = &request.refused {
        let strict = item.kind.has_refresh_token();
        let lost = strict
            && world
                .slots
                .iter()
                .any(|slot| slot.killed_near(item.group, at));
        match lost {
            true => findings.refused_after_kill += 1,
            false => findings.broken(format!("{name}: the provider refuses a request: {why}")),
        }
    }
}
