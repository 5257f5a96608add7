//! Reports an assessment to people: the status with its conditions, and events about changes.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time as ApiTime};

use crate::api::conditions::{ConditionType, Reason};
use crate::api::{AttemptStatus, OAuthClientStatus, RefreshTokenStatus, TokenStatus};
use crate::command::printable;
use crate::model::{Assessment, FailedAttempt, Problem, ProblemKind, TokenView};
use crate::oauth::error::FailureClass;
use crate::policy::events::{find, known};
use crate::time::Time;

use super::events::{Notice, notices};

/// The level of detail of a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum StatusDetail {
    /// Everything, including the times of the token: a write for each refresh.
    #[default]
    Always,
    /// Only what does not change with a routine refresh: a write for each transition and each failure.
    Transitions,
}

/// The status to write and the events to publish.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The whole status.
    pub status: OAuthClientStatus,
    /// Whether it differs from the previous one.
    pub changed: bool,
    /// What is to be said of the token besides when it expires; empty, or with a space before it.
    pub remarks: String,
    /// Events about changes.
    pub notices: Vec<Notice>,
}

/// Reports an assessment, given the previous status.
pub fn report(
    assessment: &Assessment,
    before: &OAuthClientStatus,
    generation: i64,
    detail: StatusDetail,
    now: Time,
) -> Report {
    let told = Told {
        assessment,
        detail,
        now,
    };
    // Only `Ready` is always present: clients such as kstatus treat an absent abnormal condition as normal.
    let conditions = [
        (ConditionType::Ready, Some(told.ready())),
        (ConditionType::RefreshFailing, told.refresh_failing()),
        (ConditionType::Reconciling, told.reconciling()),
        (ConditionType::Stalled, told.stalled()),
    ]
    .into_iter()
    .filter_map(|(kind, said)| Some(said?.condition(kind, before, generation, now)))
    .collect();
    let status = OAuthClientStatus {
        observed_generation: generation,
        token: told.token(),
        refresh_token: told.refresh_token(),
        attempt: assessment.attempt.as_ref().map(attempt_status),
        repairs: assessment.repairs.status(now),
        client_certificate: assessment
            .expiries
            .certificate
            .as_ref()
            .map(|expiry| expiry.status(now)),
        client_secret: assessment
            .expiries
            .client_secret
            .as_ref()
            .map(|expiry| expiry.status(now)),
        client_secret_key: assessment
            .token
            .as_ref()
            .and_then(|token| token.client_secret_key.clone()),
        last_refresh_request: assessment.handled_request.clone(),
        conditions,
    };
    Report {
        remarks: told
            .valid()
            .map_or_else(String::new, |token| told.remarks(token)),
        changed: status != *before,
        notices: notices(assessment, before, &status, now),
        status,
    }
}

/// The content of a condition.
struct Said {
    holds: bool,
    reason: String,
    message: String,
}

impl Said {
    fn condition(
        self,
        kind: ConditionType,
        before: &OAuthClientStatus,
        generation: i64,
        now: Time,
    ) -> Condition {
        let status = if self.holds { "True" } else { "False" };
        let before = find(before, kind).filter(|condition| condition.status == status);
        let since = before.map_or_else(
            || api_time(now),
            |condition| condition.last_transition_time.clone(),
        );
        Condition {
            type_: kind.as_str().to_owned(),
            status: status.to_owned(),
            // Always a documented reason, whatever the status contained.
            reason: known(&self.reason).as_str().to_owned(),
            message: bounded(&self.message),
            observed_generation: Some(generation),
            last_transition_time: since,
        }
    }
}

struct Told<'a> {
    assessment: &'a Assessment,
    detail: StatusDetail,
    now: Time,
}

