//! One resource is reconciled in a simulation: an API with UIDs and resourceVersions, a provider, a clock, and faults.

mod braked;
mod clocks;
mod family;
mod first;
mod histories;
mod observing;
mod property;
mod rejected;
mod revocation;
mod sentences;
mod steady;

use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use crate::api::OAuthClientStatus;
use crate::api::validate::Validated;
use crate::engine::Key;
use crate::messages::WriteRefusal;
use crate::model::{
    AccountSeen, ExpectedResponse, Failure, FamilySeen, Fetched, Observed, Prerequisite, Resource,
    Rules, SecretBody, SecretSeen, WriteMode,
};
use crate::oauth::discovery::{Aliases, Endpoints, Metadata};
use crate::oauth::error::FailureClass;
use crate::oauth::{HttpAnswer, HttpRequest, Nonce};
use crate::policy::brakes::Brakes;
use crate::policy::tests::{Spec, applied, at, credentials, resource, span};
use crate::policy::{Report, StatusDetail, TokenWithLenders};
use crate::queue::HostReport;
use crate::secret::Secret;
use crate::time::{HostTime, Span};

use super::*;

/// How one write of a Secret goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// As it should.
    Fine,
    /// 409, although no one else wrote.
    Conflict,
    /// No answer, and nothing written.
    Lost,
    /// No answer, though it was written.
    Committed,
    /// The role does not allow it.
    Forbidden,
    /// A quota refuses it.
    Refused,
    /// The server does not accept it.
    Rejected,
    /// The namespace is being deleted.
    Terminating,
    /// The process ends just before.
    CrashBefore,
    /// The process ends just after.
    CrashAfter,
}

/// How one look goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Fresh,
    /// The Secret as it was before its last change.
    Stale,
    /// No answer.
    Fails,
}

/// Stands for a response that is not read.
const UNREAD: u16 = 1;

/// What a token request comes to.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// A new token of this life, in seconds.
    New(i64),
    /// The token before once more.
    Same(i64),
    /// One and the same token each time.
    One(i64),
    /// HTTP 503.
    Unavailable,
    /// HTTP 400 with this code.
    Refused(&'static str),
    /// This status without a body.
    Status(u16),
    /// A large response that is not read for want of room.
    Unread,
    /// The process ends before the answer comes.
    Crash,
}

pub(super) struct Inner {
    pub(super) now: Time,
    pub(super) resource: Option<Resource>,
    pub(super) secrets: BTreeMap<String, SecretSeen>,
    before: BTreeMap<String, Option<SecretSeen>>,
    pub(super) credentials: Option<SecretSeen>,
    pub(super) ca: ConfigMapRead,
    pub(super) memory: Memory,
    version: u64,
    pub(super) answers: VecDeque<Answer>,
    pub(super) writes: VecDeque<Fault>,
    pub(super) looks: VecDeque<Look>,
    /// How the current one goes.
    look: Look,
    pub(super) reports: VecDeque<bool>,
    /// Another replica writes this at the next write of ours, before it.
    pub(super) intruder: Option<SecretSeen>,
    pub(super) requests: u32,
    /// For which responses room was set aside, by the size of the last one; and whether there is none.
    pub(super) rooms: Vec<Option<usize>>,
    pub(super) is_full: bool,
    /// Where each went.
    pub(super) sent_to: Vec<String>,
    /// With which client secret, where refresh tokens are sent.
    pub(super) sent_secrets: Vec<String>,
    /// What was needed first, each time.
    pub(super) fetched: Vec<Prerequisite>,
    /// What each of these comes to: the token endpoint, or a failure; at first tokens.example.com.
    pub(super) documents: VecDeque<Result<&'static str, Failure>>,
    pub(super) rediscovered: u32,
    /// Requests that were no token requests: where to, and their bodies; and what they come to, at first 200.
    pub(super) calls: Vec<(String, String)>,
    pub(super) call_answers: VecDeque<Result<u16, Failure>>,
    /// The nonces that the server of these requests wants in proofs of possession, one after the other, and the proofs that came.
    pub(super) call_nonces: Vec<&'static str>,
    pub(super) call_proofs: Vec<serde_json::Value>,
    /// The finalizer, put on and taken off; and why not.
    pub(super) finalizer_changes: Vec<bool>,
    pub(super) finalizer_error: Option<StoreError>,
    /// Tokens that wait to be revoked, and for how long.
    pub(super) later: Vec<(String, i64)>,
    pub(super) secret_writes: u32,
    pub(super) status_writes: u32,
    pub(super) events: Vec<&'static str>,
    pub(super) drained: bool,
    crashed: bool,
    pub(super) detail: StatusDetail,
    /// A provider with a clock of its own, in place of `answers`.
    book: Option<clocks::Book>,
    /// After so many more operations the clock is set by this much.
    jump: Option<(u32, Span)>,
    /// A provider with refresh tokens, and the faults of the state Secret.
    family: family::FamilyScript,
}

