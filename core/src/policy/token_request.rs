//! A token is needed: whether it may be requested now, and with what.

use crate::engine::Requeue;
use crate::model::{
    Action, Observed, Plan, PlannedRequest, Problem, Redemption, RefreshReason, TokenView,
    Validated,
};
use crate::oauth::{self, CredentialsProblem, HttpAnswer, HttpRequest};
use crate::policy::waits::LOOK_WHILE_WAITING;
use crate::time::{Span, Time};
use crate::trust::Lenders;

use super::assessment::{self};
use super::plan::sooner;
use super::readiness::{self, RequestTiming};
use super::refresh_token;
use super::{
    accounts, disclosed, dpop, findings, prerequisite, provenance, references, rotation,
    secret_write,
};

/// How soon a token that is exchanged, and about to be replaced, is looked at again.
const LOOK_AT_SUBJECT: Span = Span::from_seconds(3);

/// A token is needed: whether it may be requested now.
pub(super) fn plan_request(
    seen: &Observed,
    spec: &Validated,
    token: Option<TokenView>,
    reason: RefreshReason,
    now: Time,
) -> Plan {
    if let Some((from, write)) = secret_write::moved(seen, spec, &reason, now) {
        let token = assessment::view(seen, from, Some(spec), now);
        return Plan {
            action: Action::Write(Box::new(write)),
            assessment: assessment::healthy(seen, token),
            requeue: Requeue::At(now),
            delete: Vec::new(),
            stale_read: false,
        };
    }
    if let Some((problem, requeue)) = readiness::not_ready(seen, spec, now) {
        return Plan::idle(assessment::with_problem(seen, token, now, problem), requeue);
    }
    let lenders = match provenance::of_request(seen, spec) {
        Ok(lenders) => lenders,
        Err(problem) => {
            let requeue = Requeue::At(now + LOOK_WHILE_WAITING);
            return Plan::idle(assessment::with_problem(seen, token, now, problem), requeue);
        }
    };
    let write = dpop::key_write(seen, spec).or_else(|| refresh_token::first_observation(seen));
    if let Some(body) = write {
        return Plan {
            action: Action::WriteState(Box::new(body)),
            assessment: assessment::still_failing(seen, token),
            requeue: Requeue::At(now),
            delete: Vec::new(),
            stale_read: false,
        };
    }
    // `not_ready` has reported a missing Secret.
    let (client, credentials, redemption) = match redemption_request(seen, spec, &lenders, now) {
        Ok(Some((client, credentials, redemption))) => (client, credentials, Some(redemption)),
        Ok(None) => {
            let (client, credentials) = request_without_redemption(seen, spec, &lenders);
            (client, credentials, None)
        }
        Err(NotRedeemable::Until(span)) => {
            let until = now + span;
            let problem = findings::awaiting_another_process(until);
            let assessment = assessment::with_problem(seen, token, now, problem);
            return Plan::idle(assessment, Requeue::At(until));
        }
        Err(NotRedeemable::Blocked(problem)) => {
            let requeue = Requeue::At(now + LOOK_WHILE_WAITING);
            return Plan::idle(assessment::with_problem(seen, token, now, problem), requeue);
        }
    };
    let mut context = oauth::RequestContext::new(now, &seen.nonce);
    context.tokens = seen.tokens(spec);
    context.dpop = dpop::proof_key(seen, spec, &client.token_url);
    // A token is created only for a request that can be built with it, and will be sent.
    accounts::insert_placeholders(spec, &mut context.tokens);
    let request = match oauth::request::build(&client, &credentials, &context) {
        Ok(mut request) => {
            disclosed::apply(seen, &mut request.secrets);
            Some(request)
        }
        // The credentials are sufficient; the endpoint is determined when the time has come.
        Err(CredentialsProblem::NotLocated | CredentialsProblem::NoToken) => None,
        Err(problem) => {
            let problem = findings::credentials(findings::secret_name(spec), &problem);
            let requeue = Requeue::At(now + LOOK_WHILE_WAITING);
            return Plan::idle(assessment::with_problem(seen, token, now, problem), requeue);
        }
    };
    match readiness::request_timing(seen, spec, &reason, now) {
        RequestTiming::OnChange => {
            Plan::idle(assessment::still_failing(seen, token), Requeue::OnChange)
        }
        RequestTiming::NotBefore(at)
            if reason.is_repair() && readiness::repairs_are_held_back(seen, now) =>
        {
            let problem = findings::contended(seen, spec, seen.memory.repairs.count);
            Plan::idle(
                assessment::with_problem(seen, token, now, problem),
                Requeue::RequestAt(at),
            )
        }
        RequestTiming::NotBefore(at) => {
            let attempt = seen.memory.attempt.as_deref();
            let requeue = sooner(
                Requeue::RequestAt(at),
                readiness::look_at_ca(attempt, seen, now),
            );
            Plan::idle(assessment::still_failing(seen, token), requeue)
        }
        RequestTiming::Now
            if references::are_about_to_change(
                seen,
                spec,
                token.as_ref().map(|token| token.expires),
                now,
            ) =>
        {
            let requeue = Requeue::At(now + LOOK_AT_SUBJECT);
            Plan::idle(assessment::still_failing(seen, token), requeue)
        }
        RequestTiming::Now if !seen.may_request => {
            Plan::idle(assessment::still_failing(seen, token), Requeue::Request)
        }
        RequestTiming::Now => {
            let action = match (prerequisite::needed(seen, spec), request) {
                (Some(prerequisite), _) => Action::Fetch(prerequisite),
                (None, Some(request)) => Action::Request(Box::new(PlannedRequest {
                    reason,
                    request,
                    redemption,
                })),
                (None, None) => Action::Nothing,
            };
            Plan {
                action,
                assessment: assessment::still_failing(seen, token),
                requeue: Requeue::OnChange,
                delete: Vec::new(),
                stale_read: false,
            }
        }
    }
}

