//! What is due first: timers, lanes, and the order between them.
//!
//! Pure: it knows numbers, hosts, namespaces and times, nothing of tokens or of Kubernetes. Every entry waits for at most two
//! things: a token request, which needs a slot of its host's lane, and a look, which needs none. Both wait in a timer until they
//! are due, then in the order of [`Class`]. Each step costs O(log n).
//!
//! Within a class, namespaces take turns: however many entries of one namespace are due, they delay an entry of another by one
//! turn. Each bound is shared as [`crate::fair::Shares`] says: the slots of a lane, token requests, answers that are not yet
//! written, looks. So a namespace whose providers are slow, or many, leaves the others their part.

pub(crate) mod dense;
mod entry;
mod hosts;
mod order;
mod spaces;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::time::{Span, Time};
use dense::Dense;
use entry::{Entry, Flight};
use hosts::{HostQueues, NO_FLOW, Offer};
use spaces::{Shared, Spaces};

pub use hosts::{HostReport, Occupancy};
pub use order::{Class, Order, Request};

/// Names one entry: small numbers, given by the owner of the queue and used again after [`Queue::remove`].
pub type Id = u32;

/// How much may be under way at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Work that may make a token request, over all lanes, until the answer is there; 512.
    pub token_requests: usize,
    /// Work with an answer that is yet to be written; 512. When so many wait, no request is made.
    pub answers: usize,
    /// Work that may not make a request; 32.
    pub looks: usize,
    /// Token requests to one host; 8.
    pub host_slots_of: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            token_requests: 512,
            answers: 512,
            looks: 32,
            host_slots_of: 8,
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
    entries: Dense<Entry>,
    timers: BTreeSet<(Time, Id)>,
    lanes: HostQueues,
    spaces: Spaces,
    depth: [usize; 4],
    /// The time as it was last told.
    now: Time,
}

impl Queue {
    /// An empty queue.
    pub fn new(limits: Limits) -> Self {
        Queue {
            lanes: HostQueues::new(limits.host_slots_of),
            spaces: Spaces::new(limits.token_requests, limits.answers, limits.looks),
            ..Queue::default()
        }
    }

    /// Puts an entry of a namespace into the lane of `host`, with what it waits for, and says whether it was in another one.
    pub fn enter(&mut self, id: Id, namespace: &str, host: &Arc<str>) -> bool {
        let Some((flow, space)) = self.entries.grow(id).map(|entry| (entry.flow, entry.space))
        else {
            return false;
        };
        if self.spaces.is(space, namespace) && self.lanes.is(flow, space, host) {
            return false;
        }
        self.disarm(id);
        let joined = self.spaces.join(namespace);
        self.lanes.leave(flow);
        self.spaces.leave(space);
        let flow = self.lanes.join(host, joined);
        if let Some(entry) = self.entries.get_mut(id) {
            (entry.flow, entry.space) = (flow, joined);
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
        self.lanes.host(self.entries.get(id)?.flow)
    }

    /// Whether the lane of an entry gives tokens: one of its requests succeeded within `span`.
    pub fn host_moves(&self, id: Id, span: Span) -> bool {
        let flow = self.entries.get(id).map_or(NO_FLOW, |entry| entry.flow);
        self.lanes.moves(flow, span, self.now)
    }

    /// When the next timer ends; [`Time::NEVER`] when there is none.
    pub fn wake(&self) -> Time {
        self.timers.first().map_or(Time::NEVER, |(time, _)| *time)
    }

    /// The token request of an entry is over, though its work is not: its lane and the bound of requests get the slot back. The
    /// answer counts among those that are not yet written.
    pub fn answered(&mut self, id: Id, report: HostReport) {
        let Some(entry) = self.entries.get_mut(id) else {
            return;
        };
        if entry.flight != Flight::Request {
            return;
        }
        entry.flight = Flight::Answer;
        let (held, space) = (
            std::mem::replace(&mut entry.held, NO_FLOW),
            entry.held_space,
        );
        self.spaces.take(Shared::Answers, space);
        self.spaces.give_back(Shared::Requests, space);
        self.change_host(held, |lanes, now| lanes.give_back(held, report, now));
    }

    /// The work of an entry is over. What it waits for next is what was last planned: call [`Queue::plan`] first.
    pub fn done(&mut self, id: Id, report: HostReport) {
        self.answered(id, report);
        let Some(entry) = self.entries.get_mut(id) else {
            return;
        };
        let space = entry.held_space;
        match std::mem::take(&mut entry.flight) {
            Flight::None => return,
            Flight::Look => self.spaces.give_back(Shared::Looks, space),
            Flight::Request | Flight::Answer => self.spaces.give_back(Shared::Answers, space),
        }
        self.arm(id);
    }

    /// Forgets an entry.
    pub fn remove(&mut self, id: Id) {
        self.plan(id, None, Time::NEVER);
        self.done(id, HostReport::Unused);
        if let Some(entry) = self.entries.get_mut(id) {
            let (flow, space) = (entry.flow, entry.space);
            *entry = Entry::default();
            self.lanes.leave(flow);
            self.spaces.leave(space);
        }
    }

    /// How many entries wait for a slot, by class.
    pub fn depth(&self, class: Class) -> usize {
        self.depth.get(class as usize).copied().unwrap_or(0)
    }

    /// How many looks are due and not yet taken.
    pub fn looks_due(&self) -> usize {
        self.spaces.looks_due()
    }

    /// Works under way: those that may request a token and have no answer yet, and those that may not.
    pub fn in_flight(&self) -> (usize, usize) {
        (
            self.spaces.held(Shared::Requests),
            self.spaces.held(Shared::Looks),
        )
    }

    /// Works whose answer is there and not yet written and reported.
    pub fn answers(&self) -> usize {
        self.spaces.held(Shared::Answers)
    }

    /// The lanes in use, in no order.
    pub fn lanes(&self) -> impl Iterator<Item = Occupancy<'_>> {
        self.lanes.occupancy()
    }

