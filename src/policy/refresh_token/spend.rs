//! What is sent next: a refresh token, a password, or nothing.

use crate::api::validate::Validated;
use crate::inputs;
use crate::oauth::refresh::{Origin, Refreshing};
use crate::oauth::{Client, Credentials, CredentialsProblem};
use crate::policy::observed::Observed;
use crate::policy::provenance;
use crate::policy::rotation;
use crate::secret::Secret;
use crate::time::{Span, Time};
use crate::trust::Lenders;

use super::claim::{Claim, Hold, hold};
use super::offer::{Offer, offered};
use super::record::{Record, Refused, Tag, password_tag, token_tag};

/// What is sent, and the claim that goes before it.
#[derive(Clone)]
pub struct Spend {
    /// What a token is asked with.
    pub with: With,
    /// What the chain began with, where this begins one.
    pub(super) begins: Option<Tag>,
    /// What stands for what is spent.
    pub(super) tag: Tag,
    /// Everybody whose secrets are in the request, and in what comes of it.
    pub(super) lenders: Lenders,
    /// The same with the hosts that each of them allows now.
    held: Lenders,
    /// The record with the claim on it: written before anything is sent.
    pub record: Record,
}

/// What a token is asked with.
#[derive(Clone, PartialEq)]
pub enum With {
    /// A refresh token.
    RefreshToken(Secret),
    /// User name and password, for lack of a refresh token that works.
    Password,
}

/// What is to be done for a token.
pub(in crate::policy) enum Next {
    /// Ask, with this.
    Spend(Box<Spend>),
    /// Another process may be asking: not before this is over.
    Wait(Span),
    /// There is no refresh token at all.
    NoToken,
    /// The one that is there cannot be used: what is wrong with it, and in which Secret.
    Unusable(CredentialsProblem, String),
    /// The one that there is will not be sent again. `known`: the provider has refused it; otherwise nobody knows.
    Refused {
        /// The provider refused it.
        known: bool,
    },
}

/// A refresh token that could be sent.
struct Candidate {
    token: Secret,
    tag: Tag,
    begins: Option<Tag>,
}

