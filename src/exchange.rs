//! Sends one request of a resource and receives its response: the same for every driver.

use crate::api::Validated;
use crate::http::{CaBundle, ClientIdentity, Peer, Route, SendError, Sender};
use crate::messages::RequestFinding;
use crate::model::{CaSeen, Failure, Observed};
use crate::oauth::error::{FailureClass, Reached};
use crate::oauth::{HttpAnswer, HttpRequest};
use crate::reconcile::{ResponseRoom, identity};
use crate::trust::authorize;

/// Sends a token request once, with the resource's CA bundle, client certificate and deadline. `room` was set aside for the
/// response.
pub(crate) async fn exchange(
    sender: &Sender,
    seen: &Observed,
    spec: &Validated,
    request: &HttpRequest,
    room: ResponseRoom,
) -> Result<(HttpAnswer, ResponseRoom), Failure> {
    send(sender, seen, spec, request, Peer::of(&spec.client), room).await
}

/// Sends a revocation request once, in the same way.
pub(crate) async fn revoke(
    sender: &Sender,
    seen: &Observed,
    spec: &Validated,
    request: &HttpRequest,
) -> Result<HttpAnswer, Failure> {
    let peer = Peer::of(&spec.client).named("revocation endpoint");
    let answer = send(sender, seen, spec, request, peer, ResponseRoom::default()).await;
    answer.map(|(answer, _)| answer)
}

async fn send(
    sender: &Sender,
    seen: &Observed,
    spec: &Validated,
    request: &HttpRequest,
    peer: Peer,
    room: ResponseRoom,
) -> Result<(HttpAnswer, ResponseRoom), Failure> {
    let route = Route {
        ca: bundle_of(seen),
        identity: identity(seen),
        timeout: spec.timeout.to_duration(),
    };
    let shown = route.identity.as_ref().map(ClientIdentity::lenders);
    let authorized = authorize(request, &shown.cloned().unwrap_or_default());
    // A refusal was already found, with the lender that refuses, before the request was built.
    let request = &authorized.map_err(|_| not_authorized())?;
    // Boxed, because this is the deepest future of a reconcile, and a worker's stack is small.
    let answer = Box::pin(sender.send_counted(request, &route, room.0)).await;
    answer
        .map(|(answer, room)| (answer, ResponseRoom(Some(room))))
        .map_err(|error| Failure {
            timed_out: error.is_timeout(),
            unread: matches!(error, SendError::NoRoom),
            ..Failure::new(
                error.class(),
                RequestFinding::NotAnswered {
                    error: error.clone(),
                    peer,
                },
                error.reached(),
            )
        })
}

/// A request that a lender does not allow: nothing was sent.
fn not_authorized() -> Failure {
    Failure::new(
        FailureClass::Permanent,
        RequestFinding::NotAuthorized,
        Reached::Never,
    )
}

/// The observed CA bundle, if it can be used.
pub(crate) fn bundle_of(seen: &Observed) -> Option<CaBundle> {
    match &seen.ca {
        CaSeen::Pem(pem) => CaBundle::from_pem(pem.as_bytes()).ok(),
        _ => None,
    }
}