/// The simulation, behind a lock as [`Store`] requires.
pub(super) struct Scene(Mutex<Inner>, pub(super) Arc<Mutex<Brakes>>);

/// A document that names nothing but this token endpoint.
pub(super) fn discovered(url: &str) -> std::sync::Arc<Metadata> {
    std::sync::Arc::new(Metadata {
        pushed_authorization: None,
        requires_pushed: false,
        registration: None,
        offline_access: false,
        issuer_in_answers: false,
        endpoints: Endpoints {
            token: url.parse().unwrap(),
            revocation: None,
            authorization: None,
            device_authorization: None,
        },
        mtls: Aliases::default(),
    })
}

/// Brakes of a process that knows of no refusal.
pub(super) fn no_brakes() -> Brakes {
    Brakes::new(ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &[7; 32]))
}

pub(super) fn key() -> Key {
    Key::new("shop", "books")
}

impl Scene {
    pub(super) fn new(spec: &Spec) -> Self {
        let inner = Mutex::new(Inner {
            now: at(0),
            resource: Some(resource(spec)),
            secrets: BTreeMap::new(),
            before: BTreeMap::new(),
            credentials: Some(credentials(1, "pw")),
            ca: ConfigMapRead::Missing,
            memory: Memory::default(),
            version: 100,
            answers: VecDeque::new(),
            writes: VecDeque::new(),
            looks: VecDeque::new(),
            look: Look::Fresh,
            reports: VecDeque::new(),
            intruder: None,
            requests: 0,
            rooms: Vec::new(),
            is_full: false,
            sent_to: Vec::new(),
            sent_secrets: Vec::new(),
            fetched: Vec::new(),
            documents: VecDeque::new(),
            rediscovered: 0,
            calls: Vec::new(),
            call_answers: VecDeque::new(),
            call_nonces: Vec::new(),
            call_proofs: Vec::new(),
            finalizer_changes: Vec::new(),
            finalizer_error: None,
            later: Vec::new(),
            secret_writes: 0,
            status_writes: 0,
            events: Vec::new(),
            drained: false,
            crashed: false,
            detail: StatusDetail::Always,
            book: None,
            jump: None,
            family: family::FamilyScript::default(),
        });
        Scene(inner, Arc::new(Mutex::new(no_brakes())))
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// Reconciles once; `None` if the process ended during it and was restarted.
    pub(super) fn reconcile(&self, may_request: bool) -> Option<Reconciled> {
        let work = Work {
            key: key(),
            may_request,
            due: self.inner().now,
        };
        let mut reconciling = pin!(reconcile(self, &work));
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..10_000 {
            if let Poll::Ready(reconciled) = reconciling.as_mut().poll(&mut context) {
                return Some(reconciled);
            }
            if self.inner().crashed {
                self.restart();
                return None;
            }
        }
        panic!("the reconcile never ends");
    }

    /// The process is restarted: only what is written is known.
    pub(super) fn restart(&self) {
        *self.1.lock().unwrap() = no_brakes();
        let mut inner = self.inner();
        inner.crashed = false;
        inner.memory = Memory::default();
        inner.family.process += 1;
    }

    /// Reconciles as the engine would: with a permit when a request is needed, at the requested times, until this time
    /// is reached
    /// or nothing is due.
    pub(super) fn run(&self, until: Time) {
        let mut permit = true;
        for _ in 0..5_000 {
            let reconciled = self.reconcile(permit);
            let now = self.inner().now;
            let Some((next, with_permit)) = next(reconciled, now, permit) else {
                return;
            };
            if next > until {
                self.inner().now = until;
                return;
            }
            permit = with_permit;
            self.inner().now = next.max(now + Span::from_millis(1));
        }
        panic!("a hot loop");
    }

    /// Token requests, and writes of Secrets.
    pub(super) fn counts(&self) -> (u32, u32) {
        let inner = self.inner();
        (inner.requests, inner.secret_writes)
    }

    pub(super) fn token(&self) -> Option<String> {
        let inner = self.inner();
        let secret = inner.secrets.get("token")?;
        Some(secret.data.get("access_token")?.expose()?.to_owned())
    }

    pub(super) fn condition(&self, kind: &str) -> Option<(bool, String)> {
        let inner = self.inner();
        let status = &inner.resource.as_ref()?.status;
        let found = status
            .conditions
            .iter()
            .find(|condition| condition.type_ == kind)?;
        Some((found.status == "True", found.reason.clone()))
    }

    pub(super) fn put(&self, secret: SecretSeen) {
        let mut inner = self.inner();
        inner.put(secret);
    }
}

/// When the engine would reconcile again, and whether with a permit; `None` if the resource is gone.
fn next(reconciled: Option<Reconciled>, now: Time, permit: bool) -> Option<(Time, bool)> {
    Some(match reconciled {
        None => (now + span(1), false),
        Some(Reconciled::Gone) => return None,
        Some(Reconciled::Abandoned { again, .. }) => (again, permit),
        Some(Reconciled::Done(outcome)) => match outcome.requeue {
            Requeue::Request => (now + Span::from_millis(1), true),
            Requeue::RequestAt(time) => (time, true),
            Requeue::At(time) => (time, false),
            Requeue::OnChange => (Time::NEVER, false),
        },
    })
}

impl Inner {
    pub(super) fn put(&mut self, mut secret: SecretSeen) {
        self.version += 1;
        secret.resource_version = self.version.to_string();
        let old = self.secrets.insert(secret.name.clone(), secret.clone());
        self.before.insert(secret.name, old);
    }

