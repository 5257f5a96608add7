//! The consequences of a response: what to publish, or when to retry.

use std::collections::BTreeMap;

use crate::conditions::Reason;
use crate::engine::Requeue;
use crate::messages::{FollowUp, NotPublished, RequestFinding};
use crate::model::{
    FailedAttempt, Failure, IssuedWith, Managed, Observed, Problem, RefreshReason, RequestOutcome,
    RequestTimes, SecretSeen, TokenState, TokenView, Validated, secret_version, token_hash,
};
use crate::oauth::dpop as oauth_dpop;
use crate::oauth::error::{FailureClass, ProviderCode, Reached, RefusalSubject};
use crate::oauth::{Client, ClientAuthentication, Grant, Scope, Token, TokenError};
use crate::policy::ownership::our_target;
use crate::policy::plan::stale_secrets;
use crate::secret::Secret;
use crate::time::{Span, Time};
use crate::trust::Lenders;
use crate::{render, schedule};

use super::assessment::{self, token_view};
use super::readiness::{endpoint, look_at_ca};
use super::rejected::unacceptable;
use super::secret_write::publish;
use super::{deadline, disclosed, dpop, provenance, refresh_token, rotation, sooner};

impl IssuedWith {
    fn now(seen: &Observed, spec: &Validated) -> IssuedWith {
        IssuedWith {
            credentials: seen.credentials_version().unwrap_or_default(),
            client_secret_key: rotation::sent_key(seen),
            handled_request: seen.resource.refresh_request.clone(),
            lenders: provenance::of_request(seen, spec).ok(),
        }
    }
}

/// The consequences of a token. If it came with a refresh token, that is already stored and part of the observation.
pub fn granted(
    seen: &Observed,
    spec: &Validated,
    reason: RefreshReason,
    token: Token,
    at: RequestTimes,
) -> RequestOutcome {
    let issued_with = IssuedWith::now(seen, spec);
    let issued_with = match token.repeats {
        true => IssuedWith {
            lenders: issued_with.lenders.as_ref().map(Lenders::repeated),
            ..issued_with
        },
        false => issued_with,
    };
    granted_as(seen, spec, reason, token, at, issued_with)
}

/// The same for a token that was requested earlier.
pub(super) fn granted_as(
    seen: &Observed,
    spec: &Validated,
    reason: RefreshReason,
    token: Token,
    at: RequestTimes,
    issued_with: IssuedWith,
) -> RequestOutcome {
    let before = our_target(seen, spec).and_then(SecretSeen::state);
    let hash = token_hash(&seen.resource.uid, &token.access_token);
    let same_token = before
        .as_ref()
        .is_some_and(|state| state.token_hash == hash);
    // Altered times are ignored.
    let before_intact = before
        .as_ref()
        .filter(|state| our_target(seen, spec).is_some_and(|target| state.intact(&target.data)));
    // An issue time in the future means that the clock was set back.
    let issued = |state: &TokenState| state.issued.min(at.sent);
    let published = before_intact.map(TokenState::as_published);
    let answer = schedule::ReceivedToken {
        sent: at.sent,
        received: at.received,
        lifetime: token.lifetime,
        own_end: token.own_end,
        refresh_in: token.refresh_in,
        same_token,
    };
    let times = match schedule::accept(
        &spec.policy,
        published.as_ref(),
        &answer,
        at.received,
        at.jitter,
    ) {
        Ok(times) => schedule::Schedule {
            refresh: deadline::before_refresh_token_ends(
                seen,
                times.refresh,
                at.received,
                at.jitter,
            ),
            ..times
        },
        Err(problem) => return failed(seen, spec, &Failure::lifetime(&problem), at),
    };
    let data = match render(seen, spec, &token, times.end.at()) {
        Ok(data) => data,
        Err(problem) => return failed(seen, spec, &Failure::template(&problem), at),
    };
    let state = TokenState {
        issued: match before_intact {
            Some(state) if same_token => issued(state),
            _ => at.sent,
        },
        end: times.end.as_stored(),
        refresh: times.refresh,
        planned: Some(schedule::Planned::with(
            &spec.policy,
            token.refresh_in,
            at.jitter,
        )),
        owner: None,
        lenders: issued_with.lenders,
        inputs: seen.resource.inputs.clone(),
        credentials: issued_with.credentials,
        client_secret_key: issued_with.client_secret_key,
        data_hash: String::new(),
        token_hash: hash,
        // In its written precision, so that it compares equal after reading.
        learnt_window: times
            .learnt_window
            .map(|window| Span::from_seconds(window.seconds())),
        served_again: times.served_again,
        handled_request: issued_with
            .handled_request
            .or_else(|| before.as_ref()?.handled_request.clone()),
        remarks: remarks(&token, times.tiny),
        managed: Managed::default(),
    };
    let view = TokenView {
        issued: state.issued,
        expires: state.expires(),
        refresh: state.refresh,
        scope: token.scope.clone(),
        valid: true,
        too_short: times.too_short,
        assumed: times.end.is_assumed(),
        clamped_lead: times.clamped_lead,
        remarks: state.remarks.clone(),
        client_secret_key: state.client_secret_key.clone(),
    };
    let mut assessment = assessment::healthy(seen, Some(view));
    let requested = seen.resource.refresh_request.as_deref();
    if !requested.is_some_and(|requested| seen.has_handled(requested)) {
        assessment
            .handled_request
            .clone_from(&state.handled_request);
    }
    assessment.repaired = reason.is_repair();
    let refresh = state.refresh;
    let write = publish(seen, spec, data, state);
    if let Some(why) = unacceptable(&write, seen.target.as_ref()) {
        return rejected(seen, spec, NotPublished::Content { why }, at);
    }
    RequestOutcome {
        requeue: Requeue::RequestAt(refresh),
        write: Some(write),
        assessment,
        attempt: None,
        delete: stale_secrets(seen),
    }
}

