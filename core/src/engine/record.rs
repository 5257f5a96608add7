//! The record of one resource, and what a change of it triggers.

use crate::engine::state::State;
use crate::queue::HostReport;
use crate::time::{Span, Time};

use super::facts::{Attempt, CredentialsFacts, Key, ResourceFacts, TokenFacts};

/// A set of actions after a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Trigger(u8);

impl Trigger {
    /// A look.
    pub(super) const LOOK: Trigger = Trigger(1);
    /// A new plan from the facts, and a look.
    pub(super) const JUDGE: Trigger = Trigger(2);
    /// A new plan from the facts only.
    pub(super) const NEW: Trigger = Trigger(4);
    /// A request, by annotation.
    pub(super) const REFRESH: Trigger = Trigger(8);
    /// A look because the token expired, unless it was replaced meanwhile.
    pub(super) const ENDED: Trigger = Trigger(16);
    /// A new plan for times in the future of a clock that was set back.
    pub(super) const CLOCK: Trigger = Trigger(32);

    pub(super) const fn and(self, other: Trigger) -> Trigger {
        Trigger(self.0 | other.0)
    }

    pub(super) const fn has(self, other: Trigger) -> bool {
        self.0 & other.0 != 0
    }
}

/// The relevant part of [`ResourceFacts`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct RecordedResource {
    pub(super) uid: u64,
    pub(super) generation: i64,
    pub(super) inputs: u64,
    pub(super) refresh_request: u64,
    pub(super) suspended: bool,
    pub(super) deleting: bool,
    pub(super) reported: bool,
    /// [`ResourceFacts::reported_refresh`] in seconds since the Unix epoch; 0 for none.
    reported_refresh: u32,
}

/// How often a resource is reconciled without a request at most, whatever triggers it: [`BURST`] times at once, then
/// once per [`EVERY`], until its spec changes. This prevents hot loops, whatever a provider, a Secret or another
/// controller does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// When all looks so far would have been due at a steady pace.
    until: Time,
}

/// In the long run, one look a minute.
pub(super) const EVERY: Span = Span::from_seconds(60);
/// The number of looks that may come at once.
pub(super) const BURST: i64 = 20;

impl Default for Pace {
    fn default() -> Self {
        Pace {
            until: Time::from_millis(i64::MIN),
        }
    }
}

impl Pace {
    /// A look was handed out.
    pub(super) fn taken(&mut self, now: Time) {
        self.until = self.until.max(now) + EVERY;
    }

    /// A look had no effect because the API did not answer. That case has its own backoff.
    pub(super) fn returned(&mut self) {
        if self.until > Pace::default().until {
            self.until = self.until - EVERY;
        }
    }

    /// The earliest time of the next look.
    pub(super) fn floor(self) -> Time {
        if self.until == Pace::default().until {
            return self.until;
        }
        self.until - Span::from_millis(EVERY.millis() * BURST)
    }
}

/// One resource.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) key: Key,
    /// `None` until it appears, because its Secrets may be observed first.
    pub(super) resource: Option<RecordedResource>,
    /// As reported by the last outcome, or else by the first lists.
    pub(super) token: Option<TokenFacts>,
    /// As reported by the last outcome, or else by the status.
    pub(super) attempt: Option<Box<Attempt>>,
    /// The version of the credentials Secret; 0 if there is none.
    pub(super) credentials: u64,
    /// Changes of the token Secret that were observed while work was in progress.
    arrived: Option<Box<Option<TokenFacts>>>,
    /// When the last token request was complete; the beginning of time if there was none.
    last_request: Time,
    /// Whether it is among the expiry times.
    pub(super) has_end: bool,
    /// Work was handed out since the version of the credentials came: their content is known.
    has_read_credentials: bool,
    /// The state it is counted in.
    pub(super) noted_state: Option<State>,
    /// Triggers that arrived while work was in progress.
    pub(super) trigger: Trigger,
    /// The work in progress may send a request.
    pub(super) permit: bool,
    /// The work in progress belongs to a deleted resource, so its outcome is ignored.
    pub(super) void: bool,
    /// An outcome reported the current facts. Events are compared with them and never replace them.
    has_outcome: bool,
    /// The host differs from that of the last request.
    elsewhere: bool,
    /// How often it may be reconciled.
    pub(super) pace: Pace,
}

