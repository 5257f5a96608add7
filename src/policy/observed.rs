//! What a driver saw of one resource: the argument of [`super::decide`].

use std::collections::BTreeMap;

use crate::api::OAuthClientStatus;
use crate::api::SpecProblem;
use crate::api::validate::Validated;
use crate::oauth::Nonce;
use crate::oauth::TokensInHand;
use crate::secret::Secret;
use crate::time::Time;

use super::accounts::AccountSeen;
use super::certificate::CertificateSeen;
use super::memory::{Memory, Written};
use super::references::{Reference, lent_together};
use super::refresh_token::FamilySeen;
use super::state::{self, StateOwner, TokenState};

/// Everything that a decision is made from.
pub struct Observed {
    /// When it was seen.
    pub now: Time,
    /// The resource.
    pub resource: Resource,
    /// The Secret at `tokenSecret.name`, if there is one.
    pub target: Option<SecretSeen>,
    /// Secrets of this resource under other names: what an earlier `tokenSecret.name` left.
    pub stale_secrets: Vec<SecretSeen>,
    /// The credentials Secret, if there is one.
    pub credentials: Option<SecretSeen>,
    /// The client certificate.
    pub certificate: CertificateSeen,
    /// The other resources whose tokens it asks with, each once, in the order of the spec's fields.
    pub references: Vec<Reference>,
    /// The way from this resource by such references back to itself, as names; `None` where there is none.
    pub cycle: Option<Vec<String>>,
    /// Further Secrets that something was obtained with that the resource uses ([`super::lenders_to_see`]), as far as they
    /// are there.
    pub lender_secrets: Vec<SecretSeen>,
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
    pub chain: FamilySeen,
    /// Whether a token request may be made now (a slot is held).
    pub may_request: bool,
    /// What the operator was started with.
    pub rules: Rules,
    /// Chance for the attempt that may come of it: drawn anew for every look.
    pub nonce: Nonce,
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
    /// Takes over what a later look saw of the same object. A newer spec keeps the version: what is said of the older spec must
    /// not be written over what is said of it.
    pub fn renew(&mut self, later: Resource) {
        self.status = later.status;
        if later.generation == self.generation {
            self.life = later.life;
        }
    }

    /// A write of ours made another version of it.
    pub fn has_version(&mut self, version: Option<String>) {
        if let Some(version) = version {
            self.life.resource_version = version;
        }
    }

    /// The resource, as the state of its token Secret names it.
    pub(super) fn state_owner(&self) -> StateOwner {
        StateOwner {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }

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

/// The version of what is lent to a resource that needs nothing of a Secret.
pub const NO_REFERENCES: &str = "none";

impl CaSeen {
    /// A hash of the certificates; `None` where there are none that can be used.
    pub fn hash(&self) -> Option<u64> {
        match self {
            CaSeen::Pem(pem) => Some(state::short(pem)),
            _ => None,
        }
    }
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
    /// Stands for everything that a failed request may have been sent with, both client secrets included.
    pub fn whole_content(&self) -> Option<u64> {
        let content = self.content?;
        let whole = match self.next_content {
            None => content,
            Some(next) => state::short(&format!("{content:x} {next:x}")),
        };
        // Who asks for another try of the same credentials by it gets one.
        Some(match self.retry_requested() {
            None => whole,
            Some(asked) => state::short(&format!("{whole:x} {asked}")),
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
            None => NO_REFERENCES.to_owned(),
        };
        if self.references.is_empty() {
            return Some(own);
        }
        let mut versions = vec![state::short(&own)];
        versions.extend(self.referenced_versions()?);
        Some(lent_together(&versions))
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
    pub fn state(&self) -> Option<TokenState> {
        TokenState::read(&self.annotations)
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
