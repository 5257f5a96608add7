//! What a driver saw of one resource: the argument of [`super::decide`].

use std::collections::BTreeMap;

use crate::api::OAuthClientStatus;
use crate::api::conditions::Reason;
use crate::api::validate::{SpecProblem, Validated};
use crate::oauth::Chance;
use crate::oauth::TokensInHand;
use crate::oauth::error::FailureClass;
use crate::schedule;
use crate::secret::Secret;
use crate::time::Time;

use super::MOST_DOUBTS;
use super::accounts::AccountSeen;
use super::certificate::CertificateSeen;
use super::chain::{ChainMemory, ChainSeen};
use super::references::{Reference, lent_together};
use super::state::{self, State};

/// Everything that a decision is made from.
pub struct Observed {
    /// When it was seen.
    pub now: Time,
    /// The resource.
    pub resource: Resource,
    /// The Secret at `tokenSecret.name`, if there is one.
    pub target: Option<SecretSeen>,
    /// Secrets of this resource under other names: what an earlier `tokenSecret.name` left.
    pub leftovers: Vec<SecretSeen>,
    /// The credentials Secret, if there is one.
    pub credentials: Option<SecretSeen>,
    /// The client certificate.
    pub certificate: CertificateSeen,
    /// The other resources whose tokens it asks with, each once, in the order of the spec's fields.
    pub references: Vec<Reference>,
    /// The way from this resource by such references back to itself, as names; `None` where there is none.
    pub cycle: Option<Vec<String>>,
    /// The `ServiceAccounts` whose tokens it asks with.
    pub accounts: BTreeMap<String, AccountSeen>,
    /// The tokens that were made of them for this attempt.
    pub made: TokensInHand,
    /// The CA bundle.
    pub ca: CaSeen,
    /// Keyed hash of the content of the credentials seen, of the keys that the request uses.
    pub content: Option<u64>,
    /// The same with the second client secret in the place of the first; `None` where the Secret has no second.
    pub next_content: Option<u64>,
    /// What the process remembers of it.
    pub memory: Memory,
    /// What is seen where the resource works with refresh tokens.
    pub chain: ChainSeen,
    /// Whether a token request may be made now (a slot is held).
    pub may_request: bool,
    /// What the operator was started with.
    pub rules: Rules,
    /// Chance for the attempt that may come of it: drawn anew for every look.
    pub chance: Chance,
}

/// The resource itself.
pub struct Resource {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Its generation.
    pub generation: i64,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// What its metadata say of its end.
    pub life: Life,
    /// The spec, validated, or what is wrong with it.
    pub spec: Result<Validated, Vec<SpecProblem>>,
    /// Hash of what the spec makes us send and render; empty where the spec is not valid.
    pub inputs: String,
    /// The refresh-on-demand annotation.
    pub refresh_request: Option<String>,
    /// The status as it was.
    pub status: OAuthClientStatus,
}

/// What the metadata of a resource say of its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// When its deletion was asked for, by the API server's clock.
    pub deleted: Option<Time>,
    /// Its finalizers: who must let it go.
    pub finalizers: Vec<String>,
    /// Its resourceVersion.
    pub resource_version: String,
}

impl Resource {
    /// Whether it waits for us before it goes.
    pub fn is_held(&self) -> bool {
        let mut all = self.life.finalizers.iter();
        all.any(|finalizer| finalizer == super::REVOCATION_FINALIZER)
    }
}

/// A Secret as it was seen.
#[derive(Clone)]
pub struct SecretSeen {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: String,
    /// Its type.
    pub type_: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations; secret too, since `kubectl apply` copies data into one.
    pub annotations: BTreeMap<String, String>,
    /// Its data.
    pub data: BTreeMap<String, Secret>,
    /// Whether it is immutable.
    pub immutable: bool,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Its owners.
    pub owners: Vec<Owner>,
}

/// An owner reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// API group and version.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
    /// Whether it is the managing controller.
    pub controller: bool,
}

/// The CA bundle as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaSeen {
    /// The resource names none.
    NotNamed,
    /// No ConfigMap of that name.
    Missing,
    /// The ConfigMap lacks the key.
    KeyMissing,
    /// PEM text; whether it parses is the sender's to say.
    Pem(String),
    /// PEM text that holds no usable certificate, with the reason.
    Broken(String),
}

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
    /// The watch told that the token Secret is gone; the driver's to set, over when it is seen again.
    pub told_gone: bool,
    /// How often it was tried to revoke the token of a resource that is being deleted.
    pub partings: u32,
    /// How often in a row what was read contradicted what was written.
    pub doubts: u32,
    /// What is remembered of its chain of refresh tokens.
    pub chain: ChainMemory,
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

/// The version of what is lent to a resource that needs nothing of a Secret.
pub const NOTHING_LENT: &str = "none";

