//! How the last rollout of a workload goes: what `kubectl rollout status` shows, as data.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::names::RESTART_BY;
use crate::policy::restart::{RESTARTED_AT, RESTARTED_FOR, Rollout, Workload};
use crate::time::Time;

/// A kind of workload that can be restarted.
pub(super) trait Restartable {
    /// How its last rollout goes.
    fn rollout(&self) -> Rollout;
    /// The metadata of its pod template.
    fn template(&self) -> Option<&ObjectMeta>;
}

/// What a decision needs of a workload.
pub(super) fn workload<K>(object: &K) -> Workload
where
    K: Restartable + kube::Resource,
{
    let own = object.meta().annotations.as_ref();
    let of_template = object.template().and_then(|meta| meta.annotations.as_ref());
    let value = |annotations: Option<&BTreeMap<String, String>>, name: &str| {
        annotations.and_then(|annotations| annotations.get(name).cloned())
    };
    Workload {
        restart_by: value(own, RESTART_BY),
        restarted_for: value(own, RESTARTED_FOR),
        restarted_at: value(of_template, RESTARTED_AT)
            .as_deref()
            .and_then(Time::parse_rfc3339),
        rollout: object.rollout(),
    }
}

/// A count in a status, which leaves out zeros.
fn number(count: Option<i32>) -> i32 {
    count.unwrap_or(0)
}

/// Whether new pods are created only when somebody deletes the old ones.
fn is_on_delete(strategy: Option<&str>) -> bool {
    strategy == Some("OnDelete")
}

/// Whether the controller has not seen the newest spec yet.
fn is_behind(metadata: &ObjectMeta, observed: Option<i64>) -> bool {
    observed.unwrap_or(0) < metadata.generation.unwrap_or(0)
}

impl Restartable for Deployment {
    fn rollout(&self) -> Rollout {
        let spec = self.spec.as_ref();
        if spec.and_then(|spec| spec.paused) == Some(true) {
            return Rollout::Paused;
        }
        let Some(status) = &self.status else {
            return Rollout::InProgress;
        };
        if is_behind(&self.metadata, status.observed_generation) {
            return Rollout::InProgress;
        }
        let conditions = status.conditions.as_deref().unwrap_or_default();
        let has = |type_: &str, value: &str| {
            let mut all = conditions.iter();
            all.any(|condition| condition.type_ == type_ && condition.status == value)
        };
        if has("Progressing", "False") || has("ReplicaFailure", "True") {
            return Rollout::Failing;
        }
        let wanted = spec.and_then(|spec| spec.replicas).unwrap_or(1);
        let updated = number(status.updated_replicas);
        let complete = updated >= wanted
            && number(status.replicas) <= updated
            && number(status.available_replicas) >= wanted;
        complete_or_in_progress(complete)
    }

    fn template(&self) -> Option<&ObjectMeta> {
        self.spec.as_ref()?.template.metadata.as_ref()
    }
}

impl Restartable for StatefulSet {
    fn rollout(&self) -> Rollout {
        let spec = self.spec.as_ref();
        let strategy = spec.and_then(|spec| spec.update_strategy.as_ref());
        if is_on_delete(strategy.and_then(|strategy| strategy.type_.as_deref())) {
            return Rollout::OnDelete;
        }
        let Some(status) = &self.status else {
            return Rollout::InProgress;
        };
        let wanted = spec.and_then(|spec| spec.replicas).unwrap_or(1);
        let rolling = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
        let partition = rolling.and_then(|rolling| rolling.partition).unwrap_or(0);
        let is_updated = match partition {
            0 => status.update_revision == status.current_revision,
            _ => number(status.updated_replicas) >= wanted - partition,
        };
        let complete = !is_behind(&self.metadata, status.observed_generation)
            && number(status.ready_replicas) >= wanted
            && is_updated;
        complete_or_in_progress(complete)
    }

    fn template(&self) -> Option<&ObjectMeta> {
        self.spec.as_ref()?.template.metadata.as_ref()
    }
}

impl Restartable for DaemonSet {
    fn rollout(&self) -> Rollout {
        let spec = self.spec.as_ref();
        let strategy = spec.and_then(|spec| spec.update_strategy.as_ref());
        if is_on_delete(strategy.and_then(|strategy| strategy.type_.as_deref())) {
            return Rollout::OnDelete;
        }
        let Some(status) = &self.status else {
            return Rollout::InProgress;
        };
        let wanted = status.desired_number_scheduled;
        let complete = !is_behind(&self.metadata, status.observed_generation)
            && number(status.updated_number_scheduled) >= wanted
            && number(status.number_available) >= wanted;
        complete_or_in_progress(complete)
    }

    fn template(&self) -> Option<&ObjectMeta> {
        self.spec.as_ref()?.template.metadata.as_ref()
    }
}

