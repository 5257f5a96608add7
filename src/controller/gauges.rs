//! The gauges that show the engine from outside, set once a second.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::State;
use crate::metrics::{Lane, ResourceState};
use crate::queue::Class;

use super::shared::{Shared, lock};

/// Shows the engine for ever, and drops what nobody came for.
pub(super) async fn show(shared: Arc<Shared>) {
    loop {
        sample(&shared);
        shared.sweep();
        shared.turns.sweep();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Shows it once.
pub(super) fn sample(shared: &Shared) {
    let metrics = &shared.metrics;
    let stalled: Vec<_> = lock(&shared.stalled).iter().cloned().collect();
    let engine = lock(&shared.engine);
    let mut counts = State::ALL.map(|state| engine.count(state));
    let mut out_of = |state: State| {
        if let Some(count) = counts.get_mut(state as usize) {
            *count = count.saturating_sub(1);
        }
    };
    let mut number_stalled = 0;
    for key in &stalled {
        match engine.record(key).and_then(|record| record.state) {
            None | Some(State::Suspended | State::Deleting) => {}
            Some(state) => {
                number_stalled += 1;
                out_of(state);
            }
        }
    }
    let of = |states: &[State]| -> usize {
        states
            .iter()
            .filter_map(|state| counts.get(*state as usize))
            .sum()
    };
    metrics.resources(ResourceState::Suspended, of(&[State::Suspended]));
    metrics.resources(ResourceState::Stalled, number_stalled);
    metrics.resources(
        ResourceState::RefreshFailing,
        of(&[State::Failing, State::Failed]),
    );
    metrics.resources(
        ResourceState::Pending,
        of(&[State::Pending, State::Expired]),
    );
    metrics.resources(ResourceState::Ready, of(&[State::Valid]));
    metrics.tokens_expired(engine.count(State::Expired));
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
    let (work, statuses) = shared.calls.waiting();
    metrics.api_requests_waiting("work", work);
    metrics.api_requests_waiting("status", statuses);
    metrics.lanes(engine.lanes().map(|lane| Lane {
        host: lane.host.into(),
        in_flight: shared.turns.asking(lane.host),
        slots: lane.slots,
    }));
}