/// A token request that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedAttempt {
    /// How many in a row.
    pub failures: u32,
    /// When the last one was sent.
    pub time: Time,
    /// When the next may be sent; `None` when only a change helps.
    pub next: Option<Time>,
    /// The end of a `Retry-After`, before which nothing is sent to the same endpoint for the same client.
    pub not_before: Option<Time>,
    /// What it asks of the schedule.
    pub class: FailureClass,
    /// Why, in one word.
    pub reason: String,
    /// Why, in sentences.
    pub message: String,
    /// What was sent: the inputs of the spec.
    pub inputs: String,
    /// Whom it was sent to: a hash of the endpoint.
    pub endpoint: String,
    /// With which credentials: `UID/VERSION`.
    pub credentials: String,
    /// The client certificate that was shown, by its fingerprint.
    pub certificate: Option<String>,
    /// The content of those credentials (keyed hash), while the process remembers it.
    pub content: Option<u64>,
    /// The keys of the client secrets that the provider has refused with this content, where there are two.
    pub refused: Vec<String>,
    /// A hash of the CA bundle it was sent with, while the process remembers it.
    pub ca: Option<u64>,
    /// The refresh request that was acted upon with it, or before.
    pub handled_request: Option<String>,
}

impl CaSeen {
    /// A hash of the certificates; `None` where there are none that can be used.
    pub fn hash(&self) -> Option<u64> {
        match self {
            CaSeen::Pem(pem) => Some(state::short(pem)),
            _ => None,
        }
    }
}

impl Repairs {
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

impl FailedAttempt {
    /// What failed, as one text of bounded length for the status: inputs, endpoint, version of the credentials, and the
    /// fingerprint of the client certificate where one was shown.
    pub fn hash(&self) -> String {
        let (inputs, endpoint, credentials) = (&self.inputs, &self.endpoint, &self.credentials);
        match &self.certificate {
            None => format!("{inputs};{endpoint};{credentials}"),
            Some(certificate) => format!("{inputs};{endpoint};{credentials};{certificate}"),
        }
    }

    /// The attempt that a status tells of: what is left of it after a restart.
    pub fn from_status(status: &OAuthClientStatus) -> Option<FailedAttempt> {
        let told = status.attempt.as_ref()?;
        // Nothing was sent: the flags of another process refused it, and this one's may be others.
        if told.reason == Reason::AddressRefused.as_str() {
            return None;
        }
        let mut parts = told.inputs_hash.splitn(4, ';').map(str::to_owned);
        let condition = |kind: &str| {
            status
                .conditions
                .iter()
                .find(|condition| condition.type_ == kind && condition.status == "True")
        };
        let next = match &told.next_time {
            Some(next) => Some(Time::parse_rfc3339(next)?),
            None => None,
        };
        let class = match (next, condition("Stalled")) {
            (None, _) => FailureClass::NeedsPerson,
            (Some(_), Some(stalled)) if stalled.reason == told.reason => FailureClass::Permanent,
            _ => FailureClass::Transient,
        };
        let said = condition("RefreshFailing").map_or("", |condition| condition.message.as_str());
        Some(FailedAttempt {
            failures: u32::try_from(told.failures).unwrap_or(1),
            time: Time::parse_rfc3339(&told.time)?,
            next,
            not_before: told
                .retry_after_time
                .as_deref()
                .and_then(Time::parse_rfc3339),
            class,
            reason: told.reason.clone(),
            message: first_sentences(said),
            inputs: parts.next().unwrap_or_default(),
            endpoint: parts.next().unwrap_or_default(),
            credentials: parts.next().unwrap_or_default(),
            certificate: parts.next(),
            content: None,
            refused: told.refused_secret_keys.clone(),
            ca: None,
            handled_request: status.last_refresh_request.clone(),
        })
    }
}

/// The message of a failed attempt as it was before the report added when it is tried again.
fn first_sentences(said: &str) -> String {
    let end = [" Next try at ", " It is not tried again "]
        .iter()
        .filter_map(|added| said.find(added))
        .min();
    end.and_then(|end| said.get(..end))
        .unwrap_or(said)
        .to_owned()
}

/// What the operator was started with, as far as decisions go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Credentials must name the hosts they may be sent to.
    pub require_allowed_hosts: bool,
    /// Token endpoints may be plain `http`.
    pub allow_http: bool,
}

impl Observed {
    /// Brings what is remembered up to what is seen. To be called before anything is decided.
    pub fn bring_up_to_date(&mut self) {
        if let Some(asked) = &mut self.resource.refresh_request {
            *asked = state::request_name(asked);
        }
        self.remember_claim();
        self.remember_attempt();
        if self.contradicts_what_was_written() {
            if self.memory.doubts >= MOST_DOUBTS {
                // Seen often enough to be believed: somebody restored a backup, or deleted it unseen.
                self.memory.written = self.target.as_ref().and_then(SecretSeen::written);
                self.memory.doubts = 0;
            }
        } else {
            self.memory.doubts = 0;
            self.memory.told_gone &= self.target.is_none();
        }
    }

