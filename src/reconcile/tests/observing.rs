//! What an observation is made of: what each absence means, and that no error of a read is taken for an absence.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::api::OAuthClient;
use crate::api::manifest::parse_manifest;
use crate::model::{CaSeen, CertificateSeen, FailedAttempt, FamilySeen};
use crate::policy::tests::{current, secret};
use crate::reconcile::observe::observe;
use crate::trust::{AllowedHosts, Lender, LenderKind, Lenders};

/// Uses everything that a resource can use.
const USES_ALL: &str = "  grant:\n    type: urn:ietf:params:oauth:grant-type:token-exchange\n    tokenExchange:\n      subjectToken: \
     {oauthClientName: other}\n      actorToken: {serviceAccountToken: {serviceAccountName: robot, audience: sts}}\n  \
     clientAuthentication: {method: tls_client_auth, tlsClientAuth: {secretName: client-tls}}\n#ca\n";
const FAMILY: &str = "  grant: {type: refresh_token}\n";

/// Objects in memory, and a read that fails.
struct Fake {
    object: Option<OAuthClient>,
    others: BTreeSet<&'static str>,
    secrets: BTreeMap<String, SecretSeen>,
    map: ConfigMapRead,
    account: AccountSeen,
    stale: Vec<String>,
    memory: Memory,
    is_certain: bool,
    deleting_for: Duration,
    fails: Option<(String, StoreError)>,
    /// All reads, and what was reported.
    reads: Mutex<Vec<String>>,
}

impl Fake {
    fn of(spec: &Spec) -> Fake {
        let mut object = parse_manifest(&spec.yaml()).unwrap();
        object.metadata.uid = Some("u".into());
        object.metadata.generation = Some(3);
        Fake {
            object: Some(object),
            others: BTreeSet::new(),
            secrets: BTreeMap::new(),
            map: ConfigMapRead::Missing,
            account: AccountSeen::Missing,
            stale: Vec::new(),
            memory: Memory::default(),
            is_certain: false,
            deleting_for: Duration::ZERO,
            fails: None,
            reads: Mutex::default(),
        }
    }

    /// With everything that the resource uses.
    fn complete() -> Fake {
        let mut fake = Fake::of(&Spec::extra(USES_ALL));
        for name in ["client", "client-tls", "other-token", "token", "former"] {
            fake.secrets.insert(name.into(), secret(name, 1));
        }
        fake.others.insert("other");
        fake.stale.push("former".into());
        fake
    }

    fn read(&self, what: String) -> Result<(), StoreError> {
        self.reads.lock().unwrap().push(what.clone());
        match &self.fails {
            Some((failing, error)) if *failing == what => Err(error.clone()),
            _ => Ok(()),
        }
    }

    fn reads(&self) -> Vec<String> {
        std::mem::take(&mut self.reads.lock().unwrap())
    }

    fn tries(&self, may_request: bool) -> Result<Option<Observed>, StoreError> {
        let key = key();
        let mut observing = pin!(observe(self, &key, may_request));
        match observing
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(seen) => seen,
            Poll::Pending => panic!("it waits for something"),
        }
    }

    fn sees(&self) -> Observed {
        self.tries(true).unwrap().unwrap()
    }
}

impl Objects for Fake {
    fn now(&self) -> Time {
        at(7)
    }

    fn nonce(&self) -> Nonce {
        crate::clock::Clock::system().nonce()
    }

    fn rules(&self) -> Rules {
        Rules::default()
    }

    async fn resource(&self, key: &Key) -> Result<Option<ResourceRead>, StoreError> {
        self.read("resource".into())?;
        let object = self.object.clone();
        Ok(object.map(|object| ResourceRead::new(key, object, None)))
    }

    async fn referenced(&self, key: &Key) -> Result<Option<ReferencedRead>, StoreError> {
        self.read(format!("resource {}", key.name()))?;
        let found = self.others.get(key.name());
        Ok(found.map(|name| ReferencedRead {
            uid: format!("uid-of-{name}"),
            token_secret: format!("{name}-token"),
        }))
    }

    async fn secret(
        &self,
        _: &Key,
        name: &str,
        purpose: Purpose,
    ) -> Result<Option<SecretSeen>, StoreError> {
        self.read(format!("{purpose:?} {name}"))?;
        Ok(self.secrets.get(name).cloned())
    }

