//! Collects the facts for the doctor.

use std::time::Duration;

use http::Request;
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec, SubjectAccessReview,
    SubjectAccessReviewSpec, SubjectAccessReviewStatus,
};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Api;
use kube::api::{ListParams, PostParams};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::api::spec::OAuthClient;
use crate::clock::Clock;
use crate::plugin::cluster::{ApiOperation, Cluster};
use crate::plugin::installation::{
    Definition, LeaseSeen, LookupResult, Operator, OperatorPod, SELECTOR, definition, lease,
    operators, pods,
};
use crate::plugin::problem::Problem;
use crate::plugin::status::all;
use crate::time::{Span, Time};

/// A permission, as `kubectl auth can-i` takes it: verb, group, resource, subresource.
pub(super) type Permission = (&'static str, &'static str, &'static str, &'static str);

/// The permissions that the operator requires in a namespace that it serves.
pub(super) const OPERATOR_PERMISSIONS: [Permission; 9] = [
    ("get", "oauthclient.dev", "oauthclients", ""),
    ("list", "oauthclient.dev", "oauthclients", ""),
    ("watch", "oauthclient.dev", "oauthclients", ""),
    ("patch", "oauthclient.dev", "oauthclients", "status"),
    ("get", "", "secrets", ""),
    ("list", "", "secrets", ""),
    ("watch", "", "secrets", ""),
    ("create", "", "secrets", ""),
    ("patch", "", "secrets", ""),
];

/// The permissions that the user needs for the usual commands of this plugin.
const OWN_PERMISSIONS: [Permission; 4] = [
    ("list", "oauthclient.dev", "oauthclients", ""),
    ("create", "oauthclient.dev", "oauthclients", ""),
    ("patch", "oauthclient.dev", "oauthclients", ""),
    ("create", "", "secrets", ""),
];

/// The time-out of one call.
const PATIENCE: Duration = Duration::from_secs(15);

/// The collected facts.
pub(super) struct Facts {
    pub(super) address: String,
    pub(super) namespace: String,
    pub(super) everywhere: bool,
    pub(super) kubernetes: LookupResult<String>,
    /// How far this machine's clock is ahead of the API server's.
    pub(super) clock_ahead: LookupResult<Span>,
    pub(super) definition: LookupResult<Option<Definition>>,
    pub(super) operators: LookupResult<Vec<Operator>>,
    pub(super) pods: LookupResult<Vec<OperatorPod>>,
    pub(super) lease: LookupResult<Option<LeaseSeen>>,
    /// Permissions that the operator lacks in the namespace.
    pub(super) operator_missing_permissions: LookupResult<Vec<Permission>>,
    /// Permissions that the user lacks in the namespace.
    pub(super) own_missing_permissions: LookupResult<Vec<Permission>>,
    /// The numbers of the operator's admission policies and bindings.
    pub(super) policies: LookupResult<(usize, usize)>,
    /// Whether the cluster's DNS has a ready endpoint; `None` if it is not in its usual place.
    pub(super) dns: LookupResult<Option<bool>>,
    pub(super) clients: Vec<OAuthClient>,
    /// Why they could not be listed.
    pub(super) clients_unknown: Option<String>,
}

/// Collects the facts.
pub(super) async fn gather(
    cluster: &Cluster,
    operator_namespace: &str,
    everywhere: bool,
    clock: &Clock,
) -> Facts {
    let (kubernetes, clock_ahead) = version_and_clock(cluster, clock).await;
    let operators = operators(cluster, operator_namespace).await;
    let first = operators.as_ref().ok().and_then(|all| all.first().cloned());
    let home = first
        .as_ref()
        .map_or(operator_namespace, |one| one.namespace.as_str());
    let (clients, clients_unknown) = match all(cluster, everywhere, None).await {
        Ok(clients) => (clients, None),
        Err(problem) => (Vec::new(), Some(problem.message)),
    };
    Facts {
        address: cluster.address().to_owned(),
        namespace: cluster.namespace.clone(),
        everywhere,
        kubernetes,
        clock_ahead,
        definition: definition(cluster).await,
        pods: pods(cluster, home).await,
        lease: lease(cluster, home).await,
        operator_missing_permissions: match &first {
            Some(operator) => operator_missing_permissions(cluster, operator).await,
            None => Err("no Deployment of the operator was found".to_owned()),
        },
        own_missing_permissions: own_missing_permissions(cluster).await,
        policies: policies(cluster).await,
        dns: dns(cluster).await,
        operators,
        clients,
        clients_unknown,
    }
}

