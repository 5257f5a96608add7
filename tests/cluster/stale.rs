//! Views of the API that are old, partial or wrong: none of them asks for a token or touches what is not ours.

use std::time::Duration;

use http::{Method, StatusCode};
use testkit::fault_proxy::{Answer, Fault, Rule, WatchFault};

use super::harness::{CLIENT_SECRET, PATH, SOON, Stage, credentials, living};

/// The API server's path of a Secret.
fn secret_path(stage: &Stage, name: &str) -> String {
    format!("/api/v1/namespaces/{}/secrets/{name}", stage.namespace)
}

/// GETs of one object.
fn reads(fault: Fault, path: &str) -> Rule {
    Rule::new(fault).method(Method::GET).path(path)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_from_before_our_write_asks_for_nothing() {
    let stage = Stage::new(3600.0).await;
    let proxy = stage.proxy().await;
    let operator = stage.operator_behind(&proxy).await;
    stage.resource("main", "").await;
    stage.wait_ready("main").await;
    stage.request_refresh("main").await;
    stage.exactly(2).await;
    let token = stage.valid_token("main-token").await;

    // As it was before the second token: another version, another annotation, other times.
    let path = secret_path(&stage, "main-token");
    let rule = proxy.add(reads(Fault::Stale(0), &path).times(2));
    stage.touch("main-token").await;
    proxy.wait_for_hits(rule, 2, SOON).await.unwrap();
    stage.quiet(2, 8).await;
    assert_eq!(stage.valid_token("main-token").await, token);
    assert_eq!(stage.writes(&operator).await.0, 2, "writes of the Secret");
    stage.nothing_leaked(&operator).await;
    stage.ends_as_without_fault("main").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_in_which_our_secret_is_not_there_yet_asks_for_nothing() {
    let stage = Stage::new(3600.0).await;
    let proxy = stage.proxy().await;
    let operator = stage.operator_behind(&proxy).await;
    stage.resource("main", "").await;
    stage.wait_ready("main").await;

    let path = secret_path(&stage, "main-token");
    let rule = proxy.add(reads(Fault::Answer(Answer::not_found()), &path).times(2));
    stage.touch("main-token").await;
    proxy.wait_for_hits(rule, 2, SOON).await.unwrap();
    stage.quiet(1, 8).await;
    assert_eq!(stage.writes(&operator).await.0, 1, "writes of the Secret");
    stage.nothing_leaked(&operator).await;
    stage.ends_as_without_fault("main").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_served_as_it_was_before_its_last_edit_is_not_worked_on() {
    let stage = Stage::new(3600.0).await;
    let proxy = stage.proxy().await;
    let operator = stage.operator_behind(&proxy).await;
    stage.resource("main", "").await;
    stage.wait_ready("main").await;
    // Read once through the proxy as it is now.
    stage.touch("main-token").await;
    let path = format!(
        "/apis/oauthclient.dev/v1alpha1/namespaces/{}/oauthclients/main",
        stage.namespace
    );
    stage
        .until("the resource has been read", || async {
            let read = |request: &testkit::fault_proxy::Request| {
                request.method == "GET" && request.path == path
            };
            proxy.requests().iter().any(read)
        })
        .await;
    stage.resource("main", "  scopes: [read]").await;
    stage.exactly(2).await;

    let rule = proxy.add(reads(Fault::Stale(0), &path).times(2));
    stage.touch("main-token").await;
    proxy.wait_for_hits(rule, 1, SOON).await.unwrap();
    stage.quiet(2, 8).await;
    let last = stage.provider.requests().pop().unwrap();
    assert_eq!(last.form_value("scope").as_deref(), Some("read"));
    stage.nothing_leaked(&operator).await;
    stage.ends_as_without_fault("main").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_served_as_they_were_before_they_changed_are_not_sent() {
    let stage = Stage::new(3600.0).await;
    let proxy = stage.proxy().await;
    let operator = stage.operator_behind(&proxy).await;
    stage.resource("main", "").await;
    stage.wait_ready("main").await;
    let account = testkit::provider::Account {
        id: "another".to_owned(),
        secret: CLIENT_SECRET.to_owned(),
        ..Default::default()
    };
    stage
        .provider
        .update(PATH, |behaviour| behaviour.accepts.clients.push(account));
    stage
        .apply(&credentials("client", "another", CLIENT_SECRET))
        .await;
    stage.exactly(2).await;

    let path = secret_path(&stage, "client");
    let rule = proxy.add(reads(Fault::Stale(0), &path).times(2));
    stage.touch("main-token").await;
    proxy.wait_for_hits(rule, 1, SOON).await.unwrap();
    stage.quiet(2, 8).await;
    assert_eq!(stage.writes(&operator).await.0, 2, "writes of the Secret");
    stage.nothing_leaked(&operator).await;
    stage.ends_as_without_fault("main").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_with_a_refresh_time_that_has_passed_asks_for_nothing() {
    let stage = Stage::with(living(30.0)).await;
    let proxy = stage.proxy().await;
    let operator = stage.operator_behind(&proxy).await;
    // Due 6 to 10 s after its issue.
    stage
        .resource("main", "  refresh: {beforeSeconds: 20}")
        .await;
    stage.wait_ready("main").await;
    // The first token, which is due within seconds, is in a list that the proxy remembers.
    let lists = || {
        Rule::new(Fault::Delay(Duration::ZERO))
            .method(Method::GET)
            .path_ends("/secrets")
            .query_has("oauthclient.dev%2Ftoken")
            .not_watches()
    };
    let rule = proxy.add(lists());
    let gone = WatchFault::Error(Answer::gone());
    assert!(proxy.break_watches("/secrets", &gone) > 0);
    proxy.wait_for_hits(rule, 1, SOON).await.unwrap();
    stage.provider.set(PATH, living(3600.0));
    stage.exactly(2).await;
    tokio::time::sleep(Duration::from_secs(3)).await;

    let stale = proxy.add(
        Rule::new(Fault::Stale(0))
            .method(Method::GET)
            .path_ends("/secrets")
            .query_has("oauthclient.dev%2Ftoken")
            .not_watches()
            .once(),
    );
    assert!(proxy.break_watches("/secrets", &gone) > 0);
    proxy.wait_for_hits(stale, 1, SOON).await.unwrap();
    stage.quiet(2, 6).await;
    assert_eq!(stage.writes(&operator).await.0, 2, "writes of the Secret");
    stage.nothing_leaked(&operator).await;
    stage.ends_as_without_fault("main").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_and_its_undoing_that_nobody_saw_ask_for_nothing() {
    let stage = Stage::new(3600.0).await;
    let proxy = stage.proxy().await;
    let operator = stage.operator_behind(&proxy).await;
    stage.resource("main", "  scopes: [a]").await;
    let token = stage.wait_ready("main").await;

    proxy.go_down();
    stage.resource("main", "  scopes: [b]").await;
    stage.resource("main", "  scopes: [a]").await;
    // Taken up where it was, the watch would bring both edits.
    let gone = Fault::Watch(0, WatchFault::Error(Answer::gone()));
    let rule = proxy.add(Rule::new(gone).path_ends("/oauthclients").watches().once());
    proxy.come_up();
    proxy.wait_for_hits(rule, 1, SOON).await.unwrap();
    stage
        .until("the status is of the last edit", || async {
            let object = stage.object("oauthclient", "main").await.unwrap();
            object.pointer("/status/observedGeneration") == object.pointer("/metadata/generation")
        })
        .await;
    stage.stays_at(1).await;
    assert_eq!(stage.valid_token("main-token").await, Some(token));
    assert_eq!(stage.writes(&operator).await.0, 1, "writes of the Secret");
    stage.nothing_leaked(&operator).await;
    stage.ends_as_without_fault("main").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_made_anew_does_not_take_its_predecessors_secret() {
    let stage = Stage::new(3600.0).await;
    let proxy = stage.proxy().await;
    let operator = stage.operator_behind(&proxy).await;
    stage.resource("main", "").await;
    let first = stage.wait_ready("main").await;
    // A finalizer keeps the old Secret from being collected.
    let hold = r#"{"metadata":{"finalizers":["example.com/hold"]}}"#;
    stage
        .kubectl(&["patch", "secret", "main-token", "-p", hold])
        .await;
    let uid = |secret: serde_json::Value| secret.pointer("/metadata/uid").cloned();
    let old = uid(stage.object("secret", "main-token").await.unwrap());

    // Neither the deletion nor the creation is seen as such.
    proxy.go_down();
    stage.kubectl(&["delete", "oauthclient", "main"]).await;
    stage.resource("main", "").await;
    proxy.come_up();
    let message = stage
        .wait_for("main", "Reconciling", "True", "AwaitingGarbageCollection")
        .await;
    assert!(message.contains("main-token"), "{message}");
    stage.stays_at(1).await;
    assert_eq!(
        stage.secret("main-token").await.unwrap()["access_token"],
        first,
        "the old Secret is left as it is"
    );
    assert_eq!(stage.writes(&operator).await.0, 1);

    let release = r#"{"metadata":{"finalizers":null}}"#;
    stage
        .kubectl(&["patch", "secret", "main-token", "-p", release])
        .await;
    let second = stage.wait_ready("main").await;
    assert_ne!(first, second);
    stage.exactly(2).await;
    assert_ne!(
        uid(stage.object("secret", "main-token").await.unwrap()),
        old
    );
    stage.nothing_leaked(&operator).await;
    stage.ends_as_without_fault("main").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_deleted_while_no_watch_stands_is_restored() {
    let stage = Stage::new(3600.0).await;
    let proxy = stage.proxy().await;
    let operator = stage.operator_behind(&proxy).await;
    stage.resource("main", "").await;
    stage.wait_ready("main").await;

    proxy.go_down();
    stage.kubectl(&["delete", "secret", "main-token"]).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(stage.requests(), 1, "nobody has seen it yet");
    proxy.come_up();
    stage
        .until("the Secret is restored", || async {
            stage.valid_token("main-token").await.is_some()
        })
        .await;
    stage.exactly(2).await;
    assert_eq!(stage.writes(&operator).await.0, 2, "writes of the Secret");
    stage.nothing_leaked(&operator).await;
    stage.ends_as_without_fault("main").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_an_error_never_means_absent() {
    let stage = Stage::new(3600.0).await;
    let proxy = stage.proxy().await;
    let operator = stage.operator_behind(&proxy).await;
    stage.resource("main", "").await;
    let token = stage.wait_ready("main").await;
    let (_, written) = stage.writes(&operator).await;

    // A 404 that is not the API server's own, as a load balancer gives it, is no better than a 500.
    let stranger = Answer::new(StatusCode::NOT_FOUND, "", "default backend - 404");
    let of = format!("/namespaces/{}/", stage.namespace);
    for answer in [Answer::internal_error(), stranger, Answer::unavailable()] {
        for kind in [
            "/secrets/main-token",
            "/secrets/client",
            "/oauthclients/main",
            "/configmaps/",
        ] {
            let rule = Rule::new(Fault::Answer(answer.clone()))
                .method(Method::GET)
                .path_has(&of)
                .path_has(kind);
            let rule = proxy.add(rule);
            stage.touch("main-token").await;
            proxy.wait_for_hits(rule, 1, SOON).await.unwrap();
            proxy.remove(rule);
        }
    }
    stage.stays_at(1).await;
    assert_eq!(stage.valid_token("main-token").await, Some(token));
    assert_eq!(stage.writes(&operator).await, (1, written), "no write");
    assert!(stage.events("main").await.is_empty());
    stage.nothing_leaked(&operator).await;
    stage.ends_as_without_fault("main").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_for_an_older_version_is_refused_and_written_again_for_the_one_that_is_there() {
    let stage = Stage::new(3600.0).await;
    let proxy = stage.proxy().await;
    let operator = stage.operator_behind(&proxy).await;
    stage.resource("main", "").await;
    stage.wait_ready("main").await;
    let at = |pointer: &'static str| {
        let stage = &stage;
        async move {
            let object = stage.object("oauthclient", "main").await.unwrap();
            object.pointer(pointer).cloned()
        }
    };
    let conflicts = || async {
        let conflict = [("outcome", "conflict")];
        let count = operator.metric("oauthclient_api_requests_total", &conflict);
        count.await.unwrap_or(0.0) as usize
    };
    let (first, before) = (at("/status/token/issuedTime").await, conflicts().await);

    // The status is on its way while somebody writes an annotation.
    let path = format!(
        "/apis/oauthclient.dev/v1alpha1/namespaces/{}/oauthclients/main/status",
        stage.namespace
    );
    let held = Rule::new(Fault::HoldRequest)
        .method(Method::PUT)
        .path(&path);
    let held = proxy.add(held.times(1));
    stage.request_refresh("main").await;
    proxy.wait_for_hits(held, 1, SOON).await.unwrap();
    let note = ["annotate", "oauthclient", "main", "note=of-somebody-else"];
    stage.kubectl(&note).await;
    proxy.release(held);
    stage
        .until("the status tells of the second token", || async {
            stage.requests() == 2 && at("/status/token/issuedTime").await != first
        })
        .await;
    assert!(conflicts().await > before, "the first write was refused");
    let note = at("/metadata/annotations/note").await;
    assert_eq!(
        note.as_ref().and_then(|note| note.as_str()),
        Some("of-somebody-else")
    );
    stage.nothing_leaked(&operator).await;
}
