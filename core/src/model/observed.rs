//! What a driver saw of one resource: the argument of [`crate::policy::decide`].

use std::collections::BTreeMap;

use crate::messages::Audience;
use crate::model::{
    CaSeen, CertificateSeen, FamilySeen, Memory, NO_REFERENCES, OAuthClientStatus, SecretSeen,
    SpecProblem, StateOwner, Validated, combined_version, short,
};
use crate::oauth::{Nonce, TokensInHand};
use crate::time::Time;

/// The inputs of a decision.
pub struct Observed {
    /// When it was seen.
    pub now: Time,
    /// The resource.
    pub resource: Resource,
    /// The Secret at `tokenSecret.name`, if there is one.
    pub target: Option<SecretSeen>,
    /// Secrets of this resource with an earlier `tokenSecret.name`.
    pub stale_secrets: Vec<SecretSeen>,
    /// The credentials Secret, if there is one.
    pub credentials: Option<SecretSeen>,
    /// The other resource that publishes its token in the credentials Secret, where that does not exist yet.
    pub credentials_publisher: Option<String>,
    /// The client certificate.
    pub certificate: CertificateSeen,
    /// The other resources whose tokens it uses, each once, in the order of the spec's fields.
    pub references: Vec<Reference>,
    /// The path from this resource by such references back to itself, as names; `None` if there is none.
    pub cycle: Option<Vec<String>>,
    /// Further Secrets that something was obtained with that the resource uses ([`crate::policy::lenders_to_see`]), as far as they
    /// are there.
    pub lender_secrets: Vec<SecretSeen>,
    /// The `ServiceAccounts` whose tokens it uses.
    pub accounts: BTreeMap<String, AccountSeen>,
    /// Their tokens that were created for this attempt.
    pub created_tokens: TokensInHand,
    /// The CA bundle.
    pub ca: CaSeen,
    /// Keyed hash of the credentials' content, for the keys that the request uses.
    pub content: Option<u64>,
    /// The same with the second client secret instead of the first; `None` if there is none.
    pub next_content: Option<u64>,
    /// What the process keeps about it.
    pub memory: Memory,
    /// What was observed of its refresh tokens, if it uses them.
    pub family: FamilySeen,
    /// Whether a token request may be sent now (a slot is held).
    pub may_request: bool,
    /// The operator's settings.
    pub rules: Rules,
    /// Random values for a possible attempt: new for every observation.
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
    /// Finalizers and version.
    pub meta: ResourceMeta,
    /// The validated spec, or its problems.
    pub spec: Result<Validated, Vec<SpecProblem>>,
    /// Hash of what the spec makes us send and render; empty if the spec is invalid.
    pub inputs: String,
    /// The refresh-on-demand annotation.
    pub refresh_request: Option<String>,
    /// The status as it was.
    pub status: OAuthClientStatus,
}

/// Finalizers and version in the metadata of a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceMeta {
    /// Its finalizers.
    pub finalizers: Vec<String>,
    /// Its resourceVersion.
    pub resource_version: String,
}

impl Resource {
    /// Adopts a later observation of the same object. For a newer spec, the version stays: a report about the older
    /// spec must not overwrite one about the newer.
    pub fn renew(&mut self, later: Resource) {
        self.status = later.status;
        if later.generation == self.generation {
            self.meta = later.meta;
        }
    }

    /// A write of ours created another version.
    pub fn has_version(&mut self, version: Option<String>) {
        if let Some(version) = version {
            self.meta.resource_version = version;
        }
    }

    /// The resource as named in the state of its Secrets, without the group that serves it.
    pub fn state_owner(&self) -> StateOwner {
        StateOwner {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            group: None,
        }
    }

    /// Whether its deletion waits for us.
    pub fn has_finalizer(&self) -> bool {
        let mut all = self.meta.finalizers.iter();
        all.any(|finalizer| finalizer == crate::model::REVOCATION_FINALIZER)
    }
}

/// The operator's settings that affect decisions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Credentials must name the hosts that they may be sent to.
    pub require_allowed_hosts: bool,
    /// Token endpoints may use `http`.
    pub allow_http: bool,
    /// Who reads the messages.
    pub audience: Audience,
    /// The group of operators that this one belongs to, if resources are divided into groups.
    pub group: Option<&'static str>,
}

impl Observed {
    /// Drops what no Secret in it gives ([`SecretSeen::only_opted_in`]). Nothing is sent before.
    pub fn keep_only_opted_in(&mut self) {
        let keep = |secret: &mut SecretSeen| {
            if secret.is_written_by_a_resource() {
                *secret = secret.clone().only_opted_in();
            }
        };
        let certificate = match &mut self.certificate {
            CertificateSeen::There(there) => Some(&mut there.secret),
            _ => None,
        };
        let references = self.references.iter_mut();
        let references = references.filter_map(|one| one.found.as_mut()?.secret.as_mut());
        [
            self.credentials.as_mut(),
            certificate,
            self.family.login.as_mut(),
        ]
        .into_iter()
        .flatten()
        .chain(references)
        .chain(&mut self.lender_secrets)
        .for_each(keep);
    }