/// What is to be sent for a token, and the claim for it.
pub(in crate::policy) fn next(
    seen: &Observed,
    spec: &Validated,
    refreshing: &Refreshing,
    lenders: &Lenders,
    now: Time,
) -> Next {
    let record = match seen.record() {
        None => Record::default(),
        Some(Ok(record)) => record,
        // Told of before: see `not_writable`.
        Some(Err(_)) => return Next::NoToken,
    };
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
        // One that may not be sent any more stands in nobody's way: the password does the same.
        let may_be_sent =
            || provenance::of_password_family(self.seen, self.spec, &self.record).is_some();
        let token = self.record.refresh_token.clone();
        let token = token.filter(|_| ours && may_be_sent());
        if let Some(token) = token {
            let tag = token_tag(&self.seen.resource.uid, &token);
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
                // It is dead, but the password is not.
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
            Hold::Exhausted => return Next::Refused { known: false },
            Hold::OnceMore => 2,
            Hold::Free => 1,
        };
        if let Some(refused) = self.record.refusal(&tag, &token, self.seen) {
            let known = refused.made_from.is_some();
            return Next::Refused { known };
        }
        self.claim(With::RefreshToken(token), tag, begins, tries)
    }

    fn hold(&self, tag: &Tag, single_use: bool) -> Hold {
        hold(
            &self.record,
            &self.seen.chain,
            &self.seen.memory.chain,
            tag,
            single_use,
        )
    }

    fn claim(&mut self, with: With, tag: Tag, begins: Option<Tag>, tries: u32) -> Next {
        let mut record = std::mem::take(&mut self.record);
        // What is claimed over is not known to be unused: it is not sent again.
        let before = record
            .claim
            .take()
            .filter(|claim| claim.open && claim.spent != tag);
        if let Some(before) = before {
            record.refuse(Refused {
                token: before.spent,
                made_from: None,
            });
        }
        let claim = Claim::new(
            &self.seen.chain,
            tag.clone(),
            tries,
            self.spec.timeout,
            self.now,
        );
        record.claim = Some(claim);
        let lenders = match (&begins, &record.lenders) {
            // Who has a part in the family keeps the hosts that it began with; others join.
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

/// The refresh token that would be sent: one that is offered and new, else the chain's own.
fn candidate(
    seen: &Observed,
    spec: &Validated,
    record: &Record,
) -> Result<Option<Candidate>, (CredentialsProblem, String)> {
    let uid = &seen.resource.uid;
    let offered = offered(seen, spec);
    if let Ok(Some(Offer { token, .. })) = &offered {
        let tag = token_tag(uid, token);
        // One that was refused before stands in nobody's way while a chain is alive.
        let refused = record.refusal(&tag, token, seen).is_some();
        let in_the_way = refused && record.refresh_token.is_some();
        if !record.knows(&tag) && !in_the_way {
            let (token, begins) = (token.clone(), Some(tag.clone()));
            return Ok(Some(Candidate { token, tag, begins }));
        }
    }
    match &record.refresh_token {
        Some(token) => Ok(Some(Candidate {
            token: token.clone(),
            tag: token_tag(uid, token),
            begins: None,
        })),
        None => offered.map(|_| None),
    }
}

/// What a chain that begins with a password begins with: other credentials, or another request, begin another one, so that
/// a refresh never asks for more than was granted (RFC 6749 section 6).
fn password_seed(seen: &Observed, spec: &Validated) -> Tag {
    let keys = &spec.client.keys;
    let value = |key: &String| {
        let value = seen
            .credentials
            .as_ref()
            .and_then(|credentials| credentials.data.get(key));
        value.map_or(&[][..], |value| value.expose_bytes())
    };
    let inputs = inputs::of(spec);
    let parts = [
        inputs.sent().as_bytes(),
        value(&keys.username),
        value(&keys.password),
    ];
    password_tag(&seen.resource.uid, &parts)
}

/// Whether a refresh token is offered that no chain began with.
pub(in crate::policy) fn fresh_start(seen: &Observed, spec: &Validated) -> bool {
    fresh(seen, spec).is_some()
}

/// Whether such a refresh token was not tried yet: what failed before says nothing of it.
pub(in crate::policy) fn is_untried_start(seen: &Observed, spec: &Validated) -> bool {
    fresh(seen, spec).is_some_and(|(tag, claim)| claim.is_none_or(|claim| claim.spent != tag))
}

fn fresh(seen: &Observed, spec: &Validated) -> Option<(Tag, Option<Claim>)> {
    let refreshing = spec.refreshing.as_ref()?;
    if refreshing.origin != Origin::Given {
        return None;
    }
    let record = seen
        .record()
        .unwrap_or_else(|| Ok(Record::default()))
        .ok()?;
    let candidate = candidate(seen, spec, &record).ok()??;
    candidate.begins.map(|tag| (tag, record.claim))
}

/// The record of the family of refresh tokens that is in use: one whose own token would be sent, and no other.
pub(in crate::policy) fn family(seen: &Observed, spec: &Validated) -> Option<(Record, Origin)> {
    let origin = spec.refreshing.as_ref()?.origin;
    let record = seen.record()?.ok()?;
    let is_used = match origin {
        Origin::Given => candidate(seen, spec, &record).ok()??.begins.is_none(),
        Origin::Password => {
            record.refresh_token.is_some() && record.seed == Some(password_seed(seen, spec))
        }
    };
    is_used.then_some((record, origin))
}

impl Spend {
    /// The client and the credentials that the request is built with.
    pub(in crate::policy) fn request(
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
        let login = seen.chain.login.as_ref();
        let login = login.filter(|login| super::place::is_lent(login));
        let id = login.and_then(|login| login.data.get(super::place::LOGIN_CLIENT_ID));
        if let Some(id) = id {
            // The login may have been made as a client that the credentials do not name.
            data.entry(client.keys.client_id.clone())
                .or_insert_with(|| id.clone());
        }
        data.insert(client.keys.refresh_token.clone(), token.clone());
        (client, Credentials::new(data, lenders))
    }
}
