//! Host queues: one for each token host, so that an unresponsive provider delays no other. Each has a flow for each
//! namespace, so that no namespace delays another one at a shared host.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::fair::Shares;
use crate::queue::order::set_bytes;
use crate::time::{Span, Time};

use super::dense::Dense;
use super::order::{Class, Rank};
use super::ranks::Ranks;

/// No flow.
pub(super) const NO_FLOW: u32 = u32::MAX;

/// The result of a token request for its host queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostReport {
    /// No request was sent.
    Unused,
    /// The host issued a token.
    Succeeded,
    /// The request timed out.
    TimedOut,
    /// The host returned an error or refused the connection.
    Failed,
}

/// How many slots of a host are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occupancy<'a> {
    /// The token host with its port.
    pub host: &'a str,
    /// Work in progress that may request a token.
    pub in_flight: u32,
    /// The limit: one for a namespace whose request timed out, until one of its requests succeeds.
    pub slots: u32,
    /// Entries that wait for a slot.
    pub waiting: usize,
}

#[derive(Debug, Default)]
struct HostQueue {
    host: Option<Arc<str>>,
    /// Its flows, and how many of them are narrowed.
    flows: u32,
    narrowed: u32,
    in_flight: u32,
    /// When a request last succeeded.
    moved: Option<Time>,
    waiting: usize,
    /// Flows that wait for a slot, in order.
    order: BTreeSet<(FlowOrder, u32)>,
}

/// The order of flows at a host: first those that hold less than a quarter of the slots, then by class, then by turn.
type FlowOrder = (bool, Class, u64);

/// The entries of one namespace at one host.
#[derive(Debug, Default)]
struct Flow {
    host_queue: u32,
    space: u32,
    /// The number of its entries.
    users: u32,
    in_flight: u32,
    /// A request of this namespace timed out here and none has succeeded since: one at a time. Other namespaces are not
    /// affected, because the time-out may be this namespace's own choice.
    narrowed: bool,
    /// When it was last served.
    turn: u64,
    waiting: Ranks,
    place: Option<FlowOrder>,
}

/// What a host queue offers to its first entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) space: u32,
    /// The rank of its first entry.
    pub(super) rank: Rank,
}

/// All host queues.
#[derive(Debug, Default)]
pub(super) struct HostQueues {
    slots: u32,
    by_host: HashMap<Arc<str>, u32>,
    host_queues: Dense<HostQueue>,
    used: u32,
    free: Vec<u32>,
    by_host_and_space: HashMap<(u32, u32), u32>,
    flows: Dense<Flow>,
    used_flows: u32,
    free_flows: Vec<u32>,
    turn: u64,
    /// Hosts with a free slot for which more than one namespace waits.
    contested: BTreeSet<u32>,
}

impl HostQueues {
    pub(super) fn new(slots: u32) -> Self {
        HostQueues {
            slots: slots.max(1),
            ..HostQueues::default()
        }
    }

    /// Whether `flow` is the one of `space` at `host`.
    pub(super) fn is(&self, flow: u32, space: u32, host: &str) -> bool {
        self.flow(flow)
            .is_some_and(|found| found.space == space && found.users > 0)
            && self.host(flow).as_deref() == Some(host)
    }

    /// The host of a flow.
    pub(super) fn host(&self, flow: u32) -> Option<Arc<str>> {
        self.host_queues
            .get(self.flow(flow)?.host_queue)?
            .host
            .clone()
    }

    /// The number of a flow's host queue.
    pub(super) fn host_queue(&self, flow: u32) -> Option<u32> {
        Some(self.flow(flow)?.host_queue)
    }

