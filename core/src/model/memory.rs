//! What the process remembers of a resource between two reconciles.

use std::collections::BTreeMap;

use crate::model::{
    FailedAttempt, FamilyMemory, OAuthClientStatus, RepairStatus, SecretSeen, TokenState,
    data_hash, short,
};
use crate::schedule::End;
use crate::secret::Secret;
use crate::time::Time;
use crate::{inputs, schedule};

/// What the process keeps about a resource between two reconciles.
#[derive(Clone, Default)]
pub struct Memory {
    /// The failing request, if the last one failed.
    pub attempt: Option<Box<FailedAttempt>>,
    /// A keyed hash of the credentials' content, with the version of the Secret that it belongs to.
    pub fingerprint: Option<Fingerprint>,
    /// How often the token Secret was repaired, and when last.
    pub repairs: Repairs,
    /// Another resource that is about to write the same Secret; the driver sets it with each observation.
    pub target_claimed_by: Option<String>,
    /// When the process last sent a request for it.
    pub last_sent: Option<Time>,
    /// What the process wrote last.
    pub written: Option<WrittenVersion>,
    /// The intact token Secret; if only annotations were altered, this restores them.
    pub intact: Option<IntactToken>,
    /// The watch reported that the token Secret was deleted; the driver sets it, and observing the Secret again clears
    /// it.
    pub deletion_reported: bool,
    /// The number of attempts to revoke the token of a deleted resource.
    pub finalize_attempts: u32,
    /// How often in a row an observation contradicted what was written.
    pub stale_reads: u32,
    /// The size of its last response in bytes, if that was a large one; 0 otherwise.
    pub large_response: u32,
    /// What is kept about its refresh token family.
    pub family: FamilyMemory,
}

/// What the process wrote into a token Secret. An older observation is stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrittenVersion {
    /// The Secret's UID, hashed.
    pub uid: u64,
    /// The resulting resourceVersion; they increase.
    pub resource_version: u64,
}

/// A keyed hash of the content of a credentials Secret; the key never leaves the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Hash of the Secret's version ([`SecretSeen::version`]).
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

/// What this process knows about an intact token Secret. It shows what someone else altered, and allows repairs without
/// a token request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntactToken {
    /// The Secret's UID, hashed.
    pub uid: u64,
    /// When the request that gave the token was sent.
    pub issued: Time,
    /// When the token expires, and how that is known.
    pub end: End,
    /// When it is to be replaced.
    pub refresh: Time,
    /// Hash of its inputs.
    pub inputs: u64,
    /// Hash of the version of its credentials.
    pub credentials: u64,
    /// Hash of our data.
    pub data: u64,
    /// The generation of the spec at that time.
    pub generation: i64,
}

impl IntactToken {
    /// The facts about a Secret with this UID, these data and this state.
    pub fn of(
        uid: &str,
        state: &TokenState,
        data: &BTreeMap<String, Secret>,
        generation: i64,
    ) -> IntactToken {
        IntactToken {
            uid: short(uid),
            issued: state.issued,
            end: state.end.as_stored(),
            refresh: state.refresh,
            inputs: inputs::short(&state.inputs),
            credentials: short(&state.credentials),
            data: data_hash(&state.managed.data, data),
            generation,
        }
    }

    /// Whether a state is equal.
    pub fn matches(&self, state: &TokenState) -> bool {
        (self.issued, self.end, self.refresh)
            == (state.issued, state.end.as_stored(), state.refresh)
            && self.inputs == inputs::short(&state.inputs)
            && self.credentials == short(&state.credentials)
    }
}

impl Repairs {
    /// The repairs in a status, after a restart.
    pub fn from_status(status: &OAuthClientStatus) -> Option<Repairs> {
        let reported = status.repairs.as_ref()?;
        Some(Repairs {
            count: u32::try_from(reported.count).ok()?,
            last: Time::parse_rfc3339(&reported.time)?,
        })
    }

    /// For a status; `None` if there were none, or none recently.
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
    /// Whether this is an older observation of the Secret than `written`; resourceVersions increase.
    pub fn is_older_than(&self, written: &WrittenVersion) -> bool {
        short(&self.uid) == written.uid
            && self
                .resource_version
                .parse::<u64>()
                .is_ok_and(|seen| seen < written.resource_version)
    }

    /// What is kept about this Secret after writing it; `None` if versions are not comparable.
    pub fn written(&self) -> Option<WrittenVersion> {
        Some(WrittenVersion {
            uid: short(&self.uid),
            resource_version: self.resource_version.parse().ok()?,
        })
    }
}
