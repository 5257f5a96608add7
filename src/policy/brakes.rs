//! Brakes on credentials: what a provider has refused is not sent again, whichever resource uses it.
//!
//! A brake belongs to what it protects: a password, a refresh token or a client secret, as it is sent for one client to one
//! host. Two resources with the same credential share its brake, in one namespace or in two. A wrong value has another brake
//! than the right one, so nobody can stop others without knowing what they send. Deleting, recreating, annotating or editing
//! a resource changes no brake.
//!
//! - A password or a refresh token is closed by its first refusal: more tries lock the account or end the token family. It
//!   opens when its content, the client or the host changes. One resource that holds a token which it got with this very
//!   credential may try once more with a request of another form: a neighbour's wrong request must not stop it.
//! - While nobody knows whether such a credential works, one request at a time is sent with it.
//! - A client secret backs off as a permanent failure does, for all resources together. A resource that holds a token which
//!   it got with this secret goes by its own schedule.
//!
//! Kept are keyed hashes alone; the key is new in every process. After a restart the brakes are noted from what the statuses
//! say ([`Brakes::note`]), before a request of the same namespace ([`Brakes::expect`]). This module does not know what a
//! resource is, or how a request is written.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use ring::hmac;

use crate::oauth::FailureClass;
use crate::schedule;
use crate::secret::Secret;
use crate::time::{Span, Time};

/// So many credentials are remembered. One takes about 200 bytes.
const MOST: usize = 16_384;
/// So many of them may come from one namespace, so that nobody can have another's brake forgotten.
const MOST_OF_ONE: usize = MOST / 4;
/// After a success, requests with the same credential need not wait for each other for this long.
const PROVEN: Span = Span::from_seconds(60);
/// The shortest wait for the outcome of another request with the same credential.
const SHORTEST_WAIT: Span = Span::from_seconds(2);
/// Requests wait at most this long for what the statuses say after a start.
const LONGEST_SEEDING: Span = Span::from_seconds(60);
/// No wait is longer than this: one that seems to be comes from a clock that was set back.
const LONGEST_WAIT: Span = Span::from_seconds(3600 + 60);

/// What a credential is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// User name and password.
    Password,
    /// A refresh token.
    RefreshToken,
    /// What a client proves itself with: a secret or a private key.
    ClientSecret,
}

impl Kind {
    /// Whether sending it again after a refusal does harm.
    pub const fn is_destroyed_by_repetition(self) -> bool {
        matches!(self, Kind::Password | Kind::RefreshToken)
    }
}

/// A credential, as one request sends it.
pub struct Credential {
    /// What it is.
    pub kind: Kind,
    /// The host it is sent to, with its port.
    pub host: String,
    /// The client it is sent for; empty where the request names none.
    pub client: String,
    /// What is sent, in one unambiguous form.
    pub content: Secret,
}

/// A request that is about to be sent.
pub struct Request {
    /// The namespace of the resource.
    pub namespace: String,
    /// What it sends.
    pub credentials: Vec<Credential>,
    /// The resource holds a token that it got with these very credentials.
    pub proven: bool,
    /// Stands for everything else that the request says.
    pub form: u64,
    /// How long it may take.
    pub timeout: Span,
}

/// What the brakes say of a request.
#[derive(Debug)]
pub enum Answer {
    /// It may be sent. How it went has to be told ([`Brakes::answered`]).
    Go(Pass),
    /// Not yet: another request with the same credential is under way. Ask again then.
    Wait(Time),
    /// The provider has refused a credential.
    Refused(Refusal),
}

/// A credential that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What it is.
    pub kind: Kind,
    /// Why, in one word of the documented list.
    pub reason: &'static str,
    /// When it was refused last.
    pub time: Time,
    /// How often in a row, whichever resource sent it.
    pub failures: u32,
    /// When it may be sent again; `None` when only another content, client or host helps.
    pub next: Option<Time>,
}

