//! Restarts workloads after a new token was published: apart from the write of the token, which waits for none of this.
//!
//! A resource with a token that a workload may lack has one task. It observes, decides (`policy/restart.rs`), and looks again
//! while something is in the way, always at the token that is published then: of several tokens, only the newest counts. There
//! are at most as many tasks as resources with `spec.restart`; those at work are few, and shared fairly between namespaces.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::core::v1::Secret as ApiSecret;
use kube::api::{Patch, PatchParams};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::api::validate::{Restart, WorkloadKind};
use crate::engine::Key;
use crate::lock::lock;
use crate::metrics::WriteKind;
use crate::model::Resource;
use crate::policy::restart::{
    self, Obstacle, RESTARTED_AT, RESTARTED_FOR, RestartDecision, RestartToken, decide,
};
use crate::reconcile::{ResourceRead, WriteError};
use crate::tenant;
use crate::time::Span;

use super::api_limiter::CallPurpose;
use super::calls::{CallError, MANAGER};
use super::convert::metadata_seen;
use super::restart_queue::PendingRestart;
use super::rollouts::{Restartable, workload};
use super::shared::Shared;
use super::stored::StoredResource;

/// How soon to look again when the API server did not answer, or the workload changed meanwhile.
const AFTER_API_ERROR: Span = Span::from_seconds(15);
/// The longest pause between two looks at what a person has to change.
const LONGEST_PAUSE: Span = Span::from_seconds(900);

/// Has the workloads of a resource looked at. `is_new`: a token was published just now.
pub(super) fn check_workloads(shared: &Arc<Shared>, key: &Key, is_new: bool) {
    let mut all = lock(&shared.restarts.waiting);
    if let Some(waiting) = all.get(key) {
        waiting.request(is_new);
        return;
    }
    let waiting = Arc::new(PendingRestart::default());
    waiting.request(is_new);
    all.insert(key.clone(), Arc::clone(&waiting));
    drop(all);
    tokio::spawn(serve(Arc::downgrade(shared), key.clone(), waiting));
}

/// Looks at the workloads of one resource until each has its token, or does not get it.
async fn serve(shared: Weak<Shared>, key: Key, waiting: Arc<PendingRestart>) {
    let namespace: Arc<str> = key.namespace().into();
    let mut reported = Reported::new();
    let mut checks = 0;
    loop {
        let Some(shared) = shared.upgrade().filter(|shared| shared.may_start_work()) else {
            return;
        };
        let place = shared.restarts.at_once.take(&namespace, 1).await;
        count(&shared);
        waiting.is_requested.store(false, Ordering::Release);
        let is_new = waiting.is_new.load(Ordering::Acquire);
        let check = Box::pin(check(&shared, &key, is_new, &mut reported));
        let pause = tenant::serve(&namespace, check).await;
        drop(place);
        count(&shared);
        let Some(pause) = pause else {
            let mut all = lock(&shared.restarts.waiting);
            if waiting.is_requested.load(Ordering::Acquire) {
                continue;
            }
            all.remove(&key);
            return;
        };
        drop(shared);
        let pause = pause.with_backoff(checks).to_duration();
        checks += 1;
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = waiting.requested.notified() => checks = 0,
        }
    }
}

/// Updates the gauge.
fn count(shared: &Shared) {
    let (used, waiting) = shared.restarts.at_once.usage();
    shared.metrics.in_use("restarts", used, waiting);
}

/// The obstacle that was reported last for each workload, so that each is reported once.
type Reported = BTreeMap<(WorkloadKind, String), Obstacle>;

/// When to look again.
#[derive(Clone, Copy)]
enum Pause {
    /// After this time.
    After(Span),
    /// After this time, and more and more seldom.
    Growing(Span),
}

impl Pause {
    fn with_backoff(self, checks: u32) -> Span {
        match self {
            Pause::After(span) => span,
            Pause::Growing(span) => {
                let grown = (0..checks.min(10)).fold(span, |span, _| span + span);
                grown.min(LONGEST_PAUSE).max(span)
            }
        }
    }

    fn sooner(self, other: Option<Pause>) -> Pause {
        match (self, other) {
            (Pause::After(one), Some(Pause::After(other))) => Pause::After(one.min(other)),
            (Pause::Growing(_), Some(exact @ Pause::After(_))) => exact,
            _ => self,
        }
    }
}