    fn remember_attempt(&mut self) {
        let published = self
            .target
            .as_ref()
            .filter(|target| target.is_owned_by(&self.resource))
            .and_then(SecretSeen::state)
            .map(|state| state.issued)
            // A time of issue that lies ahead tells of a clock that was set back, and nothing of what came first.
            .filter(|issued| *issued <= self.now);
        let version = self.lent();
        let content = self.whole_content();
        let Some(attempt) = &mut self.memory.attempt else {
            return;
        };
        let over = |other: Option<Time>| other.is_some_and(|time| attempt.time < time);
        if over(published) || over(self.memory.last_sent) {
            // A later request is known, of this process or another: the status has not followed yet.
            self.memory.attempt = None;
            return;
        }
        // After a restart: what is there now is taken for what it was sent with.
        attempt.ca = attempt.ca.or(self.ca.hash());
        let Some(version) = version else {
            return;
        };
        if attempt.credentials == version {
            attempt.content = attempt.content.or(content);
        } else if attempt.content.is_some() && attempt.content == content {
            // A label or an annotation was edited: the new version is noted, so that a restart knows.
            attempt.credentials = version;
        }
    }

    /// Stands for everything that a failed request may have been sent with, both client secrets included.
    pub fn whole_content(&self) -> Option<u64> {
        let content = self.content?;
        Some(match self.next_content {
            None => content,
            Some(next) => state::short(&format!("{content:x} {next:x}")),
        })
    }

    /// The content that counts where this client secret is sent.
    pub fn content_with(&self, secret: super::ClientSecret) -> Option<u64> {
        match secret {
            super::ClientSecret::Current => self.content,
            super::ClientSecret::Next => self.next_content,
        }
    }

    /// Names the version of everything that is lent to the resource: its credentials Secret, if it names one, and the token
    /// Secrets of other resources that it asks with. `None` while one of them is not there.
    pub fn lent(&self) -> Option<String> {
        let named = match &self.resource.spec {
            Ok(spec) => spec.credentials_secret.is_some(),
            Err(_) => true,
        };
        let own = match &self.credentials {
            Some(credentials) => credentials.version(),
            None if named => return None,
            None => NOTHING_LENT.to_owned(),
        };
        if self.references.is_empty() {
            return Some(own);
        }
        let mut versions = vec![state::short(&own)];
        versions.extend(self.referenced_versions()?);
        Some(lent_together(&versions))
    }

    /// Whether the token Secret that was read is older than what this process wrote: a cache or a proxy served an old view.
    pub(super) fn contradicts_what_was_written(&self) -> bool {
        let Some(written) = &self.memory.written else {
            return false;
        };
        match &self.target {
            // Under its former name it is still there: it was not deleted, the resource names another one.
            None => {
                let renamed = self
                    .leftovers
                    .iter()
                    .any(|leftover| state::short(&leftover.uid) == written.uid);
                !self.memory.told_gone && !renamed
            }
            Some(target) => target.is_older_than(written),
        }
    }

    /// Whether a refresh request was acted upon: written down with the token, in the status, or remembered.
    pub fn has_handled(&self, asked: &str) -> bool {
        let with_token = self
            .target
            .as_ref()
            .and_then(SecretSeen::state)
            .and_then(|state| state.handled_request);
        let with_attempt = self
            .memory
            .attempt
            .as_ref()
            .and_then(|attempt| attempt.handled_request.as_deref());
        with_token.as_deref() == Some(asked)
            || with_attempt == Some(asked)
            || self.resource.status.last_refresh_request.as_deref() == Some(asked)
    }

    /// The refresh request that was not acted upon yet.
    pub fn unhandled_request(&self) -> Option<&str> {
        self.resource
            .refresh_request
            .as_deref()
            .filter(|asked| !self.has_handled(asked))
    }
}

impl SecretSeen {
    /// UID and resourceVersion as one text: names a version of the Secret.
    pub fn version(&self) -> String {
        format!("{}/{}", self.uid, self.resource_version)
    }

    /// The state it carries, if it is whole.
    pub fn state(&self) -> Option<State> {
        State::read(&self.annotations)
    }

    /// Whether this is an older view of the Secret than `written`; resourceVersions count up.
    pub fn is_older_than(&self, written: &Written) -> bool {
        state::short(&self.uid) == written.uid
            && self
                .resource_version
                .parse::<u64>()
                .is_ok_and(|seen| seen < written.resource_version)
    }

    /// What is remembered of this Secret after writing it; `None` where versions do not count up.
    pub fn written(&self) -> Option<Written> {
        Some(Written {
            uid: state::short(&self.uid),
            resource_version: self.resource_version.parse().ok()?,
        })
    }

    /// Whether the resource is among its owners.
    pub fn is_owned_by(&self, resource: &Resource) -> bool {
        self.owners
            .iter()
            .any(|owner| owner.is_of_our_kind() && owner.uid == resource.uid)
    }

    /// Whether a label has this value.
    pub fn has_label(&self, key: &str, value: &str) -> bool {
        self.labels.get(key).is_some_and(|found| found == value)
    }
}
