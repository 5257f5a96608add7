//! The order of due work: timers, host queues, and classes.
//!
//! Pure: it knows numbers, hosts, namespaces and times, but no tokens and no Kubernetes. Every entry waits for at most
//! two things: a token request, which needs a slot of its host queue, and a look (work without a request), which needs
//! none. Both wait in a timer until they are due, then in the order of [`Class`]. Each step costs O(log n).
//!
//! Within a class, namespaces take turns: however many entries of one namespace are due, they delay an entry of another
//! by one turn. [`crate::fair::Shares`] shares each limit: the slots of a host queue, token requests, responses that
//! are not yet written, looks. A namespace with slow or many providers therefore leaves the others their share.

pub(crate) mod alarms;
pub(crate) mod dense;
mod entry;
mod hosts;
mod order;
mod ranks;
mod spaces;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::time::{Span, Time};

use alarms::Alarms;
use dense::Dense;
use entry::{Entry, Flight};
use hosts::{HostQueues, NO_FLOW, Offer};
use spaces::{SharedLimit, Spaces};

pub use hosts::{HostReport, Occupancy};
pub use order::{Class, Id, Order, Request};

/// Limits of concurrent work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Work that may send a token request, over all hosts, until the response arrives; 512.
    pub token_requests: usize,
    /// Work with a response that is not yet written; 512. At this limit, no request is sent.
    pub answers: usize,
    /// Work that may not send a request; 32.
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

/// A unit of work that may start now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The entry.
    pub id: Id,
    /// Whether it holds a slot of its host queue.
    pub may_request: bool,
    /// Since when it has been due.
    pub due: Time,
}

/// The queue of all entries.
#[derive(Debug, Default)]
pub struct Queue {
    entries: Dense<Entry>,
    timers: Alarms,
    host_queues: HostQueues,
    spaces: Spaces,
    depth: [usize; 4],
    /// The last known time.
    now: Time,
}

impl Queue {
    /// An empty queue.
    pub fn new(limits: Limits) -> Self {
        Queue {
            host_queues: HostQueues::new(limits.host_slots_of),
            spaces: Spaces::new(limits.token_requests, limits.answers, limits.looks),
            ..Queue::default()
        }
    }

    /// Puts an entry of a namespace into the queue of `host`, together with what it waits for. Returns whether it was
    /// in another queue.
    pub fn enter(&mut self, id: Id, namespace: &str, host: &Arc<str>) -> bool {
        let Some((flow, space)) = self.entries.grow(id).map(|entry| (entry.flow, entry.space))
        else {
            return false;
        };
        if self.spaces.is(space, namespace) && self.host_queues.is(flow, space, host) {
            return false;
        }
        self.disarm(id);
        let joined = self.spaces.join(namespace);
        self.host_queues.leave(flow);
        self.spaces.leave(space);
        let flow = self.host_queues.join(host, joined);
        if let Some(entry) = self.entries.get_mut(id) {
            (entry.flow, entry.space) = (flow, joined);
        }
        self.arm(id);
        true
    }

    /// Sets what an entry waits for, replacing the previous plan: a request, and a look at `look` ([`Time::NEVER`] for
    /// none). While its work is in progress, it waits until [`Queue::done`].
    pub fn plan(&mut self, id: Id, request: Option<Request>, look: Time) {
        self.disarm(id);
        let Some(entry) = self.entries.grow(id) else {
            return;
        };
        entry.set_request(request);
        entry.look = look;
        self.arm(id);
    }

    /// The request and the look that an entry waits for; while its work is in progress, the previous ones.
    pub fn planned(&self, id: Id) -> (Option<Request>, Time) {
        self.entries
            .get(id)
            .map_or((None, Time::NEVER), |entry| (entry.request(), entry.look))
    }

    /// Whether an entry's work is in progress.
    pub fn is_in_flight(&self, id: Id) -> bool {
        self.entries
            .get(id)
            .is_some_and(|entry| entry.flight != Flight::None)
    }

    /// The class in which an entry waits for a slot, if any.
    pub fn waiting(&self, id: Id) -> Option<Class> {
        self.entries.get(id)?.waiting
    }

    /// Takes the first unit of work that the limits allow. The entry's work is in progress until [`Queue::done`].
    ///
    /// A request goes before a look and includes one, so an entry that waits for both is served once.
    pub fn next(&mut self, now: Time) -> Option<Taken> {
        self.now = now;
        self.advance(now);
        self.next_request().or_else(|| self.next_look())
    }

    /// The host that an entry's queue belongs to.
    pub fn host(&self, id: Id) -> Option<Arc<str>> {
        self.host_queues.host(self.entries.get(id)?.flow)
    }

    /// Whether the host of an entry issues tokens: a request to it succeeded within `span`.
    pub fn host_moves(&self, id: Id, span: Span) -> bool {
        let flow = self.entries.get(id).map_or(NO_FLOW, |entry| entry.flow);
        self.host_queues.moves(flow, span, self.now)
    }

    /// When the next timer expires; [`Time::NEVER`] if there is none.
    pub fn wake(&self) -> Time {
        self.timers.first().map_or(Time::NEVER, |(time, _)| time)
    }

    /// The token request of an entry is complete, but its work is not: its host queue and the limit of requests get the
    /// slot back. The response counts among those that are not yet written.
    pub fn request_ended(&mut self, id: Id, report: HostReport) {
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
        self.spaces.take(SharedLimit::Answers, space);
        self.spaces.give_back(SharedLimit::Requests, space);
        self.change_host(held, |host_queues, now| {
            host_queues.give_back(held, report, now)
        });
    }

