//! The promises, checked on every request, on every write and once a minute.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

use super::faults::{BETWEEN, MINUTE, STORM};
use super::fleet::{Plan, WINDOW, Way, from_base64};
use super::objects::{Change, Object, text};
use super::provider::{Provider, Received, Reply, canaries};

/// After what happens to a resource a new token stands within this time.
pub const RECOVERY: i64 = 10 * MINUTE;
/// More violations tell no more.
const MOST: usize = 30;

/// One resource, as the checks see it.
pub struct Item {
    pub plan: Plan,
    pub exists: bool,
    /// The token in its Secret, and until when that is valid.
    pub published: Option<(String, i64)>,
    /// The name of that Secret.
    secret: String,
    /// Until when nothing is promised of it.
    pub excused: i64,
    created: i64,
    requests: u32,
    failed: u32,
    unknown: u32,
    tokens: u32,
    /// Requests that were sent though the published token did not have to be replaced, and reasons that there were for such.
    early: u32,
    pub reasons: u32,
    /// How far the operator's clock was ahead when it published the token.
    clock_ahead: i64,
    last: Option<(i64, bool)>,
    /// Whether a check has reported it as broken already.
    reported: bool,
    /// Whether its status asks for a login.
    asks_for_login: bool,
    /// Whether its provider has asked for a pause since the last token.
    paused: bool,
}

pub struct Checks {
    pub items: BTreeMap<usize, Item>,
    pub violations: Vec<String>,
    /// Conditions and events, by their reasons.
    pub reasons_told: BTreeMap<String, u64>,
    pub starts: u64,
    pub requests: u64,
    pub evil_requests: u64,
    pub writes: u64,
    pub restored: u64,
    pub logins: u64,
    /// The replica that worked last.
    pub worker: usize,
    /// How far the operator's clock is ahead.
    clock_ahead: i64,
    /// From when until when processes or clocks were disturbed.
    disturbances: Vec<(i64, i64)>,
    /// When things go wrong at all.
    span: (i64, i64),
    ends: HashMap<String, i64>,
    redeemed: HashSet<String>,
    sent_in_doubt: HashMap<String, u32>,
    /// Refresh tokens that a page was the response to.
    met_a_page: HashSet<String>,
}

impl Checks {
    pub fn new(plans: &[Plan], span: (i64, i64)) -> Self {
        let item = |plan: &Plan| Item {
            plan: plan.clone(),
            exists: false,
            published: None,
            secret: String::new(),
            excused: 0,
            created: 0,
            requests: 0,
            failed: 0,
            unknown: 0,
            tokens: 0,
            early: 0,
            reasons: 0,
            clock_ahead: 0,
            last: None,
            reported: false,
            asks_for_login: false,
            paused: false,
        };
        Checks {
            items: plans.iter().map(|plan| (plan.index, item(plan))).collect(),
            violations: Vec::new(),
            reasons_told: BTreeMap::new(),
            starts: 0,
            requests: 0,
            evil_requests: 0,
            writes: 0,
            restored: 0,
            logins: 0,
            worker: 0,
            clock_ahead: 0,
            disturbances: Vec::new(),
            span,
            ends: HashMap::new(),
            redeemed: HashSet::new(),
            sent_in_doubt: HashMap::new(),
            met_a_page: HashSet::new(),
        }
    }

    pub fn violation(&mut self, now: i64, text: &str) {
        if self.violations.len() < MOST {
            let (hours, minutes) = (now / 3_600_000, now / 60_000 % 60);
            let seconds = now / 1000 % 60;
            super::coverage::log(now, || format!("---- VIOLATION {text}"));
            self.violations
                .push(format!("{hours:02}:{minutes:02}:{seconds:02} {text}"));
        }
    }

    /// Processes or clocks are disturbed.
    pub fn disturbed(&mut self, from: i64, to: i64) {
        self.disturbances.push((from, to + RECOVERY));
    }

    /// The operator's clock is set: so many milliseconds ahead.
    pub fn clock_set(&mut self, ahead: i64) {
        self.clock_ahead = ahead;
    }

