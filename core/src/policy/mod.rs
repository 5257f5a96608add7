//! `(observed, now) -> plan`: what to do about one resource. Total and pure.
//!
//! It checks in this order: does the operator manage the resource, may the token Secret be written, is a token needed,
//! may it be requested now. Whether the Secret may be written is decided *before* anything is sent.

mod accounts;
mod answer;
pub mod assessment;
mod brake;
pub mod brakes;
mod certificate;
mod deadline;
mod disclosed;
mod dpop;
mod events;
mod expiry;
mod facts;
pub mod findings;
mod group;
mod memory;
mod ownership;
mod permission;
mod plan;
mod prerequisite;
pub mod provenance;
mod readiness;
mod references;
mod refresh_reason;
mod refresh_token;
mod rejected;
mod report;
pub mod restart;
mod revocation;
mod room;
mod rotation;
mod secret_write;
mod token_request;
mod token_sources;
pub mod waits;

use crate::conditions::Reason;
use crate::engine::Requeue;
use crate::model::Validated;
use crate::oauth::error::FailureClass;
use crate::time::{Span, Time};

use assessment::token_view;
use plan::stale_secrets;
use token_request::plan_request;
pub use token_request::with_nonce;
pub use waits::MAX_STALE_READS;
use waits::{AFTER_STALE_READ, LONGEST_CHECK_INTERVAL, LOOK_AT_DELETING, LOOK_AT_FOREIGN};

pub use crate::model::{
    AccountSeen, Action, Assessment, AttemptOutcome, CaSeen, CertificateFacts, CertificateProblem,
    CertificateSeen, CertificateThere, ClientSecret, Expiries, Expiry, ExpiryTimes, FailedAttempt,
    Failure, FamilyMemory, FamilyRecord, FamilySeen, Fetched, Fingerprint, FoundReference,
    IntactToken, Managed, Memory, NO_REFERENCES, Observed, Owner, PREFIX, Plan, PlannedRequest,
    Prerequisite, Problem, ProblemKind, Publish, REVOCATION_FINALIZER, RedeemedGrant, Redemption,
    Reference, RefreshReason, Repairs, RequestOutcome, RequestTimes, Resource, ResourceMeta, Rules,
    STATE_LABEL, STATE_TYPE, SecretBody, SecretSeen, SecretWrite, StaleSecret, StateOwner,
    TokenState, TokenView, WriteMode, WrittenVersion, request_name, short, token_hash,
};
pub use answer::{failed, granted, rejected};
pub use assessment::{published_view, still_failing_now as still_failing};
pub use brake::{braked, braked_outcome, braked_request, host_of, refused_before};
pub use dpop::nonce_of;
pub use events::{EventType, ResourceEvent};
pub use facts::{
    credentials_facts, host_queue, host_queue_of, no_references, reference_facts, relevant_content,
    token_facts, uid_fact,
};
pub use group::{OtherGroup, group_of, other_group, served_by_another_group};
pub use ownership::{Ownership, ownership};
pub use permission::permission_denied;
pub use plan::sooner;
pub use provenance::{lenders_to_see, shown_by};
pub use refresh_token::{
    FailedRedemption, RecordState, attempt_failed, login_name, record_after_grant,
    record_after_unusable_token, record_state, state_after_write, state_name, state_secret_write,
};
pub use report::{Report, StatusDetail, report};
pub use revocation::{
    ACCESS_TOKEN, RevocationStep, Revoked, TokenWithLenders, has_another_secret, replaced_token,
    revocation_step, revoked, tokens_to_revoke,
};
pub use room::{LARGE, expected_response, large};
pub use rotation::{has_next, requested_with};
pub use secret_write::rewrite;
pub use token_sources::{account_tokens, referenced_tokens};

/// Decides. `seen` must be up to date ([`Observed::bring_up_to_date`]).
pub fn decide(seen: &Observed, now: Time) -> Plan {
    with_backoff(seen, plan_at(seen, now), now)
}

/// The rule for waiting: each wait for something that no watch reports is as long as the wait so far, up to
/// [`LONGEST_CHECK_INTERVAL`]. The status contains the start, so a restart does not reset it. Repairs have their own backoff, and the
/// wait for a request of another process has a known end.
fn with_backoff(seen: &Observed, plan: Plan, now: Time) -> Plan {
    let (Requeue::At(at), Some(problem)) = (plan.requeue, &plan.assessment.problem) else {
        return plan;
    };
    if matches!(problem.reason(), Reason::Contested | Reason::Requesting) || plan.stale_read {
        return plan;
    }
    let since = report::since(&seen.resource.status, problem);
    let waited = since.map_or(Span::ZERO, |since| now.since(since));
    let pause = at.since(now).max(waited.min(LONGEST_CHECK_INTERVAL));
    // Anything due before that is handled in time.
    let token = plan.assessment.token.as_ref();
    let due = token.map(|token| token.refresh.since(now));
    let due = due.filter(|due| *due > Span::ZERO && *due >= at.since(now));
    let pause = due.map_or(pause, |due| pause.min(due));
    Plan {
        requeue: Requeue::At(now + pause),
        ..plan
    }
}