    /// The flow of a namespace at `host`, with one more entry.
    pub(super) fn join(&mut self, host: &Arc<str>, space: u32) -> u32 {
        let host_queue = self.host_queue_of(host);
        if let Some(number) = self.by_host_and_space.get(&(host_queue, space)).copied() {
            if let Some(flow) = self.flows.get_mut(number) {
                flow.users += 1;
            }
            return number;
        }
        let number = self.free_flows.pop().unwrap_or_else(|| {
            self.used_flows += 1;
            self.used_flows - 1
        });
        self.by_host_and_space.insert((host_queue, space), number);
        self.turn += 1;
        if let Some(flow) = self.flows.grow(number) {
            *flow = Flow {
                host_queue,
                space,
                users: 1,
                turn: self.turn,
                ..Flow::default()
            };
        }
        if let Some(host_queue) = self.host_queues.get_mut(host_queue) {
            host_queue.flows += 1;
        }
        number
    }

    fn host_queue_of(&mut self, host: &Arc<str>) -> u32 {
        if let Some(number) = self.by_host.get(host) {
            return *number;
        }
        let number = self.free.pop().unwrap_or_else(|| {
            self.used += 1;
            self.used - 1
        });
        self.by_host.insert(Arc::clone(host), number);
        if let Some(host_queue) = self.host_queues.grow(number) {
            host_queue.host = Some(Arc::clone(host));
        }
        number
    }

    /// Removes one entry.
    pub(super) fn leave(&mut self, flow: u32) {
        if let Some(flow) = self.flows.get_mut(flow) {
            flow.users = flow.users.saturating_sub(1);
        }
        self.drop_unused(flow);
    }

    pub(super) fn wait(&mut self, flow: u32, rank: Rank) {
        self.change(flow, |flow, host_queue| {
            host_queue.waiting += usize::from(flow.waiting.insert(rank));
        });
    }

    pub(super) fn stop_waiting(&mut self, flow: u32, rank: Rank) {
        self.change(flow, |flow, host_queue| {
            host_queue.waiting -= usize::from(flow.waiting.remove(&rank));
        });
    }

    /// What a host queue with a free slot offers, and to which namespace.
    pub(super) fn offer(&self, host_queue: u32) -> Option<Offer> {
        let found = self.host_queues.get(host_queue)?;
        if found.in_flight >= self.slots {
            return None;
        }
        self.offer_of(found.order.first()?.1)
    }

    fn offer_of(&self, flow: u32) -> Option<Offer> {
        let flow = self.flow(flow)?;
        Some(Offer {
            space: flow.space,
            rank: *flow.waiting.first()?,
        })
    }

    /// Among hosts with a free slot: the first entry that `may` allows, even if another one is first in its queue.
    pub(super) fn offer_behind(&self, may: impl Fn(u32) -> bool) -> Option<(Offer, u32)> {
        self.contested.iter().find_map(|host_queue| {
            let order = &self.host_queues.get(*host_queue)?.order;
            let mut offers = order.iter().filter_map(|(_, flow)| self.offer_of(*flow));
            Some((offers.find(|offer| may(offer.space))?, *host_queue))
        })
    }

    /// Takes an offered entry and a slot. Returns the flow that now holds it.
    pub(super) fn take(&mut self, host_queue: u32, offer: Offer) -> Option<u32> {
        let number = *self.by_host_and_space.get(&(host_queue, offer.space))?;
        self.turn += 1;
        let turn = self.turn;
        self.change(number, |flow, host_queue| {
            host_queue.waiting -= usize::from(flow.waiting.remove(&offer.rank));
            flow.in_flight += 1;
            flow.turn = turn;
            host_queue.in_flight += 1;
        });
        Some(number)
    }

    /// Whether a request to the host of a flow succeeded within `span` before `now`.
    pub(super) fn moves(&self, flow: u32, span: Span, now: Time) -> bool {
        let host_queue = self
            .flow(flow)
            .and_then(|flow| self.host_queues.get(flow.host_queue));
        host_queue
            .and_then(|host_queue| host_queue.moved)
            .is_some_and(|moved| moved <= now && now.since(moved) < span)
    }

