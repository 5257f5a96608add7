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
    /// Work that was begun ahead of its turn to ask waited too long for it: no request was made.
    HeldUp,
}

/// How full a lane is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occupancy<'a> {
    /// The token host, with its port.
    pub host: &'a str,
    /// Works under way that may request a token: requests, and what is prepared ahead ([`Limits::lane_ahead`]).
    ///
    /// [`Limits::lane_ahead`]: super::Limits::lane_ahead
    pub in_flight: u32,
    /// How many requests may be under way: one after a time-out, until a request succeeds.
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
    /// How many requests must yet succeed before work is begun ahead again.
    held_up: u32,
    waiting: BTreeSet<Rank>,
}

/// How many requests must succeed after work was held up, or a request failed, before work is begun ahead again: looking at
/// resources whose turn does not come is work for nothing.
pub(super) const CAUTION: u32 = 64;

/// How wide lanes are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Width {
    pub(super) slots: u32,
    pub(super) ahead: u32,
}

impl Lane {
    fn slots(&self, slots: u32) -> u32 {
        if self.narrowed { slots.min(1) } else { slots }
    }

    /// How many may be under way: what asks, and what is prepared to, while the host is known to give tokens.
    fn room(&self, width: Width) -> u32 {
        let gives = self.moved.is_some() && self.held_up == 0 && !self.narrowed;
        let ahead = if gives { width.ahead } else { 0 };
        self.slots(width.slots).saturating_add(ahead)
    }

    /// What goes next, if there is a slot for it.
    fn head(&self, width: Width) -> Option<Rank> {
        let free = self.in_flight < self.room(width);
        self.waiting.first().copied().filter(|_| free)
    }
}

/// All lanes.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    width: Width,
    by_host: HashMap<Arc<str>, u32>,
    lanes: Dense<Lane>,
    used: u32,
    free: Vec<u32>,
    /// What goes next of every lane that has a free slot.
    heads: BTreeSet<(Rank, u32)>,
}

impl Lanes {
    pub(super) fn new(slots: u32, ahead: u32) -> Self {
        let slots = slots.max(1);
        Lanes {
            width: Width { slots, ahead },
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

    /// How many requests of a lane may be under way.
    pub(super) fn slots(&self, number: u32) -> u32 {
        let lane = self.lanes.get(number);
        lane.map_or(0, |lane| lane.slots(self.width.slots))
    }

    /// Gives a slot back.
    pub(super) fn give_back(&mut self, number: u32, report: LaneReport, now: Time) {
        self.change(number, |lane| {
            lane.in_flight = lane.in_flight.saturating_sub(1);
            match report {
                LaneReport::TimedOut => {
                    lane.narrowed = true;
                    lane.held_up = CAUTION;
                }
                LaneReport::Succeeded => {
                    lane.narrowed = false;
                    lane.moved = Some(now);
                    lane.held_up = lane.held_up.saturating_sub(1);
                }
                LaneReport::Failed | LaneReport::HeldUp => lane.held_up = CAUTION,
                LaneReport::Unused => {}
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
                slots: lane.slots(self.width.slots),
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
        let width = self.width;
        let Some(lane) = self.lanes.get_mut(number) else {
            return;
        };
        let before = lane.head(width);
        change(lane);
        let after = lane.head(width);
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