fn plan_at(seen: &Observed, now: Time) -> Plan {
    let resource = &seen.resource;
    if resource.deleting && resource.has_finalizer() {
        let idle = Plan::idle(assessment::unchanged(seen, now), Requeue::OnChange);
        return Plan {
            action: Action::Finalize,
            ..idle
        };
    }
    if resource.deleting {
        return Plan::idle(assessment::unchanged(seen, now), Requeue::OnChange);
    }
    let spec = match &resource.spec {
        Ok(spec) => spec,
        Err(problems) => {
            let problem = findings::invalid_spec(problems);
            return Plan::idle(
                assessment::with_problem(seen, None, now, problem),
                Requeue::OnChange,
            );
        }
    };
    if let Some(plan) = restore_owner(seen, spec, now) {
        return plan;
    }
    let token = token_view(seen, spec, now);
    if spec.suspended {
        return Plan::idle(assessment::suspended(seen, token), Requeue::OnChange);
    }
    if is_stale_read(seen) {
        let requeue = Requeue::At(now + AFTER_STALE_READ);
        return Plan {
            stale_read: true,
            ..Plan::idle(assessment::still_failing(seen, token), requeue)
        };
    }
    if let Some((problem, requeue)) = not_writable(seen, spec, now) {
        return Plan::idle(assessment::with_problem(seen, token, now, problem), requeue);
    }
    if let Some((problem, requeue)) = refresh_token::not_writable(seen, spec, now) {
        return Plan::idle(assessment::with_problem(seen, token, now, problem), requeue);
    }
    let reason = refresh_reason::find(seen, spec, now);
    if reason == Some(RefreshReason::Altered)
        && let Some(write) = secret_write::state_repair(seen, spec, now)
    {
        return repair(seen, spec, token, write, now);
    }
    if let Some(plan) = publish_stored(seen, spec, token.as_ref(), reason, now) {
        return plan;
    }
    match reason {
        None => keep_token(seen, spec, token, now),
        Some(reason) => plan_request(seen, spec, token, reason, now),
    }
}

/// Secrets of this resource that have lost their owner become its own again: nothing is requested, and nothing is reported.
fn restore_owner(seen: &Observed, spec: &Validated, now: Time) -> Option<Plan> {
    if is_stale_read(seen) || claimed_by(seen).is_some() {
        return None;
    }
    let state = spec
        .keeps_state()
        .then(|| refresh_token::restore_owner(seen));
    let action = match state.flatten() {
        Some(body) => Action::RestoreOwner(Box::new(body)),
        None => Action::Write(Box::new(secret_write::restore_owner(seen, spec)?)),
    };
    let token = seen.target.as_ref();
    let token = token
        .filter(|target| {
            let whose = ownership(target, &seen.resource, &spec.token_secret.type_);
            matches!(whose, Ownership::Ours | Ownership::Restored)
        })
        .and_then(|target| assessment::view(seen, target, Some(spec), now));
    Some(Plan {
        action,
        ..Plan::idle(assessment::healthy(seen, token), Requeue::At(now))
    })
}

/// A token that is stored and not published yet: the process ended in between, or someone altered the token Secret.
fn publish_stored(
    seen: &Observed,
    spec: &Validated,
    token: Option<&TokenView>,
    reason: Option<RefreshReason>,
    now: Time,
) -> Option<Plan> {
    if crate::policy::readiness::is_still_rejected(seen, spec) {
        return None;
    }
    let stored = refresh_token::derivable(seen, spec)?;
    let reason = reason.unwrap_or(RefreshReason::Due);
    let at = stored.at;
    let mut outcome = answer::granted_as(seen, spec, reason, stored.token, at, stored.issued_with);
    let repair = reason.is_repair();
    if outcome.write.is_some() && seen.unhandled_request().is_some() {
        // The stored token is older than the request for a refresh: it is published, and then that is acted upon.
        outcome.requeue = Requeue::At(now);
    }
    match &outcome.write {
        Some(write) if write.state.expires() <= now => return None,
        Some(_) => {}
        None => {
            let attempt = outcome.attempt.as_ref()?;
            // Another token would fail in the same way.
            let stuck = attempt.class == FailureClass::NeedsPerson;
            return stuck.then(|| Plan::idle(outcome.assessment, Requeue::OnChange));
        }
    }
    if repair && readiness::repairs_are_held_back(seen, now) {
        let problem = findings::contended(seen, spec, seen.memory.repairs.count);
        let assessment = assessment::with_problem(seen, token.cloned(), now, problem);
        return Some(Plan::idle(
            assessment,
            Requeue::At(readiness::earliest_repair(seen, now)),
        ));
    }
    let publish = Publish {
        outcome,
        at,
        repair,
    };
    Some(Plan {
        action: Action::Publish(Box::new(publish)),
        ..Plan::idle(
            assessment::still_failing(seen, token.cloned()),
            Requeue::OnChange,
        )
    })
}

