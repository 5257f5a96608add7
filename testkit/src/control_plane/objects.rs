//! Objects of one namespace, read as often as a test likes: a `kubectl` takes a tenth of a second of processor time for each look.

use super::ControlPlane;
use crate::{Context, Error, Result};
use kube::api::{Api, DynamicObject};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::Value;
use std::time::Duration;

/// Until when one answer must be there.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// How often a read is tried: a connection that was kept open ends with the API server at its other end.
const ATTEMPTS: usize = 3;

/// What tests read. [`ControlPlane::objects`] makes one.
#[derive(Clone)]
pub struct Objects {
    client: kube::Client,
    namespace: String,
}

impl ControlPlane {
    /// The administrator's view of this namespace; call it inside the runtime that uses it.
    ///
    /// # Errors
    /// When the API server's certificate cannot be read.
    pub fn objects(&self, namespace: &str) -> Result<Objects> {
        Ok(Objects {
            client: self.client()?,
            namespace: namespace.to_owned(),
        })
    }
}

impl Objects {
    /// An object as JSON, `None` when there is none. `kind` is a word that `kubectl` takes, as `secret` or `oauthclient`.
    ///
    /// # Errors
    /// When the API server does not answer or refuses, or tests read no such kind.
    pub async fn get(&self, kind: &str, name: &str) -> Result<Option<Value>> {
        let Some(resource) = resource(kind) else {
            return Err(Error::new(format!(
                "tests read no {kind}: see testkit's objects.rs"
            )));
        };
        let client = self.client.clone();
        let api: Api<DynamicObject> = match kind {
            "clusterrole" => Api::all_with(client, &resource),
            _ => Api::namespaced_with(client, &self.namespace, &resource),
        };
        let what = || format!("cannot read the {kind} {name}");
        let mut attempt = 0;
        loop {
            attempt += 1;
            match tokio::time::timeout(ANSWER_WITHIN, api.get_opt(name)).await {
                Ok(Ok(found)) => {
                    let value = found.map(|mut object| {
                        // As `kubectl` shows it.
                        object.metadata.managed_fields = None;
                        serde_json::to_value(object)
                    });
                    return value.transpose().context(what);
                }
                Ok(Err(kube::Error::Service(_) | kube::Error::HyperError(_)))
                    if attempt < ATTEMPTS => {}
                Ok(Err(error)) => return Err(error).context(what),
                Err(_elapsed) => {
                    return Err(Error::new(format!("{}: no answer", what())));
                }
            }
        }
    }
}

/// The API of a kind.
fn resource(kind: &str) -> Option<ApiResource> {
    let (group, version, kind, plural) = match kind {
        "secret" | "secrets" => ("", "v1", "Secret", "secrets"),
        "configmap" => ("", "v1", "ConfigMap", "configmaps"),
        "deployment" => ("apps", "v1", "Deployment", "deployments"),
        "lease" => ("coordination.k8s.io", "v1", "Lease", "leases"),
        "role" => ("rbac.authorization.k8s.io", "v1", "Role", "roles"),
        "clusterrole" => (
            "rbac.authorization.k8s.io",
            "v1",
            "ClusterRole",
            "clusterroles",
        ),
        "oac" | "oauthclient" | "oauthclients" => {
            ("oauthclient.dev", "v1alpha1", "OAuthClient", "oauthclients")
        }
        _ => return None,
    };
    let kind = GroupVersionKind::gvk(group, version, kind);
    Some(ApiResource::from_gvk_with_plural(&kind, plural))
}