fn complete_or_in_progress(complete: bool) -> Rollout {
    match complete {
        true => Rollout::Complete,
        false => Rollout::InProgress,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn deployment(paused: bool, status: Value) -> Rollout {
        let object = json!({
            "metadata": {"generation": 3},
            "spec": {"paused": paused, "replicas": 2, "selector": {}, "template": {}},
            "status": status,
        });
        serde_json::from_value::<Deployment>(object)
            .unwrap()
            .rollout()
    }

    fn of_deployment(updated: i32, all: i32, available: i32) -> Value {
        json!({
            "observedGeneration": 3, "updatedReplicas": updated, "replicas": all,
            "availableReplicas": available,
        })
    }

    #[test]
    fn a_deployment_is_complete_when_all_its_pods_are_new_and_available() {
        let done = of_deployment(2, 2, 2);
        assert_eq!(deployment(false, done.clone()), Rollout::Complete);
        assert_eq!(deployment(true, done.clone()), Rollout::Paused);
        for (updated, all, available) in [(1, 2, 2), (2, 3, 2), (2, 2, 1), (0, 0, 0)] {
            let status = of_deployment(updated, all, available);
            assert_eq!(deployment(false, status), Rollout::InProgress);
        }
        let mut unseen = done.clone();
        unseen["observedGeneration"] = json!(2);
        assert_eq!(deployment(false, unseen), Rollout::InProgress);
        for (type_, status) in [("Progressing", "False"), ("ReplicaFailure", "True")] {
            let mut failing = done.clone();
            failing["conditions"] = json!([{"type": type_, "status": status}]);
            assert_eq!(deployment(false, failing), Rollout::Failing);
        }
        let mut well = done;
        well["conditions"] = json!([{"type": "Progressing", "status": "True"}]);
        assert_eq!(deployment(false, well), Rollout::Complete);
    }

    #[test]
    fn a_stateful_set_is_complete_when_its_revisions_are_the_same() {
        let rollout = |strategy: Value, status: Value| {
            let object = json!({
                "metadata": {"generation": 1},
                "spec": {
                    "replicas": 3, "selector": {}, "serviceName": "s", "template": {},
                    "updateStrategy": strategy,
                },
                "status": status,
            });
            serde_json::from_value::<StatefulSet>(object)
                .unwrap()
                .rollout()
        };
        let status = |updated: i32, ready: i32, current: &str| {
            json!({
                "observedGeneration": 1, "replicas": 3, "updatedReplicas": updated,
                "readyReplicas": ready, "updateRevision": "b", "currentRevision": current,
            })
        };
        let rolling = json!({"type": "RollingUpdate"});
        assert_eq!(
            rollout(rolling.clone(), status(3, 3, "b")),
            Rollout::Complete
        );
        assert_eq!(
            rollout(rolling.clone(), status(2, 3, "a")),
            Rollout::InProgress
        );
        assert_eq!(rollout(rolling, status(3, 2, "b")), Rollout::InProgress);
        let parted = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}});
        assert_eq!(
            rollout(parted.clone(), status(1, 3, "a")),
            Rollout::Complete
        );
        assert_eq!(rollout(parted, status(0, 3, "a")), Rollout::InProgress);
        let by_hand = json!({"type": "OnDelete"});
        assert_eq!(rollout(by_hand, status(3, 3, "b")), Rollout::OnDelete);
    }

    #[test]
    fn a_daemon_set_is_complete_when_each_node_has_its_new_pod() {
        let rollout = |strategy: &str, updated: i32, available: i32| {
            let object = json!({
                "metadata": {"generation": 1},
                "spec": {"selector": {}, "template": {}, "updateStrategy": {"type": strategy}},
                "status": {
                    "observedGeneration": 1, "desiredNumberScheduled": 2, "numberAvailable": available,
                    "updatedNumberScheduled": updated, "currentNumberScheduled": 2,
                    "numberMisscheduled": 0, "numberReady": available,
                },
            });
            serde_json::from_value::<DaemonSet>(object)
                .unwrap()
                .rollout()
        };
        assert_eq!(rollout("RollingUpdate", 2, 2), Rollout::Complete);
        assert_eq!(rollout("RollingUpdate", 1, 2), Rollout::InProgress);
        assert_eq!(rollout("RollingUpdate", 2, 1), Rollout::InProgress);
        assert_eq!(rollout("OnDelete", 2, 2), Rollout::OnDelete);
    }

    #[test]
    fn annotations_of_the_workload_and_of_its_template_are_told_apart() {
        let object = json!({
            "metadata": {"annotations": {RESTART_BY: "main", RESTARTED_FOR: "main/1", RESTARTED_AT: "2026-01-01T00:00:00Z"}},
            "spec": {"selector": {}, "template": {"metadata": {"annotations": {
                RESTART_BY: "other", RESTARTED_AT: "2026-01-02T01:00:00+01:00",
            }}}},
        });
        let object: Deployment = serde_json::from_value(object).unwrap();
        let seen = workload(&object);
        assert_eq!(seen.restart_by.as_deref(), Some("main"));
        assert_eq!(seen.restarted_for.as_deref(), Some("main/1"));
        let at = Time::parse_rfc3339("2026-01-02T00:00:00Z");
        assert_eq!(seen.restarted_at, at);
    }
}
