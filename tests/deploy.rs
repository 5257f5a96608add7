//! `deploy/` is what a cluster takes, what the program understands, and no more than it needs.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use std::path::{Path, PathBuf};
use std::process::Command as Process;

use clap::Parser;
use kube::api::{Api, PostParams};
use oauthclient_operator::cli::{Cli, Command, RunArgs};
use serde_json::{Value, json};
use testkit::control_plane::{Assets, shared};

const SUBJECT: &str = "system:serviceaccount:oauthclient-system:oauthclient-operator";

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn kustomize(name: &str) -> String {
    let kubectl = Assets::find_or_build().unwrap().program("kubectl").unwrap();
    let output = Process::new(kubectl)
        .arg("kustomize")
        .arg(folder(name))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn documents(yaml: &str) -> Vec<Value> {
    yaml.split("\n---\n")
        .map(|document| serde_saphyr::from_str(document).expect("YAML"))
        .collect()
}

fn rendered() -> Vec<Value> {
    documents(&kustomize("deploy"))
}

fn find<'a>(all: &'a [Value], kind: &str, name: &str) -> &'a Value {
    all.iter()
        .find(|object| object["kind"] == kind && object["metadata"]["name"] == name)
        .unwrap_or_else(|| panic!("no {kind} {name}"))
}

