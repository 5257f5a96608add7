//! A store that sends requests, and keeps nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use ring::hmac;

use crate::api::spec::OAuthClient;
use crate::api::{OAuthClientStatus, Validated};
use crate::clock::Clock;
use crate::discovery::Discovery;
use crate::engine::Key;
use crate::exchange::{exchange, revoke};
use crate::http::Sender;
use crate::lock::lock;
use crate::messages::{RequestFinding, WriteRefusal};
use crate::model::{
    AccountSeen, Failure, FamilySeen, Fetched, Memory, Observed, Prerequisite, Resource, Rules,
    SecretBody, SecretSeen, SecretWrite, StaleSecret,
};
use crate::oauth::error::{FailureClass, Reached};
use crate::oauth::{HttpAnswer, HttpRequest, Nonce};
use crate::plugin::problem::Problem;
use crate::plugin::trial::outcome::TrialOutcome;
use crate::policy::account_tokens;
use crate::policy::brakes::Brakes;
use crate::policy::{Report, StatusDetail, TokenWithLenders};
use crate::queue::HostReport;
use crate::reconcile::{
    ConfigMapRead, Objects, Purpose, ReferencedRead, ResourceRead, ResponseRoom, Store, StoreError,
    WriteError,
};
use crate::time::{Span, Time};

use super::objects::{Places, new_secret};

/// The store of one test.
pub(super) struct Trial {
    client: OAuthClient,
    places: Places,
    sender: Sender,
    discovery: Discovery,
    rules: Rules,
    clock: Clock,
    sent: AtomicUsize,
    brakes: Mutex<Brakes>,
    seen: Mutex<Results>,
}

/// The results of the reconcile.
#[derive(Default)]
struct Results {
    write: Option<SecretWrite>,
    status: Option<OAuthClientStatus>,
    error_text: Option<String>,
}

impl Trial {
    pub(super) fn new(
        client: OAuthClient,
        places: Places,
        discovery: Discovery,
        sender: Sender,
        rules: Rules,
        clock: Clock,
    ) -> Trial {
        // Earlier requests are unknown.
        let key = hmac::Key::new(hmac::HMAC_SHA256, &clock.nonce().id);
        Trial {
            brakes: Mutex::new(Brakes::new(key)),
            client,
            places,
            sender,
            discovery,
            rules,
            clock,
            sent: AtomicUsize::new(0),
            seen: Mutex::default(),
        }
    }

    /// The result.
    pub(super) fn outcome(&self) -> TrialOutcome {
        let mut results = self.results();
        TrialOutcome {
            write: results.write.take(),
            status: results.status.take(),
            error_text: results.error_text.take(),
            sent: self.sent.load(Ordering::Relaxed),
            secret: self.client.spec.token_secret.name.clone(),
        }
    }

    /// Keeps why an object could not be read, for the user.
    fn failed(&self, problem: Problem) -> StoreError {
        self.results().error_text = Some(problem.message.clone());
        StoreError::Passing(problem.message)
    }

    fn results(&self) -> MutexGuard<'_, Results> {
        lock(&self.seen)
    }
}

impl Objects for Trial {
    fn now(&self) -> Time {
        self.clock.now()
    }

    fn nonce(&self) -> Nonce {
        self.clock.nonce()
    }

    fn rules(&self) -> Rules {
        self.rules
    }

    /// The resource of the manifest, as if it were new.
    async fn resource(&self, key: &Key) -> Result<Option<ResourceRead>, StoreError> {
        let read = ResourceRead::new(key, self.client.clone(), None);
        let spec = read.resource.spec.as_ref();
        if spec.is_ok_and(|spec| !account_tokens(spec).is_empty()) {
            return Err(self.failed(Problem::new(
                "only the operator makes tokens of ServiceAccounts, so this resource cannot be tested from here: apply it, then look at its status",
            )));
        }
        Ok(Some(read))
    }

    async fn referenced(&self, key: &Key) -> Result<Option<ReferencedRead>, StoreError> {
        let read = self.places.client(key).await;
        let read = read.map_err(|problem| self.failed(problem))?;
        Ok(read.map(ReferencedRead::from))
    }

    async fn secret(
        &self,
        key: &Key,
        name: &str,
        purpose: Purpose,
    ) -> Result<Option<SecretSeen>, StoreError> {
        match purpose {
            // A new resource has none of them.
            Purpose::Token | Purpose::RefreshState | Purpose::Login => Ok(None),
            Purpose::OptedIn => {
                let read = self.places.secret(&Key::new(key.namespace(), name)).await;
                read.map_err(|problem| self.failed(problem))
            }
        }
    }

