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
    ACCESS_TOKEN, EventType, Report, ResourceEvent, RevocationStep, Revoked, TokenWithLenders,
    has_another_secret, nonce_of, revocation_step, revoked, token_hash, tokens_to_revoke,
};
use crate::reconcile::reconciler::{MAY_NOT_START, Reconciler, abandoned};
use crate::time::Span;

use super::close::Conclusion;
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
const MAX_PREREQUISITES: u32 = 8;

impl<W: Store> Reconciler<'_, W> {
    /// The resource is being deleted and waits for us: its token is revoked, or not, and the finalizer removed.
    pub(super) async fn finalize(mut self) -> Conclusion {
        if !self.store.may_start_work() {
            return abandoned(self.store, StoreError::Passing(MAY_NOT_START.to_owned())).into();
        }
        let mut memory = self.seen.memory.clone();
        memory.finalize_attempts = memory.finalize_attempts.saturating_add(1);
        let tries = memory.finalize_attempts;
        let result = self.revoke_all().await;
        memory
            .family
            .dpop_nonces
            .clone_from(&self.seen.memory.family.dpop_nonces);
        match result {
            Revoked::Done => tracing::info!("the tokens of the deleted resource were revoked"),
            Revoked::Retry(why) if tries < TRIES => {
                tracing::info!(why = %why.text(), "the token could not be revoked yet");
                let again = Requeue::At(self.store.now() + PAUSE);
                return self.close(memory, None, again);
            }
            Revoked::Retry(why) | Revoked::Refused(why) => self.report_not_revoked(why).await,
        }
        match self.store.set_finalizer(&self.seen, false).await {
            Ok(_) => self.close(memory, None, Requeue::OnChange),
            Err(error) => {
                self.store
                    .remember(self.key, &self.seen.resource.uid, memory);
                abandoned(self.store, error).into()
            }
        }
    }

    /// Revokes what is still valid. A temporary failure ends the attempt, and the others wait too.
    async fn revoke_all(&mut self) -> Revoked {
        let nothing = || Revoked::Refused(NotRevoked::NoToken);
        let mut all = None;
        for (token, hint) in tokens_to_revoke(&self.seen) {
            let result = revoke(self.store, &mut self.seen, &token, hint, Some(PATIENCE)).await;
            self.store.count_revocation(outcome(&result));
            all = match (all, result) {
                (_, Revoked::Retry(why)) => return Revoked::Retry(why),
                (None | Some(Revoked::Done), result) => Some(result),
                (refused, _) => refused,
            };
        }
        if all.is_none() {
            self.store.count_revocation(outcome(&nothing()));
        }
        all.unwrap_or_else(nothing)
    }

    /// The finalizer could not be added or removed: reported, and retried. No token is requested that could not be
    /// revoked.
    pub(super) fn finalizer_failed(self, assessment: Assessment, error: StoreError) -> Conclusion {
        let StoreError::Forbidden(_) = error else {
            return abandoned(self.store, error).into();
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
    async fn report_not_revoked(&self, why: NotRevoked) {
        let finding = EventFinding::NotRevoked { why };
        let event = ResourceEvent {
            kind: EventType::Warning,
            reason: finding.reason(),
            message: finding.explain(self.seen.rules.audience).message(),
        };
        let report = Report {
            status: self.seen.resource.status.clone(),
            changed: false,
            remarks: Message::default(),
            events: vec![event],
        };
        // Best effort, as all events.
        let _ = self.store.write_status(&self.seen.resource, &report).await;
    }
}

/// Revokes a token that was replaced; never the one that is published now.
pub async fn revoke_replaced(store: &impl Store, key: &Key, token: &TokenWithLenders) {
    let Ok(Some(mut seen)) = Box::pin(observe(store, key, false)).await else {
        return store.count_revocation("failed");
    };
    seen.keep_only_opted_in();
    let published = seen
        .target
        .as_ref()
        .and_then(crate::policy::SecretSeen::state);
    let hash = token_hash(&seen.resource.uid, &token.token);
    if published.is_some_and(|state| state.token_hash == hash) || !store.may_start_work() {
        return;
    }
    let result = revoke(store, &mut seen, token, ACCESS_TOKEN, None).await;
    if let Revoked::Retry(why) | Revoked::Refused(why) = &result {
        tracing::warn!(resource = %key, why = %why.text(), "a token that was replaced could not be revoked");
    }
    store.count_revocation(outcome(&result));
}

fn outcome(result: &Revoked) -> &'static str {
    match result {
        Revoked::Done => "success",
        Revoked::Retry(_) => "failed",
        Revoked::Refused(_) => "refused",
    }
}

async fn revoke(
    store: &impl Store,
    seen: &mut Observed,
    token: &TokenWithLenders,
    hint: &str,
    time_limit: Option<Span>,
) -> Revoked {
    let mut again = false;
    let mut has_nonce = false;
    for _ in 0..MAX_PREREQUISITES {
        // Each request has assertions and proofs of its own: a server takes each once.
        seen.nonce = seen.nonce.again();
        match revocation_step(seen, token, hint, again, store.now()) {
            RevocationStep::Impossible(why) => return Revoked::Refused(why),
            RevocationStep::Fetch(prerequisite) => {
                let Some(spec) = with_time_limit(seen, time_limit) else {
                    return Revoked::Refused(NotRevoked::InvalidSpec);
                };
                match store.fetch_prerequisite(seen, &spec, &prerequisite).await {
                    Ok(fetched) => seen.take(fetched),
                    Err(failure) => return Revoked::Retry(prevented(failure)),
                }
            }
            RevocationStep::Send(request) => {
                let Some(spec) = with_time_limit(seen, time_limit) else {
                    return Revoked::Refused(NotRevoked::InvalidSpec);
                };
                let answer = store.send_revocation(seen, &spec, &request).await;
                // A nonce that comes with any answer is for the next proof to the same server.
                let with_nonce = answer.as_ref().ok().filter(|_| spec.dpop.is_some());
                let url: Option<url::Url> = request.url.expose().and_then(|url| url.parse().ok());
                if let Some((url, nonce)) = url.zip(with_nonce.and_then(dpop::nonce)) {
                    seen.memory.family.note_nonce(nonce_of(&url, nonce));
                }
                // The server wants its nonce in the proof of possession: that is how it hands one out (RFC 9449 section 8).
                if with_nonce.and_then(dpop::asked_for).is_some() && !has_nonce {
                    has_nonce = true;
                    continue;
                }
                return match answer {
                    Ok(answer) if !again && has_another_secret(seen, &answer, store.now()) => {
                        again = true;
                        continue;
                    }
                    Ok(answer) => revoked(&spec.client.response, &answer, store.now()),
                    Err(failure) => Revoked::Retry(prevented(failure)),
                };
            }
        }
    }
    Revoked::Refused(NotRevoked::NeverReady)
}

/// The spec with at most this time-out.
fn with_time_limit(seen: &Observed, time_limit: Option<Span>) -> Option<Validated> {
    let mut spec = seen.resource.spec.clone().ok()?;
    if let Some(time_limit) = time_limit {
        spec.timeout = spec.timeout.min(time_limit);
    }
    Some(spec)
}

/// A request that failed prevents the revocation.
fn prevented(failure: Failure) -> NotRevoked {
    NotRevoked::Prevented {
        finding: failure.finding,
    }
}
