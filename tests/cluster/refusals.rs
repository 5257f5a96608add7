//! Rights, policies, quotas and a namespace in deletion: a refusal is reported, and an obtained token waits.

use std::time::Duration;

use testkit::fault_proxy::Fault;

use super::api_server::{ends_well, secret_writes};
use super::harness::{SOON, Stage, Start};

#[tokio::test(flavor = "multi_thread")]
async fn rights_that_are_revoked_are_missed_before_a_token_is_asked_for() {
    let stage = Stage::new(3600.0).await;
    stage.own_account().await;
    let operator = stage.operator(Start::default().with_own_account()).await;
    stage.resource("main", "").await;
    stage.wait_ready("main").await;
    let binding = stage
        .kubectl(&["get", "rolebinding", "oauthclient-operator", "-o", "yaml"])
        .await;
    stage
        .kubectl(&["delete", "rolebinding", "oauthclient-operator"])
        .await;
    stage
        .until("the rights are gone", || async {
            let who = format!(
                "--as=system:serviceaccount:{}:oauthclient-operator",
                stage.namespace
            );
            stage
                .try_kubectl(&["auth", "can-i", "get", "secrets", &who])
                .await
                .is_err()
        })
        .await;
    stage.request_refresh("main").await;
    operator.wait_for_log("refuses it", SOON).await.unwrap();
    stage.stays_at(1).await;

    stage.apply(&binding).await;
    stage
        .until("a token", || async { stage.requests() >= 2 })
        .await;
    ends_well(&stage, &operator, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_to_read_that_was_taken_away_is_told_while_the_token_lives() {
    for detail in ["always", "transitions"] {
        let stage = Stage::new(3600.0).await;
        stage.own_account().await;
        let arguments = [
            "--leader-elect=false",
            &format!("--status-updates={detail}"),
        ];
        let start = Start::elected(&arguments).with_own_account();
        let operator = stage.operator(start).await;
        stage.resource("main", "").await;
        let token = stage.wait_ready("main").await;
        // The rule of Secrets is the fourth.
        let writes_only = r#"[{"op":"test","path":"/rules/3/resources","value":["secrets"]},{"op":"replace","path":"/rules/3/verbs","value":["list","watch","create","patch"]}]"#;
        let role = ["role", "oauthclient-operator", "--type=json", "-p"];
        stage
            .kubectl(&[&["patch"][..], &role, &[writes_only]].concat())
            .await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        stage.request_refresh("main").await;
        let message = stage
            .wait_for("main", "Stalled", "True", "PermissionMissing")
            .await;
        for words in ["get secrets", "kubectl apply -k deploy/", "valid"] {
            assert!(message.contains(words), "{words}: {message}");
        }
        let ready = stage.condition("main", "Ready").await.unwrap();
        assert_eq!(ready.status, "True", "the token lives: {}", ready.message);
        assert_eq!(stage.valid_token("main-token").await, Some(token));
        stage.stays_at(1).await;

        stage.own_account().await;
        stage.wait_for("main", "Stalled", "False", "").await;
        stage
            .until("the refresh that was asked for", || async {
                stage.requests() >= 2
            })
            .await;
        stage.exactly(2).await;
        stage.nothing_leaked(&operator).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_hand_waits_for_the_right_to_write_it() {
    let stage = Stage::new(3600.0).await;
    stage.own_account().await;
    let operator = stage.operator(Start::default().with_own_account()).await;
    // The rule of Secrets is the fourth.
    let reads_only = r#"[{"op":"test","path":"/rules/3/resources","value":["secrets"]},{"op":"replace","path":"/rules/3/verbs","value":["get","list","watch"]}]"#;
    let role = [
        "role",
        "oauthclient-operator",
        "--type=json",
        "-p",
        reads_only,
    ];
    stage.kubectl(&[&["patch"][..], &role].concat()).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    stage.resource("main", "").await;
    let message = stage
        .wait_for("main", "Stalled", "True", "PermissionMissing")
        .await;
    assert!(message.contains("kubectl auth can-i"), "{message}");
    assert_eq!(stage.requests(), 1);
    stage.own_account().await;
    stage.wait_ready("main").await;
    ends_well(&stage, &operator, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_policy_refuses_is_written_once_it_allows_it() {
    let stage = Stage::new(3600.0).await;
    let operator = stage.operator(Start::default()).await;
    let name = format!("no-tokens-in-{}", stage.namespace);
    let policy = format!(
        "apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{name: {name}}}
spec:
  matchConstraints:
    namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {namespace}}}}}
    resourceRules:
    - {{apiGroups: [\"\"], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [secrets]}}
  validations: [{{expression: \"!has(object.data) || !('access_token' in object.data)\", message: no tokens here}}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{name: {name}}}
spec: {{policyName: {name}, validationActions: [Deny]}}
",
        namespace = stage.namespace
    );
    stage.apply(&policy).await;
    stage
        .until("the policy is in force", || async {
            let probe = [
                "create",
                "secret",
                "generic",
                "probe",
                "--from-literal=access_token=x",
                "--dry-run=server",
            ];
            stage.try_kubectl(&probe).await.is_err()
        })
        .await;
    stage.resource("main", "").await;
    let message = stage
        .wait_for("main", "Stalled", "True", "WriteRefused")
        .await;
    assert!(message.contains(&name), "who refuses it: {message}");
    assert_eq!(stage.requests(), 1);
    stage
        .kubectl(&["delete", "validatingadmissionpolicybinding", &name])
        .await;
    stage.stays_at(1).await;
    // The operator is not informed: a person requests a retry.
    stage.request_refresh("main").await;
    stage.wait_ready("main").await;
    stage
        .kubectl(&["delete", "validatingadmissionpolicy", &name])
        .await;
    ends_well(&stage, &operator, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_is_used_up_is_named() {
    let stage = Stage::new(3600.0).await;
    let operator = stage.operator(Start::default()).await;
    let quota = "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: few}\nspec: {hard: {count/secrets: \"1\"}}\n";
    stage.apply(quota).await;
    // There is no quota controller here to count.
    let full = r#"{"status":{"hard":{"count/secrets":"1"},"used":{"count/secrets":"1"}}}"#;
    stage
        .kubectl(&[
            "patch",
            "resourcequota",
            "few",
            "--subresource=status",
            "--type=merge",
            "-p",
            full,
        ])
        .await;
    stage
        .until("the quota is in force", || async {
            let probe = ["create", "secret", "generic", "probe", "--dry-run=server"];
            stage.try_kubectl(&probe).await.is_err()
        })
        .await;
    stage.resource("main", "").await;
    let message = stage
        .wait_for("main", "Stalled", "True", "WriteRefused")
        .await;
    assert!(message.contains("quota"), "{message}");
    stage.kubectl(&["delete", "resourcequota", "few"]).await;
    stage.wait_ready("main").await;
    ends_well(&stage, &operator, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_going_is_left_in_peace() {
    let stage = Stage::new(3600.0).await;
    let proxy = stage.proxy().await;
    let rule = proxy.add(secret_writes(Fault::HoldRequest).once());
    let operator = stage.operator_behind(&proxy).await;
    // Held, so that the namespace and the resource stay for a while.
    stage.resource("main", "").await;
    let hold = r#"{"metadata":{"finalizers":["example.com/hold"]}}"#;
    stage
        .kubectl(&["patch", "oauthclient", "main", "--type=merge", "-p", hold])
        .await;
    proxy.wait_for_hits(rule, 1, SOON).await.unwrap();
    let namespace = stage.namespace.clone();
    stage
        .kubectl(&["delete", "namespace", &namespace, "--wait=false"])
        .await;
    proxy.release(rule);
    operator
        .wait_for_log("NamespaceTerminating", SOON)
        .await
        .unwrap();
    stage.quiet(1, 8).await;
    assert!(stage.writes(&operator).await.0 <= 2, "no create loop");
    stage.nothing_leaked(&operator).await;
    let release = r#"{"metadata":{"finalizers":null}}"#;
    stage
        .kubectl(&[
            "patch",
            "oauthclient",
            "main",
            "--type=merge",
            "-p",
            release,
        ])
        .await;
    stage
        .until(
            "the namespace is gone: nothing of ours holds it",
            || async {
                let found = stage
                    .plane
                    .run_kubectl(&["get", "namespace", &namespace], "")
                    .await;
                found.is_err()
            },
        )
        .await;
    assert_eq!(stage.requests(), 1);
}
