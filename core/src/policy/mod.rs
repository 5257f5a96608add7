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
mod gate;
mod group;
mod memory;
mod ownership;
mod permission;
mod plan;
mod prerequisite;
pub mod provenance;
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
mod token_sources;
pub mod waits;
mod wanted;

use crate::conditions::Reason;
use crate::engine::Requeue;
use crate::model::Validated;
use crate::oauth::error::FailureClass;
use crate::time::{Span, Time};

use assessment::token_view;
use plan::stale_secrets;
pub use waits::MOST_DOUBTS;
use waits::{LONGEST_PATIENCE, LOOK_AGAIN_IN_DOUBT, LOOK_AT_FOREIGN, LOOK_AT_VANISHING};
use wanted::wanted;
pub use wanted::with_nonce;

pub use crate::model::{
    AccountSeen, Action, Ask, Assessment, CaSeen, CertificateFacts, CertificateProblem,
    CertificateSeen, CertificateThere, ClientSecret, Ends, Expiries, Expiry, FailedAttempt,
    Failure, FamilyMemory, FamilySeen, Fetched, Fingerprint, Found, Known, Life, Managed, Memory,
    Moments, NO_REFERENCES, Noted, Observed, On, Owner, PREFIX, Plan, Prerequisite, Problem,
    ProblemKind, Publish, REVOCATION_FINALIZER, Record, Reference, RefreshReason, Repairs,
    Resource, Rules, STATE_LABEL, STATE_TYPE, SecretBody, SecretSeen, SecretWrite, Settled, Spend,
    StaleSecret, StateOwner, TokenState, TokenView, With, Written, request_name, short, token_hash,
};
pub use answer::{failed, granted, rejected};
pub use assessment::{standing, still_failing_now as still_failing};
pub use brake::{braked, braked_outcome, braked_request, host_of, refused_before};
pub use dpop::nonce_of;
pub use events::{Notice, NoticeKind};
pub use facts::{
    credentials_facts, host_queue, host_queue_of, no_references, reference_facts, relevant_content,
    token_facts, uid_fact,
};
pub use group::{OtherGroup, group_of, other_group, served_by_another_group};
pub use ownership::{Ownership, ownership};
pub use permission::barred;
pub use plan::sooner;
pub use provenance::{lenders_to_see, shown_by};
pub use refresh_token::{
    Spent, Stored, kept, kept_of_unusable, login_name, stands, state_name, store, stored,
    unanswered,
};
pub use report::{Report, StatusDetail, report};
pub use revocation::{
    ACCESS_TOKEN, Revoked, Revoking, TokenWithLenders, another_secret, living_tokens,
    replaced_token, revoked, revoking,
};
pub use room::{LARGE, expected_response, large};
pub use rotation::{asked_with, has_next};
pub use secret_write::rewrite;
pub use token_sources::{account_tokens, published};

/// Decides. `seen` must be up to date ([`Observed::bring_up_to_date`]).
pub fn decide(seen: &Observed, now: Time) -> Plan {
    patient(seen, plan_at(seen, now), now)
}

/// The rule for waiting: each wait for something that no watch reports is as long as the wait so far, up to
/// [`LONGEST_PATIENCE`]. The status contains the start, so a restart does not reset it. Repairs have their own backoff, and the
/// wait for a request of another process has a known end.
fn patient(seen: &Observed, plan: Plan, now: Time) -> Plan {
    let (Requeue::At(at), Some(problem)) = (plan.wants, &plan.assessment.problem) else {
        return plan;
    };
    if matches!(problem.reason(), Reason::Contested | Reason::Requesting) || plan.doubt {
        return plan;
    }
    let since = report::since(&seen.resource.status, problem);
    let waited = since.map_or(Span::ZERO, |since| now.since(since));
    let pause = at.since(now).max(waited.min(LONGEST_PATIENCE));
    // Anything due before that is handled in time.
    let token = plan.assessment.token.as_ref();
    let due = token.map(|token| token.refresh.since(now));
    let due = due.filter(|due| *due > Span::ZERO && *due >= at.since(now));
    let pause = due.map_or(pause, |due| pause.min(due));
    Plan {
        wants: Requeue::At(now + pause),
        ..plan
    }
}

