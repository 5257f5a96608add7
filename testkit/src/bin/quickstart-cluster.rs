//! `make quickstart-cluster`: the whole job on a real Kubernetes API, until Ctrl-C.
//!
//! The API server, etcd and the controllers are real; there is no kubelet, so the operator runs as a process of its own,
//! with the ServiceAccount and the rights of `deploy/`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use testkit::operator::Launch;
use testkit::provider::Provider;
use testkit::quickstart;
use testkit::{Context, Error, Result};
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str =
    "Usage: quickstart-cluster [--seconds NUMBER]   ends by itself after that; else with Ctrl-C";
/// How long the operator may take to begin and to end.
const WITHIN: Duration = Duration::from_secs(60);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let seconds = match words.as_slice() {
        [] => Ok(None),
        ["--seconds", number] => number.parse().map(Some).map_err(|_| Error::new(USAGE)),
        _ => Err(Error::new(USAGE)),
    };
    let done = match seconds {
        Ok(seconds) => until_told(seconds).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart-cluster: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn until_told(seconds: Option<u64>) -> Result<()> {
    // Before the start, so that an early Ctrl-C also takes everything down in order.
    let mut interrupt = signal(SignalKind::interrupt()).context(|| "cannot watch for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context(|| "cannot watch for SIGTERM")?;
    let (provider, ca) = quickstart::provider()?;
    let told = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    tokio::select! {
        () = told => {}
        done = play(&provider, &ca, seconds) => done?,
    }
    say(&format!(
        "\nEnded after {} token requests; the control plane and its data are gone.",
        provider.total()
    ));
    Ok(())
}

async fn play(provider: &Provider, ca: &str, seconds: Option<u64>) -> Result<()> {
    let folder = quickstart::folder("quickstart-cluster")?;
    let examples = quickstart::examples(provider)?;
    say(
        "Starting etcd and kube-apiserver (built once, which takes some minutes) and installing deploy/ ...",
    );
    let plane = quickstart::cluster().await?;
    let kubeconfig = folder.join("operator.kubeconfig");
    let identity = plane
        .service_account("oauthclient-system", "oauthclient-operator")
        .await?;
    identity.write(&kubeconfig)?;
    let operator = Launch::run(quickstart::program()?, &kubeconfig)
        .args([
            "--allow-loopback",
            "--lease-namespace",
            "oauthclient-system",
        ])
        .logs_in(&folder)
        .start()?;
    operator.wait_until_ready(WITHIN).await?;
    say(&format!(
        "\nA scripted provider plays four OAuth providers at {}, with tokens that live 20 to 30 seconds.\nThe examples are applied as they are, but for its address and CA:\n\n{}",
        provider.url(""),
        quickstart::differences(&examples)
    ));
    let mut manifests = quickstart::ca_manifest(ca);
    for example in &examples {
        manifests.push_str("---\n");
        manifests.push_str(&example.text);
    }
    plane.run_kubectl(&["apply", "-f", "-"], &manifests).await?;
    say(&format!(
        "To play with it, in another terminal:\n\n  export KUBECONFIG={}\n  export PATH={}:$PATH\n  \
         kubectl describe oac bokbasen\n  kubectl get secret bokbasen-token -o jsonpath='{{.data.access_token}}' | base64 -d\n  \
         kubectl delete secret feide-token          # it comes back\n  \
         kubectl annotate oac feide --overwrite oauthclient.dev/refresh-requested-at=now\n\n\
         The operator's log is {}, its metrics are at http://{}/metrics. Ctrl-C ends all of it.\n\n$ kubectl get oac -w",
        plane.admin_kubeconfig().display(),
        plane.assets().dir().display(),
        operator.logs().join("stderr.log").display(),
        operator.address()
    ));
    let mut watching = plane
        .kubectl(["get", "oac", "-w"])
        .spawn()
        .context(|| "cannot start kubectl")?;
    let shown = async {
        match seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = shown => {}
        ended = watching.wait() => {
            let status = ended.context(|| "cannot wait for kubectl")?;
            return Err(Error::new(format!("kubectl get -w ended by itself ({status})")));
        }
    }
    let _gone_already = watching.kill().await;
    let ready = plane
        .run_kubectl(
            &[
                "wait",
                "oac",
                "--all",
                "--for=condition=Ready",
                "--timeout=30s",
            ],
            "",
        )
        .await;
    let ended = operator.terminate(WITHIN).await?;
    ready.map(drop)?;
    if ended.success() {
        return Ok(());
    }
    Err(Error::new(format!(
        "the operator ended with {ended}; its log is in {}",
        log(&folder)
    )))
}

fn log(folder: &std::path::Path) -> String {
    PathBuf::from(folder)
        .join("stderr.log")
        .display()
        .to_string()
}

#[expect(clippy::print_stdout, reason = "a program for people")]
fn say(text: &str) {
    println!("{text}");
}
