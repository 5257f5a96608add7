//! What a driver provides for a reconcile, beside the objects that it reads.

use std::future::Future;
use std::sync::MutexGuard;

use crate::api::validate::Validated;
use crate::engine::Key;
use crate::http::Room;
use crate::model::{
    ExpectedResponse, Failure, Fetched, Memory, Observed, Prerequisite, Resource, SecretBody,
    SecretSeen, SecretWrite, StaleSecret,
};
use crate::oauth::{HttpAnswer, HttpRequest};
use crate::policy::brakes::Brakes;
use crate::policy::{OtherGroup, Report, StatusDetail, TokenWithLenders};
use crate::queue::HostReport;
use crate::reconcile::error::{StoreError, WriteError};
use crate::reconcile::objects::Objects;
use crate::time::{HostTime, Span};

/// What a driver provides: with [`Objects`], the only part of a reconcile with I/O.
pub trait Store: Objects {
    /// The clock that all processes of this machine share, if there is one.
    fn host_time(&self) -> Option<HostTime> {
        None
    }

    /// Jitter in [0,1).
    fn jitter(&self) -> f64;

    /// Whether new work may still start; `false` after the Lease is lost or the program is asked to stop.
    fn may_start_work(&self) -> bool {
        true
    }

    /// The level of detail of a status.
    fn status_detail(&self) -> StatusDetail;

    /// Fetches a prerequisite of a token request, within its own deadline.
    fn fetch_prerequisite(
        &self,
        seen: &Observed,
        spec: &Validated,
        prerequisite: &Prerequisite,
    ) -> impl Future<Output = Result<Fetched, Failure>> + Send;

    /// The brakes on credentials, shared by all resources of the process.
    fn brakes(&self) -> MutexGuard<'_, Brakes>;

    /// Sets room aside for a response, before its request is sent. `None` where there is no room now.
    fn reserve_response_room(
        &self,
        _expected: ExpectedResponse,
    ) -> impl Future<Output = Option<ResponseRoom>> + Send {
        std::future::ready(Some(ResponseRoom::default()))
    }

    /// Sends a token request, once. `room` is what was set aside for the response. What comes with the response is kept until
    /// it is written or dropped.
    fn send(
        &self,
        seen: &Observed,
        spec: &Validated,
        request: &HttpRequest,
        room: ResponseRoom,
    ) -> impl Future<Output = Result<(HttpAnswer, ResponseRoom), Failure>> + Send;

    /// The token request of this resource is complete; the report is for its host queue.
    fn token_request_ended(&self, key: &Key, host_report: HostReport);

    /// The result of a token request for the metrics: `success`, or the reason of its failure, as in the conditions.
    /// Called once per request; ignored by default.
    fn count_token_request(&self, _spec: &Validated, _outcome: &'static str) {}

    /// A token request to a discovered endpoint has failed so that it may have moved: the document is read again before
    /// the next request.
    fn rediscover_endpoints(&self, _seen: &Observed, _spec: &Validated) {}

    /// Sends another request, such as a revocation, once.
    fn send_revocation(
        &self,
        seen: &Observed,
        spec: &Validated,
        request: &HttpRequest,
    ) -> impl Future<Output = Result<HttpAnswer, Failure>> + Send;

    /// Adds or removes the finalizer, if the driver has finalizers. Returns the resulting version of the resource, if
    /// it has one.
    fn set_finalizer(
        &self,
        _seen: &Observed,
        _present: bool,
    ) -> impl Future<Output = Result<Option<String>, StoreError>> + Send {
        std::future::ready(Ok(None))
    }

    /// A token was replaced: revoke it after a delay.
    fn revoke_later(&self, key: &Key, token: TokenWithLenders, after: Span);

    /// Another token than before was published. What follows from it delays nothing.
    fn token_published(&self, _key: &Key, _spec: &Validated) {}

    /// Another group of operators serves this resource, or (`None`) this one does. Called once per reconcile; ignored by
    /// default, because only operators on a cluster form groups.
    fn served_by(&self, _resource: &Resource, _other: Option<&OtherGroup>) {}

    /// The result of a revocation, for the metrics.
    fn count_revocation(&self, _outcome: &'static str) {}

    /// Writes a token Secret, once, and returns the result (its data may be omitted).
    fn write_token_secret(
        &self,
        key: &Key,
        write: &SecretWrite,
    ) -> impl Future<Output = Result<SecretSeen, WriteError>> + Send;

    /// Writes a state Secret, once, and returns the result (its data may be omitted). Durable when it returns.
    fn write_state_secret(
        &self,
        key: &Key,
        body: &SecretBody,
    ) -> impl Future<Output = Result<SecretSeen, WriteError>> + Send;

    /// Deletes a Secret of ours, if it is still the same.
    fn delete(
        &self,
        key: &Key,
        stale: &StaleSecret,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Writes the status, if it changed, and reports the events. Only for the observed object and version: never over
    /// a report about a successor or a newer spec. Returns the resulting version of the resource, if it has one.
    fn write_status(
        &self,
        resource: &Resource,
        report: &Report,
    ) -> impl Future<Output = Result<Option<String>, StoreError>> + Send;

    /// Stores what is known about the object with this UID; nothing, if it is gone.
    fn remember(&self, key: &Key, uid: &str, memory: Memory);

    /// Waits; returns `false` if there is only time for a last attempt.
    fn pause(&self, span: Span) -> impl Future<Output = bool> + Send;
}

/// The part of a response in the bound of bytes that wait to be written, until it is dropped.
#[derive(Default)]
pub struct ResponseRoom(pub Option<Room>);
