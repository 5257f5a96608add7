//! The result of a decision: what to do, what to report, when to reconcile again.

use crate::engine::Requeue;
use crate::model::{Observed, STATE_TYPE, StaleSecret};
use crate::time::Time;

/// The earlier one, if both have a time.
pub fn sooner(one: Requeue, other: Requeue) -> Requeue {
    let time = |requeue| match requeue {
        Requeue::Request => Time::from_millis(i64::MIN),
        Requeue::RequestAt(time) | Requeue::At(time) => time,
        Requeue::OnChange => Time::NEVER,
    };
    if time(other) < time(one) { other } else { one }
}

/// The token Secrets of earlier names, which are deleted after the new one is written.
pub(super) fn stale_secrets(seen: &Observed) -> Vec<StaleSecret> {
    seen.stale_secrets
        .iter()
        .filter(|secret| !secret.deleting && secret.is_owned_by(&seen.resource))
        .filter(|secret| secret.type_ != STATE_TYPE)
        .map(|secret| StaleSecret {
            name: secret.name.clone(),
            uid: secret.uid.clone(),
        })
        .collect()
}