fn plan_at(seen: &Observed, now: Time) -> Plan {
    let resource = &seen.resource;
    if resource.deleting && resource.is_held() {
        let rest = Plan::rest(assessment::untouched(seen, now), Requeue::OnChange);
        return Plan {
            action: Action::Part,
            ..rest
        };
    }
    if resource.deleting {
        return Plan::rest(assessment::untouched(seen, now), Requeue::OnChange);
    }
    let spec = match &resource.spec {
        Ok(spec) => spec,
        Err(problems) => {
            let problem = findings::invalid_spec(problems);
            return Plan::rest(
                assessment::with_problem(seen, None, now, problem),
                Requeue::OnChange,
            );
        }
    };
    if let Some(plan) = take_back(seen, spec, now) {
        return plan;
    }
    let token = token_view(seen, spec, now);
    if spec.suspended {
        return Plan::rest(assessment::suspended(seen, token), Requeue::OnChange);
    }
    if stale(seen) {
        let wants = Requeue::At(now + LOOK_AGAIN_IN_DOUBT);
        return Plan {
            doubt: true,
            ..Plan::rest(assessment::still_failing(seen, token), wants)
        };
    }
    if let Some((problem, wants)) = not_writable(seen, spec, now) {
        return Plan::rest(assessment::with_problem(seen, token, now, problem), wants);
    }
    if let Some((problem, wants)) = refresh_token::not_writable(seen, spec, now) {
        return Plan::rest(assessment::with_problem(seen, token, now, problem), wants);
    }
    let because = refresh_reason::want(seen, spec, now);
    if because == Some(RefreshReason::Altered)
        && let Some(write) = secret_write::restored(seen, spec, now)
    {
        return mend(seen, spec, token, write, now);
    }
    if let Some(plan) = publish_stored(seen, spec, token.as_ref(), because, now) {
        return plan;
    }
    match because {
        None => tend(seen, spec, token, now),
        Some(because) => wanted(seen, spec, token, because, now),
    }
}

/// Secrets of this resource that have lost their owner become its own again: nothing is requested, and nobody is told.
fn take_back(seen: &Observed, spec: &Validated, now: Time) -> Option<Plan> {
    if stale(seen) || seen.memory.target_claimed_by.is_some() {
        return None;
    }
    let state = spec.keeps_state().then(|| refresh_token::take_back(seen));
    let action = match state.flatten() {
        Some(body) => Action::TakeBack(Box::new(body)),
        None => Action::Write(Box::new(secret_write::take_back(seen, spec)?)),
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
        ..Plan::rest(assessment::well(seen, token), Requeue::At(now))
    })
}

/// A token that is stored and not published yet: the process ended in between, or someone altered the token Secret.
fn publish_stored(
    seen: &Observed,
    spec: &Validated,
    token: Option<&TokenView>,
    because: Option<RefreshReason>,
    now: Time,
) -> Option<Plan> {
    if crate::policy::gate::stands(seen, spec) {
        return None;
    }
    let stored = refresh_token::derivable(seen, spec)?;
    let because = because.unwrap_or(RefreshReason::Due);
    let at = stored.at;
    let mut settled = answer::granted_as(seen, spec, because, stored.token, at, stored.made);
    let repair = because.is_repair();
    if settled.write.is_some() && seen.unhandled_request().is_some() {
        // The stored token is older than the request for a refresh: it is published, and then that is acted upon.
        settled.wants = Requeue::At(now);
    }
    match &settled.write {
        Some(write) if write.state.expires() <= now => return None,
        Some(_) => {}
        None => {
            let attempt = settled.attempt.as_ref()?;
            // Another token would fail in the same way.
            let stuck = attempt.class == FailureClass::NeedsPerson;
            return stuck.then(|| Plan::rest(settled.assessment, Requeue::OnChange));
        }
    }
    if repair && gate::repairs_are_held_back(seen, now) {
        let problem = findings::fought_over(seen, spec, seen.memory.repairs.count);
        let assessment = assessment::with_problem(seen, token.cloned(), now, problem);
        return Some(Plan::rest(
            assessment,
            Requeue::At(gate::repair_floor(seen, now)),
        ));
    }
    let publish = Publish {
        settled,
        at,
        repair,
    };
    Some(Plan {
        action: Action::Publish(Box::new(publish)),
        ..Plan::rest(
            assessment::still_failing(seen, token.cloned()),
            Requeue::OnChange,
        )
    })
}

