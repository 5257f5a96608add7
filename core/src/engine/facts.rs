//! The facts that drivers report to the engine.

use std::fmt;
use std::sync::Arc;

use crate::time::{Span, Time};

/// Identifies a resource: `namespace/name`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Arc<str>);

impl Key {
    /// The resource `name` in `namespace`.
    pub fn new(namespace: &str, name: &str) -> Self {
        Key(format!("{namespace}/{name}").into())
    }

    /// The namespace. Kubernetes names contain no slash.
    pub fn namespace(&self) -> &str {
        self.0
            .split_once('/')
            .map_or("", |(namespace, _)| namespace)
    }

    /// Memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        // Two counters precede the text.
        self.0.len() + 2 * size_of::<usize>()
    }

    /// The name.
    pub fn name(&self) -> &str {
        self.0.split_once('/').map_or(&*self.0, |(_, name)| name)
    }
}

/// `namespace/name`.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A change that a driver observed.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The current state of the resource (from a watch or a list).
    Resource(ResourceFacts),
    /// The resource was deleted.
    Gone,
    /// The current state of its token Secret; `None` if it was deleted, or may have been: the driver reads it before it
    /// believes that.
    Token(Option<TokenFacts>),
    /// The current metadata of its credentials Secret; `None` if there is none with the opt-in label.
    Credentials(Option<CredentialsFacts>),
    /// Reconcile it (a background check of contents, a lost watch).
    Look,
}

/// What the engine needs to know about a resource. Values that are only compared are hashed.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceFacts {
    /// Hash of the object's UID.
    pub uid: u64,
    /// `metadata.generation`.
    pub generation: i64,
    /// Hash of the spec's inputs for request and templates (`inputs` of the operator), or 0 if the spec is invalid.
    pub inputs: u64,
    /// The host queue: host and port of the token endpoint.
    pub host: Arc<str>,
    /// Hash of the refresh-on-demand annotation; 0 for none.
    pub refresh_request: u64,
    /// `spec.suspend`.
    pub suspended: bool,
    /// Whether a deletion time stamp is set.
    pub deleting: bool,
    /// Whether the status is up to date: of this generation, with nothing to write as long as nothing else changes.
    pub reported: bool,
    /// The refresh time in the status, in whole seconds; `None` if it has none. If it differs from the token Secret,
    /// the status was not written after the Secret, so the resource is reconciled.
    pub reported_refresh: Option<Time>,
    /// The failed request in the status, if any.
    pub attempt: Option<Attempt>,
}

/// What the engine needs to know about a published token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenFacts {
    /// Hash of the UID of the Secret's owner.
    pub owner: u64,
    /// Hash of the Secret's resourceVersion.
    pub version: u64,
    /// When its request was sent.
    pub issued: Time,
    /// When it expires.
    pub expires: Time,
    /// When it is due for a refresh.
    pub refresh: Time,
    /// The inputs that it was requested with.
    pub inputs: u64,
    /// The version of the credentials that it was requested with.
    pub credentials: u64,
    /// The last handled refresh request; 0 for none.
    pub refresh_request: u64,
}

/// What the engine needs to know about a credentials Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CredentialsFacts {
    /// Hash of UID and resourceVersion.
    pub version: u64,
}

/// A failed request, and when it may be retried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attempt {
    /// How many requests in a row have failed.
    pub failures: u32,
    /// When the last one was sent.
    pub time: Time,
    /// When the next one may be sent; [`Time::NEVER`] if only a change helps.
    pub next: Time,
    /// The end of the `Retry-After` of the last failure; equal to `time` if there was none. No request is sent before
    /// it, not even after a change of the spec, unless endpoint or client changed.
    pub not_before: Time,
    /// The inputs (spec and credentials version) that failed: [`attempt_inputs`].
    pub inputs: u64,
}

impl Attempt {
    /// Whether it is in the future, because the clock was set back since. Then none of its times has a meaning.
    pub fn is_in_the_future(&self, now: Time) -> bool {
        self.time > now + CLOCK_STEP
    }

    /// When the next request is due: at `next`, but now for an attempt in the future of a clock that was set back. One
    /// that waits for a person continues to wait.
    pub fn due(&self, now: Time) -> Time {
        if self.is_in_the_future(now) && self.next < Time::NEVER {
            now
        } else {
            self.next
        }
    }
}

/// The inputs of a failed request as one number: the spec's inputs and the version of the credentials (0 for none). The
/// status stores it, so every version of the program must compute the same value.
pub const fn attempt_inputs(inputs: u64, credentials: u64) -> u64 {
    // SplitMix64's finaliser over both, in order.
    const fn mix(mut z: u64) -> u64 {
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    mix(mix(inputs).wrapping_add(0x9e37_79b9_7f4a_7c15) ^ credentials)
}

/// Inputs in an unknown format. They match everything, because an upgrade must not request tokens for a whole fleet.
pub const ANY_INPUTS: u64 = u64::MAX;

/// Smaller steps back of the clock do not matter, because every lead time includes that much.
pub(crate) const CLOCK_STEP: Span = Span::from_seconds(60);
