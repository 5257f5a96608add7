//! Read access to the engine: for metrics, status pages and tests.

use std::sync::Arc;

use crate::engine::state::State;
use crate::queue::{Class, Occupancy};
use crate::time::Time;

use super::facts::{Attempt, Key, TokenFacts};
use super::machine::Engine;
use super::record::Record;

/// A resource in the view of the engine.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// Its state; `None` if only its Secrets were observed.
    pub state: Option<State>,
    /// The published token.
    pub token: Option<TokenFacts>,
    /// The failed request.
    pub attempt: Option<Attempt>,
    /// When a token request is due; [`Time::NEVER`] for none.
    pub request: Time,
    /// When a look is due, apart from the one when its token expires; [`Time::NEVER`] for none.
    pub look: Time,
    /// The class in which it waits for a slot of its host.
    pub waiting: Option<Class>,
    /// Whether work is in progress.
    pub in_flight: bool,
}

/// The data of one resource for the gauges.
#[derive(Clone, Copy, Debug)]
pub struct Overview<'a> {
    /// Its key.
    pub key: &'a Key,
    /// Its state.
    pub state: State,
    /// The published token.
    pub token: Option<&'a TokenFacts>,
    /// The failed request.
    pub attempt: Option<&'a Attempt>,
    /// Since when its token request has been due, while it waits to be sent.
    pub waits_since: Option<Time>,
}

impl Engine {
    /// All resources, in no order. Iterates over all records.
    pub fn overview(&self) -> impl Iterator<Item = Overview<'_>> {
        self.table.ids().filter_map(|id| {
            let record = self.table.get(id)?;
            let waits = self.queue.waiting(id).and(self.queue.planned(id).0);
            Some(Overview {
                key: &record.key,
                state: record.noted_state?,
                token: record.own_token(),
                attempt: record.attempt.as_deref(),
                waits_since: waits.map(|request| request.due),
            })
        })
    }

    /// The number of resources in a state.
    pub fn count(&self, state: State) -> usize {
        self.counts.get(state as usize).copied().unwrap_or(0)
    }

    /// Inputs and host of a resource, if its spec is known for this object and generation.
    pub fn spec_known(&self, key: &Key, uid: u64, generation: i64) -> Option<(u64, Arc<str>)> {
        let id = self.table.find(key)?;
        let resource = self.table.get(id)?.resource?;
        let same = resource.uid == uid && resource.generation == generation;
        let host = self.queue.host(id).filter(|_| same)?;
        Some((resource.inputs, host))
    }

    /// The number of records, including those of which only Secrets were observed.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first expiry time of all valid tokens.
    pub fn earliest_end(&self) -> Option<Time> {
        self.ends.first().map(|(end, _)| end)
    }

    /// The number of resources that wait for a slot of their host, by class.
    pub fn waiting(&self, class: Class) -> usize {
        self.queue.depth(class)
    }

    /// The number of looks that are due and not handed out yet.
    pub fn looks_due(&self) -> usize {
        self.queue.looks_due()
    }

    /// Work in progress: that which may send a token request and has no response yet, and that which may not.
    pub fn in_flight(&self) -> (usize, usize) {
        self.queue.in_flight()
    }

    /// Work with a response that is not yet written and reported.
    pub fn answers(&self) -> usize {
        self.queue.answers()
    }

    /// Every token host in use, with its occupancy, in no order.
    pub fn host_queues(&self) -> impl Iterator<Item = Occupancy<'_>> {
        self.queue.host_queues()
    }

    /// One resource.
    pub fn record(&self, key: &Key) -> Option<View> {
        let id = self.table.find(key)?;
        let record = self.table.get(id)?;
        let (request, look) = self.queue.planned(id);
        Some(View {
            state: record.noted_state,
            token: record.token,
            attempt: record.attempt.as_deref().copied(),
            request: request.map_or(Time::NEVER, |request| request.due),
            look,
            waiting: self.queue.waiting(id),
            in_flight: self.queue.is_in_flight(id),
        })
    }

    /// Memory in use, approximately, in bytes. Iterates over all records.
    pub fn bytes(&self) -> usize {
        let ends = self.ends.bytes();
        let records: usize = self.table.iter().map(Record::bytes).sum();
        self.table.bytes() + records + ends + self.queue.bytes()
    }
}