    /// Whether nothing went wrong all this time.
    pub fn calm(&self, from: i64, to: i64) -> bool {
        let overlaps = |(begin, end): &(i64, i64)| *begin < to && from < *end;
        if self.disturbances.iter().any(overlaps) {
            return false;
        }
        let (begin, end) = (from.max(self.span.0), to.min(self.span.1));
        if begin >= end {
            return true;
        }
        let since = (begin - self.span.0).rem_euclid(BETWEEN);
        since >= STORM + RECOVERY && since + (end - begin) < BETWEEN
    }

    /// A resource is applied.
    pub fn created(&mut self, index: usize, now: i64) {
        if let Some(item) = self.items.get_mut(&index) {
            if item.created > 0 {
                // What it could request before it was deleted.
                let allowed = item.requests_in(now - item.created);
                item.reasons += allowed as u32;
            }
            item.exists = true;
            item.created = now;
            item.published = None;
            item.excused = item.excused.max(now + RECOVERY);
            // The first interval is shortened by chance.
            item.reasons += 1;
        }
    }

    /// A resource was edited: so many more requests are allowed, and nothing is promised until `until` and a little longer.
    pub fn meddled(&mut self, index: usize, reasons: u32, until: Option<i64>) {
        if let Some(item) = self.items.get_mut(&index) {
            item.reasons += reasons;
            if let Some(until) = until {
                item.excused = item.excused.max(until + RECOVERY);
            }
        }
    }

    /// Whoever exchanges the token of this one is met by what is done to it.
    pub fn meddled_user(&mut self, index: usize, (reasons, until): (u32, Option<i64>)) {
        let user = self.items.get(&(index + 1));
        if user.is_some_and(|user| user.plan.way == Way::ExchangeOfOther) {
            self.meddled(index + 1, reasons, until);
        }
    }

    /// A request leaves the operator.
    pub fn sent(&mut self, received: &Received, now: i64, slot: usize) {
        self.worker = slot;
        for canary in received.canaries() {
            if !self.may_go(canary, &received.host) {
                let what = canary.to_owned();
                self.violation(now, &format!("trust: {what} was sent to {}", received.host));
            }
        }
        let Some(item) = received
            .resource
            .and_then(|index| self.items.get_mut(&index))
        else {
            return;
        };
        if received.path.starts_with("/revoke/") {
            let revoked = received.parameter("token");
            let published = item
                .published
                .as_ref()
                .is_some_and(|(token, _)| token == revoked);
            if published && item.exists && now > item.excused {
                let name = item.plan.name.clone();
                self.violation(now, &format!("{name}: the published token is revoked"));
            }
            return;
        }
        if !received.is_token_request {
            return;
        }
        if received.host != item.plan.host {
            self.evil_requests += 1;
            return;
        }
        self.requests += 1;
        item.requests += 1;
        let name = item.plan.name.clone();
        let again = item
            .last
            .is_some_and(|(last, known)| known && now - last < 2000);
        let early = item.published.as_ref().is_some_and(|(_, end)| {
            let due = end - item.longest_lead() - MINUTE;
            now < due && now < *end
        });
        item.early += u32::from(early);
        item.last = Some((now, false));
        if again {
            self.violation(now, &format!("promise 3: {name} asked again within 2 s"));
        }
        let refresh_token = received.parameter("refresh_token").to_owned();
        if self.redeemed.contains(&refresh_token) {
            self.violation(
                now,
                &format!("promise 6: {name} sent {refresh_token} after its successor was stored"),
            );
        }
        if self
            .sent_in_doubt
            .get(&refresh_token)
            .is_some_and(|times| *times >= 2)
        {
            let text = format!(
                "promise 6: {name} sent {refresh_token} a third time, with two outcomes unknown"
            );
            self.violation(now, &text);
        }
    }

    /// Whether a secret may go to a host.
    fn may_go(&self, canary: &str, host: &str) -> bool {
        let mut parts = canary.split('-').skip(1);
        let (what, index) = (parts.next().unwrap_or(""), parts.next());
        let item = index.and_then(|index| self.items.get(&index.parse().ok()?));
        match (what, item) {
            // What a host without any of our resources gave is its own.
            ("evil", _) => true,
            (_, None) => false,
            ("access", Some(item)) => item.plan.token_hosts() == host,
            (_, Some(item)) => item.plan.host == host,
        }
    }

