//! An operator without rights that it needs: it waits, reports what is missing where people look, and continues by
//! itself once the
//! right is granted.

use testkit::fault_proxy::WatchFault;
use testkit::operator::Operator;

use super::harness::{SOON, Stage, Start};

const METRIC: &str = "oauthclient_permissions_missing";

/// Takes verbs on Secrets away from the operator's own Role: the rule of Secrets is the fourth.
pub async fn leave(stage: &Stage, verbs: &str) {
    let patch = format!(
        r#"[{{"op":"test","path":"/rules/3/resources","value":["secrets"]}},{{"op":"replace","path":"/rules/3/verbs","value":{verbs}}}]"#
    );
    let role = ["patch", "role", "oauthclient-operator", "--type=json", "-p"];
    stage
        .kubectl(&[&role[..], &[patch.as_str()]].concat())
        .await;
    stage
        .until("the API server knows", || async {
            !may(stage, "list", "secrets").await
        })
        .await;
}

async fn may(stage: &Stage, verb: &str, resource: &str) -> bool {
    let user = format!(
        "--as=system:serviceaccount:{}:oauthclient-operator",
        stage.namespace
    );
    let asked = ["auth", "can-i", verb, resource, &user];
    stage.try_kubectl(&asked).await.is_ok()
}

/// The operator says so at `/readyz`, in the metric and in the log, with a command that shows the same.
async fn says_so(stage: &Stage, operator: &Operator) {
    stage
        .until("it is not ready and says why", || async {
            let answer = operator.get("/readyz").await;
            answer.is_ok_and(|(status, words)| {
                status == 503
                    && words.contains("may not list secrets in namespace")
                    && words.contains("kubectl apply -k deploy/")
            })
        })
        .await;
    for (verb, resource, number) in [
        ("list", "secrets", 1.0),
        ("watch", "secrets", 1.0),
        ("get", "secrets", 0.0),
        ("patch", "oauthclients/status", 0.0),
    ] {
        let labels = [("verb", verb), ("resource", resource)];
        let found = operator.metric(METRIC, &labels).await.unwrap();
        assert_eq!(found, number, "{verb} {resource}");
    }
    let check = format!(
        "kubectl auth can-i list secrets -n {} --as=system:serviceaccount:{}:oauthclient-operator",
        stage.namespace, stage.namespace
    );
    operator.wait_for_log(&check, SOON).await.unwrap();
    let arguments: Vec<&str> = check.split(' ').skip(1).collect();
    assert!(stage.try_kubectl(&arguments).await.is_err(), "it says no");
    // Live, so that it is not restarted.
    assert_eq!(operator.get("/healthz").await.unwrap().0, 200);
    assert_eq!(operator.exited(), None);
}

async fn recovers(stage: &Stage, operator: &Operator) {
    stage.own_account().await;
    operator.wait_until_ready(SOON).await.unwrap();
    stage.wait_ready("main").await;
    let labels = [("verb", "list"), ("resource", "secrets")];
    assert_eq!(operator.metric(METRIC, &labels).await.unwrap(), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_may_not_list_secrets_says_so_and_begins_once_it_may() {
    let stage = Stage::new(3600.0).await;
    stage.own_account().await;
    leave(&stage, r#"["get","create","patch","delete"]"#).await;
    stage.resource("main", "").await;
    let operator = stage.launch(Start::default().with_own_account()).await;
    says_so(&stage, &operator).await;
    assert_eq!(stage.requests(), 0);
    recovers(&stage, &operator).await;
    stage.exactly(1).await;
    stage.nothing_leaked(&operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_taken_away_while_it_runs_is_told_once_a_watch_ends() {
    let stage = Stage::new(3600.0).await;
    stage.own_account().await;
    let proxy = stage.proxy().await;
    let start = Start::default().with_own_account().through(proxy.url());
    let operator = stage.operator(start).await;
    stage.resource("main", "").await;
    let token = stage.wait_ready("main").await;
    leave(&stage, r#"["get","create","patch","delete"]"#).await;
    // An open watch continues without the right, until it ends.
    assert!(proxy.break_watches("/secrets", &WatchFault::End) > 0);
    says_so(&stage, &operator).await;
    assert_eq!(stage.valid_token("main-token").await, Some(token));
    recovers(&stage, &operator).await;
    stage.exactly(1).await;
    stage.nothing_leaked(&operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_may_not_stand_for_election_is_not_ready_and_says_why() {
    let stage = Stage::new(3600.0).await;
    stage.own_account().await;
    let binding = "oauthclient-operator-leader-election";
    stage.kubectl(&["delete", "rolebinding", binding]).await;
    let operator = stage.launch(Start::elected(&[]).with_own_account()).await;
    stage
        .until("it is not ready and says why", || async {
            let answer = operator.get("/readyz").await;
            answer.is_ok_and(|(status, words)| {
                status == 503
                    && words.contains("get leases.coordination.k8s.io/oauthclient-operator")
            })
        })
        .await;
    let check = format!(
        "kubectl auth can-i update leases.coordination.k8s.io/oauthclient-operator -n {}",
        stage.namespace
    );
    operator.wait_for_log(&check, SOON).await.unwrap();
    assert_eq!(operator.exited(), None);
    stage.resource("main", "").await;
    recovers(&stage, &operator).await;
    stage.nothing_leaked(&operator).await;
}
