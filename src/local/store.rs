//! How a reconciliation reads and writes files.

use std::io;
use std::sync::MutexGuard;
use std::sync::atomic::Ordering;

use tokio::sync::Notify;

use crate::api::validate::Validated;
use crate::api::{OAuthClient, OAuthClientStatus};
use crate::driver::DriverStore;
use crate::engine::{Engine, Event, HostReport, Key, Outcome};
use crate::exchange::{exchange, revoke};
use crate::lock::lock;
use crate::model::{
    ExpectedResponse, Failure, Fetched, Memory, Observed, Prerequisite, Resource, SecretBody,
    SecretSeen, SecretWrite, StaleSecret,
};
use crate::oauth::{HttpAnswer, HttpRequest};
use crate::policy::brakes::Brakes;
use crate::policy::{Report, StatusDetail, TokenWithLenders};
use crate::reconcile::{ResponseRoom, Store, StoreError, WriteError};
use crate::time::{Span, Time};

use super::files::Files;
use super::lines;
use super::state_folder::StoredClient;

impl Files {
    /// Stores the status with its resource, if that is still the same resource.
    fn store_status(
        &self,
        key: &Key,
        uid: &str,
        status: &OAuthClientStatus,
    ) -> io::Result<Option<OAuthClient>> {
        let mut known = self.known();
        let Some(stored) = known.clients.get_mut(key) else {
            return Ok(None);
        };
        if stored.object.metadata.uid.as_deref() != Some(uid) {
            return Ok(None);
        }
        let mut changed = stored.clone();
        changed.object.status = Some(status.clone());
        self.store.save_client(key, &changed)?;
        *stored = changed;
        Ok(Some(stored.object.clone()))
    }
}

impl Store for Files {
    fn jitter(&self) -> f64 {
        self.clock.draw()
    }

    fn may_start_work(&self) -> bool {
        !self.ending.load(Ordering::Relaxed)
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
            Prerequisite::ServiceAccountToken(token) => self.account_token(token),
            Prerequisite::Discovery => Box::pin(self.discovery.prerequisite(seen, spec)).await,
        }
    }

    fn rediscover_endpoints(&self, seen: &Observed, spec: &Validated) {
        self.discovery.invalidate_for(seen, spec);
    }

    async fn send_revocation(
        &self,
        seen: &Observed,
        spec: &Validated,
        request: &HttpRequest,
    ) -> Result<HttpAnswer, Failure> {
        revoke(&self.sender, seen, spec, request).await
    }

    fn token_published(&self, key: &Key, spec: &Validated) {
        for workload in &spec.restart {
            let text = format!(
                "{} {} is not restarted: only an operator in a cluster can restart workloads",
                workload.kind.as_str(),
                workload.name
            );
            lines::print(self.clock.now(), &key.to_string(), "note", &text);
        }
    }

    fn revoke_later(&self, key: &Key, token: TokenWithLenders, after: Span) {
        self.revocation_queue.push(key, token, after);
    }

    fn brakes(&self) -> MutexGuard<'_, Brakes> {
        lock(&self.brakes)
    }

    async fn reserve_response_room(&self, expected: ExpectedResponse) -> Option<ResponseRoom> {
        let room = self
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
        let key = Key::new(&seen.resource.namespace, &seen.resource.name);
        self.known().requested.insert(key);
        exchange(&self.sender, seen, spec, request, room).await
    }

    fn token_request_ended(&self, key: &Key, host_report: HostReport) {
        lock(&self.engine).request_ended(key, host_report, self.clock.now());
        self.wake.notify_one();
    }

    async fn write_token_secret(
        &self,
        key: &Key,
        write: &SecretWrite,
    ) -> Result<SecretSeen, WriteError> {
        // A resource that was deleted or recreated needs this token no longer. The next reconciliation finds out.
        let wanted = || {
            let known = self.known();
            let uid = known
                .clients
                .get(key)
                .and_then(|stored| stored.object.metadata.uid.as_ref());
            let owns = |uid: &String| {
                let owners = write.owners.as_ref();
                owners.is_none_or(|owners| owners.iter().any(|owner| owner.uid == *uid))
            };
            uid.is_some_and(owns)
        };
        let secret = Key::new(key.namespace(), &write.name);
        let now = self.clock.now();
        let written = tokio::task::block_in_place(|| {
            self.tokens.write(&self.store, &secret, write, now, wanted)
        });
        if written.is_ok() {
            let users = self.known().index.users_of_token(key);
            self.notify_users(users);
        }
        written
    }

    async fn write_state_secret(
        &self,
        key: &Key,
        body: &SecretBody,
    ) -> Result<SecretSeen, WriteError> {
        tokio::task::block_in_place(|| self.write_refresh_state(key, body))
    }

    async fn delete(&self, key: &Key, stale: &StaleSecret) -> Result<(), StoreError> {
        let secret = Key::new(key.namespace(), &stale.name);
        self.delete_tokens(key, &secret, &stale.uid);
        Ok(())
    }

    async fn write_status(
        &self,
        resource: &Resource,
        report: &Report,
    ) -> Result<Option<String>, StoreError> {
        let key = Key::new(&resource.namespace, &resource.name);
        if report.changed {
            let stored = tokio::task::block_in_place(|| {
                self.store_status(&key, &resource.uid, &report.status)
            })
            .map_err(|error| StoreError::Passing(error.to_string()))?;
            if let Some(object) = stored {
                self.notify(&key, Event::Resource(self.facts(&object)));
            }
        }
        let now = self.clock.now();
        for (word, text) in lines::of_report(resource, report, &self.place(&key), now) {
            lines::print(now, &lines::about(&key), word, &text);
        }
        Ok(None)
    }

    fn remember(&self, key: &Key, uid: &str, memory: Memory) {
        let mut known = self.known();
        let own = |stored: &StoredClient| stored.object.metadata.uid.as_deref() == Some(uid);
        if known.clients.get(key).is_some_and(own) {
            known.memories.insert(key.clone(), memory);
        }
    }

    async fn pause(&self, span: Span) -> bool {
        tokio::time::sleep(span.to_duration()).await;
        self.may_start_work()
    }
}

impl DriverStore for Files {
    fn engine(&self) -> MutexGuard<'_, Engine> {
        lock(&self.engine)
    }

    fn wake(&self) -> &Notify {
        &self.wake
    }

    fn reconcile_ended(&self, key: &Key, _outcome: Option<&Outcome>, _now: Time) {
        self.claims.release(key);
    }
}
