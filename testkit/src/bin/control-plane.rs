//! The control plane of the tests, by hand: fill its cache, or start one to play with.

use std::path::PathBuf;
use std::process::ExitCode;
use testkit::control_plane::{Assets, ControlPlane, Options, kubernetes_version};
use testkit::{Context, Error, Result};
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "\
The Kubernetes API that the tests run against.

Usage: control-plane COMMAND

  build                    build etcd, kube-apiserver, kube-controller-manager and kubectl into the cache, if they are not there
  up [--kubeconfig FILE]   start a control plane and keep it until Ctrl-C; FILE is written for kubectl and removed at the end
";

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        ["build"] => build().await,
        ["up"] => up(None).await,
        ["up", "--kubeconfig", file] => up(Some(PathBuf::from(file))).await,
        ["--help" | "-h" | "help"] => {
            say(USAGE);
            Ok(())
        }
        _ => Err(Error::new(format!(
            "cannot make sense of the arguments\n\n{USAGE}"
        ))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("control-plane: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn build() -> Result<()> {
    let assets = tokio::task::spawn_blocking(Assets::find_or_build)
        .await
        .context(|| "the build panicked")??;
    say(&format!("{}\n", assets.dir().display()));
    Ok(())
}

async fn up(kubeconfig: Option<PathBuf>) -> Result<()> {
    // Before the start, so that an early Ctrl-C also takes everything down in order.
    let mut interrupt = signal(SignalKind::interrupt()).context(|| "cannot watch for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context(|| "cannot watch for SIGTERM")?;
    let stopped = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    tokio::select! {
        () = stopped => Ok(()),
        failed = keep_up(kubeconfig) => failed,
    }
}

/// Runs until it is dropped or a server ends.
async fn keep_up(kubeconfig: Option<PathBuf>) -> Result<()> {
    let plane = ControlPlane::start(Options::with_usual_controllers()).await?;
    let _removed_at_the_end = match &kubeconfig {
        None => None,
        Some(path) => {
            plane.admin_identity().write(path)?;
            Some(Removed(path.clone()))
        }
    };
    say(&format!(
        "Kubernetes v{} answers at {}. There is no kubelet, so no pod runs. In another terminal:\n\n  \
         export KUBECONFIG={}\n  export PATH={}:$PATH\n  kubectl get namespaces\n\n\
         Ctrl-C here ends it and removes its data; its logs are in {}\n",
        kubernetes_version()?,
        plane.server_url(),
        kubeconfig
            .unwrap_or_else(|| plane.admin_kubeconfig())
            .display(),
        plane.assets().dir().display(),
        plane.folder().display(),
    ));
    while plane.is_healthy() {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    Err(Error::new(format!(
        "a server has ended by itself; see the logs in {}",
        plane.folder().display()
    )))
}

/// A file that goes when this does.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        let _gone_already = std::fs::remove_file(&self.0);
    }
}

#[expect(clippy::print_stdout, reason = "a program for people")]
fn say(text: &str) {
    print!("{text}");
}
