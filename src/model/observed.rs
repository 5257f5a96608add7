//! What a driver saw of one resource: the argument of [`crate::policy::decide`].

use std::collections::BTreeMap;

use crate::api::validate::Validated;
use crate::api::{OAuthClientStatus, SpecProblem};
use crate::model::{
    CaSeen, CertificateSeen, FamilySeen, Memory, NO_REFERENCES, SecretSeen, StateOwner,
    lent_together, short,
};
use crate::oauth::{Nonce, TokensInHand};
use crate::time::Time;

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
    /// Further Secrets that something was obtained with that the resource uses ([`crate::policy::lenders_to_see`]), as far as they
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
    pub(crate) fn state_owner(&self) -> StateOwner {
        StateOwner {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }

    /// Whether it waits for us before it goes.
    pub fn is_held(&self) -> bool {
        let mut all = self.life.finalizers.iter();
        all.any(|finalizer| finalizer == crate::model::REVOCATION_FINALIZER)
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
            Some(next) => short(&format!("{content:x} {next:x}")),
        };
        // Who asks for another try of the same credentials by it gets one.
        Some(match self.retry_requested() {
            None => whole,
            Some(asked) => short(&format!("{whole:x} {asked}")),
        })
    }

    /// The content that counts where this client secret is sent.
    pub fn content_with(&self, secret: crate::model::ClientSecret) -> Option<u64> {
        match secret {
            crate::model::ClientSecret::Current => self.content,
            crate::model::ClientSecret::Next => self.next_content,
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
        let mut versions = vec![short(&own)];
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

/// A `ServiceAccount` as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountSeen {
    /// There is none of that name.
    Missing,
    /// The operator may not look.
    Forbidden,
    /// There is no cluster, and nobody gave a token in its place.
    NoCluster,
    /// Whoever runs the program has given its token in a file: no one else need lend it.
    Given,
    /// It is there.
    There {
        /// Its UID.
        uid: String,
        /// Its annotations.
        annotations: BTreeMap<String, String>,
    },
}

/// Another resource of the namespace, as it was seen.
#[derive(Clone)]
pub struct Reference {
    /// Its name.
    pub name: String,
    /// What there is of it; `None` where there is no such resource.
    pub found: Option<Found>,
}

/// What there is of a resource that is referred to.
#[derive(Clone)]
pub struct Found {
    /// Its UID.
    pub uid: String,
    /// The name of its token Secret.
    pub secret_name: String,
    /// That Secret, where there is one.
    pub secret: Option<SecretSeen>,
}

impl Found {
    /// The token Secret, if it is the resource's own.
    pub(crate) fn own(&self) -> Option<&SecretSeen> {
        let owned = |secret: &&SecretSeen| {
            let mut owners = secret.owners.iter();
            owners.any(|owner| owner.is_of_our_kind() && owner.uid == self.uid)
        };
        self.secret.as_ref().filter(owned)
    }
}

/// The finalizer by which a resource waits for its token to be revoked.
pub const REVOCATION_FINALIZER: &str = "oauthclient.dev/revocation";

impl SecretSeen {
    /// Whether the resource is among its owners.
    pub fn is_owned_by(&self, resource: &Resource) -> bool {
        self.owners
            .iter()
            .any(|owner| owner.is_of_our_kind() && owner.uid == resource.uid)
    }
}
