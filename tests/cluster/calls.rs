//! What a resource costs the API server: the exact calls of a first issue and of a refresh.

use testkit::fault_proxy::{Answer, Fault, FaultProxy, Request, Rule};

use testkit::control_plane::{ControlPlane, Options};
use testkit::deploy::install_deploy;

use super::harness::{Plane, SOON, Stage, Start, deploy, living};

/// The calls about this resource and its Secrets, in words: `GET secrets/client (cache)`. Left out are watches and the CA
/// bundle, which is read for each request, because ConfigMaps are not watched.
fn calls(requests: &[Request]) -> Vec<String> {
    requests
        .iter()
        .filter(|request| !request.query.contains("watch=") && !request.query.contains("limit="))
        .filter_map(|request| {
            let (_, object) = request.path.split_once("/namespaces/")?;
            let (_, object) = object.split_once('/')?;
            let counts = !object.starts_with("configmaps") && !object.starts_with("events");
            let cache = match request.query.contains("resourceVersion=") {
                true => " (cache)",
                false => "",
            };
            counts.then(|| format!("{} {object}{cache}", request.method))
        })
        .collect()
}

/// The calls of each reconcile, which ends with `last`; sorted, because reads are concurrent.
fn reconciles(calls: &[String], last: &str) -> Vec<Vec<String>> {
    let whole = calls.split_inclusive(|call| call == last);
    whole
        .filter(|calls| calls.last().is_some_and(|call| call == last))
        .map(|calls| {
            let mut calls = calls.to_vec();
            calls.sort();
            calls
        })
        .collect()
}

const STATUS: &str = "PUT oauthclients/main/status";
const PATCH: &str = "PATCH secrets/main-token";
const CREDENTIALS: &str = "GET secrets/client (cache)";
const TARGET: &str = "GET secrets/main-token (cache)";