/// Whether an observation must be repeated before it is believed. If it does not change, it is believed in the end.
fn is_stale_read(seen: &Observed) -> bool {
    seen.memory.stale_reads < MAX_STALE_READS && seen.contradicts_what_was_written()
}

/// Another resource that may be about to write the token Secret. If this one owns the Secret, the other one will find that out as soon
/// as it has read it.
fn claimed_by(seen: &Observed) -> Option<&str> {
    let target = seen.target.as_ref();
    let ours = target.is_some_and(|target| target.is_owned_by(&seen.resource));
    let claimed = seen.memory.target_claimed_by.as_deref();
    claimed.filter(|_| !ours)
}

/// Whether the token Secret may be written, and if not, why.
fn not_writable(seen: &Observed, spec: &Validated, now: Time) -> Option<(Problem, Requeue)> {
    if let Some(other) = claimed_by(seen) {
        let problem = findings::contested(&spec.token_secret.name, other);
        return Some((problem, Requeue::At(now + LOOK_AT_DELETING)));
    }
    let target = seen.target.as_ref()?;
    let later = Requeue::At(now + LOOK_AT_FOREIGN);
    match ownership(target, &seen.resource, &spec.token_secret.type_) {
        Ownership::Predecessor => Some((
            findings::predecessor(target),
            Requeue::At(now + LOOK_AT_DELETING),
        )),
        Ownership::Sibling(name) => Some((findings::contested(&target.name, &name), later)),
        Ownership::Foreign(why) => Some((findings::foreign(seen, target, why), later)),
        Ownership::Ours | Ownership::Restored | Ownership::Adoptable if target.deleting => Some((
            findings::being_deleted(target),
            Requeue::At(now + LOOK_AT_DELETING),
        )),
        Ownership::Ours if target.immutable => Some((findings::immutable(seen, target), later)),
        Ownership::Ours if target.type_ != spec.token_secret.type_ => {
            Some((findings::wrong_type(seen, spec, target), later))
        }
        Ownership::Ours | Ownership::Restored | Ownership::Adoptable => None,
    }
}

/// Someone altered the metadata of a token that is still good: it is restored, with the backoff of repairs.
fn repair(
    seen: &Observed,
    spec: &Validated,
    token: Option<TokenView>,
    write: SecretWrite,
    now: Time,
) -> Plan {
    if readiness::earliest_repair(seen, now) > now {
        let requeue = Requeue::At(readiness::earliest_repair(seen, now));
        let problem = findings::contended(seen, spec, seen.memory.repairs.count);
        return Plan::idle(assessment::with_problem(seen, token, now, problem), requeue);
    }
    let state = &write.state;
    let token = seen.target.as_ref().and_then(|target| {
        let mut repaired = target.clone();
        let written = state.write().into_iter();
        let written = written.filter_map(|(key, value)| Some((key, value?)));
        repaired.annotations.extend(written);
        assessment::view(seen, &repaired, Some(spec), now)
    });
    let requeue = Requeue::RequestAt(state.refresh);
    let assessment = Assessment {
        repaired: true,
        ..assessment::healthy(seen, token)
    };
    Plan {
        action: Action::Write(Box::new(write)),
        assessment,
        requeue,
        delete: stale_secrets(seen),
        stale_read: false,
    }
}

/// No token is needed: what else in the Secret is not as it should be.
fn keep_token(seen: &Observed, spec: &Validated, token: Option<TokenView>, now: Time) -> Plan {
    let write = secret_write::metadata_repair(seen, spec);
    if let Some(write) = write.as_ref().filter(|write| write.repairs) {
        return repair(seen, spec, token, write.clone(), now);
    }
    let action = match write {
        Some(write) => Action::Write(Box::new(write)),
        None => Action::Nothing,
    };
    let refresh = seen
        .target
        .as_ref()
        .and_then(SecretSeen::state)
        .map_or(now, |state| {
            deadline::under_settings(seen, spec, state).refresh
        });
    let requeue = Requeue::RequestAt(refresh);
    // As after the write that records which key holds the secret now.
    let first = rotation::first(seen, spec);
    let token = token.map(|token| TokenView {
        client_secret_key: first.stored_key(spec),
        ..token
    });
    let healthy = assessment::healthy(seen, token);
    let (assessment, requeue) = match readiness::not_ready(seen, spec, now) {
        // Nothing is requested now, but the next refresh would fail: report it now.
        Some((problem, again)) => {
            let assessment = Assessment {
                problem: Some(problem),
                ..healthy
            };
            (assessment, sooner(requeue, again))
        }
        None => (healthy, requeue),
    };
    Plan {
        action,
        assessment,
        requeue,
        delete: stale_secrets(seen),
        stale_read: false,
    }
}