    async fn config_map(
        &self,
        _: &Key,
        name: &str,
        key: &str,
    ) -> Result<ConfigMapRead, StoreError> {
        self.read(format!("config map {name} {key}"))?;
        Ok(self.map.clone())
    }

    async fn account(&self, _: &Key, name: &str) -> Result<AccountSeen, StoreError> {
        self.read(format!("account {name}"))?;
        Ok(self.account.clone())
    }

    fn stale_secrets(&self, _: &Key, _: &str, _: &str) -> Vec<String> {
        self.stale.clone()
    }

    fn stale_secret_is_gone(&self, _: &Key, name: &str) {
        self.reads.lock().unwrap().push(format!("gone {name}"));
    }

    fn publisher(&self, _: &Key, secret: &str) -> Option<String> {
        Some(format!("publisher of {secret}"))
    }

    fn cycle(&self, _: &Key) -> Option<Vec<String>> {
        Some(vec!["books".into(), "books".into()])
    }

    fn memory(&self, _: &Key, _: &str) -> Memory {
        self.memory.clone()
    }

    fn process(&self, attempt: String) -> FamilySeen {
        FamilySeen {
            process: "this".into(),
            attempt,
            ..FamilySeen::default()
        }
    }

    fn hash(&self, content: &[u8]) -> u64 {
        hashed(content)
    }

    fn absence_is_certain(&self) -> bool {
        self.is_certain
    }

    fn claim(&self, _: &Key, secret: &str) -> Option<String> {
        let reads = self.reads.lock().unwrap();
        let mut reads = reads.iter().rev().take_while(|read| *read != "resource");
        let read = format!("Token {secret}");
        assert!(
            reads.all(|other| *other != read),
            "the token Secret is read before it is claimed"
        );
        Some(format!("holder of {secret}"))
    }

    fn deleting_for(&self, _: &Key) -> Duration {
        self.deleting_for
    }

    async fn permission_is_missing(&self, _: &Observed, permission: &str) {
        self.reads
            .lock()
            .unwrap()
            .push(format!("denied {permission}"));
    }
}

/// A token Secret with a token that was obtained with these Secrets.
fn token_obtained_with(names: &[&str]) -> SecretSeen {
    let mut secret = current(&Spec::default()).target.unwrap();
    let mut state = secret.state().unwrap();
    let lenders = names.iter().map(|name| Lender {
        kind: LenderKind::Secret,
        name: (*name).to_owned(),
        audience: None,
        uid: format!("uid-of-{name}"),
        hosts: AllowedHosts::any(),
        token_hosts: AllowedHosts::any(),
        obtained: false,
        repeated: false,
    });
    state.lenders = Some(Lenders::from_iter(lenders));
    let state = state.write().into_iter();
    secret
        .annotations
        .extend(state.filter_map(|(key, value)| Some((key, value?))));
    secret.name = "other-token".into();
    secret
}

fn passing() -> StoreError {
    StoreError::Passing("no answer".into())
}

#[test]
fn each_object_that_a_spec_names_is_read_once_and_for_its_purpose() {
    let fake = Fake::complete();
    fake.sees();
    let reads = fake.reads();
    let expected = [
        "resource",
        "Token token",
        "OptedIn client",
        "config map corp-ca ca.crt",
        "OptedIn client-tls",
        "Token former",
        "resource other",
        "OptedIn other-token",
        "account robot",
    ];
    assert_eq!(reads, expected);
    let family = Fake::of(&Spec::extra(FAMILY));
    family.sees();
    let expected = [
        "resource",
        "Token token",
        "OptedIn client",
        "RefreshState books-refresh-state",
        "Login books-login",
    ];
    assert_eq!(family.reads(), expected);
}

#[test]
fn no_read_that_fails_is_taken_for_an_absence() {
    let family = Fake::of(&Spec::extra(FAMILY));
    for mut fake in [Fake::complete(), family] {
        fake.sees();
        let reads = fake.reads();
        assert!(reads.len() >= 5);
        for what in reads {
            fake.fails = Some((what.clone(), passing()));
            let seen = fake.tries(true).err();
            assert_eq!(seen, Some(passing()), "{what}");
            assert!(fake.reads().contains(&what));
        }
    }
}

