//! Changes to report once: as events, or as lines of `local`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::api::OAuthClientStatus;
use crate::api::conditions::{ConditionType, Reason};
use crate::command::printable;
use crate::model::Assessment;
use crate::time::Time;

use super::expiry::Which;

/// Something to report once, as an event or a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Good or bad.
    pub kind: NoticeKind,
    /// The reason.
    pub reason: Reason,
    /// The sentence.
    pub message: String,
}

/// Whether a notice is good or bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeKind {
    /// As intended.
    Normal,
    /// Something is wrong.
    Warning,
}

/// What has changed for better or worse, each reported once.
pub(super) fn notices(
    assessment: &Assessment,
    before: &OAuthClientStatus,
    after: &OAuthClientStatus,
    now: Time,
) -> Vec<Notice> {
    let mut notices: Vec<Notice> = Vec::new();
    let mut tell = |kind, word: &str, message: &str| {
        let reason = known(word);
        if notices.iter().all(|notice| notice.reason != reason) {
            notices.push(Notice {
                kind,
                reason,
                message: printable(message).into_owned(),
            });
        }
    };
    let holds = |status: &OAuthClientStatus, kind| {
        find(status, kind).is_some_and(|condition| condition.status == "True")
    };
    for kind in [
        ConditionType::Stalled,
        ConditionType::RefreshFailing,
        ConditionType::Reconciling,
    ] {
        let Some(now) = find(after, kind).filter(|condition| condition.status == "True") else {
            continue;
        };
        let same = find(before, kind)
            .is_some_and(|then| then.status == "True" && then.reason == now.reason);
        let routine = [Reason::Retrying, Reason::Requesting].map(Reason::as_str);
        if !same && !routine.contains(&now.reason.as_str()) {
            tell(NoticeKind::Warning, &now.reason, &now.message);
        }
    }
    let was_ready = holds(before, ConditionType::Ready);
    let is_ready = holds(after, ConditionType::Ready);
    if was_ready && !is_ready && assessment.token.as_ref().is_some_and(|token| !token.valid) {
        let message = find(after, ConditionType::Ready).map_or("", |condition| &condition.message);
        tell(NoticeKind::Warning, Reason::TokenExpired.as_str(), message);
    }
    let troubled = |status| {
        let awaited = find(status, ConditionType::Reconciling).is_some_and(|condition| {
            condition.status == "True" && condition.reason != Reason::Requesting.as_str()
        });
        awaited
            || [ConditionType::Stalled, ConditionType::RefreshFailing]
                .into_iter()
                .any(|kind| holds(status, kind))
    };
    // The refused one is still there, although nothing fails because of it.
    let over = assessment.refused_offer.is_none();
    if is_ready && over && troubled(before) && !troubled(after) {
        let message = find(after, ConditionType::Ready).map_or("", |condition| &condition.message);
        tell(NoticeKind::Normal, Reason::Recovered.as_str(), message);
    }
    for (which, reason, message) in assessment.expiries.notices(now) {
        let of = |status: &OAuthClientStatus| match which {
            Which::Certificate => status.client_certificate.clone(),
            Which::ClientSecret => status.client_secret.clone(),
        };
        if of(before) != of(after) {
            tell(NoticeKind::Warning, reason.as_str(), &message);
        }
    }
    if let Some(key) = after
        .client_secret_key
        .as_ref()
        .filter(|_| before.client_secret_key != after.client_secret_key)
    {
        let message = super::rotation::remark(key);
        tell(
            NoticeKind::Normal,
            Reason::NextClientSecretUsed.as_str(),
            &message,
        );
    }
    if assessment.repaired {
        let message = format!(
            "Secret {} had been altered or deleted by someone else; a new token was written.",
            assessment.secret_name
        );
        tell(NoticeKind::Normal, Reason::Restored.as_str(), &message);
    }
    notices
}

/// A documented reason; any other word becomes that of a failed request.
pub(crate) fn known(word: &str) -> Reason {
    Reason::parse(word).unwrap_or(Reason::RequestRefused)
}

pub(crate) fn find(status: &OAuthClientStatus, kind: ConditionType) -> Option<&Condition> {
    status
        .conditions
        .iter()
        .find(|condition| condition.type_ == kind.as_str())
}
