//! What the steps of one reconcile share.

use crate::engine::{Key, Outcome};
use crate::model::Observed;
use crate::reconcile::store::{Held, Store, StoreError};
use crate::time::{Span, Time};

/// How a walk ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Reconciled {
    /// The engine learns this.
    Done(Outcome),
    /// The resource is gone.
    Gone,
    /// The world could not be seen: what was known stays known, look again then.
    Abandoned {
        /// When.
        again: Time,
        /// Why.
        trouble: StoreError,
    },
}

/// How long after trouble with the API a resource is looked at again, before the draw: spreads a fleet.
pub(crate) const AFTER_TROUBLE: Span = Span::from_seconds(5);

/// How soon a Secret that somebody else was writing at the same time is looked at again.
pub(crate) const AFTER_RACE: Span = Span::from_seconds(1);

/// What is said of work that may not begin any more.
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
    /// The part of the answer in hand in the bound of bytes that wait to be written.
    pub(super) answer: Held,
}