/// The calls so far, when so many token requests were made and reported.
async fn after(stage: &Stage, proxy: &FaultProxy, requests: usize) -> Vec<String> {
    stage
        .until("the token requests", || async {
            stage.requests() >= requests
        })
        .await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    calls(&proxy.requests())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_issue_reads_only_from_the_cache_and_writes_twice() {
    let stage = Stage::new(3600.0).await;
    let proxy = stage.proxy().await;
    let operator = stage.operator_behind(&proxy).await;
    let before = proxy.requests().len();
    stage.resource("main", "").await;
    stage.wait_ready("main").await;
    stage.stays_at(1).await;
    let mut calls = calls(&proxy.requests()[before..]);
    calls.sort();
    // The token Secret is looked for because no token is requested for one that may not be written.
    assert_eq!(calls, [CREDENTIALS, TARGET, "POST secrets", STATUS]);
    stage.nothing_leaked(&operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_reads_twice_from_the_cache_and_writes_twice() {
    let stage = Stage::new(12.0).await;
    let proxy = stage.proxy().await;
    let operator = stage.operator_behind(&proxy).await;
    stage.resource("main", "").await;
    let calls = after(&stage, &proxy, 5).await;
    let reconciles = reconciles(&calls, STATUS);
    assert!(reconciles.len() >= 4, "{calls:?}");
    // The first one is the first issue.
    for reconcile in &reconciles[1..] {
        assert_eq!(
            *reconcile,
            [CREDENTIALS, TARGET, PATCH, STATUS],
            "{calls:?}"
        );
    }
    stage.nothing_leaked(&operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_routine_statuses_a_refresh_reads_twice_and_writes_once() {
    let stage = Stage::new(12.0).await;
    let proxy = stage.proxy().await;
    let start = Start::with(&["--status-updates=transitions"]).through(proxy.url());
    let operator = stage.operator(start).await;
    stage.resource("main", "").await;
    let calls = after(&stage, &proxy, 6).await;
    let refreshes = reconciles(&calls, PATCH);
    assert!(refreshes.len() >= 4, "{calls:?}");
    // The first one begins with the end of the first issue.
    for refresh in &refreshes[1..] {
        assert_eq!(*refresh, [CREDENTIALS, TARGET, PATCH], "{calls:?}");
    }
    stage.nothing_leaked(&operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_after_a_long_time_reads_the_resource_too_and_also_from_the_cache() {
    let stage = Stage::new(3600.0).await;
    let proxy = stage.proxy().await;
    let operator = stage.operator_behind(&proxy).await;
    stage.resource("main", "").await;
    stage.wait_ready("main").await;
    stage.stays_at(1).await;
    let before = proxy.requests().len();
    // Reconciled because its token Secret is gone, not because a watch has brought the resource.
    stage.kubectl(&["delete", "secret", "main-token"]).await;
    stage.exactly(2).await;
    let calls = calls(&proxy.requests()[before..]);
    let resource = "GET oauthclients/main (cache)";
    assert!(calls.iter().any(|call| call == resource), "{calls:?}");
    let newest = calls
        .iter()
        .find(|call| call.starts_with("GET") && !call.ends_with("(cache)"));
    assert_eq!(newest, None, "{calls:?}");
    stage.nothing_leaked(&operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_cache_does_not_answer_the_newest_is_read() {
    let stage = Stage::new(3600.0).await;
    let proxy = stage.proxy().await;
    let operator = stage.operator_behind(&proxy).await;
    let far = Rule::new(Fault::Answer(Answer::internal_error()));
    let rule = proxy.add(far.path_has("/secrets/").query_has("resourceVersion="));
    stage.resource("main", "").await;
    stage.wait_ready("main").await;
    stage.exactly(1).await;
    proxy.wait_for_hits(rule, 1, SOON).await.unwrap();
    let calls = calls(&proxy.requests());
    let newest = |name: &str| {
        calls
            .iter()
            .any(|call| call == &format!("GET secrets/{name}"))
    };
    assert!(newest("client") && newest("main-token"), "{calls:?}");
    stage.nothing_leaked(&operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_to_update_the_status_is_patched() {
    let stage = Stage::new(3600.0).await;
    stage.own_account().await;
    let role = "[{\"op\": \"replace\", \"path\": \"/rules/2/verbs\", \"value\": [\"patch\"]}]";
    let patch = [
        "patch",
        "role",
        "oauthclient-operator",
        "--type=json",
        "-p",
        role,
    ];
    stage.kubectl(&patch).await;
    let verbs = "-o=jsonpath={.rules[?(@.resources[0]==\"oauthclients/status\")].verbs}";
    let left = stage
        .kubectl(&["get", "role", "oauthclient-operator", verbs])
        .await;
    assert_eq!(left, "[\"patch\"]");
    let operator = stage.operator(Start::elected(&[])).await;
    stage.resource("main", "").await;
    stage.wait_ready("main").await;
    stage.request_refresh("main").await;
    stage.exactly(2).await;
    stage
        .until("the second token is reported", || async {
            let object = stage.object("oauthclient", "main").await.unwrap();
            object.pointer("/status/lastRefreshRequest").is_some()
        })
        .await;
    assert!(operator.stderr().contains("statuses are patched"));
    stage.nothing_leaked(&operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_is_replaced_and_nothing_else_of_the_resource() {
    let stage = Stage::new(3600.0).await;
    let operator = stage.operator(Start::default()).await;
    let manifest = stage.manifest("main", "  scopes: [read]");
    let named = "{name: main, labels: {team: books}, annotations: {note: kept}, finalizers: [example.com/kept]}";
    stage.apply(&manifest.replace("{name: main}", named)).await;
    stage.wait_ready("main").await;
    stage.request_refresh("main").await;
    stage.exactly(2).await;
    let object = stage.object("oauthclient", "main").await.unwrap();
    let at = |pointer: &str| object.pointer(pointer).cloned().unwrap_or_default();
    assert_eq!(at("/metadata/labels/team"), "books");
    assert_eq!(at("/metadata/annotations/note"), "kept");
    assert_eq!(at("/metadata/finalizers/0"), "example.com/kept");
    assert_eq!(at("/spec/scopes/0"), "read");
    assert_eq!(at("/metadata/generation"), 1);
    // Whoever owned the fields of the spec still owns them.
    let args = [
        "get",
        "oauthclient",
        "main",
        "--show-managed-fields",
        "-o=json",
    ];
    let managed = stage.kubectl(&args).await;
    let managed: serde_json::Value = serde_json::from_str(&managed).unwrap();
    let managers = managed["metadata"]["managedFields"].as_array().unwrap();
    let owns_spec = |manager: &serde_json::Value| {
        let owned = manager.pointer("/fieldsV1/f:spec/f:scopes").is_some();
        owned && manager["manager"] != "oauthclient-operator"
    };
    assert!(managers.iter().any(owns_spec), "{managers:?}");
    let patch = ["patch", "oauthclient", "main", "--type=merge", "-p"];
    let none = "{\"metadata\": {\"finalizers\": null}}";
    stage.kubectl(&[&patch[..], &[none]].concat()).await;
    stage.nothing_leaked(&operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_of_a_newer_version_stay_in_the_status() {
    testkit::install_crypto();
    let options = Options::with_usual_controllers();
    let plane = ControlPlane::start(options).await.unwrap();
    install_deploy(&plane, &deploy(), "oauthclient-system")
        .await
        .unwrap();
    let field = r#"[{"op": "add",
        "path": "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties/another",
        "value": {"type": "string"}}]"#;
    let crd = [
        "patch",
        "crd",
        "oauthclients.oauthclient.dev",
        "--type=json",
        "-p",
    ];
    plane
        .run_kubectl(&[&crd[..], &[field]].concat(), "")
        .await
        .unwrap();
    let stage = Stage::on(Plane::Own(Box::new(plane)), living(3600.0)).await;
    let proxy = stage.proxy().await;
    let operator = stage.operator_behind(&proxy).await;
    stage.resource("main", "").await;
    stage.wait_ready("main").await;
    let newer = r#"{"status": {"another": "kept"}}"#;
    let patch = [
        "patch",
        "oauthclient",
        "main",
        "--subresource=status",
        "--type=merge",
        "-p",
    ];
    let another = || async {
        let object = stage.object("oauthclient", "main").await.unwrap();
        object
            .pointer("/status/another")
            .is_some_and(|value| value == "kept")
    };
    stage
        .until("the CRD knows the field", || async {
            stage.kubectl(&[&patch[..], &[newer]].concat()).await;
            another().await
        })
        .await;
    let before = proxy.requests().len();
    stage.request_refresh("main").await;
    stage.exactly(2).await;
    stage
        .until("the second token is reported", || async {
            let calls = calls(&proxy.requests()[before..]);
            calls
                .iter()
                .any(|call| call == "PATCH oauthclients/main/status")
        })
        .await;
    let calls = calls(&proxy.requests()[before..]);
    assert!(!calls.iter().any(|call| call == STATUS), "{calls:?}");
    assert!(another().await);
    stage.nothing_leaked(&operator).await;
}