async fn version_and_clock(
    cluster: &Cluster,
    clock: &Clock,
) -> (LookupResult<String>, LookupResult<Span>) {
    let version = cluster.version().await.map_err(|problem| problem.message);
    let unknown = || "the API server did not report its time".to_owned();
    let ahead = async {
        let request = Request::get("/version")
            .body(kube::client::Body::empty())
            .ok()?;
        let answer = timeout(PATIENCE, cluster.client().send(request))
            .await
            .ok()?
            .ok()?;
        let here = clock.now();
        let date = answer.headers().get(http::header::DATE)?.to_str().ok()?;
        let there = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
        Some(here.since(Time::from_seconds(there.as_second())))
    };
    (version, ahead.await.ok_or_else(unknown))
}

fn attributes(permission: Permission, namespace: &str) -> ResourceAttributes {
    let (verb, group, resource, subresource) = permission;
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    ResourceAttributes {
        namespace: Some(namespace.to_owned()),
        verb: given(verb),
        group: given(group),
        resource: given(resource),
        subresource: given(subresource),
        ..ResourceAttributes::default()
    }
}

async fn own_missing_permissions(cluster: &Cluster) -> LookupResult<Vec<Permission>> {
    let review = |attributes| SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(attributes),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let resource = "selfsubjectaccessreviews.authorization.k8s.io";
    lacks(cluster, &OWN_PERMISSIONS, resource, review, |done| {
        done.status
    })
    .await
}

async fn operator_missing_permissions(
    cluster: &Cluster,
    operator: &Operator,
) -> LookupResult<Vec<Permission>> {
    let Operator {
        namespace, account, ..
    } = operator;
    let review = |attributes| SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(format!("system:serviceaccount:{namespace}:{account}")),
            groups: Some(vec![
                "system:serviceaccounts".to_owned(),
                format!("system:serviceaccounts:{namespace}"),
                "system:authenticated".to_owned(),
            ]),
            resource_attributes: Some(attributes),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let resource = "subjectaccessreviews.authorization.k8s.io";
    lacks(cluster, &OPERATOR_PERMISSIONS, resource, review, |done| {
        done.status
    })
    .await
}

/// Those of `permissions` that a review of the kind `K` (its plural is `resource`) denies in the namespace.
async fn lacks<K>(
    cluster: &Cluster,
    permissions: &[Permission],
    resource: &'static str,
    review: impl Fn(ResourceAttributes) -> K,
    status: impl Fn(K) -> Option<SubjectAccessReviewStatus>,
) -> LookupResult<Vec<Permission>>
where
    K: kube::Resource<DynamicType = ()> + Clone + std::fmt::Debug + Serialize + DeserializeOwned,
{
    let api = Api::<K>::all(cluster.client());
    let params = PostParams::default();
    let mut lacks = Vec::new();
    for permission in permissions {
        let operation = ApiOperation {
            verb: "create",
            resource,
            name: "",
        };
        let asked = review(attributes(*permission, &cluster.namespace));
        let answer = cluster.call(operation, api.create(&params, &asked)).await;
        let answer = answer.map_err(|failure| Problem::from(failure).message)?;
        if !status(answer).is_some_and(|status| status.allowed) {
            lacks.push(*permission);
        }
    }
    Ok(lacks)
}

async fn policies(cluster: &Cluster) -> LookupResult<(usize, usize)> {
    let params = ListParams::default().labels(SELECTOR);
    let operation = |resource| ApiOperation {
        verb: "list",
        resource,
        name: "",
    };
    let api = Api::<ValidatingAdmissionPolicy>::all(cluster.client());
    let found = cluster
        .call(
            operation("validatingadmissionpolicies.admissionregistration.k8s.io"),
            api.list_metadata(&params),
        )
        .await
        .map_err(|failure| Problem::from(failure).message)?;
    let api = Api::<ValidatingAdmissionPolicyBinding>::all(cluster.client());
    let bound = cluster
        .call(
            operation("validatingadmissionpolicybindings.admissionregistration.k8s.io"),
            api.list_metadata(&params),
        )
        .await
        .map_err(|failure| Problem::from(failure).message)?;
    Ok((found.items.len(), bound.items.len()))
}

/// The usual Service of the cluster's DNS.
async fn dns(cluster: &Cluster) -> LookupResult<Option<bool>> {
    let there = cluster.within("kube-system");
    let api: Api<EndpointSlice> = there.api();
    let params = ListParams::default().labels("kubernetes.io/service-name=kube-dns");
    let operation = ApiOperation {
        verb: "list",
        resource: "endpointslices.discovery.k8s.io",
        name: "",
    };
    let found = there
        .call(operation, api.list(&params))
        .await
        .map_err(|failure| Problem::from(failure).message)?;
    if found.items.is_empty() {
        return Ok(None);
    }
    let mut all = found.items.iter().flat_map(|slice| &slice.endpoints);
    let ready = all.any(|one| {
        one.conditions
            .as_ref()
            .is_none_or(|all| all.ready != Some(false))
    });
    Ok(Some(ready))
}
