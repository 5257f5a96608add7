//! A store that sends requests, and keeps nothing.

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
    Failure, Fetched, Memory, Observed, Prerequisite, Resource, Rules, SecretBody, SecretSeen,
    SecretWrite, StaleSecret,
};
use crate::oauth::error::{FailureClass, Reached};
use crate::oauth::{HttpAnswer, HttpRequest};
use crate::plugin::trial::outcome::Outcome;
use crate::policy::brakes::Brakes;
use crate::policy::{Report, StatusDetail, TokenWithLenders};
use crate::queue::HostReport;
use crate::reconcile::{Held, Store, StoreError, WriteError};
use crate::time::{Span, Time};

use super::observe::{Places, named};

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
    seen: Mutex<Kept>,
}

/// The results of the reconcile.
#[derive(Default)]
struct Kept {
    write: Option<SecretWrite>,
    status: Option<OAuthClientStatus>,
    trouble: Option<String>,
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
    pub(super) fn outcome(&self) -> Outcome {
        let mut kept = self.kept();
        Outcome {
            write: kept.write.take(),
            status: kept.status.take(),
            trouble: kept.trouble.take(),
            sent: self.sent.load(Ordering::Relaxed),
            secret: self.client.spec.token_secret.name.clone(),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        lock(&self.seen)
    }
}

impl Store for Trial {
    fn now(&self) -> Time {
        self.clock.now()
    }

    fn draw(&self) -> f64 {
        self.clock.draw()
    }

    fn detail(&self) -> StatusDetail {
        StatusDetail::Always
    }

    async fn observe(&self, _: &Key, _: bool) -> Result<Option<Observed>, StoreError> {
        let seen = self
            .places
            .observe(&self.client, self.rules, &self.clock)
            .await;
        seen.map(Some).map_err(|problem| {
            self.kept().trouble = Some(problem.message.clone());
            StoreError::Passing(problem.message)
        })
    }

    async fn get(
        &self,
        seen: &Observed,
        spec: &Validated,
        need: &Prerequisite,
    ) -> Result<Fetched, Failure> {
        match need {
            Prerequisite::Discovery => Box::pin(self.discovery.need(seen, spec)).await,
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
        room: Held,
    ) -> Result<(HttpAnswer, Held), Failure> {
        self.sent.fetch_add(1, Ordering::Relaxed);
        exchange(&self.sender, seen, spec, request, room).await
    }

    fn brakes(&self) -> MutexGuard<'_, Brakes> {
        lock(&self.brakes)
    }

    fn answered(&self, _: &Key, _: HostReport) {}

    async fn call(
        &self,
        seen: &Observed,
        spec: &Validated,
        request: &HttpRequest,
    ) -> Result<HttpAnswer, Failure> {
        revoke(&self.sender, seen, spec, request).await
    }

    fn revoke_later(&self, _: &Key, _: TokenWithLenders, _: Span) {}

    async fn write(&self, _: &Key, write: &SecretWrite) -> Result<SecretSeen, WriteError> {
        let set = |all: &std::collections::BTreeMap<String, Option<String>>| {
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
            ..named(&write.name)
        };
        self.kept().write = Some(write.clone());
        Ok(written)
    }

    async fn keep(&self, _: &Key, _: &SecretBody) -> Result<SecretSeen, WriteError> {
        Err(WriteError::Refused(WriteRefusal::Test))
    }

    async fn delete(&self, _: &Key, _: &StaleSecret) -> Result<(), StoreError> {
        Ok(())
    }

    async fn report(&self, _: &Resource, report: &Report) -> Result<Option<String>, StoreError> {
        self.kept().status = Some(report.status.clone());
        Ok(None)
    }

    fn remember(&self, _: &Key, _: &str, _: Memory) {}

    async fn pause(&self, span: Span) -> bool {
        tokio::time::sleep(span.to_duration()).await;
        true
    }
}
