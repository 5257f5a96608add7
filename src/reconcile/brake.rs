//! The brakes on credentials: asked in one place before a request is sent, and informed about its outcome.

use crate::api::validate::Validated;
use crate::engine::{Key, Requeue};
use crate::model::{Failure, Observed, PlannedRequest};
use crate::oauth::HttpRequest;
use crate::policy::brakes::{Clearance, CredentialOutcome, Permit};
use crate::policy::{braked, braked_outcome, braked_request, host_of, refused_before};
use crate::reconcile::reconciler::Reconciler;
use crate::time::Time;

use super::Store;
use super::close::Conclusion;

/// Notes the refused credentials in a resource's status.
pub(super) fn note_refusals(store: &impl Store, key: &Key, seen: &Observed) {
    let refused = refused_before(seen);
    let mut brakes = store.brakes();
    for (credential, refusal) in refused {
        brakes.note_refusal(key.namespace(), &credential, &refusal, seen.now);
    }
    brakes.resource_checked(key.namespace(), key.name());
}

/// A resource was checked and is gone.
pub(super) fn resource_checked(store: &impl Store, key: &Key) {
    store.brakes().resource_checked(key.namespace(), key.name());
}

/// An allowed request is not sent after all.
pub(super) fn unsent(store: &impl Store, permit: Permit) {
    let now = store.now();
    store
        .brakes()
        .report_outcome(permit, CredentialOutcome::Unknown, now, 0.0);
}

/// The host of a request.
fn host(request: &HttpRequest) -> String {
    let url = request.url.expose().and_then(|url| url.parse().ok());
    url.as_ref().map_or_else(String::new, host_of)
}

impl<W: Store> Reconciler<'_, W> {
    /// Lets a request pass, or returns how the reconcile ends without it.
    pub(super) async fn check_brakes(
        self,
        spec: &Validated,
        planned: &PlannedRequest,
    ) -> Result<(Self, Permit), Conclusion> {
        let request = braked_request(
            &self.seen,
            spec,
            planned.redemption.as_deref(),
            &host(&planned.request),
        );
        let now = self.store.now();
        let answer = self.store.brakes().check(&request, now);
        match answer {
            Clearance::Granted(permit) => Ok((self, permit)),
            Clearance::Wait(until) => {
                let memory = self.seen.memory.clone();
                Err(self.close(memory, None, Requeue::RequestAt(until)))
            }
            Clearance::Refused(refusal) => {
                let jitter = self.store.jitter();
                let outcome = braked(&self.seen, spec, &refusal, now, jitter);
                let at = crate::policy::RequestTimes {
                    sent: now,
                    received: now,
                    jitter,
                };
                Err(self.apply(outcome, spec, false, at).await)
            }
        }
    }

    /// Reports the outcome of a request to the brakes. Returns until when no resource sends a refused client secret
    /// again.
    pub(super) fn report_to_brakes(
        &self,
        spec: &Validated,
        planned: &PlannedRequest,
        permit: Permit,
        failure: Option<&Failure>,
        now: Time,
    ) -> Option<Time> {
        let outcome = match failure {
            None => CredentialOutcome::Accepted,
            Some(failure) => braked_outcome(spec, planned.redemption.as_deref(), failure),
        };
        let jitter = self.store.jitter();
        self.store
            .brakes()
            .report_outcome(permit, outcome, now, jitter)
    }
}
