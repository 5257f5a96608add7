//! What the chart renders to: the same as `deploy/`, and manifests that an API server and the program accept.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use clap::Parser;
use oauthclient_operator::cli::{Cli, RunArgs};
use serde_json::Value;
use testkit::control_plane::{self, Assets, ControlPlane};
use testkit::tools::{Tool, prometheus_operator_crds};

use super::helm::{Helm, NAMESPACE, RELEASE, chart, documents, find, path, values_files};

/// Labels that Helm's conventions ask for and `deploy/` does not have.
const LABELS_OF_HELM: [&str; 4] = [
    "app.kubernetes.io/instance",
    "app.kubernetes.io/version",
    "app.kubernetes.io/managed-by",
    "helm.sh/chart",
];

/// Kind, namespace and name.
type Key = (String, String, String);

fn deploy(folder: &str) -> Vec<Value> {
    let kubectl = Assets::find_or_build().unwrap().program("kubectl").unwrap();
    let mut command = Command::new(kubectl);
    let output = command.arg("kustomize").arg(path(folder)).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    documents(&String::from_utf8(output.stdout).unwrap())
}

/// Objects by their names, without what may differ between the chart and `deploy/`.
fn comparable(objects: Vec<Value>) -> BTreeMap<Key, Value> {
    let mut all = BTreeMap::new();
    for mut object in objects {
        let text = |at: &str| {
            object
                .pointer(at)
                .and_then(Value::as_str)
                .unwrap_or("")
                .to_owned()
        };
        let key = (
            text("/kind"),
            text("/metadata/namespace"),
            text("/metadata/name"),
        );
        // `helm install --create-namespace` makes the namespace.
        if key.0 == "Namespace" {
            continue;
        }
        without_labels_of_helm(&mut object);
        if key.0 == "CustomResourceDefinition" {
            let metadata = object["metadata"].as_object_mut().unwrap();
            metadata.retain(|field, _| field == "name");
        }
        assert!(all.insert(key.clone(), object).is_none(), "twice: {key:?}");
    }
    all
}

fn without_labels_of_helm(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|field, _| !LABELS_OF_HELM.contains(&field.as_str()));
            fields.values_mut().for_each(without_labels_of_helm);
        }
        Value::Array(items) => items.iter_mut().for_each(without_labels_of_helm),
        // The chart's admission policies name the ServiceAccount's namespace; those of deploy/ are for any.
        Value::String(text) => {
            *text = text.replace(
                ":oauthclient-system:oauthclient-operator'",
                ":oauthclient-operator'",
            );
        }
        _ => {}
    }
}

/// Fails with the object that differs, not with all of them.
fn assert_same(rendered: Vec<Value>, deployed: Vec<Value>) {
    let (rendered, deployed) = (comparable(rendered), comparable(deployed));
    let names = |all: &BTreeMap<Key, Value>| all.keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        names(&rendered),
        names(&deployed),
        "the chart beside deploy/"
    );
    for (key, object) in &rendered {
        assert_eq!(object, &deployed[key], "the chart beside deploy/: {key:?}");
    }
}

#[test]
fn by_default_the_chart_installs_what_deploy_installs() {
    assert_same(Helm::new(Tool::Helm4).objects(&[]), deploy("deploy"));
}

#[test]
fn in_namespaced_mode_the_chart_installs_what_deploy_namespaced_installs() {
    let switches = ["--set", "namespaced.enabled=true,crds.enabled=false"];
    let rendered = Helm::new(Tool::Helm4).objects(&switches);
    assert_same(rendered, deploy("deploy/namespaced"));
}

#[test]
fn the_addition_for_tokens_of_service_accounts_is_that_of_deploy() {
    let helm = Helm::new(Tool::Helm4);
    let mut expected = deploy("deploy");
    expected.extend(deploy("deploy/service-account-tokens"));
    assert_same(
        helm.objects(&["--set", "serviceAccountTokens.enabled=true"]),
        expected,
    );
}

