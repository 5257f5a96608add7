//! Brakes on credentials: what a provider has refused is not sent again, whichever resource uses it.
//!
//! A brake belongs to what it protects: a password, a refresh token or a client secret, as sent for one client to one
//! host. Resources with the same credential share its brake, in one or several namespaces. A wrong value has another
//! brake than the right one, so nobody can stop others without knowing what they send. Deleting, recreating, annotating
//! or editing a resource changes no brake.
//!
//! - The first refusal closes the brake of a password or refresh token, because more attempts lock the account or end
//!   the token family. It opens when the content, the client or the host changes. A resource that holds a token which
//!   it obtained with this credential may try once more with a request of another form, so that another resource's
//!   wrong request cannot stop it.
//! - While it is unknown whether such a credential works, only one request at a time uses it.
//! - A client secret backs off like a permanent failure, for all resources together. A resource that holds a token
//!   which it obtained with this secret follows its own schedule.
//!
//! Only keyed hashes are kept; the key is new in every process. After a restart, the brakes are restored from the
//! statuses ([`Brakes::note`]), before a request in the same namespace ([`Brakes::expect`]). This module does not know
//! what a resource is, or how a request is built.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use ring::hmac;

use crate::oauth::FailureClass;
use crate::schedule;
use crate::secret::Secret;
use crate::time::{Span, Time};

/// The maximum number of credentials. One takes about 200 bytes.
const MOST: usize = 16_384;
/// The maximum number from one namespace, so that no namespace can evict another's brake.
const MOST_OF_ONE: usize = MOST / 4;
/// For this long after a success, requests with the same credential do not wait for each other.
const PROVEN: Span = Span::from_seconds(60);
/// The minimum wait for the outcome of another request with the same credential.
const SHORTEST_WAIT: Span = Span::from_seconds(2);
/// The maximum time that requests wait for the statuses after a start.
const LONGEST_SEEDING: Span = Span::from_seconds(60);
/// The maximum wait: a longer one would come from a clock that was set back.
const LONGEST_WAIT: Span = Span::from_seconds(3600 + 60);

/// The kind of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// User name and password.
    Password,
    /// A refresh token.
    RefreshToken,
    /// The client authentication: a secret or a private key.
    ClientSecret,
}

impl Kind {
    /// Whether sending it again after a refusal does harm.
    pub const fn is_destroyed_by_repetition(self) -> bool {
        matches!(self, Kind::Password | Kind::RefreshToken)
    }
}

/// A credential as one request sends it.
pub struct Credential {
    /// Its kind.
    pub kind: Kind,
    /// The host that it is sent to, with the port.
    pub host: String,
    /// The client that it is sent for; empty if the request has none.
    pub client: String,
    /// Its content, in an unambiguous form.
    pub content: Secret,
}

/// A request that is about to be sent.
pub struct Request {
    /// The namespace of the resource.
    pub namespace: String,
    /// The credentials in it.
    pub credentials: Vec<Credential>,
    /// Whether the resource holds a token that it obtained with these credentials.
    pub proven: bool,
    /// Identifies the rest of the request.
    pub form: u64,
    /// Its time-out.
    pub timeout: Span,
}

/// Whether a request may be sent.
#[derive(Debug)]
pub enum Answer {
    /// It may be sent. Report the outcome with [`Brakes::answered`].
    Go(Pass),
    /// Not yet: another request with the same credential is in flight. Ask again at this time.
    Wait(Time),
    /// The provider has refused a credential.
    Refused(Refusal),
}

/// A refused credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its kind.
    pub kind: Kind,
    /// The reason.
    pub reason: &'static str,
    /// When it was last refused.
    pub time: Time,
    /// The number of refusals in a row, from any resource.
    pub failures: u32,
    /// When it may be sent again; `None` if only another content, client or host helps.
    pub next: Option<Time>,
}

/// The permission to send a request.
#[derive(Debug, Default)]
#[must_use = "the brakes wait to be told how the request went"]
pub struct Pass {
    ids: Vec<(Kind, Id)>,
    namespace: String,
    form: u64,
    ticket: u64,
}

/// The outcome of a request for its credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The provider accepted them.
    Taken,
    /// The provider refused the one of this kind.
    Refused {
        /// The kind.
        kind: Kind,
        /// The reason.
        reason: &'static str,
    },
    /// It says nothing about them.
    Open,
}

