//! The cache of discovery documents, one for all resources.
//!
//! - There is one document for each issuer and CA bundle: a thousand resources of one issuer cause one request, and
//!   concurrent callers wait for its response.
//! - A failure is cached too ([`FAILED_FOR`]), and all waiting callers share it.
//! - If a discovered endpoint fails ([`Discovery::doubt`]), the document is read again before the next request, at most
//!   once in [`AGAIN_AFTER`].
//! - If a document can no longer be read, the last one stays in use for up to [`STALE_FOR`], because the token endpoint
//!   of such an issuer may still work.
//! - Nothing secret is sent, nothing is stored, and nothing is read before a token is due.

mod failure;

use std::collections::HashMap;
use std::sync::{Arc, Mutex as StdMutex};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::api::validate::Validated;
use crate::clock::Clock;
use crate::exchange::bundle_of;
use crate::http::{CaBundle, Route, SendError, Sender};
use crate::lock::lock;
use crate::messages::RequestFinding;
use crate::metrics::Metrics;
use crate::model::{Failure, Fetched, Observed};
use crate::oauth::discovery::{Unusable, decode, freshness};
use crate::oauth::error::Reached;
use crate::oauth::response::retry_after;
use crate::oauth::{FailureClass, Issuer, Metadata};
use crate::policy::{host_queue, host_queue_of};
use crate::time::{Span, Time};

use failure::{refused, sent, worth};

/// How long a failure is cached.
pub const FAILED_FOR: Span = Span::from_seconds(10);
/// The minimum age at which a doubted document is read again.
pub const AGAIN_AFTER: Span = Span::from_seconds(60);
/// The maximum age of a document that cannot be read again.
pub const STALE_FOR: Span = Span::from_seconds(24 * 3600);
/// The maximum number of documents. The least recently used one is dropped first.
pub const MOST_DOCUMENTS: usize = 1024;

/// Reads and caches documents.
pub struct Discovery {
    sender: Sender,
    clock: Clock,
    metrics: Option<Metrics>,
    kept: StdMutex<Kept>,
}

#[derive(Default)]
struct Kept {
    documents: HashMap<Name, Arc<Document>>,
    uses: u64,
}

/// The cache key: a document that was verified with one CA bundle is not used for resources with another one.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Name {
    issuer: Issuer,
    bundle: Option<[u8; 32]>,
}

/// One document. Only one caller reads it at a time.
#[derive(Default)]
struct Document {
    state: Mutex<State>,
    last_used: StdMutex<u64>,
    /// Host and port of the token endpoint, as last discovered.
    host: StdMutex<Option<Arc<str>>>,
}

#[derive(Default)]
struct State {
    read: Option<Read>,
    failed: Option<Failed>,
    doubted: bool,
    /// Which of the two URLs had the document. It is tried first from then on.
    place: usize,
}

struct Read {
    metadata: Arc<Metadata>,
    at: Time,
    believed_for: Span,
}

struct Failed {
    failure: Failure,
    at: Time,
    /// How long the caller waited. A caller with a longer time-out tries again.
    patience: Duration,
}

impl Read {
    fn is_fresh(&self, now: Time, doubted: bool) -> bool {
        let age = now.since(self.at);
        // A document from the future means that the clock was set back.
        age >= Span::ZERO && age < self.believed_for && !(doubted && age >= AGAIN_AFTER)
    }

    fn will_do(&self, now: Time) -> bool {
        let age = now.since(self.at);
        age >= Span::ZERO && age < STALE_FOR
    }
}

impl Discovery {
    /// An empty cache.
    pub fn new(sender: Sender, clock: Clock, metrics: Option<Metrics>) -> Self {
        Discovery {
            sender,
            clock,
            metrics,
            kept: StdMutex::default(),
        }
    }