#[test]
fn a_permission_that_is_missing_is_reported_and_ends_the_observation_all_the_same() {
    let mut fake = Fake::complete();
    let permission = || "get secrets".to_owned();
    let denied = StoreError::Unreadable {
        permission: permission(),
    };
    fake.fails = Some(("OptedIn client".into(), denied.clone()));
    assert_eq!(fake.tries(true).err(), Some(denied));
    assert_eq!(fake.reads().last(), Some(&"denied get secrets".to_owned()));
    fake.fails = Some(("OptedIn client".into(), passing()));
    assert!(fake.tries(true).is_err());
    assert!(!fake.reads().iter().any(|read| read.starts_with("denied")));
}

#[test]
fn what_is_absent_is_observed_as_absent() {
    let mut fake = Fake::complete();
    fake.secrets.clear();
    fake.others.clear();
    let seen = fake.sees();
    assert!(seen.target.is_none() && seen.credentials.is_none());
    assert_eq!(
        seen.credentials_publisher.as_deref(),
        Some("publisher of client")
    );
    assert!(matches!(seen.certificate, CertificateSeen::Missing));
    assert_eq!(seen.ca, CaSeen::Missing);
    assert!(seen.references.iter().all(|one| one.found.is_none()));
    assert_eq!(seen.references.len(), 1);
    assert_eq!(seen.accounts["robot"], AccountSeen::Missing);
    assert!(seen.stale_secrets.is_empty());
    assert!(fake.reads().contains(&"gone former".to_owned()));
    assert_eq!((seen.content, seen.next_content), (None, None));
    let none = Fake {
        object: None,
        ..Fake::complete()
    };
    assert!(none.tries(true).unwrap().is_none());
}

#[test]
fn what_is_there_is_observed() {
    let fake = Fake::complete();
    let seen = fake.sees();
    assert_eq!(seen.now, at(7));
    assert_eq!(seen.resource.generation, 3);
    let name = |secret: &Option<SecretSeen>| secret.as_ref().unwrap().name.clone();
    assert_eq!(name(&seen.target), "token");
    assert_eq!(name(&seen.credentials), "client");
    assert_eq!(seen.credentials_publisher, None);
    let CertificateSeen::There(there) = &seen.certificate else {
        panic!("no certificate");
    };
    assert!(there.read.as_ref().is_err_and(|problem| problem.missing));
    assert_eq!(seen.stale_secrets[0].name, "former");
    let found = seen.references[0].found.as_ref().unwrap();
    assert_eq!(found.uid, "uid-of-other");
    assert_eq!(name(&found.secret), "other-token");
    assert_eq!(seen.cycle.as_ref().unwrap().len(), 2);
    assert!(seen.content.is_some());
    assert_eq!(
        seen.memory.target_claimed_by.as_deref(),
        Some("holder of token")
    );
    let looks = fake.tries(false).unwrap().unwrap();
    assert_eq!(looks.memory.target_claimed_by, None, "it requests nothing");
}

#[test]
fn a_ca_bundle_is_a_certificate_in_text() {
    let mut fake = Fake::of(&Spec::extra("#ca\n"));
    let mut of = |map| {
        fake.map = map;
        fake.sees().ca
    };
    let pem = testkit::tls::Authority::new("ca").unwrap().pem();
    let value = |text: &str| ConfigMapRead::Value(text.as_bytes().to_vec());
    assert_eq!(of(ConfigMapRead::Missing), CaSeen::Missing);
    assert_eq!(of(ConfigMapRead::KeyMissing), CaSeen::KeyMissing);
    assert_eq!(of(value(&pem)), CaSeen::Pem(pem));
    for broken in ["", "x", "-----BEGIN CERTIFICATE-----\nAAAA\n"] {
        assert!(matches!(of(value(broken)), CaSeen::Broken(_)), "{broken}");
    }
    let not_text = ConfigMapRead::Value(vec![0xff; 9]);
    assert!(matches!(of(not_text), CaSeen::Broken(_)));
}

