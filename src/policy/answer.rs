//! What follows from an answer: what to publish, or when to try again.

use std::collections::BTreeMap;

use crate::api::conditions::Reason;
use crate::api::validate::Validated;
use crate::engine::Requeue;
use crate::model::{
    FailedAttempt, Failure, Made, Managed, Moments, Observed, Problem, ProblemKind, RefreshReason,
    SecretSeen, Settled, TokenState, TokenView, secret_version, token_hash,
};
use crate::oauth::error::{About, FailureClass, Reached};
use crate::oauth::{Client, ClientAuthentication, Grant, Scope, Token, TokenError};
use crate::policy::ownership::our_target;
use crate::policy::plan::stale_secrets;
use crate::secret::Secret;
use crate::time::{Span, Time};
use crate::{render, schedule};

use super::assessment::{self, token_view};
use super::gate::{endpoint, look_at_ca};
use super::rejected::unacceptable;
use super::secret_write::publish;
use super::{disclosed, provenance, refresh_token, rotation, sooner};

impl Made {
    fn now(seen: &Observed, spec: &Validated) -> Made {
        Made {
            credentials: seen.lent().unwrap_or_default(),
            client_secret_key: rotation::sent_key(seen),
            handled_request: seen.resource.refresh_request.clone(),
            lenders: provenance::of_request(seen, spec).ok(),
        }
    }
}

/// What follows from a token. Where it came with a refresh token, that is stored by now and part of what is seen.
pub fn granted(
    seen: &Observed,
    spec: &Validated,
    because: RefreshReason,
    token: Token,
    at: Moments,
) -> Settled {
    granted_as(seen, spec, because, token, at, Made::now(seen, spec))
}

/// The same for a token that was asked for earlier.
pub(super) fn granted_as(
    seen: &Observed,
    spec: &Validated,
    because: RefreshReason,
    token: Token,
    at: Moments,
    made: Made,
) -> Settled {
    let before = our_target(seen, spec).and_then(SecretSeen::state);
    let hash = token_hash(&seen.resource.uid, &token.access_token);
    let same_token = before
        .as_ref()
        .is_some_and(|state| state.token_hash == hash);
    // Times that somebody altered tell nothing.
    let before_intact = before
        .as_ref()
        .filter(|state| our_target(seen, spec).is_some_and(|target| state.intact(&target.data)));
    // A time of issue that lies ahead comes from a clock that was set back.
    let issued = |state: &TokenState| state.issued.min(at.sent);
    let published = before_intact.map(|state| schedule::Published {
        issued: issued(state),
        expires: state.expires,
        learnt_window: state.learnt_window,
        served_again: state.served_again,
        assumed: state.assumed,
    });
    let answer = schedule::Answer {
        sent: at.sent,
        received: at.received,
        lifetime: token.lifetime,
        refresh_in: token.refresh_in,
        same_token,
    };
    let times = match schedule::accept(&spec.policy, published.as_ref(), &answer, at.received, at.u)
    {
        Ok(times) => schedule::Schedule {
            refresh: refresh_time(seen, times.refresh, at),
            ..times
        },
        Err(problem) => return failed(seen, spec, &Failure::lifetime(&problem), at),
    };
    let data = match render(seen, spec, &token, times.expires) {
        Ok(data) => data,
        Err(problem) => return failed(seen, spec, &Failure::template(&problem), at),
    };
    let state = TokenState {
        issued: match before_intact {
            Some(state) if same_token => issued(state),
            _ => at.sent,
        },
        expires: times.expires,
        refresh: times.refresh,
        owner: None,
        lenders: made.lenders,
        inputs: seen.resource.inputs.clone(),
        credentials: made.credentials,
        client_secret_key: made.client_secret_key,
        data_hash: String::new(),
        token_hash: hash,
        // As it is written, so that what is read again is equal.
        learnt_window: times
            .learnt_window
            .map(|window| Span::from_seconds(window.seconds())),
        served_again: times.served_again,
        handled_request: made
            .handled_request
            .or_else(|| before.as_ref()?.handled_request.clone()),
        assumed: times.assumed,
        remarks: remarks(&token, times.tiny),
        managed: Managed::default(),
    };
    let view = TokenView {
        issued: state.issued,
        expires: state.expires,
        refresh: state.refresh,
        scope: token.scope.clone(),
        valid: true,
        too_short: times.too_short,
        assumed: times.assumed,
        clamped_lead: times.clamped_lead,
        remarks: state.remarks.clone(),
        client_secret_key: state.client_secret_key.clone(),
    };
    let mut assessment = assessment::well(seen, Some(view));
    assessment
        .handled_request
        .clone_from(&state.handled_request);
    assessment.repaired = because.is_repair();
    let refresh = state.refresh;
    let write = publish(seen, spec, data, state);
    if let Some(why) = unacceptable(&write, seen.target.as_ref()) {
        return rejected(seen, spec, &why, at);
    }
    Settled {
        wants: Requeue::RequestAt(refresh),
        write: Some(write),
        assessment,
        attempt: None,
        delete: stale_secrets(seen),
    }
}

