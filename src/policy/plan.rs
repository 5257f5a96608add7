//! What a decision says: the one thing to do, what to tell, when to come back.

use crate::engine::Requeue;
use crate::model::{Observed, STATE_TYPE, StaleSecret};
use crate::time::Time;

/// Whichever comes first, where both name a time.
pub(crate) fn sooner(one: Requeue, other: Requeue) -> Requeue {
    let time = |wants| match wants {
        Requeue::Request => Time::from_millis(i64::MIN),
        Requeue::RequestAt(time) | Requeue::At(time) => time,
        Requeue::OnChange => Time::NEVER,
    };
    if time(other) < time(one) { other } else { one }
}

/// What earlier names of the token Secret left: deleted once the new one stands.
pub(crate) fn stale_secrets(seen: &Observed) -> Vec<StaleSecret> {
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