    /// An answer never came.
    pub fn outcome_unknown(&mut self, received: &Received) {
        let Some(item) = received
            .resource
            .and_then(|index| self.items.get_mut(&index))
        else {
            return;
        };
        if received.is_token_request && received.host == item.plan.host {
            item.unknown += 1;
            let refresh_token = received.parameter("refresh_token");
            if !refresh_token.is_empty() {
                *self
                    .sent_in_doubt
                    .entry(refresh_token.to_owned())
                    .or_default() += 1;
            }
        }
    }

    /// Whether a refresh token of this resource was sent twice with an unknown outcome. One of them may have been a page.
    pub fn is_doubted(&self, index: usize) -> bool {
        let own = format!("CANARY-refresh-{index}-");
        let mut sent = self.sent_in_doubt.iter();
        let pages = |token: &String| u32::from(self.met_a_page.contains(token));
        sent.any(|(token, times)| times + pages(token) >= 2 && token.starts_with(&own))
    }

    /// The response has arrived.
    pub fn answered(&mut self, received: &Received, reply: &Reply) {
        let Some(item) = self.requester(received) else {
            return;
        };
        item.last = item.last.map(|(sent, _)| (sent, true));
        item.failed += u32::from(reply.token.is_none());
        item.paused |= reply.retry_after.is_some();
        match &reply.token {
            Some((token, end, _)) => {
                self.ends.insert(token.clone(), *end);
                // Some providers keep the refresh token.
                let refresh_token = received.parameter("refresh_token");
                self.sent_in_doubt.remove(refresh_token);
                self.met_a_page.remove(refresh_token);
            }
            // An intermediary has answered: whether a token was issued is unknown.
            None if reply.status == 200 => {
                let refresh_token = received.parameter("refresh_token");
                self.met_a_page.insert(refresh_token.to_owned());
            }
            None => {}
        }
    }

    /// The provider has issued a token, whether or not its response arrives.
    pub fn issued(&mut self, received: &Received, reply: &Reply) {
        if let (Some((_, _, true)), Some(item)) = (&reply.token, self.requester(received)) {
            item.tokens += 1;
        }
    }

    /// The resource that sent this token request, if its own provider received it.
    fn requester(&mut self, received: &Received) -> Option<&mut Item> {
        let item = self.items.get_mut(&received.resource?)?;
        (received.is_token_request && received.host == item.plan.host).then_some(item)
    }

    /// What the status of the OAuthClient of this name says.
    pub fn status(&mut self, name: &str, body: &Value) {
        self.no_secret("a status", body);
        let conditions = body.pointer("/status/conditions").and_then(Value::as_array);
        let asks = |one: &Value| text(one, "/reason") == "ReauthorizationRequired";
        let asks_for_login = conditions.is_some_and(|all| all.iter().any(asks));
        if let Some(item) = index_of(name).and_then(|index| self.items.get_mut(&index)) {
            item.asks_for_login = asks_for_login;
        }
        for condition in conditions.into_iter().flatten() {
            let key = format!(
                "{}={} {}",
                text(condition, "/type"),
                text(condition, "/status"),
                text(condition, "/reason")
            );
            *self.reasons_told.entry(key).or_default() += 1;
        }
    }

    pub fn event(&mut self, body: &Value) {
        self.no_secret("an event", body);
        let key = format!("event {}", text(body, "/reason"));
        *self.reasons_told.entry(key).or_default() += 1;
    }

    fn no_secret(&mut self, place: &str, value: &Value) {
        let written = value.to_string();
        if let Some(canary) = canaries(&written).first() {
            let canary = (*canary).to_owned();
            self.violation(0, &format!("{canary} stands in {place}"));
        }
    }

