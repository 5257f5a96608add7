//! The gauges of the engine, set once a second.

use std::sync::Arc;

use crate::lock::lock;
use crate::metrics::{HostQueue, ResourceTimes, TokenTimes};
use crate::queue::Class;

use super::shared::Shared;
use super::survey::{Survey, state_of};

/// At this rate, a pass takes about a thousandth of a processor.
const SURVEYED_A_SECOND: usize = 10_000;

/// Sets the gauges forever, once in each interval, and drops unused copies.
pub(super) async fn update(shared: Arc<Shared>) {
    let mut survey = Survey::default();
    let mut pause = 0;
    loop {
        sample(&shared);
        if pause == 0 {
            let stalled = lock(&shared.stalled).clone();
            let engine = lock(&shared.engine);
            survey.show(&shared.metrics, &engine, &stalled, shared.clock.now());
            pause = engine.len() / SURVEYED_A_SECOND;
        } else {
            pause -= 1;
        }
        shared.sweep();
        tokio::time::sleep(shared.gauge_interval).await;
    }
}

/// Sets those that are cheap to compute.
pub(super) fn sample(shared: &Shared) {
    let metrics = &shared.metrics;
    metrics.in_use("brakes", lock(&shared.brakes).len(), 0);
    let (changing, waiting) = shared.secret_changes.counts();
    metrics.in_use("secret_changes", changing, waiting);
    metrics.of_other_groups(shared.groups.of_others());
    let engine = lock(&shared.engine);
    metrics.earliest_expiry(engine.earliest_end());
    for (class, name) in [
        (Class::Urgent, "urgent"),
        (Class::First, "first"),
        (Class::Refresh, "refresh"),
        (Class::Retry, "retry"),
    ] {
        metrics.queue_depth(name, engine.waiting(class));
    }
    metrics.queue_depth("look", engine.looks_due());
    metrics.in_use("token_requests", engine.in_flight().0, 0);
    metrics.in_use("answers", engine.answers(), 0);
    let kinds = ["lookups", "answer_bytes", "outgrown_answers"].into_iter();
    for (kind, (used, waiting)) in kinds.zip(shared.sender.usage()) {
        metrics.in_use(kind, used, waiting);
    }
    let (work, statuses) = shared.calls.waiting();
    metrics.api_requests_waiting("work", work);
    metrics.api_requests_waiting("status", statuses);
    metrics.host_queues(engine.host_queues().map(|host_queue| HostQueue {
        host: host_queue.host.into(),
        in_flight: host_queue.in_flight,
        slots: host_queue.slots,
    }));
}

/// Exposes state and times of each resource to the metrics, if enabled.
pub(super) fn expose_each(shared: &Arc<Shared>) {
    let weak = Arc::downgrade(shared);
    shared.metrics.expose_each(move || {
        let Some(shared) = weak.upgrade() else {
            return Vec::new();
        };
        let stalled = lock(&shared.stalled).clone();
        let engine = lock(&shared.engine);
        let all = engine.overview().filter_map(|one| {
            Some(ResourceTimes {
                namespace: one.key.namespace().to_owned(),
                name: one.key.name().to_owned(),
                state: state_of(&one, &stalled)?,
                token: one.token.map(|token| TokenTimes {
                    issued: token.issued,
                    refresh: token.refresh,
                    expires: token.expires,
                }),
            })
        });
        all.collect()
    });
}
