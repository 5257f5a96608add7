//! What is due first: timers, lanes, and the order between them.
//!
//! Pure: it knows numbers, hosts and times, nothing of tokens or of Kubernetes. Every entry waits for at most two things: a
//! token request, which needs a slot of its host's lane, and a look, which needs none. Both wait in a timer until they are
//! due, then in the order of [`Class`]. Each step costs O(log n).

pub(crate) mod dense;
mod entry;
mod lanes;
mod order;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::time::{Span, Time};
use dense::Dense;
use entry::{Entry, Flight};
use lanes::{Lanes, NO_LANE};

pub use lanes::{LaneReport, Occupancy};
pub use order::{Class, Order, Request};

/// Names one entry: small numbers, given by the owner of the queue and used again after [`Queue::remove`].
pub type Id = u32;

/// How much may be under way at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Work that may make a token request, over all lanes; 512.
    pub token_requests: usize,
    /// Work that may not; 32.
    pub looks: usize,
    /// Token requests to one host; 8.
    pub lane_slots: u32,
    /// Works of one host that may be begun ahead of their turn to ask, while it gives tokens; 0. Whoever sets it has to keep
    /// the bound of requests by itself.
    pub lane_ahead: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            token_requests: 512,
            looks: 32,
            lane_slots: 8,
            lane_ahead: 0,
        }
    }
}

/// What may be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Whose turn it is.
    pub id: Id,
    /// A slot of its lane is held.
    pub may_request: bool,
    /// Since when it was due.
    pub due: Time,
}

/// The queue.
#[derive(Debug, Default)]
pub struct Queue {
    limits: Limits,
    entries: Dense<Entry>,
    timers: BTreeSet<(Time, Id)>,
    looks: BTreeSet<(Time, Id)>,
    lanes: Lanes,
    depth: [usize; 4],
    requesting: usize,
    looking: usize,
    /// The time as it was last told.
    now: Time,
}

impl Queue {
    /// An empty queue.
    pub fn new(limits: Limits) -> Self {
        Queue {
            limits,
            lanes: Lanes::new(limits.lane_slots, limits.lane_ahead),
            ..Queue::default()
        }
    }

    /// Puts an entry into the lane of `host`, with what it waits for, and says whether it was in another one.
    pub fn enter(&mut self, id: Id, host: &Arc<str>) -> bool {
        let Some(lane) = self.entries.grow(id).map(|entry| entry.lane) else {
            return false;
        };
        if self.lanes.is(lane, host) {
            return false;
        }
        self.disarm(id);
        self.lanes.leave(lane);
        let lane = self.lanes.join(host);
        if let Some(entry) = self.entries.get_mut(id) {
            entry.lane = lane;
        }
        self.arm(id);
        true
    }

    /// Says what an entry waits for, in place of what it waited for before: a request, and a look at `look`
    /// ([`Time::NEVER`] for none). While its work is under way, it waits until [`Queue::done`].
    pub fn plan(&mut self, id: Id, request: Option<Request>, look: Time) {
        self.disarm(id);
        let Some(entry) = self.entries.grow(id) else {
            return;
        };
        entry.set_request(request);
        entry.look = look;
        self.arm(id);
    }

    /// The request and the look that an entry waits for; while its work is under way, what it waited for before.
    pub fn planned(&self, id: Id) -> (Option<Request>, Time) {
        self.entries
            .get(id)
            .map_or((None, Time::NEVER), |entry| (entry.request(), entry.look))
    }

    /// Whether work of an entry is under way.
    pub fn is_in_flight(&self, id: Id) -> bool {
        self.entries
            .get(id)
            .is_some_and(|entry| entry.flight != Flight::None)
    }

    /// The class in which an entry waits for a slot, if it does.
    pub fn waiting(&self, id: Id) -> Option<Class> {
        self.entries.get(id)?.waiting
    }

    /// Takes what is first in order, if a bound allows anything. The entry's work is under way until [`Queue::done`].
    ///
    /// A request goes before a look: it looks as well, so an entry that waits for both is served by one.
    pub fn next(&mut self, now: Time) -> Option<Taken> {
        self.now = now;
        self.advance(now);
        self.next_request().or_else(|| self.next_look())
    }

    /// The host whose lane an entry is in.
    pub fn host(&self, id: Id) -> Option<Arc<str>> {
        self.lanes.host(self.entries.get(id)?.lane)
    }

    /// Whether the lane of an entry gives tokens: one of its requests succeeded within `span`.
    pub fn lane_moves(&self, id: Id, span: Span) -> bool {
        let lane = self.entries.get(id).map_or(NO_LANE, |entry| entry.lane);
        self.lanes.moves(lane, span, self.now)
    }

    /// How many requests may be under way in the lane of an entry.
    pub fn lane_slots(&self, id: Id) -> u32 {
        let lane = self.entries.get(id).map_or(NO_LANE, |entry| entry.lane);
        self.lanes.slots(lane)
    }

    /// When the next timer ends; [`Time::NEVER`] when there is none.
    pub fn wake(&self) -> Time {
        self.timers.first().map_or(Time::NEVER, |(time, _)| *time)
    }

    /// The token request of an entry is over, though its work is not: its lane gets the slot back and learns how it went.
    pub fn answered(&mut self, id: Id, report: LaneReport) {
        if let Some(entry) = self.entries.get_mut(id) {
            let held = std::mem::replace(&mut entry.held, NO_LANE);
            self.lanes.give_back(held, report, self.now);
        }
    }