    /// Bytes held, about.
    pub fn bytes(&self) -> usize {
        self.entries.bytes()
            + set_bytes::<(Time, Id)>(self.timers.len())
            + self.spaces.bytes()
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
            self.spaces.look_due(entry.space, entry.look, id);
        }
        let flow = entry.flow;
        let mut moved = None;
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
                    moved = Some((request, entry.waiting.replace(class), class));
                }
            }
        }
        entry.timer = timer;
        if timer < Time::NEVER {
            self.timers.insert((timer, id));
        }
        if let Some((request, before, class)) = moved {
            if let Some(before) = before {
                let rank = request.rank(before, id);
                self.change_host(flow, |lanes, _| lanes.stop_waiting(flow, rank));
                count(&mut self.depth, before, -1);
            }
            let rank = request.rank(class, id);
            self.change_host(flow, |lanes, _| lanes.wait(flow, rank));
            count(&mut self.depth, class, 1);
        }
    }

    fn next_request(&mut self) -> Option<Taken> {
        if self.spaces.is_full() {
            return None;
        }
        let (offer, lane) = match self.spaces.next() {
            Some(lane) => (self.lanes.offer(lane)?, lane),
            // Whoever is first in a lane may have to wait for others of its namespace; those behind it need not.
            None => self
                .lanes
                .offer_behind(|space| self.spaces.has_share(space))?,
        };
        let Offer { space, rank } = offer;
        let id = rank.2;
        let flow = self.take(lane, offer)?;
        self.spaces.served(space);
        let entry = self.entries.get_mut(id)?;
        if let Some(class) = entry.waiting.take() {
            count(&mut self.depth, class, -1);
        }
        entry.flight = Flight::Request;
        (entry.held, entry.held_space) = (flow, space);
        let due = entry.due;
        self.disarm(id);
        Some(Taken {
            id,
            may_request: true,
            due,
        })
    }

    fn next_look(&mut self) -> Option<Taken> {
        let (due, id) = self.spaces.next_look()?;
        self.disarm(id);
        let entry = self.entries.get_mut(id)?;
        entry.flight = Flight::Look;
        entry.held_space = entry.space;
        Some(Taken {
            id,
            may_request: false,
            due,
        })
    }

    /// Takes what a lane offers.
    fn take(&mut self, lane: u32, offer: Offer) -> Option<u32> {
        let before = self.lanes.offer(lane);
        let flow = self.lanes.take(lane, offer);
        self.offers_changed(lane, before);
        flow
    }

    /// Changes the lane of a flow, and tells the namespaces what it offers then.
    fn change_host(&mut self, flow: u32, change: impl FnOnce(&mut HostQueues, Time)) {
        let Some(lane) = self.lanes.lane(flow) else {
            return;
        };
        let before = self.lanes.offer(lane);
        change(&mut self.lanes, self.now);
        self.offers_changed(lane, before);
    }

    fn offers_changed(&mut self, lane: u32, before: Option<Offer>) {
        let after = self.lanes.offer(lane);
        if before == after {
            return;
        }
        if let Some(Offer { space, rank }) = before {
            self.spaces.offer(space, lane, Some(rank), None);
        }
        if let Some(Offer { space, rank }) = after {
            self.spaces.offer(space, lane, None, Some(rank));
        }
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
            self.spaces.no_look(entry.space, entry.look, id);
        }
        if let (Some(class), Some(request)) = (entry.waiting.take(), entry.request()) {
            let (flow, rank) = (entry.flow, request.rank(class, id));
            self.change_host(flow, |lanes, _| lanes.stop_waiting(flow, rank));
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
