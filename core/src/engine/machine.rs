//! The state machine: what a change, a handed out unit of work, and its outcome do to the records.

use crate::queue::alarms::Alarms;
use crate::queue::{HostReport, Id, Limits, Queue, Taken};
use crate::time::Time;

use super::facts::{CLOCK_STEP, Event, Key};
use super::judge::{self, DuePlan, WAITING_REPORTED_WITHIN};
use super::record::{Record, Trigger};
use super::state::{self, State};
use super::table::Table;
use super::work::{Next, Outcome, Work};

/// All resources and their due work.
#[derive(Debug, Default)]
pub struct Engine {
    pub(super) table: Table,
    pub(super) queue: Queue,
    /// The expiry times of all valid tokens. At each, its resource is reconciled.
    pub(super) ends: Alarms,
    pub(super) counts: [usize; State::ALL.len()],
    ready: bool,
    /// The latest time observed since the clock was last set back.
    latest: Time,
}

impl Engine {
    /// An engine without resources.
    pub fn new(limits: Limits) -> Self {
        Engine {
            queue: Queue::new(limits),
            ..Engine::default()
        }
    }

    /// The first lists are complete: from now on, work is handed out. A resource with a current token waits for its
    /// refresh; all others are due at once.
    pub fn ready(&mut self, now: Time) {
        if std::mem::replace(&mut self.ready, true) {
            return;
        }
        self.latest = now;
        for id in self.table.ids() {
            self.settle(id);
            self.react(id, Trigger::NEW, now);
        }
    }

    /// Whether the first lists are complete.
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// The resources whose last request failed so that only a change helps, as namespace and name. Directly after
    /// [`Engine::ready`], each of them is due for a look.
    pub fn stopped(&self, now: Time) -> Vec<(String, String)> {
        let stopped = self.table.iter().filter(|record| {
            judge::failing(record, now).is_some_and(|attempt| attempt.next == Time::NEVER)
        });
        stopped
            .map(|record| {
                (
                    record.key.namespace().to_owned(),
                    record.key.name().to_owned(),
                )
            })
            .collect()
    }

    /// Reports a change of a resource. Known facts change nothing. While its work is in progress, the change takes
    /// effect after that.
    pub fn changed(&mut self, key: &Key, cause: Event, now: Time) {
        let known = self.table.find(key);
        let id = match (&cause, known) {
            (_, Some(id)) => id,
            (Event::Gone | Event::Look | Event::Token(None) | Event::Credentials(None), None) => {
                return;
            }
            (_, None) => self.table.insert(key.clone()),
        };
        self.latest = self.latest.max(now);
        let in_flight = self.queue.is_in_flight(id);
        let Some(record) = self.table.get_mut(id) else {
            return;
        };
        let trigger = match cause {
            Event::Resource(facts) => {
                let seen_before = record.resource.is_some();
                let trigger = record.resource_came(&facts, self.ready, in_flight);
                if self.queue.enter(id, key.namespace(), &facts.host) && seen_before {
                    record.host_changed();
                }
                trigger
            }
            Event::Gone => {
                record.gone(in_flight);
                self.queue.plan(id, None, Time::NEVER);
                Trigger::default()
            }
            Event::Token(facts) => record.token_came(facts, self.ready, in_flight),
            Event::Credentials(facts) => record.credentials_came(facts),
            Event::Look => Trigger::LOOK,
        };
        self.settle(id);
        if !self.drop_empty(id) {
            self.react(id, trigger, now);
        }
    }

    /// The next unit of work, or until when to sleep. A resource whose work is in progress is not handed out again.
    pub fn next(&mut self, now: Time) -> Next {
        if !self.ready {
            return Next::Sleep(Time::NEVER);
        }
        if now < self.latest - CLOCK_STEP {
            self.clock_was_set_back(now);
        }
        self.latest = self.latest.max(now);
        self.end_tokens(now);
        let taken = loop {
            let Some(taken) = self.queue.next(now) else {
                let end = self.ends.first().map_or(Time::NEVER, |(end, _)| end);
                return Next::Sleep(self.queue.wake().min(end));
            };
            let Some(later) = self.look_can_wait(&taken, now) else {
                break taken;
            };
            let (request, _) = self.queue.planned(taken.id);
            self.queue.plan(taken.id, request, later);
            self.queue.done(taken.id, HostReport::Unused);
        };
        match self.table.get_mut(taken.id) {
            Some(record) => {
                record.taken(taken.may_request, now);
                Next::Work(Work {
                    key: record.key.clone(),
                    may_request: taken.may_request,
                    due: taken.due,
                })
            }
            None => Next::Sleep(now),
        }
    }

    /// The look of a resource only reports that it waits for a slot. While its host issues tokens, its turn will come,
    /// and thousands of such looks would only delay it. Returns until when this look can wait, if so.
    fn look_can_wait(&self, taken: &Taken, now: Time) -> Option<Time> {
        if taken.may_request {
            return None;
        }
        let (request, _) = self.queue.planned(taken.id);
        let report_at = judge::next_report(request?.due, taken.due, now)?;
        self.queue
            .host_moves(taken.id, WAITING_REPORTED_WITHIN)
            .then_some(report_at)
    }

