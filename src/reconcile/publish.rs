//! Publishes a token: retried until it succeeds, because another one would need another request.

use crate::api::validate::Validated;
use crate::engine::Key;
use crate::messages::{TokenSecretFinding, WriteFinding, WriteRefusal};
use crate::model::{Assessment, Observed, Problem, SecretSeen, SecretWrite};
use crate::policy::{Ownership, ownership, report, rewrite, standing};
use crate::time::{Span, Time};

use super::observe::observe;
use super::{Store, WriteError};

/// The result for a token.
pub(super) enum Written {
    /// It is published.
    Stands(Box<SecretSeen>, Box<SecretWrite>),
    /// A newer one is already published.
    Superseded,
    /// The resource is gone.
    ResourceGone,
    /// It cannot be published; why, and when to try again.
    GivenUp(Box<Assessment>, Option<Span>),
    /// The server refuses it, and would refuse it again; why.
    Rejected(WriteRefusal),
}

impl Written {
    /// One word for logs.
    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            Written::Stands(..) => "published",
            Written::Superseded => "superseded",
            Written::ResourceGone => "resource-gone",
            Written::GivenUp(..) => "given-up",
            Written::Rejected(_) => "rejected",
        }
    }
}

/// The first and the longest pause between two attempts.
const FIRST_PAUSE: Span = Span::from_millis(250);
const LONGEST_PAUSE: Span = Span::from_seconds(15);
/// When a refused write of metadata is retried: something outside of the resource may have changed.
const REJECTED_AGAIN: Span = Span::from_seconds(3600);
/// After this many attempts, the status reports that a token waits to be written.
const TELL_AFTER: u32 = 4;

/// Writes the token Secret repeatedly, until it succeeds or the token is no longer needed. Every attempt names UID and
/// resourceVersion of the last observation, so that it never overwrites anything unknown.
pub(super) async fn publish(
    store: &impl Store,
    key: &Key,
    seen: &mut Observed,
    spec: &Validated,
    write: SecretWrite,
    assessment: &Assessment,
) -> Written {
    let mut write = write;
    let mut pause = FIRST_PAUSE;
    let mut told = None;
    let mut last_try = false;
    for tries in 1_u32.. {
        let error = match attempt(store, key, seen, &write).await {
            Ok(written) => return Written::Stands(Box::new(written), Box::new(write)),
            Err(WriteError::Rejected(why)) => return Written::Rejected(why),
            Err(error) => error,
        };
        let now = store.now();
        let (hindered, later) = hindered(seen, assessment.clone(), &error, now);
        if error == WriteError::NamespaceTerminating {
            return Written::GivenUp(Box::new(hindered), None);
        }
        if now >= write.state.expires() || last_try {
            return Written::GivenUp(Box::new(hindered), Some(later));
        }
        // Reported once, and again if the previous token expires meanwhile or the problem changes.
        let valid = hindered.token.as_ref().is_some_and(|token| token.valid);
        let reason = hindered.problem.as_ref().map(Problem::reason);
        let worth_telling = error.needs_person() || tries >= TELL_AFTER || told.is_some();
        if worth_telling && told != Some((reason, valid)) {
            told = Some((reason, valid));
            tell(store, seen, &hindered, now).await;
        }
        // A conflict is resolved without delay, but not in a hot loop.
        if error != WriteError::Raced || tries > 1 {
            last_try = !store.pause(pause.scale(0.75 + 0.5 * store.draw())).await;
            pause = (pause + pause).min(LONGEST_PAUSE);
        }
        match again(store, key, seen, spec, &write, assessment).await {
            Again::Write(next) => write = *next,
            Again::End(written) => return *written,
        }
    }
    Written::Superseded
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
        _ => store.write(key, write).await,
    }
}

/// What to do after a failed write and a new observation.
enum Again {
    /// Try this.
    Write(Box<SecretWrite>),
    /// It is over.
    End(Box<Written>),
}

impl Again {
    fn write(write: SecretWrite) -> Again {
        Again::Write(Box::new(write))
    }

    fn end(written: Written) -> Again {
        Again::End(Box::new(written))
    }
}

async fn again(
    store: &impl Store,
    key: &Key,
    seen: &mut Observed,
    spec: &Validated,
    write: &SecretWrite,
    assessment: &Assessment,
) -> Again {
    let fresh = match Box::pin(observe(store, key, true)).await {
        Ok(Some(fresh)) => fresh,
        Ok(None) => return Again::end(Written::ResourceGone),
        // Nothing new is known: repeat the same write.
        Err(_) => return Again::write(write.clone()),
    };
    let recreated = fresh.resource.uid != seen.resource.uid;
    if recreated || fresh.resource.deleting {
        return Again::end(Written::ResourceGone);
    }
    let renamed = fresh
        .resource
        .spec
        .as_ref()
        .is_ok_and(|now| now.token_secret.name != spec.token_secret.name);
    if renamed {
        // The Secret with the new name gets its token in the ordinary way.
        return Again::end(Written::Superseded);
    }
    seen.target = fresh.target;
    seen.resource.renew(fresh.resource);
    let Some(target) = &seen.target else {
        return Again::write(rewrite(seen, spec, write));
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
            return Again::end(Written::GivenUp(
                Box::new(assessment),
                Some(Span::from_seconds(1)),
            ));
        }
    }
    match target.state().filter(|state| state.intact(&target.data)) {
        // Our write was committed, although its answer was lost.
        Some(state) if state == write.state && !target.deleting => Again::end(Written::Stands(
            Box::new(target.clone()),
            Box::new(write.clone()),
        )),
        // Another replica published a newer one.
        Some(state) if state.issued > write.state.issued => Again::end(Written::Superseded),
        _ => Again::write(rewrite(seen, spec, write)),
    }
}

pub(super) async fn tell(
    store: &impl Store,
    seen: &mut Observed,
    assessment: &Assessment,
    now: Time,
) {
    let resource = &seen.resource;
    let told = report(
        assessment,
        &resource.status,
        resource.generation,
        store.detail(),
        now,
    );
    // The token is more important than the report: no second attempt here.
    if let Ok(version) = store.report(&seen.resource, &told).await {
        seen.resource.status = told.status;
        seen.resource.has_version(version);
    }
}

/// The assessment while a write fails, and when to reconcile again. The new token is not published, so the previous one
/// is reported.
pub(super) fn hindered(
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
        token: standing(seen, now),
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
