//! What a driver brings to a walk, and how it tells that something did not go.

use std::future::Future;
use std::sync::MutexGuard;

use crate::api::validate::Validated;
use crate::engine::Key;
use crate::fair::Place;
use crate::model::{
    Failure, Fetched, Memory, Observed, Prerequisite, Resource, SecretBody, SecretSeen,
    SecretWrite, StaleSecret,
};
use crate::oauth::{HttpAnswer, HttpRequest};
use crate::policy::brakes::Brakes;
use crate::policy::{Report, StatusDetail, TokenWithLenders};
use crate::queue::HostReport;
use crate::time::{Span, Time};

/// What a driver brings: the one side of the walk that touches the world.
pub trait Store: Send + Sync {
    /// The wall clock.
    fn now(&self) -> Time;

    /// A draw from [0,1).
    fn draw(&self) -> f64;

    /// Whether new work may still begin; `false` once the lease is lost or the program is to end.
    fn goes_on(&self) -> bool {
        true
    }

    /// How much a status tells.
    fn detail(&self) -> StatusDetail;

    /// Everything about one resource; `None` when there is none.
    fn observe(
        &self,
        key: &Key,
        may_request: bool,
    ) -> impl Future<Output = Result<Option<Observed>, StoreError>> + Send;

    /// Gets what is needed before a token can be asked for, within a deadline of its own.
    fn get(
        &self,
        seen: &Observed,
        spec: &Validated,
        need: &Prerequisite,
    ) -> impl Future<Output = Result<Fetched, Failure>> + Send;

    /// The brakes on credentials, shared by all resources of the process.
    fn brakes(&self) -> MutexGuard<'_, Brakes>;

    /// Sends a token request, once. What comes with the answer is kept until the answer is written or dropped.
    fn send(
        &self,
        seen: &Observed,
        spec: &Validated,
        request: &HttpRequest,
    ) -> impl Future<Output = Result<(HttpAnswer, Held), Failure>> + Send;

    /// The token request of this resource is over; what it says of its lane.
    fn answered(&self, key: &Key, lane: HostReport);

    /// What became of a token request, for the metrics: `success`, or the reason of its failure, the one that the
    /// conditions tell. Told once a request; ignored unless said otherwise.
    fn outcome(&self, _spec: &Validated, _outcome: &'static str) {}

    /// A token request to a discovered endpoint has failed in a way that makes one doubt the address: what was discovered is
    /// read anew before the next request.
    fn doubt_endpoints(&self, _seen: &Observed, _spec: &Validated) {}

    /// Sends a request of ours that is no token request, such as a revocation, once.
    fn call(
        &self,
        seen: &Observed,
        spec: &Validated,
        request: &HttpRequest,
    ) -> impl Future<Output = Result<HttpAnswer, Failure>> + Send;

    /// Has the resource wait for us before it goes, or lets it go; where nothing can be made to wait, nothing happens.
    /// The version of the resource that came of it, where it has one.
    fn hold(
        &self,
        _seen: &Observed,
        _held: bool,
    ) -> impl Future<Output = Result<Option<String>, StoreError>> + Send {
        std::future::ready(Ok(None))
    }

    /// A token was replaced: it is to be revoked after a while.
    fn revoke_later(&self, key: &Key, token: TokenWithLenders, after: Span);

    /// What became of a revocation, for the metrics.
    fn revoked(&self, _outcome: &'static str) {}

    /// Writes a token Secret, once, and returns it as it is then (its data may be left out).
    fn write(
        &self,
        key: &Key,
        write: &SecretWrite,
    ) -> impl Future<Output = Result<SecretSeen, WriteError>> + Send;

    /// Writes a state Secret, once, and returns it as it is then (its data may be left out). Durable when it returns.
    fn keep(
        &self,
        key: &Key,
        body: &SecretBody,
    ) -> impl Future<Output = Result<SecretSeen, WriteError>> + Send;

    /// Deletes a Secret of ours, if it is still that one.
    fn delete(
        &self,
        key: &Key,
        stale: &StaleSecret,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Writes the status, where it has changed, and tells what is to be told. Only for the very object and version that was
    /// seen: never over what a successor or a newer spec says. The version of the resource that came of it, where it has one.
    fn report(
        &self,
        resource: &Resource,
        report: &Report,
    ) -> impl Future<Output = Result<Option<String>, StoreError>> + Send;

    /// Remembers something of the object with this UID; nothing, where that is gone by now.
    fn remember(&self, key: &Key, uid: &str, memory: Memory);

    /// Waits; returns `false` when there is no more time for anything but the last try.
    fn pause(&self, span: Span) -> impl Future<Output = bool> + Send;
}

/// Why the world could not be seen or changed. Never means that something is absent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The API server does not let us.
    #[error("the API server refuses it: {0}")]
    Forbidden(String),
    /// The operator may not even look.
    #[error("the API server refuses it: the right to {right} is missing")]
    Unreadable {
        /// Verb and kind of the right that is missing, as `get secrets`.
        right: String,
    },
    /// It may go away by itself.
    #[error("{0}")]
    Passing(String),
}

/// Why a token Secret could not be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// The Secret is no longer what it was when we looked: look again.
    Raced,
    /// The operator lacks the right.
    Forbidden(String),
    /// A quota or a webhook refuses it (403); it may allow it later.
    Refused(String),
    /// The server does not accept what is written (400, 413, 422): the same write would be rejected again.
    Rejected(String),
    /// The namespace is on its way out.
    NamespaceTerminating,
    /// It may go away by itself.
    Passing(String),
}

/// The part of an answer in the bound of bytes that wait to be written, until it is dropped.
#[derive(Default)]
pub struct Held(pub Option<Place>);