    /// The token request of a unit of work is complete, but its work is not: the host's slot and its part of the limit
    /// of requests go to the next one while the response is written. Its [`Engine::done`] then reports
    /// [`HostReport::Unused`]. Optional.
    pub fn request_ended(&mut self, key: &Key, report: HostReport, now: Time) {
        let Some(id) = self.table.find(key) else {
            return;
        };
        self.queue.request_ended(id, report);
        if let Some(record) = self.table.get_mut(id) {
            record.request_ended(report, now);
        }
    }

    /// Reports the outcome of a unit of work. In any case, the resource is reconciled when its token expires, and no
    /// request follows within 2 s of one that was sent to the same host.
    pub fn done(&mut self, key: &Key, outcome: Outcome, now: Time) {
        self.finish(key, outcome.host_report, now, |record, waited_since| {
            let permit = record.permit;
            record.learn(outcome.token, outcome.attempt);
            DuePlan::of(outcome.requeue, permit, waited_since, now).not_before(record.pause())
        });
    }

    /// Reports that a unit of work ended without a complete observation (the API did not answer, a panic). The known
    /// facts stay, and the resource is reconciled again at `again`.
    pub fn abandoned(&mut self, key: &Key, host_report: HostReport, again: Time, now: Time) {
        self.finish(key, host_report, now, |record, _| {
            if !record.permit {
                record.pace.returned();
            }
            DuePlan::look(again)
        });
    }

    fn finish(
        &mut self,
        key: &Key,
        host_report: HostReport,
        now: Time,
        plan: impl FnOnce(&mut Record, Option<Time>) -> DuePlan,
    ) {
        let Some(id) = self.table.find(key) else {
            return;
        };
        if !self.queue.is_in_flight(id) {
            return;
        }
        self.latest = self.latest.max(now);
        let waited_since = self.queue.planned(id).0.map(|request| request.due);
        let Some(record) = self.table.get_mut(id) else {
            return;
        };
        record.request_ended(host_report, now);
        let (plan, trigger) = if std::mem::take(&mut record.void) {
            record.trigger = Trigger::default();
            (DuePlan::NOTHING, Trigger::NEW)
        } else {
            let plan = plan(record, waited_since);
            record.compare_arrived();
            (plan, std::mem::take(&mut record.trigger))
        };
        self.put(id, plan, now);
        self.queue.done(id, host_report);
        self.settle(id);
        if !self.drop_empty(id) {
            self.react(id, trigger, now);
        }
    }

    /// Handles a change: now, or when the work in progress is done.
    fn react(&mut self, id: Id, trigger: Trigger, now: Time) {
        if !self.ready || trigger == Trigger::default() {
            return;
        }
        let in_flight = self.queue.is_in_flight(id);
        let (request, look) = self.queue.planned(id);
        let Some(record) = self.table.get_mut(id) else {
            return;
        };
        if in_flight {
            record.trigger = record.trigger.and(trigger);
            return;
        }
        let plan = DuePlan {
            request: request.map_or(Time::NEVER, |request| request.due),
            look,
        };
        let plan = plan.triggered(record, trigger, now);
        self.put(id, plan, now);
    }

    fn put(&mut self, id: Id, plan: DuePlan, now: Time) {
        if let Some(record) = self.table.get(id) {
            let request = plan.request_of(record, now);
            let look = if plan.look < Time::NEVER {
                plan.look.max(record.pace.floor())
            } else {
                plan.look
            };
            self.queue.plan(id, request, look);
        }
    }

    /// Marks expired tokens, and schedules a look at each resource.
    fn end_tokens(&mut self, now: Time) {
        while let Some((end, id)) = self.ends.first() {
            if end > now {
                return;
            }
            self.settle(id);
            self.react(id, Trigger::ENDED, now);
        }
    }

    /// The clock was set back: timers based on times in its future have no meaning anymore.
    fn clock_was_set_back(&mut self, now: Time) {
        self.latest = now;
        for id in self.table.ids() {
            if let Some(record) = self.table.get_mut(id) {
                record.clock_was_set_back(now);
            }
            self.settle(id);
            self.react(id, Trigger::CLOCK, now);
        }
    }

    /// Updates the expiry times and the counts from the record.
    fn settle(&mut self, id: Id) {
        let Some(record) = self.table.get_mut(id) else {
            return;
        };
        let end = record.end(self.latest);
        self.ends.set(id, end);
        record.has_end = end < Time::NEVER;
        let state = record.state();
        if let Some(before) = std::mem::replace(&mut record.noted_state, state) {
            state::count(&mut self.counts, before, -1);
        }
        if let Some(state) = state {
            state::count(&mut self.counts, state, 1);
        }
    }

    /// Removes a record without facts. Returns whether it did.
    fn drop_empty(&mut self, id: Id) -> bool {
        let empty = self.table.get(id).is_none_or(Record::is_empty);
        if empty && !self.queue.is_in_flight(id) {
            self.queue.remove(id);
            self.table.remove(id);
        }
        empty
    }
}
