//! What is installed: the CRD, the operator's Deployment, its pods and its Lease, as far as the user may read them.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Container, Pod};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use serde_json::Value;

use crate::api::crd;
use crate::time::Time;

use super::cluster::{ApiOperation, CLIENTS, CallFailure, Cluster};

/// The label of the operator's objects in `deploy/`.
pub(super) const SELECTOR: &str = "app.kubernetes.io/name=oauthclient-operator";
/// The default name of the Lease.
const LEASE: &str = "oauthclient-operator";

/// The result of a look-up, or why it failed.
pub(super) type LookupResult<T> = Result<T, String>;

/// The CRD in the cluster, compared with this version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Definition {
    /// Whether it is served.
    pub(super) established: bool,
    /// Paths of fields that it lacks.
    pub(super) lacks: Vec<String>,
    /// Fields that this version does not know.
    pub(super) has_more: Vec<String>,
}

/// A Deployment of the operator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Operator {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) image: String,
    pub(super) arguments: Vec<String>,
    pub(super) account: String,
    pub(super) wanted: i32,
    pub(super) ready: i32,
}

/// A pod of the operator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct OperatorPod {
    pub(super) name: String,
    pub(super) ready: bool,
    pub(super) restarts: i32,
    /// Why it is waiting, such as `ImagePullBackOff`.
    pub(super) waiting: Option<String>,
}

/// The operator's Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LeaseSeen {
    pub(super) holder: String,
    /// When it was renewed, by the operator's clock.
    pub(super) renewed: Option<Time>,
    /// When that write arrived, by the API server's clock.
    pub(super) received: Option<Time>,
    pub(super) seconds: i32,
}

impl Operator {
    /// The version in the image's tag.
    pub(super) fn version(&self) -> Option<&str> {
        let image = self.image.split('@').next()?;
        let (_, tag) = image.rsplit_once(':')?;
        (!tag.contains('/') && !tag.is_empty()).then_some(tag)
    }

    /// Whether it serves a namespace, according to its flags.
    pub(super) fn serves(&self, namespace: &str) -> bool {
        let mut flags = self.arguments.iter();
        let named = flags.find_map(|flag| flag.strip_prefix("--watch-namespaces="));
        named.is_none_or(|names| {
            names.trim().is_empty() || names.split(',').any(|name| name.trim() == namespace)
        })
    }
}

/// The CRD; `None` if there is none.
pub(super) async fn definition(cluster: &Cluster) -> LookupResult<Option<Definition>> {
    let api = Api::<CustomResourceDefinition>::all(cluster.client());
    let operation = ApiOperation {
        verb: "get",
        resource: "customresourcedefinitions.apiextensions.k8s.io",
        name: CLIENTS,
    };
    match cluster.call(operation, api.get(CLIENTS)).await {
        Ok(found) => Ok(Some(compared(&found))),
        Err(CallFailure::NotThere) => Ok(None),
        Err(failure) => Err(why(failure)),
    }
}

fn why(failure: CallFailure) -> String {
    crate::plugin::problem::Problem::from(failure).message
}

fn compared(found: &CustomResourceDefinition) -> Definition {
    let established = found.status.iter().any(|status| {
        let mut all = status.conditions.iter().flatten();
        all.any(|one| one.type_ == "Established" && one.status == "True")
    });
    let theirs = paths(&serde_json::to_value(found).unwrap_or_default());
    let ours = paths(&serde_json::to_value(crd()).unwrap_or_default());
    let without = |these: &[String], those: &[String]| {
        let only = these.iter().filter(|path| !those.contains(path));
        only.cloned().collect()
    };
    Definition {
        established,
        lacks: without(&ours, &theirs),
        has_more: without(&theirs, &ours),
    }
}

/// The fields of a definition's `v1alpha1`, such as `spec.provider.tokenURL`.
fn paths(definition: &Value) -> Vec<String> {
    let versions = definition
        .pointer("/spec/versions")
        .and_then(Value::as_array);
    let ours = versions
        .into_iter()
        .flatten()
        .find(|one| one["name"] == "v1alpha1");
    let mut found = Vec::new();
    if let Some(schema) = ours.and_then(|one| one.pointer("/schema/openAPIV3Schema")) {
        collect(schema, "", &mut found);
    }
    found.retain(|path| path.starts_with("spec.") || path.starts_with("status."));
    found
}

fn collect(schema: &Value, above: &str, found: &mut Vec<String>) {
    for (name, field) in schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let path = match above {
            "" => name.clone(),
            above => format!("{above}.{name}"),
        };
        collect(field, &path, found);
        found.push(path);
    }
    if let Some(items) = schema.get("items") {
        collect(items, &format!("{above}[]"), found);
    }
}

/// The Deployments of the operator: in all namespaces if the user may read them, else in the default one.
pub(super) async fn operators(cluster: &Cluster, namespace: &str) -> LookupResult<Vec<Operator>> {
    let params = ListParams::default().labels(SELECTOR);
    let operation = ApiOperation {
        verb: "list",
        resource: "deployments.apps",
        name: "",
    };
    let everywhere: Api<Deployment> = cluster.everywhere();
    let list = match cluster.call(operation, everywhere.list(&params)).await {
        Ok(list) => list,
        Err(_) => {
            let there = cluster.within(namespace);
            let api: Api<Deployment> = there.api();
            there
                .call(operation, api.list(&params))
                .await
                .map_err(why)?
        }
    };
    Ok(list.items.iter().map(operator).collect())
}

