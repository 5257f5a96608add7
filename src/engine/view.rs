//! What can be read of the engine: for metrics, status pages and tests.

use std::sync::Arc;

use crate::queue::{Class, Id, Occupancy, set_bytes};
use crate::time::Time;

use super::facts::{Attempt, Key, TokenFacts};
use super::{Engine, Record};

/// How a resource fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// A first token is yet to come, and nothing failed.
    Pending,
    /// Its token is valid.
    Valid,
    /// Its token is valid, and the last request for another one failed.
    Failing,
    /// Its token is over.
    Expired,
    /// It never had a token, and the last request failed.
    Failed,
    /// It is suspended.
    Suspended,
    /// It is being deleted.
    Deleting,
}

impl State {
    /// All of them.
    pub const ALL: [State; 7] = [
        State::Pending,
        State::Valid,
        State::Failing,
        State::Expired,
        State::Failed,
        State::Suspended,
        State::Deleting,
    ];

    /// Its name in a metric.
    pub const fn name(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Valid => "valid",
            State::Failing => "failing",
            State::Expired => "expired",
            State::Failed => "failed",
            State::Suspended => "suspended",
            State::Deleting => "deleting",
        }
    }
}

/// One resource as the engine knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// How it fares; `None` when only Secrets of it were seen.
    pub state: Option<State>,
    /// The token that is published.
    pub token: Option<TokenFacts>,
    /// The failing request.
    pub attempt: Option<Attempt>,
    /// When a token request is due; [`Time::NEVER`] when none is.
    pub request: Time,
    /// When it is looked at without a request, other than at its token's end; [`Time::NEVER`] when it is not.
    pub look: Time,
    /// The class in which it waits for a slot of its lane.
    pub waiting: Option<Class>,
    /// Work is under way.
    pub in_flight: bool,
}

/// What the gauges need to know of one resource.
#[derive(Clone, Copy, Debug)]
pub struct Overview<'a> {
    /// Which one.
    pub key: &'a Key,
    /// How it fares.
    pub state: State,
    /// The token that is published.
    pub token: Option<&'a TokenFacts>,
    /// The failing request.
    pub attempt: Option<&'a Attempt>,
    /// Since when its token request has been due, while it waits to be sent.
    pub waits_since: Option<Time>,
}

impl Engine {
    /// All resources, in no order; passes over all records.
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

    /// How many resources are in a state.
    pub fn count(&self, state: State) -> usize {
        self.counts.get(state as usize).copied().unwrap_or(0)
    }

    /// The inputs and the lane of a resource, if its spec is known as that of this object and generation.
    pub fn spec_known(&self, key: &Key, uid: u64, generation: i64) -> Option<(u64, Arc<str>)> {
        let id = self.table.find(key)?;
        let resource = self.table.get(id)?.resource?;
        let same = resource.uid == uid && resource.generation == generation;
        let host = self.queue.host(id).filter(|_| same)?;
        Some((resource.inputs, host))
    }

    /// How many records there are, also of resources of which only Secrets were seen.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// There is no record at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// When the next token ends, of those alive.
    pub fn earliest_end(&self) -> Option<Time> {
        self.ends.first().map(|(end, _)| *end)
    }

    /// How many resources wait for a slot of their lane, by class.
    pub fn waiting(&self, class: Class) -> usize {
        self.queue.depth(class)
    }

    /// How many looks are due and not handed out yet.
    pub fn looks_due(&self) -> usize {
        self.queue.looks_due()
    }

    /// Works under way: those that may make a token request and have no answer yet, and those that may not.
    pub fn in_flight(&self) -> (usize, usize) {
        self.queue.in_flight()
    }

    /// Works whose answer is there and not yet written and reported.
    pub fn answers(&self) -> usize {
        self.queue.answers()
    }

    /// Every token host in use, and how full its lane is; in no order.
    pub fn lanes(&self) -> impl Iterator<Item = Occupancy<'_>> {
        self.queue.lanes()
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

    /// Bytes held, about; walks over all records.
    pub fn bytes(&self) -> usize {
        let ends = set_bytes::<(Time, Id)>(self.ends.len());
        let records: usize = self.table.iter().map(Record::bytes).sum();
        self.table.bytes() + records + ends + self.queue.bytes()
    }
}

pub(super) fn count(counts: &mut [usize; State::ALL.len()], state: State, by: isize) {
    if let Some(count) = counts.get_mut(state as usize) {
        *count = count.saturating_add_signed(by);
    }
}
