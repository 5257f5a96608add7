//! What goes first.

use super::Id;
use crate::time::Time;

/// What is served first when more is due than can be done. Within a class of refreshes the token that ends first goes
/// first, within the others what has been due for longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A refresh with half of its lead left, or less.
    Urgent,
    /// The first attempt of a first issue.
    First,
    /// Any other refresh.
    Refresh,
    /// A retry where there is no live token to lose.
    Retry,
}

impl Class {
    /// All of them, first served first.
    pub const ALL: [Class; 4] = [Class::Urgent, Class::First, Class::Refresh, Class::Retry];

    /// Its name in a metric.
    pub const fn name(self) -> &'static str {
        match self {
            Class::Urgent => "urgent",
            Class::First => "first",
            Class::Refresh => "refresh",
            Class::Retry => "retry",
        }
    }
}

/// A token request that an entry waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Not before.
    pub due: Time,
    /// Where it stands once it is due.
    pub order: Order,
}

/// Where a request stands once it is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// In [`Class::First`].
    First,
    /// In [`Class::Retry`].
    Retry,
    /// In [`Class::Refresh`], from `urgent` on in [`Class::Urgent`].
    Refresh {
        /// When the token ends.
        expires: Time,
        /// When half of the lead is gone.
        urgent: Time,
    },
}

impl Request {
    pub(super) fn class(&self, now: Time) -> Class {
        match self.order {
            Order::First => Class::First,
            Order::Retry => Class::Retry,
            Order::Refresh { urgent, .. } if urgent <= now => Class::Urgent,
            Order::Refresh { .. } => Class::Refresh,
        }
    }

    pub(super) fn rank(&self, class: Class, id: Id) -> Rank {
        match self.order {
            Order::Refresh { expires, .. } => (class, expires, id),
            Order::First | Order::Retry => (class, self.due, id),
        }
    }
}

/// Place in a lane: the smallest goes first.
pub(super) type Rank = (Class, Time, Id);