/// Whether an observation must be repeated before it is believed. If it does not change, it is believed in the end.
fn stale(seen: &Observed) -> bool {
    seen.memory.doubts < MOST_DOUBTS && seen.contradicts_what_was_written()
}

/// Whether the token Secret may be written, and if not, why.
fn not_writable(seen: &Observed, spec: &Validated, now: Time) -> Option<(Problem, Requeue)> {
    if let Some(other) = &seen.memory.target_claimed_by {
        let problem = findings::contested(&spec.token_secret.name, other);
        return Some((problem, Requeue::At(now + LOOK_AT_VANISHING)));
    }
    let target = seen.target.as_ref()?;
    let later = Requeue::At(now + LOOK_AT_FOREIGN);
    match ownership(target, &seen.resource, &spec.token_secret.type_) {
        Ownership::Predecessor => Some((
            findings::predecessor(target),
            Requeue::At(now + LOOK_AT_VANISHING),
        )),
        Ownership::Sibling(name) => Some((findings::contested(&target.name, &name), later)),
        Ownership::Foreign(why) => Some((findings::foreign(seen, target, why), later)),
        Ownership::Ours | Ownership::Restored | Ownership::Adoptable if target.deleting => Some((
            findings::vanishing(target),
            Requeue::At(now + LOOK_AT_VANISHING),
        )),
        Ownership::Ours if target.immutable => Some((findings::immutable(seen, target), later)),
        Ownership::Ours if target.type_ != spec.token_secret.type_ => {
            Some((findings::wrong_type(seen, spec, target), later))
        }
        Ownership::Ours | Ownership::Restored | Ownership::Adoptable => None,
    }
}

/// Someone altered the metadata of a token that is still good: it is restored, with the backoff of repairs.
fn mend(
    seen: &Observed,
    spec: &Validated,
    token: Option<TokenView>,
    write: SecretWrite,
    now: Time,
) -> Plan {
    if gate::repair_floor(seen, now) > now {
        let wants = Requeue::At(gate::repair_floor(seen, now));
        let problem = findings::fought_over(seen, spec, seen.memory.repairs.count);
        return Plan::rest(assessment::with_problem(seen, token, now, problem), wants);
    }
    let state = &write.state;
    let token = seen.target.as_ref().and_then(|target| {
        let mut mended = target.clone();
        let written = state.write().into_iter();
        let written = written.filter_map(|(key, value)| Some((key, value?)));
        mended.annotations.extend(written);
        assessment::view(seen, &mended, Some(spec), now)
    });
    let wants = Requeue::RequestAt(state.refresh);
    let assessment = Assessment {
        repaired: true,
        ..assessment::well(seen, token)
    };
    Plan {
        action: Action::Write(Box::new(write)),
        assessment,
        wants,
        delete: stale_secrets(seen),
        doubt: false,
    }
}

/// No token is needed: what else in the Secret is not as it should be.
fn tend(seen: &Observed, spec: &Validated, token: Option<TokenView>, now: Time) -> Plan {
    let write = secret_write::tend(seen, spec);
    if let Some(write) = write.as_ref().filter(|write| write.repairs) {
        return mend(seen, spec, token, write.clone(), now);
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
    let wants = Requeue::RequestAt(refresh);
    // As after the write that records which key holds the secret now.
    let first = rotation::first(seen, spec);
    let token = token.map(|token| TokenView {
        client_secret_key: first.noted(spec),
        ..token
    });
    let well = assessment::well(seen, token);
    let (assessment, wants) = match gate::not_ready(seen, spec, now) {
        // Nothing is requested now, but the next refresh would fail: report it now.
        Some((problem, again)) => {
            let assessment = Assessment {
                problem: Some(problem),
                ..well
            };
            (assessment, sooner(wants, again))
        }
        None => (well, wants),
    };
    Plan {
        action,
        assessment,
        wants,
        delete: stale_secrets(seen),
        doubt: false,
    }
}