/// Identifies a credential: a keyed hash.
type Id = u128;

/// The state of one credential.
#[derive(Debug)]
struct Entry {
    kind: Kind,
    namespace: u64,
    used: Time,
    refused: Option<Refused>,
    worked: Option<Time>,
    /// The request in flight that others wait for: its number, its start and its latest end.
    trying: Option<(u64, Time, Time)>,
}

#[derive(Debug)]
struct Refused {
    reason: &'static str,
    time: Time,
    failures: u32,
    next: Option<Time>,
    /// The form of the refused request; 0 if unknown.
    form: u64,
    /// Whether a request of another form was refused too.
    confirmed: bool,
    /// Whether a request of another form succeeded since: only this form is closed.
    overruled: bool,
}

/// All brakes of a process.
pub struct Brakes {
    key: hmac::Key,
    entries: HashMap<Id, Entry>,
    counts: HashMap<u64, usize>,
    tickets: u64,
    expected: HashMap<String, HashSet<String>>,
    expected_until: Time,
}

impl Brakes {
    /// Without entries. `key` is for the hashes, and belongs to this process only.
    pub fn new(key: hmac::Key) -> Self {
        Brakes {
            key,
            entries: HashMap::new(),
            counts: HashMap::new(),
            tickets: 0,
            expected: HashMap::new(),
            expected_until: Time::from_millis(i64::MIN),
        }
    }

    /// The number of credentials.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// After a start: the statuses of these resources (namespace and name) report refusals. Credentials that repetition
    /// destroys are not sent in their namespaces until each of them was checked ([`Brakes::looked_at`]), or a minute
    /// has passed.
    pub fn expect(&mut self, resources: impl IntoIterator<Item = (String, String)>, now: Time) {
        for (namespace, name) in resources {
            self.expected.entry(namespace).or_default().insert(name);
        }
        self.expected_until = now + LONGEST_SEEDING;
    }

    /// A resource was checked: the refusals in its status were noted, or it is gone.
    pub fn looked_at(&mut self, namespace: &str, name: &str) {
        if let Some(names) = self.expected.get_mut(namespace) {
            names.remove(name);
            if names.is_empty() {
                self.expected.remove(namespace);
            }
        }
    }

    /// Whether a request may be sent. Call this directly before sending.
    pub fn ask(&mut self, request: &Request, now: Time) -> Answer {
        let ids: Vec<(Kind, Id)> = request
            .credentials
            .iter()
            .map(|credential| (credential.kind, self.id(credential)))
            .collect();
        let mut wait = self.seeding(request, now);
        // Of several secrets that prove the client nobody knows which was refused: one that was not may be tried.
        let (mut refused_secret, mut other_secret) = (None, false);
        for (kind, id) in &ids {
            let entry = self.entries.get(id);
            let allows = entry.map_or(Allows::Now, |entry| entry.allows(*kind, request, now));
            match allows {
                Allows::No(refusal) if *kind == Kind::ClientSecret => {
                    refused_secret = Some(refusal);
                    continue;
                }
                Allows::No(refusal) => return Answer::Refused(refusal),
                Allows::Waiting(until) => wait = wait.max(Some(until)),
                Allows::Now => {}
            }
            other_secret |= *kind == Kind::ClientSecret;
        }
        if let Some(refusal) = refused_secret.filter(|_| !other_secret) {
            return Answer::Refused(refusal);
        }
        if let Some(until) = wait {
            return Answer::Wait(until);
        }
        self.tickets += 1;
        let ticket = self.tickets;
        for (kind, id) in &ids {
            self.begin(*kind, *id, request, ticket, now);
        }
        Answer::Go(Pass {
            ids,
            namespace: request.namespace.clone(),
            form: request.form,
            ticket,
        })
    }

