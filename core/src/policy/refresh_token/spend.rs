//! What is sent next: a refresh token, a password, or nothing.

use crate::model::{
    Claim, ExpectedResponse, Observed, Record, Refused, Spend, Tag, Validated, With,
};
use crate::oauth::error::ProviderCode;
use crate::oauth::refresh::{Origin, Refreshing};
use crate::oauth::{Client, Credentials, CredentialsProblem};
use crate::policy::refresh_token::candidate::{Candidate, candidate, password_seed};
use crate::policy::{provenance, rotation};
use crate::time::{Span, Time};
use crate::trust::Lenders;

use super::claim::{Hold, hold};
use super::record::token_tag;

/// What to do to get a token.
pub(crate) enum Next {
    /// Send a request with this.
    Spend(Box<Spend>),
    /// Another process may be sending one: not before this is over.
    Wait(Span),
    /// There is no refresh token.
    NoToken,
    /// The existing one cannot be used: what is wrong with it, and in which Secret.
    Unusable(CredentialsProblem, String),
    /// The existing one must not be sent again. `known`: the provider has refused it; otherwise the outcome is unknown.
    Refused {
        /// The provider refused it.
        known: bool,
        /// With this code.
        provider_code: Option<ProviderCode>,
    },
}

/// What to send to get a token, and its reservation.
pub(crate) fn next(
    seen: &Observed,
    spec: &Validated,
    refreshing: &Refreshing,
    lenders: &Lenders,
    now: Time,
) -> Next {
    let mut record = match seen.record() {
        None => Record::default(),
        Some(Ok(record)) => record,
        // Reported before: see `not_writable`.
        Some(Err(_)) => return Next::NoToken,
    };
    record.owned_by(seen.resource.state_owner(), &seen.resource.uid);
    let claimed = Claimed {
        seen,
        spec,
        lenders,
        now,
        record,
    };
    match refreshing.origin {
        Origin::Given => claimed.given(),
        Origin::Password => claimed.password(),
    }
}

struct Claimed<'a> {
    seen: &'a Observed,
    spec: &'a Validated,
    lenders: &'a Lenders,
    now: Time,
    record: Record,
}

impl Claimed<'_> {
    fn given(self) -> Next {
        let candidate = match candidate(self.seen, self.spec, &self.record) {
            Ok(Some(candidate)) => candidate,
            Ok(None) => return Next::NoToken,
            Err((problem, secret)) => return Next::Unusable(problem, secret),
        };
        self.refresh(candidate)
    }

    fn password(mut self) -> Next {
        let seed = password_seed(self.seen, self.spec);
        let ours = self.record.seed.as_ref() == Some(&seed);
        // One that must not be sent anymore does not block: the password works too.
        let may_be_sent =
            || provenance::of_password_family(self.seen, self.spec, &self.record).is_some();
        let token = self.record.refresh_token.clone();
        let token = token.filter(|_| ours && may_be_sent());
        if let Some(token) = token {
            let tag = token_tag(self.record.family_uid(self.seen), &token);
            let candidate = Candidate {
                token,
                tag,
                begins: None,
            };
            let (seen, spec, lenders, now) = (self.seen, self.spec, self.lenders, self.now);
            let record = self.record.clone();
            match (Claimed {
                seen,
                spec,
                lenders,
                now,
                record,
            })
            .refresh(candidate)
            {
                // It no longer works, but the password does.
                Next::Refused { .. } => {}
                other => return other,
            }
        }
        let held = self.hold(&seed, false);
        if let Hold::Wait(span) = held {
            return Next::Wait(span);
        }
        self.claim(With::Password, seed.clone(), Some(seed), 1)
    }

    fn refresh(mut self, candidate: Candidate) -> Next {
        let Candidate { token, tag, begins } = candidate;
        let tries = match self.hold(&tag, true) {
            Hold::Wait(span) => return Next::Wait(span),
            Hold::Exhausted => {
                return Next::Refused {
                    known: false,
                    provider_code: None,
                };
            }
            Hold::OnceMore => 2,
            Hold::Free => 1,
        };
        if let Some(refused) = self.record.refusal(&tag, &token, self.seen) {
            let known = refused.made_from.is_some();
            let provider_code = refused.provider_code();
            return Next::Refused {
                known,
                provider_code,
            };
        }
        self.claim(With::RefreshToken(token), tag, begins, tries)
    }

    fn hold(&self, tag: &Tag, single_use: bool) -> Hold {
        hold(
            &self.record,
            &self.seen.family,
            &self.seen.memory.family,
            tag,
            single_use,
        )
    }

    fn claim(&mut self, with: With, tag: Tag, begins: Option<Tag>, tries: u32) -> Next {
        let mut record = std::mem::take(&mut self.record);
        // The token of an overridden reservation may have been used, so it is not sent again.
        let before = record
            .claim
            .take()
            .filter(|claim| claim.open && claim.spent != tag);
        if let Some(before) = before {
            record.refuse(Refused {
                token: before.spent,
                made_from: None,
                provider_code: None,
            });
        }
        let claim = Claim::new(
            &self.seen.family,
            tag.clone(),
            tries,
            self.spec.longest_exchange(),
            self.now,
        );
        record.claim = Some(claim);
        let lenders = match (&begins, &record.lenders) {
            // The lenders of the family keep the hosts that it started with; others are added.
            (None, Some(family)) => family.clone().joined_by(self.lenders),
            _ => self.lenders.clone(),
        };
        Next::Spend(Box::new(Spend {
            with,
            lenders,
            held: self.lenders.clone(),
            begins,
            tag,
            record,
        }))
    }
}

impl Spend {
    /// The response to a request that redeems what cannot be redeemed again: it holds the only copy of what comes next. `None`
    /// where the request may be repeated.
    pub(crate) fn redeems(&self) -> Option<ExpectedResponse> {
        let With::RefreshToken(_) = self.with else {
            return None;
        };
        let last = self
            .record
            .answer
            .as_ref()
            .filter(|_| self.begins.is_none());
        Some(ExpectedResponse {
            last: last.map(|answer| answer.body.len()),
            is_only_copy: true,
        })
    }

    /// The client and the credentials for building the request.
    pub(crate) fn request(
        &self,
        seen: &Observed,
        spec: &Validated,
        refreshing: &Refreshing,
    ) -> (Client, Credentials) {
        let credentials = seen.credentials.as_ref();
        let mut data = credentials.map_or_else(Default::default, |secret| secret.data.clone());
        let client = rotation::client(seen, spec);
        let lenders = self.held.clone();
        let With::RefreshToken(token) = &self.with else {
            return (client, Credentials::new(data, lenders));
        };
        let client = refreshing.client(&client);
        let login = seen.family.login.as_ref();
        let login = login.filter(|login| crate::model::is_lent(login));
        let id = login.and_then(|login| login.data.get(crate::model::LOGIN_CLIENT_ID));
        if let Some(id) = id {
            // The login may belong to a client that the credentials do not name.
            data.entry(client.keys.client_id.clone())
                .or_insert_with(|| id.clone());
        }
        data.insert(client.keys.refresh_token.clone(), token.clone());
        (client, Credentials::new(data, lenders))
    }
}
