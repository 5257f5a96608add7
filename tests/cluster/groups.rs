//! Several operators, each with the resources that its selector matches.

use serde_json::Value;
use testkit::operator::Operator;

use super::harness::{SOON, Stage, Start};

/// An operator of a group.
async fn group(stage: &Stage, name: &str, selector: &str) -> Operator {
    let selector = format!("--resource-selector={selector}");
    let group = format!("--resource-group={name}");
    stage.operator(Start::with(&[&selector, &group])).await
}

impl Stage {
    async fn in_shard(&self, name: &str, shard: &str) {
        let manifest = self.manifest(name, "");
        let labelled = format!("{{name: {name}, labels: {{shard: {shard:?}}}}}");
        self.apply(&manifest.replace(&format!("{{name: {name}}}"), &labelled))
            .await;
    }

    /// The group in the state of a token Secret.
    async fn group_of(&self, secret: &str) -> Option<String> {
        let object = self.object("secret", secret).await?;
        let state = object.pointer("/metadata/annotations/oauthclient.dev~1state")?;
        let state: Value = serde_json::from_str(state.as_str()?).unwrap();
        let group = state.pointer("/owner/group")?;
        Some(group.as_str()?.to_owned())
    }

    async fn until_group(&self, secret: &str, group: &str) {
        self.until(&format!("group {group} serves {secret}"), || async {
            self.group_of(secret).await.as_deref() == Some(group)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_group_serves_what_its_selector_matches() {
    let stage = Stage::new(3600.0).await;
    let a = group(&stage, "a", "shard=a").await;
    let b = group(&stage, "b", "shard=b").await;
    stage.in_shard("one", "a").await;
    stage.in_shard("two", "b").await;
    stage.in_shard("nobodys", "c").await;
    stage.wait_ready("one").await;
    stage.wait_ready("two").await;
    stage.exactly(2).await;
    assert_eq!(stage.group_of("one-token").await.as_deref(), Some("a"));
    assert_eq!(stage.group_of("two-token").await.as_deref(), Some("b"));
    assert_eq!(stage.secret("nobodys-token").await, None);
    for (operator, name) in [(&a, "a"), (&b, "b")] {
        let of_group = [("group", name)];
        let requests = operator.metric("oauthclient_token_requests_total", &of_group);
        assert_eq!(requests.await.unwrap(), 1.0, "{name}");
    }
    stage.nothing_leaked(&a).await;
    stage.nothing_leaked(&b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_two_groups_overlap_one_serves_and_the_other_reports() {
    let stage = Stage::new(3600.0).await;
    let a = group(&stage, "a", "shard=a").await;
    stage.in_shard("main", "a").await;
    stage.wait_ready("main").await;
    let b = group(&stage, "b", "shard in (a, b)").await;
    stage
        .until("the overlap is reported", || async {
            let events = stage.events("main").await;
            events.contains(&"Warning ServedByAnotherGroup".to_owned())
        })
        .await;
    let label = ["get", "events", "-l", "oauthclient.dev/group=b", "-o=name"];
    assert!(!stage.kubectl(&label).await.is_empty());
    stage
        .until("it is counted", || async {
            b.metric("oauthclient_resources_of_other_groups", &[])
                .await
                .is_ok_and(|others| others == 1.0)
        })
        .await;
    // Whatever happens, one group acts.
    stage.request_refresh("main").await;
    stage.exactly(2).await;
    stage.kubectl(&["delete", "secret", "main-token"]).await;
    stage
        .until("it is restored", || async {
            stage.valid_token("main-token").await.is_some()
        })
        .await;
    stage.touch("main-token").await;
    let requests = stage.requests();
    stage.stays_at(requests).await;
    assert!((3..=4).contains(&requests), "{requests} token requests");
    let of = |operator: &Operator| {
        let errors = operator.stderr();
        errors.matches("reconcile panicked").count()
    };
    assert_eq!((of(&a), of(&b)), (0, 0));
    stage.nothing_leaked(&a).await;
    stage.nothing_leaked(&b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_whose_labels_change_moves_without_a_request() {
    let stage = Stage::new(3600.0).await;
    let a = group(&stage, "a", "shard=a").await;
    let b = group(&stage, "b", "shard=b").await;
    stage.in_shard("main", "a").await;
    stage.wait_ready("main").await;
    let token = stage.valid_token("main-token").await;
    let label = ["label", "--overwrite", "oauthclient", "main", "shard=b"];
    stage.kubectl(&label).await;
    stage.until_group("main-token", "b").await;
    stage.exactly(1).await;
    assert_eq!(stage.valid_token("main-token").await, token);
    stage.request_refresh("main").await;
    stage.exactly(2).await;
    let requests = b.metric("oauthclient_token_requests_total", &[]);
    assert_eq!(requests.await.unwrap(), 1.0);
    assert_eq!(stage.group_of("main-token").await.as_deref(), Some("b"));
    stage.nothing_leaked(&a).await;
    stage.nothing_leaked(&b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_left_while_nobody_watched_is_released_at_the_next_start() {
    let stage = Stage::new(3600.0).await;
    let a = group(&stage, "a", "shard=a").await;
    stage.in_shard("main", "a").await;
    stage.wait_ready("main").await;
    assert!(a.terminate(SOON).await.unwrap().success());
    let label = ["label", "--overwrite", "oauthclient", "main", "shard=b"];
    stage.kubectl(&label).await;
    let b = group(&stage, "b", "shard=b").await;
    stage
        .until("the old group is reported", || async {
            b.metric("oauthclient_resources_of_other_groups", &[])
                .await
                .is_ok_and(|others| others == 1.0)
        })
        .await;
    let a = group(&stage, "a", "shard=a").await;
    stage.until_group("main-token", "b").await;
    stage.exactly(1).await;
    stage.nothing_leaked(&a).await;
    stage.nothing_leaked(&b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_vanished_group_leaves_is_taken_over_while_its_tokens_are_valid() {
    let stage = Stage::new(60.0).await;
    let a = group(&stage, "a", "shard=a").await;
    stage.in_shard("main", "a").await;
    stage.wait_ready("main").await;
    assert!(a.terminate(SOON).await.unwrap().success());
    let b = group(&stage, "b", "shard").await;
    let requests = stage.requests();
    stage
        .until("another token", || async {
            assert!(stage.valid_token("main-token").await.is_some());
            stage.requests() > requests
        })
        .await;
    stage.until_group("main-token", "b").await;
    stage.nothing_leaked(&b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_group_has_a_lease_of_its_own() {
    let stage = Stage::new(3600.0).await;
    stage.own_account().await;
    let names = r#"[{"op": "replace", "path": "/rules/1/resourceNames",
        "value": ["oauthclient-operator-a", "oauthclient-operator-shard-b"]}]"#;
    let role = ["patch", "role", "oauthclient-operator-leader-election"];
    stage
        .kubectl(&[&role[..], &["--type=json", "-p", names]].concat())
        .await;
    let a = ["--resource-selector=shard=a", "--resource-group=a"];
    let a = stage.operator(Start::elected(&a)).await;
    let b = stage
        .operator(Start::elected(&["--resource-selector=shard=b"]))
        .await;
    stage.in_shard("one", "a").await;
    stage.in_shard("two", "b").await;
    stage.wait_ready("one").await;
    stage.wait_ready("two").await;
    let leases = stage.kubectl(&["get", "leases", "-o=name"]).await;
    assert!(leases.contains("/oauthclient-operator-a\n"), "{leases}");
    assert!(leases.contains("/oauthclient-operator-shard-b"), "{leases}");
    stage.exactly(2).await;
    stage.nothing_leaked(&a).await;
    stage.nothing_leaked(&b).await;
}
