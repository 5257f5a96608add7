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
//! statuses ([`Brakes::note_refusal`]), before a request in the same namespace ([`Brakes::expect`]). This module does not know
//! what a resource is, or how a request is built.

mod credential;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use ring::hmac;

use crate::time::{Span, Time};
use credential::{Allows, CredentialEntry, PROVEN, RefusedState, SHORTEST_WAIT};
pub use credential::{BrakedRequest, Credential, CredentialKind, CredentialRefusal};

/// The maximum number of credentials. One takes about 200 bytes.
const MOST: usize = 16_384;
/// The maximum number from one namespace, so that no namespace can evict another's brake.
const MOST_OF_ONE: usize = MOST / 4;
/// The maximum time that requests wait for the statuses after a start.
const LONGEST_STATUS_WAIT: Span = Span::from_seconds(60);

/// Whether a request may be sent.
#[derive(Debug)]
pub enum Clearance {
    /// It may be sent. Report the outcome with [`Brakes::report_outcome`].
    Granted(Permit),
    /// Not yet: another request with the same credential is in flight. Ask again at this time.
    Wait(Time),
    /// The provider has refused a credential.
    Refused(CredentialRefusal),
}

/// The permission to send a request.
#[derive(Debug, Default)]
#[must_use = "report the outcome of the request to the brakes"]
pub struct Permit {
    ids: Vec<(CredentialKind, CredentialId)>,
    namespace: String,
    form: u64,
    ticket: u64,
}

/// The outcome of a request for its credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialOutcome {
    /// The provider accepted them.
    Accepted,
    /// The provider refused the one of this kind.
    Refused {
        /// The kind.
        kind: CredentialKind,
        /// The reason.
        reason: &'static str,
    },
    /// It says nothing about them.
    Unknown,
}

/// Identifies a credential: a keyed hash.
type CredentialId = u128;

/// All brakes of a process.
pub struct Brakes {
    key: hmac::Key,
    entries: HashMap<CredentialId, CredentialEntry>,
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
    /// destroys are not sent in their namespaces until each of them was checked ([`Brakes::resource_checked`]), or a minute
    /// has passed.
    pub fn expect(&mut self, resources: impl IntoIterator<Item = (String, String)>, now: Time) {
        for (namespace, name) in resources {
            self.expected.entry(namespace).or_default().insert(name);
        }
        self.expected_until = now + LONGEST_STATUS_WAIT;
    }

    /// A resource was checked: the refusals in its status were noted, or it is gone.
    pub fn resource_checked(&mut self, namespace: &str, name: &str) {
        if let Some(names) = self.expected.get_mut(namespace) {
            names.remove(name);
            if names.is_empty() {
                self.expected.remove(namespace);
            }
        }
    }

    /// Whether a request may be sent. Call this directly before sending.
    pub fn check(&mut self, request: &BrakedRequest, now: Time) -> Clearance {
        let ids: Vec<(CredentialKind, CredentialId)> = request
            .credentials
            .iter()
            .map(|credential| (credential.kind, self.id(credential)))
            .collect();
        let mut wait = self.wait_for_statuses(request, now);
        // Of several secrets that prove the client nobody knows which was refused: one that was not may be tried.
        let (mut refused_secret, mut other_secret) = (None, false);
        for (kind, id) in &ids {
            let entry = self.entries.get(id);
            let allows = entry.map_or(Allows::Now, |entry| entry.allows(*kind, request, now));
            match allows {
                Allows::No(refusal) if *kind == CredentialKind::ClientSecret => {
                    refused_secret = Some(refusal);
                    continue;
                }
                Allows::No(refusal) => return Clearance::Refused(refusal),
                Allows::Waiting(until) => wait = wait.max(Some(until)),
                Allows::Now => {}
            }
            other_secret |= *kind == CredentialKind::ClientSecret;
        }
        if let Some(refusal) = refused_secret.filter(|_| !other_secret) {
            return Clearance::Refused(refusal);
        }
        if let Some(until) = wait {
            return Clearance::Wait(until);
        }
        self.tickets += 1;
        let ticket = self.tickets;
        for (kind, id) in &ids {
            self.begin(*kind, *id, request, ticket, now);
        }
        Clearance::Granted(Permit {
            ids,
            namespace: request.namespace.clone(),
            form: request.form,
            ticket,
        })
    }

