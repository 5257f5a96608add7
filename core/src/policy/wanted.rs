//! A token is needed: whether it may be requested now, and with what.

use crate::engine::Requeue;
use crate::model::{
    Action, Ask, Observed, Plan, Problem, RefreshReason, Spend, TokenView, Validated,
};
use crate::oauth::{self, CredentialsProblem, HttpAnswer, HttpRequest};
use crate::policy::waits::LOOK_WHILE_WAITING;
use crate::time::{Span, Time};
use crate::trust::Lenders;

use super::assessment::{self};
use super::gate::{self, Gate};
use super::plan::sooner;
use super::refresh_token::{self};
use super::{
    accounts, disclosed, dpop, findings, prerequisite, provenance, references, rotation,
    secret_write,
};

/// How soon a token that is exchanged, and about to be replaced, is looked at again.
const LOOK_AT_SUBJECT: Span = Span::from_seconds(3);

/// A token is needed: whether it may be requested now.
pub(super) fn wanted(
    seen: &Observed,
    spec: &Validated,
    token: Option<TokenView>,
    because: RefreshReason,
    now: Time,
) -> Plan {
    if let Some((from, write)) = secret_write::moved(seen, spec, &because, now) {
        let token = assessment::view(seen, from, Some(spec), now);
        return Plan {
            action: Action::Write(Box::new(write)),
            assessment: assessment::well(seen, token),
            wants: Requeue::At(now),
            delete: Vec::new(),
            doubt: false,
        };
    }
    if let Some((problem, wants)) = gate::not_ready(seen, spec, now) {
        return Plan::rest(assessment::with_problem(seen, token, now, problem), wants);
    }
    let lenders = match provenance::of_request(seen, spec) {
        Ok(lenders) => lenders,
        Err(problem) => {
            let wants = Requeue::At(now + LOOK_WHILE_WAITING);
            return Plan::rest(assessment::with_problem(seen, token, now, problem), wants);
        }
    };
    let kept = dpop::to_keep(seen, spec).or_else(|| refresh_token::to_notice(seen));
    if let Some(body) = kept {
        return Plan {
            action: Action::Keep(Box::new(body)),
            assessment: assessment::still_failing(seen, token),
            wants: Requeue::At(now),
            delete: Vec::new(),
            doubt: false,
        };
    }
    // `not_ready` has reported a missing Secret.
    let (client, credentials, spend) = match spent(seen, spec, &lenders, now) {
        Ok(Some((client, credentials, spend))) => (client, credentials, Some(spend)),
        Ok(None) => {
            let (client, credentials) = plain(seen, spec, &lenders);
            (client, credentials, None)
        }
        Err(Held::Until(span)) => {
            let until = now + span;
            let problem = findings::awaiting_another_process(until);
            let assessment = assessment::with_problem(seen, token, now, problem);
            return Plan::rest(assessment, Requeue::At(until));
        }
        Err(Held::By(problem)) => {
            let wants = Requeue::At(now + LOOK_WHILE_WAITING);
            return Plan::rest(assessment::with_problem(seen, token, now, problem), wants);
        }
    };
    let mut context = oauth::RequestContext::new(now, &seen.nonce);
    context.tokens = seen.tokens(spec);
    context.dpop = dpop::proving(seen, spec, &client.token_url);
    // A token is created only for a request that can be built with it, and will be sent.
    accounts::stand_in(spec, &mut context.tokens);
    let request = match oauth::request::build(&client, &credentials, &context) {
        Ok(mut request) => {
            disclosed::apply(seen, &mut request.secrets);
            Some(request)
        }
        // The credentials are sufficient; the endpoint is determined when the time has come.
        Err(CredentialsProblem::NotLocated | CredentialsProblem::NoToken) => None,
        Err(problem) => {
            let problem = findings::credentials(findings::secret_name(spec), &problem);
            let wants = Requeue::At(now + LOOK_WHILE_WAITING);
            return Plan::rest(assessment::with_problem(seen, token, now, problem), wants);
        }
    };
    match gate::gate(seen, spec, &because, now) {
        Gate::Closed => Plan::rest(assessment::still_failing(seen, token), Requeue::OnChange),
        Gate::Until(at) if because.is_repair() && gate::repairs_are_held_back(seen, now) => {
            let problem = findings::fought_over(seen, spec, seen.memory.repairs.count);
            Plan::rest(
                assessment::with_problem(seen, token, now, problem),
                Requeue::RequestAt(at),
            )
        }
        Gate::Until(at) => {
            let attempt = seen.memory.attempt.as_deref();
            let wants = sooner(Requeue::RequestAt(at), gate::look_at_ca(attempt, seen, now));
            Plan::rest(assessment::still_failing(seen, token), wants)
        }
        Gate::Open
            if references::are_about_to_change(
                seen,
                spec,
                token.as_ref().map(|token| token.expires),
                now,
            ) =>
        {
            let wants = Requeue::At(now + LOOK_AT_SUBJECT);
            Plan::rest(assessment::still_failing(seen, token), wants)
        }
        Gate::Open if !seen.may_request => {
            Plan::rest(assessment::still_failing(seen, token), Requeue::Request)
        }
        Gate::Open => {
            let action = match (prerequisite::needed(seen, spec), request) {
                (Some(need), _) => Action::First(need),
                (None, Some(request)) => Action::Request(Box::new(Ask {
                    because,
                    request,
                    spend,
                })),
                (None, None) => Action::Nothing,
            };
            Plan {
                action,
                assessment: assessment::still_failing(seen, token),
                wants: Requeue::OnChange,
                delete: Vec::new(),
                doubt: false,
            }
        }
    }
}

