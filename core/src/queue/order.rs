//! The order of due work.

use crate::time::Time;

/// The order if more is due than can be done. Among refreshes, the token that expires first goes first; in the other
/// classes, what has been due the longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A refresh with at most half of its lead time left.
    Urgent,
    /// The first attempt for the first token.
    First,
    /// Any other refresh.
    Refresh,
    /// A retry without a valid token.
    Retry,
}

impl Class {
    /// All classes, in order.
    pub const ALL: [Class; 4] = [Class::Urgent, Class::First, Class::Refresh, Class::Retry];

    /// The value of the metric label.
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
    /// The earliest time.
    pub due: Time,
    /// Its order once it is due.
    pub order: Order,
}

/// The order of a request once it is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// In [`Class::First`].
    First,
    /// In [`Class::Retry`].
    Retry,
    /// In [`Class::Refresh`], from `urgent` on in [`Class::Urgent`].
    Refresh {
        /// When the token expires.
        expires: Time,
        /// When half of the lead time has passed.
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

/// The rank at a host: the smallest goes first.
pub(super) type Rank = (Class, Time, Id);

/// The number of an entry, chosen by the owner of the queue and reused after [`crate::queue::Queue::remove`].
pub type Id = u32;

/// Approximate memory of a `BTreeSet`: nodes of 11 places are more than half full on average.
pub(crate) const fn set_bytes<T>(len: usize) -> usize {
    len * size_of::<T>() * 9 / 5
}
