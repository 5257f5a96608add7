//! What a resource waits for, based on its facts and on the outcome of its last work. Pure.

use crate::engine::facts::CLOCK_STEP;
use crate::queue::{Order, Request};
use crate::schedule::clock_went_back;
use crate::time::{Span, Time};

use super::facts::{ANY_INPUTS, Attempt, TokenFacts, attempt_inputs};
use super::record::{Record, RecordedResource, Trigger};
use super::work::Requeue;

/// A first attempt that waits for a slot this long is reconciled, so that its status says why.
pub(super) const WAITING_REPORTED_WITHIN: Span = Span::from_seconds(30);
/// A change that needs a request and waits for a slot this long is reconciled.
const CHANGE_REPORTED_WITHIN: Span = Span::from_seconds(2);
/// The maximum pause after a success ([`crate::schedule::shortest_interval`]).
const LONGEST_INTERVAL: Span = Span::from_seconds(10);
/// Work that held a permit and needs one again waits this long, to avoid a hot loop.
const AGAIN: Span = Span::from_seconds(2);

/// What a resource waits for; [`Time::NEVER`] for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DuePlan {
    /// A token request.
    pub(super) request: Time,
    /// A look: a reconcile without a request.
    pub(super) look: Time,
}

impl DuePlan {
    pub(super) const NOTHING: DuePlan = DuePlan {
        request: Time::NEVER,
        look: Time::NEVER,
    };

    pub(super) fn look(look: Time) -> DuePlan {
        DuePlan {
            look,
            ..DuePlan::NOTHING
        }
    }

    fn request(request: Time) -> DuePlan {
        DuePlan {
            request,
            ..DuePlan::NOTHING
        }
    }

    /// The plan after an outcome. `permit`: the work could have sent a request; `waited_since`: when the request was
    /// due that it waited for, so that a look in between does not lose its place.
    pub(super) fn of(
        requeue: Requeue,
        permit: bool,
        waited_since: Option<Time>,
        now: Time,
    ) -> DuePlan {
        match requeue {
            Requeue::Request if permit => DuePlan::request(now + AGAIN),
            Requeue::Request => DuePlan::request(waited_since.map_or(now, |due| due.min(now))),
            Requeue::RequestAt(time) => DuePlan::request(time),
            Requeue::At(time) => DuePlan::look(time),
            Requeue::OnChange => DuePlan::NOTHING,
        }
    }

    /// This plan, with no request before `time`.
    pub(super) fn not_before(self, time: Time) -> DuePlan {
        DuePlan {
            request: self.request.max(time),
            ..self
        }
    }

    /// This plan after a change was observed.
    pub(super) fn triggered(self, record: &Record, trigger: Trigger, now: Time) -> DuePlan {
        let mut plan = self;
        if trigger.has(Trigger::NEW) {
            plan = DuePlan::from_facts(record, now);
            // If another attempt could do harm, the content of the credentials is read now, so that a later edit of a
            // label is recognized as no change.
            if failing(record, now).is_some_and(|attempt| attempt.next == Time::NEVER) {
                plan = plan.or(DuePlan::look(now));
            }
        }
        if trigger.has(Trigger::JUDGE) {
            let judged = DuePlan::from_facts(record, now);
            // An empty status reports no problem either.
            let new = record.resource.is_some_and(|resource| !resource.reported);
            let report_at = match judged.look {
                _ if judged.request > now => now,
                look if new && look > now && look < Time::NEVER => look,
                _ => now + CHANGE_REPORTED_WITHIN,
            };
            plan = DuePlan {
                request: judged.request,
                look: report_at,
            };
        }
        if trigger.has(Trigger::REFRESH)
            && record.resource.is_some_and(|resource| may_ask(&resource))
        {
            plan = plan.or(DuePlan {
                request: record.floor(now).max(now),
                look: now + CHANGE_REPORTED_WITHIN,
            });
        }
        let ended = trigger.has(Trigger::ENDED) && !record.has_end;
        if trigger.has(Trigger::LOOK) || ended {
            plan = plan.or(DuePlan::look(now));
        }
        if trigger.has(Trigger::CLOCK) {
            plan = plan.after_clock_was_set_back(record, now);
        }
        plan
    }

    /// The earlier time for both.
    fn or(self, other: DuePlan) -> DuePlan {
        DuePlan {
            request: self.request.min(other.request),
            look: self.look.min(other.look),
        }
    }

