//! A namespace in memory: Secrets, ServiceAccounts and OAuthClients, a clock, and a provider that records and repeats.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::manifests::resource_text;
use super::model::{
    self, AUDIENCES, KEYS, Kind, Known, Lists, NORMAL_URLS, Now, PUBLIC, Root, SECRETS, URLS, Use,
    Which,
};
use super::*;
use crate::api::OAuthClientStatus;
use crate::api::manifest::parse_manifest;
use crate::api::validate::validate;
use crate::oauth::TokensInHand;
use crate::oauth::discovery::{Aliases, Endpoints, Metadata};
use crate::oauth::error::Reached;
use crate::policy::{
    AccountSeen, Found, Life, Reference, TokenWithLenders, account_tokens, lenders_to_see,
    login_name, published, shown_by, state_name,
};
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
    fn next_version(&mut self) -> String {
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

    /// The secret values in a request, and how each is used.
    fn values_in(&self, request: &HttpRequest, is_call: bool) -> Vec<(usize, Use)> {
        let all = everything(request);
        let found = self.known.iter().enumerate().filter_map(|(at, known)| {
            // Wherever else it stands in a request that redeems it, it goes to the same server.
            let redeems = ["refresh_token=", "\"refresh_token\":\""]
                .iter()
                .any(|before| all.contains(&format!("{before}{}", known.text)));
            let how = match is_call {
                _ if !all.contains(&known.text) => return None,
                true => Use::Returned,
                false if redeems => Use::Refresh,
                false => Use::Sent,
            };
            Some((at, how))
        });
        found.collect()
    }

    /// Holds what is sent against the model, here and at every other address.
    fn record(&mut self, authorized: &AuthorizedRequest<'_>, is_call: bool) {
        let request = authorized.request();
        let values = self.values_in(request, is_call);
        for (at, how) in &values {
            let known = &self.known[*at];
            let url = without_query(authorized.url());
            let verdict = model::may_go(known, *how, &url, |root| self.lists(root));
            if let Err(why) = verdict {
                panic!(
                    "case {}: {} was sent to {url} ({how:?}): {why}\n{}",
                    self.case,
                    known.text,
                    everything(request)
                );
            }
        }
        for (url, normal) in URLS.iter().zip(NORMAL_URLS.iter()) {
            let elsewhere = HttpRequest {
                url: Secret::from(*url),
                ..request.clone()
            };
            if authorize(&elsewhere, &Lenders::none()).is_err() {
                self.refused += 1;
                continue;
            }
            for (at, how) in &values {
                let known = &self.known[*at];
                let verdict = model::may_go(known, *how, normal, |root| self.lists(root));
                if let Err(why) = verdict {
                    panic!(
                        "case {}: a request with {} ({how:?}) may be sent to {url}: {why}\n{}",
                        self.case,
                        known.text,
                        everything(request)
                    );
                }
            }
        }
        let issued = |known: &Known| known.kind == Kind::Issued;
        let is_there = |how: Use| {
            let mut all = values.iter();
            all.any(|(at, one)| *one == how && issued(&self.known[*at]))
        };
        self.refreshes += usize::from(is_there(Use::Refresh));
        self.exchanged += usize::from(is_there(Use::Sent));
        match is_call {
            true => self.revoked += 1,
            false => self.requests += 1,
        }
    }

    /// What the provider answers: new tokens, and everything that it got.
    fn answer(&mut self, request: &HttpRequest, spec: &Validated) -> (u16, String) {
        let values = self.values_in(request, false);
        let used = values.iter().map(|(at, how)| (&self.known[*at], *how));
        let roots = model::obtained_with(used, |root| self.lists(root));
        let number = self.next_version();
        let mut token = |what: &str| {
            let text = format!("issued-{what}-{number}-end");
            self.known.push(Known {
                text: text.clone(),
                kind: Kind::Issued,
                roots: roots.clone(),
            });
            text
        };
        let (access, refresh, identity) = (token("access"), token("refresh"), token("identity"));
        // What is no proof of anybody may come back as a token, where the resource looks for it there.
        let looks_there = |pointer: &Option<String>| {
            pointer.as_ref().is_some_and(|pointer| {
                pointer.starts_with("/echo") || pointer.starts_with("/headers")
            })
        };
        let shape = &spec.client.response;
        if looks_there(&shape.access_token) || looks_there(&shape.refresh_token) {
            for (at, _) in &values {
                if let Kind::Content { is_laundered, .. } = &mut self.known[*at].kind {
                    *is_laundered = true;
                }
            }
        }
        let text = |secret: &Secret| secret.expose().unwrap_or_default().to_owned();
        let headers: Vec<String> = request
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", text(value)))
            .collect();
        let parts: Vec<String> = request
            .secrets
            .iter()
            .map(|sent| text(&sent.value))
            .collect();
        let mut body = json!({
            "access_token": access,
            "refresh_token": refresh,
            "id_token": identity,
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "token_type": "Bearer",
            "expires_in": 3600,
            "scope": "read",
            "echo": {
                "body": text(&request.body),
                "url": text(&request.url),
                "headers": headers,
                "parts": parts,
                "scope": text(&request.body),
            },
        });
        match self.dice.below(12) {
            0 => {
                body["error"] = json!("invalid_grant");
                body["error_description"] = json!(text(&request.body));
                (400, body.to_string())
            }
            1 => {
                body["error"] = json!("invalid_client");
                (401, body.to_string())
            }
            _ => (200, body.to_string()),
        }
    }

    fn put(&mut self, body: &SecretBody) -> Result<SecretSeen, WriteError> {
        let there = self.secrets.get(&body.name);
        let after = written_over(there, body, self.version + 1)?;
        self.version += 1;
        self.secrets.insert(after.name.clone(), after.clone());
        Ok(after)
    }
}