    /// The work of an entry is over. What it waits for next is what was last planned: call [`Queue::plan`] first.
    pub fn done(&mut self, id: Id, report: LaneReport) {
        self.answered(id, report);
        let Some(entry) = self.entries.get_mut(id) else {
            return;
        };
        match std::mem::take(&mut entry.flight) {
            Flight::None => return,
            Flight::Look => self.looking -= 1,
            Flight::Request => self.requesting -= 1,
        }
        self.arm(id);
    }

    /// Forgets an entry.
    pub fn remove(&mut self, id: Id) {
        self.plan(id, None, Time::NEVER);
        self.done(id, LaneReport::Unused);
        if let Some(entry) = self.entries.get_mut(id) {
            let lane = entry.lane;
            *entry = Entry::default();
            self.lanes.leave(lane);
        }
    }

    /// How many entries wait for a slot, by class.
    pub fn depth(&self, class: Class) -> usize {
        self.depth.get(class as usize).copied().unwrap_or(0)
    }

    /// How many looks are due and not yet taken.
    pub fn looks_due(&self) -> usize {
        self.looks.len()
    }

    /// Works under way: those that may request a token, and those that may not.
    pub fn in_flight(&self) -> (usize, usize) {
        (self.requesting, self.looking)
    }

    /// The lanes in use, in no order.
    pub fn lanes(&self) -> impl Iterator<Item = Occupancy<'_>> {
        self.lanes.occupancy()
    }

    /// Bytes held, about.
    pub fn bytes(&self) -> usize {
        self.entries.bytes()
            + set_bytes::<(Time, Id)>(self.timers.len() + self.looks.len())
            + self.lanes.bytes()
    }

    /// Lets all timers end that are due.
    fn advance(&mut self, now: Time) {
        while let Some((time, id)) = self.timers.first().copied() {
            if time > now {
                return;
            }
            self.timers.pop_first();
            if let Some(entry) = self.entries.get_mut(id) {
                entry.timer = Time::NEVER;
            }
            self.fire(id, now);
        }
    }

    /// Lines an entry up for what is due, and sets its timer for what is not.
    fn fire(&mut self, id: Id, now: Time) {
        let Some(entry) = self.entries.get_mut(id) else {
            return;
        };
        let mut timer = Time::NEVER;
        if entry.look > now {
            timer = entry.look;
        } else if !entry.look_waiting {
            entry.look_waiting = true;
            self.looks.insert((entry.look, id));
        }
        if let Some(request) = entry.request() {
            if request.due > now {
                timer = timer.min(request.due);
            } else {
                let class = request.class(now);
                if let Order::Refresh { urgent, .. } = request.order
                    && class == Class::Refresh
                {
                    timer = timer.min(urgent);
                }
                if entry.waiting != Some(class) {
                    let lane = entry.lane;
                    if let Some(before) = entry.waiting.replace(class) {
                        self.lanes.stop_waiting(lane, request.rank(before, id));
                        count(&mut self.depth, before, -1);
                    }
                    self.lanes.wait(lane, request.rank(class, id));
                    count(&mut self.depth, class, 1);
                }
            }
        }
        entry.timer = timer;
        if timer < Time::NEVER {
            self.timers.insert((timer, id));
        }
    }

    fn next_request(&mut self) -> Option<Taken> {
        if self.requesting >= self.limits.token_requests {
            return None;
        }
        let ((_, _, id), lane) = self.lanes.take()?;
        let entry = self.entries.get_mut(id)?;
        if let Some(class) = entry.waiting.take() {
            count(&mut self.depth, class, -1);
        }
        entry.flight = Flight::Request;
        entry.held = lane;
        let due = entry.due;
        self.requesting += 1;
        self.disarm(id);
        Some(Taken {
            id,
            may_request: true,
            due,
        })
    }

    fn next_look(&mut self) -> Option<Taken> {
        if self.looking >= self.limits.looks {
            return None;
        }
        let (due, id) = self.looks.first().copied()?;
        self.disarm(id);
        self.entries.get_mut(id)?.flight = Flight::Look;
        self.looking += 1;
        Some(Taken {
            id,
            may_request: false,
            due,
        })
    }

    /// Sets the timer of an entry that waits for something and whose work is not under way.
    fn arm(&mut self, id: Id) {
        let Some(entry) = self.entries.get_mut(id) else {
            return;
        };
        let timer = entry.due.min(entry.look);
        if entry.flight == Flight::None && timer < Time::NEVER {
            entry.timer = timer;
            self.timers.insert((timer, id));
        }
    }

    /// Takes an entry out of timers, lane and looks.
    fn disarm(&mut self, id: Id) {
        let Some(entry) = self.entries.get_mut(id) else {
            return;
        };
        if entry.timer < Time::NEVER {
            self.timers.remove(&(entry.timer, id));
            entry.timer = Time::NEVER;
        }
        if std::mem::take(&mut entry.look_waiting) {
            self.looks.remove(&(entry.look, id));
        }
        if let (Some(class), Some(request)) = (entry.waiting.take(), entry.request()) {
            self.lanes.stop_waiting(entry.lane, request.rank(class, id));
            count(&mut self.depth, class, -1);
        }
    }
}

/// Bytes held by a `BTreeSet`, about: nodes of 11 places are well over half full.
pub(crate) const fn set_bytes<T>(len: usize) -> usize {
    len * size_of::<T>() * 9 / 5
}

fn count(depth: &mut [usize; 4], class: Class, by: isize) {
    if let Some(count) = depth.get_mut(class as usize) {
        *count = count.saturating_add_signed(by);
    }
}
