//! A token request in flight: if there is no valid token and the response takes a while, the status reports the
//! request, so that it is not empty.

use std::future::Future;
use std::pin::{Pin, pin};

use crate::api::OAuthClientStatus;
use crate::api::validate::Validated;
use crate::model::{Ask, Failure};
use crate::oauth::HttpAnswer;
use crate::policy::{report, still_failing, with_nonce};
use crate::reconcile::reconciler::Reconciler;
use crate::time::Span;

use super::{Held, Store};

/// How long a response may take before that; it is reported within a second.
const QUIET: Span = Span::from_millis(500);

/// A status that is being written, and its content; `None` if it could not be written.
pub(super) type Telling<'a> = Pin<Box<dyn Future<Output = Option<OAuthClientStatus>> + Send + 'a>>;

/// Waits for the end of such a write, if there is one.
pub(super) async fn told(telling: Option<Telling<'_>>) -> Option<OAuthClientStatus> {
    telling?.await
}

impl<W: Store> Reconciler<'_, W> {
    /// Sends a token request. The status may still be being written when the response arrives: it must end before
    /// another one is written, or it could overwrite that.
    pub(super) async fn send<'a>(
        &'a self,
        spec: &Validated,
        ask: &Ask,
        room: Held,
    ) -> (Result<(HttpAnswer, Held), Failure>, Option<Telling<'a>>) {
        let mut answer = pin!(self.exchange(spec, ask, room));
        if !self.is_news() {
            return (answer.await, None);
        }
        tokio::select! {
            biased;
            answer = &mut answer => return (answer, None),
            goes_on = self.store.pause(QUIET) => {
                if !goes_on {
                    return (answer.await, None);
                }
            }
        }
        let mut telling: Telling<'a> = Box::pin(self.tell_of_flight());
        tokio::select! {
            biased;
            answer = &mut answer => (answer, Some(telling)),
            told = &mut telling => (answer.await, Some(Box::pin(std::future::ready(told)))),
        }
    }

    /// Sends a token request, and once more where the server wants its nonce in the proof of possession: that is how it hands
    /// one out, and no failure (RFC 9449 section 8). Such an answer proves that nothing of the request was used up.
    async fn exchange(
        &self,
        spec: &Validated,
        ask: &Ask,
        room: Held,
    ) -> Result<(HttpAnswer, Held), Failure> {
        let (answer, held) = self
            .store
            .send(&self.seen, spec, &ask.request, room)
            .await?;
        let now = self.store.now();
        match with_nonce(&self.seen, spec, ask.spend.as_deref(), &answer, now) {
            Some(request) if self.store.goes_on() => {
                drop(answer);
                self.store.send(&self.seen, spec, &request, held).await
            }
            _ => Ok((answer, held)),
        }
    }

    /// A resource without a valid token and without a reported failure, because the failure is more informative.
    fn is_news(&self) -> bool {
        let assessment = still_failing(&self.seen, self.store.now());
        let has_valid = assessment.token.as_ref().is_some_and(|token| token.valid);
        !has_valid && assessment.attempt.is_none() && assessment.problem.is_none()
    }

    async fn tell_of_flight(&self) -> Option<OAuthClientStatus> {
        let resource = &self.seen.resource;
        let now = self.store.now();
        let assessment = still_failing(&self.seen, now);
        let detail = self.store.detail();
        let told = report(
            &assessment,
            &resource.status,
            resource.generation,
            detail,
            now,
        );
        // Best effort: the token is more important.
        self.store.report(resource, &told).await.ok()?;
        Some(told.status)
    }
}