    /// A Secret was changed, by the operator or (`by_operator` is false) by another user.
    pub fn secret_changed(
        &mut self,
        change: &Change,
        provider: &Provider,
        now: i64,
        by_operator: bool,
    ) {
        let Some(object) = change.new.as_ref().or(change.old.as_ref()) else {
            return;
        };
        let name = text(object, "/metadata/name").to_owned();
        if by_operator {
            self.writes += 1;
            if name.ends_with("-client") {
                self.violation(now, &format!("the operator has changed Secret {name}"));
            }
        }
        let Some(index) = index_of(&name) else {
            return;
        };
        if name.ends_with("-refresh-state") {
            let stored = change
                .new
                .as_ref()
                .map(|new| from_base64(text(new, "/data/refresh_token")));
            let before = stored.and_then(|stored| provider.predecessor(&stored));
            self.redeemed.extend(before);
            return;
        }
        if let Some(new) = &change.new {
            self.looked_into(new, index, now);
        }
        if name.contains("-token") {
            self.token_changed(change, index, now, by_operator);
        }
    }

    /// A token Secret holds access tokens of its resource, and no other secret.
    fn looked_into(&mut self, secret: &Object, index: usize, now: i64) {
        if text(secret, "/metadata/name").ends_with("-client") {
            return;
        }
        self.no_secret("the metadata of a Secret", &secret["metadata"]);
        let data = secret.get("data").and_then(Value::as_object);
        for (key, value) in data.into_iter().flatten() {
            let value = from_base64(value.as_str().unwrap_or(""));
            let own = format!("CANARY-access-{index}-");
            let foreign = canaries(&value)
                .into_iter()
                .find(|one| !one.starts_with(&own) && !one.starts_with("CANARY-evil"));
            if let Some(foreign) = foreign {
                let foreign = foreign.to_owned();
                let name = text(secret, "/metadata/name");
                self.violation(now, &format!("{foreign} stands in {key} of Secret {name}"));
            }
        }
    }

    fn token_changed(&mut self, change: &Change, index: usize, now: i64, by_operator: bool) {
        let new = change
            .new
            .as_ref()
            .map(|new| from_base64(text(new, "/data/access_token")));
        let end = new.as_ref().and_then(|token| self.ends.get(token).copied());
        let calm_since = |item: &Item, end: i64| (end - item.longest_lead()).max(item.created);
        let Some(item) = self.items.get_mut(&index) else {
            return;
        };
        let (old, plan) = (item.published.clone(), item.plan.clone());
        let name = change.new.as_ref().or(change.old.as_ref());
        let name = name.map_or("", |secret| text(secret, "/metadata/name"));
        // Where it is renamed, the one with the old name goes later.
        if new.is_none() && name != item.secret {
            return;
        }
        name.clone_into(&mut item.secret);
        let excused = now < item.excused;
        item.published = new.zip(end);
        // A clock that was set back since then shows the token's times later by that much: nobody can know.
        let set_back = (item.clock_ahead - self.clock_ahead).max(0);
        // A caching provider may have returned the same token: its times are of the present clock all the same.
        let times = |secret: &Option<Object>| {
            let expires = "/metadata/annotations/oauthclient.dev~1expires-at";
            let secret = secret.as_deref();
            secret.map(|secret| text(secret, expires).to_owned())
        };
        let is_published = by_operator && times(&change.new) != times(&change.old);
        let paused = is_published && std::mem::take(&mut item.paused);
        if is_published {
            item.clock_ahead = self.clock_ahead;
        }
        let Some((token, end)) = item.published.clone().filter(|_| by_operator) else {
            return;
        };
        let since = calm_since(item, old.as_ref().map_or(now, |(_, end)| *end));
        if end <= now {
            self.violation(
                now,
                &format!("{} published a token that had ended", plan.name),
            );
        }
        let Some((before, before_end)) = old.filter(|(before, _)| *before != token) else {
            return;
        };
        // Whoever exchanges it does so anew.
        if let Some(other) = self.items.get_mut(&(index + 1))
            && other.plan.way == Way::ExchangeOfOther
        {
            other.reasons += 1;
        }
        if before_end > end && !excused {
            self.violation(
                now,
                &format!(
                    "promise 7: {} published {token} over {before}, which lives longer",
                    plan.name
                ),
            );
        }
        if excused || plan.has_trouble() || !self.calm(since, now) {
            return;
        }
        let left = (before_end + set_back - now) / 1000;
        let least = match plan.way {
            Way::InvalidatesPrevious => 0,
            _ if plan.life < 360 => 0,
            // The pause that a provider asks for may use up the retry budget of 60 s.
            _ if paused => (plan.lead() / 1000 - 120).max(115),
            _ => (plan.lead() / 1000 - 120).max(150),
        };
        if left < least {
            self.violation(
                now,
                &format!("promise 1: {} had only {left} s left", plan.name),
            );
        }
    }