#[test]
fn the_lenders_of_a_used_token_are_read_each_once() {
    let mut fake = Fake::complete();
    let token = token_obtained_with(&["client", "far", "far"]);
    fake.secrets.insert("other-token".into(), token);
    fake.secrets.insert("far".into(), secret("far", 1));
    let seen = fake.sees();
    let names: Vec<&str> = seen
        .lender_secrets
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(names, ["far"]);
    let count = |reads: &[String], what: &str| reads.iter().filter(|one| *one == what).count();
    let reads = fake.reads();
    assert_eq!(count(&reads, "OptedIn far"), 1);
    assert_eq!(count(&reads, "OptedIn client"), 1);
    fake.fails = Some(("OptedIn far".into(), passing()));
    assert_eq!(fake.tries(true).err(), Some(passing()));
}

#[test]
fn a_deleted_secret_is_believed_where_nothing_is_cached_in_between() {
    for (is_certain, there, expected) in [
        (false, false, false),
        (true, false, true),
        (true, true, false),
    ] {
        let mut fake = Fake::of(&Spec::default());
        fake.is_certain = is_certain;
        if there {
            fake.secrets.insert("token".into(), secret("token", 1));
        }
        assert_eq!(fake.sees().memory.deletion_reported, expected);
    }
}

#[test]
fn the_failed_attempt_is_remembered_or_told_by_the_status() {
    let scene = Scene::new(&Spec::default());
    scene.inner().answers.push_back(Answer::Unavailable);
    scene.reconcile(true);
    let status = scene.inner().resource.as_ref().unwrap().status.clone();
    let mut fake = Fake::of(&Spec::default());
    fake.object.as_mut().unwrap().status = Some(status);
    let told = fake.sees().memory.attempt.unwrap();
    assert_eq!(told.failures, 1);
    fake.memory.attempt = Some(Box::new(FailedAttempt {
        failures: 5,
        ..*told
    }));
    assert_eq!(fake.sees().memory.attempt.unwrap().failures, 5);
}

#[test]
fn of_an_invalid_spec_only_the_token_is_read() {
    let mut fake = Fake::complete();
    let object = fake.object.as_mut().unwrap();
    object.spec.provider.token_url = Some("not a URL".into());
    let seen = fake.sees();
    assert!(seen.resource.spec.is_err());
    assert_eq!(seen.target.unwrap().name, "token");
    assert_eq!(fake.reads(), ["resource", "Token token"]);
    // Not even the name of the Secret can be decoded.
    fake.object.as_mut().unwrap().spec.token_secret.name = String::new();
    assert!(fake.sees().target.is_none());
    assert_eq!(fake.reads(), ["resource"]);
}

#[test]
fn a_deletion_waits_for_its_last_look_but_not_for_long() {
    let mut fake = Fake::complete();
    let deleted = serde_json::from_value(serde_json::json!("2026-01-01T00:00:00Z")).unwrap();
    fake.object.as_mut().unwrap().metadata.deletion_timestamp = Some(deleted);
    fake.sees();
    assert_eq!(fake.reads(), ["resource"], "nothing is revoked");
    let finalizers = vec![crate::policy::REVOCATION_FINALIZER.to_owned()];
    fake.object.as_mut().unwrap().metadata.finalizers = Some(finalizers);
    let seen = fake.sees();
    assert!(seen.target.is_some() && seen.memory.target_claimed_by.is_none());
    fake.fails = Some(("OptedIn client".into(), passing()));
    fake.deleting_for = Duration::from_secs(14);
    assert!(fake.tries(true).is_err());
    fake.deleting_for = Duration::from_secs(15);
    assert!(fake.tries(true).unwrap().is_some());
}

#[test]
fn a_token_secret_is_claimed_by_one_reconcile_at_a_time() {
    let claims = Claims::default();
    let (one, two) = (Key::new("shop", "one"), Key::new("shop", "two"));
    assert_eq!(claims.claim(&one, "token"), None);
    assert_eq!(claims.claim(&one, "token"), None);
    assert_eq!(claims.claim(&two, "token").as_deref(), Some("one"));
    assert_eq!(claims.claim(&two, "another"), None);
    assert_eq!(claims.claim(&Key::new("other", "two"), "token"), None);
    claims.release(&one);
    assert_eq!(claims.claim(&two, "token"), None);
}
