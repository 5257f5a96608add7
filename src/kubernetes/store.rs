//! The `Store` over Kubernetes.

use std::sync::MutexGuard;
use std::time::Duration;

use crate::api::Validated;
use crate::engine::Key;
use crate::exchange::{exchange, revoke};
use crate::kubernetes::shared::ClusterStore;
use crate::lock::lock;
use crate::model::{
    ExpectedResponse, Failure, Fetched, Memory, Observed, Prerequisite, Resource, SecretBody,
    SecretSeen, SecretWrite, StaleSecret,
};
use crate::oauth::{HttpAnswer, HttpRequest};
use crate::policy::brakes::Brakes;
use crate::policy::{OtherGroup, Report, StatusDetail, TokenWithLenders, host_queue};
use crate::queue::HostReport;
use crate::reconcile::{ResponseRoom, Store, StoreError, WriteError};
use crate::time::{HostTime, Span};

use super::{accounts, act, finalizer, refresh_tokens, restarts};

impl Store for ClusterStore {
    fn host_time(&self) -> Option<HostTime> {
        self.0.clock.host_time()
    }

    fn jitter(&self) -> f64 {
        self.0.clock.draw()
    }

    fn may_start_work(&self) -> bool {
        self.0.may_start_work()
    }

    fn status_detail(&self) -> StatusDetail {
        self.0.detail
    }

    async fn fetch_prerequisite(
        &self,
        seen: &Observed,
        spec: &Validated,
        prerequisite: &Prerequisite,
    ) -> Result<Fetched, Failure> {
        match prerequisite {
            Prerequisite::Discovery => Box::pin(self.0.discovery.prerequisite(seen, spec)).await,
            Prerequisite::ServiceAccountToken(token) => accounts::token(&self.0, seen, token).await,
        }
    }

    fn rediscover_endpoints(&self, seen: &Observed, spec: &Validated) {
        self.0.discovery.invalidate_for(seen, spec);
    }

    async fn send_revocation(
        &self,
        seen: &Observed,
        spec: &Validated,
        request: &HttpRequest,
    ) -> Result<HttpAnswer, Failure> {
        revoke(&self.0.sender, seen, spec, request).await
    }

    async fn set_finalizer(
        &self,
        seen: &Observed,
        present: bool,
    ) -> Result<Option<String>, StoreError> {
        finalizer::set(&self.0, seen, present).await
    }

    fn revoke_later(&self, key: &Key, token: TokenWithLenders, after: Span) {
        self.0.revocation_queue.push(key, token, after);
    }

    fn token_published(&self, key: &Key, spec: &Validated) {
        if !spec.restart.is_empty() {
            restarts::check_workloads(&self.0, key, true);
        }
    }

    fn served_by(&self, resource: &Resource, other: Option<&OtherGroup>) {
        super::groups::served_by(&self.0, resource, other);
    }

    fn count_revocation(&self, outcome: &'static str) {
        self.0.metrics.revocation(outcome);
    }

    fn brakes(&self) -> MutexGuard<'_, Brakes> {
        lock(&self.0.brakes)
    }

    async fn reserve_response_room(&self, expected: ExpectedResponse) -> Option<ResponseRoom> {
        let room = self
            .0
            .sender
            .set_room_aside(expected.last, expected.is_only_copy)
            .await;
        room.map(|room| ResponseRoom(Some(room)))
    }

    async fn send(
        &self,
        seen: &Observed,
        spec: &Validated,
        request: &HttpRequest,
        room: ResponseRoom,
    ) -> Result<(HttpAnswer, ResponseRoom), Failure> {
        let begun = self.0.clock.elapsed();
        let answer = exchange(&self.0.sender, seen, spec, request, room).await;
        let took = self.0.clock.elapsed().saturating_sub(begun);
        let took = Span::from_seconds_f64(took.as_secs_f64());
        self.0.metrics.token_request_took(&host_queue(spec), took);
        answer
    }

    fn token_request_ended(&self, key: &Key, report: HostReport) {
        lock(&self.0.engine).request_ended(key, report, self.0.clock.now());
        self.0.wake.notify_one();
    }

    fn count_token_request(&self, spec: &Validated, outcome: &'static str) {
        self.0.metrics.token_request(&host_queue(spec), outcome);
    }

    async fn write_token_secret(
        &self,
        key: &Key,
        write: &SecretWrite,
    ) -> Result<SecretSeen, WriteError> {
        act::write_token_secret(&self.0, key, write).await
    }

    async fn write_state_secret(
        &self,
        key: &Key,
        body: &SecretBody,
    ) -> Result<SecretSeen, WriteError> {
        refresh_tokens::write_state_secret(&self.0, key, body).await
    }

    async fn delete(&self, key: &Key, stale: &StaleSecret) -> Result<(), StoreError> {
        act::delete(&self.0, key, stale).await
    }

    async fn write_status(
        &self,
        resource: &Resource,
        report: &Report,
    ) -> Result<Option<String>, StoreError> {
        act::write_status_and_events(&self.0, resource, report).await
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