    /// The work of an entry is complete. It then waits for what was last planned: call [`Queue::plan`] first.
    pub fn done(&mut self, id: Id, report: HostReport) {
        self.request_ended(id, report);
        let Some(entry) = self.entries.get_mut(id) else {
            return;
        };
        let space = entry.held_space;
        match std::mem::take(&mut entry.flight) {
            Flight::None => return,
            Flight::Look => self.spaces.give_back(SharedLimit::Looks, space),
            Flight::Request | Flight::Answer => self.spaces.give_back(SharedLimit::Answers, space),
        }
        self.arm(id);
    }

    /// Removes an entry.
    pub fn remove(&mut self, id: Id) {
        self.plan(id, None, Time::NEVER);
        self.done(id, HostReport::Unused);
        if let Some(entry) = self.entries.get_mut(id) {
            let (flow, space) = (entry.flow, entry.space);
            *entry = Entry::default();
            self.host_queues.leave(flow);
            self.spaces.leave(space);
        }
    }

    /// The number of entries that wait for a slot, by class.
    pub fn depth(&self, class: Class) -> usize {
        self.depth.get(class as usize).copied().unwrap_or(0)
    }

    /// The number of looks that are due and not yet taken.
    pub fn looks_due(&self) -> usize {
        self.spaces.looks_due()
    }

    /// Work in progress: that which may request a token and has no response yet, and that which may not.
    pub fn in_flight(&self) -> (usize, usize) {
        (
            self.spaces.held(SharedLimit::Requests),
            self.spaces.held(SharedLimit::Looks),
        )
    }

    /// Work with a response that is not yet written and reported.
    pub fn answers(&self) -> usize {
        self.spaces.held(SharedLimit::Answers)
    }

    /// The host queues in use, in no order.
    pub fn host_queues(&self) -> impl Iterator<Item = Occupancy<'_>> {
        self.host_queues.occupancy()
    }

    /// Memory in use, approximately, in bytes.
    pub fn bytes(&self) -> usize {
        self.entries.bytes() + self.timers.bytes() + self.spaces.bytes() + self.host_queues.bytes()
    }

    /// Handles all expired timers.
    fn advance(&mut self, now: Time) {
        while let Some((time, id)) = self.timers.first() {
            if time > now {
                return;
            }
            self.timers.set(id, Time::NEVER);
            self.fire(id, now);
        }
    }

    /// Queues an entry for what is due, and sets its timer for what is not.
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
        self.timers.set(id, timer);
        if let Some((request, before, class)) = moved {
            if let Some(before) = before {
                let rank = request.rank(before, id);
                self.change_host(flow, |host_queues, _| host_queues.stop_waiting(flow, rank));
                count(&mut self.depth, before, -1);
            }
            let rank = request.rank(class, id);
            self.change_host(flow, |host_queues, _| host_queues.wait(flow, rank));
            count(&mut self.depth, class, 1);
        }
    }

    fn next_request(&mut self) -> Option<Taken> {
        if self.spaces.is_full() {
            return None;
        }
        let (offer, host_queue) = match self.spaces.next() {
            Some(host_queue) => (self.host_queues.offer(host_queue)?, host_queue),
            // The first entry in a host queue may have to wait for others of its namespace; those behind it do not.
            None => self
                .host_queues
                .offer_behind(|space| self.spaces.has_share(space))?,
        };
        let Offer { space, rank } = offer;
        let id = rank.2;
        let flow = self.take(host_queue, offer)?;
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

    /// Takes what a host queue offers.
    fn take(&mut self, host_queue: u32, offer: Offer) -> Option<u32> {
        let before = self.host_queues.offer(host_queue);
        let flow = self.host_queues.take(host_queue, offer);
        self.offers_changed(host_queue, before);
        flow
    }

    /// Changes the host queue of a flow, and informs the namespaces about its new offers.
    fn change_host(&mut self, flow: u32, change: impl FnOnce(&mut HostQueues, Time)) {
        let Some(host_queue) = self.host_queues.host_queue(flow) else {
            return;
        };
        let before = self.host_queues.offer(host_queue);
        change(&mut self.host_queues, self.now);
        self.offers_changed(host_queue, before);
    }

    fn offers_changed(&mut self, host_queue: u32, before: Option<Offer>) {
        let after = self.host_queues.offer(host_queue);
        if before == after {
            return;
        }
        if let Some(Offer { space, rank }) = before {
            self.spaces.offer(space, host_queue, Some(rank), None);
        }
        if let Some(Offer { space, rank }) = after {
            self.spaces.offer(space, host_queue, None, Some(rank));
        }
    }

    /// Sets the timer of an entry that waits for something and whose work is not in progress.
    fn arm(&mut self, id: Id) {
        let Some(entry) = self.entries.get_mut(id) else {
            return;
        };
        let timer = entry.due.min(entry.look);
        if entry.flight == Flight::None && timer < Time::NEVER {
            self.timers.set(id, timer);
        }
    }

    /// Removes an entry from timers, host queue and looks.
    fn disarm(&mut self, id: Id) {
        let Some(entry) = self.entries.get_mut(id) else {
            return;
        };
        self.timers.set(id, Time::NEVER);
        if std::mem::take(&mut entry.look_waiting) {
            self.spaces.no_look(entry.space, entry.look, id);
        }
        if let (Some(class), Some(request)) = (entry.waiting.take(), entry.request()) {
            let (flow, rank) = (entry.flow, request.rank(class, id));
            self.change_host(flow, |host_queues, _| host_queues.stop_waiting(flow, rank));
            count(&mut self.depth, class, -1);
        }
    }
}

fn count(depth: &mut [usize; 4], class: Class, by: isize) {
    if let Some(count) = depth.get_mut(class as usize) {
        *count = count.saturating_add_signed(by);
    }
}