/// All of a request, with what a server reads in it.
fn everything(request: &HttpRequest) -> String {
    let text = |secret: &Secret| secret.expose().unwrap_or_default().to_owned();
    let mut all = vec![text(&request.url), text(&request.body)];
    for (_, value) in &request.headers {
        let value = text(value);
        let basic = value
            .strip_prefix("Basic ")
            .map(|pair| STANDARD.decode(pair).unwrap());
        all.extend(basic.map(|pair| String::from_utf8(pair).unwrap()));
        all.push(value);
    }
    all.join("\n")
}

fn without_query(url: &url::Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.to_string()
}

fn copy_of(known: &Resource) -> Resource {
    Resource {
        namespace: known.namespace.clone(),
        name: known.name.clone(),
        uid: known.uid.clone(),
        generation: known.generation,
        deleting: known.deleting,
        life: known.life.clone(),
        spec: known.spec.clone(),
        inputs: known.inputs.clone(),
        refresh_request: known.refresh_request.clone(),
        status: known.status.clone(),
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

    /// Another spec, or a resource where there is none.
    pub(super) fn edit_resource(&self, owner: &str) {
        let mut inner = self.inner();
        // To check a manifest takes longer than all that follows: most are drawn from those that were checked before.
        let (spec, inputs) = match inner.dice.chance(10) {
            true => accepted(owner, &mut inner.dice),
            false => {
                let all = &POOL[owner];
                all[inner.dice.below(all.len())].clone()
            }
        };
        let version = inner.next_version();
        let fresh = Resource {
            namespace: "shop".into(),
            name: owner.into(),
            uid: format!("uid-{version}"),
            generation: 0,
            deleting: false,
            life: Life::default(),
            spec: Err(Vec::new()),
            inputs: String::new(),
            refresh_request: None,
            status: OAuthClientStatus::default(),
        };
        let resource = inner.resources.entry(owner.into()).or_insert(fresh);
        if !resource.deleting {
            resource.generation += 1;
            resource.inputs = inputs;
            resource.spec = Ok(spec);
        }
    }

    /// The owner of a Secret or of the ServiceAccount changes its mind.
    pub(super) fn edit_lender(&self) {
        let mut inner = self.inner();
        if inner.dice.chance(25) {
            if let Some((uid, _)) = inner.account.clone() {
                inner.make_account();
                let audiences = inner.dice.one(&AUDIENCES).to_owned();
                if let Some(account) = &mut inner.account {
                    account.0 = uid;
                    let name = "oauthclient.dev/allowed-audiences";
                    account.1.insert(name.into(), audiences);
                }
            }
            return;
        }
        let name = inner.dice.one(&SECRETS);
        let (labels, annotations, version) =
            (inner.labels(), inner.annotations(), inner.next_version());
        if let Some(secret) = inner.secrets.get_mut(name)
            && secret.owners.is_empty()
        {
            (secret.labels, secret.annotations) = (labels, annotations);
            secret.resource_version = version;
        }
    }

    /// A Secret or the ServiceAccount goes, and perhaps another one of its name comes.
    pub(super) fn replace_lender(&self) {
        let mut inner = self.inner();
        let comes_back = inner.dice.chance(60);
        if inner.dice.chance(20) {
            inner.account = None;
            if comes_back {
                inner.make_account();
            }
            return;
        }
        let name = inner.dice.one(&SECRETS);
        inner.secrets.remove(name);
        if comes_back {
            inner.make_secret(name);
        }
    }

    pub(super) fn delete_resource(&self, owner: &str) {
        let mut inner = self.inner();
        let now = inner.now;
        let Some(resource) = inner.resources.get_mut(owner) else {
            return;
        };
        if resource.is_held() {
            resource.deleting = true;
            resource.life.deleted = Some(now);
        } else {
            inner.gone(owner);
        }
    }

    pub(super) fn request_refresh(&self, owner: &str) {
        let mut inner = self.inner();
        let version = inner.next_version();
        if let Some(resource) = inner.resources.get_mut(owner) {
            resource.refresh_request = Some(version);
        }
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
        finish(walk(self, &work));
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

    fn seen(&self, name: &str) -> Option<SecretSeen> {
        self.secrets.get(name).cloned()
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

fn lost(reached: Reached) -> Failure {
    Failure {
        class: FailureClass::Transient,
        reason: "Timeout",
        message: "No answer came. Wait".into(),
        retry_after: None,
        timed_out: false,
        reached,
        said: None,
    }
}

fn not_sent() -> Failure {
    lost(Reached::Never)
}

impl Store for Namespace {
    fn now(&self) -> Time {
        self.inner().now
    }

    fn draw(&self) -> f64 {
        0.5
    }

    fn detail(&self) -> StatusDetail {
        StatusDetail::Always
    }

    async fn observe(&self, key: &Key, may_request: bool) -> Result<Option<Observed>, StoreError> {
        let mut inner = self.inner();
        inner.version += 1;
        let Some(resource) = inner.resources.get(key.name()).map(copy_of) else {
            return Ok(None);
        };
        let Ok(spec) = resource.spec.clone() else {
            return Ok(None);
        };
        let name = &spec.token_secret.name;
        let stale_secrets = inner
            .secrets
            .values()
            .filter(|secret| secret.name != *name && secret.is_owned_by(&resource))
            .filter(|secret| secret.has_label(crate::policy::TOKEN_LABEL, "true"))
            .cloned()
            .collect();
        let references = published(&spec).into_iter().map(|token| {
            let found = inner.resources.get(&token.client).map(|other| {
                let secret_name = match &other.spec {
                    Ok(spec) => spec.token_secret.name.clone(),
                    Err(_) => String::new(),
                };
                Found {
                    uid: other.uid.clone(),
                    secret: inner.seen(&secret_name),
                    secret_name,
                }
            });
            let name = token.client.clone();
            Reference { name, found }
        });
        let mut memory = inner
            .memories
            .get(&resource.uid)
            .cloned()
            .unwrap_or_default();
        memory.attempt = memory
            .attempt
            .or_else(|| FailedAttempt::from_status(&resource.status).map(Box::new));
        let mut seen = Observed {
            now: inner.now,
            target: inner.seen(name),
            stale_secrets,
            credentials: spec
                .credentials_secret
                .as_ref()
                .and_then(|name| inner.seen(name)),
            certificate: crate::policy::CertificateSeen::NotNamed,
            references: references.collect(),
            cycle: None,
            lender_secrets: Vec::new(),
            accounts: BTreeMap::new(),
            made: TokensInHand::default(),
            ca: CaSeen::NotNamed,
            chain: crate::policy::FamilySeen {
                state: inner.seen(&state_name(&resource.name)),
                login: inner.seen(&login_name(&resource.name)),
                process: format!("process-{}", inner.process),
                attempt: format!("attempt-{}", inner.version),
                elapsed: inner.now.since(at(0)),
                drain: span(10),
                alone: true,
            },
            next_content: None,
            content: None,
            memory,
            may_request,
            rules: Rules::default(),
            nonce: crate::clock::Clock::system().nonce(),
            resource,
        };
        for token in account_tokens(&spec) {
            seen.accounts
                .insert(token.account.clone(), inner.account_seen());
        }
        let (secrets, accounts) = lenders_to_see(&seen);
        seen.lender_secrets = secrets.iter().filter_map(|name| inner.seen(name)).collect();
        for account in accounts {
            seen.accounts.insert(account, inner.account_seen());
        }
        let version = seen.lent();
        seen.content = version.map(|version| content(&version));
        Ok(Some(seen))
    }

    async fn get(
        &self,
        _: &Observed,
        _: &Validated,
        need: &Prerequisite,
    ) -> Result<Fetched, Failure> {
        let mut inner = self.inner();
        match need {
            Prerequisite::Discovery => {
                let mut url = || inner.dice.one(&URLS).parse().unwrap();
                let endpoints = Endpoints {
                    token: url(),
                    revocation: Some(url()),
                    authorization: None,
                    device_authorization: None,
                };
                Ok(Fetched::Discovery(Arc::new(Metadata {
                    pushed_authorization: None,
                    requires_pushed: false,
                    registration: None,
                    offline_access: false,
                    endpoints,
                    issuer_in_answers: false,
                    mtls: Aliases::default(),
                })))
            }
            Prerequisite::ServiceAccountToken(token) => {
                let text = format!("minted-{}-end", inner.next_version());
                let root = Root {
                    audience: Some(token.audience.clone()),
                    name: ACCOUNT.into(),
                    uid: inner
                        .account
                        .as_ref()
                        .map(|(uid, _)| uid.clone())
                        .unwrap_or_default(),
                    which: Which::Hosts,
                    then: Lists::of(Some(String::new()), None),
                };
                assert!(
                    inner.lists(&root).is_some(),
                    "case {}: a token is made of a ServiceAccount that has not opted in",
                    inner.case
                );
                inner.minted += 1;
                inner.known.push(Known {
                    text: text.clone(),
                    kind: Kind::Account,
                    roots: vec![root],
                });
                let secret = Secret::from(text.as_str());
                Ok(Fetched::ServiceAccountToken(token.clone(), secret))
            }
        }
    }

    async fn send(
        &self,
        seen: &Observed,
        spec: &Validated,
        request: &HttpRequest,
        _: Held,
    ) -> Result<(HttpAnswer, Held), Failure> {
        let authorized = authorize(request, &shown_by(seen)).map_err(|_| not_sent())?;
        let mut inner = self.inner();
        inner.now = inner.now + Span::from_millis(100);
        inner.record(&authorized, false);
        let (status, body) = inner.answer(request, spec);
        if inner.dice.chance(5) {
            return Err(lost(Reached::Unknown));
        }
        let echo = Secret::from(everything(request));
        let answer = HttpAnswer {
            headers: vec![("x-echo".to_owned(), echo)],
            status,
            content_type: Some("application/json".into()),
            retry_after: None,
            body: Secret::from(body),
            sent: request.secrets.clone(),
        };
        Ok((answer, Held::default()))
    }

    async fn call(
        &self,
        seen: &Observed,
        _: &Validated,
        request: &HttpRequest,
    ) -> Result<HttpAnswer, Failure> {
        let authorized = authorize(request, &shown_by(seen)).map_err(|_| not_sent())?;
        let mut inner = self.inner();
        inner.record(&authorized, true);
        let (status, body) = match inner.dice.below(4) {
            0 => (401, everything(request)),
            1 => (503, everything(request)),
            _ => (200, String::new()),
        };
        Ok(HttpAnswer {
            headers: Vec::new(),
            status,
            content_type: None,
            retry_after: None,
            body: Secret::from(body),
            sent: request.secrets.clone(),
        })
    }

    async fn hold(&self, seen: &Observed, held: bool) -> Result<Option<String>, StoreError> {
        let mut inner = self.inner();
        let name = &seen.resource.name;
        let Some(resource) = inner.resources.get_mut(name) else {
            return Ok(None);
        };
        let finalizers = &mut resource.life.finalizers;
        finalizers.retain(|one| one != crate::policy::REVOCATION_FINALIZER);
        if held {
            finalizers.push(crate::policy::REVOCATION_FINALIZER.into());
        } else if resource.deleting {
            inner.gone(name);
        }
        Ok(None)
    }

    fn revoke_later(&self, key: &Key, token: TokenWithLenders, _: Span) {
        self.inner().waiting.push((key.clone(), token));
    }

    fn brakes(&self) -> MutexGuard<'_, Brakes> {
        self.1.lock().unwrap()
    }

    fn answered(&self, _: &Key, _: HostReport) {}

    async fn write(&self, _: &Key, write: &SecretWrite) -> Result<SecretSeen, WriteError> {
        let mut inner = self.inner();
        let written = inner.put(write)?;
        inner.published += 1;
        Ok(written)
    }

    async fn keep(&self, _: &Key, body: &SecretBody) -> Result<SecretSeen, WriteError> {
        self.inner().put(body)
    }

    async fn delete(&self, _: &Key, stale: &StaleSecret) -> Result<(), StoreError> {
        let mut inner = self.inner();
        inner
            .secrets
            .retain(|name, secret| *name != stale.name || secret.uid != stale.uid);
        Ok(())
    }

    async fn report(
        &self,
        resource: &Resource,
        report: &Report,
    ) -> Result<Option<String>, StoreError> {
        let mut inner = self.inner();
        for notice in &report.notices {
            inner.shown.push_str(&notice.message);
        }
        if let Some(known) = inner.resources.get_mut(&resource.name)
            && known.uid == resource.uid
        {
            known.status = report.status.clone();
        }
        Ok(None)
    }

    fn remember(&self, _: &Key, uid: &str, memory: Memory) {
        self.inner().memories.insert(uid.to_owned(), memory);
    }

    async fn pause(&self, span: Span) -> bool {
        let mut inner = self.inner();
        inner.now = inner.now + span;
        true
    }
}
