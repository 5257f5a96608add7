//! Events: told on a change of state only, at a bounded rate, and never in the way of the work.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::clock::Clock;
use crate::decide::{Notice, NoticeKind, Resource};
use crate::metrics::{Metrics, WriteKind};

use super::calls::Calls;

/// How many events may wait; further ones are dropped, as the conditions say the same.
const WAITING: usize = 512;
/// The pause between two events: twenty a second at most.
const PAUSE: Duration = Duration::from_millis(50);
/// `note` takes no more.
const MOST_CHARACTERS: usize = 1000;

/// Where events are handed in.
#[derive(Clone)]
pub(super) struct Events(mpsc::Sender<Event>, Source);

/// Who tells.
#[derive(Clone)]
struct Source {
    instance: String,
    clock: Clock,
}

/// Starts the publisher; it ends when the last [`Events`] is gone.
pub(super) fn start(calls: Calls, metrics: Metrics, clock: Clock, instance: String) -> Events {
    let (send, mut receive) = mpsc::channel::<Event>(WAITING);
    tokio::spawn(async move {
        while let Some(event) = receive.recv().await {
            let namespace = event.metadata.namespace.clone().unwrap_or_default();
            let api = calls.api::<Event>(&namespace);
            let answer = calls.call(api.create(&PostParams::default(), &event)).await;
            metrics.api_write(WriteKind::Event, answer.is_ok());
            if let Err(error) = answer {
                tracing::debug!(error = error.said(), "an event could not be published");
            }
            sleep(PAUSE).await;
        }
    });
    // `reportingInstance` takes 128 characters.
    let instance = instance.chars().take(128).collect();
    Events(send, Source { instance, clock })
}

impl Events {
    /// Hands an event in; drops it when too many wait.
    pub(super) fn publish(&self, resource: &Resource, notice: &Notice) {
        if self.0.try_send(self.1.event(resource, notice)).is_err() {
            tracing::debug!("too many events wait: one was dropped");
        }
    }
}

impl Source {
    fn event(&self, resource: &Resource, notice: &Notice) -> Event {
        let kind = match notice.kind {
            NoticeKind::Normal => "Normal",
            NoticeKind::Warning => "Warning",
        };
        let now = self.clock.now();
        let time = jiff::Timestamp::from_millisecond(now.millis()).unwrap_or_default();
        Event {
            metadata: ObjectMeta {
                generate_name: Some(format!("{}-", resource.name)),
                namespace: Some(resource.namespace.clone()),
                ..ObjectMeta::default()
            },
            regarding: Some(ObjectReference {
                api_version: Some("oauthclient.dev/v1alpha1".to_owned()),
                kind: Some("OAuthClient".to_owned()),
                namespace: Some(resource.namespace.clone()),
                name: Some(resource.name.clone()),
                uid: Some(resource.uid.clone()),
                ..ObjectReference::default()
            }),
            type_: Some(kind.to_owned()),
            reason: Some(notice.reason.as_str().to_owned()),
            note: Some(notice.message.chars().take(MOST_CHARACTERS).collect()),
            action: Some("Refresh".to_owned()),
            event_time: Some(MicroTime(time)),
            reporting_controller: Some("oauthclient.dev/operator".to_owned()),
            reporting_instance: Some(self.instance.clone()),
            ..Event::default()
        }
    }
}
