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
    self, Obstacle, RESTARTED_AT, RESTARTED_FOR, RestartToken, Verdict, decide,
};
use crate::reconcile::{ResourceRead, WriteError};
use crate::tenant;
use crate::time::Span;

use super::api_limiter::For;
use super::calls::{CallError, MANAGER};
use super::convert::metadata_seen;
use super::restart_queue::Waiting;
use super::rollouts::{Restartable, workload};
use super::shared::Shared;
use super::stored::Stored;

/// How soon to look again when the API server did not answer, or the workload changed meanwhile.
const AFTER_TROUBLE: Span = Span::from_seconds(15);
/// The longest pause between two looks at what a person has to change.
const LONGEST_PAUSE: Span = Span::from_seconds(900);

/// Has the workloads of a resource looked at. `is_new`: a token was published just now.
pub(super) fn look_at_workloads(shared: &Arc<Shared>, key: &Key, is_new: bool) {
    let mut all = lock(&shared.restarts.waiting);
    if let Some(waiting) = all.get(key) {
        waiting.ask(is_new);
        return;
    }
    let waiting = Arc::new(Waiting::default());
    waiting.ask(is_new);
    all.insert(key.clone(), Arc::clone(&waiting));
    drop(all);
    tokio::spawn(serve(Arc::downgrade(shared), key.clone(), waiting));
}