    /// Reports the outcome of a request. For a refused client secret, it returns the time before which no resource
    /// sends it again. `u` is jitter in [0,1).
    pub fn answered(&mut self, pass: Pass, outcome: Outcome, now: Time, u: f64) -> Option<Time> {
        let mut next = None;
        for (kind, id) in &pass.ids {
            match outcome {
                Outcome::Taken => self.taken(*id, &pass, now),
                Outcome::Refused {
                    kind: refused,
                    reason,
                } if refused == *kind => {
                    let entry = self.entry(*kind, *id, &pass.namespace, now);
                    entry.refuse(reason, pass.form, now, u);
                    next = entry.refused.as_ref().and_then(|refused| refused.next);
                }
                Outcome::Refused { .. } | Outcome::Open => {}
            }
            self.release(*id, &pass);
            // It is used once and then replaced, so nothing needs to be kept.
            if outcome == Outcome::Taken && *kind == Kind::RefreshToken {
                self.forget(*id);
            }
        }
        next
    }

    /// Notes a refusal from a status, unless newer facts are known.
    pub fn note(&mut self, namespace: &str, credential: &Credential, refusal: &Refusal, now: Time) {
        let id = self.id(credential);
        let known = self.entries.get(&id);
        let newer = known.is_some_and(|entry| {
            entry.refused.is_some() || entry.worked.is_some_and(|worked| worked >= refusal.time)
        });
        if newer {
            return;
        }
        let entry = self.entry(credential.kind, id, namespace, now);
        entry.refused = Some(Refused {
            reason: refusal.reason,
            time: refusal.time,
            failures: refusal.failures.max(1),
            next: refusal.next,
            form: 0,
            // Its form is not known anymore, so any form may be tried.
            confirmed: false,
            overruled: false,
        });
    }

    /// Until when a request waits for the statuses.
    fn seeding(&self, request: &Request, now: Time) -> Option<Time> {
        let harmful = request
            .credentials
            .iter()
            .any(|credential| credential.kind.is_destroyed_by_repetition());
        let waits = harmful
            && now < self.expected_until
            && self.expected_until.since(now) <= LONGEST_SEEDING
            && self.expected.contains_key(&request.namespace);
        waits.then_some(now + SHORTEST_WAIT)
    }

    fn begin(&mut self, kind: Kind, id: Id, request: &Request, ticket: u64, now: Time) {
        let known = self.entries.get(&id);
        let doubtful = match kind {
            Kind::Password | Kind::RefreshToken => {
                !known.is_some_and(|entry| entry.is_proven(now)) || known.is_some_and(Entry::closed)
            }
            Kind::ClientSecret => known.is_some_and(|entry| entry.refused.is_some()),
        };
        if doubtful && !(kind == Kind::ClientSecret && request.proven) {
            let until = now + request.timeout + request.timeout + PROVEN;
            let entry = self.entry(kind, id, &request.namespace, now);
            entry.trying = Some((ticket, now, until));
        } else if let Some(entry) = self.entries.get_mut(&id) {
            entry.used = now;
        }
    }