    async fn config_map(
        &self,
        key: &Key,
        name: &str,
        data_key: &str,
    ) -> Result<ConfigMapRead, StoreError> {
        let map = Key::new(key.namespace(), name);
        let read = self.places.config_map(&map, data_key).await;
        read.map_err(|problem| self.failed(problem))
    }

    async fn account(&self, _key: &Key, name: &str) -> Result<AccountSeen, StoreError> {
        let read = self.places.account(name).await;
        read.map_err(|problem| self.failed(problem))
    }

    fn stale_secrets(&self, _key: &Key, _uid: &str, _current: &str) -> Vec<String> {
        Vec::new()
    }

    fn publisher(&self, key: &Key, secret: &str) -> Option<String> {
        self.places.publisher(key, secret)
    }

    fn memory(&self, _key: &Key, _uid: &str) -> Memory {
        Memory::default()
    }

    fn process(&self, attempt: String) -> FamilySeen {
        FamilySeen {
            attempt,
            ..FamilySeen::default()
        }
    }

    /// There is no earlier content to compare with.
    fn hash(&self, _content: &[u8]) -> u64 {
        1
    }
}

impl Store for Trial {
    fn jitter(&self) -> f64 {
        self.clock.draw()
    }

    fn status_detail(&self) -> StatusDetail {
        StatusDetail::Always
    }

    async fn fetch_prerequisite(
        &self,
        seen: &Observed,
        spec: &Validated,
        prerequisite: &Prerequisite,
    ) -> Result<Fetched, Failure> {
        match prerequisite {
            Prerequisite::Discovery => Box::pin(self.discovery.prerequisite(seen, spec)).await,
            // Reported before this is reached.
            Prerequisite::ServiceAccountToken(token) => Err(Failure::new(
                FailureClass::NeedsPerson,
                RequestFinding::AccountTokenFailed {
                    account: token.account.clone(),
                    why: "only the operator creates such tokens".to_owned(),
                },
                Reached::Never,
            )),
        }
    }

    async fn send(
        &self,
        seen: &Observed,
        spec: &Validated,
        request: &HttpRequest,
        room: ResponseRoom,
    ) -> Result<(HttpAnswer, ResponseRoom), Failure> {
        self.sent.fetch_add(1, Ordering::Relaxed);
        exchange(&self.sender, seen, spec, request, room).await
    }

    fn brakes(&self) -> MutexGuard<'_, Brakes> {
        lock(&self.brakes)
    }

    fn token_request_ended(&self, _: &Key, _: HostReport) {}

    async fn send_revocation(
        &self,
        seen: &Observed,
        spec: &Validated,
        request: &HttpRequest,
    ) -> Result<HttpAnswer, Failure> {
        revoke(&self.sender, seen, spec, request).await
    }

    fn revoke_later(&self, _: &Key, _: TokenWithLenders, _: Span) {}

    async fn write_token_secret(
        &self,
        _: &Key,
        write: &SecretWrite,
    ) -> Result<SecretSeen, WriteError> {
        let set = |all: &BTreeMap<String, Option<String>>| {
            let all = all
                .iter()
                .filter_map(|(key, value)| Some((key.clone(), value.clone()?)));
            all.collect()
        };
        let written = SecretSeen {
            type_: write.type_.clone(),
            labels: set(&write.labels),
            annotations: set(&write.annotations),
            owners: write.owners.clone().unwrap_or_default(),
            ..new_secret(&write.name)
        };
        self.results().write = Some(write.clone());
        Ok(written)
    }

    async fn write_state_secret(&self, _: &Key, _: &SecretBody) -> Result<SecretSeen, WriteError> {
        Err(WriteError::Refused(WriteRefusal::Test))
    }

    async fn delete(&self, _: &Key, _: &StaleSecret) -> Result<(), StoreError> {
        Ok(())
    }

    async fn write_status(
        &self,
        _: &Resource,
        report: &Report,
    ) -> Result<Option<String>, StoreError> {
        self.results().status = Some(report.status.clone());
        Ok(None)
    }

    fn remember(&self, _: &Key, _: &str, _: Memory) {}

    async fn pause(&self, span: Span) -> bool {
        tokio::time::sleep(span.to_duration()).await;
        true
    }
}