    fn apply(&mut self, write: &SecretBody) -> Result<SecretSeen, WriteError> {
        if let Some(intruder) = self.intruder.take() {
            self.put(intruder);
        }
        let there = self.secrets.get(&write.name);
        let after = written_over(there, write, self.version + 1)?;
        self.put(after.clone());
        Ok(after)
    }

    fn apply_token(&mut self, write: &SecretBody) -> Result<SecretSeen, WriteError> {
        let written = self.apply(write)?;
        self.secret_writes += 1;
        self.note_in_book(&written);
        Ok(written)
    }
}

/// A resource as it was read.
pub(super) fn copy_of(known: &Resource) -> Resource {
    Resource {
        namespace: known.namespace.clone(),
        name: known.name.clone(),
        uid: known.uid.clone(),
        generation: known.generation,
        deleting: known.deleting,
        meta: known.meta.clone(),
        spec: known.spec.clone(),
        inputs: known.inputs.clone(),
        refresh_request: known.refresh_request.clone(),
        status: known.status.clone(),
    }
}

/// The name of its token Secret.
pub(super) fn token_secret(known: &Resource) -> String {
    let name = known.spec.as_ref().map(|spec| &spec.token_secret.name);
    name.map_or("token", String::as_str).to_owned()
}

/// The token Secrets of the resource with this UID, except the current one.
pub(super) fn stale_among(
    all: &BTreeMap<String, SecretSeen>,
    uid: &str,
    current: &str,
) -> Vec<String> {
    let is_owned = |secret: &SecretSeen| secret.owners.iter().any(|owner| owner.uid == uid);
    all.values()
        .filter(|secret| secret.name != current && is_owned(secret))
        .filter(|secret| secret.has_label(crate::names::TOKEN_LABEL, "true"))
        .map(|secret| secret.name.clone())
        .collect()
}

/// A hash of secret content that is the same in every process of a test.
pub(super) fn hashed(content: &[u8]) -> u64 {
    let hash = ring::digest::digest(&ring::digest::SHA256, content);
    u64::from_le_bytes(*hash.as_ref().first_chunk().unwrap())
}

/// A Secret after a write, as the API server would store it at this version: refused unless the write is for what is there.
pub(super) fn written_over(
    there: Option<&SecretSeen>,
    write: &SecretBody,
    version: u64,
) -> Result<SecretSeen, WriteError> {
    match (&write.mode, there) {
        (WriteMode::Create, None) => {}
        (
            WriteMode::Patch {
                uid,
                resource_version,
            },
            Some(there),
        ) if *uid == there.uid && *resource_version == there.resource_version => {}
        _ => return Err(WriteError::Raced),
    }
    let mut after = applied(write, there, version);
    if there.is_none() {
        after.uid = format!("uid-{version}");
    }
    Ok(after)
}

impl Objects for Scene {
    fn now(&self) -> Time {
        self.inner().now
    }

