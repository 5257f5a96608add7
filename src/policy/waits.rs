//! How long a decision waits before it looks again, where no watch tells of a change.

use crate::time::Span;

/// How often a Secret that is not ours is looked at again: it may have been given away or deleted.
pub(crate) const LOOK_AT_FOREIGN: Span = Span::from_seconds(60);

/// How often a wait is looked at again although a watch would tell its end: a net under missed events.
pub(crate) const LOOK_WHILE_WAITING: Span = Span::from_seconds(300);

/// How often a missing or broken CA bundle is looked at: ConfigMaps are not watched.
pub(crate) const LOOK_AT_CA: Span = Span::from_seconds(60);

/// How often a ServiceAccount that is missing or not lent is looked at: they are not watched.
pub(crate) const LOOK_AT_ACCOUNT: Span = Span::from_seconds(60);

/// How soon a view that contradicts our own writing is read again, and how often before it is believed.
pub(crate) const LOOK_AGAIN_IN_DOUBT: Span = Span::from_seconds(2);

pub(crate) const MOST_DOUBTS: u32 = 3;

/// How often an owned Secret that is on its way out is looked at.
pub(crate) const LOOK_AT_VANISHING: Span = Span::from_seconds(5);

/// The longest pause between two looks at something that no watch tells of, while it stays as it is.
pub(crate) const LONGEST_PATIENCE: Span = Span::from_seconds(300);
