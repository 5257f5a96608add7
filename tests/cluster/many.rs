//! Many resources at once: none waits for what it need not wait for.

use std::time::Duration;

use super::harness::{CLIENT_SECRET, PATH, SOON, Stage, Start, credentials};

impl Stage {
    async fn resources(&self, count: usize) {
        let manifests: Vec<String> = (0..count)
            .map(|number| self.manifest(&format!("r{number}"), ""))
            .collect();
        self.apply(&manifests.join("---\n")).await;
        self.until("all have a token", || async {
            let selector = [
                "get",
                "secrets",
                "-l",
                "oauthclient.dev/token=true",
                "-o",
                "name",
            ];
            self.kubectl(&selector).await.lines().count() >= count
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_with_two_hundred_fresh_resources_asks_for_nothing_and_writes_nothing() {
    let stage = Stage::new(3600.0).await;
    let operator = stage.operator(Start::default()).await;
    stage.resources(200).await;
    stage
        .until("every status follows", || async {
            let path = "jsonpath={.items[*].status.conditions[0].status}";
            let ready = stage.kubectl(&["get", "oauthclients", "-o", path]).await;
            ready.matches("True").count() == 200
        })
        .await;
    stage.exactly(200).await;
    assert_eq!(stage.writes(&operator).await, (200, 200));
    assert!(operator.terminate(SOON).await.unwrap().success());

    let operator = stage.operator(Start::default()).await;
    // All contents are looked at within ten seconds.
    stage.quiet(200, 14).await;
    assert_eq!(stage.writes(&operator).await, (0, 0));
    stage.nothing_leaked(&operator).await;
    stage.ends_as_without_fault("r199").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_resource_is_served_before_eighty_refreshes_that_can_wait() {
    let stage = Stage::new(3600.0).await;
    let operator = stage.operator(Start::default()).await;
    stage.resources(80).await;
    stage.exactly(80).await;
    // All want another token at once, eight at a time.
    stage.provider.update(PATH, |behaviour| {
        behaviour.latency_ms = 1000;
        let mut account = behaviour.accepts.clients[0].clone();
        account.id = "another".to_owned();
        behaviour.accepts.clients.push(account);
    });
    stage
        .apply(&credentials("client", "another", CLIENT_SECRET))
        .await;
    stage
        .until("they are being asked for", || async {
            stage.requests() > 80
        })
        .await;
    stage.resource("new", "  scopes: [new]").await;
    let seen = stage.requests();
    stage
        .until("all are served", || async { stage.requests() >= 161 })
        .await;
    let requests = stage.provider.requests();
    let of_new = |request: &testkit::provider::RecordedRequest| {
        request.form_value("scope").as_deref() == Some("new")
    };
    let place = requests.iter().position(of_new).unwrap();
    assert!(
        place <= seen + 24,
        "after {seen} requests it came as number {place} of 161"
    );
    stage.exactly(161).await;
    assert!(
        stage.provider.max_concurrency(PATH) <= 8,
        "slots of one host"
    );
    stage.nothing_leaked(&operator).await;
    stage.ends_as_without_fault("new").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_over_one_resource_harms_no_other() {
    let stage = Stage::new(3600.0).await;
    let flag = format!("--panic-on={}/bad", stage.namespace);
    let operator = stage.operator(Start::with(&[&flag])).await;
    stage.resource("bad", "").await;
    stage
        .until("a panic is caught and counted", || async {
            operator
                .metric("oauthclient_panics_total", &[])
                .await
                .is_ok_and(|panics| panics >= 1.0)
        })
        .await;
    stage.resource("main", "").await;
    stage.wait_ready("main").await;
    stage.request_refresh("main").await;
    stage.exactly(2).await;
    assert_eq!(operator.get("/healthz").await.unwrap().0, 200);
    assert_eq!(stage.writes(&operator).await.0, 2);
    let panics = operator
        .metric("oauthclient_panics_total", &[])
        .await
        .unwrap();
    assert!(panics <= 2.0, "no hot loop: {panics} panics");
    stage.nothing_leaked(&operator).await;
    stage.ends_as_without_fault("main").await;
    // Without what makes it panic it is served.
    assert!(operator.terminate(SOON).await.unwrap().success());
    let operator = stage.operator(Start::default()).await;
    stage.wait_ready("bad").await;
    stage.exactly(3).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    stage.nothing_leaked(&operator).await;
}
