//! The launcher of the program under test. What it launches here is `etcd`: a server with metrics, probes and a log.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::path::Path;
use std::time::Duration;
use testkit::control_plane::{self, Assets};
use testkit::deploy::{install_crds, install_deploy};
use testkit::operator::{LISTEN, Launch, PROBE_LISTEN};
use testkit::process::Signal;
use testkit::{Error, net};

const SOON: Duration = Duration::from_secs(30);

fn etcd(data: &Path) -> Launch {
    let program = Assets::find_or_build().unwrap().program("etcd").unwrap();
    let peer = net::free_address().unwrap();
    let data = data.display();
    Launch::new(program)
        .args([
            format!("--data-dir={data}"),
            format!("--listen-client-urls=http://{LISTEN},http://{PROBE_LISTEN}"),
            format!("--listen-peer-urls=http://{peer}"),
            format!("--initial-advertise-peer-urls=http://{peer}"),
            format!("--initial-cluster=default=http://{peer}"),
        ])
        .env("ETCD_ADVERTISE_CLIENT_URLS", format!("http://{LISTEN}"))
}

#[tokio::test]
async fn a_program_is_started_probed_measured_and_ended() {
    let dir = tempfile::tempdir().unwrap();
    let server = etcd(&dir.path().join("data"))
        .logs_in(dir.path())
        .start()
        .unwrap();
    server.wait_until_ready(SOON).await.unwrap();
    server
        .wait_for_log("ready to serve client requests", SOON)
        .await
        .unwrap();
    assert!(server.metric("etcd_server_has_leader", &[]).await.unwrap() >= 1.0);
    assert_eq!(server.get("/no-such-path").await.unwrap().0, 404);
    assert!(server.resident_kib().unwrap() > 1024);
    assert!(server.cpu_time().unwrap() > Duration::ZERO);

    let status = server.terminate(SOON).await.unwrap();
    assert!(status.code().is_none_or(|code| code == 0), "{status}");
    assert_eq!(server.exited(), Some(status));
    let log = std::fs::read_to_string(dir.path().join("stderr.log")).unwrap();
    assert_eq!(log, server.stderr());
    assert!(log.contains("received signal"), "{log}");
}

#[tokio::test]
async fn a_stopped_program_answers_nothing_until_it_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let server = etcd(&dir.path().join("data")).start().unwrap();
    server.wait_until_ready(SOON).await.unwrap();
    server.signal(Signal::Stop).unwrap();
    let answer = tokio::time::timeout(Duration::from_millis(500), server.get("/readyz")).await;
    assert!(answer.is_err());
    server.signal(Signal::Continue).unwrap();
    server.wait_until_ready(SOON).await.unwrap();

    server.kill();
    assert!(server.exited().unwrap().code().is_none());
}

#[tokio::test]
async fn a_program_that_ends_early_ends_the_waiting_and_shows_its_log() {
    let dir = tempfile::tempdir().unwrap();
    let server = etcd(&dir.path().join("data"))
        .args(["--no-such-flag"])
        .start()
        .unwrap();
    let error = server
        .wait_until_ready(Duration::from_secs(600))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("the program has ended"), "{error}");
    assert!(error.contains("etcd [flags]"), "{error}");
}

#[tokio::test]
async fn the_environment_is_what_was_said_and_nothing_else() {
    let program = Launch::new("/usr/bin/env")
        .env("NAME", "value")
        .start()
        .unwrap();
    assert!(program.wait(SOON).await.unwrap().success());
    let said = program.stdout();
    let mut names: Vec<&str> = said
        .lines()
        .filter_map(|line| line.split('=').next())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["NAME", "PATH"]);
}

#[tokio::test]
async fn an_identity_reaches_the_program_as_a_kubeconfig_that_goes_with_it() {
    let plane = control_plane::shared().await;
    let identity = plane.admin_identity().with_server("https://127.0.0.1:1");
    let program = Launch::run_as("/bin/echo", identity.clone())
        .start()
        .unwrap();
    program.wait(SOON).await.unwrap();
    let said = program.stdout();
    let words: Vec<&str> = said.split_whitespace().collect();
    let address = program.address().to_string();
    let probes = program.probes().to_string();
    let [
        "run",
        "--kubeconfig",
        file,
        "--listen",
        listen,
        "--probe-listen",
        probe_listen,
    ] = words[..]
    else {
        panic!("{said}")
    };
    assert_eq!((listen, probe_listen), (&*address, &*probes));
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains(&identity.token) && text.contains("https://127.0.0.1:1"));
    let file = file.to_owned();
    drop(program);
    assert!(!Path::new(&file).exists());
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let error = Launch::new("/no/such/program")
        .start()
        .unwrap_err()
        .to_string();
    assert!(error.contains("/no/such/program"), "{error}");
}

#[tokio::test]
async fn deploy_is_installed_with_its_kinds_served_and_its_service_account_usable() {
    let plane = control_plane::shared().await;
    let dir = tempfile::tempdir().unwrap();
    for folder in ["crds", "deploy"] {
        std::fs::create_dir(dir.path().join(folder)).unwrap();
    }
    let crd = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.deploy.example}
spec:
  group: deploy.example
  names: {kind: Thing, plural: things, singular: thing}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
";
    let parts = "
apiVersion: v1
kind: Namespace
metadata: {name: deploy-system}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: operator, namespace: deploy-system}
";
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("crds/things.yaml", crd);
    write("deploy/things.yaml", crd);
    write("deploy/parts.yaml", parts);
    write(
        "deploy/kustomization.yaml",
        "resources: [things.yaml, parts.yaml]",
    );
    let deploy = dir.path().join("deploy");

    // Tests that share a control plane do it at the same time, and again.
    let install = || install_deploy(plane, &deploy, "deploy-system");
    let (first, second) = tokio::join!(install(), install());
    first.and(second).unwrap();
    install_crds(plane, &dir.path().join("crds")).await.unwrap();
    let listed = plane
        .run_kubectl(&["get", "things.deploy.example", "-A"], "")
        .await
        .unwrap();
    assert_eq!(listed, "");
    let file = plane
        .kubeconfig_for_service_account("deploy-system", "operator", dir.path())
        .await
        .unwrap();
    assert!(file.is_file());
    let refused: Error = install_deploy(plane, &deploy, "other-system")
        .await
        .unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("makes no namespace other-system"),
        "{refused}"
    );
}
