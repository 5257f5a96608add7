//! A namespace in memory: Secrets, ServiceAccounts and OAuthClients, a clock, and a provider that records and repeats.

mod edits;
mod provider;
mod store;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::manifests::resource_text;
use super::model::{
    self, AUDIENCES, KEYS, Kind, Known, Lists, NORMAL_URLS, Now, PUBLIC, Root, SECRETS, URLS, Use,
    Which,
};
use super::*;
use crate::api::OAuthClientStatus;
use crate::api::manifest::parse_manifest;
use crate::api::validate::validate;
use crate::oauth::discovery::{Aliases, Endpoints, Metadata};
use crate::oauth::error::Reached;
use crate::policy::{AccountSeen, ResourceMeta, TokenWithLenders, shown_by};
use crate::reconcile::tests::*;
use crate::trust::{AuthorizedRequest, Lenders, authorize};

/// The ServiceAccount of the namespace.
const ACCOUNT: &str = "robot";

/// A spec as it was accepted, and its hash.
type Accepted = (Validated, String);

/// So many specs of each owner are drawn from.
const IN_POOL: usize = 1000;
static POOL: LazyLock<BTreeMap<&str, Vec<Accepted>>> = LazyLock::new(|| {
    let of = |(number, owner): (usize, &'static str)| {
        let mut dice = Dice::new(u64::MAX - number as u64);
        let all = (0..IN_POOL).map(|_| accepted(owner, &mut dice)).collect();
        (owner, all)
    };
    OWNERS.into_iter().enumerate().map(of).collect()
});

/// Many random manifests are refused, as the API server refuses them: the first one that is not.
fn accepted(owner: &str, dice: &mut Dice) -> Accepted {
    loop {
        let object = parse_manifest(&resource_text(owner, dice));
        if let Some(spec) = object.ok().and_then(|object| validate(&object).ok()) {
            let inputs = crate::inputs::of(&spec).whole().to_owned();
            return (spec, inputs);
        }
    }
}

pub(super) struct Namespace(Mutex<Inner>, Mutex<Brakes>);

pub(super) struct Inner {
    case: u64,
    dice: Dice,
    now: Time,
    version: u64,
    process: u64,
    secrets: BTreeMap<String, SecretSeen>,
    account: Option<(String, BTreeMap<String, String>)>,
    resources: BTreeMap<String, Resource>,
    memories: BTreeMap<String, Memory>,
    waiting: Vec<(Key, TokenWithLenders)>,
    /// Every secret value that there is or was.
    known: Vec<Known>,
    /// The keys that were ever disclosed by anybody: what is published stays.
    disclosed: BTreeSet<&'static str>,
    /// All that people can read.
    shown: String,
    pub(super) requests: usize,
    pub(super) refreshes: usize,
    pub(super) exchanged: usize,
    pub(super) revoked: usize,
    pub(super) minted: usize,
    pub(super) published: usize,
    pub(super) refused: usize,
}

impl Inner {
    pub(super) fn next_version(&mut self) -> String {
        self.version += 1;
        self.version.to_string()
    }

    /// Lists as an owner may set them.
    fn annotations(&mut self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for (name, percent) in [("allowed-hosts", 60), ("allowed-token-hosts", 40)] {
            if self.dice.chance(percent) {
                let list = model::list(&mut self.dice);
                all.insert(format!("oauthclient.dev/{name}"), list);
            }
        }
        if self.dice.chance(20) {
            let keys = [self.dice.one(&KEYS), self.dice.one(&KEYS)];
            self.disclosed.extend(keys);
            let keys = keys.join(",");
            all.insert("oauthclient.dev/disclosed-keys".into(), keys);
        }
        all
    }

    fn labels(&mut self) -> BTreeMap<String, String> {
        let opted_in = self.dice.chance(90);
        let label = ("oauthclient.dev/credentials".to_owned(), "true".to_owned());
        opted_in.then_some(label).into_iter().collect()
    }

    /// A credentials Secret with values of its own.
    fn make_secret(&mut self, name: &str) {
        let version = self.next_version();
        let uid = format!("uid-{version}");
        let mut data = BTreeMap::new();
        for key in KEYS {
            let text = format!("canary-{name}-{key}-of-version-{version}-end");
            data.insert(key.to_owned(), Secret::from(text.as_str()));
            if PUBLIC.contains(&key) {
                continue;
            }
            self.known.push(Known {
                text,
                kind: Kind::Content {
                    key: key.to_owned(),
                    is_laundered: false,
                },
                roots: vec![Root {
                    audience: None,
                    name: name.to_owned(),
                    uid: uid.clone(),
                    which: Which::Hosts,
                    then: Lists::of(None, None),
                }],
            });
        }
        let secret = SecretSeen {
            labels: self.labels(),
            annotations: self.annotations(),
            uid,
            resource_version: version,
            data,
            ..crate::policy::tests::secret(name, 1)
        };
        self.secrets.insert(name.to_owned(), secret);
    }

    fn make_account(&mut self) {
        let uid = format!("uid-{}", self.next_version());
        let mut annotations = self.annotations();
        let audiences = self
            .dice
            .one(&["api://one", "api://two", "api://one,api://two", ""]);
        annotations.insert("oauthclient.dev/allowed-audiences".into(), audiences.into());
        self.account = Some((uid, annotations));
    }

