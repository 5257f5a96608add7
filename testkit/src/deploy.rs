//! Installs `crds/` and `deploy/` as a user would.
//!
//! Each folder is installed once on each control plane, so every test may call this. A test that removes part of it
//! does so on a
//! control plane of its own, and restores it with [`ControlPlane::run_kubectl`].

use crate::control_plane::ControlPlane;
use crate::{Context, Error, Result};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tokio::sync::Mutex;

/// How the names of kinds begin in what `kubectl apply -o name` prints.
const KIND: &str = "customresourcedefinition.apiextensions.k8s.io/";

/// `kubectl apply -f crds/`, and waits until the API server serves the kinds.
///
/// # Errors
/// When a manifest is refused, with the API server's words; when the kinds are not served within half a minute.
pub async fn install_crds(plane: &ControlPlane, crds: &Path) -> Result<()> {
    apply(plane, "-f", crds).await
}

/// Runs `kubectl apply -k deploy/`, and waits until the API server serves the kinds in it.
///
/// `namespace` is the operator's namespace: a kubeconfig can then be created for its ServiceAccount there. Without a
/// kubelet its
/// pods never run; the tests run the program themselves.
///
/// # Errors
/// As [`install_crds`]; and when there is no `namespace` afterwards.
pub async fn install_deploy(plane: &ControlPlane, deploy: &Path, namespace: &str) -> Result<()> {
    apply(plane, "-k", deploy).await?;
    let found = plane
        .run_kubectl(&["get", "namespace", namespace], "")
        .await;
    found.map(drop).map_err(|error| {
        Error::new(format!(
            "{} makes no namespace {namespace}: {error}",
            deploy.display()
        ))
    })
}

async fn apply(plane: &ControlPlane, how: &str, folder: &Path) -> Result<()> {
    // Two concurrent `kubectl apply` of one object conflict: both see that it is absent. So the lock is held
    // throughout, and a
    // caller that waited for it finds the work done.
    static INSTALLED: Mutex<BTreeSet<(PathBuf, PathBuf)>> = Mutex::const_new(BTreeSet::new());
    let mut installed = INSTALLED.lock().await;
    // A control plane's folder is its own, unlike its port, which another may get later.
    let this = (plane.folder().to_path_buf(), folder.to_path_buf());
    if installed.contains(&this) {
        return Ok(());
    }

    let folder = folder
        .to_str()
        .context(|| format!("{} is not UTF-8", folder.display()))?;
    let made = if how == "-k" && !serves_policies(plane).await? {
        let rendered = plane.run_kubectl(&["kustomize", folder], "").await?;
        let manifests = without_policies(&rendered);
        let apply = ["apply", "-o", "name", "-f", "-"];
        plane.run_kubectl(&apply, &manifests).await?
    } else {
        let apply = ["apply", "-o", "name", how, folder];
        plane.run_kubectl(&apply, "").await?
    };
    let kinds: Vec<&str> = made.lines().filter(|name| name.starts_with(KIND)).collect();
    if !kinds.is_empty() {
        let mut wait = vec!["wait", "--for=condition=Established", "--timeout=30s"];
        wait.extend(kinds);
        plane.run_kubectl(&wait, "").await?;
    }
    installed.insert(this);
    Ok(())
}

/// Whether the API server has admission policies in v1, as since Kubernetes 1.30.
async fn serves_policies(plane: &ControlPlane) -> Result<bool> {
    let path = "/apis/admissionregistration.k8s.io/v1";
    let served = plane.run_kubectl(&["get", "--raw", path], "").await?;
    Ok(served.contains("\"validatingadmissionpolicies\""))
}

/// As for Kubernetes 1.29: without `admission-policy` in the kustomization.
fn without_policies(manifests: &str) -> String {
    let others = manifests
        .split("\n---\n")
        .filter(|one| !one.contains("\nkind: ValidatingAdmissionPolicy"));
    others.collect::<Vec<_>>().join("\n---\n")
}