fn arguments(deployment: &Value) -> RunArgs {
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let arguments = container["args"].as_array().unwrap().iter();
    let all = std::iter::once("oauthclient-operator").chain(arguments.filter_map(Value::as_str));
    match Cli::try_parse_from(all).and_then(Cli::checked) {
        Ok(Cli {
            command: Command::Run(run),
            ..
        }) => *run,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_one_file_is_what_the_folder_renders_to() {
    let header =
        "# Rendered from deploy/ by a test; to update it: UPDATE=1 cargo test --test deploy\n";
    let path = folder("deploy/install.yaml");
    let fresh = kustomize("deploy");
    if std::env::var("UPDATE").is_ok_and(|value| value == "1") {
        std::fs::write(&path, format!("{header}{fresh}")).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    // Compared as data: versions of kubectl fold long lines differently.
    let same = kept.starts_with(header) && documents(&kept) == documents(&fresh);
    assert!(
        same,
        "deploy/install.yaml is not what deploy/ renders to; run: UPDATE=1 cargo test --test deploy"
    );
}

#[test]
fn the_program_takes_the_arguments_and_the_pod_outlives_the_drain() {
    let all = rendered();
    let deployment = find(&all, "Deployment", "oauthclient-operator");
    let run = arguments(deployment);
    let pod = &deployment["spec"]["template"]["spec"];
    let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
    assert!(
        grace >= run.drain_seconds + 10,
        "{grace} s for {} s of drain and the release",
        run.drain_seconds
    );
    let container = &pod["containers"][0];
    let port = |name: &str| {
        let all = container["ports"].as_array().unwrap();
        let found = all.iter().find(|port| port["name"] == name).unwrap();
        found["containerPort"].clone()
    };
    assert_eq!(port("metrics"), json!(run.listen.port()));
    assert_eq!(port("probes"), json!(run.probe_listen.port()));
    let annotations = &deployment["spec"]["template"]["metadata"]["annotations"];
    assert_eq!(
        annotations["prometheus.io/port"],
        json!(run.listen.port().to_string())
    );
    for probe in ["livenessProbe", "readinessProbe"] {
        assert_eq!(container[probe]["httpGet"]["port"], "probes");
    }
    assert_eq!(container["livenessProbe"]["httpGet"]["path"], "/healthz");
    assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/readyz");
    assert_eq!(
        container["image"],
        concat!("oauthclient-operator:", env!("CARGO_PKG_VERSION"))
    );
    let lease = find(&all, "Role", "oauthclient-operator-leader-election");
    assert_eq!(
        lease["rules"][1]["resourceNames"],
        json!([run.election.lease_name])
    );
}

#[test]
fn the_namespaced_variant_needs_no_right_in_the_cluster_and_grants_the_same_in_one_namespace() {
    let (wide, narrow) = (rendered(), documents(&kustomize("deploy/namespaced")));
    for object in &narrow {
        let kind = object["kind"].as_str().unwrap();
        assert!(
            object["metadata"]["namespace"].is_string(),
            "{kind} is not in a namespace"
        );
        assert!(!kind.starts_with("Cluster"), "{kind}");
    }
    let role = find(&narrow, "Role", "oauthclient-operator");
    assert_eq!(
        role["rules"],
        find(&wide, "ClusterRole", "oauthclient-operator")["rules"]
    );
    let environment = &find(&narrow, "Deployment", "oauthclient-operator")["spec"]["template"]["spec"]
        ["containers"][0]["env"];
    let watched = environment
        .as_array()
        .unwrap()
        .iter()
        .find(|variable| variable["name"] == "OAUTHCLIENT_WATCH_NAMESPACES")
        .unwrap();
    assert_eq!(
        watched["valueFrom"]["fieldRef"]["fieldPath"],
        "metadata.namespace"
    );
}

#[test]
fn the_policies_are_bound_and_name_the_account_that_the_pod_runs_as() {
    for folder in ["deploy", "deploy/namespaced"] {
        let all = documents(&kustomize(folder));
        let pod = &find(&all, "Deployment", "oauthclient-operator")["spec"]["template"]["spec"];
        assert_eq!(
            pod["serviceAccountName"], "oauthclient-operator",
            "{folder}"
        );
    }
    let policies = rendered()
        .into_iter()
        .filter(|object| object["kind"] == "ValidatingAdmissionPolicy");
    let mut names = Vec::new();
    for policy in policies {
        let name = policy["metadata"]["name"].as_str().unwrap().to_owned();
        assert!(policy["metadata"]["namespace"].is_null(), "{name}");
        assert_eq!(policy["spec"]["failurePolicy"], "Fail", "{name}");
        let conditions = policy["spec"]["matchConditions"].as_array().unwrap();
        assert_eq!(conditions.len(), 1, "{name}");
        assert_eq!(
            conditions[0]["expression"],
            "request.userInfo.username.startsWith('system:serviceaccount:') && \
             request.userInfo.username.endsWith(':oauthclient-operator')",
            "{name}"
        );
        let all = rendered();
        let binding = find(&all, "ValidatingAdmissionPolicyBinding", &name);
        assert_eq!(binding["spec"]["policyName"], json!(name));
        assert_eq!(binding["spec"]["validationActions"], json!(["Deny"]));
        names.push(name);
    }
    let expected = ["oauthclients", "secrets", "service-account-tokens"];
    assert_eq!(
        names,
        expected.map(|part| format!("oauthclient-operator-{part}"))
    );
}

#[test]
fn the_network_policy_selects_the_pods_and_names_their_ports() {
    let all = rendered();
    let template = &find(&all, "Deployment", "oauthclient-operator")["spec"]["template"];
    let policies = documents(&kustomize("deploy/network-policy"));
    let policy = &find(&policies, "NetworkPolicy", "oauthclient-operator")["spec"];
    assert_eq!(policy["policyTypes"], json!(["Ingress", "Egress"]));
    let wanted = policy["podSelector"]["matchLabels"].as_object().unwrap();
    for (label, value) in wanted {
        assert_eq!(&template["metadata"]["labels"][label], value, "{label}");
    }
    let ports = template["spec"]["containers"][0]["ports"]
        .as_array()
        .unwrap();
    let rules = policy["ingress"].as_array().unwrap();
    assert_eq!(rules.len(), ports.len());
    for rule in rules {
        let name = &rule["ports"][0]["port"];
        assert!(ports.iter().any(|port| port["name"] == *name), "{name}");
    }
    let metrics = rules
        .iter()
        .find(|rule| rule["ports"][0]["port"] == "metrics");
    assert!(metrics.unwrap()["from"].is_array(), "not for everybody");
}

#[tokio::test]
async fn a_cluster_takes_it_all_strictly_and_the_pod_is_restricted() {
    let plane = shared().await;
    let file = folder("deploy/install.yaml");
    let apply = ["apply", "--validate=strict", "-f", file.to_str().unwrap()];
    let said = plane.run_kubectl(&apply, "").await.unwrap();
    assert!(
        said.contains("deployment.apps/oauthclient-operator created"),
        "{said}"
    );
    let again = plane.run_kubectl(&apply, "").await.unwrap();
    assert!(
        !again.contains("created") && !again.contains("configured"),
        "not the same when applied again:\n{again}"
    );
    let narrow = folder("deploy/namespaced");
    let dry = [
        "apply",
        "--dry-run=server",
        "--validate=strict",
        "-k",
        narrow.to_str().unwrap(),
    ];
    plane.run_kubectl(&dry, "").await.unwrap();
    for addition in [
        "network-policy",
        "metrics-auth",
        "admission-policy",
        "service-account-tokens",
        "restart",
    ] {
        let addition = folder("deploy").join(addition);
        let apply = [
            "apply",
            "--dry-run=server",
            "--validate=strict",
            "-k",
            addition.to_str().unwrap(),
        ];
        plane.run_kubectl(&apply, "").await.unwrap();
    }

    // The namespace enforces the restricted standard, so that admission refuses a pod that does not keep it.
    let all = rendered();
    let mut pod = find(&all, "Deployment", "oauthclient-operator")["spec"]["template"].clone();
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"]["name"] = json!("operator");
    let dry = [
        "create",
        "--dry-run=server",
        "-n",
        "oauthclient-system",
        "-f",
        "-",
    ];
    plane.run_kubectl(&dry, &pod.to_string()).await.unwrap();
    pod["spec"]["containers"][0]["securityContext"]["capabilities"] = json!({});
    let refused = plane.run_kubectl(&dry, &pod.to_string()).await;
    assert!(
        refused.unwrap_err().to_string().contains("PodSecurity"),
        "the standard is enforced"
    );

    granted(plane.client().unwrap()).await;
}

/// What the operator may do, by name.
async fn granted(client: kube::Client) {
    use k8s_openapi::api::authorization::v1::SubjectAccessReview;
    let api: Api<SubjectAccessReview> = Api::all(client);
    let system = "oauthclient-system";
    for (allowed, verb, group, resource, namespace) in [
        (true, "watch", "oauthclient.dev", "oauthclients", ""),
        (
            true,
            "patch",
            "oauthclient.dev",
            "oauthclients/status",
            "bookshop",
        ),
        // The finalizer of spec.revocation; RBAC knows no right for finalizers alone.
        (true, "patch", "oauthclient.dev", "oauthclients", "bookshop"),
        (
            false,
            "update",
            "oauthclient.dev",
            "oauthclients",
            "bookshop",
        ),
        (
            false,
            "delete",
            "oauthclient.dev",
            "oauthclients",
            "bookshop",
        ),
        (true, "create", "", "secrets", "bookshop"),
        (true, "delete", "", "secrets", "bookshop"),
        (false, "update", "", "secrets", "bookshop"),
        (false, "deletecollection", "", "secrets", "bookshop"),
        (true, "get", "", "configmaps", "bookshop"),
        (false, "list", "", "configmaps", ""),
        (true, "create", "events.k8s.io", "events", "bookshop"),
        (false, "list", "events.k8s.io", "events", "bookshop"),
        (true, "create", "coordination.k8s.io", "leases", system),
        (false, "create", "coordination.k8s.io", "leases", "bookshop"),
        (false, "delete", "coordination.k8s.io", "leases", system),
        (
            false,
            "get",
            "apiextensions.k8s.io",
            "customresourcedefinitions",
            "",
        ),
        (false, "create", "", "pods", "bookshop"),
    ] {
        let (resource_only, part) = resource.split_once('/').unwrap_or((resource, ""));
        let review = serde_json::from_value(json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "metadata": {},
            "spec": {
                "user": SUBJECT,
                "groups": ["system:serviceaccounts", "system:authenticated"],
                "resourceAttributes": {
                    "verb": verb, "group": group, "resource": resource_only, "subresource": part, "namespace": namespace,
                },
            },
        }))
        .unwrap();
        let answer = api.create(&PostParams::default(), &review).await.unwrap();
        let found = answer.status.unwrap().allowed;
        assert_eq!(found, allowed, "{verb} {resource}.{group} in {namespace:?}");
    }
}
