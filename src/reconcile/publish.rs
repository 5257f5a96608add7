//! Publishes a token: retried until it succeeds, because another one would need another request.

use crate::api::validate::Validated;
use crate::engine::Key;
use crate::messages::{TokenSecretFinding, WriteFinding, WriteRefusal};
use crate::model::{Assessment, Observed, Problem, SecretSeen, SecretWrite};
use crate::policy::{Ownership, ownership, published_view, report, rewrite};
use crate::time::{Span, Time};

use super::observe::observe;
use super::{Store, WriteError};

/// The result for a token.
pub(super) enum PublishOutcome {
    /// It is published.
    Published(Box<SecretSeen>, Box<SecretWrite>),
    /// A newer one is already published.
    Superseded,
    /// The resource is gone.
    ResourceGone,
    /// It cannot be published; why, and when to try again.
    GivenUp(Box<Assessment>, Option<Span>),
    /// The server refuses it, and would refuse it again; why.
    Rejected(WriteRefusal),
}

impl PublishOutcome {
    /// One word for logs.
    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            PublishOutcome::Published(..) => "published",
            PublishOutcome::Superseded => "superseded",
            PublishOutcome::ResourceGone => "resource-gone",
            PublishOutcome::GivenUp(..) => "given-up",
            PublishOutcome::Rejected(_) => "rejected",
        }
    }
}

/// The first and the longest pause between two attempts.
const FIRST_PAUSE: Span = Span::from_millis(250);
const LONGEST_PAUSE: Span = Span::from_seconds(15);
/// When a refused write of metadata is retried: something outside of the resource may have changed.
const REJECTED_AGAIN: Span = Span::from_seconds(3600);
/// After this many attempts, the status reports that a token waits to be written.
const REPORT_AFTER: u32 = 4;

/// Writes the token Secret repeatedly, until it succeeds or the token is no longer needed. Every attempt names UID and
/// resourceVersion of the last observation, so that it never overwrites anything unknown.
pub(super) async fn publish(
    store: &impl Store,
    key: &Key,
    seen: &mut Observed,
    spec: &Validated,
    write: SecretWrite,
    assessment: &Assessment,
) -> PublishOutcome {
    let mut write = write;
    let mut pause = FIRST_PAUSE;
    let mut reported = None;
    let mut last_try = false;
    for tries in 1_u32.. {
        let error = match attempt(store, key, seen, &write).await {
            Ok(written) => return PublishOutcome::Published(Box::new(written), Box::new(write)),
            Err(WriteError::Rejected(why)) => return PublishOutcome::Rejected(why),
            Err(error) => error,
        };
        let now = store.now();
        let (failing, retry_after) = assess_failure(seen, assessment.clone(), &error, now);
        if error == WriteError::NamespaceTerminating {
            return PublishOutcome::GivenUp(Box::new(failing), None);
        }
        if now >= write.state.expires() || last_try {
            return PublishOutcome::GivenUp(Box::new(failing), Some(retry_after));
        }
        // Reported once, and again if the previous token expires meanwhile or the problem changes.
        let valid = failing.token.as_ref().is_some_and(|token| token.valid);
        let reason = failing.problem.as_ref().map(Problem::reason);
        let must_report = error.needs_person() || tries >= REPORT_AFTER || reported.is_some();
        if must_report && reported != Some((reason, valid)) {
            reported = Some((reason, valid));
            report_status(store, seen, &failing, now).await;
        }
        // A conflict is resolved without delay, but not in a hot loop.
        if error != WriteError::Raced || tries > 1 {
            last_try = !store.pause(pause.scale(0.75 + 0.5 * store.jitter())).await;
            pause = (pause + pause).min(LONGEST_PAUSE);
        }
        match next_step(store, key, seen, spec, &write, assessment).await {
            NextStep::Write(next) => write = *next,
            NextStep::End(written) => return *written,
        }
    }
    PublishOutcome::Superseded
}

/// One attempt. A Secret that is being deleted gets no token, because it would be deleted too.
async fn attempt(
    store: &impl Store,
    key: &Key,
    seen: &Observed,
    write: &SecretWrite,
) -> Result<SecretSeen, WriteError> {
    match &seen.target {
        Some(target) if target.deleting => Err(WriteError::Raced),
        _ => store.write_token_secret(key, write).await,
    }
}

/// What to do after a failed write and a new observation.
enum NextStep {
    /// Try this.
    Write(Box<SecretWrite>),
    /// It is over.
    End(Box<PublishOutcome>),
}

impl NextStep {
    fn write(write: SecretWrite) -> NextStep {
        NextStep::Write(Box::new(write))
    }

