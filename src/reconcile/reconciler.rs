//! What the steps of one reconcile share.

use crate::engine::{Key, Outcome};
use crate::model::Observed;
use crate::reconcile::error::StoreError;
use crate::reconcile::store::{Held, Store};
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
        trouble: StoreError,
    },
}

/// How long after a problem with the API a resource is reconciled again, before jitter, which spreads a fleet.
pub(crate) const AFTER_TROUBLE: Span = Span::from_seconds(5);

/// How soon a Secret is observed again that something else wrote at the same time.
pub(crate) const AFTER_RACE: Span = Span::from_seconds(1);

/// The message for work that may no longer start.
pub(crate) const NO_MORE: &str =
    "no new request is sent: another replica takes over, or the program ends";

pub(crate) fn abandoned(store: &impl Store, trouble: StoreError) -> Reconciled {
    let pause = match trouble {
        StoreError::Forbidden(_) | StoreError::Unreadable { .. } => {
            AFTER_TROUBLE.scale(4.0 + 2.0 * store.draw())
        }
        StoreError::Passing(_) => AFTER_TROUBLE.scale(0.5 + store.draw()),
    };
    Reconciled::Abandoned {
        again: store.now() + pause,
        trouble,
    }
}

pub(crate) struct Reconciler<'a, W> {
    pub(super) store: &'a W,
    pub(super) key: &'a Key,
    pub(super) seen: Observed,
    /// The response's share of the limit of bytes that wait to be written.
    pub(super) answer: Held,
}
