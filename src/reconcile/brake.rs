//! The brakes on credentials, asked at one place before a request is sent and told how it went.

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

/// Notes what a resource's status says of credentials that were refused.
pub(super) fn note(store: &impl Store, key: &Key, seen: &Observed) {
    let refused = refused_before(seen);
    let mut brakes = store.brakes();
    for (credential, refusal) in refused {
        brakes.note(key.namespace(), &credential, &refusal, seen.now);
    }
    brakes.looked_at(key.namespace(), key.name());
}

/// A resource was looked at and is gone.
pub(super) fn looked_at(store: &impl Store, key: &Key) {
    store.brakes().looked_at(key.namespace(), key.name());
}

/// A request was let pass and is not sent after all.
pub(super) fn unsent(store: &impl Store, pass: Pass) {
    let now = store.now();
    store.brakes().answered(pass, Outcome::Open, now, 0.0);
}

/// The host that a request goes to.
fn host(request: &HttpRequest) -> String {
    let url = request.url.expose().and_then(|url| url.parse().ok());
    url.as_ref().map_or_else(String::new, host_of)
}

impl<W: Store> Reconciler<'_, W> {
    /// Lets a request pass, or says how the walk ends without it.
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

    /// Tells the brakes how a request went; until when no resource sends a client secret again that was refused by it.
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
