//! The operator uses every right that `deploy/` gives it, and needs no other.

use std::collections::BTreeSet;

use serde_json::Value;
use testkit::control_plane::AuditMark;

use super::harness::{PATH, Stage, Start, deploy};

/// API group, resource (with subresource) and verb.
type Right = (String, String, String);

fn texts<'a>(rule: &'a Value, field: &str) -> Vec<&'a str> {
    let list = rule.pointer(field).and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// The addition for resources that ask with tokens of ServiceAccounts.
const ADDITION: &str = "service-account-tokens";

/// What the Roles of the namespace allow.
async fn granted(stage: &Stage) -> BTreeSet<Right> {
    let roles = stage.kubectl(&["get", "roles", "-o", "json"]).await;
    let roles: Value = serde_json::from_str(&roles).unwrap();
    let mut rights = BTreeSet::new();
    for role in roles["items"].as_array().unwrap() {
        for rule in role["rules"].as_array().unwrap() {
            for group in texts(rule, "/apiGroups") {
                for resource in texts(rule, "/resources") {
                    for verb in texts(rule, "/verbs") {
                        rights.insert((group.into(), resource.into(), verb.into()));
                    }
                }
            }
        }
    }
    rights
}

/// What the namespace's operator asked the API server for since `mark`. It was refused nothing.
async fn used(stage: &Stage, mark: AuditMark) -> BTreeSet<Right> {
    let user = format!(
        "system:serviceaccount:{}:oauthclient-operator",
        stage.namespace
    );
    let mut used = BTreeSet::new();
    for event in stage.plane.audit_since(mark).await.unwrap() {
        if event.user != user {
            continue;
        }
        assert_ne!(event.code, 403, "{} {}", event.verb, event.uri);
        if event.resource.is_empty() {
            // The API server's version; everyone may ask for it.
            assert_eq!(event.verb, "get", "{}", event.uri);
            continue;
        }
        if event.resource.starts_with("selfsubject") {
            // Who it is and what it may do; everyone may ask for it.
            assert_eq!(event.verb, "create", "{}", event.uri);
            continue;
        }
        let resource = event.rule_resource();
        used.insert((event.api_group, resource, event.verb));
    }
    used
}

/// The operator used every right that it has, and needed no other.
async fn exactly_what_is_granted(stage: &Stage, mark: AuditMark) {
    let used = used(stage, mark).await;
    let mut granted = granted(stage).await;
    // Statuses are patched only where a newer version has written fields that this one does not know
    // (calls::fields_of_a_newer_version_stay_in_the_status).
    let group = "oauthclient.dev".to_owned();
    let patch = (group, "oauthclients/status".to_owned(), "patch".to_owned());
    assert!(granted.remove(&patch));
    let missing: Vec<_> = used.difference(&granted).collect();
    let to_spare: Vec<_> = granted.difference(&used).collect();
    assert!(
        missing.is_empty() && to_spare.is_empty(),
        "missing: {missing:?}; to spare: {to_spare:?}"
    );
}

/// Everything that happens to resources: created, refreshed, failing, recovering, restored, moved, suspended, deleted.
async fn life(stage: &Stage) {
    stage.resource("main", "").await;
    stage.wait_ready("main").await;
    stage.request_refresh("main").await;
    stage.exactly(2).await;
    let fault = testkit::provider::Fault::status(503);
    stage.provider.set_fault(PATH, Some(fault));
    stage.request_refresh("main").await;
    stage.wait_for("main", "RefreshFailing", "True", "").await;
    stage.provider.set_fault(PATH, None);
    stage.wait_for("main", "RefreshFailing", "False", "").await;
    stage.kubectl(&["delete", "secret", "main-token"]).await;
    stage
        .until("it is restored", || async {
            stage.valid_token("main-token").await.is_some()
        })
        .await;
    let moved = stage
        .manifest("main", "")
        .replace("main-token", "moved-token");
    stage.apply(&moved).await;
    stage
        .until("it has moved", || async {
            stage.valid_token("moved-token").await.is_some()
                && stage.secret("main-token").await.is_none()
        })
        .await;
    stage
        .apply(&moved.replace("  credentials:", "  suspend: true\n  credentials:"))
        .await;
    stage.touch("moved-token").await;
    stage.stays_at(stage.requests()).await;
    stage.revoking("held").await;
    stage.wait_ready("held").await;
    stage
        .kubectl(&["delete", "oauthclient", "main", "held"])
        .await;
    stage
        .until("the Secret is collected", || async {
            stage.secret("moved-token").await.is_none()
        })
        .await;
    assert_eq!(stage.provider.count(super::revocation::REVOKE), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_life_uses_every_right_that_deploy_grants_and_needs_no_other() {
    let stage = Stage::new(3600.0).await;
    stage.own_account().await;
    let mark = stage.plane.audit_mark().await.unwrap();
    let operator = stage.operator(Start::elected(&[])).await;
    life(&stage).await;
    let ended = operator.terminate(super::harness::SOON).await.unwrap();
    assert!(ended.success());
    stage.nothing_leaked(&operator).await;
    exactly_what_is_granted(&stage, mark).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_addition_for_service_accounts_a_whole_life_uses_that_too_and_needs_no_other() {
    let stage = Stage::with(super::exchange::any_grant()).await;
    stage.own_account().await;
    let before = granted(&stage).await;
    let folder = deploy().join(ADDITION).join("namespaced");
    let addition = stage.kustomize(&folder).await;
    stage
        .apply(&addition.replace("oauthclient-system", &stage.namespace))
        .await;
    let added: BTreeSet<Right> = granted(&stage).await.difference(&before).cloned().collect();
    let right = |resource: &str, verb: &str| (String::new(), resource.to_owned(), verb.to_owned());
    let meant = [
        right("serviceaccounts", "get"),
        right("serviceaccounts/token", "create"),
    ];
    assert_eq!(added, meant.into_iter().collect());
    let mark = stage.plane.audit_mark().await.unwrap();
    let operator = stage.operator(Start::elected(&[])).await;
    stage.lent_account("lent", super::exchange::AUDIENCE).await;
    stage
        .resource("minted", &super::exchange::of_account("lent"))
        .await;
    stage.wait_ready("minted").await;
    stage.kubectl(&["delete", "oauthclient", "minted"]).await;
    stage.provider.forget_requests();
    life(&stage).await;
    let ended = operator.terminate(super::harness::SOON).await.unwrap();
    assert!(ended.success());
    exactly_what_is_granted(&stage, mark).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_addition_in_one_namespace_and_in_all_is_the_same() {
    let stage = Stage::new(3600.0).await;
    let folder = deploy().join(ADDITION);
    let mut rules = Vec::new();
    for (kind, folder) in [
        ("ClusterRole", folder.clone()),
        ("Role", folder.join("namespaced")),
    ] {
        let text = stage.kustomize(&folder).await;
        let found = text.split("\n---\n").find_map(|document| {
            let object: Value = serde_saphyr::from_str(document).unwrap();
            (object["kind"] == kind).then(|| object["rules"].clone())
        });
        rules.push(found.unwrap());
    }
    assert!(rules[0].is_array());
    assert_eq!(rules[0], rules[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rights_in_one_namespace_and_in_all_are_the_same() {
    let stage = Stage::new(3600.0).await;
    stage.own_account().await;
    let rules = |kind: &'static str| {
        let stage = &stage;
        async move { stage.object(kind, "oauthclient-operator").await.unwrap()["rules"].clone() }
    };
    assert_eq!(rules("role").await, rules("clusterrole").await);
}