#[test]
fn the_addition_for_restarts_is_that_of_deploy() {
    let helm = Helm::new(Tool::Helm4);
    let mut expected = deploy("deploy");
    expected.extend(deploy("deploy/restart"));
    assert_same(helm.objects(&["--set", "restart.enabled=true"]), expected);
}

#[test]
fn the_network_policy_is_that_of_deploy() {
    let mut rendered = Helm::new(Tool::Helm4).objects(&["--set", "networkPolicy.enabled=true"]);
    let mut expected = deploy("deploy");
    expected.extend(deploy("deploy/network-policy"));
    for object in rendered.iter_mut().chain(&mut expected) {
        // The order of fields differs, and so may that of the rules.
        if object["kind"] == "NetworkPolicy" {
            let rules = object["spec"]["ingress"].as_array_mut().unwrap();
            rules.sort_by_key(ToString::to_string);
        }
    }
    assert_same(rendered, expected);
}

#[test]
fn the_addition_for_readers_of_metrics_is_that_of_deploy() {
    let mut rendered = Helm::new(Tool::Helm4).objects(&["--set", "metrics.auth=true"]);
    let mut expected = deploy("deploy");
    expected.extend(deploy("deploy/metrics-auth"));
    let arguments = |objects: &mut Vec<Value>| {
        let deployment = objects
            .iter_mut()
            .find(|object| object["kind"] == "Deployment");
        deployment.unwrap()["spec"]["template"]["spec"]["containers"][0]["args"].take()
    };
    // `deploy/` sets the flag by the environment.
    let (ours, theirs) = (arguments(&mut rendered), arguments(&mut expected));
    assert_eq!(ours, serde_json::json!(["run", "--metrics-auth"]));
    assert_eq!(theirs, serde_json::json!(["run"]));
    assert_same(rendered, expected);
}

#[test]
fn what_is_for_the_prometheus_operator_is_that_of_deploy() {
    let switches = ["podMonitor", "prometheusRule", "dashboard"]
        .map(|name| format!("metrics.{name}.enabled=true"));
    let rendered = Helm::new(Tool::Helm4).objects(&["--set", &switches.join(",")]);
    let mut expected = deploy("deploy");
    expected.extend(deploy("deploy/monitoring"));
    assert_same(rendered, expected);
}

#[test]
fn both_helms_render_the_same() {
    let (three, four) = (Helm::new(Tool::Helm3), Helm::new(Tool::Helm4));
    for file in values_files() {
        let args = ["-f", file.to_str().unwrap()];
        assert_same(three.objects(&args), four.objects(&args));
    }
}