    fn nonce(&self) -> Nonce {
        crate::clock::Clock::system().nonce()
    }

    fn rules(&self) -> Rules {
        Rules::default()
    }

    async fn resource(&self, _: &Key) -> Result<Option<ResourceRead>, StoreError> {
        let mut inner = self.inner();
        inner.look = inner.looks.pop_front().unwrap_or(Look::Fresh);
        if inner.look == Look::Fails {
            return Err(StoreError::Passing("no answer".into()));
        }
        Ok(inner.resource.as_ref().map(|known| ResourceRead {
            resource: copy_of(known),
            token_secret: token_secret(known),
        }))
    }

    async fn referenced(&self, _: &Key) -> Result<Option<ReferencedRead>, StoreError> {
        Ok(None)
    }

    async fn secret(
        &self,
        _: &Key,
        name: &str,
        purpose: Purpose,
    ) -> Result<Option<SecretSeen>, StoreError> {
        let inner = self.inner();
        let credentials = inner.credentials.as_ref();
        if let (Purpose::OptedIn, Some(secret)) = (purpose, credentials)
            && secret.name == name
        {
            return Ok(Some(secret.clone()));
        }
        let is_target = inner.resource.as_ref().map(token_secret).as_deref() == Some(name);
        Ok(match (inner.look, inner.before.get(name)) {
            (Look::Stale, Some(before)) if is_target => before.clone(),
            _ => inner.secrets.get(name).cloned(),
        })
    }

    async fn config_map(&self, _: &Key, _: &str, _: &str) -> Result<ConfigMapRead, StoreError> {
        Ok(self.inner().ca.clone())
    }

    async fn account(&self, _: &Key, _: &str) -> Result<AccountSeen, StoreError> {
        Ok(AccountSeen::Missing)
    }

    fn stale_secrets(&self, _: &Key, uid: &str, current: &str) -> Vec<String> {
        stale_among(&self.inner().secrets, uid, current)
    }

    fn memory(&self, _: &Key, _: &str) -> Memory {
        self.inner().memory.clone()
    }

    fn process(&self, _: String) -> FamilySeen {
        self.inner().process()
    }

    fn hash(&self, content: &[u8]) -> u64 {
        hashed(content)
    }
}

impl Store for Scene {
    fn host_time(&self) -> Option<HostTime> {
        Some(self.inner().host_time())
    }

    fn jitter(&self) -> f64 {
        0.5
    }

    fn status_detail(&self) -> StatusDetail {
        self.inner().detail
    }