/// That a request may be sent.
#[derive(Debug, Default)]
#[must_use = "the brakes wait to be told how the request went"]
pub struct Pass {
    ids: Vec<(Kind, Id)>,
    namespace: String,
    form: u64,
    ticket: u64,
}

/// How a request went, as far as its credentials go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The provider took them.
    Taken,
    /// The provider refused the one of this kind.
    Refused {
        /// Which.
        kind: Kind,
        /// Why, in one word of the documented list.
        reason: &'static str,
    },
    /// It says nothing of them.
    Open,
}

/// Names a credential: a keyed hash.
type Id = u128;

/// What is known of one credential.
#[derive(Debug)]
struct Entry {
    kind: Kind,
    namespace: u64,
    used: Time,
    refused: Option<Refused>,
    worked: Option<Time>,
    /// The request under way whose outcome others wait for: which, since when, and until when at most.
    trying: Option<(u64, Time, Time)>,
}

#[derive(Debug)]
struct Refused {
    reason: &'static str,
    time: Time,
    failures: u32,
    next: Option<Time>,
    /// The form of the request that was refused; 0 where that is not known.
    form: u64,
    /// A request of another form was refused as well.
    confirmed: bool,
    /// A request of another form worked since: only this form is closed.
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
    /// None yet. `key` is for the hashes, and belongs to this process alone.
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

    /// How many credentials are remembered.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// After a start: these resources, as namespace and name, have statuses that tell of refusals. What repetition destroys is
    /// not sent in their namespaces before each of them was looked at ([`Brakes::looked_at`]), or a minute has passed.
    pub fn expect(&mut self, resources: impl IntoIterator<Item = (String, String)>, now: Time) {
        for (namespace, name) in resources {
            self.expected.entry(namespace).or_default().insert(name);
        }
        self.expected_until = now + LONGEST_SEEDING;
    }

    /// A resource was looked at: what its status says of refusals was noted, or it is gone.
    pub fn looked_at(&mut self, namespace: &str, name: &str) {
        if let Some(names) = self.expected.get_mut(namespace) {
            names.remove(name);
            if names.is_empty() {
                self.expected.remove(namespace);
            }
        }
    }

    /// Whether a request may be sent: to be asked right before it is.
    pub fn ask(&mut self, request: &Request, now: Time) -> Answer {
        let ids: Vec<(Kind, Id)> = request
            .credentials
            .iter()
            .map(|credential| (credential.kind, self.id(credential)))
            .collect();
        let mut wait = self.seeding(request, now);
        for (kind, id) in &ids {
            let Some(entry) = self.entries.get(id) else {
                continue;
            };
            match entry.allows(*kind, request, now) {
                Allows::Now => {}
                Allows::Waiting(until) => wait = wait.max(Some(until)),
                Allows::No(refusal) => return Answer::Refused(refusal),
            }
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

    /// How a request went. Where a client secret was refused: before when no resource sends it again. `u` is a draw from
    /// [0,1).
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
            // It is used once and has a successor: nothing is left to be known of it.
            if outcome == Outcome::Taken && *kind == Kind::RefreshToken {
                self.forget(*id);
            }
        }
        next
    }

    /// Notes a refusal that a status tells of, unless more is known by now.
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
            // Which form it had is not known any more, so it does not matter which one is tried.
            confirmed: false,
            overruled: false,
        });
    }

    /// Until when a request waits for what the statuses say.
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

    /// The entry of a credential, made where there is none.
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

    /// Forgets what says least: first what is not refused, then what was not used for longest; of the namespace that wants
    /// room where it has its share, otherwise of the one that has most.
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
        // Where all are under way, the oldest of them gives way.
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

/// What one entry says of a request.
enum Allows {
    Now,
    Waiting(Time),
    No(Refusal),
}

impl Entry {
    /// The provider took it a moment ago.
    fn is_proven(&self, now: Time) -> bool {
        self.worked
            .is_some_and(|worked| now >= worked && now.since(worked) < PROVEN)
    }

    /// It is refused, and no other request has shown that it works.
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
                // Each wait is as long as the one so far: few looks, however long it takes.
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
