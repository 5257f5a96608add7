//! Events: published only after a change of state, with a limited rate, and never blocking the work.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::clock::Clock;
use crate::fair::{Line, Share, Shares};
use crate::lock::lock;
use crate::metrics::{Metrics, WriteKind};
use crate::model::Resource;
use crate::policy::{EventType, ResourceEvent};
use crate::tenant;

use super::calls::Calls;

/// How many events may wait, shared fairly between namespaces. Others are dropped, because the conditions say the same.
const WAITING: usize = 512;
/// The pause between two events: at most twenty a second.
const PAUSE: Duration = Duration::from_millis(50);
/// How often to check whether the senders are gone.
const IDLE: Duration = Duration::from_secs(5);
/// The maximum length of `note`.
const MOST_CHARACTERS: usize = 1000;

/// The sending end.
#[derive(Clone)]
pub(super) struct Events(Arc<EventQueue>, EventSource);

/// The events that wait to be published: namespaces take turns.
struct EventQueue {
    line: Mutex<Bounded>,
    came: Notify,
}

/// A line in which a namespace has at most its share.
struct Bounded {
    line: Line<Event>,
    shares: Shares,
}

impl Bounded {
    fn new() -> Self {
        Bounded {
            line: Line::default(),
            shares: Shares::new(WAITING),
        }
    }

    /// Adds an event, if its namespace has capacity.
    fn push(&mut self, namespace: &Arc<str>, event: Event) -> bool {
        let has_room = self.shares.share(self.line.of(namespace), 1) != Share::Full;
        if has_room {
            self.shares.take(1);
            self.line.push(namespace, event);
        }
        has_room
    }

    fn pop(&mut self) -> Option<(Arc<str>, Event)> {
        let next = self.line.pop()?;
        self.shares.give_back(1);
        Some(next)
    }
}

/// The reporting component.
#[derive(Clone)]
struct EventSource {
    instance: String,
    group: Option<&'static str>,
    clock: Clock,
}

/// The label of an event with the group of the operator that published it.
const GROUP_LABEL: &str = "oauthclient.dev/group";

/// Starts the publisher; it ends when the last [`Events`] is dropped.
pub(super) fn start(
    calls: Calls,
    metrics: Metrics,
    clock: Clock,
    instance: String,
    group: Option<&'static str>,
) -> Events {
    let waiting = Arc::new(EventQueue {
        line: Mutex::new(Bounded::new()),
        came: Notify::new(),
    });
    let weak = Arc::downgrade(&waiting);
    tokio::spawn(async move {
        while let Some(waiting) = weak.upgrade() {
            let next = lock(&waiting.line).pop();
            metrics.in_use("events", lock(&waiting.line).line.len(), 0);
            let Some((namespace, event)) = next else {
                let _ = timeout(IDLE, waiting.came.notified()).await;
                continue;
            };
            drop(waiting);
            let api = calls.api::<Event>(&namespace);
            let params = PostParams::default();
            let publish = calls.call(api.create(&params, &event));
            let answer = tenant::serve(&namespace, publish).await;
            metrics.api_write(WriteKind::Event, answer.is_ok());
            if let Err(error) = answer {
                tracing::debug!(error = error.summary(), "an event could not be published");
            }
            sleep(PAUSE).await;
        }
    });
    // `reportingInstance` allows 128 characters.
    let instance = instance.chars().take(128).collect();
    let source = EventSource {
        instance,
        group,
        clock,
    };
    Events(waiting, source)
}

impl Events {
    /// Queues an event; drops it if too many wait, or too many of its namespace.
    pub(super) fn publish(&self, resource: &Resource, event: &ResourceEvent) {
        let namespace: Arc<str> = resource.namespace.as_str().into();
        let event = self.1.event(resource, event);
        if lock(&self.0.line).push(&namespace, event) {
            self.0.came.notify_one();
        } else {
            tracing::debug!("too many events wait: one was dropped");
        }
    }
}

impl EventSource {
    fn event(&self, resource: &Resource, event: &ResourceEvent) -> Event {
        let kind = match event.kind {
            EventType::Normal => "Normal",
            EventType::Warning => "Warning",
        };
        let now = self.clock.now();
        let time = jiff::Timestamp::from_millisecond(now.millis()).unwrap_or_default();
        Event {
            metadata: ObjectMeta {
                generate_name: Some(format!("{}-", resource.name)),
                namespace: Some(resource.namespace.clone()),
                labels: self
                    .group
                    .map(|group| [(GROUP_LABEL.to_owned(), group.to_owned())].into()),
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
            reason: Some(event.reason.as_str().to_owned()),
            note: Some(
                event
                    .message
                    .to_string()
                    .chars()
                    .take(MOST_CHARACTERS)
                    .collect(),
            ),
            action: Some("Refresh".to_owned()),
            event_time: Some(MicroTime(time)),
            reporting_controller: Some("oauthclient.dev/operator".to_owned()),
            reporting_instance: Some(self.instance.clone()),
            ..Event::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_that_tells_much_leaves_the_others_their_part() {
        let mut bounded = Bounded::new();
        let event = |namespace: &str| Event {
            metadata: ObjectMeta {
                namespace: Some(namespace.to_owned()),
                ..ObjectMeta::default()
            },
            ..Event::default()
        };
        let (many, one): (Arc<str>, Arc<str>) = ("many".into(), "one".into());
        let taken = (0..5000).filter(|_| bounded.push(&many, event("many")));
        assert_eq!(taken.count(), 384);
        assert!(bounded.push(&one, event("one")));
        let order: Vec<_> = std::iter::from_fn(|| bounded.pop()).collect();
        assert_eq!(order.len(), 385);
        assert_eq!(&*order[1].0, "one", "its turn comes next");
        assert_eq!(bounded.shares.held(), 0);
    }
}
