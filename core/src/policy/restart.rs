//! Whether a workload is restarted because a new token was published. Pure.
//!
//! Workloads with the token in an environment variable or a `subPath` mount keep the old one until their pods are replaced. The
//! owner of a workload agrees with an annotation, because who may write `OAuthClients` may have no permissions on workloads.

use crate::messages::{Audience, EventFinding, NotRestarted};
use crate::model::{Resource, Restart, TokenState};
use crate::time::{Span, Time};

use super::events::{EventType, ResourceEvent};

/// Annotation of a workload: the token that it was last restarted for. It is no part of the pod template, so that a rollback does
/// not bring an older value back.
pub const RESTARTED_FOR: &str = "oauthclient.dev/restarted-for";
/// Annotation of a pod template: when it was last restarted, as `kubectl rollout restart` writes it.
pub const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

/// How soon a rollout in progress is looked at again.
const LOOK_AT_ROLLOUT: Span = Span::from_seconds(10);
/// How soon what needs a person is looked at again.
pub const LOOK_AGAIN: Span = Span::from_seconds(60);

/// A published token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestartToken {
    /// Which token it is: the resource, and when the token was issued. Nothing of the token itself.
    pub version: String,
    /// Its lifetime.
    pub lifetime: Span,
    /// It was published by this process since the workload was last looked at. After a restart of the operator, nobody knows
    /// whether the pods of a workload without [`RESTARTED_FOR`] have it already.
    pub is_new: bool,
}

impl RestartToken {
    /// The token of the resource `name`.
    pub fn new(name: &str, state: &TokenState, is_new: bool) -> RestartToken {
        RestartToken {
            version: format!("{name}/{}", state.issued.rfc3339_millis()),
            lifetime: state.expires().since(state.issued),
            is_new,
        }
    }
}

/// A workload as it was observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// The value of [`crate::names::RESTART_BY`].
    pub restart_by: Option<String>,
    /// The value of [`RESTARTED_FOR`].
    pub restarted_for: Option<String>,
    /// The value of [`RESTARTED_AT`], if it is a time.
    pub restarted_at: Option<Time>,
    /// Its last rollout.
    pub rollout: Rollout,
}

/// How the last rollout of a workload goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rollout {
    /// All pods are those of the present template, and available.
    Complete,
    /// Pods are being replaced, or are not available yet.
    InProgress,
    /// It does not get on.
    Failing,
    /// Somebody paused it.
    Paused,
    /// Pods are replaced only when somebody deletes them.
    OnDelete,
}

/// What to do about one workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartDecision {
    /// It has this token already, or nobody knows that it does not.
    Nothing,
    /// Restart it now.
    Restart,
    /// Look again after this time; why, where a person should know.
    Later(Span, Option<Obstacle>),
    /// It is not restarted for this token.
    Refused(Obstacle),
}

/// Why a workload is not restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Obstacle {
    /// There is no such workload.
    NotFound,
    /// Its owner does not agree.
    NotOptedIn,
    /// The lifetime of the token is shorter than twice the interval.
    LifetimeTooShort,
    /// Its last rollout fails.
    RolloutFailing,
    /// Its rollout is paused.
    Paused,
    /// Its pods are replaced only when somebody deletes them.
    OnDelete,
    /// The operator lacks the permission.
    Forbidden,
    /// The API server refuses the change, for example by a webhook.
    Refused,
}

/// Decides about one workload; `None` if it does not exist.
pub fn decide(
    wanted: &Restart,
    resource: &str,
    token: &RestartToken,
    workload: Option<&Workload>,
    now: Time,
) -> RestartDecision {
    let Some(workload) = workload else {
        return match token.is_new {
            true => RestartDecision::Later(LOOK_AGAIN, Some(Obstacle::NotFound)),
            false => RestartDecision::Nothing,
        };
    };
    if !is_due(resource, token, workload) {
        return RestartDecision::Nothing;
    }
    if token.lifetime < wanted.min_interval + wanted.min_interval {
        return RestartDecision::Refused(Obstacle::LifetimeTooShort);
    }
    if workload.restart_by.as_deref() != Some(resource) {
        return RestartDecision::Later(LOOK_AGAIN, Some(Obstacle::NotOptedIn));
    }
    match workload.rollout {
        Rollout::Complete => {}
        Rollout::InProgress => return RestartDecision::Later(LOOK_AT_ROLLOUT, None),
        Rollout::Failing => {
            return RestartDecision::Later(LOOK_AGAIN, Some(Obstacle::RolloutFailing));
        }
        Rollout::Paused => return RestartDecision::Later(LOOK_AGAIN, Some(Obstacle::Paused)),
        Rollout::OnDelete => return RestartDecision::Refused(Obstacle::OnDelete),
    }
    match left_of_interval(wanted, workload, now) {
        Some(left) => RestartDecision::Later(left, None),
        None => RestartDecision::Restart,
    }
}

/// Whether the pods may still have an older token of this resource.
fn is_due(resource: &str, token: &RestartToken, workload: &Workload) -> bool {
    let restarted_for = workload.restarted_for.as_deref();
    let of_this_resource = |version: &&str| {
        version
            .strip_prefix(resource)
            .is_some_and(|rest| rest.starts_with('/'))
    };
    match restarted_for.filter(of_this_resource) {
        Some(version) => version != token.version,
        None => token.is_new,
    }
}

/// What is left of the interval since the last restart, whoever made it. A time in the future does not count as more than now.
fn left_of_interval(wanted: &Restart, workload: &Workload, now: Time) -> Option<Span> {
    let last = workload.restarted_at?.min(now);
    let left = (last + wanted.min_interval).since(now);
    (left > Span::ZERO).then_some(left)
}

/// The event after a restart.
pub fn restarted(wanted: &Restart) -> ResourceEvent {
    event(
        EventType::Normal,
        &EventFinding::WorkloadRestarted {
            kind: wanted.kind.as_str(),
            workload: wanted.name.clone(),
        },
    )
}

/// The event when a workload is not restarted.
pub fn not_restarted(wanted: &Restart, resource: &Resource, obstacle: Obstacle) -> ResourceEvent {
    let spec = resource.spec.as_ref();
    let why = match obstacle {
        Obstacle::NotFound => NotRestarted::NotFound,
        Obstacle::NotOptedIn => NotRestarted::NotOptedIn,
        Obstacle::LifetimeTooShort => NotRestarted::LifetimeTooShort {
            secret: spec.map_or_else(|_| String::new(), |spec| spec.token_secret.name.clone()),
        },
        Obstacle::RolloutFailing => NotRestarted::RolloutFailing,
        Obstacle::Paused => NotRestarted::Paused,
        Obstacle::OnDelete => NotRestarted::OnDelete,
        Obstacle::Forbidden => NotRestarted::Forbidden,
        Obstacle::Refused => NotRestarted::Refused,
    };
    event(
        EventType::Warning,
        &EventFinding::WorkloadNotRestarted {
            kind: wanted.kind.as_str(),
            workload: wanted.name.clone(),
            namespace: resource.namespace.clone(),
            resource: resource.name.clone(),
            why,
        },
    )
}

/// Workloads exist on a cluster only.
fn event(kind: EventType, finding: &EventFinding) -> ResourceEvent {
    ResourceEvent {
        kind,
        reason: finding.reason(),
        message: finding.explain(Audience::Cluster).message(),
    }
}