    async fn fetch_prerequisite(
        &self,
        _: &Observed,
        _: &Validated,
        prerequisite: &Prerequisite,
    ) -> Result<Fetched, Failure> {
        let mut inner = self.inner();
        inner.now = inner.now + Span::from_millis(50);
        inner.fetched.push(prerequisite.clone());
        match inner.documents.pop_front() {
            Some(result) => result.map(|url| Fetched::Discovery(discovered(url))),
            None => Ok(Fetched::Discovery(discovered(
                "https://tokens.example.com/token",
            ))),
        }
    }

    fn rediscover_endpoints(&self, _: &Observed, _: &Validated) {
        self.inner().rediscovered += 1;
    }

    async fn reserve_response_room(&self, expected: ExpectedResponse) -> Option<ResponseRoom> {
        let mut inner = self.inner();
        inner.rooms.push(expected.last);
        (!inner.is_full).then(ResponseRoom::default)
    }

    async fn send(
        &self,
        _: &Observed,
        spec: &Validated,
        request: &HttpRequest,
        _: ResponseRoom,
    ) -> Result<(HttpAnswer, ResponseRoom), Failure> {
        if spec.refreshing.is_some() {
            let answer = self.exchange(request).await?;
            return Ok((answer, ResponseRoom::default()));
        }
        let (status, body) = {
            let mut inner = self.inner();
            inner
                .sent_to
                .push(request.url.expose().unwrap_or_default().to_owned());
            inner.requests += 1;
            inner.now = inner.now + Span::from_millis(100);
            let answer = inner.answers.pop_front().unwrap_or(Answer::New(3600));
            inner.may_jump();
            let by_book = inner.by_book();
            let token = |number: u32, life: i64| {
                format!(r#"{{"access_token":"token-{number}","expires_in":{life}}}"#)
            };
            match answer {
                _ if by_book.is_some() => (200, by_book.unwrap_or_default()),
                Answer::New(life) => (200, token(inner.requests, life)),
                Answer::Same(life) => (200, token(inner.requests - 1, life)),
                Answer::One(life) => (200, token(0, life)),
                Answer::Unavailable => (503, String::new()),
                Answer::Status(status) => (status, String::new()),
                Answer::Unread => (UNREAD, String::new()),
                Answer::Refused(code) => (400, format!(r#"{{"error":"{code}"}}"#)),
                Answer::Crash => {
                    inner.crashed = true;
                    (0, String::new())
                }
            }
        };
        if status == UNREAD {
            return Err(Failure {
                unread: true,
                ..crate::policy::tests::failure(FailureClass::Transient, "ConnectFailed")
            });
        }
        if status == 0 {
            std::future::pending::<()>().await;
        }
        let answer = HttpAnswer {
            headers: Vec::new(),
            status,
            content_type: Some("application/json".into()),
            retry_after: None,
            body: Secret::from(body),
            sent: request.secrets.clone(),
        };
        Ok((answer, ResponseRoom::default()))
    }

    async fn send_revocation(
        &self,
        _: &Observed,
        _: &Validated,
        request: &HttpRequest,
    ) -> Result<HttpAnswer, Failure> {
        let mut inner = self.inner();
        inner.now = inner.now + Span::from_millis(100);
        inner.calls.push((
            request.url.expose().unwrap_or_default().to_owned(),
            request.body.expose().unwrap_or_default().to_owned(),
        ));
        if let Some(nonce) = inner.call_nonces.first().copied() {
            let proof = family::proof(request).unwrap();
            let is_right = proof["nonce"] == nonce;
            inner.call_proofs.push(proof);
            if inner.call_nonces.len() > 1 {
                inner.call_nonces.remove(0);
            }
            if !is_right {
                return Ok(HttpAnswer {
                    headers: vec![("dpop-nonce".to_owned(), nonce.into())],
                    status: 400,
                    content_type: None,
                    retry_after: None,
                    body: Secret::from(r#"{"error":"use_dpop_nonce"}"#),
                    sent: request.secrets.clone(),
                });
            }
        }
        let status = inner.call_answers.pop_front().unwrap_or(Ok(200))?;
        Ok(HttpAnswer {
            headers: Vec::new(),
            status,
            content_type: None,
            retry_after: None,
            body: Secret::from(""),
            sent: request.secrets.clone(),
        })
    }

    async fn set_finalizer(
        &self,
        _: &Observed,
        present: bool,
    ) -> Result<Option<String>, StoreError> {
        let mut inner = self.inner();
        inner.finalizer_changes.push(present);
        if let Some(error) = inner.finalizer_error.clone() {
            return Err(error);
        }
        if let Some(resource) = &mut inner.resource {
            let finalizers = &mut resource.meta.finalizers;
            finalizers.retain(|one| one != crate::policy::REVOCATION_FINALIZER);
            if present {
                finalizers.push(crate::policy::REVOCATION_FINALIZER.into());
            } else if resource.deleting {
                inner.resource = None;
            }
        }
        Ok(None)
    }

    fn revoke_later(&self, _: &Key, token: TokenWithLenders, after: Span) {
        let token = token.token.expose().unwrap_or_default().to_owned();
        self.inner().later.push((token, after.seconds()));
    }

    fn brakes(&self) -> MutexGuard<'_, Brakes> {
        self.1.lock().unwrap()
    }

    fn token_request_ended(&self, _: &Key, _: HostReport) {}

    async fn write_token_secret(
        &self,
        _: &Key,
        write: &SecretWrite,
    ) -> Result<SecretSeen, WriteError> {
        self.inner().may_jump();
        let fault = self.inner().writes.pop_front().unwrap_or(Fault::Fine);
        let lost = || WriteError::Passing("no answer".into());
        match fault {
            Fault::Fine => self.inner().apply_token(write),
            Fault::Conflict => Err(WriteError::Raced),
            Fault::Lost => Err(lost()),
            Fault::Committed => self.inner().apply_token(write).and(Err(lost())),
            Fault::Forbidden => Err(WriteError::Forbidden(WriteRefusal::Role)),
            Fault::Refused => Err(WriteError::Refused(WriteRefusal::Quota)),
            Fault::Rejected => Err(WriteError::Rejected(WriteRefusal::Server {
                status: 422,
                word: "Invalid".into(),
            })),
            Fault::Terminating => Err(WriteError::NamespaceTerminating),
            Fault::CrashBefore | Fault::CrashAfter => {
                if fault == Fault::CrashAfter {
                    let _ = self.inner().apply_token(write);
                }
                self.inner().crashed = true;
                std::future::pending().await
            }
        }
    }

    async fn write_state_secret(
        &self,
        _: &Key,
        body: &SecretBody,
    ) -> Result<SecretSeen, WriteError> {
        self.keep_state(body).await
    }

    async fn delete(&self, _: &Key, stale: &StaleSecret) -> Result<(), StoreError> {
        let mut inner = self.inner();
        if inner
            .secrets
            .get(&stale.name)
            .is_some_and(|secret| secret.uid == stale.uid)
        {
            inner.secrets.remove(&stale.name);
        }
        Ok(())
    }

    async fn write_status(
        &self,
        _: &Resource,
        report: &Report,
    ) -> Result<Option<String>, StoreError> {
        let mut inner = self.inner();
        let reasons = report.events.iter().map(|event| event.reason.as_str());
        if !report.changed {
            inner.events.extend(reasons);
            return Ok(None);
        }
        if !inner.reports.pop_front().unwrap_or(true) {
            return Err(StoreError::Passing("no answer".into()));
        }
        inner.status_writes += 1;
        inner.events.extend(reasons);
        if let Some(resource) = &mut inner.resource {
            resource.status = report.status.clone();
        }
        Ok(None)
    }

    fn remember(&self, _: &Key, _: &str, memory: Memory) {
        self.inner().memory = memory;
    }

    async fn pause(&self, span: Span) -> bool {
        let mut inner = self.inner();
        inner.now = inner.now + span;
        !inner.drained
    }
}
