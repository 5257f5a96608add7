//! Whose turn it is to ask a host: more resources are looked at than may ask it at once, so that the next is ready when one has
//! its answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::engine::Key;
use crate::walk::{Held, Turn};

use super::shared::{Shared, lock};

/// How many works are begun ahead of their turn: with those that ask they are about as many as there may be API calls in
/// flight.
pub(super) const AHEAD: u32 = 24;
/// How long a turn is waited for. What was seen by then is no longer fresh, and the host is slow: there is nothing to gain by
/// looking ahead.
const PATIENCE: Duration = Duration::from_secs(1);

/// The places at each host.
pub(super) struct Turns {
    slots: u32,
    hosts: Mutex<HashMap<Arc<str>, Arc<Semaphore>>>,
}

impl Turns {
    /// `slots` requests to one host at once.
    pub(super) fn new(slots: u32) -> Self {
        Turns {
            slots,
            hosts: Mutex::default(),
        }
    }

    fn of(&self, host: &str) -> Arc<Semaphore> {
        let mut hosts = lock(&self.hosts);
        if let Some(places) = hosts.get(host) {
            return Arc::clone(places);
        }
        let places = Arc::new(Semaphore::new(self.slots as usize));
        hosts.insert(host.into(), Arc::clone(&places));
        places
    }

    fn taken(&self, places: &Semaphore) -> u32 {
        let free = u32::try_from(places.available_permits()).unwrap_or(u32::MAX);
        self.slots.saturating_sub(free)
    }

    /// How many requests to a host are under way.
    pub(super) fn asking(&self, host: &str) -> u32 {
        let places = lock(&self.hosts).get(host).cloned();
        places.map_or(0, |places| self.taken(&places))
    }

    /// Forgets hosts that nobody asks.
    pub(super) fn sweep(&self) {
        let mut hosts = lock(&self.hosts);
        hosts.retain(|_, places| Arc::strong_count(places) > 1 || self.taken(places) > 0);
    }
}

/// Waits for the turn of a resource.
pub(super) async fn turn(shared: &Shared, key: &Key, host: &str) -> Turn {
    let places = shared.turns.of(host);
    let waited = timeout(PATIENCE, Arc::clone(&places).acquire_owned()).await;
    let Ok(Ok(place)) = waited else {
        return Turn::HeldUp;
    };
    let engine = lock(&shared.engine);
    if engine.has_changed(key) {
        return Turn::Changed;
    }
    // A request timed out meanwhile: one at a time now.
    if shared.turns.taken(&places) > engine.lane_slots(key) {
        return Turn::HeldUp;
    }
    Turn::Come(Held(Some(place)))
}
