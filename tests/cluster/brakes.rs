//! What a user with rights in one namespace cannot cause: more attempts with a refused credential, a loop of repairs, a
//! flood of
//! API calls by one Secret, a status that belongs to another object.

use std::time::Duration;

use serde_json::Value;
use testkit::control_plane::AuditEvent;
use testkit::operator::Operator;
use testkit::provider::{Behaviour, Fault};

use super::harness::{PATH, SOON, Stage, Start, credentials};

const PASSWORD: &str = "  grant: {type: password}";

/// A credentials Secret with user name and password.
fn person(name: &str, password: &str) -> String {
    let client = credentials(name, "shop", "secret");
    let open = "stringData: {";
    client.replace(
        open,
        &format!("{open}username: alice, password: {password:?}, "),
    )
}

fn refusing(code: &str) -> Behaviour {
    Behaviour::living(3600.0).with_fault(Fault::error(code))
}

/// How much of what namespaces share is in use.
async fn in_use(operator: &Operator, kind: &str) -> f64 {
    let kind = [("kind", kind)];
    let shown = operator.metric("oauthclient_shared_in_use", &kind).await;
    shown.unwrap_or(0.0)
}

impl Stage {
    /// What the operator asked the API server for in this namespace since then.
    async fn operator_calls(&self, mark: testkit::control_plane::AuditMark) -> Vec<AuditEvent> {
        let mut events = self.plane.audit_since(mark).await.unwrap();
        events.retain(|event| {
            event.namespace == self.namespace
                && event.user.ends_with(":oauthclient-operator")
                && event.verb != "watch"
        });
        events
    }

