//! One credential: as a request sends it, and what its brake remembers of it.

use crate::oauth::FailureClass;
use crate::schedule;
use crate::secret::Secret;
use crate::time::{Span, Time};

/// For this long after a success, requests with the same credential do not wait for each other.
pub(super) const PROVEN: Span = Span::from_seconds(60);
/// The minimum wait for the outcome of another request with the same credential.
pub(super) const SHORTEST_WAIT: Span = Span::from_seconds(2);
/// The maximum wait: a longer one would come from a clock that was set back.
const LONGEST_WAIT: Span = Span::from_seconds(3600 + 60);

/// The kind of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CredentialKind {
    /// User name and password.
    Password,
    /// A refresh token.
    RefreshToken,
    /// The client authentication: a secret or a private key.
    ClientSecret,
}

impl CredentialKind {
    /// Whether sending it again after a refusal does harm.
    pub const fn is_destroyed_by_repetition(self) -> bool {
        matches!(
            self,
            CredentialKind::Password | CredentialKind::RefreshToken
        )
    }
}

/// A credential as one request sends it.
pub struct Credential {
    /// Its kind.
    pub kind: CredentialKind,
    /// The host that it is sent to, with the port.
    pub host: String,
    /// The client that it is sent for; empty if the request has none.
    pub client: String,
    /// Its content, in an unambiguous form.
    pub content: Secret,
}

/// A request that is about to be sent.
pub struct BrakedRequest {
    /// The namespace of the resource.
    pub namespace: String,
    /// The credentials in it.
    pub credentials: Vec<Credential>,
    /// Whether the resource holds a token that it obtained with these credentials.
    pub proven: bool,
    /// Identifies the rest of the request.
    pub form: u64,
    /// Its time-out.
    pub timeout: Span,
}

/// A refused credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialRefusal {
    /// Its kind.
    pub kind: CredentialKind,
    /// The reason.
    pub reason: &'static str,
    /// When it was last refused.
    pub time: Time,
    /// The number of refusals in a row, from any resource.
    pub failures: u32,
    /// When it may be sent again; `None` if only another content, client or host helps.
    pub next: Option<Time>,
}

/// The state of one credential.
#[derive(Debug)]
pub(super) struct CredentialEntry {
    pub(super) kind: CredentialKind,
    pub(super) namespace: u64,
    pub(super) used: Time,
    pub(super) refused: Option<RefusedState>,
    pub(super) worked: Option<Time>,
    /// The request in flight that others wait for: its number, its start and its latest end.
    pub(super) trying: Option<(u64, Time, Time)>,
}

/// The refusals of one credential.
#[derive(Debug)]
pub(super) struct RefusedState {
    pub(super) reason: &'static str,
    pub(super) time: Time,
    pub(super) failures: u32,
    pub(super) next: Option<Time>,
    /// The form of the refused request; 0 if unknown.
    pub(super) form: u64,
    /// Whether a request of another form was refused too.
    pub(super) confirmed: bool,
    /// Whether a request of another form succeeded since: only this form is closed.
    pub(super) overruled: bool,
}

/// What one entry means for a request.
pub(super) enum Allows {
    Now,
    Waiting(Time),
    No(CredentialRefusal),
}

impl CredentialEntry {
    /// Whether the provider accepted it recently.
    pub(super) fn is_proven(&self, now: Time) -> bool {
        self.worked
            .is_some_and(|worked| now >= worked && now.since(worked) < PROVEN)
    }

    /// Whether it is refused, and no other request has shown that it works.
    pub(super) fn is_closed(&self) -> bool {
        self.refused
            .as_ref()
            .is_some_and(|refused| !refused.overruled)
    }

    /// Whether a request may send it now.
    pub(super) fn allows(
        &self,
        kind: CredentialKind,
        request: &BrakedRequest,
        now: Time,
    ) -> Allows {
        if let Some(refused) = &self.refused
            && refused.stops(kind, request, now)
        {
            return Allows::No(CredentialRefusal {
                kind,
                reason: refused.reason,
                time: refused.time,
                failures: refused.failures,
                next: refused.next,
            });
        }
        if kind == CredentialKind::ClientSecret && request.proven {
            return Allows::Now;
        }
        match self.trying {
            Some((_, since, until)) if now < until && until.since(now) <= LONGEST_WAIT => {
                // Each wait is as long as the wait so far, so there are few checks, however long it takes.
                Allows::Waiting(now + now.since(since).max(SHORTEST_WAIT))
            }
            _ => Allows::Now,
        }
    }

    /// Records that the provider has refused it, in a request of this form.
    pub(super) fn refuse(&mut self, reason: &'static str, form: u64, now: Time, jitter: f64) {
        let before = self.refused.take();
        let failures = before
            .as_ref()
            .map_or(1, |refused| refused.failures.saturating_add(1));
        let next = match self.kind {
            CredentialKind::Password | CredentialKind::RefreshToken => None,
            CredentialKind::ClientSecret => Some(schedule::retry(
                FailureClass::Permanent,
                failures,
                None,
                None,
                now,
                jitter,
            )),
        };
        self.refused = Some(RefusedState {
            reason,
            time: now,
            failures,
            next,
            form,
            confirmed: before.is_some_and(|before| !before.overruled),
            overruled: false,
        });
    }
}

impl RefusedState {
    /// Whether it stops a request.
    fn stops(&self, kind: CredentialKind, request: &BrakedRequest, now: Time) -> bool {
        if kind.is_destroyed_by_repetition() {
            if self.overruled {
                return request.form == self.form;
            }
            return self.confirmed || !request.proven || request.form == self.form;
        }
        let waits = |next: Time| now < next && next.since(now) <= LONGEST_WAIT;
        !request.proven && self.next.is_none_or(waits)
    }
}
