//! What the steps of one reconcile share.

use crate::engine::{Key, Outcome};
use crate::model::Observed;
use crate::reconcile::error::StoreError;
use crate::reconcile::store::{ResponseRoom, Store};
use crate::time::{Span, Time};

/// How a reconcile ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Reconciled {
    /// With this outcome for the engine.
    Done(Outcome),
    /// The resource is gone.
    Gone,
    /// It could not be observed: the known facts stay, and it is reconciled again.
    Abandoned {
        /// When.
        again: Time,
        /// Why.
        error: StoreError,
    },
}

/// How long after a problem with the API a resource is reconciled again, before jitter, which spreads a fleet.
pub(crate) const AFTER_API_ERROR: Span = Span::from_seconds(5);

/// How soon a Secret is observed again that something else wrote at the same time.
pub(crate) const AFTER_RACE: Span = Span::from_seconds(1);

/// The message for work that may no longer start.
pub(crate) const MAY_NOT_START: &str =
    "no new request is sent: another replica takes over, or the program ends";

pub(crate) fn abandoned(store: &impl Store, error: StoreError) -> Reconciled {
    let pause = match error {
        StoreError::Forbidden(_) | StoreError::Unreadable { .. } => {
            AFTER_API_ERROR.scale(4.0 + 2.0 * store.jitter())
        }
        StoreError::Passing(_) => AFTER_API_ERROR.scale(0.5 + store.jitter()),
    };
    Reconciled::Abandoned {
        again: store.now() + pause,
        error,
    }
}

pub(crate) struct Reconciler<'a, W> {
    pub(super) store: &'a W,
    pub(super) key: &'a Key,
    pub(super) seen: Observed,
    /// The response's share of the limit of bytes that wait to be written.
    pub(super) answer: ResponseRoom,
}