    /// The document of an issuer, cached or read now. Takes at most `patience`, including the wait for others.
    ///
    /// # Errors
    /// Why there is none, as a failure of the token request.
    pub async fn get(
        &self,
        issuer: &Issuer,
        ca: Option<CaBundle>,
        patience: Duration,
    ) -> Result<Arc<Metadata>, Failure> {
        let name = Name {
            issuer: issuer.clone(),
            bundle: ca.as_ref().map(CaBundle::digest),
        };
        let document = self.document(name);
        match timeout(patience, self.read(&document, issuer, ca, patience)).await {
            Ok(result) => result,
            // Another caller with a longer time-out is still reading.
            Err(_) => Err(sent(issuer, &late(patience))),
        }
    }

    /// A discovered endpoint has failed: read the document again before it is used.
    pub fn doubt(&self, issuer: &Issuer, ca: Option<&CaBundle>) {
        let name = Name {
            issuer: issuer.clone(),
            bundle: ca.map(CaBundle::digest),
        };
        let document = self.kept().documents.get(&name).cloned();
        // If the lock is taken, another caller is reading it now.
        if let Some(document) = document
            && let Ok(mut state) = document.state.try_lock()
        {
            state.doubted = true;
        }
    }

    /// Host and port of the discovered token endpoint of an issuer, if any.
    pub fn host(&self, issuer: &Issuer) -> Option<Arc<str>> {
        let kept = self.kept();
        let name = Name {
            issuer: issuer.clone(),
            bundle: None,
        };
        if let Some(host) = kept
            .documents
            .get(&name)
            .and_then(|one| lock(&one.host).clone())
        {
            return Some(host);
        }
        kept.documents
            .iter()
            .filter(|(name, _)| name.issuer == *issuer)
            .find_map(|(_, document)| lock(&document.host).clone())
    }

    /// The host queue of a resource: the host of its token endpoint, or of its issuer until that is discovered.
    pub fn host_queue(&self, spec: &Validated) -> Arc<str> {
        let discovered = match &spec.client.issuer {
            Some(located) => self.host(&located.issuer),
            None => None,
        };
        discovered.unwrap_or_else(|| host_queue(spec))
    }

    /// Gets the prerequisites of a resource's request from its issuer.
    ///
    /// # Errors
    /// As [`Discovery::get`].
    pub async fn need(&self, seen: &Observed, spec: &Validated) -> Result<Fetched, Failure> {
        let Some(located) = &spec.client.issuer else {
            return Err(sent_nowhere());
        };
        self.get(&located.issuer, bundle_of(seen), spec.timeout.to_duration())
            .await
            .map(Fetched::Discovery)
    }

    /// A discovered endpoint of this resource has failed.
    pub fn doubt_of(&self, seen: &Observed, spec: &Validated) {
        if let Some(located) = &spec.client.issuer {
            self.doubt(&located.issuer, bundle_of(seen).as_ref());
        }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        lock(&self.kept)
    }

    fn document(&self, name: Name) -> Arc<Document> {
        let mut kept = self.kept();
        kept.uses += 1;
        let uses = kept.uses;
        if !kept.documents.contains_key(&name) && kept.documents.len() >= MOST_DOCUMENTS {
            let oldest = kept
                .documents
                .iter()
                .min_by_key(|(_, document)| *lock(&document.last_used))
                .map(|(name, _)| name.clone());
            if let Some(oldest) = oldest {
                kept.documents.remove(&oldest);
            }
        }
        let document = Arc::clone(kept.documents.entry(name).or_default());
        *lock(&document.last_used) = uses;
        if let Some(metrics) = &self.metrics {
            metrics.discovery_documents(kept.documents.len());
        }
        document
    }

