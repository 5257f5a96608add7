//! The assessment of one resource, from which its status is made.

use crate::model::{
    Assessment, Expiries, Observed, Problem, SecretSeen, TokenState, TokenView, Validated,
};
use crate::oauth::Scope;
use crate::policy::ownership::our_target;
use crate::schedule;
use crate::time::Time;

use super::{deadline, refresh_token};

/// The published token according to the token Secret.
pub(super) fn token_view(seen: &Observed, spec: &Validated, now: Time) -> Option<TokenView> {
    view(seen, our_target(seen, spec)?, Some(spec), now)
}

/// The token in the observed Secret, whatever was to be written.
pub fn published_view(seen: &Observed, now: Time) -> Option<TokenView> {
    let spec = seen.resource.spec.as_ref().ok()?;
    token_view(seen, spec, now)
}

pub(super) fn view(
    seen: &Observed,
    target: &SecretSeen,
    spec: Option<&Validated>,
    now: Time,
) -> Option<TokenView> {
    let state = target.state().filter(|state| state.intact(&target.data))?;
    let before = seen.resource.status.token.as_ref();
    let same = before.filter(|token| token.issued_time == state.issued.rfc3339());
    let scope = same
        .and_then(|token| Scope::parse(token.scope.as_deref()?))
        .or_else(|| published_scope(seen, target, &state, spec?));
    Some(TokenView {
        issued: state.issued,
        expires: state.expires(),
        refresh: spec.map_or(state.refresh, |spec| deadline::refresh(seen, spec, &state)),
        scope,
        valid: now < state.expires(),
        too_short: schedule::is_too_short(state.lifetime()),
        assumed: state.end.is_assumed(),
        clamped_lead: spec.and_then(|spec| schedule::clamped_lead(&spec.policy, state.lifetime())),
        remarks: state.remarks,
        client_secret_key: state.client_secret_key,
    })
}

/// The scope in the Secret. Only with the default keys, because with templates a key of this name may contain anything,
/// even the token, which must not get into a status.
fn published_scope(
    seen: &Observed,
    target: &SecretSeen,
    state: &TokenState,
    spec: &Validated,
) -> Option<Scope> {
    let default_keys = spec.token_secret.templates.sources().next().is_none();
    let ours = state.managed.data.contains("scope") && state.inputs == seen.resource.inputs;
    let scope = target.data.get("scope").filter(|_| default_keys && ours)?;
    Scope::parse(scope.expose()?)
}

/// Nothing is wrong.
pub fn healthy(seen: &Observed, token: Option<TokenView>) -> Assessment {
    base(seen, token)
}

/// Nothing changed: nothing was checked.
pub(super) fn unchanged(seen: &Observed, now: Time) -> Assessment {
    let token = seen
        .target
        .as_ref()
        .and_then(|target| view(seen, target, None, now));
    Assessment {
        attempt: seen.memory.attempt.as_deref().cloned(),
        ..base(seen, token)
    }
}

/// Nothing is done until the resource is resumed.
pub(super) fn suspended(seen: &Observed, token: Option<TokenView>) -> Assessment {
    Assessment {
        suspended: true,
        attempt: seen.memory.attempt.as_deref().cloned(),
        ..base(seen, token)
    }
}

/// Something prevents a request.
pub(super) fn with_problem(
    seen: &Observed,
    token: Option<TokenView>,
    now: Time,
    problem: Problem,
) -> Assessment {
    let token = token.or_else(|| {
        let target = seen.target.as_ref()?;
        let ours = target.is_owned_by(&seen.resource);
        ours.then(|| view(seen, target, None, now)).flatten()
    });
    Assessment {
        problem: Some(problem),
        attempt: seen.memory.attempt.as_deref().cloned(),
        ..base(seen, token)
    }
}

/// The assessment while work is in progress.
pub fn still_failing_now(seen: &Observed, now: Time) -> Assessment {
    still_failing(seen, published_view(seen, now))
}

/// The last request failed, and the next one is not due or is about to be sent.
pub(super) fn still_failing(seen: &Observed, token: Option<TokenView>) -> Assessment {
    Assessment {
        attempt: seen.memory.attempt.as_deref().cloned(),
        ..base(seen, token)
    }
}

fn base(seen: &Observed, token: Option<TokenView>) -> Assessment {
    let secret_name = match &seen.resource.spec {
        Ok(spec) => spec.token_secret.name.clone(),
        Err(_) => seen
            .target
            .as_ref()
            .map_or_else(String::new, |target| target.name.clone()),
    };
    Assessment {
        token,
        problem: None,
        attempt: None,
        suspended: false,
        repaired: false,
        repairs: seen.memory.repairs,
        handled_request: handled_request(seen),
        secret_name,
        expiries: Expiries::of(seen),
        refresh_token_ends: seen.refresh_token_ends(),
        refused_provided_token: refresh_token::refused_provided_token(seen),
        audience: seen.rules.audience,
    }
}

/// The last handled refresh request: the current one as soon as any record of it says so.
fn handled_request(seen: &Observed) -> Option<String> {
    let reported = seen.resource.status.last_refresh_request.clone();
    match &seen.resource.refresh_request {
        Some(requested) if seen.has_handled(requested) => Some(requested.clone()),
        _ => reported,
    }
}