    /// The plan based on facts only. A current token waits for its refresh and needs nothing until then.
    pub(super) fn from_facts(record: &Record, now: Time) -> DuePlan {
        let Some(resource) = record.resource else {
            return DuePlan::NOTHING;
        };
        let report = if record.is_reported() {
            Time::NEVER
        } else {
            now
        };
        if !may_ask(&resource) {
            return DuePlan::look(report);
        }
        match (record.own_token(), record.token) {
            (Some(token), _) => of_token(record, &resource, token, now).or(DuePlan::look(report)),
            // It belongs to something else. A look finds out to what, and whether it may be taken over.
            (None, Some(_)) => DuePlan::look(now),
            (None, None) => of_first_issue(record, now, report),
        }
    }

    /// Plans again only what is in the clock's future; everything else stays.
    fn after_clock_was_set_back(self, record: &Record, now: Time) -> DuePlan {
        let judged = DuePlan::from_facts(record, now);
        let look = if self.look < Time::NEVER {
            now
        } else {
            self.look
        };
        DuePlan {
            request: judged.request.min(self.request),
            look: look.min(judged.look),
        }
    }

    /// The request of this plan, with its order.
    pub(super) fn request_of(self, record: &Record, now: Time) -> Option<Request> {
        (self.request < Time::NEVER).then(|| Request {
            due: self.request,
            order: order(record, self.request, now),
        })
    }
}

/// The order of a request that is due at `due`.
fn order(record: &Record, due: Time, now: Time) -> Order {
    let failing = failing(record, now).is_some();
    match record.own_token() {
        // It has no valid token, and may have failed for long: it must not go before a valid token.
        Some(token) if failing && token.expires <= due.max(now) => Order::Retry,
        Some(token) => {
            let lead = token.expires.since(token.refresh).max(Span::ZERO);
            Order::Refresh {
                expires: token.expires,
                urgent: token.expires - Span::from_millis(lead.millis() / 2),
            }
        }
        None if failing => Order::Retry,
        None => Order::First,
    }
}

fn of_token(
    record: &Record,
    resource: &RecordedResource,
    token: &TokenFacts,
    now: Time,
) -> DuePlan {
    let expired = token.expires <= now;
    let changed = token.inputs != resource.inputs
        && token.inputs != ANY_INPUTS
        && resource.inputs != ANY_INPUTS;
    let request = if let Some(attempt) = failing(record, now) {
        attempt.due(now)
    } else if changed || record.wants_refresh() {
        record.floor(now).max(now)
    } else if clock_went_back(token.issued, token.expires, now) {
        now
    } else {
        // A lifetime of seconds may end before the next request is allowed.
        token.refresh.min(token.expires + LONGEST_INTERVAL)
    };
    let unseen = !record.credentials_are_known() || (expired && request > now);
    // An attempt with other inputs, or from before the token: the status is not up to date yet.
    let outdated = record.attempt.is_some() && failing(record, now).is_none();
    DuePlan {
        request,
        look: if unseen || outdated { now } else { Time::NEVER },
    }
}

fn of_first_issue(record: &Record, now: Time, report: Time) -> DuePlan {
    let failing = failing(record, now);
    if record.credentials == 0 {
        // Credentials are missing. That is reported, and noticed when they appear.
        let again = failing.map_or(Time::NEVER, |attempt| attempt.due(now));
        return DuePlan::look(report.min(again));
    }
    match failing {
        Some(attempt) => {
            let request = attempt.due(now);
            let look = if request > now { report } else { Time::NEVER };
            DuePlan { request, look }
        }
        None => {
            let request = record.floor(now).max(now);
            DuePlan {
                request,
                look: request + WAITING_REPORTED_WITHIN,
            }
        }
    }
}

/// The failed attempt, if it used the current inputs and no token was obtained since.
pub(super) fn failing(record: &Record, now: Time) -> Option<&Attempt> {
    let inputs = record.resource?.inputs;
    // A token from the future of a clock that was set back was not obtained since.
    let since = record
        .own_token()
        .map(|token| token.issued)
        .filter(|issued| *issued <= now + CLOCK_STEP);
    record.attempt.as_deref().filter(|attempt| {
        attempt.inputs == attempt_inputs(inputs, record.credentials)
            && since.is_none_or(|issued| issued <= attempt.time)
    })
}

/// If a look that is due at `look` only reports the wait for a request that is due at `due`: when to report instead.
pub(super) fn next_report(due: Time, look: Time, now: Time) -> Option<Time> {
    let (waited, every) = (look.since(due).millis(), WAITING_REPORTED_WITHIN.millis());
    let reports = waited > 0 && waited % every == 0;
    let rounds = now.since(due).millis().max(0) / every + 1;
    reports.then(|| due + Span::from_millis(rounds * every))
}

/// Whether a request is possible at all.
fn may_ask(resource: &RecordedResource) -> bool {
    !resource.suspended && !resource.deleting && resource.inputs != 0
}
