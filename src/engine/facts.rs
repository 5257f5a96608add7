//! What drivers tell the engine, in the words of what it needs to know.

use std::fmt;
use std::sync::Arc;

use crate::time::Time;

use super::CLOCK_STEP;

/// Names one resource: `namespace/name`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Arc<str>);

impl Key {
    /// The resource `name` in `namespace`.
    pub fn new(namespace: &str, name: &str) -> Self {
        Key(format!("{namespace}/{name}").into())
    }

    /// The namespace; no Kubernetes name holds a slash.
    pub fn namespace(&self) -> &str {
        self.0
            .split_once('/')
            .map_or("", |(namespace, _)| namespace)
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        // Two counters stand before the text.
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

/// What a driver saw happen.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The resource as it is now (from a watch or a list).
    Resource(ResourceFacts),
    /// The resource is gone.
    Gone,
    /// Its token Secret as it is now; `None` when it is gone (or may be: the driver looks before it believes it).
    Token(Option<TokenFacts>),
    /// Its credentials Secret as it is now, by metadata alone; `None` when there is none with the opt-in label.
    Credentials(Option<CredentialsFacts>),
    /// Look at it again (a background check of contents, a lost watch).
    Look,
}

/// What the engine needs to know of a resource; hashes stand for what is compared only.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceFacts {
    /// The object's UID, hashed.
    pub uid: u64,
    /// `metadata.generation`.
    pub generation: i64,
    /// Hash of what the spec makes us send and render ([`crate::inputs`]), or 0 where the spec is not valid.
    pub inputs: u64,
    /// The lane: the token endpoint's host and port.
    pub host: Arc<str>,
    /// The refresh-on-demand annotation's value, hashed; 0 for none.
    pub refresh_request: u64,
    /// `spec.suspend`.
    pub suspended: bool,
    /// A deletion time stamp is set.
    pub deleting: bool,
    /// The status is of this generation and says what holds: nothing to write as long as nothing else changes.
    pub reported: bool,
    /// When the status says that the token is to be replaced, in whole seconds; `None` where it does not tell. A token
    /// Secret that says otherwise was written without the status having followed: it is looked at.
    pub told_refresh: Option<Time>,
    /// The failing request that the status tells of, if any.
    pub attempt: Option<Attempt>,
}

/// What the engine needs to know of a published token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenFacts {
    /// UID of the owner named by the Secret, hashed.
    pub owner: u64,
    /// The Secret's resourceVersion, hashed.
    pub version: u64,
    /// When the request was sent.
    pub issued: Time,
    /// When it ends.
    pub expires: Time,
    /// When it is due to be replaced.
    pub refresh: Time,
    /// The inputs it was made from.
    pub inputs: u64,
    /// The version of the credentials it was made from.
    pub credentials: u64,
    /// The refresh request that was handled last; 0 for none.
    pub refresh_request: u64,
}

/// What the engine needs to know of a credentials Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CredentialsFacts {
    /// UID and resourceVersion, hashed.
    pub version: u64,
}

/// A failing request, and when it may be made again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attempt {
    /// How many requests in a row have failed.
    pub failures: u32,
    /// When the last one was sent.
    pub time: Time,
    /// When the next may be made; [`Time::NEVER`] when only a change helps.
    pub next: Time,
    /// The end of the `Retry-After` that came with the last failure; the same as `time` where there was none. Not even a
    /// change of the spec asks before it, unless endpoint or client changed.
    pub not_before: Time,
    /// The inputs (spec and credentials version) that failed: [`attempt_inputs`].
    pub inputs: u64,
}

impl Attempt {
    /// Whether it lies in the future of a clock that was set back since: then none of its times means anything.
    pub fn is_in_the_future(&self, now: Time) -> bool {
        self.time > now + CLOCK_STEP
    }

    /// When the next request is due: `next`, but now for an attempt that lies in the future of a clock that was set back.
    /// One that waits for a person goes on waiting.
    pub fn due(&self, now: Time) -> Time {
        if self.is_in_the_future(now) && self.next < Time::NEVER {
            now
        } else {
            self.next
        }
    }
}

/// The inputs of a failed request as one number: the spec's inputs and the version of the credentials (0 for none). It is
/// kept in the status, so it must come out the same in every version of this program.
pub const fn attempt_inputs(inputs: u64, credentials: u64) -> u64 {
    // SplitMix64's finaliser over both, in order.
    const fn mix(mut z: u64) -> u64 {
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    mix(mix(inputs).wrapping_add(0x9e37_79b9_7f4a_7c15) ^ credentials)
}

/// Inputs of a format that this version does not know: taken as matching, since an upgrade must not refetch a fleet.
pub const ANY_INPUTS: u64 = u64::MAX;
