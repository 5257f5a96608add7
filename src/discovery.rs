//! The cache of discovery documents, one for all resources.
//!
//! - There is one document for each issuer and CA bundle: a thousand resources of one issuer cause one request, and
//!   concurrent callers wait for its response.
//! - A failure is cached too ([`FAILED_FOR`]), and all waiting callers share it.
//! - If a discovered endpoint fails ([`Discovery::invalidate`]), the document is read again before the next request, at most
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

use failure::{refused, sent, specificity};

/// How long a failure is cached.
pub const FAILED_FOR: Span = Span::from_seconds(10);
/// The minimum age at which an invalidated document is read again.
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
    cache: StdMutex<Cache>,
}

#[derive(Default)]
struct Cache {
    documents: HashMap<Name, Arc<CachedDocument>>,
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
struct CachedDocument {
    state: Mutex<DocumentState>,
    last_used: StdMutex<u64>,
    /// Host and port of the token endpoint, as last discovered.
    host: StdMutex<Option<Arc<str>>>,
}

#[derive(Default)]
struct DocumentState {
    read: Option<Read>,
    failed: Option<Failed>,
    invalidated: bool,
    /// Which of the two URLs had the document. It is tried first from then on.
    url_index: usize,
}

struct Read {
    metadata: Arc<Metadata>,
    at: Time,
    fresh_for: Span,
}

struct Failed {
    failure: Failure,
    at: Time,
    /// How long the caller waited. A caller with a longer time-out tries again.
    time_limit: Duration,
}

impl Read {
    fn is_fresh(&self, now: Time, invalidated: bool) -> bool {
        let age = now.since(self.at);
        // A document from the future means that the clock was set back.
        age >= Span::ZERO && age < self.fresh_for && !(invalidated && age >= AGAIN_AFTER)
    }

    fn is_usable(&self, now: Time) -> bool {
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
            cache: StdMutex::default(),
        }
    }

    /// The document of an issuer, cached or read now. Takes at most `time_limit`, including the wait for others.
    ///
    /// # Errors
    /// Why there is none, as a failure of the token request.
    pub async fn get(
        &self,
        issuer: &Issuer,
        ca: Option<CaBundle>,
        time_limit: Duration,
    ) -> Result<Arc<Metadata>, Failure> {
        let name = Name {
            issuer: issuer.clone(),
            bundle: ca.as_ref().map(CaBundle::digest),
        };
        let document = self.document(name);
        match timeout(time_limit, self.read(&document, issuer, ca, time_limit)).await {
            Ok(result) => result,
            // Another caller with a longer time-out is still reading.
            Err(_) => Err(sent(issuer, &late(time_limit))),
        }
    }

    /// A discovered endpoint has failed: read the document again before it is used.
    pub fn invalidate(&self, issuer: &Issuer, ca: Option<&CaBundle>) {
        let name = Name {
            issuer: issuer.clone(),
            bundle: ca.map(CaBundle::digest),
        };
        let document = self.cache().documents.get(&name).cloned();
        // If the lock is taken, another caller is reading it now.
        if let Some(document) = document
            && let Ok(mut state) = document.state.try_lock()
        {
            state.invalidated = true;
        }
    }