fn flags(deployment: &Value) -> RunArgs {
    let arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"].clone();
    let arguments: Vec<String> = serde_json::from_value(arguments).unwrap();
    let all = std::iter::once("oauthclient-operator".to_owned()).chain(arguments);
    match Cli::try_parse_from(all)
        .and_then(Cli::checked)
        .unwrap()
        .command
    {
        oauthclient_operator::cli::Command::Run(run) => *run,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_program_takes_the_flags_of_every_values_file_and_the_pod_outlives_the_drain() {
    let helm = Helm::new(Tool::Helm4);
    for file in values_files() {
        let objects = helm.objects(&["-f", file.to_str().unwrap()]);
        let deployment = objects
            .iter()
            .find(|object| object["kind"] == "Deployment")
            .unwrap();
        let run = flags(deployment);
        let grace =
            deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"].as_u64();
        assert!(
            grace.unwrap() >= run.drain_seconds + 10,
            "{}",
            file.display()
        );
    }
    let everything = helm.objects(&["-f", chart("ci/everything-values.yaml").to_str().unwrap()]);
    let run = flags(find(
        &everything,
        "Deployment",
        "oauthclient-operator-tokens",
    ));
    assert!(run.require_allowed_hosts && run.metrics_per_resource);
    assert_eq!(run.drain_seconds, 30);
    assert_eq!(run.guard.allow_address.len(), 2);
    assert_eq!(run.election.lease_name, "oauthclient-operator-tokens");
    assert_eq!(run.max_token_requests, 64);
}

/// Installs the kinds of the Prometheus operator that the chart has objects of.
async fn serve_kinds_of_the_prometheus_operator(plane: &ControlPlane) {
    let folder = prometheus_operator_crds().unwrap();
    for kind in ["servicemonitors", "podmonitors", "prometheusrules"] {
        let file = folder.join(format!("monitoring.coreos.com_{kind}.yaml"));
        let apply = ["apply", "--server-side", "-f", file.to_str().unwrap()];
        plane.run_kubectl(&apply, "").await.unwrap();
        let name = format!("crd/{kind}.monitoring.coreos.com");
        let served = [
            "wait",
            "--for=condition=Established",
            "--timeout=100s",
            &name,
        ];
        plane.run_kubectl(&served, "").await.unwrap();
    }
}

#[tokio::test]
async fn an_api_server_takes_every_values_file_strictly_and_the_pods_are_restricted() {
    let plane = control_plane::shared().await;
    let namespace = "apiVersion: v1
kind: Namespace
metadata: {name: oauthclient-system, labels: {pod-security.kubernetes.io/enforce: restricted}}
";
    plane
        .run_kubectl(&["apply", "-f", "-"], namespace)
        .await
        .unwrap();
    serve_kinds_of_the_prometheus_operator(plane).await;
    let helm = Helm::new(Tool::Helm4);
    let dry = ["apply", "--dry-run=server", "--validate=strict", "-f", "-"];
    for file in values_files() {
        let objects = helm.objects(&["-f", file.to_str().unwrap()]);
        for object in &objects {
            let taken = plane.run_kubectl(&dry, &object.to_string()).await;
            taken.unwrap_or_else(|error| panic!("{}: {error}\n{object:#}", file.display()));
        }
        let deployment = objects
            .iter()
            .find(|object| object["kind"] == "Deployment")
            .unwrap();
        let mut pod = deployment["spec"]["template"].clone();
        pod["apiVersion"] = "v1".into();
        pod["kind"] = "Pod".into();
        pod["metadata"]["name"] = "operator".into();
        let dry = ["create", "--dry-run=server", "-n", NAMESPACE, "-f", "-"];
        plane.run_kubectl(&dry, &pod.to_string()).await.unwrap();
    }
}

#[tokio::test]
async fn the_manifest_in_the_notes_and_those_for_artifact_hub_are_valid() {
    let plane = control_plane::shared().await;
    let crd = path("crds/oauthclients.yaml");
    plane
        .run_kubectl(&["apply", "--server-side", "-f", crd.to_str().unwrap()], "")
        .await
        .unwrap();
    let served = [
        "wait",
        "--for=condition=Established",
        "--timeout=60s",
        "crd/oauthclients.oauthclient.dev",
    ];
    // At once, kubectl fails for want of any condition.
    let established = || plane.run_kubectl(&served, "");
    testkit::wait::until("the kind is served", Duration::from_secs(100), established)
        .await
        .unwrap();
    let dry = ["create", "--dry-run=server", "--validate=strict", "-f", "-"];

    let notes = Helm::new(Tool::Helm4).run(&[
        "install",
        RELEASE,
        chart("").to_str().unwrap(),
        "--dry-run=client",
        "-n",
        NAMESPACE,
    ]);
    let (_, manifest) = notes.split_once("<<'END'\n").unwrap();
    let (manifest, _) = manifest.split_once("  END\n").unwrap();
    let manifest: Vec<&str> = manifest
        .lines()
        .map(|line| line.strip_prefix("  ").unwrap())
        .collect();
    plane.run_kubectl(&dry, &manifest.join("\n")).await.unwrap();

    let about: Value =
        serde_saphyr::from_str(&std::fs::read_to_string(chart("Chart.yaml")).unwrap()).unwrap();
    let annotations = about["annotations"].as_object().unwrap();
    let examples = annotations["artifacthub.io/crdsExamples"].as_str().unwrap();
    let examples: Vec<Value> = serde_saphyr::from_str(examples).unwrap();
    assert!(!examples.is_empty());
    for example in examples {
        plane.run_kubectl(&dry, &example.to_string()).await.unwrap();
    }
}
