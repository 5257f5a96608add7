//! What is kept of one resource, and what a change of it asks for.

use crate::time::{Span, Time};

use super::facts::{Attempt, CredentialsFacts, Key, ResourceFacts, TokenFacts};
use super::view::State;
use crate::queue::HostReport;

/// What a change asks for: a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Trigger(u8);

impl Trigger {
    /// A look.
    pub(super) const LOOK: Trigger = Trigger(1);
    /// A new judgement from the facts, and a look.
    pub(super) const JUDGE: Trigger = Trigger(2);
    /// A new judgement from the facts alone.
    pub(super) const NEW: Trigger = Trigger(4);
    /// A request, by the annotation.
    pub(super) const REFRESH: Trigger = Trigger(8);
    /// A look, for the token ended; not if it was replaced meanwhile.
    pub(super) const ENDED: Trigger = Trigger(16);
    /// A new judgement where times lie in the future of a clock that was set back.
    pub(super) const CLOCK: Trigger = Trigger(32);

    pub(super) const fn and(self, other: Trigger) -> Trigger {
        Trigger(self.0 | other.0)
    }

    pub(super) const fn has(self, other: Trigger) -> bool {
        self.0 & other.0 != 0
    }
}

/// No version at all was noted.
const NOT_NOTED: u64 = u64::MAX;

/// What counts of [`ResourceFacts`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Resource {
    pub(super) uid: u64,
    pub(super) generation: i64,
    pub(super) inputs: u64,
    pub(super) refresh_request: u64,
    pub(super) suspended: bool,
    pub(super) deleting: bool,
    pub(super) reported: bool,
    /// [`ResourceFacts::told_refresh`] in seconds since the Unix epoch; 0 for none.
    told_refresh: u32,
}

/// How often a resource may be looked at without a request, whatever asks for it: [`BURST`] looks at once, then one each
/// [`EVERY`], until its spec changes. So nothing that a provider, a Secret or another controller does becomes a hot loop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// When all looks so far would have been due at a steady pace.
    until: Time,
}