    /// Reports the outcome of a request. For a refused client secret, it returns the time before which no resource
    /// sends it again. `jitter` is in [0,1).
    pub fn report_outcome(
        &mut self,
        permit: Permit,
        outcome: CredentialOutcome,
        now: Time,
        jitter: f64,
    ) -> Option<Time> {
        let mut next = None;
        for (kind, id) in &permit.ids {
            match outcome {
                CredentialOutcome::Accepted => self.accepted(*id, &permit, now),
                CredentialOutcome::Refused {
                    kind: refused,
                    reason,
                } if refused == *kind => {
                    let entry = self.entry(*kind, *id, &permit.namespace, now);
                    entry.refuse(reason, permit.form, now, jitter);
                    next = entry.refused.as_ref().and_then(|refused| refused.next);
                }
                CredentialOutcome::Refused { .. } | CredentialOutcome::Unknown => {}
            }
            self.release(*id, &permit);
            // It is used once and then replaced, so nothing needs to be kept.
            if outcome == CredentialOutcome::Accepted && *kind == CredentialKind::RefreshToken {
                self.forget(*id);
            }
        }
        next
    }

    /// Notes a refusal from a status, unless newer facts are known.
    pub fn note_refusal(
        &mut self,
        namespace: &str,
        credential: &Credential,
        refusal: &CredentialRefusal,
        now: Time,
    ) {
        let id = self.id(credential);
        let known = self.entries.get(&id);
        let newer = known.is_some_and(|entry| {
            entry.refused.is_some() || entry.worked.is_some_and(|worked| worked >= refusal.time)
        });
        if newer {
            return;
        }
        let entry = self.entry(credential.kind, id, namespace, now);
        entry.refused = Some(RefusedState {
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
    fn wait_for_statuses(&self, request: &BrakedRequest, now: Time) -> Option<Time> {
        let harmful = request
            .credentials
            .iter()
            .any(|credential| credential.kind.is_destroyed_by_repetition());
        let waits = harmful
            && now < self.expected_until
            && self.expected_until.since(now) <= LONGEST_STATUS_WAIT
            && self.expected.contains_key(&request.namespace);
        waits.then_some(now + SHORTEST_WAIT)
    }

    fn begin(
        &mut self,
        kind: CredentialKind,
        id: CredentialId,
        request: &BrakedRequest,
        ticket: u64,
        now: Time,
    ) {
        let known = self.entries.get(&id);
        let doubtful = match kind {
            CredentialKind::Password | CredentialKind::RefreshToken => {
                !known.is_some_and(|entry| entry.is_proven(now))
                    || known.is_some_and(CredentialEntry::is_closed)
            }
            CredentialKind::ClientSecret => known.is_some_and(|entry| entry.refused.is_some()),
        };
        if doubtful && !(kind == CredentialKind::ClientSecret && request.proven) {
            let until = now + request.timeout + request.timeout + PROVEN;
            let entry = self.entry(kind, id, &request.namespace, now);
            entry.trying = Some((ticket, now, until));
        } else if let Some(entry) = self.entries.get_mut(&id) {
            entry.used = now;
        }
    }

    fn accepted(&mut self, id: CredentialId, permit: &Permit, now: Time) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        entry.worked = Some(now);
        let overruled = |refused: &RefusedState| refused.form != 0 && refused.form != permit.form;
        match &mut entry.refused {
            Some(refused) if entry.kind.is_destroyed_by_repetition() && overruled(refused) => {
                refused.overruled = true;
            }
            refused => *refused = None,
        }
    }

    fn release(&mut self, id: CredentialId, permit: &Permit) {
        if let Some(entry) = self.entries.get_mut(&id)
            && entry
                .trying
                .is_some_and(|(ticket, _, _)| ticket == permit.ticket)
        {
            entry.trying = None;
        }
    }

    fn id(&self, credential: &Credential) -> CredentialId {
        let mut context = hmac::Context::with_key(&self.key);
        let kind: &[u8] = match credential.kind {
            CredentialKind::Password => b"password",
            CredentialKind::RefreshToken => b"refresh token",
            CredentialKind::ClientSecret => b"client secret",
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
    fn entry(
        &mut self,
        kind: CredentialKind,
        id: CredentialId,
        namespace: &str,
        now: Time,
    ) -> &mut CredentialEntry {
        let namespace = self.namespace_id(namespace);
        if !self.entries.contains_key(&id) {
            self.make_room(namespace, now);
            *self.counts.entry(namespace).or_default() += 1;
        }
        let entry = self.entries.entry(id).or_insert_with(|| CredentialEntry {
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

    fn forget(&mut self, id: CredentialId) {
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
