//! How long a decision waits before the next check, if no watch reports the change.

use crate::time::Span;

/// How often a Secret that is not ours is checked again: its owner may let us take it over, or delete it.
pub const LOOK_AT_FOREIGN: Span = Span::from_seconds(60);

/// How often a wait is checked again although a watch would report its end, in case an event was missed.
pub const LOOK_WHILE_WAITING: Span = Span::from_seconds(300);

/// How often a missing or broken CA bundle is checked: ConfigMaps are not watched.
pub const LOOK_AT_CA: Span = Span::from_seconds(60);

/// How often a ServiceAccount that is missing or has not opted in is checked: they are not watched.
pub const LOOK_AT_ACCOUNT: Span = Span::from_seconds(60);

/// How soon an observation that contradicts our own write is repeated.
pub const AFTER_STALE_READ: Span = Span::from_seconds(2);

/// How many observations in a row may contradict our own writes, before the newest is believed.
pub const MAX_STALE_READS: u32 = 3;

/// How often an owned Secret that is being deleted is checked.
pub const LOOK_AT_DELETING: Span = Span::from_seconds(5);

/// The maximum pause between two checks of something that no watch reports, while it does not change.
pub const LONGEST_CHECK_INTERVAL: Span = Span::from_seconds(300);