/// One look at all workloads of a resource; when to look again, if something is left to do.
async fn check(shared: &Shared, key: &Key, is_new: bool, reported: &mut Reported) -> Option<Pause> {
    let retry = Some(Pause::After(AFTER_API_ERROR));
    let api = shared.calls.api::<StoredResource>(key.namespace());
    let read = api.get(key.name());
    let stored = match shared.calls.call_for(CallPurpose::Status, read).await {
        Ok(stored) => stored,
        Err(error) if error.is_not_found() => return None,
        Err(_) => return retry,
    };
    let resource = ResourceRead::new(key, stored.object, stored.problem).resource;
    let spec = resource.spec.as_ref().ok()?;
    if resource.deleting || spec.restart.is_empty() {
        return None;
    }
    let api = shared.calls.api::<ApiSecret>(key.namespace());
    let read = api.get_metadata(&spec.token_secret.name);
    let secret = match shared.calls.call_for(CallPurpose::Status, read).await {
        Ok(secret) => metadata_seen(secret.metadata),
        Err(error) if error.is_not_found() => return None,
        Err(_) => return retry,
    };
    let state = secret.state().filter(|_| secret.is_owned_by(&resource))?;
    let token = RestartToken::new(&resource.name, &state, is_new);
    let mut pause: Option<Pause> = None;
    for restart_spec in &spec.restart {
        let step = match restart_spec.kind {
            WorkloadKind::Deployment => {
                check_workload::<Deployment>(shared, &resource, restart_spec, &token).await
            }
            WorkloadKind::StatefulSet => {
                check_workload::<StatefulSet>(shared, &resource, restart_spec, &token).await
            }
            WorkloadKind::DaemonSet => {
                check_workload::<DaemonSet>(shared, &resource, restart_spec, &token).await
            }
        };
        report(shared, &resource, restart_spec, step, reported);
        let next = match step {
            RestartDecision::Nothing | RestartDecision::Restart | RestartDecision::Refused(_) => {
                continue;
            }
            RestartDecision::Later(span, None) => Pause::After(span),
            RestartDecision::Later(span, Some(_)) => Pause::Growing(span),
        };
        pause = Some(next.sooner(pause));
    }
    pause
}

/// Looks at one workload, and restarts it if that is decided. Returns [`RestartDecision::Restart`] if it was restarted.
async fn check_workload<K>(
    shared: &Shared,
    resource: &Resource,
    restart_spec: &Restart,
    token: &RestartToken,
) -> RestartDecision
where
    K: Restartable
        + kube::Resource<Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
    K::DynamicType: Default,
{
    let api = shared.calls.api::<K>(&resource.namespace);
    let read = api.get(&restart_spec.name);
    let object = match shared.calls.call_for(CallPurpose::Status, read).await {
        Ok(object) => Some(object),
        Err(error) if error.is_not_found() => None,
        Err(CallError::Refused(status)) if status.code == 403 => {
            return not_allowed(token, Obstacle::Forbidden);
        }
        Err(_) => return RestartDecision::Later(AFTER_API_ERROR, None),
    };
    let now = shared.clock.now();
    let seen = object.as_ref().map(workload);
    let verdict = decide(restart_spec, &resource.name, token, seen.as_ref(), now);
    let (RestartDecision::Restart, Some(object)) = (verdict, object) else {
        return verdict;
    };
    let metadata = object.meta();
    let body = json!({
        "metadata": {
            "uid": metadata.uid,
            "resourceVersion": metadata.resource_version,
            "annotations": {RESTARTED_FOR: token.version},
        },
        "spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: now.rfc3339()}}}},
    });
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let patch = Patch::Merge(body);
    let write = api.patch(&restart_spec.name, &params, &patch);
    let answer = shared.calls.call_for(CallPurpose::Status, write).await;
    shared
        .metrics
        .api_write(WriteKind::Workload, answer.is_ok());
    let Err(error) = answer else {
        return RestartDecision::Restart;
    };
    match error.of_write(false) {
        WriteError::Forbidden(_) => not_allowed(token, Obstacle::Forbidden),
        WriteError::Refused(_) | WriteError::Rejected(_) => not_allowed(token, Obstacle::Refused),
        WriteError::Raced | WriteError::NamespaceTerminating | WriteError::Passing(_) => {
            RestartDecision::Later(AFTER_API_ERROR, None)
        }
    }
}

/// What the API server does not allow. For a token from before this process began, it is unknown whether a restart is due.
fn not_allowed(token: &RestartToken, obstacle: Obstacle) -> RestartDecision {
    match token.is_new {
        true => RestartDecision::Later(restart::LOOK_AGAIN, Some(obstacle)),
        false => RestartDecision::Nothing,
    }
}

/// Reports what happened to a workload, once.
fn report(
    shared: &Shared,
    resource: &Resource,
    restart_spec: &Restart,
    verdict: RestartDecision,
    reported: &mut Reported,
) {
    let place = (restart_spec.kind, restart_spec.name.clone());
    let event = match verdict {
        RestartDecision::Restart => {
            reported.remove(&place);
            restart::restarted(restart_spec)
        }
        RestartDecision::Later(_, Some(obstacle)) | RestartDecision::Refused(obstacle) => {
            if reported.insert(place, obstacle) == Some(obstacle) {
                return;
            }
            restart::not_restarted(restart_spec, resource, obstacle)
        }
        RestartDecision::Nothing | RestartDecision::Later(_, None) => return,
    };
    tracing::info!(resource = %format_args!("{}/{}", resource.namespace, resource.name), "{}", event.message);
    shared.events.publish(resource, &event);
}