    /// Returns a slot.
    pub(super) fn give_back(&mut self, flow: u32, report: HostReport, now: Time) {
        self.change(flow, |flow, host_queue| {
            flow.in_flight = flow.in_flight.saturating_sub(1);
            host_queue.in_flight = host_queue.in_flight.saturating_sub(1);
            let before = flow.narrowed;
            match report {
                HostReport::TimedOut => flow.narrowed = true,
                HostReport::Succeeded => {
                    flow.narrowed = false;
                    host_queue.moved = Some(now);
                }
                HostReport::Failed | HostReport::Unused => {}
            }
            host_queue.narrowed =
                host_queue.narrowed + u32::from(flow.narrowed) - u32::from(before);
        });
        self.drop_unused(flow);
    }

    pub(super) fn occupancy(&self) -> impl Iterator<Item = Occupancy<'_>> {
        self.by_host.iter().filter_map(|(host, number)| {
            let host_queue = self.host_queues.get(*number)?;
            let all_narrowed = host_queue.narrowed > 0 && host_queue.narrowed == host_queue.flows;
            Some(Occupancy {
                host,
                in_flight: host_queue.in_flight,
                slots: if all_narrowed {
                    self.slots.min(host_queue.narrowed)
                } else {
                    self.slots
                },
                waiting: host_queue.waiting,
            })
        })
    }

    pub(super) fn bytes(&self) -> usize {
        let host_queues = self.by_host.values();
        let order: usize = host_queues
            .filter_map(|number| self.host_queues.get(*number))
            .map(|host_queue| set_bytes::<(FlowOrder, u32)>(host_queue.order.len()))
            .sum();
        let flows = (0..self.used_flows).filter_map(|number| self.flow(number));
        let waiting: usize = flows.map(|flow| flow.waiting.bytes()).sum();
        self.host_queues.bytes()
            + self.flows.bytes()
            + self.by_host.capacity() * (size_of::<(Arc<str>, u32)>() + 1)
            + self.by_host_and_space.capacity() * (size_of::<((u32, u32), u32)>() + 1)
            + order
            + waiting
    }

    fn flow(&self, number: u32) -> Option<&Flow> {
        self.flows.get(number)
    }

    /// Changes a flow, and updates its place in the order of its host.
    fn change(&mut self, number: u32, change: impl FnOnce(&mut Flow, &mut HostQueue)) {
        let slots = self.slots;
        let Some(flow) = self.flows.get_mut(number) else {
            return;
        };
        let host_number = flow.host_queue;
        let Some(host_queue) = self.host_queues.get_mut(host_number) else {
            return;
        };
        change(flow, host_queue);
        let place = flow.place_now(slots);
        if place != flow.place {
            if let Some(before) = std::mem::replace(&mut flow.place, place) {
                host_queue.order.remove(&(before, number));
            }
            if let Some(place) = place {
                host_queue.order.insert((place, number));
            }
        }
        if host_queue.in_flight < slots && host_queue.order.len() > 1 {
            self.contested.insert(host_number);
        } else {
            self.contested.remove(&host_number);
        }
    }

    fn drop_unused(&mut self, number: u32) {
        let Some(flow) = self.flows.get_mut(number) else {
            return;
        };
        if flow.users > 0 || flow.in_flight > 0 || !flow.waiting.is_empty() {
            return;
        }
        let flow = std::mem::take(flow);
        if self
            .by_host_and_space
            .remove(&(flow.host_queue, flow.space))
            .is_none()
        {
            return;
        }
        self.free_flows.push(number);
        let Some(host_queue) = self.host_queues.get_mut(flow.host_queue) else {
            return;
        };
        host_queue.flows = host_queue.flows.saturating_sub(1);
        host_queue.narrowed -= u32::from(flow.narrowed);
        if host_queue.flows == 0
            && let Some(host) = std::mem::take(host_queue).host
        {
            self.by_host.remove(&host);
            self.free.push(flow.host_queue);
        }
    }
}

impl Flow {
    /// Its place in the order of its host, if it waits for a slot and may have one.
    fn place_now(&self, slots: u32) -> Option<FlowOrder> {
        let (class, _, _) = *self.waiting.first()?;
        if self.narrowed && self.in_flight > 0 {
            return None;
        }
        let quarter = Shares::new(slots as usize).quarter();
        Some((self.in_flight as usize >= quarter, class, self.turn))
    }
}