    /// The number of tokens in Secrets.
    async fn published(&self) -> usize {
        let args = [
            "get",
            "secrets",
            "-l",
            "oauthclient.dev/token=true",
            "-o",
            "name",
        ];
        self.kubectl(&args).await.lines().count()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_password_is_sent_once_however_it_is_annotated_recreated_or_copied() {
    let stage = Stage::with(refusing("invalid_grant")).await;
    stage.apply(&person("client", "wrong")).await;
    let operator = stage.operator(Start::default()).await;
    stage.resource("main", PASSWORD).await;
    stage
        .wait_for("main", "Stalled", "True", "InvalidGrant")
        .await;
    assert_eq!(stage.requests(), 1);

    for number in 0..20 {
        let asked = format!("oauthclient.dev/refresh-requested-at=now-{number}");
        stage
            .kubectl(&["annotate", "--overwrite", "oauthclient", "main", &asked])
            .await;
    }
    stage
        .until("the last one is handled", || async {
            let object = stage.object("oauthclient", "main").await.unwrap();
            object
                .pointer("/status/lastRefreshRequest")
                .and_then(Value::as_str)
                == Some("now-19")
        })
        .await;
    for _ in 0..10 {
        stage.kubectl(&["delete", "oauthclient", "main"]).await;
        stage.resource("main", PASSWORD).await;
    }
    stage
        .wait_for("main", "Stalled", "True", "InvalidGrant")
        .await;
    // Another Secret with the same content, and thirty resources with it.
    stage.apply(&person("copy", "wrong")).await;
    let copies: Vec<String> = (0..30)
        .map(|number| {
            let manifest = stage.manifest(&format!("copy-{number}"), PASSWORD);
            manifest.replace("secretName: client", "secretName: copy")
        })
        .collect();
    stage.apply(&copies.join("---\n")).await;
    for number in [0, 15, 29] {
        let name = format!("copy-{number}");
        stage
            .wait_for(&name, "Stalled", "True", "InvalidGrant")
            .await;
    }
    assert_eq!(stage.requests(), 1, "one password, one refusal");
    stage
        .until("the gauge counts what is remembered", || async {
            in_use(&operator, "brakes").await > 0.0
        })
        .await;

    // A restart forgets nothing.
    assert!(operator.terminate(SOON).await.unwrap().success());
    let operator = stage.operator(Start::default()).await;
    stage.resource("after", PASSWORD).await;
    stage
        .wait_for("after", "Stalled", "True", "InvalidGrant")
        .await;
    stage.stays_at(1).await;

    // The owner of the Secret may ask for another try; another password needs none.
    let retry = "oauthclient.dev/retry-requested-at=1";
    stage
        .kubectl(&["annotate", "secret", "client", retry])
        .await;
    stage
        .until("it is tried once more", || async { stage.requests() == 2 })
        .await;
    stage.stays_at(2).await;
    stage.provider.set_fault(PATH, None);
    stage.apply(&person("client", "right")).await;
    stage.wait_for("main", "Ready", "True", "").await;
    stage.wait_for("after", "Ready", "True", "").await;
    stage.nothing_leaked(&operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_secret_that_is_altered_or_deleted_each_second_makes_no_loop() {
    let stage = Stage::new(3600.0).await;
    let operator = stage.operator(Start::default()).await;
    stage.resource("main", "").await;
    let token = stage.wait_ready("main").await;
    for number in 0..25 {
        let state = format!("oauthclient.dev/state={{\"{number}\":1}}");
        let _ = stage
            .try_kubectl(&["annotate", "--overwrite", "secret", "main-token", &state])
            .await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(stage.requests(), 1, "the token is still good");
    assert_eq!(stage.valid_token("main-token").await, Some(token));
    let (secrets, _) = stage.writes(&operator).await;
    assert!(secrets <= 6, "{secrets} writes of Secrets");

    for _ in 0..40 {
        let _ = stage
            .try_kubectl(&["delete", "secret", "main-token", "--ignore-not-found"])
            .await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let requests = stage.requests();
    assert!(requests <= 5, "{requests} requests");
    let status = stage.object("oauthclient", "main").await.unwrap();
    let count = status
        .pointer("/status/repairs/count")
        .and_then(Value::as_i64);
    assert!(count.is_some_and(|count| count >= 3), "{count:?}");
    // A restart begins no new count.
    assert!(operator.terminate(SOON).await.unwrap().success());
    let _operator = stage.operator(Start::default()).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(stage.requests() <= requests + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_a_secret_that_many_use_costs_one_read() {
    const MANY: usize = 200;
    let stage = Stage::new(3600.0).await;
    let operator = stage.operator(Start::default()).await;
    let manifests: Vec<String> = (0..MANY)
        .map(|number| stage.manifest(&format!("r{number}"), ""))
        .collect();
    stage.apply(&manifests.join("---\n")).await;
    stage
        .until("all have a token", || async {
            stage.published().await >= MANY
        })
        .await;
    stage
        .until("every status follows", || async {
            let path = "jsonpath={.items[*].status.conditions[0].status}";
            let ready = stage.kubectl(&["get", "oauthclients", "-o", path]).await;
            ready.matches("True").count() == MANY
        })
        .await;
    let mark = stage.plane.audit_mark().await.unwrap();
    for number in 0..4 {
        let note = format!("note=n{number}");
        stage
            .kubectl(&["annotate", "--overwrite", "secret", "client", &note])
            .await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    stage
        .until("the gauge counts the Secret that changed", || async {
            in_use(&operator, "secret_changes").await > 0.0
        })
        .await;
    // All have noted the version by then, one by one.
    tokio::time::sleep(Duration::from_secs(30)).await;
    let calls = stage.operator_calls(mark).await;
    let reads = |name: &str| {
        let of_it = |event: &&AuditEvent| event.verb == "get" && event.name == name;
        calls.iter().filter(of_it).count()
    };
    assert!(
        reads("client") <= 8,
        "{} reads of the Secret",
        reads("client")
    );
    assert!(
        calls.len() <= 5 * MANY,
        "{} calls for four changes",
        calls.len()
    );
    assert_eq!(stage.requests(), MANY, "nothing is asked for");

    // Other content is a new start: each resource sends one request, and few reads are needed.
    let mark = stage.plane.audit_mark().await.unwrap();
    stage.provider.update(PATH, |behaviour| {
        let mut account = behaviour.accepts.clients[0].clone();
        account.secret = "next".to_owned();
        behaviour.accepts.clients = vec![account];
    });
    stage
        .apply(&credentials("client", super::harness::CLIENT_ID, "next"))
        .await;
    stage
        .until("everybody has asked", || async {
            stage.requests() >= 2 * MANY
        })
        .await;
    let calls = stage.operator_calls(mark).await;
    let of_it = |event: &&AuditEvent| event.verb == "get" && event.name == "client";
    let reads = calls.iter().filter(of_it).count();
    assert!(reads <= 10, "{reads} reads for {MANY} requests");
    stage.nothing_leaked(&operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_amiss_is_looked_at_and_told_less_and_less_often() {
    let stage = Stage::new(3600.0).await;
    stage.provider.update(PATH, |behaviour| {
        behaviour.lifetime = testkit::provider::Lifetime::Fixed { seconds: 1.0 };
    });
    let operator = stage.operator(Start::default()).await;
    stage.resource("tiny", "").await;
    let ca = stage
        .manifest("ca", "")
        .replace("configMapName: provider-ca", "configMapName: nowhere");
    stage.apply(&ca).await;
    let missing = stage
        .manifest("missing", "")
        .replace("secretName: client", "secretName: nowhere");
    stage.apply(&missing).await;
    stage.wait_for("ca", "Ready", "False", "").await;
    stage.wait_for("missing", "Ready", "False", "").await;
    let mark = stage.plane.audit_mark().await.unwrap();
    let before = stage.requests();
    tokio::time::sleep(Duration::from_secs(45)).await;
    let calls = stage.operator_calls(mark).await;
    let of = |name: &str| calls.iter().filter(|event| event.name == name).count();
    assert!(of("ca") + of("nowhere") <= 12, "{}", of("ca"));
    assert!(of("missing") <= 4, "{}", of("missing"));
    let requests = stage.requests() - before;
    assert!(requests <= 6, "{requests} requests in 45 s");
    stage.nothing_leaked(&operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_is_written_for_the_version_that_was_seen() {
    let stage = Stage::new(3600.0).await;
    stage
        .provider
        .update(PATH, |behaviour| behaviour.latency_ms = 1500);
    let operator = stage.operator(Start::default()).await;
    for number in 0..3 {
        // Recreated while its predecessor's request is in flight.
        stage
            .resource("main", &format!("  scopes: [s{number}]"))
            .await;
        let sent = stage.requests();
        stage
            .until("it is being asked for", || async {
                stage.requests() > sent
            })
            .await;
        stage.kubectl(&["delete", "oauthclient", "main"]).await;
    }
    stage.resource("main", "  scopes: [last]").await;
    let token = stage.wait_ready("main").await;
    let object = stage.object("oauthclient", "main").await.unwrap();
    assert_eq!(
        object.pointer("/status/observedGeneration"),
        Some(&Value::from(1))
    );
    assert_eq!(stage.valid_token("main-token").await, Some(token));

    // Edited while the request is in flight, again and again: the final status is that of the newest spec.
    for number in 0..5 {
        let patch = format!(r#"{{"spec":{{"scopes":["e{number}"]}}}}"#);
        stage
            .kubectl(&["patch", "oauthclient", "main", "--type=merge", "-p", &patch])
            .await;
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    stage
        .until("the newest spec is told of", || async {
            let object = stage.object("oauthclient", "main").await.unwrap();
            let generation = object.pointer("/metadata/generation").cloned();
            let ready = stage.condition("main", "Ready").await;
            object.pointer("/status/observedGeneration").cloned() == generation
                && ready.is_some_and(|ready| ready.status == "True")
        })
        .await;
    stage.nothing_leaked(&operator).await;
}