/// Looks at the workloads of one resource until each has its token, or does not get it.
async fn serve(shared: Weak<Shared>, key: Key, waiting: Arc<Waiting>) {
    let namespace: Arc<str> = key.namespace().into();
    let mut reported = Reported::new();
    let mut looks = 0;
    loop {
        let Some(shared) = shared.upgrade().filter(|shared| shared.may_begin()) else {
            return;
        };
        let place = shared.restarts.at_once.take(&namespace, 1).await;
        count(&shared);
        waiting.is_asked.store(false, Ordering::Release);
        let is_new = waiting.is_new.load(Ordering::Acquire);
        let look = Box::pin(look(&shared, &key, is_new, &mut reported));
        let pause = tenant::serve(&namespace, look).await;
        drop(place);
        count(&shared);
        let Some(pause) = pause else {
            let mut all = lock(&shared.restarts.waiting);
            if waiting.is_asked.load(Ordering::Acquire) {
                continue;
            }
            all.remove(&key);
            return;
        };
        drop(shared);
        let pause = pause.patiently(looks).to_duration();
        looks += 1;
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = waiting.came.notified() => looks = 0,
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
    For(Span),
    /// After this time, and more and more seldom.
    Growing(Span),
}

impl Pause {
    fn patiently(self, looks: u32) -> Span {
        match self {
            Pause::For(span) => span,
            Pause::Growing(span) => {
                let grown = (0..looks.min(10)).fold(span, |span, _| span + span);
                grown.min(LONGEST_PAUSE).max(span)
            }
        }
    }

    fn sooner(self, other: Option<Pause>) -> Pause {
        match (self, other) {
            (Pause::For(one), Some(Pause::For(other))) => Pause::For(one.min(other)),
            (Pause::Growing(_), Some(exact @ Pause::For(_))) => exact,
            _ => self,
        }
    }
}

/// One look at all workloads of a resource; when to look again, if something is left to do.
async fn look(shared: &Shared, key: &Key, is_new: bool, reported: &mut Reported) -> Option<Pause> {
    let trouble = Some(Pause::For(AFTER_TROUBLE));
    let api = shared.calls.api::<Stored>(key.namespace());
    let read = api.get(key.name());
    let stored = match shared.calls.call_for(For::Status, read).await {
        Ok(stored) => stored,
        Err(error) if error.is_not_found() => return None,
        Err(_) => return trouble,
    };
    let resource = ResourceRead::new(key, stored.object, stored.problem).resource;
    let spec = resource.spec.as_ref().ok()?;
    if resource.deleting || spec.restart.is_empty() {
        return None;
    }
    let api = shared.calls.api::<ApiSecret>(key.namespace());
    let read = api.get_metadata(&spec.token_secret.name);
    let secret = match shared.calls.call_for(For::Status, read).await {
        Ok(secret) => metadata_seen(secret.metadata),
        Err(error) if error.is_not_found() => return None,
        Err(_) => return trouble,
    };
    let state = secret.state().filter(|_| secret.is_owned_by(&resource))?;
    let token = RestartToken::new(&resource.name, &state, is_new);
    let mut pause: Option<Pause> = None;
    for wanted in &spec.restart {
        let step = match wanted.kind {
            WorkloadKind::Deployment => one::<Deployment>(shared, &resource, wanted, &token).await,
            WorkloadKind::StatefulSet => {
                one::<StatefulSet>(shared, &resource, wanted, &token).await
            }
            WorkloadKind::DaemonSet => one::<DaemonSet>(shared, &resource, wanted, &token).await,
        };
        report(shared, &resource, wanted, step, reported);
        let next = match step {
            Verdict::Nothing | Verdict::Restart | Verdict::Refused(_) => continue,
            Verdict::Later(span, None) => Pause::For(span),
            Verdict::Later(span, Some(_)) => Pause::Growing(span),
        };
        pause = Some(next.sooner(pause));
    }
    pause
}

/// Looks at one workload, and restarts it if that is decided. [`Verdict::Restart`]: it was restarted.
async fn one<K>(
    shared: &Shared,
    resource: &Resource,
    wanted: &Restart,
    token: &RestartToken,
) -> Verdict
where
    K: Restartable
        + kube::Resource<Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
    K::DynamicType: Default,
{
    let api = shared.calls.api::<K>(&resource.namespace);
    let read = api.get(&wanted.name);
    let object = match shared.calls.call_for(For::Status, read).await {
        Ok(object) => Some(object),
        Err(error) if error.is_not_found() => None,
        Err(CallError::Refused(status)) if status.code == 403 => {
            return hindered(token, Obstacle::Forbidden);
        }
        Err(_) => return Verdict::Later(AFTER_TROUBLE, None),
    };
    let now = shared.clock.now();
    let seen = object.as_ref().map(workload);
    let verdict = decide(wanted, &resource.name, token, seen.as_ref(), now);
    let (Verdict::Restart, Some(object)) = (verdict, object) else {
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
    let write = api.patch(&wanted.name, &params, &patch);
    let answer = shared.calls.call_for(For::Status, write).await;
    shared
        .metrics
        .api_write(WriteKind::Workload, answer.is_ok());
    let Err(error) = answer else {
        return Verdict::Restart;
    };
    match error.of_write(false) {
        WriteError::Forbidden(_) => hindered(token, Obstacle::Forbidden),
        WriteError::Refused(_) | WriteError::Rejected(_) => hindered(token, Obstacle::Refused),
        WriteError::Raced | WriteError::NamespaceTerminating | WriteError::Passing(_) => {
            Verdict::Later(AFTER_TROUBLE, None)
        }
    }
}

/// What the API server does not allow. For a token from before this process began, it is unknown whether a restart is due.
fn hindered(token: &RestartToken, obstacle: Obstacle) -> Verdict {
    match token.is_new {
        true => Verdict::Later(restart::LOOK_AGAIN, Some(obstacle)),
        false => Verdict::Nothing,
    }
}

/// Reports what happened to a workload, once.
fn report(
    shared: &Shared,
    resource: &Resource,
    wanted: &Restart,
    verdict: Verdict,
    reported: &mut Reported,
) {
    let place = (wanted.kind, wanted.name.clone());
    let notice = match verdict {
        Verdict::Restart => {
            reported.remove(&place);
            restart::restarted(wanted)
        }
        Verdict::Later(_, Some(obstacle)) | Verdict::Refused(obstacle) => {
            if reported.insert(place, obstacle) == Some(obstacle) {
                return;
            }
            restart::not_restarted(wanted, resource, obstacle)
        }
        Verdict::Nothing | Verdict::Later(_, None) => return,
    };
    tracing::info!(resource = %format_args!("{}/{}", resource.namespace, resource.name), "{}", notice.message);
    shared.events.publish(resource, &notice);
}
