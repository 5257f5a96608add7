//! What all connections to the dashboard share.

use crate::cli::GuardArgs;
use crate::clock::Clock;
use crate::plugin::cluster::Cluster;
use crate::plugin::dashboard::card_cache::CardCache;
use crate::plugin::dashboard::guard::Guard;
use crate::plugin::output::Storing;

/// The shared state of all connections.
pub(crate) struct Dashboard {
    pub(super) guard: Guard,
    pub(super) store: CardCache,
    pub(super) cluster: Cluster,
    pub(super) everywhere: bool,
    pub(super) endpoints: GuardArgs,
    /// Ctrl-C waits while a login is stored.
    pub(super) storing: Storing,
    pub(super) clock: Clock,
}
