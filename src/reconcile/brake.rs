//! The brakes on credentials: asked in one place before a request is sent, and informed about its outcome.

use crate::api::validate::Validated;
use crate::engine::{Key, Requeue};
use crate::model::{Ask, Failure, Observed};
use crate::oauth::HttpRequest;
use crate::policy::brakes::{Answer, Outcome, Pass};
use crate::policy::{braked, braked_outcome, braked_request, host_of, refused_before};
use crate::reconcile::reconciler::Reconciler;
use crate::time::Time;

use super::Store;
use super::close::Step;

/// Notes the refused credentials in a resource's status.
pub(super) fn note(store: &impl Store, key: &Key, seen: &Observed) {
    let refused = refused_before(seen);
    let mut brakes = store.brakes();
    for (credential, refusal) in refused {
        brakes.note(key.namespace(), &credential, &refusal, seen.now);
    }
    brakes.looked_at(key.namespace(), key.name());
}

/// A resource was checked and is gone.
pub(super) fn looked_at(store: &impl Store, key: &Key) {
    store.brakes().looked_at(key.namespace(), key.name());
}

/// An allowed request is not sent after all.
pub(super) fn unsent(store: &impl Store, pass: Pass) {
    let now = store.now();
    store.brakes().answered(pass, Outcome::Open, now, 0.0);
}

/// The host of a request.
fn host(request: &HttpRequest) -> String {
    let url = request.url.expose().and_then(|url| url.parse().ok());
    url.as_ref().map_or_else(String::new, host_of)
}

impl<W: Store> Reconciler<'_, W> {
    /// Lets a request pass, or returns how the reconcile ends without it.
    pub(super) async fn pass_brakes(
        self,
        spec: &Validated,
        ask: &Ask,
    ) -> Result<(Self, Pass), Step> {
        let request = braked_request(&self.seen, spec, ask.spend.as_deref(), &host(&ask.request));
        let now = self.store.now();
        let answer = self.store.brakes().ask(&request, now);
        match answer {
            Answer::Go(pass) => Ok((self, pass)),
            Answer::Wait(until) => {
                let memory = self.seen.memory.clone();
                Err(self.close(memory, None, Requeue::RequestAt(until)))
            }
            Answer::Refused(refusal) => {
                let u = self.store.draw();
                let settled = braked(&self.seen, spec, &refusal, now, u);
                let at = crate::policy::Moments {
                    sent: now,
                    received: now,
                    u,
                };
                Err(self.settle(settled, spec, false, at).await)
            }
        }
    }

    /// Reports the outcome of a request to the brakes. Returns until when no resource sends a refused client secret
    /// again.
    pub(super) fn tell_brakes(
        &self,
        spec: &Validated,
        ask: &Ask,
        pass: Pass,
        failure: Option<&Failure>,
        now: Time,
    ) -> Option<Time> {
        let outcome = match failure {
            None => Outcome::Taken,
            Some(failure) => braked_outcome(spec, ask.spend.as_deref(), failure),
        };
        let u = self.store.draw();
        self.store.brakes().answered(pass, outcome, now, u)
    }
}
