//! The actions of the buttons, with the user's permissions.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};

use crate::plugin::cluster::ApiOperation;
use crate::plugin::dashboard::state::Dashboard;
use crate::plugin::paint::one_line;
use crate::plugin::problem::Problem;
use crate::plugin::{login, refresh};

use super::card_cache::Key;

/// The maximum number of events for a resource.
const MOST_EVENTS: usize = 20;

/// Requests a new token.
pub(super) async fn refresh(dashboard: &Dashboard, key: &Key) -> Result<Value, Problem> {
    let (namespace, name) = key;
    let cluster = dashboard.cluster.within(namespace);
    refresh::request(&cluster, name, &dashboard.clock).await?;
    Ok(json!({"text": format!("A new token was requested for {namespace}/{name}.")}))
}

/// Starts a login: the page opens the URL, and the redirect returns to this machine.
pub(super) async fn login(dashboard: &Arc<Dashboard>, key: &Key) -> Result<Value, Problem> {
    let (namespace, name) = key.clone();
    let cluster = dashboard.cluster.within(&namespace);
    let (url, rest) = login::begin(cluster, &name, &dashboard.endpoints).await?;
    let dashboard = Arc::clone(dashboard);
    tokio::spawn(async move {
        match rest.end(&dashboard.storing).await {
            Ok(place) => dashboard.store.add_notice(
                "good",
                format!("Logged in for {namespace}/{name}. The refresh token is in {place}."),
            ),
            Err(problem) => dashboard.store.add_notice(
                "bad",
                format!("Not logged in for {namespace}/{name}: {}", problem.message),
            ),
        }
    });
    Ok(json!({"url": url.as_str()}))
}

/// The events of a resource, the latest first.
pub(super) async fn events(dashboard: &Dashboard, key: &Key) -> Result<Value, Problem> {
    let (namespace, name) = key;
    let cluster = dashboard.cluster.within(namespace);
    let api: Api<Event> = cluster.api();
    let fields = format!("involvedObject.kind=OAuthClient,involvedObject.name={name}");
    let params = ListParams::default().fields(&fields);
    let operation = ApiOperation {
        verb: "list",
        resource: "events",
        name: "",
    };
    let mut found = cluster.call(operation, api.list(&params)).await?.items;
    let time = |event: &Event| {
        let series = event
            .series
            .as_ref()
            .and_then(|series| series.last_observed_time.as_ref());
        let micro = series.or(event.event_time.as_ref()).map(|at| at.0);
        micro
            .or(event.last_timestamp.as_ref().map(|at| at.0))
            .map(|at| at.to_string())
    };
    found.sort_by_key(|event| std::cmp::Reverse(time(event)));
    let events: Vec<Value> = found
        .iter()
        .take(MOST_EVENTS)
        .map(|event| {
            json!({
                "time": time(event),
                "type": event.type_.as_deref().unwrap_or("Normal"),
                "reason": event.reason.as_deref().unwrap_or_default(),
                "message": one_line(event.message.as_deref().unwrap_or_default()),
            })
        })
        .collect();
    Ok(json!({"events": events}))
}