impl Told<'_> {
    fn valid(&self) -> Option<&TokenView> {
        self.assessment.token.as_ref().filter(|token| token.valid)
    }

    fn ready(&self) -> Said {
        let secret = &self.assessment.secret_name;
        if let Some(token) = self.valid() {
            return Said {
                holds: true,
                reason: token.reason().as_str().to_owned(),
                message: self.ready_message(token),
            };
        }
        let lacking = match &self.assessment.token {
            Some(token) => format!("The token in Secret {secret} expired at {}.", token.expires),
            None => format!("Secret {secret} holds no valid token."),
        };
        let (reason, message) = if let Some(problem) = &self.assessment.problem {
            (
                problem.reason.as_str(),
                format!("{lacking} {}", problem.message),
            )
        } else if self.assessment.suspended {
            (
                Reason::Suspended.as_str(),
                format!("{lacking} spec.suspend is true: no token is requested until it is false."),
            )
        } else if let Some(attempt) = &self.assessment.attempt {
            (
                attempt.reason.as_str(),
                format!("{lacking} {}", attempt.message),
            )
        } else if self.assessment.token.is_some() {
            (
                Reason::TokenExpired.as_str(),
                format!("{lacking} A new one is being requested."),
            )
        } else {
            (
                Reason::Requesting.as_str(),
                format!("{lacking} It is being requested."),
            )
        };
        Said {
            holds: false,
            reason: reason.to_owned(),
            message: self.and_what_ends(message, true),
        }
    }

    /// The message, with remarks about expiring credentials: before a command at its end, which people copy.
    fn and_what_ends(&self, message: String, over: bool) -> String {
        let remarks = self.assessment.expiries.remarks(self.now, over);
        if remarks.is_empty() || message.ends_with('.') {
            format!("{message}{remarks}")
        } else {
            format!("{} {message}", remarks.trim_start())
        }
    }

    fn ready_message(&self, token: &TokenView) -> String {
        let secret = &self.assessment.secret_name;
        let mut message = match self.detail {
            StatusDetail::Always if self.assessment.suspended => {
                format!(
                    "Secret {secret} holds a token that is valid until {}.",
                    token.expires
                )
            }
            StatusDetail::Always => format!(
                "Secret {secret} holds a token that is valid until {}; it is replaced at {}.",
                token.expires, token.refresh
            ),
            StatusDetail::Transitions => format!("Secret {secret} holds a valid token."),
        };
        if self.assessment.suspended {
            message.push_str(" spec.suspend is true: it is not replaced until that is false.");
        }
        message.push_str(&self.remarks(token));
        message
    }

    /// What is to be said of a token besides when it ends; empty, or with a space before it.
    fn remarks(&self, token: &TokenView) -> String {
        let mut message = String::new();
        if token.too_short {
            message.push_str(
                " It lives so short that a mounted Secret may lag behind (the kubelet takes up to 90 s): let workloads read it through the API, or ask the provider for a longer lifetime.",
            );
        }
        if token.assumed {
            message.push_str(
                " The response has no lifetime, so the expiry is assumed (spec.refresh.assumedLifetimeSeconds).",
            );
        }
        if let Some(lead) = token.clamped_lead {
            message.push_str(" The lead time in spec.refresh does not fit the lifetime; ");
            match self.detail {
                StatusDetail::Always => message.push_str(&format!("{lead} is used.")),
                // It may differ from token to token.
                StatusDetail::Transitions => message.push_str("the nearest that does is used."),
            }
        }
        if let Some(remarks) = &token.remarks {
            message.push(' ');
            message.push_str(remarks);
        }
        if let Some(key) = &token.client_secret_key {
            message.push(' ');
            message.push_str(&super::rotation::remark(key));
        }
        if let Some(refused) = &self.assessment.refused_offer {
            message.push(' ');
            message.push_str(refused);
        }
        message.push_str(&self.assessment.expiries.remarks(self.now, false));
        message
    }

    fn refresh_failing(&self) -> Option<Said> {
        let attempt = self.assessment.attempt.as_ref()?;
        let next = match (&self.assessment.problem, attempt.next) {
            _ if self.assessment.suspended => {
                "It is not retried while spec.suspend is true.".to_owned()
            }
            (Some(problem), _) => {
                let told = match problem.kind {
                    ProblemKind::Waiting => ConditionType::Reconciling,
                    ProblemKind::Stalled => ConditionType::Stalled,
                };
                format!(
                    "It is not retried until the problem in {} is solved.",
                    told.as_str()
                )
            }
            (None, Some(next)) => format!("Next try at {next}; {}.", times(attempt.failures)),
            (None, None) => "It is not retried until spec or credentials change.".to_owned(),
        };
        Some(Said {
            holds: true,
            reason: attempt.reason.clone(),
            message: self.and_what_ends(
                format!("{} {next} {}", attempt.message, self.still_works()),
                true,
            ),
        })
    }

    fn reconciling(&self) -> Option<Said> {
        match (&self.assessment.problem, &self.assessment.attempt) {
            (Some(problem), _) if problem.kind == ProblemKind::Waiting => {
                Some(self.problem(problem))
            }
            (None, Some(attempt))
                if attempt.class == FailureClass::Transient
                    && self.valid().is_none()
                    && !self.assessment.suspended =>
            {
                Some(Said {
                    holds: true,
                    reason: Reason::Retrying.as_str().to_owned(),
                    message: "The token request failed with an error that may be temporary, and is retried."
                        .to_owned(),
                })
            }
            (None, None) if self.valid().is_none() && !self.assessment.suspended => Some(Said {
                holds: true,
                reason: Reason::Requesting.as_str().to_owned(),
                message: "A token is being requested.".to_owned(),
            }),
            _ => None,
        }
    }

    fn stalled(&self) -> Option<Said> {
        match (&self.assessment.problem, &self.assessment.attempt) {
            (Some(problem), _) if problem.kind == ProblemKind::Stalled => {
                Some(self.problem(problem))
            }
            // Obstacles come before earlier failures.
            (None, Some(attempt))
                if attempt.class != FailureClass::Transient && !self.assessment.suspended =>
            {
                Some(Said {
                    holds: true,
                    reason: attempt.reason.clone(),
                    message: self
                        .and_what_ends(format!("{} {}", attempt.message, self.still_works()), true),
                })
            }
            _ => None,
        }
    }

    fn problem(&self, problem: &Problem) -> Said {
        Said {
            holds: true,
            reason: problem.reason.as_str().to_owned(),
            message: if problem.message.ends_with('.') {
                format!("{} {}", problem.message, self.still_works())
            } else {
                // A command comes last, so that it can be copied.
                format!("{} {}", self.still_works(), problem.message)
            },
        }
    }

    fn still_works(&self) -> String {
        let secret = &self.assessment.secret_name;
        match &self.assessment.token {
            Some(token) if token.valid => {
                format!(
                    "The token in Secret {secret} stays valid until {}.",
                    token.expires
                )
            }
            Some(token) => format!("The token in Secret {secret} expired at {}.", token.expires),
            None => format!("Secret {secret} holds no valid token."),
        }
    }

    fn refresh_token(&self) -> Option<RefreshTokenStatus> {
        let ends = self.assessment.refresh_token_ends?;
        (self.detail == StatusDetail::Always).then(|| RefreshTokenStatus {
            expiration_time: ends.rfc3339(),
        })
    }

    fn token(&self) -> Option<TokenStatus> {
        let token = self.assessment.token.as_ref()?;
        (self.detail == StatusDetail::Always).then(|| TokenStatus {
            issued_time: token.issued.rfc3339(),
            expiration_time: token.expires.rfc3339(),
            refresh_time: token.refresh.rfc3339(),
            scope: token
                .scope
                .as_ref()
                .map(|scope| scope.shortened(LONGEST_SCOPE).as_str().to_owned()),
        })
    }
}