    fn end(written: PublishOutcome) -> NextStep {
        NextStep::End(Box::new(written))
    }
}

async fn next_step(
    store: &impl Store,
    key: &Key,
    seen: &mut Observed,
    spec: &Validated,
    write: &SecretWrite,
    assessment: &Assessment,
) -> NextStep {
    let fresh = match Box::pin(observe(store, key, true)).await {
        Ok(Some(fresh)) => fresh,
        Ok(None) => return NextStep::end(PublishOutcome::ResourceGone),
        // Nothing new is known: repeat the same write.
        Err(_) => return NextStep::write(write.clone()),
    };
    let recreated = fresh.resource.uid != seen.resource.uid;
    if recreated || fresh.resource.deleting {
        return NextStep::end(PublishOutcome::ResourceGone);
    }
    let renamed = fresh
        .resource
        .spec
        .as_ref()
        .is_ok_and(|now| now.token_secret.name != spec.token_secret.name);
    if renamed {
        // The Secret with the new name gets its token in the ordinary way.
        return NextStep::end(PublishOutcome::Superseded);
    }
    seen.target = fresh.target;
    seen.resource.renew(fresh.resource);
    let Some(target) = &seen.target else {
        return NextStep::write(rewrite(seen, spec, write));
    };
    match ownership(target, &seen.resource, &spec.token_secret.type_) {
        Ownership::Ours | Ownership::Restored | Ownership::Adoptable => {}
        _ => {
            let mut assessment = assessment.clone();
            assessment.token = None;
            let problem = Problem::stalled(TokenSecretFinding::CreatedMeanwhile {
                secret: target.name.clone(),
            });
            assessment.problem = Some(problem);
            return NextStep::end(PublishOutcome::GivenUp(
                Box::new(assessment),
                Some(Span::from_seconds(1)),
            ));
        }
    }
    match target.state().filter(|state| state.intact(&target.data)) {
        // Our write was committed, although its answer was lost.
        Some(state) if state == write.state && !target.deleting => NextStep::end(
            PublishOutcome::Published(Box::new(target.clone()), Box::new(write.clone())),
        ),
        // Another replica published a newer one.
        Some(state) if state.issued > write.state.issued => {
            NextStep::end(PublishOutcome::Superseded)
        }
        _ => NextStep::write(rewrite(seen, spec, write)),
    }
}

pub(super) async fn report_status(
    store: &impl Store,
    seen: &mut Observed,
    assessment: &Assessment,
    now: Time,
) {
    let resource = &seen.resource;
    let report = report(
        assessment,
        &resource.status,
        resource.generation,
        store.status_detail(),
        now,
    );
    // The token is more important than the report: no second attempt here.
    if let Ok(version) = store.write_status(&seen.resource, &report).await {
        seen.resource.status = report.status;
        seen.resource.has_version(version);
    }
}

/// The assessment while a write fails, and when to reconcile again. The new token is not published, so the previous one
/// is reported.
pub(super) fn assess_failure(
    seen: &Observed,
    assessment: Assessment,
    error: &WriteError,
    now: Time,
) -> (Assessment, Span) {
    let namespace = seen.resource.namespace.clone();
    let secret = assessment.secret_name.clone();
    let (problem, again) = match error {
        WriteError::Forbidden(why) => (
            Problem::stalled(WriteFinding::Forbidden {
                secret,
                namespace,
                why: why.clone(),
            }),
            Span::from_seconds(30),
        ),
        WriteError::Refused(why) => (
            Problem::stalled(WriteFinding::Refused {
                secret,
                namespace,
                why: why.clone(),
            }),
            Span::from_seconds(30),
        ),
        WriteError::Rejected(why) => (
            Problem::stalled(WriteFinding::Rejected {
                secret,
                namespace,
                why: why.clone(),
            }),
            REJECTED_AGAIN,
        ),
        WriteError::NamespaceTerminating => (
            Problem::stalled(WriteFinding::NamespaceTerminating { namespace }),
            Span::from_seconds(300),
        ),
        WriteError::Raced | WriteError::Passing(_) => (
            Problem::waiting(WriteFinding::Waiting { secret, namespace }),
            Span::from_seconds(10),
        ),
    };
    let assessment = Assessment {
        token: published_view(seen, now),
        problem: Some(problem),
        ..assessment
    };
    (assessment, again)
}

impl WriteError {
    pub(super) fn needs_person(&self) -> bool {
        matches!(
            self,
            WriteError::Forbidden(_) | WriteError::Refused(_) | WriteError::Rejected(_)
        )
    }
}
