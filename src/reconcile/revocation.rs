//! Revokes tokens: those of a resource that is being deleted, and the previous one after a replacement.
//!
//! A resource never waits long for its deletion: after [`TRIES`] attempts of at most [`PATIENCE`] per exchange, it is
//! deleted, whatever became of its token.

use crate::api::validate::Validated;
use crate::engine::{Key, Requeue};
use crate::messages::{EventFinding, Message, NotRevoked, TrustFinding};
use crate::model::{Assessment, Failure, Observed, Problem};
use crate::oauth::dpop;
use crate::policy::{
    ACCESS_TOKEN, Notice, NoticeKind, Report, Revoked, Revoking, TokenWithLenders, another_secret,
    living_tokens, nonce_of, revoked, revoking, token_hash,
};
use crate::reconcile::reconciler::{NO_MORE, Reconciler, abandoned};
use crate::time::Span;

use super::close::Step;
use super::observe::observe;
use super::{Store, StoreError};

/// The number of attempts to revoke the token of a resource that is being deleted.
pub(crate) const TRIES: u32 = 3;
/// The time-out of one exchange; there are two if the issuer's document must be read.
pub(crate) const PATIENCE: Span = Span::from_seconds(4);
/// The pause between two attempts.
const PAUSE: Span = Span::from_seconds(2);
/// How soon to retry adding a finalizer without permission.
const AFTER_FORBIDDEN: Span = Span::from_seconds(30);
/// The maximum number of prerequisites.
const MOST_NEEDS: u32 = 8;

impl<W: Store> Reconciler<'_, W> {
    /// The resource is being deleted and waits for us: its token is revoked, or not, and the finalizer removed.
    pub(super) async fn part(mut self) -> Step {
        if !self.store.goes_on() {
            return abandoned(self.store, StoreError::Passing(NO_MORE.to_owned())).into();
        }
        let mut memory = self.seen.memory.clone();
        memory.partings = memory.partings.saturating_add(1);
        let tries = memory.partings;
        let told = self.revoke_all().await;
        memory
            .family
            .dpop_nonces
            .clone_from(&self.seen.memory.family.dpop_nonces);
        match told {
            Revoked::Done => tracing::info!("the tokens of the deleted resource were revoked"),
            Revoked::Later(why) if tries < TRIES => {
                tracing::info!(why = %why.text(), "the token could not be revoked yet");
                let again = Requeue::At(self.store.now() + PAUSE);
                return self.close(memory, None, again);
            }
            Revoked::Later(why) | Revoked::Refused(why) => self.tell(why).await,
        }
        match self.store.hold(&self.seen, false).await {
            Ok(_) => self.close(memory, None, Requeue::OnChange),
            Err(trouble) => {
                self.store
                    .remember(self.key, &self.seen.resource.uid, memory);
                abandoned(self.store, trouble).into()
            }
        }
    }

    /// Revokes what is still valid. A temporary failure ends the attempt, and the others wait too.
    async fn revoke_all(&mut self) -> Revoked {
        let nothing = || Revoked::Refused(NotRevoked::NoToken);
        let mut all = None;
        for (token, hint) in living_tokens(&self.seen) {
            let told = revoke(self.store, &mut self.seen, &token, hint, Some(PATIENCE)).await;
            self.store.revoked(outcome(&told));
            all = match (all, told) {
                (_, Revoked::Later(why)) => return Revoked::Later(why),
                (None | Some(Revoked::Done), told) => Some(told),
                (refused, _) => refused,
            };
        }
        if all.is_none() {
            self.store.revoked(outcome(&nothing()));
        }
        all.unwrap_or_else(nothing)
    }

    /// The finalizer could not be added or removed: reported, and retried. No token is requested that could not be
    /// revoked.
    pub(super) fn cannot_hold(self, assessment: Assessment, trouble: StoreError) -> Step {
        let StoreError::Forbidden(_) = trouble else {
            return abandoned(self.store, trouble).into();
        };
        let problem = Problem::stalled(TrustFinding::FinalizerForbidden {
            namespace: self.seen.resource.namespace.clone(),
        });
        let assessment = Assessment {
            problem: Some(problem),
            ..assessment
        };
        let memory = self.seen.memory.clone();
        let again = Requeue::At(self.store.now() + AFTER_FORBIDDEN);
        self.finish(memory, &assessment, None, again)
    }

    /// An event, because the status is no longer relevant.
    async fn tell(&self, why: NotRevoked) {
        let finding = EventFinding::NotRevoked { why };
        let notice = Notice {
            kind: NoticeKind::Warning,
            reason: finding.reason(),
            message: finding.explain(self.seen.rules.audience).message(),
        };
        let report = Report {
            status: self.seen.resource.status.clone(),
            changed: false,
            remarks: Message::default(),
            notices: vec![notice],
        };
        // Best effort, as all events.
        let _ = self.store.report(&self.seen.resource, &report).await;
    }
}