    async fn read(
        &self,
        document: &Document,
        issuer: &Issuer,
        ca: Option<CaBundle>,
        patience: Duration,
    ) -> Result<Arc<Metadata>, Failure> {
        let mut state = document.state.lock().await;
        let now = self.clock.now();
        if let Some(read) = state
            .read
            .as_ref()
            .filter(|read| read.is_fresh(now, state.doubted))
        {
            return Ok(Arc::clone(&read.metadata));
        }
        if let Some(failed) = state
            .failed
            .as_ref()
            .filter(|failed| failed.holds(now, patience))
        {
            return state.or_the_last(now, failed.failure.clone());
        }
        let asked = timeout(
            patience,
            self.ask(issuer, ca.as_ref(), patience, state.place),
        );
        let asked = asked
            .await
            .unwrap_or_else(|_| Err(sent(issuer, &late(patience))));
        let now = self.clock.now();
        if let Some(metrics) = &self.metrics {
            metrics.discovery(
                asked
                    .as_ref()
                    .map_or_else(|failure| failure.reason(), |_| "success"),
            );
        }
        state.doubted = false;
        match asked {
            Ok((metadata, believed_for, place)) => {
                let metadata = Arc::new(metadata);
                *lock(&document.host) = Some(host_queue_of(&metadata.endpoints.token));
                state.place = place;
                state.failed = None;
                state.read = Some(Read {
                    metadata: Arc::clone(&metadata),
                    at: now,
                    believed_for,
                });
                Ok(metadata)
            }
            Err(failure) => {
                state.failed = Some(Failed {
                    failure: failure.clone(),
                    at: now,
                    patience,
                });
                state.or_the_last(now, failure)
            }
        }
    }

    /// Tries the possible URLs of the document: the second one only if the first returned something else.
    async fn ask(
        &self,
        issuer: &Issuer,
        ca: Option<&CaBundle>,
        patience: Duration,
        first: usize,
    ) -> Result<(Metadata, Span, usize), Failure> {
        let route = Route {
            ca: ca.cloned(),
            // The document is public, so the client does not identify itself.
            identity: None,
            timeout: patience,
        };
        let mut problem: Option<Failure> = None;
        let mut rank = 0;
        let places = issuer.documents();
        for place in [first, 1 - first.min(1)] {
            let Some(url) = places.get(place) else {
                continue;
            };
            let (answer, caching) = self
                .sender
                .fetch(url, &route)
                .await
                .map_err(|error| sent(issuer, &error))?;
            let received = self.clock.now();
            match decode(issuer, &answer) {
                Ok(metadata) => return Ok((metadata, freshness(&caching, received), place)),
                Err(unusable) => {
                    let wait = answer.retry_after.as_deref();
                    let wait = wait.and_then(|value| retry_after(value, received));
                    let worth = worth(&unusable);
                    let busy = matches!(unusable, Unusable::Status(429 | 503));
                    if problem.is_none() || worth > rank {
                        rank = worth;
                        problem = Some(refused(issuer, url, &unusable, wait));
                    }
                    if busy {
                        break;
                    }
                }
            }
        }
        Err(problem.unwrap_or_else(|| sent(issuer, &SendError::BadUrl)))
    }
}

impl Failed {
    fn holds(&self, now: Time, patience: Duration) -> bool {
        let age = now.since(self.at);
        age >= Span::ZERO && age < FAILED_FOR && self.patience >= patience
    }
}

impl State {
    /// The last document if it is only temporarily unavailable, otherwise the failure.
    fn or_the_last(&self, now: Time, failure: Failure) -> Result<Arc<Metadata>, Failure> {
        match &self.read {
            Some(read) if failure.class == FailureClass::Transient && read.will_do(now) => {
                Ok(Arc::clone(&read.metadata))
            }
            _ => Err(failure),
        }
    }
}

/// No issuer is configured, so there is nothing to discover.
fn sent_nowhere() -> Failure {
    Failure::new(
        FailureClass::Permanent,
        RequestFinding::NoIssuer,
        Reached::Never,
    )
}

fn late(patience: Duration) -> SendError {
    SendError::Timeout {
        after: patience,
        answering: false,
    }
}