/// What was odd about an answer but accepted, in sentences.
fn remarks(token: &Token, tiny: bool) -> Option<String> {
    let tiny = tiny.then_some(TINY_REMARK);
    let all: Vec<&str> = token.remarks.iter().copied().chain(tiny).collect();
    (!all.is_empty()).then(|| all.join(" "))
}

/// What is said of a token whose life is shorter than the pause between two requests.
const TINY_REMARK: &str = "The provider granted less than 10 s: the token expires before the next request, of which there are at most 6 a minute. Ask the provider for a longer lifetime, or correct spec.response.expiry.";

/// A password that the server answers is sent at most this often in quick succession, whatever the answer.
const MOST_PASSWORD_TRIES: u32 = 3;

/// The class that the next try is scheduled by. Some servers count each request with a password, also one that they answer with
/// 500: after a few, the next ones are probes.
fn pace(class: FailureClass, failures: u32, spec: &Validated, reached: Reached) -> FailureClass {
    let with_password = spec.client.grant == Grant::Password;
    let answered = !matches!(reached, Reached::Never | Reached::Unknown);
    if class == FailureClass::Transient
        && with_password
        && answered
        && failures >= MOST_PASSWORD_TRIES
    {
        return FailureClass::Permanent;
    }
    class
}

/// When the token is replaced: a refresh token that ends before that is used in time.
fn refresh_time(seen: &Observed, refresh: Time, at: Moments) -> Time {
    let chain = seen.record().and_then(Result::ok);
    let chain = chain
        .filter(|record| !record.fixed)
        .and_then(|record| Some((record.obtained?, record.ends?)));
    match chain {
        Some((obtained, ends)) => {
            schedule::before_refresh_token_ends(refresh, obtained, ends, at.received, at.u)
        }
        None => refresh,
    }
}

/// `Retry-After` counts up to this long.
const LONGEST_RETRY_AFTER: Span = Span::from_seconds(3600);

/// A message that more can be said after.
fn sentence(message: &str) -> String {
    format!("{}.", message.trim_end().trim_end_matches('.'))
}

/// What follows from a failure: what is published stays, and a next try is set.
pub fn failed(seen: &Observed, spec: &Validated, failure: &Failure, at: Moments) -> Settled {
    let token = token_view(seen, spec, at.received);
    let remaining = token
        .as_ref()
        .filter(|token| token.valid)
        .map(|token| token.expires.since(at.received));
    let version = seen.lent().unwrap_or_default();
    let failures = match &seen.memory.attempt {
        Some(before) if before.inputs == seen.resource.inputs && before.credentials == version => {
            before.failures.saturating_add(1)
        }
        _ => 1,
    };
    let refusal = rotation::judge(seen, spec, failure, at.received);
    let other_at = refusal.as_ref().and_then(|refusal| refusal.other_at);
    // The other client secret has its try first: nobody needs to act yet.
    let class = other_at.map_or(failure.class, |_| FailureClass::Transient);
    let next = schedule::retry(
        pace(class, failures, spec, failure.reached),
        failures,
        remaining,
        failure.retry_after,
        at.received,
        at.u,
    );
    let next = match other_at {
        Some(other) => match failure.retry_after {
            Some(wait) if wait > Span::ZERO => {
                other.max(at.received + wait.min(LONGEST_RETRY_AFTER))
            }
            _ => other,
        },
        None => next,
    };
    let (refused, remark) = refusal.map_or_else(Default::default, |r| (r.refused, r.remark));
    let attempt = FailedAttempt {
        failures,
        time: at.sent,
        next: (next != Time::NEVER).then_some(next),
        not_before: failure
            .retry_after
            .filter(|span| *span > Span::ZERO)
            .map(|span| at.received + span.min(LONGEST_RETRY_AFTER)),
        class,
        reason: failure.reason.to_owned(),
        message: format!("{}{remark}", sentence(&failure.message)),
        refused,
        inputs: seen.resource.inputs.clone(),
        endpoint: endpoint(spec),
        credentials: version,
        certificate: seen.certificate.fingerprint().map(str::to_owned),
        content: seen.whole_content(),
        ca: seen.ca.hash(),
        handled_request: seen.resource.refresh_request.clone(),
        rejected_secret: None,
    };
    let mut assessment = assessment::still_failing(seen, token);
    assessment.attempt = Some(attempt.clone());
    if failure.reason == Reason::ReauthorizationRequired.as_str() {
        // As it is told from now on.
        assessment.problem = Some(Problem {
            kind: ProblemKind::Stalled,
            reason: Reason::ReauthorizationRequired,
            message: attempt.message.clone(),
        });
    }
    if let Some(asked) = &seen.resource.refresh_request {
        assessment.handled_request = Some(asked.clone());
    }
    Settled {
        write: None,
        assessment,
        wants: sooner(
            attempt.next.map_or(Requeue::OnChange, Requeue::RequestAt),
            look_at_ca(Some(&attempt), seen, at.received),
        ),
        attempt: Some(attempt),
        delete: Vec::new(),
    }
}

