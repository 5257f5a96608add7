//! A token request in flight: if there is no valid token and the response takes a while, the status reports the
//! request, so that it is not empty.

use std::future::Future;
use std::pin::{Pin, pin};

use crate::api::OAuthClientStatus;
use crate::api::validate::Validated;
use crate::model::{Failure, PlannedRequest};
use crate::oauth::HttpAnswer;
use crate::policy::{report, still_failing, with_nonce};
use crate::reconcile::reconciler::Reconciler;
use crate::time::Span;

use super::{ResponseRoom, Store};

/// How long a response may take before that; it is reported within a second.
const REPORT_AFTER: Span = Span::from_millis(500);

/// A status that is being written, and its content; `None` if it could not be written.
pub(super) type StatusWrite<'a> =
    Pin<Box<dyn Future<Output = Option<OAuthClientStatus>> + Send + 'a>>;

/// Waits for the end of such a write, if there is one.
pub(super) async fn written_status(
    status_write: Option<StatusWrite<'_>>,
) -> Option<OAuthClientStatus> {
    status_write?.await
}

impl<W: Store> Reconciler<'_, W> {
    /// Sends a token request. The status may still be being written when the response arrives: it must end before
    /// another one is written, or it could overwrite that.
    pub(super) async fn send<'a>(
        &'a self,
        spec: &Validated,
        planned: &PlannedRequest,
        room: ResponseRoom,
    ) -> (
        Result<(HttpAnswer, ResponseRoom), Failure>,
        Option<StatusWrite<'a>>,
    ) {
        let mut answer = pin!(self.exchange(spec, planned, room));
        if !self.must_report() {
            return (answer.await, None);
        }
        tokio::select! {
            biased;
            answer = &mut answer => return (answer, None),
            has_time = self.store.pause(REPORT_AFTER) => {
                if !has_time {
                    return (answer.await, None);
                }
            }
        }
        let mut status_write: StatusWrite<'a> = Box::pin(self.report_request());
        tokio::select! {
            biased;
            answer = &mut answer => (answer, Some(status_write)),
            written = &mut status_write => (answer.await, Some(Box::pin(std::future::ready(written)))),
        }
    }

    /// Sends a token request, and once more where the server wants its nonce in the proof of possession: that is how it hands
    /// one out, and no failure (RFC 9449 section 8). Such an answer proves that nothing of the request was used up.
    async fn exchange(
        &self,
        spec: &Validated,
        planned: &PlannedRequest,
        room: ResponseRoom,
    ) -> Result<(HttpAnswer, ResponseRoom), Failure> {
        let (answer, held) = self
            .store
            .send(&self.seen, spec, &planned.request, room)
            .await?;
        let now = self.store.now();
        match with_nonce(
            &self.seen,
            spec,
            planned.redemption.as_deref(),
            &answer,
            now,
        ) {
            Some(request) if self.store.may_start_work() => {
                drop(answer);
                self.store.send(&self.seen, spec, &request, held).await
            }
            _ => Ok((answer, held)),
        }
    }

    /// A resource without a valid token and without a reported failure, because the failure is more informative.
    fn must_report(&self) -> bool {
        let assessment = still_failing(&self.seen, self.store.now());
        let has_valid = assessment.token.as_ref().is_some_and(|token| token.valid);
        !has_valid && assessment.attempt.is_none() && assessment.problem.is_none()
    }

    async fn report_request(&self) -> Option<OAuthClientStatus> {
        let resource = &self.seen.resource;
        let now = self.store.now();
        let assessment = still_failing(&self.seen, now);
        let detail = self.store.status_detail();
        let report = report(
            &assessment,
            &resource.status,
            resource.generation,
            detail,
            now,
        );
        // Best effort: the token is more important.
        self.store.write_status(resource, &report).await.ok()?;
        Some(report.status)
    }
}
