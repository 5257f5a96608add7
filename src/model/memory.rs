//! What the process remembers of a resource between two reconciles.

use std::collections::BTreeMap;

use crate::api::{OAuthClientStatus, RepairStatus};
use crate::model::{FailedAttempt, FamilyMemory, SecretSeen, TokenState, data_hash, short};
use crate::secret::Secret;
use crate::time::Time;
use crate::{inputs, schedule};

/// What the process remembers of a resource between two walks.
#[derive(Clone, Default)]
pub struct Memory {
    /// The failing request, if the last one failed.
    pub attempt: Option<Box<FailedAttempt>>,
    /// A keyed hash of the credentials' content that is known to belong to a version of the Secret.
    pub fingerprint: Option<Fingerprint>,
    /// How often the token Secret had to be repaired, and when last.
    pub repairs: Repairs,
    /// Another resource that is about to write the same Secret; the driver's to say with each look.
    pub target_claimed_by: Option<String>,
    /// When the process last sent a request for it.
    pub last_sent: Option<Time>,
    /// What the process wrote last.
    pub written: Option<Written>,
    /// The token Secret as it should be, of which annotations alone may be altered.
    pub noted: Option<Noted>,
    /// The watch told that the token Secret is gone; the driver's to set, over when it is seen again.
    pub told_gone: bool,
    /// How often it was tried to revoke the token of a resource that is being deleted.
    pub partings: u32,
    /// How often in a row what was read contradicted what was written.
    pub doubts: u32,
    /// What is remembered of its chain of refresh tokens.
    pub chain: FamilyMemory,
}

/// What the process itself wrote into a token Secret: an older view than this is a stale one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The Secret's UID, hashed.
    pub uid: u64,
    /// The resourceVersion that came of it; they count up.
    pub resource_version: u64,
}

/// A keyed hash of the content of a credentials Secret; the key never leaves the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// The version of the Secret ([`SecretSeen::version`]), hashed.
    pub version: u64,
    /// The keyed hash.
    pub content: u64,
}

/// Repairs of an altered or deleted token Secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repairs {
    /// How many in a row.
    pub count: u32,
    /// When the last one was made.
    pub last: Time,
}

/// What this process knows of a token Secret that was as it should be: by this it tells what somebody else altered, and mends
/// it without asking for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noted {
    /// The Secret's UID, hashed.
    pub uid: u64,
    /// When the request that gave the token was sent.
    pub issued: Time,
    /// When the token expires.
    pub expires: Time,
    /// When it is to be replaced.
    pub refresh: Time,
    /// The inputs it was made from, hashed.
    pub inputs: u64,
    /// The version of the credentials it was made from, hashed.
    pub credentials: u64,
    /// A hash of the data of ours.
    pub data: u64,
    /// The generation of the spec when it was so.
    pub generation: i64,
}

impl Noted {
    /// What is to be known of a Secret with this UID and these data, which carries this state.
    pub fn of(
        uid: &str,
        state: &TokenState,
        data: &BTreeMap<String, Secret>,
        generation: i64,
    ) -> Noted {
        Noted {
            uid: short(uid),
            issued: state.issued,
            expires: state.expires,
            refresh: state.refresh,
            inputs: inputs::short(&state.inputs),
            credentials: short(&state.credentials),
            data: data_hash(&state.managed.data, data),
            generation,
        }
    }

    /// Whether a state says the same.
    pub fn is(&self, state: &TokenState) -> bool {
        (self.issued, self.expires, self.refresh) == (state.issued, state.expires, state.refresh)
            && self.inputs == inputs::short(&state.inputs)
            && self.credentials == short(&state.credentials)
    }
}

impl Repairs {
    /// What a status tells of them, after a restart.
    pub fn from_status(status: &OAuthClientStatus) -> Option<Repairs> {
        let told = status.repairs.as_ref()?;
        Some(Repairs {
            count: u32::try_from(told.count).ok()?,
            last: Time::parse_rfc3339(&told.time)?,
        })
    }

    /// For a status; `None` where there were none, or none for long.
    pub fn status(self, now: Time) -> Option<RepairStatus> {
        let quiet = schedule::repairs_forgotten(self.count, now.since(self.last));
        (self.count > 0 && !quiet).then(|| RepairStatus {
            count: i32::try_from(self.count).unwrap_or(i32::MAX),
            time: self.last.rfc3339_millis(),
        })
    }

    /// One more, made now.
    pub fn another(self, now: Time) -> Repairs {
        let forgotten = schedule::repairs_forgotten(self.count, now.since(self.last));
        Repairs {
            count: if forgotten {
                1
            } else {
                self.count.saturating_add(1)
            },
            last: now,
        }
    }
}

impl SecretSeen {
    /// Whether this is an older view of the Secret than `written`; resourceVersions count up.
    pub fn is_older_than(&self, written: &Written) -> bool {
        short(&self.uid) == written.uid
            && self
                .resource_version
                .parse::<u64>()
                .is_ok_and(|seen| seen < written.resource_version)
    }

    /// What is remembered of this Secret after writing it; `None` where versions do not count up.
    pub fn written(&self) -> Option<Written> {
        Some(Written {
            uid: short(&self.uid),
            resource_version: self.resource_version.parse().ok()?,
        })
    }
}