impl Failure {
    /// The failure that an answer tells of.
    pub fn answer(error: &TokenError, client: &Client) -> Failure {
        Failure {
            class: error.class(&client.grant),
            reason: error.reason(),
            message: error.explain_to(client),
            retry_after: error.retry_after(),
            timed_out: false,
            reached: error.reached(client.authentication == ClientAuthentication::None),
        }
    }

    /// What the refusal is about; `None` where no token endpoint refused.
    pub fn about(&self) -> Option<About> {
        // A refresh token that is refused for good has a reason of its own.
        let ended = self.reason == Reason::ReauthorizationRequired.as_str();
        let of_grant = (ended && self.reached != Reached::Never).then_some(About::Grant);
        of_grant.or_else(|| About::of_reason(self.reason))
    }

    /// The same where the answer brought a refresh token, which is stored.
    pub fn but_renewed(self) -> Failure {
        let message = format!(
            "{}. The refresh token that came with it was stored and is used next: nobody needs to log in anew",
            self.message.trim_end_matches('.')
        );
        Failure { message, ..self }
    }

    /// Whether it makes one doubt that the endpoint is where it was discovered to be: nobody is there, or somebody else.
    pub fn doubts_endpoint(&self) -> bool {
        matches!(
            Reason::parse(self.reason),
            Some(
                Reason::NotFound
                    | Reason::Redirected
                    | Reason::UnusableResponse
                    | Reason::ResponseTooLarge
                    | Reason::DNSFailed
                    | Reason::ConnectFailed
                    | Reason::TLSFailed
                    | Reason::Timeout
                    | Reason::AddressRefused
            )
        )
    }

    fn lifetime(problem: &schedule::UnusableLifetime) -> Failure {
        Failure {
            class: FailureClass::Transient,
            reason: "UnusableResponse",
            message: format!(
                "The token was not published: {problem}. Check the provider's clock and, if it tells lifetimes in its own way, spec.response.expiry."
            ),
            retry_after: None,
            timed_out: false,
            reached: Reached::Answered,
        }
    }

    fn template(problem: &render::RenderProblem) -> Failure {
        Failure {
            // Another token would fail alike: stopped until the spec changes.
            class: FailureClass::NeedsPerson,
            reason: problem.reason().as_str(),
            message: format!("The provider gave a token, but it could not be written. {problem}"),
            retry_after: None,
            timed_out: false,
            reached: Reached::Answered,
        }
    }
}

fn render(
    seen: &Observed,
    spec: &Validated,
    token: &Token,
    expires: Time,
) -> Result<BTreeMap<String, Secret>, render::RenderProblem> {
    let document = refresh_token::document(seen, spec, token);
    let disclosed = disclosed::for_templates(seen, spec);
    let refresh_token = seen.record().and_then(Result::ok);
    let refresh_token = refresh_token.and_then(|record| record.refresh_token);
    let refresh_token = refresh_token.filter(|token| disclosed::may_show(seen, token));
    spec.token_secret.templates.render(&render::Variables {
        access_token: &token.access_token,
        token_type: token.token_type.as_str(),
        expires_at: expires,
        scope: token.scope.as_ref().map(Scope::as_str),
        response: &document,
        credentials: &disclosed,
        refresh_token: refresh_token.as_ref(),
        sent: &token.sent,
        echoes: token.echoes,
    })
}

/// What follows where the token Secret was rejected, or is known to be: the token is dropped, and what was published stays.
pub fn rejected(seen: &Observed, spec: &Validated, why: &str, at: Moments) -> Settled {
    let (namespace, resource) = (&seen.resource.namespace, &seen.resource.name);
    let secret = &spec.token_secret.name;
    let failure = Failure {
        class: FailureClass::NeedsPerson,
        reason: Reason::WriteRefused.as_str(),
        message: format!(
            "The provider gave a token, but Secret {secret} in namespace {namespace} could not be written: {why}. Change \
             spec.tokenSecret; or change what refuses it, then annotate OAuthClient {resource} with \
             oauthclient.dev/refresh-requested-at"
        ),
        retry_after: None,
        timed_out: false,
        reached: Reached::Answered,
    };
    let mut settled = failed(seen, spec, &failure, at);
    let version = secret_version(seen.target.as_ref());
    let attempts = [&mut settled.attempt, &mut settled.assessment.attempt];
    for attempt in attempts.into_iter().flatten() {
        attempt.rejected_secret = Some(version.clone());
    }
    settled
}