/// The client and the credentials of a request that redeems nothing.
fn request_without_redemption(
    seen: &Observed,
    spec: &Validated,
    lenders: &Lenders,
) -> (oauth::Client, oauth::Credentials) {
    let values = seen
        .credentials
        .as_ref()
        .map(|secret| secret.data.clone())
        .unwrap_or_default();
    let client = rotation::client(seen, spec);
    (client, oauth::Credentials::new(values, lenders.clone()))
}

/// The same request once more, with proofs and assertions of its own: for a server that wants its nonce in the proof
/// (RFC 9449 section 8). `None` where the answer asks for no such thing.
pub fn with_nonce(
    seen: &Observed,
    spec: &Validated,
    redemption: Option<&Redemption>,
    answer: &HttpAnswer,
    now: Time,
) -> Option<HttpRequest> {
    let nonce = oauth::dpop::asked_for(answer).filter(|_| spec.dpop.is_some())?;
    let lenders = provenance::of_request(seen, spec).ok()?;
    let (client, credentials) = match (redemption, &spec.refreshing) {
        (Some(redemption), Some(refreshing)) => redemption.request(seen, spec, refreshing),
        _ => request_without_redemption(seen, spec, &lenders),
    };
    let nonce_of_retry = seen.nonce.again();
    let mut context = oauth::RequestContext::new(now, &nonce_of_retry);
    context.tokens = seen.tokens(spec);
    context.dpop =
        dpop::proof_key(seen, spec, &client.token_url).map(|proof_key| oauth::dpop::ProofKey {
            nonce: Some(nonce),
            ..proof_key
        });
    let mut request = oauth::request::build(&client, &credentials, &context).ok()?;
    disclosed::apply(seen, &mut request.secrets);
    Some(request)
}

/// Why nothing may be redeemed.
enum NotRedeemable {
    /// Another process may be using it for this long.
    Until(Span),
    /// Something is wrong.
    Blocked(Problem),
}

type RedemptionRequest = (oauth::Client, oauth::Credentials, Box<Redemption>);

/// What the request redeems, if the resource uses refresh tokens.
fn redemption_request(
    seen: &Observed,
    spec: &Validated,
    lenders: &Lenders,
    now: Time,
) -> Result<Option<RedemptionRequest>, NotRedeemable> {
    let Some(refreshing) = &spec.refreshing else {
        return Ok(None);
    };
    match refresh_token::next(seen, spec, refreshing, lenders, now) {
        refresh_token::RedemptionStep::Redemption(redemption) => {
            let (client, credentials) = redemption.request(seen, spec, refreshing);
            Ok(Some((client, credentials, redemption)))
        }
        refresh_token::RedemptionStep::Wait(span) => Err(NotRedeemable::Until(span)),
        refresh_token::RedemptionStep::NoToken => Err(NotRedeemable::Blocked(
            findings::no_refresh_token(seen, spec),
        )),
        refresh_token::RedemptionStep::Unusable(problem, secret) => Err(NotRedeemable::Blocked(
            findings::credentials(&secret, &problem),
        )),
        refresh_token::RedemptionStep::Refused {
            known,
            provider_code,
        } => Err(NotRedeemable::Blocked(findings::reauthorize(
            seen,
            known,
            provider_code.as_ref(),
        ))),
    }
}