/// The client and the credentials of a request that spends nothing.
fn plain(
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
    spend: Option<&Spend>,
    answer: &HttpAnswer,
    now: Time,
) -> Option<HttpRequest> {
    let nonce = oauth::dpop::asked_for(answer).filter(|_| spec.dpop.is_some())?;
    let lenders = provenance::of_request(seen, spec).ok()?;
    let (client, credentials) = match (spend, &spec.refreshing) {
        (Some(spend), Some(refreshing)) => spend.request(seen, spec, refreshing),
        _ => plain(seen, spec, &lenders),
    };
    let chance = seen.nonce.again();
    let mut context = oauth::RequestContext::new(now, &chance);
    context.tokens = seen.tokens(spec);
    context.dpop =
        dpop::proving(seen, spec, &client.token_url).map(|proving| oauth::dpop::Proving {
            nonce: Some(nonce),
            ..proving
        });
    let mut request = oauth::request::build(&client, &credentials, &context).ok()?;
    disclosed::apply(seen, &mut request.secrets);
    Some(request)
}

/// Why nothing may be redeemed.
enum Held {
    /// Another process may be using it for this long.
    Until(Span),
    /// Something is wrong.
    By(Problem),
}

type Spending = (oauth::Client, oauth::Credentials, Box<Spend>);

/// What the request redeems, if the resource uses refresh tokens.
fn spent(
    seen: &Observed,
    spec: &Validated,
    lenders: &Lenders,
    now: Time,
) -> Result<Option<Spending>, Held> {
    let Some(refreshing) = &spec.refreshing else {
        return Ok(None);
    };
    match refresh_token::next(seen, spec, refreshing, lenders, now) {
        refresh_token::Next::Spend(spend) => {
            let (client, credentials) = spend.request(seen, spec, refreshing);
            Ok(Some((client, credentials, spend)))
        }
        refresh_token::Next::Wait(span) => Err(Held::Until(span)),
        refresh_token::Next::NoToken => Err(Held::By(findings::no_refresh_token(seen, spec))),
        refresh_token::Next::Unusable(problem, secret) => {
            Err(Held::By(findings::credentials(&secret, &problem)))
        }
        refresh_token::Next::Refused {
            known,
            provider_code,
        } => Err(Held::By(findings::reauthorize(
            seen,
            known,
            provider_code.as_ref(),
        ))),
    }
}
