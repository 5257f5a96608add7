//! One resource: what would stand in the cluster, and what the checks keep beside it.

use std::sync::Arc;

use oauthclient_operator::engine::{Attempt, ResourceFacts, TokenFacts, attempt_inputs};
use oauthclient_operator::schedule::{
    self, ASSUMED_LIFETIME, End, Lead, Policy, Published, Schedule, TokenReuse,
};
use oauthclient_operator::time::{Span, Time};

use super::provider::{Host, Issued, Kind};

#[derive(Clone, Debug)]
pub struct Item {
    pub uid: u64,
    pub host: u32,
    pub generation: i64,
    pub inputs: u64,
    pub refresh_request: u64,
    pub credentials: u64,
    pub token: Option<TokenFacts>,
    pub attempt: Option<Attempt>,
    pub window: Option<Span>,
    pub served_again: bool,
    /// The published token as the provider knows it.
    pub issued: Issued,
    /// How often the clock had jumped when it was published.
    pub clock: u32,
    /// What the provider gave last.
    pub cached: Issued,
    pub last_asked: Time,
    /// A request of it is under way, or its answer is being written.
    pub flying: bool,
    pub check: Check,
}

/// What the checks keep.
#[derive(Clone, Debug, Default)]
pub struct Check {
    pub requests: u32,
    pub failed: u32,
    pub tokens: u32,
    /// Requests that something other than the schedule asked for.
    pub extra: u32,
    /// Something asks at once, since the last request.
    pub urged: bool,
    /// True time of the last request; none yet at 0.
    pub last_sent: i64,
    /// True time before which the schedule or a failure allows no other.
    pub not_before: i64,
    /// True time before which nothing at all allows another.
    pub never_before: i64,
    /// True time by which a new token must stand after an outage.
    pub recover_by: Option<i64>,
}

/// What the resources of a host say of their refreshes.
pub fn policy(host: &Host) -> Policy {
    Policy {
        lead: Lead::Default,
        assumed_lifetime: ASSUMED_LIFETIME,
        token_reuse: TokenReuse::Independent,
        cache_window: match host.kind {
            Kind::Caching {
                window,
                known: true,
            } => Some(Span::from_seconds(window)),
            _ => None,
        },
    }
}

impl Item {
    pub fn new(id: usize, host: u32) -> Self {
        Item {
            uid: 1_000_000 + id as u64,
            host,
            generation: 1,
            inputs: 77,
            refresh_request: 0,
            credentials: 5,
            token: None,
            attempt: None,
            window: None,
            served_again: false,
            issued: Issued::default(),
            clock: 0,
            cached: Issued::default(),
            last_asked: Time::from_millis(0),
            flying: false,
            check: Check::default(),
        }
    }

    /// The resource as a watch would tell it.
    pub fn facts(&self, names: &[Arc<str>]) -> ResourceFacts {
        ResourceFacts {
            uid: self.uid,
            generation: self.generation,
            inputs: self.inputs,
            host: Arc::clone(&names[self.host as usize]),
            refresh_request: self.refresh_request,
            suspended: false,
            deleting: false,
            reported: true,
            reported_refresh: self.token.map(|token| token.refresh),
            attempt: self.attempt,
        }
    }

    pub fn published(&self) -> Option<Published> {
        self.token.map(|token| Published {
            issued: token.issued,
            end: End::stored(token.expires, false),
            learnt_window: self.window,
            served_again: self.served_again,
        })
    }

    /// The failing attempt, if it was made with what would be sent now.
    pub fn current_attempt(&self) -> Option<&Attempt> {
        let inputs = attempt_inputs(self.inputs, self.credentials);
        self.attempt
            .as_ref()
            .filter(|attempt| attempt.inputs == inputs)
    }

    /// When a request is wanted: the whole of this driver's `decide`.
    pub fn wanted(&self, now: Time) -> Time {
        if let Some(attempt) = self.current_attempt() {
            return attempt.due(now);
        }
        let last = self.last_asked.min(now);
        let attempt = self
            .attempt
            .filter(|attempt| !attempt.is_in_the_future(now));
        let not_before = attempt.map_or(last, |attempt| attempt.not_before);
        let floor = schedule::earliest(last, not_before, false);
        match self.token {
            None => floor.max(now),
            Some(token) if token.inputs != self.inputs => floor.max(now),
            Some(token) if token.refresh_request != self.refresh_request => floor.max(now),
            Some(token) if schedule::clock_went_back(token.issued, token.expires, now) => now,
            Some(token) => token.refresh,
        }
    }

    pub fn failed(&mut self, failures: u32, sent: Time, next: Time, not_before: Time) {
        self.attempt = Some(Attempt {
            failures,
            time: sent,
            next,
            not_before,
            inputs: attempt_inputs(self.inputs, self.credentials),
        });
    }

    pub fn publish(&mut self, issued: Issued, schedule: Schedule, version: u64, clock: u32) {
        self.token = Some(TokenFacts {
            owner: self.uid,
            version,
            issued: schedule.issued,
            expires: schedule.end.at(),
            refresh: schedule.refresh,
            inputs: self.inputs,
            credentials: self.credentials,
            refresh_request: self.refresh_request,
        });
        self.attempt = None;
        self.window = schedule.learnt_window;
        self.served_again = schedule.served_again;
        self.issued = issued;
        self.clock = clock;
    }

    /// The operator is gone, and with it what it knew of requests that left no trace.
    pub fn forget_what_is_not_persisted(&mut self, now: Time) {
        let lost = std::mem::take(&mut self.flying);
        if lost {
            // The next operator asks again.
            self.excuse(1);
        }
        // A token that is served again keeps its beginning: nothing tells when it was asked for last.
        if lost || (self.served_again && self.attempt.is_none()) || self.token.is_none() {
            self.check.never_before = 0;
        }
        let times = [
            self.token.map(|token| token.issued),
            self.attempt.map(|attempt| attempt.time),
        ];
        let persisted = times.into_iter().flatten().filter(|time| *time <= now);
        self.last_asked = persisted.max().unwrap_or_default();
    }

    /// Something asks for a request beside the schedule.
    pub fn excuse(&mut self, requests: u32) {
        self.check.extra += requests;
        self.check.urged = true;
    }
}