    /// Host and port of the discovered token endpoint of an issuer, if any.
    pub fn host(&self, issuer: &Issuer) -> Option<Arc<str>> {
        let cache = self.cache();
        let name = Name {
            issuer: issuer.clone(),
            bundle: None,
        };
        if let Some(host) = cache
            .documents
            .get(&name)
            .and_then(|one| lock(&one.host).clone())
        {
            return Some(host);
        }
        cache
            .documents
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
    pub async fn prerequisite(
        &self,
        seen: &Observed,
        spec: &Validated,
    ) -> Result<Fetched, Failure> {
        let Some(located) = &spec.client.issuer else {
            return Err(sent_nowhere());
        };
        self.get(&located.issuer, bundle_of(seen), spec.timeout.to_duration())
            .await
            .map(Fetched::Discovery)
    }

    /// A discovered endpoint of this resource has failed.
    pub fn invalidate_for(&self, seen: &Observed, spec: &Validated) {
        if let Some(located) = &spec.client.issuer {
            self.invalidate(&located.issuer, bundle_of(seen).as_ref());
        }
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        lock(&self.cache)
    }

    fn document(&self, name: Name) -> Arc<CachedDocument> {
        let mut cache = self.cache();
        cache.uses += 1;
        let uses = cache.uses;
        if !cache.documents.contains_key(&name) && cache.documents.len() >= MOST_DOCUMENTS {
            let oldest = cache
                .documents
                .iter()
                .min_by_key(|(_, document)| *lock(&document.last_used))
                .map(|(name, _)| name.clone());
            if let Some(oldest) = oldest {
                cache.documents.remove(&oldest);
            }
        }
        let document = Arc::clone(cache.documents.entry(name).or_default());
        *lock(&document.last_used) = uses;
        if let Some(metrics) = &self.metrics {
            metrics.discovery_documents(cache.documents.len());
        }
        document
    }

    async fn read(
        &self,
        document: &CachedDocument,
        issuer: &Issuer,
        ca: Option<CaBundle>,
        time_limit: Duration,
    ) -> Result<Arc<Metadata>, Failure> {
        let mut state = document.state.lock().await;
        let now = self.clock.now();
        if let Some(read) = state
            .read
            .as_ref()
            .filter(|read| read.is_fresh(now, state.invalidated))
        {
            return Ok(Arc::clone(&read.metadata));
        }
        if let Some(failed) = state
            .failed
            .as_ref()
            .filter(|failed| failed.holds(now, time_limit))
        {
            return state.or_stale(now, failed.failure.clone());
        }
        let fetched = timeout(
            time_limit,
            self.request(issuer, ca.as_ref(), time_limit, state.url_index),
        );
        let fetched = fetched
            .await
            .unwrap_or_else(|_| Err(sent(issuer, &late(time_limit))));
        let now = self.clock.now();
        if let Some(metrics) = &self.metrics {
            metrics.discovery(
                fetched
                    .as_ref()
                    .map_or_else(|failure| failure.reason(), |_| "success"),
            );
        }
        state.invalidated = false;
        match fetched {
            Ok((metadata, fresh_for, url_index)) => {
                let metadata = Arc::new(metadata);
                *lock(&document.host) = Some(host_queue_of(&metadata.endpoints.token));
                state.url_index = url_index;
                state.failed = None;
                state.read = Some(Read {
                    metadata: Arc::clone(&metadata),
                    at: now,
                    fresh_for,
                });
                Ok(metadata)
            }
            Err(failure) => {
                state.failed = Some(Failed {
                    failure: failure.clone(),
                    at: now,
                    time_limit,
                });
                state.or_stale(now, failure)
            }
        }
    }

    /// Tries the possible URLs of the document: the second one only if the first returned something else.
    async fn request(
        &self,
        issuer: &Issuer,
        ca: Option<&CaBundle>,
        time_limit: Duration,
        first: usize,
    ) -> Result<(Metadata, Span, usize), Failure> {
        let route = Route {
            ca: ca.cloned(),
            // The document is public, so the client does not identify itself.
            identity: None,
            timeout: time_limit,
        };
        let mut problem: Option<Failure> = None;
        let mut rank = 0;
        let urls = issuer.documents();
        for url_index in [first, 1 - first.min(1)] {
            let Some(url) = urls.get(url_index) else {
                continue;
            };
            let (answer, caching) = self
                .sender
                .fetch(url, &route)
                .await
                .map_err(|error| sent(issuer, &error))?;
            let received = self.clock.now();
            match decode(issuer, &answer) {
                Ok(metadata) => return Ok((metadata, freshness(&caching, received), url_index)),
                Err(unusable) => {
                    let wait = answer.retry_after.as_deref();
                    let wait = wait.and_then(|value| retry_after(value, received));
                    let specificity = specificity(&unusable);
                    let busy = matches!(unusable, Unusable::Status(429 | 503));
                    if problem.is_none() || specificity > rank {
                        rank = specificity;
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
    fn holds(&self, now: Time, time_limit: Duration) -> bool {
        let age = now.since(self.at);
        age >= Span::ZERO && age < FAILED_FOR && self.time_limit >= time_limit
    }
}

impl DocumentState {
    /// The last document if it is only temporarily unavailable, otherwise the failure.
    fn or_stale(&self, now: Time, failure: Failure) -> Result<Arc<Metadata>, Failure> {
        match &self.read {
            Some(read) if failure.class == FailureClass::Transient && read.is_usable(now) => {
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

fn late(time_limit: Duration) -> SendError {
    SendError::Timeout {
        after: time_limit,
        answering: false,
    }
}