impl Record {
    pub(super) fn new(key: Key) -> Self {
        Record {
            key,
            resource: None,
            token: None,
            attempt: None,
            credentials: 0,
            arrived: None,
            last_request: Time::from_millis(i64::MIN),
            has_end: false,
            has_read_credentials: false,
            noted_state: None,
            trigger: Trigger::default(),
            permit: false,
            void: false,
            has_outcome: false,
            elsewhere: false,
            pace: Pace::default(),
        }
    }

    /// Updates the record with the current state of the resource.
    pub(super) fn resource_came(
        &mut self,
        facts: &ResourceFacts,
        ready: bool,
        in_flight: bool,
    ) -> Trigger {
        let now = RecordedResource {
            uid: facts.uid,
            generation: facts.generation,
            inputs: facts.inputs,
            refresh_request: facts.refresh_request,
            suspended: facts.suspended,
            deleting: facts.deleting,
            reported: facts.reported,
            reported_refresh: facts.reported_refresh.map_or(0, seconds),
        };
        let before = self.resource.replace(now);
        let same = before.filter(|before| before.uid == facts.uid);
        if same.is_none() {
            // Another object, even if it has the same name.
            self.void |= in_flight && before.is_some();
            self.has_outcome = false;
            self.has_read_credentials = false;
            self.elsewhere = false;
            self.trigger = Trigger::default();
            self.pace = Pace::default();
            if before.is_some() {
                self.last_request = Time::from_millis(i64::MIN);
            }
            if let Some(arrived) = self.arrived.take() {
                self.token = *arrived;
            }
        }
        if !self.has_outcome {
            self.attempt = facts.attempt.map(Box::new);
        }
        let Some(before) = same.filter(|_| ready) else {
            return Trigger::NEW;
        };
        let mut trigger = Trigger::default();
        if (before.inputs, before.suspended, before.deleting)
            != (now.inputs, now.suspended, now.deleting)
        {
            trigger = trigger.and(Trigger::JUDGE);
        }
        if before.refresh_request != now.refresh_request && self.wants_refresh() {
            trigger = trigger.and(Trigger::REFRESH);
        }
        if before.generation != now.generation {
            // The spec was edited: the resource is treated as new.
            self.pace = Pace::default();
        }
        if before.generation != now.generation || (before.reported && !now.reported) {
            trigger = trigger.and(Trigger::LOOK);
        }
        trigger
    }

    /// The host queue changed.
    pub(super) fn host_changed(&mut self) {
        self.elsewhere = true;
    }

    /// Updates the record with the observed token Secret. After an outcome, its facts are better than any event, which
    /// may be older: a difference only triggers a look.
    pub(super) fn token_came(
        &mut self,
        facts: Option<TokenFacts>,
        ready: bool,
        in_flight: bool,
    ) -> Trigger {
        if !ready || self.resource.is_none() || self.void {
            self.token = facts;
            return Trigger::default();
        }
        if in_flight {
            self.arrived = Some(Box::new(facts));
            return Trigger::default();
        }
        if version(&facts) == version(&self.token) {
            return Trigger::default();
        }
        if !self.has_outcome && self.token.is_none() {
            // The resource was observed before its Secret, so this is not the first token.
            self.token = facts;
            return Trigger::JUDGE;
        }
        Trigger::LOOK
    }

    /// Updates the record with the observed credentials Secret.
    pub(super) fn credentials_came(&mut self, facts: Option<CredentialsFacts>) -> Trigger {
        // 0 means none, so a hash of 0 is replaced by 1.
        let version = facts.map_or(0, |facts| facts.version.max(1));
        let before = std::mem::replace(&mut self.credentials, version);
        if before == version {
            return Trigger::default();
        }
        self.has_read_credentials = false;
        if self.resource.is_none() {
            return Trigger::default();
        }
        match self.own_token() {
            None => Trigger::JUDGE,
            Some(_) if self.credentials_are_known() => Trigger::default(),
            Some(_) => Trigger::LOOK,
        }
    }

    /// The resource was deleted, and everything known about it with it.
    pub(super) fn gone(&mut self, in_flight: bool) {
        let key = self.key.clone();
        let state = self.noted_state;
        *self = Record::new(key);
        self.noted_state = state;
        self.void = in_flight;
    }

    /// Work was handed out.
    pub(super) fn taken(&mut self, may_request: bool, now: Time) {
        if !may_request {
            self.pace.taken(now);
        }
        self.permit = may_request;
        self.has_read_credentials = true;
        if may_request {
            self.elsewhere = false;
        }
    }