/// The maximum length for the status schema, and for a readable message.
const LONGEST_SCOPE: usize = 4096;
const LONGEST_MESSAGE: usize = 8192;

/// A message as it may be stored: printable, and no longer than the schema allows.
pub(super) fn bounded(message: &str) -> String {
    cut(printable(message).into_owned(), LONGEST_MESSAGE)
}

/// The first `most` bytes of a text, with a mark if it was truncated.
fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        let end = (0..=most.saturating_sub(4))
            .rev()
            .find(|end| text.is_char_boundary(*end))
            .unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

fn times(failures: u32) -> String {
    match failures {
        1 => "it failed once so far".to_owned(),
        2 => "it failed twice in a row".to_owned(),
        more => format!("it failed {more} times in a row"),
    }
}

fn attempt_status(attempt: &FailedAttempt) -> AttemptStatus {
    AttemptStatus {
        time: attempt.time.rfc3339_millis(),
        next_time: attempt.next.map(Time::rfc3339_millis),
        refused_secret_keys: attempt.refused.clone(),
        failures: i32::try_from(attempt.failures).unwrap_or(i32::MAX),
        reason: attempt.reason.clone(),
        kind: Some(attempt.class.as_str().to_owned()),
        reached: attempt.reached.map(|reached| reached.as_str().to_owned()),
        http_status: attempt.http_status.map(i32::from),
        code: attempt.code.clone(),
        message: Some(attempt.message.clone()),
        inputs_hash: attempt.hash(),
        retry_after_time: attempt.not_before.map(Time::rfc3339_millis),
        rejected_secret: attempt.rejected_secret.clone(),
    }
}

/// Since when a status reports this problem.
pub(super) fn since(status: &OAuthClientStatus, problem: &Problem) -> Option<Time> {
    let kind = match problem.kind {
        ProblemKind::Waiting => ConditionType::Reconciling,
        ProblemKind::Stalled => ConditionType::Stalled,
    };
    let condition = find(status, kind)?;
    let told = condition.status == "True" && condition.reason == problem.reason.as_str();
    let since = condition.last_transition_time.0.as_millisecond();
    told.then(|| Time::from_millis(since))
}

fn api_time(now: Time) -> ApiTime {
    ApiTime(jiff::Timestamp::from_second(now.seconds()).unwrap_or_default())
}
