//! Changes to report once: as events, or as lines of `local`.

use crate::conditions::{ConditionType, Reason};
use crate::messages::{EventFinding, Message, Note};
use crate::model::{Assessment, Condition, OAuthClientStatus};
use crate::time::Time;

use super::expiry::Which;

/// Something to report once, as an event or a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceEvent {
    /// Good or bad.
    pub kind: EventType,
    /// The reason.
    pub reason: Reason,
    /// What happened, for people.
    pub message: Message,
}

/// Whether an event is good or bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    /// As intended.
    Normal,
    /// Something is wrong.
    Warning,
}

/// The content of a condition.
pub(super) struct Content {
    pub(super) holds: bool,
    /// Always a documented reason, whatever the status contained.
    pub(super) reason: Reason,
    pub(super) message: Message,
}

/// What has changed for better or worse, each reported once. `contents`: the conditions of the status `after`.
pub(super) fn events(
    assessment: &Assessment,
    contents: &[(ConditionType, Content)],
    before: &OAuthClientStatus,
    after: &OAuthClientStatus,
    now: Time,
) -> Vec<ResourceEvent> {
    let mut events: Vec<ResourceEvent> = Vec::new();
    let mut add = |kind, reason, message: Message| {
        if events.iter().all(|event| event.reason != reason) {
            events.push(ResourceEvent {
                kind,
                reason,
                message,
            });
        }
    };
    let content = |kind| contents.iter().find(|(of, _)| *of == kind);
    let content = |kind| content(kind).map(|(_, content)| content);
    for kind in [
        ConditionType::Stalled,
        ConditionType::RefreshFailing,
        ConditionType::Reconciling,
    ] {
        let Some(now) = content(kind).filter(|content| content.holds) else {
            continue;
        };
        let same = find_condition(before, kind)
            .is_some_and(|then| then.status == "True" && then.reason == now.reason.as_str());
        let routine = matches!(now.reason, Reason::Retrying | Reason::Requesting);
        if !same && !routine {
            add(EventType::Warning, now.reason, now.message.clone());
        }
    }
    let holds = |status: &OAuthClientStatus, kind| {
        find_condition(status, kind).is_some_and(|condition| condition.status == "True")
    };
    let ready = content(ConditionType::Ready);
    let is_ready = ready.filter(|content| content.holds);
    let is_not_ready = ready.filter(|content| !content.holds);
    let expired = assessment.token.as_ref().is_some_and(|token| !token.valid);
    if let Some(ready) = is_not_ready.filter(|_| expired && holds(before, ConditionType::Ready)) {
        add(
            EventType::Warning,
            Reason::TokenExpired,
            ready.message.clone(),
        );
    }
    // The refused one is still there, although nothing fails because of it.
    let over = assessment.refused_provided_token.is_none()
        && reports_problem(before)
        && !reports_problem(after);
    if let Some(ready) = is_ready.filter(|_| over) {
        add(EventType::Normal, Reason::Recovered, ready.message.clone());
    }
    for (which, finding) in assessment.expiries.each(now) {
        let of = |status: &OAuthClientStatus| match which {
            Which::Certificate => status.client_certificate.clone(),
            Which::ClientSecret => status.client_secret.clone(),
        };
        if of(before) != of(after) {
            let finding = EventFinding::Expiry { finding };
            let message = finding.explain(assessment.audience).message();
            add(EventType::Warning, finding.reason(), message);
        }
    }
    let of_next_secret = after.client_secret_key.clone();
    let of_next_secret =
        of_next_secret.filter(|key| before.client_secret_key.as_ref() != Some(key));
    if let Some(key) = of_next_secret {
        let note = Note::NextSecretUsed { key }.text();
        let message = Message::default().noting([note]);
        add(EventType::Normal, Reason::NextClientSecretUsed, message);
    }
    if assessment.repaired {
        let finding = EventFinding::Restored {
            secret: assessment.secret_name.clone(),
        };
        let message = finding.explain(assessment.audience).message();
        add(EventType::Normal, finding.reason(), message);
    }
    events
}

/// Whether a status reports a problem, or that something is awaited.
fn reports_problem(status: &OAuthClientStatus) -> bool {
    let holds = |kind| find_condition(status, kind).filter(|condition| condition.status == "True");
    let awaited = holds(ConditionType::Reconciling);
    awaited.is_some_and(|condition| condition.reason != Reason::Requesting.as_str())
        || holds(ConditionType::Stalled).is_some()
        || holds(ConditionType::RefreshFailing).is_some()
}

/// A documented reason; any other word becomes that of a failed request.
pub(super) fn documented_reason(word: &str) -> Reason {
    Reason::parse(word).unwrap_or(Reason::RequestRefused)
}

pub(super) fn find_condition(
    status: &OAuthClientStatus,
    kind: ConditionType,
) -> Option<&Condition> {
    status
        .conditions
        .iter()
        .find(|condition| condition.type_ == kind.as_str())
}