    fn taken(&mut self, id: Id, pass: &Pass, now: Time) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        entry.worked = Some(now);
        let overruled = |refused: &Refused| refused.form != 0 && refused.form != pass.form;
        match &mut entry.refused {
            Some(refused) if entry.kind.is_destroyed_by_repetition() && overruled(refused) => {
                refused.overruled = true;
            }
            refused => *refused = None,
        }
    }

    fn release(&mut self, id: Id, pass: &Pass) {
        if let Some(entry) = self.entries.get_mut(&id)
            && entry
                .trying
                .is_some_and(|(ticket, _, _)| ticket == pass.ticket)
        {
            entry.trying = None;
        }
    }

    fn id(&self, credential: &Credential) -> Id {
        let mut context = hmac::Context::with_key(&self.key);
        let kind: &[u8] = match credential.kind {
            Kind::Password => b"password",
            Kind::RefreshToken => b"refresh token",
            Kind::ClientSecret => b"client secret",
        };
        for part in [
            kind,
            credential.host.as_bytes(),
            credential.client.as_bytes(),
            credential.content.expose_bytes(),
        ] {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        let tag = context.sign();
        u128::from_le_bytes(tag.as_ref().first_chunk().copied().unwrap_or_default())
    }

    fn namespace_id(&self, namespace: &str) -> u64 {
        let tag = hmac::sign(&self.key, namespace.as_bytes());
        u64::from_le_bytes(tag.as_ref().first_chunk().copied().unwrap_or_default())
    }

    /// The entry of a credential, created if there is none.
    fn entry(&mut self, kind: Kind, id: Id, namespace: &str, now: Time) -> &mut Entry {
        let namespace = self.namespace_id(namespace);
        if !self.entries.contains_key(&id) {
            self.make_room(namespace, now);
            *self.counts.entry(namespace).or_default() += 1;
        }
        let entry = self.entries.entry(id).or_insert_with(|| Entry {
            kind,
            namespace,
            used: now,
            refused: None,
            worked: None,
            trying: None,
        });
        entry.used = now;
        entry
    }

    /// Evicts the least useful entry: first those that are not refused, then the least recently used; from the
    /// requesting namespace if that has its share, otherwise from the one with the most.
    fn make_room(&mut self, namespace: u64, now: Time) {
        let own = self.counts.get(&namespace).copied().unwrap_or(0);
        let from = if own >= MOST_OF_ONE {
            namespace
        } else if self.entries.len() >= MOST {
            let largest = self.counts.iter().max_by_key(|(_, count)| **count);
            largest.map_or(namespace, |(largest, _)| *largest)
        } else {
            return;
        };
        let of_it = self.entries.iter().filter(|(_, entry)| {
            entry.namespace == from && entry.trying.is_none_or(|(_, _, until)| now >= until)
        });
        let least = of_it
            .min_by_key(|(_, entry)| (entry.refused.is_some(), entry.used))
            .map(|(id, _)| *id);
        // If all are in flight, the oldest is evicted.
        let least = least.or_else(|| {
            let all = self.entries.iter();
            all.filter(|(_, entry)| entry.namespace == from)
                .min_by_key(|(_, entry)| entry.used)
                .map(|(id, _)| *id)
        });
        if let Some(id) = least {
            self.forget(id);
        }
    }

    fn forget(&mut self, id: Id) {
        let Some(entry) = self.entries.remove(&id) else {
            return;
        };
        if let Some(count) = self.counts.get_mut(&entry.namespace) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.counts.remove(&entry.namespace);
            }
        }
    }
}

/// What one entry means for a request.
enum Allows {
    Now,
    Waiting(Time),
    No(Refusal),
}

impl Entry {
    /// Whether the provider accepted it recently.
    fn is_proven(&self, now: Time) -> bool {
        self.worked
            .is_some_and(|worked| now >= worked && now.since(worked) < PROVEN)
    }

    /// Whether it is refused, and no other request has shown that it works.
    fn closed(&self) -> bool {
        self.refused
            .as_ref()
            .is_some_and(|refused| !refused.overruled)
    }

    fn allows(&self, kind: Kind, request: &Request, now: Time) -> Allows {
        if let Some(refused) = &self.refused
            && refused.stops(kind, request, now)
        {
            return Allows::No(Refusal {
                kind,
                reason: refused.reason,
                time: refused.time,
                failures: refused.failures,
                next: refused.next,
            });
        }
        if kind == Kind::ClientSecret && request.proven {
            return Allows::Now;
        }
        match self.trying {
            Some((_, since, until)) if now < until && until.since(now) <= LONGEST_WAIT => {
                // Each wait is as long as the wait so far, so there are few checks, however long it takes.
                Allows::Waiting(now + now.since(since).max(SHORTEST_WAIT))
            }
            _ => Allows::Now,
        }
    }

    fn refuse(&mut self, reason: &'static str, form: u64, now: Time, u: f64) {
        let before = self.refused.take();
        let failures = before
            .as_ref()
            .map_or(1, |refused| refused.failures.saturating_add(1));
        let next = match self.kind {
            Kind::Password | Kind::RefreshToken => None,
            Kind::ClientSecret => Some(schedule::retry(
                FailureClass::Permanent,
                failures,
                None,
                None,
                now,
                u,
            )),
        };
        self.refused = Some(Refused {
            reason,
            time: now,
            failures,
            next,
            form,
            confirmed: before.is_some_and(|before| !before.overruled),
            overruled: false,
        });
    }
}

impl Refused {
    /// Whether it stops a request.
    fn stops(&self, kind: Kind, request: &Request, now: Time) -> bool {
        if kind.is_destroyed_by_repetition() {
            if self.overruled {
                return request.form == self.form;
            }
            return self.confirmed || !request.proven || request.form == self.form;
        }
        let waits = |next: Time| now < next && next.since(now) <= LONGEST_WAIT;
        !request.proven && self.next.is_none_or(waits)
    }
}
