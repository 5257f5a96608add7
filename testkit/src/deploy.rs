//! Installing `deploy/` as a user would.

use crate::control_plane::ControlPlane;
use crate::{Context, Error, Result};
use std::path::Path;
use tokio::sync::Mutex;

/// `kubectl apply -f crds/`, `kubectl apply -k deploy/`, and waits until the API server serves the new kinds.
///
/// `crds/` is the folder beside `deploy_dir`. `namespace` is the one that `deploy_dir` is expected to make: its ServiceAccount can
/// then be asked for a kubeconfig. Without a kubelet its pods never run; the tests run the program themselves. What is there
/// already is left as it is, so every test may call it.
///
/// # Errors
/// When a manifest is refused, with the API server's words; when the kinds are not served within half a minute; when `namespace` is
/// not among what was installed.
pub async fn install_deploy(
    plane: &ControlPlane,
    deploy_dir: &Path,
    namespace: &str,
) -> Result<()> {
    // Two `kubectl apply` of one object at a time get in each other's way: both see that it is absent.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
    let _alone = ONE_AT_A_TIME.lock().await;

    let crds = deploy_dir.parent().unwrap_or(deploy_dir).join("crds");
    let made = plane
        .run_kubectl(&["apply", "-o", "name", "-f", text(&crds)?], "")
        .await?;
    let names: Vec<&str> = made.lines().collect();
    let mut wait = vec!["wait", "--for=condition=Established", "--timeout=30s"];
    wait.extend(names);
    plane.run_kubectl(&wait, "").await?;
    plane
        .run_kubectl(&["apply", "-k", text(deploy_dir)?], "")
        .await?;
    plane
        .run_kubectl(&["get", "namespace", namespace], "")
        .await
        .map(drop)
        .map_err(|error| {
            Error::new(format!(
                "{} makes no namespace {namespace}: {error}",
                deploy_dir.display()
            ))
        })
}

fn text(path: &Path) -> Result<&str> {
    path.to_str()
        .context(|| format!("{} is not UTF-8", path.display()))
}
