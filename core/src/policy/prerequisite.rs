//! Prerequisites of a token request: fetched, then decided again.
//!
//! [`super::decide`] names one prerequisite at a time. [`mod@crate::reconcile`] fetches it through its store, adds it
//! with [`Observed::take`], and decides again. A prerequisite that cannot be fetched counts as a failed request, with
//! the schedule of failures.

use crate::model::{Fetched, Observed, Prerequisite, Validated};
use crate::oauth::TokenSource;
use crate::trust::Lenders;

use super::{accounts, provenance};

/// The next prerequisite of a request; `None` if there is none.
pub(super) fn needed(seen: &Observed, spec: &Validated) -> Option<Prerequisite> {
    if !spec.client.is_located() {
        return Some(Prerequisite::Discovery);
    }
    accounts::needed(seen, spec)
}

impl Observed {
    /// Adds a fetched prerequisite, so that the next decision knows it.
    pub fn take(&mut self, got: Fetched) {
        match got {
            Fetched::Discovery(metadata) => {
                if let Ok(spec) = &mut self.resource.spec {
                    spec.client.locate(&metadata);
                }
            }
            Fetched::ServiceAccountToken(token, secret) => {
                let lender = provenance::account_lender(self, &token);
                let lenders = Lenders::from_iter([lender]);
                self.created_tokens
                    .insert(TokenSource::ServiceAccount(token), secret, &lenders);
            }
        }
    }
}
