//! Lanes: one for each token host, so that a hung provider holds up nobody else.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::dense::Dense;
use super::order::Rank;
use super::set_bytes;
use crate::time::{Span, Time};

/// No lane at all.
pub(super) const NO_LANE: u32 = u32::MAX;

/// What a token request says of its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaneReport {
    /// No request was made.
    Unused,
    /// The host answered with a token.
    Succeeded,
    /// The host did not answer in time.
    TimedOut,
    /// The host answered something else, or refused the connection.
    Failed,
}

/// How full a lane is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occupancy<'a> {
    /// The token host, with its port.
    pub host: &'a str,
    /// Requests under way.
    pub in_flight: u32,
    /// How many may be: one after a time-out, until a request succeeds.
    pub slots: u32,
    /// Entries that wait for a slot.
    pub waiting: usize,
}

#[derive(Debug, Default)]
struct Lane {
    host: Option<Arc<str>>,
    /// Entries that belong to it.
    users: u32,
    in_flight: u32,
    /// A request timed out and none succeeded since.
    narrowed: bool,
    /// When a request last succeeded.
    moved: Option<Time>,
    waiting: BTreeSet<Rank>,
}

impl Lane {
    fn slots(&self, slots: u32) -> u32 {
        if self.narrowed { slots.min(1) } else { slots }
    }

    /// What goes next, if there is a slot for it.
    fn head(&self, slots: u32) -> Option<Rank> {
        let free = self.in_flight < self.slots(slots);
        self.waiting.first().copied().filter(|_| free)
    }
}

/// All lanes.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    slots: u32,
    by_host: HashMap<Arc<str>, u32>,
    lanes: Dense<Lane>,
    used: u32,
    free: Vec<u32>,
    /// What goes next of every lane that has a free slot.
    heads: BTreeSet<(Rank, u32)>,
}

impl Lanes {
    pub(super) fn new(slots: u32) -> Self {
        Lanes {
            slots: slots.max(1),
            ..Lanes::default()
        }
    }

    /// Whether `lane` is the one of `host`.
    pub(super) fn is(&self, lane: u32, host: &str) -> bool {
        self.lanes
            .get(lane)
            .and_then(|lane| lane.host.as_deref())
            .is_some_and(|known| known == host)
    }

    /// The host of a lane.
    pub(super) fn host(&self, number: u32) -> Option<Arc<str>> {
        self.lanes.get(number)?.host.clone()
    }

    /// The lane of `host`, with one more user.
    pub(super) fn join(&mut self, host: &Arc<str>) -> u32 {
        let number = self.by_host.get(host).copied().unwrap_or_else(|| {
            let number = self.free.pop().unwrap_or_else(|| {
                self.used += 1;
                self.used - 1
            });
            self.by_host.insert(Arc::clone(host), number);
            number
        });
        if let Some(lane) = self.lanes.grow(number) {
            lane.host.get_or_insert_with(|| Arc::clone(host));
            lane.users += 1;
        }
        number
    }

    /// One user less.
    pub(super) fn leave(&mut self, number: u32) {
        if let Some(lane) = self.lanes.get_mut(number) {
            lane.users = lane.users.saturating_sub(1);
        }
        self.drop_unused(number);
    }

    pub(super) fn wait(&mut self, number: u32, rank: Rank) {
        self.change(number, |lane| {
            lane.waiting.insert(rank);
        });
    }

    pub(super) fn stop_waiting(&mut self, number: u32, rank: Rank) {
        self.change(number, |lane| {
            lane.waiting.remove(&rank);
        });
    }

    /// Takes what is first over all lanes with a free slot, and that slot.
    pub(super) fn take(&mut self) -> Option<(Rank, u32)> {
        let (rank, number) = self.heads.first().copied()?;
        self.change(number, |lane| {
            lane.waiting.remove(&rank);
            lane.in_flight += 1;
        });
        Some((rank, number))
    }

    /// Whether a request of this lane succeeded within `span` before `now`.
    pub(super) fn moves(&self, number: u32, span: Span, now: Time) -> bool {
        let moved = self.lanes.get(number).and_then(|lane| lane.moved);
        moved.is_some_and(|moved| moved <= now && now.since(moved) < span)
    }

    /// Gives a slot back.
    pub(super) fn give_back(&mut self, number: u32, report: LaneReport, now: Time) {
        self.change(number, |lane| {
            lane.in_flight = lane.in_flight.saturating_sub(1);
            match report {
                LaneReport::TimedOut => lane.narrowed = true,
                LaneReport::Succeeded => {
                    lane.narrowed = false;
                    lane.moved = Some(now);
                }
                LaneReport::Unused | LaneReport::Failed => {}
            }
        });
        self.drop_unused(number);
    }

    pub(super) fn occupancy(&self) -> impl Iterator<Item = Occupancy<'_>> {
        self.by_host.iter().filter_map(|(host, number)| {
            let lane = self.lanes.get(*number)?;
            Some(Occupancy {
                host,
                in_flight: lane.in_flight,
                slots: lane.slots(self.slots),
                waiting: lane.waiting.len(),
            })
        })
    }

    pub(super) fn bytes(&self) -> usize {
        let waiting: usize = self
            .by_host
            .values()
            .filter_map(|number| self.lanes.get(*number))
            .map(|lane| lane.waiting.len())
            .sum();
        self.lanes.bytes()
            + self.by_host.capacity() * (size_of::<(Arc<str>, u32)>() + 1)
            + set_bytes::<Rank>(waiting)
            + set_bytes::<(Rank, u32)>(self.heads.len())
    }

    /// Changes a lane and keeps `heads` true.
    fn change(&mut self, number: u32, change: impl FnOnce(&mut Lane)) {
        let slots = self.slots;
        let Some(lane) = self.lanes.get_mut(number) else {
            return;
        };
        let before = lane.head(slots);
        change(lane);
        let after = lane.head(slots);
        if before != after {
            if let Some(rank) = before {
                self.heads.remove(&(rank, number));
            }
            if let Some(rank) = after {
                self.heads.insert((rank, number));
            }
        }
    }

    fn drop_unused(&mut self, number: u32) {
        let Some(lane) = self.lanes.get_mut(number) else {
            return;
        };
        let used = lane.users > 0 || lane.in_flight > 0 || !lane.waiting.is_empty();
        if !used && let Some(host) = std::mem::take(lane).host {
            self.by_host.remove(&host);
            self.free.push(number);
        }
    }
}