    /// Once a minute: every resource has a valid token, if nothing keeps it from having one.
    pub fn audit(&mut self, now: i64, provider: &Provider) {
        let mut found = Vec::new();
        for item in self.items.values() {
            if !item.exists || item.reported || now < item.excused {
                continue;
            }
            let plan = &item.plan;
            let set_back = (item.clock_ahead - self.clock_ahead).max(0);
            let valid = item
                .published
                .as_ref()
                .is_some_and(|(_, end)| *end + set_back > now);
            let waits_for_login = || {
                let index = plan.index;
                provider.family_is_dead(index) || (item.asks_for_login && self.is_doubted(index))
            };
            if valid || (plan.way.needs_login() && waits_for_login()) {
                continue;
            }
            let since = now - item.longest_lead().min(20 * MINUTE);
            let calm = self.calm(since, now);
            let outage = provider.longest_outage(&plan.host, since - RECOVERY, now);
            let bearable = outage == 0 || (outage < 10 * MINUTE && calm);
            let long = plan.life >= 3600;
            let long = long && plan.way != Way::InvalidatesPrevious;
            // While processes end again and again, there is no deadline for a first token.
            let long = long && item.published.is_some();
            if bearable && (long || calm) && plan.way != Way::Throttled {
                let state = match &item.published {
                    None => "has no token".to_owned(),
                    Some((token, end)) => format!("{token} has ended for {} s", (now - end) / 1000),
                };
                found.push((
                    plan.index,
                    format!("{} ({:?}, {} s): {state}", plan.name, plan.way, plan.life),
                ));
            }
        }
        for (index, text) in found {
            self.violation(now, &text);
            if let Some(item) = self.items.get_mut(&index) {
                item.reported = true;
            }
        }
    }

    /// The numbers of requests, when all is over.
    pub fn at_the_end(&mut self, now: i64) {
        let mut found = Vec::new();
        for item in self.items.values() {
            let plan = &item.plan;
            let allowed = item.reasons + item.unknown + item.failed;
            let name = &plan.name;
            if matches!(plan.way, Way::Caching | Way::KnownCaching) {
                let each = (plan.life as f64 / WINDOW as f64).log2() + 3.0;
                let most = f64::from(item.tokens) * each + f64::from(allowed);
                if f64::from(item.requests) > most {
                    found.push(format!(
                        "promise 2: {name} asked {} times for {} tokens",
                        item.requests, item.tokens
                    ));
                }
                continue;
            }
            if item.early > allowed {
                found.push(format!(
                    "{name} ({:?}): {} requests that were not due, {} had a reason",
                    plan.way, item.early, allowed
                ));
            }
            let most = item.requests_in(now - item.created);
            if f64::from(item.requests) > most + f64::from(allowed) {
                found.push(format!(
                    "promise 2: {name} asked {} times, {most} and {allowed} were allowed",
                    item.requests
                ));
            }
        }
        for text in found {
            self.violation(now, &text);
        }
    }
}

impl Item {
    /// How many requests are due at most in so many milliseconds.
    fn requests_in(&self, elapsed: i64) -> f64 {
        let interval = self.plan.life * 1000 - self.longest_lead();
        (elapsed as f64 / interval as f64).ceil() + 2.0
    }

    /// How long before the end a refresh is due at the earliest, in milliseconds.
    fn longest_lead(&self) -> i64 {
        match self.plan.way {
            Way::OwnLead => self.plan.life * 1000 * 40 / 100 * 12 / 10,
            _ => self.plan.lead() * 12 / 10,
        }
    }
}

impl Plan {
    /// Whether its provider is out of service now and then.
    fn has_trouble(&self) -> bool {
        matches!(
            self.way,
            Way::Throttled
                | Way::Outages
                | Way::Hangs
                | Way::Caching
                | Way::KnownCaching
                | Way::OwnLead
        )
    }
}

/// The resource that a Secret belongs to, by its name.
fn index_of(name: &str) -> Option<usize> {
    let rest = name.strip_prefix('r')?;
    rest.split('-').next()?.parse().ok()
}
