//! Whose turn it is to ask a host: more resources are looked at than may ask it at once, so that the next is ready when one has
//! its answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::engine::{Engine, Key};
use crate::walk::{Held, Turn};

use super::shared::lock;

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

    /// Waits for the turn of a resource.
    pub(super) async fn turn(&self, engine: &Mutex<Engine>, key: &Key, host: &str) -> Turn {
        let places = self.of(host);
        let waited = timeout(PATIENCE, Arc::clone(&places).acquire_owned()).await;
        let Ok(Ok(place)) = waited else {
            return Turn::HeldUp;
        };
        let engine = lock(engine);
        if engine.has_changed(key) {
            return Turn::Changed;
        }
        // A request timed out meanwhile: one at a time now.
        if self.taken(&places) > engine.lane_slots(key) {
            return Turn::HeldUp;
        }
        Turn::Come(Held(Some(place)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Cause, CredentialsFacts, Next, ResourceFacts};
    use crate::queue::{LaneReport, Limits};
    use crate::time::Time;

    const HOST: &str = "auth.example:443";

    fn at(seconds: i64) -> Time {
        Time::from_millis(seconds * 1000)
    }

    /// An engine that has handed out work on two new resources of one host.
    fn two_at_work() -> (Mutex<Engine>, [Key; 2]) {
        let mut engine = Engine::new(Limits::default());
        engine.ready(at(0));
        let keys = ["a", "b"].map(|name| Key::new("n", name));
        for key in &keys {
            let facts = ResourceFacts {
                uid: 1,
                generation: 1,
                inputs: 1,
                host: HOST.into(),
                refresh_request: 0,
                suspended: false,
                deleting: false,
                reported: false,
                told_refresh: None,
                attempt: None,
            };
            let credentials = CredentialsFacts { version: 1 };
            engine.changed(key, Cause::Credentials(Some(credentials)), at(0));
            engine.changed(key, Cause::Resource(facts), at(0));
        }
        for _ in &keys {
            assert!(matches!(engine.next(at(0)), Next::Work(work) if work.may_request));
        }
        (Mutex::new(engine), keys)
    }

    #[tokio::test]
    async fn a_host_is_asked_by_no_more_than_it_has_places_and_the_next_comes_when_one_is_free() {
        let (engine, [a, b]) = two_at_work();
        let turns = Turns::new(1);
        let first = turns.turn(&engine, &a, HOST).await;
        assert!(matches!(first, Turn::Come(_)));
        assert_eq!(turns.asking(HOST), 1);
        assert!(matches!(turns.turn(&engine, &b, HOST).await, Turn::HeldUp));
        let other = turns.turn(&engine, &b, "other.example:443").await;
        assert!(matches!(other, Turn::Come(_)), "another host");
        turns.sweep();
        assert_eq!(turns.asking(HOST), 1, "one that is asked is not forgotten");
        drop((first, other));
        assert!(matches!(turns.turn(&engine, &b, HOST).await, Turn::Come(_)));
        assert_eq!(turns.asking(HOST), 0, "given back");
        turns.sweep();
        assert!(lock(&turns.hosts).is_empty());
    }

    #[tokio::test]
    async fn what_has_changed_since_it_was_looked_at_does_not_ask() {
        let (engine, [a, b]) = two_at_work();
        let turns = Turns::new(8);
        let newer = CredentialsFacts { version: 2 };
        lock(&engine).changed(&a, Cause::Credentials(Some(newer)), at(1));
        assert!(matches!(turns.turn(&engine, &a, HOST).await, Turn::Changed));
        assert!(matches!(turns.turn(&engine, &b, HOST).await, Turn::Come(_)));
    }

    #[tokio::test]
    async fn after_a_time_out_one_asks_at_a_time() {
        let (engine, [a, b]) = two_at_work();
        let turns = Turns::new(8);
        let asking = turns.turn(&engine, &a, HOST).await;
        lock(&engine).answered(&a, LaneReport::TimedOut, at(1));
        assert!(matches!(turns.turn(&engine, &b, HOST).await, Turn::HeldUp));
        drop(asking);
        assert!(matches!(turns.turn(&engine, &b, HOST).await, Turn::Come(_)));
    }
}