fn operator(deployment: &Deployment) -> Operator {
    let spec = deployment.spec.as_ref();
    let pod = spec.and_then(|spec| spec.template.spec.as_ref());
    let container = pod.and_then(|pod| {
        let named = pod.containers.iter().find(|one| one.name == "operator");
        named.or_else(|| pod.containers.first())
    });
    let ready = deployment
        .status
        .as_ref()
        .and_then(|status| status.ready_replicas);
    Operator {
        namespace: deployment.namespace().unwrap_or_default(),
        name: deployment.name_any(),
        image: container
            .and_then(|one| one.image.clone())
            .unwrap_or_default(),
        arguments: container.map(arguments).unwrap_or_default(),
        account: pod
            .and_then(|pod| pod.service_account_name.clone())
            .unwrap_or_else(|| "default".to_owned()),
        wanted: spec.and_then(|spec| spec.replicas).unwrap_or(1),
        ready: ready.unwrap_or(0),
    }
}

/// Its flags, from arguments and environment variables.
fn arguments(container: &Container) -> Vec<String> {
    let mut all = container.args.clone().unwrap_or_default();
    for variable in container.env.iter().flatten() {
        let name = variable.name.strip_prefix("OAUTHCLIENT_");
        if let (Some(name), Some(value)) = (name, &variable.value) {
            all.push(format!(
                "--{}={value}",
                name.to_lowercase().replace('_', "-")
            ));
        }
    }
    all
}

/// The operator's pods in a namespace.
pub(super) async fn pods(cluster: &Cluster, namespace: &str) -> LookupResult<Vec<OperatorPod>> {
    let there = cluster.within(namespace);
    let api: Api<Pod> = there.api();
    let operation = ApiOperation {
        verb: "list",
        resource: "pods",
        name: "",
    };
    let params = ListParams::default().labels(SELECTOR);
    let list = there
        .call(operation, api.list(&params))
        .await
        .map_err(why)?;
    Ok(list.items.iter().map(pod).collect())
}

fn pod(pod: &Pod) -> OperatorPod {
    let status = pod.status.clone().unwrap_or_default();
    let containers = status.container_statuses.unwrap_or_default();
    let ready = status
        .conditions
        .iter()
        .flatten()
        .any(|one| one.type_ == "Ready" && one.status == "True");
    OperatorPod {
        name: pod.name_any(),
        ready,
        restarts: containers.iter().map(|one| one.restart_count).sum(),
        waiting: containers
            .iter()
            .find_map(|one| one.state.as_ref()?.waiting.as_ref()?.reason.clone()),
    }
}

/// The operator's Lease; `None` if there is none.
pub(super) async fn lease(cluster: &Cluster, namespace: &str) -> LookupResult<Option<LeaseSeen>> {
    let there = cluster.within(namespace);
    let api: Api<Lease> = there.api();
    let operation = ApiOperation {
        verb: "get",
        resource: "leases.coordination.k8s.io",
        name: LEASE,
    };
    match there.call(operation, api.get(LEASE)).await {
        Ok(found) => Ok(Some(lease_seen(&found))),
        Err(CallFailure::NotThere) => Ok(None),
        Err(failure) => Err(why(failure)),
    }
}

fn lease_seen(lease: &Lease) -> LeaseSeen {
    let spec = lease.spec.clone().unwrap_or_default();
    let time = |text: String| Time::parse_rfc3339(&text);
    let managed = lease.metadata.managed_fields.iter().flatten();
    LeaseSeen {
        holder: spec.holder_identity.unwrap_or_default(),
        renewed: spec.renew_time.and_then(|at| time(at.0.to_string())),
        received: managed
            .filter_map(|one| time(one.time.as_ref()?.0.to_string()))
            .max(),
        seconds: spec.lease_duration_seconds.unwrap_or(15),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_definition_of_this_version_lacks_nothing() {
        let same = compared(&crd());
        assert_eq!((same.lacks, same.has_more), (Vec::new(), Vec::new()));
    }

    #[test]
    fn a_field_that_an_older_definition_lacks_is_named() {
        let mut value = serde_json::to_value(crd()).unwrap();
        let spec = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
        value
            .pointer_mut(spec)
            .unwrap()
            .as_object_mut()
            .unwrap()
            .remove("revocation");
        let older = compared(&serde_json::from_value(value).unwrap());
        assert!(
            older.lacks.contains(&"spec.revocation".to_owned()),
            "{older:?}"
        );
        assert!(older.has_more.is_empty());
    }

    #[test]
    fn the_version_is_the_tag_and_never_the_port_of_a_registry() {
        let of = |image: &str| {
            let operator = Operator {
                image: image.to_owned(),
                ..Operator::default()
            };
            operator.version().map(str::to_owned)
        };
        assert_eq!(
            of("registry.example.com:5000/oauthclient-operator:0.2.0@sha256:ab").as_deref(),
            Some("0.2.0")
        );
        assert_eq!(of("registry.example.com:5000/oauthclient-operator"), None);
    }

    #[test]
    fn an_operator_of_some_namespaces_serves_no_other() {
        let some = Operator {
            arguments: vec!["run".to_owned(), "--watch-namespaces=a,b".to_owned()],
            ..Operator::default()
        };
        assert!(some.serves("b") && !some.serves("c"));
        assert!(Operator::default().serves("c"));
    }

    #[test]
    fn a_lease_tells_both_clocks() {
        let lease: Lease = serde_json::from_value(json!({
            "metadata": {"name": "oauthclient-operator", "managedFields": [{"manager": "m", "operation": "Update", "time": "2023-11-14T22:13:20Z"}]},
            "spec": {"holderIdentity": "pod_x", "renewTime": "2023-11-14T22:13:50.000000Z", "leaseDurationSeconds": 15},
        }))
        .unwrap();
        let seen = lease_seen(&lease);
        assert_eq!(
            seen.renewed
                .unwrap()
                .since(seen.received.unwrap())
                .seconds(),
            30
        );
    }
}