    /// A token request was complete at `now`, if there was one.
    pub(super) fn request_ended(&mut self, report: HostReport, now: Time) {
        if report != HostReport::Unused {
            self.last_request = now;
        }
    }

    /// Stores the facts of an outcome.
    pub(super) fn learn(&mut self, token: Option<TokenFacts>, attempt: Option<Attempt>) {
        self.has_outcome = true;
        self.token = token;
        self.attempt = attempt.map(Box::new);
    }

    /// Compares what was observed of the token Secret during the work with the facts after it.
    pub(super) fn compare_arrived(&mut self) {
        if let Some(arrived) = self.arrived.take()
            && version(&arrived) != version(&self.token)
        {
            self.trigger = self.trigger.and(Trigger::LOOK);
        }
    }

    /// Removes times in the future of a clock that was set back.
    pub(super) fn clock_was_set_back(&mut self, now: Time) {
        self.pace = Pace::default();
        self.last_request = self.last_request.min(now);
    }

    /// The published token, if it belongs to this resource.
    pub(super) fn own_token(&self) -> Option<&TokenFacts> {
        let uid = self.resource?.uid;
        self.token.as_ref().filter(|token| token.owner == uid)
    }

    /// Whether the status is up to date: of this generation, with the times of the current token.
    pub(super) fn is_reported(&self) -> bool {
        self.resource.is_some_and(|resource| {
            let reported = resource.reported_refresh;
            let follows = |token: &TokenFacts| seconds(token.refresh) == reported;
            resource.reported && (reported == 0 || self.own_token().is_none_or(follows))
        })
    }

    /// Whether a refresh was requested by an annotation and not handled yet.
    pub(super) fn wants_refresh(&self) -> bool {
        let handled = self.own_token().map_or(0, |token| token.refresh_request);
        self.resource.is_some_and(|resource| {
            resource.refresh_request != 0 && resource.refresh_request != handled
        })
    }

    /// Whether the content of the credentials is that which the token was requested with, or was read since.
    pub(super) fn credentials_are_known(&self) -> bool {
        self.has_read_credentials
            || self
                .own_token()
                .is_some_and(|token| token.credentials == self.credentials)
    }

    /// The earliest time of any request after the last one.
    pub(super) fn pause(&self) -> Time {
        crate::schedule::earliest(self.last_request, self.last_request, self.elsewhere)
    }

    /// The earliest time of a request after a change. After a start, only stored facts tell about the last one.
    pub(super) fn floor(&self, now: Time) -> Time {
        let attempt = self.attempt.as_deref();
        let attempt = attempt.filter(|attempt| !attempt.is_in_the_future(now));
        let issued = self.own_token().map(|token| token.issued);
        let last = attempt
            .map(|attempt| attempt.time)
            .max(issued.filter(|issued| *issued <= now))
            .map_or(self.last_request, |time| time.max(self.last_request));
        let not_before = attempt.map_or(last, |attempt| attempt.not_before);
        crate::schedule::earliest(last, not_before, self.elsewhere)
    }

    /// When the token expires, if it is valid and relevant.
    pub(super) fn end(&self, now: Time) -> Time {
        if self.resource.is_none_or(|resource| resource.deleting) {
            return Time::NEVER;
        }
        self.own_token()
            .map(|token| token.expires)
            .filter(|end| *end > now)
            .unwrap_or(Time::NEVER)
    }

    /// Its state for the counts; `None` until the resource appears.
    pub(super) fn state(&self) -> Option<State> {
        let resource = self.resource?;
        let failing = self.attempt.is_some();
        Some(match self.own_token() {
            _ if resource.deleting => State::Deleting,
            _ if resource.suspended => State::Suspended,
            Some(_) if !self.has_end => State::Expired,
            Some(_) if failing => State::Failing,
            Some(_) => State::Valid,
            None if failing => State::Failed,
            None => State::Pending,
        })
    }

    /// Whether nothing is known about it.
    pub(super) fn is_empty(&self) -> bool {
        self.resource.is_none() && self.token.is_none() && self.credentials == 0
    }

    /// Memory in addition to the record itself, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let attempt = self.attempt.as_ref().map_or(0, |_| size_of::<Attempt>());
        self.key.bytes() + attempt
    }
}

/// Seconds since the Unix epoch, until 2106.
fn seconds(time: Time) -> u32 {
    u32::try_from(time.seconds()).unwrap_or(u32::MAX)
}

/// What distinguishes two observations of a token Secret.
fn version(token: &Option<TokenFacts>) -> Option<u64> {
    token.as_ref().map(|token| token.version)
}