/// One look a minute in the long run.
pub(super) const EVERY: Span = Span::from_seconds(60);
/// So many looks may come at once before that.
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

    /// A look came to nothing, for the API did not answer: that has a pace of its own.
    pub(super) fn returned(&mut self) {
        if self.until > Pace::default().until {
            self.until = self.until - EVERY;
        }
    }

    /// The earliest time for the next look.
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
    /// `None` until it appears: its Secrets may be seen first.
    pub(super) resource: Option<Resource>,
    /// As the last outcome told it, or else the first lists.
    pub(super) token: Option<TokenFacts>,
    /// As the last outcome told it, or else the status.
    pub(super) attempt: Option<Box<Attempt>>,
    /// The version of the credentials Secret; 0 when there is none.
    pub(super) credentials: u64,
    /// The version that was there when work was last handed out: its content is known.
    noted_credentials: u64,
    /// What was seen of the token Secret while work was under way.
    arrived: Option<Box<Option<TokenFacts>>>,
    /// When the last token request was over; the beginning of time when none was made.
    last_asked: Time,
    /// Its entry among the ends.
    pub(super) noted_end: Time,
    /// The state it is counted in.
    pub(super) noted_state: Option<State>,
    /// What was asked for while work was under way.
    pub(super) trigger: Trigger,
    /// The work under way may make a request.
    pub(super) permit: bool,
    /// The work under way is that of a resource which is gone: how it ends means nothing.
    pub(super) void: bool,
    /// An outcome told what stands: events are compared with that, and never take its place.
    told: bool,
    /// The host is another one than the one last asked.
    elsewhere: bool,
    /// How often it may be looked at.
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
            noted_credentials: NOT_NOTED,
            arrived: None,
            last_asked: Time::from_millis(i64::MIN),
            noted_end: Time::NEVER,
            noted_state: None,
            trigger: Trigger::default(),
            permit: false,
            void: false,
            told: false,
            elsewhere: false,
            pace: Pace::default(),
        }
    }

    /// Takes in the resource as it is now.
    pub(super) fn resource_came(
        &mut self,
        facts: &ResourceFacts,
        ready: bool,
        in_flight: bool,
    ) -> Trigger {
        let now = Resource {
            uid: facts.uid,
            generation: facts.generation,
            inputs: facts.inputs,
            refresh_request: facts.refresh_request,
            suspended: facts.suspended,
            deleting: facts.deleting,
            reported: facts.reported,
            told_refresh: facts.told_refresh.map_or(0, seconds),
        };
        let before = self.resource.replace(now);
        let same = before.filter(|before| before.uid == facts.uid);
        if same.is_none() {
            // Another object, also if it has the name of the one before.
            self.void |= in_flight && before.is_some();
            self.told = false;
            self.noted_credentials = NOT_NOTED;
            self.elsewhere = false;
            self.trigger = Trigger::default();
            self.pace = Pace::default();
            if before.is_some() {
                self.last_asked = Time::from_millis(i64::MIN);
            }
            if let Some(arrived) = self.arrived.take() {
                self.token = *arrived;
            }
        }
        if !self.told {
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
            // Somebody edited the spec: it is looked at as if it were new.
            self.pace = Pace::default();
        }
        if before.generation != now.generation || (before.reported && !now.reported) {
            trigger = trigger.and(Trigger::LOOK);
        }
        trigger
    }

    /// The lane is another one from now on.
    pub(super) fn host_changed(&mut self) {
        self.elsewhere = true;
    }

    /// Takes in the token Secret as it is seen now. Once work was done, what its outcome told is better than any event,
    /// which may be older: a difference is looked at, and no more.
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
        if !self.told && self.token.is_none() {
            // The resource was seen before its Secret: no first issue after all.
            self.token = facts;
            return Trigger::JUDGE;
        }
        Trigger::LOOK
    }

    /// Takes in the credentials Secret as it is seen now.
    pub(super) fn credentials_came(&mut self, facts: Option<CredentialsFacts>) -> Trigger {
        // 0 stands for none; a hash that comes out so is as good as 1.
        let version = facts.map_or(0, |facts| facts.version.clamp(1, NOT_NOTED - 1));
        let before = std::mem::replace(&mut self.credentials, version);
        if before == version || self.resource.is_none() {
            return Trigger::default();
        }
        match self.own_token() {
            None => Trigger::JUDGE,
            Some(_) if self.credentials_are_known() => Trigger::default(),
            Some(_) => Trigger::LOOK,
        }
    }

    /// The resource is gone, and with it all that is known of it.
    pub(super) fn gone(&mut self, in_flight: bool) {
        let key = self.key.clone();
        let (end, state) = (self.noted_end, self.noted_state);
        *self = Record::new(key);
        self.noted_end = end;
        self.noted_state = state;
        self.void = in_flight;
    }

    /// Work was handed out.
    pub(super) fn taken(&mut self, may_request: bool, now: Time) {
        if !may_request {
            self.pace.taken(now);
        }
        self.permit = may_request;
        self.noted_credentials = self.credentials;
        if may_request {
            self.elsewhere = false;
        }
    }

    /// A token request was over at `now`, if one was made at all.
    pub(super) fn asked(&mut self, report: HostReport, now: Time) {
        if report != HostReport::Unused {
            self.last_asked = now;
        }
    }

    /// Takes in what an outcome tells.
    pub(super) fn learn(&mut self, token: Option<TokenFacts>, attempt: Option<Attempt>) {
        self.told = true;
        self.token = token;
        self.attempt = attempt.map(Box::new);
    }

    /// Compares what was seen of the token Secret during the work with what stands after it.
    pub(super) fn settle_arrived(&mut self) {
        if let Some(arrived) = self.arrived.take()
            && version(&arrived) != version(&self.token)
        {
            self.trigger = self.trigger.and(Trigger::LOOK);
        }
    }

    /// Forgets what lies in the future of a clock that was set back.
    pub(super) fn clock_was_set_back(&mut self, now: Time) {
        self.pace = Pace::default();
        self.last_asked = self.last_asked.min(now);
    }

    /// The published token, if it belongs to this very resource.
    pub(super) fn own_token(&self) -> Option<&TokenFacts> {
        let uid = self.resource?.uid;
        self.token.as_ref().filter(|token| token.owner == uid)
    }

    /// The status says what holds: it is of this generation, and tells of the token that stands.
    pub(super) fn is_reported(&self) -> bool {
        self.resource.is_some_and(|resource| {
            let told = resource.told_refresh;
            let follows = |token: &TokenFacts| seconds(token.refresh) == told;
            resource.reported && (told == 0 || self.own_token().is_none_or(follows))
        })
    }

    /// A refresh is asked for by an annotation that was not handled yet.
    pub(super) fn wants_refresh(&self) -> bool {
        let handled = self.own_token().map_or(0, |token| token.refresh_request);
        self.resource.is_some_and(|resource| {
            resource.refresh_request != 0 && resource.refresh_request != handled
        })
    }

    /// What the credentials hold is what the token was made from, or was read since.
    pub(super) fn credentials_are_known(&self) -> bool {
        self.credentials == self.noted_credentials
            || self
                .own_token()
                .is_some_and(|token| token.credentials == self.credentials)
    }

    /// The earliest time for any request after the last one that was made.
    pub(super) fn pause(&self) -> Time {
        crate::schedule::earliest(self.last_asked, self.last_asked, self.elsewhere)
    }

    /// The earliest time for a request that a change asks for. After a start only what is persisted tells of the last one.
    pub(super) fn floor(&self, now: Time) -> Time {
        let attempt = self.attempt.as_deref();
        let attempt = attempt.filter(|attempt| !attempt.is_in_the_future(now));
        let issued = self.own_token().map(|token| token.issued);
        let last = attempt
            .map(|attempt| attempt.time)
            .max(issued.filter(|issued| *issued <= now))
            .map_or(self.last_asked, |time| time.max(self.last_asked));
        let not_before = attempt.map_or(last, |attempt| attempt.not_before);
        crate::schedule::earliest(last, not_before, self.elsewhere)
    }

    /// When the token ends, if it is alive and anyone cares.
    pub(super) fn end(&self, now: Time) -> Time {
        if self.resource.is_none_or(|resource| resource.deleting) {
            return Time::NEVER;
        }
        self.own_token()
            .map(|token| token.expires)
            .filter(|end| *end > now)
            .unwrap_or(Time::NEVER)
    }

    /// The state it counts in; `None` until the resource appears.
    pub(super) fn state(&self) -> Option<State> {
        let resource = self.resource?;
        let failing = self.attempt.is_some();
        Some(match self.own_token() {
            _ if resource.deleting => State::Deleting,
            _ if resource.suspended => State::Suspended,
            Some(_) if self.noted_end == Time::NEVER => State::Expired,
            Some(_) if failing => State::Failing,
            Some(_) => State::Valid,
            None if failing => State::Failed,
            None => State::Pending,
        })
    }

    /// Nothing is known of it.
    pub(super) fn is_empty(&self) -> bool {
        self.resource.is_none() && self.token.is_none() && self.credentials == 0
    }

    /// Bytes held beside the record itself.
    pub(super) fn bytes(&self) -> usize {
        let attempt = self.attempt.as_ref().map_or(0, |_| size_of::<Attempt>());
        self.key.bytes() + attempt
    }
}

/// Seconds since the Unix epoch, good until 2106.
fn seconds(time: Time) -> u32 {
    u32::try_from(time.seconds()).unwrap_or(u32::MAX)
}

/// What tells one view of a token Secret from another.
fn version(token: &Option<TokenFacts>) -> Option<u64> {
    token.as_ref().map(|token| token.version)
}
