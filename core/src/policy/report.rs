//! Reports an assessment to people: the status with its conditions, and events about changes.

use crate::conditions::{ConditionType, Reason};
use crate::messages::{
    Explanation, Message, NextAttempt, Note, Progress, Text, TokenValidity, Valid,
};
use crate::model::{
    Assessment, AttemptStatus, Condition, FailedAttempt, OAuthClientStatus, Problem, ProblemKind,
    RefreshTokenStatus, TokenStatus, TokenView,
};
use crate::oauth::error::FailureClass;
use crate::policy::events::{documented_reason, find_condition};
use crate::time::Time;

use super::events::{Content, ResourceEvent, events};

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
    /// Remarks about a token that is valid, beside until when; empty if there are none.
    pub remarks: Message,
    /// Events about changes.
    pub events: Vec<ResourceEvent>,
}

/// Reports an assessment, given the previous status.
pub fn report(
    assessment: &Assessment,
    before: &OAuthClientStatus,
    generation: i64,
    detail: StatusDetail,
    now: Time,
) -> Report {
    let builder = ConditionBuilder {
        assessment,
        detail,
        now,
    };
    let contents = builder.contents();
    let conditions = contents
        .iter()
        .map(|(kind, content)| content.condition(*kind, before, generation, now))
        .collect();
    let status = OAuthClientStatus {
        observed_generation: generation,
        token: builder.token(),
        refresh_token: builder.refresh_token(),
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
        remarks: builder.valid().map_or_else(Message::default, |token| {
            Message::default().noting(builder.notes(token))
        }),
        changed: status != *before,
        events: events(assessment, &contents, before, &status, now),
        status,
    }
}

impl Content {
    fn holds(reason: Reason, message: Message) -> Content {
        Content {
            holds: true,
            reason,
            message,
        }
    }

    fn condition(
        &self,
        kind: ConditionType,
        before: &OAuthClientStatus,
        generation: i64,
        now: Time,
    ) -> Condition {
        let status = if self.holds { "True" } else { "False" };
        let before = find_condition(before, kind).filter(|condition| condition.status == status);
        let since = before.map_or_else(
            || Time::from_seconds(now.seconds()),
            |condition| condition.last_transition_time,
        );
        Condition {
            type_: kind.as_str().to_owned(),
            status: status.to_owned(),
            reason: self.reason.as_str().to_owned(),
            message: cut(self.message.to_string(), LONGEST_MESSAGE),
            observed_generation: Some(generation),
            last_transition_time: since,
        }
    }
}

struct ConditionBuilder<'a> {
    assessment: &'a Assessment,
    detail: StatusDetail,
    now: Time,
}