    /// What stands for a value's origin now.
    fn lists(&self, root: &Root) -> Now {
        let list = |annotations: &BTreeMap<String, String>, name: &str| {
            annotations.get(&format!("oauthclient.dev/{name}")).cloned()
        };
        if let Some(audience) = &root.audience {
            let (uid, annotations) = self.account.as_ref()?;
            let audiences = list(annotations, "allowed-audiences")?;
            let opted_in = audiences.split(',').any(|one| one == audience);
            let hosts = list(annotations, "allowed-hosts").unwrap_or_default();
            let lists = Lists::of(Some(hosts), list(annotations, "allowed-token-hosts"));
            return opted_in.then(|| (uid.clone(), lists));
        }
        let secret = self.secrets.get(&root.name)?;
        let opted_in = secret.has_label("oauthclient.dev/credentials", "true");
        let is_owned = !secret.owners.is_empty();
        let lists = Lists::of(
            list(&secret.annotations, "allowed-hosts"),
            list(&secret.annotations, "allowed-token-hosts"),
        );
        (opted_in && !is_owned).then(|| (secret.uid.clone(), lists))
    }

    fn put(&mut self, body: &SecretBody) -> Result<SecretSeen, WriteError> {
        let there = self.secrets.get(&body.name);
        let after = written_over(there, body, self.version + 1)?;
        self.version += 1;
        self.secrets.insert(after.name.clone(), after.clone());
        Ok(after)
    }
}

impl Namespace {
    pub(super) fn new(case: u64) -> Namespace {
        let inner = Inner {
            case,
            dice: Dice::new(case),
            now: at(0),
            version: 100,
            process: 0,
            secrets: BTreeMap::new(),
            account: None,
            resources: BTreeMap::new(),
            memories: BTreeMap::new(),
            waiting: Vec::new(),
            known: Vec::new(),
            disclosed: BTreeSet::new(),
            shown: String::new(),
            requests: 0,
            refreshes: 0,
            exchanged: 0,
            revoked: 0,
            minted: 0,
            published: 0,
            refused: 0,
        };
        let namespace = Namespace(Mutex::new(inner), Mutex::new(no_brakes()));
        {
            let mut inner = namespace.inner();
            for name in SECRETS {
                inner.make_secret(name);
            }
            inner.make_account();
        }
        for owner in OWNERS {
            namespace.edit_resource(owner);
        }
        namespace
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    pub(super) fn dice<T>(&self, throw: impl FnOnce(&mut Dice) -> T) -> T {
        throw(&mut self.inner().dice)
    }

    pub(super) fn pass(&self, seconds: i64) {
        let mut inner = self.inner();
        inner.now = inner.now + span(seconds);
    }

    pub(super) fn restart(&self) {
        *self.1.lock().unwrap() = no_brakes();
        let mut inner = self.inner();
        inner.memories.clear();
        inner.waiting.clear();
        inner.process += 1;
    }

    pub(super) fn reconcile(&self, owner: &str) {
        let key = Key::new("shop", owner);
        let work = Work {
            key,
            may_request: true,
            due: self.inner().now,
        };
        finish(reconcile(self, &work));
        self.pass(3);
    }

    pub(super) fn revoke_what_waits(&self) {
        let waiting = std::mem::take(&mut self.inner().waiting);
        for (key, token) in waiting {
            finish(revoke_replaced(self, &key, &token));
        }
    }

    /// Nothing that is secret shows where people look, or stands in a token Secret where it does not belong.
    pub(super) fn check(&self) {
        let mut inner = self.inner();
        let mut shown = std::mem::take(&mut inner.shown);
        for resource in inner.resources.values() {
            shown.push_str(&serde_json::to_string(&resource.status).unwrap());
        }
        let ours = |secret: &&SecretSeen| !secret.owners.is_empty();
        for secret in inner.secrets.values().filter(ours) {
            shown.push_str(&format!("{:?}{:?}", secret.labels, secret.annotations));
        }
        // What its owner discloses counts as no secret.
        let is_disclosed = |known: &Known| matches!(&known.kind, Kind::Content { key, .. } if inner.disclosed.contains(key.as_str()));
        for known in inner.known.iter().filter(|known| !is_disclosed(known)) {
            assert!(
                !shown.contains(&known.text),
                "case {}: {} shows: {shown}",
                inner.case,
                known.text
            );
        }
        let published = inner
            .secrets
            .values()
            .filter(ours)
            .filter(|secret| secret.has_label("oauthclient.dev/token", "true"));
        for secret in published {
            for (key, value) in &secret.data {
                let value = value.expose().unwrap_or_default();
                let proofs = inner.known.iter();
                let proofs = proofs.filter(|known| known.is_proof() && !is_disclosed(known));
                for known in proofs {
                    assert!(
                        !value.contains(&known.text),
                        "case {}: {} stands under {key} of Secret {}",
                        inner.case,
                        known.text,
                        secret.name
                    );
                }
            }
        }
    }
}

impl Inner {
    /// What goes with a resource: garbage collection is at once.
    fn gone(&mut self, owner: &str) {
        if let Some(resource) = self.resources.remove(owner) {
            self.secrets
                .retain(|_, secret| !secret.is_owned_by(&resource));
            self.memories.remove(&resource.uid);
        }
    }

    fn account_seen(&self) -> AccountSeen {
        match &self.account {
            None => AccountSeen::Missing,
            Some((uid, annotations)) => AccountSeen::There {
                uid: uid.clone(),
                annotations: annotations.clone(),
            },
        }
    }
}

/// Runs to its end what waits for nothing outside of the namespace.
fn finish<F: Future>(work: F) -> F::Output {
    let mut work = pin!(work);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..10_000 {
        if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
            return done;
        }
    }
    panic!("it never ends");
}
