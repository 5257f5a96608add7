//! The `Store` over Kubernetes.

use std::sync::MutexGuard;
use std::time::Duration;

use crate::api::Validated;
use crate::engine::Key;
use crate::exchange::{exchange, revoke};
use crate::kubernetes::shared::Cluster;
use crate::lock::lock;
use crate::model::{
    ExpectedResponse, Failure, Fetched, Memory, Observed, Prerequisite, Resource, SecretBody,
    SecretSeen, SecretWrite, StaleSecret,
};
use crate::oauth::{HttpAnswer, HttpRequest};
use crate::policy::brakes::Brakes;
use crate::policy::{OtherGroup, Report, StatusDetail, TokenWithLenders, host_queue};
use crate::queue::HostReport;
use crate::reconcile::{Held, Store, StoreError, WriteError};
use crate::time::{HostTime, Span};

use super::{accounts, act, finalizer, refresh_tokens, restarts};

impl Store for Cluster {
    fn host_time(&self) -> Option<HostTime> {
        self.0.clock.host_time()
    }

    fn draw(&self) -> f64 {
        self.0.clock.draw()
    }

    fn goes_on(&self) -> bool {
        self.0.may_begin()
    }

    fn detail(&self) -> StatusDetail {
        self.0.detail
    }

    async fn get(
        &self,
        seen: &Observed,
        spec: &Validated,
        need: &Prerequisite,
    ) -> Result<Fetched, Failure> {
        match need {
            Prerequisite::Discovery => Box::pin(self.0.discovery.need(seen, spec)).await,
            Prerequisite::ServiceAccountToken(token) => accounts::token(&self.0, seen, token).await,
        }
    }

    fn doubt_endpoints(&self, seen: &Observed, spec: &Validated) {
        self.0.discovery.doubt_of(seen, spec);
    }

    async fn call(
        &self,
        seen: &Observed,
        spec: &Validated,
        request: &HttpRequest,
    ) -> Result<HttpAnswer, Failure> {
        revoke(&self.0.sender, seen, spec, request).await
    }

    async fn hold(&self, seen: &Observed, held: bool) -> Result<Option<String>, StoreError> {
        finalizer::hold(&self.0, seen, held).await
    }

    fn revoke_later(&self, key: &Key, token: TokenWithLenders, after: Span) {
        self.0.later.put(key, token, after);
    }

    fn published(&self, key: &Key, spec: &Validated) {
        if !spec.restart.is_empty() {
            restarts::look_at_workloads(&self.0, key, true);
        }
    }

    fn served_by(&self, resource: &Resource, other: Option<&OtherGroup>) {
        super::groups::served_by(&self.0, resource, other);
    }

    fn revoked(&self, outcome: &'static str) {
        self.0.metrics.revocation(outcome);
    }

    fn brakes(&self) -> MutexGuard<'_, Brakes> {
        lock(&self.0.brakes)
    }

    async fn set_room_aside(&self, expected: ExpectedResponse) -> Option<Held> {
        let room = self
            .0
            .sender
            .set_room_aside(expected.last, expected.is_only_copy)
            .await;
        room.map(|room| Held(Some(room)))
    }

    async fn send(
        &self,
        seen: &Observed,
        spec: &Validated,
        request: &HttpRequest,
        room: Held,
    ) -> Result<(HttpAnswer, Held), Failure> {
        let begun = self.0.clock.elapsed();
        let answer = exchange(&self.0.sender, seen, spec, request, room).await;
        let took = self.0.clock.elapsed().saturating_sub(begun);
        let took = Span::from_seconds_f64(took.as_secs_f64());
        self.0.metrics.token_request_took(&host_queue(spec), took);
        answer
    }

    fn answered(&self, key: &Key, report: HostReport) {
        lock(&self.0.engine).answered(key, report, self.0.clock.now());
        self.0.wake.notify_one();
    }

    fn outcome(&self, spec: &Validated, outcome: &'static str) {
        self.0.metrics.token_request(&host_queue(spec), outcome);
    }

    async fn write(&self, key: &Key, write: &SecretWrite) -> Result<SecretSeen, WriteError> {
        act::write(&self.0, key, write).await
    }

    async fn keep(&self, key: &Key, body: &SecretBody) -> Result<SecretSeen, WriteError> {
        refresh_tokens::keep(&self.0, key, body).await
    }

    async fn delete(&self, key: &Key, stale: &StaleSecret) -> Result<(), StoreError> {
        act::delete(&self.0, key, stale).await
    }

    async fn report(
        &self,
        resource: &Resource,
        report: &Report,
    ) -> Result<Option<String>, StoreError> {
        act::report(&self.0, resource, report).await
    }

    fn remember(&self, key: &Key, uid: &str, memory: Memory) {
        self.0.remember(key, uid, memory);
    }

    async fn pause(&self, span: Span) -> bool {
        let mut drained = self.0.drained.clone();
        let pause = span.to_duration().min(Duration::from_secs(30));
        tokio::select! {
            () = tokio::time::sleep(pause) => !*self.0.drained.borrow(),
            _ = drained.wait_for(|over| *over) => false,
        }
    }
}
