//! `kubectl`, the client where users would use it.

use super::ControlPlane;
use crate::{Context, Error, Result};
use std::ffi::OsStr;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// Until when a `kubectl` of [`ControlPlane::apply`] and the like must be done.
const KUBECTL_WITHIN: Duration = Duration::from_secs(300);

impl ControlPlane {
    /// `kubectl` of the same version, as the administrator; it is killed when its child is dropped.
    pub fn kubectl(
        &self,
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(self.assets.dir().join("kubectl"));
        command
            .args(args)
            .env("KUBECONFIG", self.files.admin_kubeconfig())
            // Else a cache in the home folder would remember the APIs of an older control plane at the same port.
            .env("KUBECACHEDIR", self.files.kubectl_cache())
            .kill_on_drop(true);
        command
    }

    /// Runs [`ControlPlane::kubectl`] with `stdin` and returns what it printed on standard output.
    ///
    /// # Errors
    /// When it fails, with what it printed on standard error, or when it takes more than five minutes.
    pub async fn run_kubectl(&self, args: &[&str], stdin: &str) -> Result<String> {
        let shown = args.join(" ");
        let mut child = self
            .kubectl(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context(|| "cannot start kubectl")?;
        let pipe = child.stdin.take();
        let feeding = async move {
            if let Some(mut pipe) = pipe {
                // A kubectl that fails early closes its end; its own message is more useful than "broken pipe".
                let _its_own_words = pipe.write_all(stdin.as_bytes()).await;
            }
        };
        let both = async { tokio::join!(feeding, child.wait_with_output()).1 };
        let output = tokio::time::timeout(KUBECTL_WITHIN, both)
            .await
            .map_err(|_elapsed| {
                Error::new(format!(
                    "`kubectl {shown}` is not done after {KUBECTL_WITHIN:?}"
                ))
            })?
            .context(|| format!("lost `kubectl {shown}`"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(Error::new(format!(
            "`kubectl {shown}` failed ({}): {}",
            output.status,
            said.trim_end()
        )))
    }

    /// `kubectl apply -f -` with these manifests; returns what it printed.
    ///
    /// # Errors
    /// When one is refused, with the API server's words.
    pub async fn apply(&self, yaml: &str) -> Result<String> {
        self.run_kubectl(&["apply", "-f", "-"], yaml).await
    }
}