    /// How much of Secrets is in it, in bytes.
    pub fn weight(&self) -> usize {
        let certificate = match &self.certificate {
            CertificateSeen::There(there) => Some(&there.secret),
            _ => None,
        };
        let references = self.references.iter();
        let references = references.filter_map(|one| one.found.as_ref()?.secret.as_ref());
        [
            self.target.as_ref(),
            self.credentials.as_ref(),
            certificate,
            self.family.login.as_ref(),
            self.family.state.as_ref(),
        ]
        .into_iter()
        .flatten()
        .chain(references)
        .chain(&self.stale_secrets)
        .chain(&self.lender_secrets)
        .flat_map(|secret| secret.data.values())
        .map(crate::secret::Secret::len)
        .sum()
    }

    /// The resource, and the group that serves it, as named in the state of its token Secret.
    pub fn state_owner(&self) -> StateOwner {
        StateOwner {
            group: self.rules.group.map(str::to_owned),
            ..self.resource.state_owner()
        }
    }

    /// Identifies everything that a failed request may have been sent with, including both client secrets.
    pub fn whole_content(&self) -> Option<u64> {
        let content = self.content?;
        let whole = match self.next_content {
            None => content,
            Some(next) => short(&format!("{content:x} {next:x}")),
        };
        // A new value of that annotation allows another attempt with the same credentials.
        Some(match self.retry_requested() {
            None => whole,
            Some(requested) => short(&format!("{whole:x} {requested}")),
        })
    }

    /// The content hash if this client secret is sent.
    pub fn content_with(&self, secret: crate::model::ClientSecret) -> Option<u64> {
        match secret {
            crate::model::ClientSecret::Current => self.content,
            crate::model::ClientSecret::Next => self.next_content,
        }
    }

    /// The version of all Secrets that the resource uses: its credentials Secret, if it names one, and the token
    /// Secrets of other resources. `None` while one of them is missing.
    pub fn credentials_version(&self) -> Option<String> {
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
        Some(combined_version(&versions))
    }

    /// Whether a refresh request was handled: recorded with the token, in the status, or in memory.
    pub fn has_handled(&self, requested: &str) -> bool {
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
        with_token.as_deref() == Some(requested)
            || with_attempt == Some(requested)
            || self.resource.status.last_refresh_request.as_deref() == Some(requested)
    }

    /// The refresh request that was not handled yet.
    pub fn unhandled_request(&self) -> Option<&str> {
        self.resource
            .refresh_request
            .as_deref()
            .filter(|requested| !self.has_handled(requested))
    }
}

/// An observed `ServiceAccount`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountSeen {
    /// It does not exist.
    Missing,
    /// The operator may not read it.
    Forbidden,
    /// There is no cluster, and no token was provided instead.
    NoCluster,
    /// The administrator of the program provided its token in a file, so no other opt-in is needed.
    Given,
    /// It is there.
    There {
        /// Its UID.
        uid: String,
        /// Its annotations.
        annotations: BTreeMap<String, String>,
    },
}

/// Another observed resource in the namespace.
#[derive(Clone)]
pub struct Reference {
    /// Its name.
    pub name: String,
    /// Its observation; `None` if it does not exist.
    pub found: Option<FoundReference>,
}

/// The observation of a referenced resource.
#[derive(Clone)]
pub struct FoundReference {
    /// Its UID.
    pub uid: String,
    /// The name of its token Secret.
    pub secret_name: String,
    /// That Secret, if it exists.
    pub secret: Option<SecretSeen>,
}

impl FoundReference {
    /// The token Secret, if the resource owns it.
    pub fn own(&self) -> Option<&SecretSeen> {
        let owned = |secret: &&SecretSeen| {
            let mut owners = secret.owners.iter();
            owners.any(|owner| owner.is_of_our_kind() && owner.uid == self.uid)
        };
        self.secret.as_ref().filter(owned)
    }
}

/// The finalizer with which a resource waits for the revocation of its token.
pub const REVOCATION_FINALIZER: &str = "oauthclient.dev/revocation";

impl SecretSeen {
    /// Whether the resource is among its owners.
    pub fn is_owned_by(&self, resource: &Resource) -> bool {
        self.owners
            .iter()
            .any(|owner| owner.is_of_our_kind() && owner.uid == resource.uid)
    }
}