/// Revokes a token that was replaced; never the one that is published now.
pub async fn revoke_replaced(store: &impl Store, key: &Key, token: &TokenWithLenders) {
    let Ok(Some(mut seen)) = Box::pin(observe(store, key, false)).await else {
        return store.revoked("failed");
    };
    seen.keep_what_is_lent();
    let published = seen
        .target
        .as_ref()
        .and_then(crate::policy::SecretSeen::state);
    let hash = token_hash(&seen.resource.uid, &token.token);
    if published.is_some_and(|state| state.token_hash == hash) || !store.goes_on() {
        return;
    }
    let told = revoke(store, &mut seen, token, ACCESS_TOKEN, None).await;
    if let Revoked::Later(why) | Revoked::Refused(why) = &told {
        tracing::warn!(resource = %key, why = %why.text(), "a token that was replaced could not be revoked");
    }
    store.revoked(outcome(&told));
}

fn outcome(told: &Revoked) -> &'static str {
    match told {
        Revoked::Done => "success",
        Revoked::Later(_) => "failed",
        Revoked::Refused(_) => "refused",
    }
}

async fn revoke(
    store: &impl Store,
    seen: &mut Observed,
    token: &TokenWithLenders,
    hint: &str,
    patience: Option<Span>,
) -> Revoked {
    let mut again = false;
    let mut has_nonce = false;
    for _ in 0..MOST_NEEDS {
        // Each request has assertions and proofs of its own: a server takes each once.
        seen.nonce = seen.nonce.again();
        match revoking(seen, token, hint, again, store.now()) {
            Revoking::Cannot(why) => return Revoked::Refused(why),
            Revoking::First(need) => {
                let Some(spec) = hurried(seen, patience) else {
                    return Revoked::Refused(NotRevoked::InvalidSpec);
                };
                match store.get(seen, &spec, &need).await {
                    Ok(got) => seen.take(got),
                    Err(failure) => return Revoked::Later(prevented(failure)),
                }
            }
            Revoking::Send(request) => {
                let Some(spec) = hurried(seen, patience) else {
                    return Revoked::Refused(NotRevoked::InvalidSpec);
                };
                let answer = store.call(seen, &spec, &request).await;
                // A nonce that comes with any answer is for the next proof to the same server.
                let told = answer.as_ref().ok().filter(|_| spec.dpop.is_some());
                let url: Option<url::Url> = request.url.expose().and_then(|url| url.parse().ok());
                if let Some((url, nonce)) = url.zip(told.and_then(dpop::nonce)) {
                    seen.memory.family.note_nonce(nonce_of(&url, nonce));
                }
                // The server wants its nonce in the proof of possession: that is how it hands one out (RFC 9449 section 8).
                if told.and_then(dpop::asked_for).is_some() && !has_nonce {
                    has_nonce = true;
                    continue;
                }
                return match answer {
                    Ok(answer) if !again && another_secret(seen, &answer, store.now()) => {
                        again = true;
                        continue;
                    }
                    Ok(answer) => revoked(&spec.client.response, &answer, store.now()),
                    Err(failure) => Revoked::Later(prevented(failure)),
                };
            }
        }
    }
    Revoked::Refused(NotRevoked::NeverReady)
}

/// The spec with at most this time-out.
fn hurried(seen: &Observed, patience: Option<Span>) -> Option<Validated> {
    let mut spec = seen.resource.spec.clone().ok()?;
    if let Some(patience) = patience {
        spec.timeout = spec.timeout.min(patience);
    }
    Some(spec)
}

/// A request that failed prevents the revocation.
fn prevented(failure: Failure) -> NotRevoked {
    NotRevoked::Prevented {
        finding: failure.finding,
    }
}