/// Accepted deviations of a response, as sentences.
fn remarks(token: &Token, tiny: bool) -> Option<String> {
    let tiny = tiny.then_some(TINY_REMARK);
    let all: Vec<&str> = token.remarks.iter().copied().chain(tiny).collect();
    (!all.is_empty()).then(|| all.join(" "))
}

/// The remark for a token whose lifetime is shorter than the pause between two requests.
const TINY_REMARK: &str = "The provider granted less than 10 s: the token expires before the next request, of which there are at most 6 a minute. Ask the provider for a longer lifetime, or correct spec.response.expiry.";

/// How often a password that the server answers is sent in quick succession at most.
const MOST_PASSWORD_TRIES: u32 = 3;

/// The class for scheduling the next attempt. Some servers count each request with a password, even one that they
/// answer with 500. After a few, the next ones are probes.
fn pace(class: FailureClass, failures: u32, spec: &Validated, reached: Reached) -> FailureClass {
    let with_password = spec.client.sends_password();
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

/// The longest time before the end of a token in which a refusal may mean that it is too early for another one.
const YOUNG: Span = Span::from_seconds(300);

/// Whether a provider may have refused a refresh token because the access token is still young (Exact Online).
fn may_be_too_early(failure: &Failure, left: Span) -> bool {
    failure.reached == Reached::Refused
        && failure.class == FailureClass::Transient
        && failure.finding.reason() == Reason::AccessDenied
        && left <= YOUNG
}

/// The maximum `Retry-After`.
const LONGEST_RETRY_AFTER: Span = Span::from_seconds(3600);

/// The consequences of a failure: the published token stays, and the next attempt is scheduled.
pub fn failed(
    seen: &Observed,
    spec: &Validated,
    failure: &Failure,
    at: RequestTimes,
) -> RequestOutcome {
    let token = token_view(seen, spec, at.received);
    let remaining = token
        .as_ref()
        .filter(|token| token.valid)
        .map(|token| token.expires.since(at.received));
    let version = seen.credentials_version().unwrap_or_default();
    let failures = match &seen.memory.attempt {
        Some(before) if before.inputs == seen.resource.inputs && before.credentials == version => {
            before.failures.saturating_add(1)
        }
        _ => 1,
    };
    let refusal = rotation::evaluate(seen, spec, failure, at.received);
    let other_at = refusal.as_ref().and_then(|refusal| refusal.other_at);
    // The other client secret is tried first, so no person must act yet.
    let class = other_at.map_or(failure.class, |_| FailureClass::Transient);
    let next = schedule::retry(
        pace(class, failures, spec, failure.reached),
        failures,
        remaining,
        failure.retry_after,
        at.received,
        at.jitter,
    );
    // A refresh token that is refused while the access token is young is sent the second time shortly before that one ends.
    let next = match remaining {
        Some(left) if may_be_too_early(failure, left) => {
            let pause = schedule::before_the_end(left, left);
            next.max(at.received + pause)
        }
        _ => next,
    };
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
    let explanation = failure.finding.explain(seen.rules.audience);
    let then = failure.follow_up.as_deref().into_iter().chain(&remark);
    let explanation = then
        .fold(explanation, |before, then| {
            before.and_if_it_fits(&then.text())
        })
        .shortened();
    let attempt = FailedAttempt {
        failures,
        time: at.sent,
        next: (next != Time::NEVER).then_some(next),
        not_before: failure
            .retry_after
            .filter(|span| *span > Span::ZERO)
            .map(|span| at.received + span.min(LONGEST_RETRY_AFTER)),
        class,
        reason: failure.reason().to_owned(),
        reached: Some(failure.reached),
        http_status: failure.http_status,
        code: failure.provider_code.as_ref().and_then(ProviderCode::code),
        explanation,
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
    if failure.finding.reason() == Reason::ReauthorizationRequired {
        // As it is reported from now on.
        assessment.problem = Some(Problem::stalled(*failure.finding.clone()));
    }
    if let Some(requested) = &seen.resource.refresh_request {
        assessment.handled_request = Some(requested.clone());
    }
    RequestOutcome {
        write: None,
        assessment,
        requeue: sooner(
            attempt.next.map_or(Requeue::OnChange, Requeue::RequestAt),
            look_at_ca(Some(&attempt), seen, at.received),
        ),
        attempt: Some(attempt),
        delete: Vec::new(),
    }
}

impl Failure {
    /// The failure in a response.
    pub fn answer(error: &TokenError, client: &Client) -> Failure {
        let grant = match client.sends_password() {
            true => &Grant::Password,
            false => &client.grant,
        };
        Failure {
            class: error.class(grant),
            finding: Box::new(RequestFinding::answered(error, client).into()),
            follow_up: None,
            retry_after: error.retry_after(),
            timed_out: false,
            unread: false,
            reached: error.reached(client.authentication == ClientAuthentication::None),
            http_status: error.http_status(),
            provider_code: error.provider_code().cloned(),
        }
    }

    /// What the refusal is about; `None` if no token endpoint refused.
    pub fn about(&self) -> Option<RefusalSubject> {
        // A refresh token that is refused for good has its own reason.
        let ended = self.finding.reason() == Reason::ReauthorizationRequired;
        let of_grant = (ended && self.reached != Reached::Never).then_some(RefusalSubject::Grant);
        of_grant.or_else(|| RefusalSubject::of_reason(self.reason()))
    }

    /// Like this, for a response with a refresh token, which is stored.
    pub fn but_renewed(self) -> Failure {
        Failure {
            follow_up: Some(Box::new(FollowUp::RefreshTokenStored)),
            ..self
        }
    }

    /// Whether it suggests that a discovered endpoint has moved: it is unreachable, or something else responds.
    pub fn suggests_moved_endpoint(&self) -> bool {
        matches!(
            Some(self.finding.reason()),
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
        Failure::new(
            FailureClass::Transient,
            RequestFinding::lifetime(problem),
            Reached::Answered,
        )
    }

    fn template(problem: &render::RenderProblem) -> Failure {
        // Another token would fail in the same way: stopped until the spec changes.
        Failure::new(
            FailureClass::NeedsPerson,
            RequestFinding::Template {
                problem: problem.to_string(),
                too_large: problem.too_large,
            },
            Reached::Answered,
        )
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
        dpop: dpop::published_key(seen, spec).and_then(|pem| {
            let jwk = oauth_dpop::private_jwk(&pem, &seen.nonce.random)?;
            Some((pem, jwk))
        }),
        refresh_token: refresh_token.as_ref(),
        sent: &token.sent,
        echoes: token.echoes,
    })
}

/// The consequences if the token Secret was refused, or is known to be: the token is discarded, and the published one
/// stays.
pub fn rejected(
    seen: &Observed,
    spec: &Validated,
    why: NotPublished,
    at: RequestTimes,
) -> RequestOutcome {
    let failure = Failure::new(
        FailureClass::NeedsPerson,
        RequestFinding::NotWritten {
            secret: spec.token_secret.name.clone(),
            namespace: seen.resource.namespace.clone(),
            resource: seen.resource.name.clone(),
            why,
        },
        Reached::Answered,
    );
    let mut outcome = failed(seen, spec, &failure, at);
    let version = secret_version(seen.target.as_ref());
    let attempts = [&mut outcome.attempt, &mut outcome.assessment.attempt];
    for attempt in attempts.into_iter().flatten() {
        attempt.rejected_secret = Some(version.clone());
    }
    outcome
}
