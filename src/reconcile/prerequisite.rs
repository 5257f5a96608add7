//! Fetches prerequisites of a token request: observe, fetch, decide again, a limited number of times.

use crate::api::validate::Validated;
use crate::engine::HostReport;
use crate::model::{Action, Failure, Plan, Prerequisite, RequestTimes};
use crate::policy::{decide, failed};
use crate::reconcile::reconciler::{Reconciler, abandoned};

use super::close::Conclusion;
use super::{Store, StoreError};

/// The maximum number of prerequisites of one request; more would mean that a fetched one did not help.
const MAX_PREREQUISITES: u32 = 8;

/// The result of deciding.
pub(super) enum Decided<'a, W> {
    /// This must be done.
    Plan(Box<(Reconciler<'a, W>, Plan)>),
    /// There is nothing more to decide.
    Ended(Conclusion),
}

impl<'a, W: Store> Reconciler<'a, W> {
    /// Decides, and fetches prerequisites, until there is a plan.
    pub(super) async fn decide(mut self) -> Decided<'a, W> {
        for _ in 0..MAX_PREREQUISITES {
            let plan = decide(&self.seen, self.store.now());
            let Action::Fetch(prerequisite) = &plan.action else {
                return Decided::Plan(Box::new((self, plan)));
            };
            if let Err(error) = self.fetch(prerequisite).await {
                return Decided::Ended(match error {
                    FetchError::Abandoned(error) => abandoned(self.store, error).into(),
                    FetchError::Failed(spec, failure, at) => {
                        self.prerequisite_failed(&spec, &failure, at).await
                    }
                });
            }
        }
        let error = "what is needed first never came to an end";
        Decided::Ended(abandoned(self.store, StoreError::Passing(error.to_owned())).into())
    }

    async fn fetch(&mut self, prerequisite: &Prerequisite) -> Result<(), FetchError> {
        let Ok(spec) = self.seen.resource.spec.clone() else {
            return Err(FetchError::abandoned("the spec is not valid"));
        };
        if !self.store.may_start_work() {
            return Err(FetchError::abandoned(
                crate::reconcile::reconciler::MAY_NOT_START,
            ));
        }
        let sent = self.store.now();
        match self
            .store
            .fetch_prerequisite(&self.seen, &spec, prerequisite)
            .await
        {
            Ok(fetched) => {
                self.seen.take(fetched);
                Ok(())
            }
            Err(failure) => {
                let at = RequestTimes {
                    sent,
                    received: self.store.now(),
                    jitter: self.store.jitter(),
                };
                Err(FetchError::Failed(Box::new(spec), Box::new(failure), at))
            }
        }
    }

    /// A prerequisite could not be fetched: as if the request had failed.
    async fn prerequisite_failed(
        self,
        spec: &Validated,
        failure: &Failure,
        at: RequestTimes,
    ) -> Conclusion {
        let outcome = failed(&self.seen, spec, failure, at);
        let report = if failure.timed_out {
            HostReport::TimedOut
        } else {
            HostReport::Failed
        };
        self.store.token_request_ended(self.key, report);
        self.apply(outcome, spec, false, at).await
    }
}

/// Why a prerequisite is missing.
enum FetchError {
    Abandoned(StoreError),
    Failed(Box<Validated>, Box<Failure>, RequestTimes),
}

impl FetchError {
    fn abandoned(why: &str) -> FetchError {
        FetchError::Abandoned(StoreError::Passing(why.to_owned()))
    }
}