impl ConditionBuilder<'_> {
    /// The conditions. Only `Ready` is always present: clients such as kstatus treat an absent abnormal condition as normal.
    fn contents(&self) -> Vec<(ConditionType, Content)> {
        let all = [
            (ConditionType::Ready, Some(self.ready())),
            (ConditionType::RefreshFailing, self.refresh_failing()),
            (ConditionType::Reconciling, self.reconciling()),
            (ConditionType::Stalled, self.stalled()),
        ];
        let all = all.into_iter();
        all.filter_map(|(kind, content)| Some((kind, content?)))
            .collect()
    }

    fn valid(&self) -> Option<&TokenView> {
        self.assessment.token.as_ref().filter(|token| token.valid)
    }

    fn ready(&self) -> Content {
        if let Some(token) = self.valid() {
            return Content::holds(token.reason(), self.valid_until(token));
        }
        let (reason, text) = if let Some(problem) = &self.assessment.problem {
            (problem.reason(), self.explain(problem))
        } else if self.assessment.suspended {
            (Reason::Suspended, Progress::Suspended.explain())
        } else if let Some(attempt) = &self.assessment.attempt {
            (documented_reason(&attempt.reason), self.of_attempt(attempt))
        } else {
            let reason = match self.assessment.token {
                Some(_) => Reason::TokenExpired,
                None => Reason::Requesting,
            };
            (reason, Progress::Requesting.explain())
        };
        Content {
            holds: false,
            reason,
            message: self.message(text),
        }
    }

    /// A message with what still works, and with credentials that have expired.
    fn message(&self, explanation: Explanation) -> Message {
        explanation
            .with(self.token_validity().text())
            .noting(self.expired())
    }

    fn explain(&self, problem: &Problem) -> Explanation {
        problem.finding.explain(self.assessment.audience)
    }

    fn of_attempt(&self, attempt: &FailedAttempt) -> Explanation {
        attempt.explanation.clone()
    }

    fn valid_until(&self, token: &TokenView) -> Message {
        let secret = self.assessment.secret_name.clone();
        let shows_times = self.detail == StatusDetail::Always;
        let valid = match (self.assessment.suspended, shows_times) {
            (true, _) => Valid::Suspended {
                secret,
                expires: shows_times.then_some(token.expires),
            },
            (false, true) => Valid::Until {
                secret,
                expires: token.expires,
                refresh: token.refresh,
            },
            (false, false) => Valid::Somehow { secret },
        };
        valid.message().noting(self.notes(token))
    }

    /// Remarks about a valid token, beside until when it is valid.
    fn notes(&self, token: &TokenView) -> Vec<Text> {
        let assessment = self.assessment;
        // With transitions only: it may differ from token to token.
        let lead = |lead| (self.detail == StatusDetail::Always).then_some(lead);
        let of_token = [
            token.too_short.then_some(Note::LifetimeTooShort),
            token.assumed.then_some(Note::LifetimeAssumed),
            token
                .clamped_lead
                .map(|span| Note::LeadTimeLimited { lead: lead(span) }),
        ];
        let of_secret = token.client_secret_key.clone();
        let of_secret = of_secret.map(|key| Note::NextSecretUsed { key });
        let text = |note: Note| note.text();
        let remarks = token.remarks.as_deref().map(Note::of_response);
        let expiries = assessment.expiries.findings(self.now);
        of_token
            .into_iter()
            .flatten()
            .map(text)
            .chain(remarks)
            .chain(of_secret.into_iter().map(text))
            .chain(assessment.refused_provided_token.clone().map(text))
            .chain(
                expiries
                    .into_iter()
                    .map(|finding| text(Note::Expiry { finding })),
            )
            .collect()
    }

    /// Credentials that have expired.
    fn expired(&self) -> Vec<Text> {
        let is_over = |reason| {
            matches!(
                reason,
                Reason::ClientCertificateExpired | Reason::ClientSecretExpired
            )
        };
        let current = self.assessment.problem.as_ref().map(Problem::reason);
        let findings = self.assessment.expiries.findings(self.now);
        findings
            .into_iter()
            .filter(|finding| is_over(finding.reason()) && current != Some(finding.reason()))
            .map(|finding| Note::Expiry { finding }.text())
            .collect()
    }

    fn refresh_failing(&self) -> Option<Content> {
        let attempt = self.assessment.attempt.as_ref()?;
        let next = match (&self.assessment.problem, attempt.next) {
            _ if self.assessment.suspended => NextAttempt::Suspended,
            (Some(problem), _) => NextAttempt::AfterProblem(match problem.kind {
                ProblemKind::Waiting => ConditionType::Reconciling,
                ProblemKind::Stalled => ConditionType::Stalled,
            }),
            (None, Some(time)) => NextAttempt::RetryAt {
                time,
                failures: attempt.failures,
            },
            (None, None) => NextAttempt::OnChange,
        };
        let message = self.message(self.of_attempt(attempt)).and(next.text());
        Some(Content::holds(documented_reason(&attempt.reason), message))
    }

    fn reconciling(&self) -> Option<Content> {
        match (&self.assessment.problem, &self.assessment.attempt) {
            (Some(problem), _) if problem.kind == ProblemKind::Waiting => {
                Some(self.problem(problem))
            }
            (None, Some(attempt))
                if attempt.class == FailureClass::Transient
                    && self.valid().is_none()
                    && !self.assessment.suspended =>
            {
                Some(self.progress(Reason::Retrying, Progress::Retrying))
            }
            (None, None) if self.valid().is_none() && !self.assessment.suspended => {
                Some(self.progress(Reason::Requesting, Progress::Requesting))
            }
            _ => None,
        }
    }

    fn progress(&self, reason: Reason, progress: Progress) -> Content {
        Content::holds(reason, progress.explain().message())
    }

    fn stalled(&self) -> Option<Content> {
        match (&self.assessment.problem, &self.assessment.attempt) {
            (Some(problem), _) if problem.kind == ProblemKind::Stalled => {
                Some(self.problem(problem))
            }
            // Obstacles come before earlier failures.
            (None, Some(attempt))
                if attempt.class != FailureClass::Transient && !self.assessment.suspended =>
            {
                let message = self.message(self.of_attempt(attempt));
                Some(Content::holds(documented_reason(&attempt.reason), message))
            }
            _ => None,
        }
    }

    fn problem(&self, problem: &Problem) -> Content {
        Content::holds(problem.reason(), self.message(self.explain(problem)))
    }

    fn token_validity(&self) -> TokenValidity {
        let secret = self.assessment.secret_name.clone();
        match &self.assessment.token {
            Some(token) if token.valid => TokenValidity::Valid {
                secret,
                until: token.expires,
            },
            Some(token) => TokenValidity::Expired {
                secret,
                at: token.expires,
            },
            None if secret.is_empty() => TokenValidity::Nowhere,
            None => TokenValidity::Missing { secret },
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

/// A message as it may be stored: the first `most` bytes of a text, with a mark if it was truncated.
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

fn attempt_status(attempt: &FailedAttempt) -> AttemptStatus {
    let stored = attempt.explanation.stored();
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
        message: Some(cut(stored.happened, LONGEST_MESSAGE)),
        remedy: Some(cut(stored.remedy, LONGEST_MESSAGE)).filter(|remedy| !remedy.is_empty()),
        command: stored.command.map(|command| cut(command, LONGEST_MESSAGE)),
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
    let condition = find_condition(status, kind)?;
    let is_same = condition.status == "True" && condition.reason == problem.reason().as_str();
    is_same.then_some(condition.last_transition_time)
}
