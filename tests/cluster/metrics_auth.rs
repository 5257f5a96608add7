//! `--metrics-auth`: the metrics are answered to those whom the cluster allows to read them.

use super::harness::{SOON, Stage, Start, deploy};
use testkit::operator::Operator;

/// The status of a scrape with this token.
async fn scrape(operator: &Operator, token: Option<&str>) -> u16 {
    let client = reqwest::Client::builder().no_proxy().timeout(SOON);
    let url = format!("http://{}/metrics", operator.address());
    let request = client.build().unwrap().get(url);
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    request.send().await.unwrap().status().as_u16()
}

async fn account(stage: &Stage, name: &str) -> String {
    stage.kubectl(&["create", "serviceaccount", name]).await;
    let token = stage.plane.service_account_token(&stage.namespace, name);
    token.await.unwrap()
}

async fn bind(stage: &Stage, role: &str, account: &str) {
    let name = format!("{}-{account}", stage.namespace);
    let role = format!("--clusterrole={role}");
    let account = format!("--serviceaccount={}:{account}", stage.namespace);
    let args = ["create", "clusterrolebinding", &name, &role, &account];
    stage.kubectl(&args).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_metrics_auth_only_those_whom_the_cluster_allows_read_the_metrics() {
    let stage = Stage::new(3600.0).await;
    stage.own_account().await;
    let folder = deploy().join("metrics-auth");
    stage
        .kubectl(&["apply", "-k", folder.to_str().unwrap()])
        .await;
    let start = Start::with(&["--metrics-auth"]).with_own_account();
    let operator = stage.operator(start).await;
    let (reader, other) = (
        account(&stage, "reader").await,
        account(&stage, "other").await,
    );
    assert_eq!(scrape(&operator, None).await, 401);
    // The operator may not create reviews yet: no client gets access, and the log says what to apply.
    assert_eq!(scrape(&operator, Some(&reader)).await, 503);
    operator
        .wait_for_log("kubectl apply -k deploy/metrics-auth", SOON)
        .await
        .unwrap();

    bind(
        &stage,
        "oauthclient-operator-metrics-auth",
        "oauthclient-operator",
    )
    .await;
    bind(&stage, "oauthclient-metrics-reader", "reader").await;
    stage
        .until("the reader is let in", || async {
            scrape(&operator, Some(&reader)).await == 200
        })
        .await;
    stage
        .until("the other one is known and refused", || async {
            scrape(&operator, Some(&other)).await == 403
        })
        .await;
    stage
        .until("an invented token is refused", || async {
            scrape(&operator, Some("invented")).await == 401
        })
        .await;

    // A verdict counts for a while: no more reviews for the same token.
    let mark = stage.plane.audit_mark().await.unwrap();
    for _ in 0..20 {
        assert_eq!(scrape(&operator, Some(&reader)).await, 200);
    }
    let reviews = stage.plane.audit_since(mark).await.unwrap();
    let user = format!(
        "system:serviceaccount:{}:oauthclient-operator",
        stage.namespace
    );
    let reviews = reviews
        .iter()
        .filter(|event| event.user == user && event.resource == "tokenreviews")
        .count();
    assert!(reviews <= 1, "{reviews} reviews for one token");
    for path in ["/healthz", "/readyz"] {
        assert_eq!(operator.get(path).await.unwrap().0, 200, "{path}");
    }
    let log = operator.stderr();
    assert!(!log.contains(&reader) && !log.contains(&other));
}
