//! The fault proxy between a real client and a real API server.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use futures::{Stream, StreamExt};
use http::{Method, StatusCode};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{
    Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams,
};
use std::pin::Pin;
use std::time::Duration;
use testkit::control_plane::{self, ControlPlane};
use testkit::fault_proxy::{Answer, Fault, FaultProxy, Rule, WatchFault};
use testkit::{clock::Stopwatch, wait};

const SOON: Duration = Duration::from_secs(20);
/// Long enough to distinguish silence from a response, which takes a few milliseconds.
const A_WHILE: Duration = Duration::from_millis(500);

/// The proxy, the ConfigMaps of a namespace seen through it, and the same ones seen past it.
struct Scene {
    proxy: FaultProxy,
    maps: Api<ConfigMap>,
    truth: Api<ConfigMap>,
    path: String,
}

async fn scene() -> Scene {
    scene_of(control_plane::shared().await).await
}

async fn scene_of(plane: &ControlPlane) -> Scene {
    let proxy = FaultProxy::start(plane).await.unwrap();
    let namespace = plane.namespace().await.unwrap();
    let client = plane
        .admin_identity()
        .with_server(proxy.url())
        .client()
        .unwrap();
    Scene {
        maps: Api::namespaced(client, &namespace),
        truth: Api::namespaced(plane.client().unwrap(), &namespace),
        path: format!("/api/v1/namespaces/{namespace}/configmaps"),
        proxy,
    }
}

fn config_map(name: &str) -> ConfigMap {
    let mut map = ConfigMap::default();
    map.metadata.name = Some(name.to_owned());
    map
}

async fn create(maps: &Api<ConfigMap>, name: &str) -> kube::Result<ConfigMap> {
    maps.create(&PostParams::default(), &config_map(name)).await
}

async fn set(maps: &Api<ConfigMap>, name: &str, value: &str) -> kube::Result<ConfigMap> {
    let patch = serde_json::json!({"data": {"key": value}});
    maps.patch(name, &PatchParams::default(), &Patch::Merge(patch))
        .await
}

fn value(map: &ConfigMap) -> Option<&str> {
    map.data.as_ref()?.get("key").map(String::as_str)
}

#[track_caller]
fn code<T: std::fmt::Debug>(outcome: kube::Result<T>) -> u16 {
    match outcome {
        Err(kube::Error::Api(status)) => status.code,
        other => panic!("no refusal: {other:?}"),
    }
}

#[tokio::test]
async fn without_rules_nothing_changes_and_everything_is_recorded() {
    let Scene {
        proxy,
        maps,
        truth,
        path,
    } = scene().await;
    create(&maps, "a").await.unwrap();
    set(&maps, "a", "1").await.unwrap();
    assert_eq!(value(&truth.get("a").await.unwrap()), Some("1"));
    assert_eq!(
        maps.list(&ListParams::default().limit(5))
            .await
            .unwrap()
            .items
            .len(),
        1
    );
    maps.delete("a", &DeleteParams::default()).await.unwrap();
    assert_eq!(code(maps.get("a").await), 404);

    let seen: Vec<_> = proxy
        .requests()
        .into_iter()
        .map(|it| {
            (
                it.method,
                it.path,
                it.query.trim_start_matches('&').to_owned(),
                it.upstream,
                it.answered,
            )
        })
        .collect();
    let item = format!("{path}/a");
    let expected = [
        ("POST", &path, "", 201),
        ("PATCH", &item, "", 200),
        ("GET", &path, "limit=5", 200),
        ("DELETE", &item, "", 200),
        ("GET", &item, "", 404),
    ];
    let expected = expected.map(|(method, path, query, code)| {
        (
            method.to_owned(),
            path.clone(),
            query.to_owned(),
            Some(code),
            Some(code),
        )
    });
    assert_eq!(seen, expected);
    assert_eq!(
        proxy
            .requests()
            .iter()
            .filter(|request| request.is_write())
            .count(),
        3
    );
    proxy.clear_requests();
    assert_eq!(proxy.requests(), []);
}

#[tokio::test]
async fn kubectl_works_through_it_with_a_written_kubeconfig() {
    let plane = control_plane::shared().await;
    let proxy = FaultProxy::start(plane).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("kubeconfig");
    plane
        .admin_identity()
        .with_server(proxy.url())
        .write(&file)
        .unwrap();
    let said = plane
        .run_kubectl(
            &[
                "--kubeconfig",
                file.to_str().unwrap(),
                "get",
                "namespaces",
                "-o",
                "name",
            ],
            "",
        )
        .await
        .unwrap();
    assert!(said.contains("namespace/default"), "{said}");
    assert!(
        proxy
            .requests()
            .iter()
            .any(|request| request.user_agent.starts_with("kubectl/")
                && request.path == "/api/v1/namespaces")
    );
}

#[tokio::test]
async fn an_answer_of_our_own_never_reaches_the_api_server() {
    let Scene {
        proxy, maps, truth, ..
    } = scene().await;
    let rule = proxy.add(
        Rule::new(Fault::Answer(Answer::conflict()))
            .writes()
            .path_ends("/configmaps")
            .skip(1)
            .once(),
    );
    create(&maps, "first").await.unwrap();
    assert_eq!(code(create(&maps, "second").await), 409);
    create(&maps, "third").await.unwrap();
    assert_eq!(proxy.hits(rule), 1);
    assert!(truth.get_opt("second").await.unwrap().is_none());
    assert_eq!(proxy.requests()[1].rule, Some(rule));
    assert_eq!(
        (proxy.requests()[1].upstream, proxy.requests()[1].answered),
        (None, Some(409))
    );
}

#[tokio::test]
async fn a_retry_after_is_sent_word_for_word() {
    let Scene { proxy, path, .. } = scene().await;
    proxy.add(Rule::new(Fault::Answer(Answer::too_many_requests("-7"))));
    let answer = reqwest_through(&proxy, &path).await;
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.headers()["retry-after"], "-7");
    assert_eq!(
        answer.json::<serde_json::Value>().await.unwrap()["reason"],
        "TooManyRequests"
    );
}

/// A plain GET as the administrator, for what kube's client does not show: it retries a 429 by itself.
async fn reqwest_through(proxy: &FaultProxy, path: &str) -> reqwest::Response {
    let plane = control_plane::shared().await;
    let pem = std::fs::read(plane.ca_path()).unwrap();
    reqwest::Client::builder()
        .tls_certs_only(reqwest::Certificate::from_pem_bundle(&pem).unwrap())
        .build()
        .unwrap()
        .get(format!("{}{path}", proxy.url()))
        .bearer_auth(plane.admin_identity().token)
        .send()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_500_is_told_after_the_api_server_has_done_it() {
    let Scene {
        proxy, maps, truth, ..
    } = scene().await;
    proxy.add(
        Rule::new(Fault::AnswerAfter(Answer::internal_error()))
            .method(Method::POST)
            .once(),
    );
    assert_eq!(code(create(&maps, "done").await), 500);
    assert!(truth.get_opt("done").await.unwrap().is_some());
    assert_eq!(
        (proxy.requests()[0].upstream, proxy.requests()[0].answered),
        (Some(201), Some(500))
    );
}

#[tokio::test]
async fn a_stale_answer_is_what_was_true_before() {
    let Scene { proxy, maps, .. } = scene().await;
    create(&maps, "a").await.unwrap();
    for text in ["1", "2"] {
        set(&maps, "a", text).await.unwrap();
        maps.get("a").await.unwrap();
        maps.list(&ListParams::default()).await.unwrap();
    }
    set(&maps, "a", "3").await.unwrap();

    let last = proxy.add(Rule::new(Fault::Stale(0)).path_ends("/a"));
    assert_eq!(value(&maps.get("a").await.unwrap()), Some("2"));
    proxy.remove(last);
    proxy.add(Rule::new(Fault::Stale(1)));
    assert_eq!(value(&maps.get("a").await.unwrap()), Some("1"));
    let listed = maps.list(&ListParams::default()).await.unwrap();
    assert_eq!(value(&listed.items[0]), Some("1"));
    // What was never answered cannot be stale.
    assert_eq!(code(maps.get("b").await), 404);
    proxy.clear();
    assert_eq!(value(&maps.get("a").await.unwrap()), Some("3"));
}

#[tokio::test]
async fn a_dropped_connection_loses_the_request_or_only_the_answer() {
    let Scene {
        proxy, maps, truth, ..
    } = scene().await;
    let before = proxy.add(Rule::new(Fault::DropBefore).method(Method::POST).once());
    assert!(create(&maps, "lost").await.is_err());
    assert_eq!(proxy.hits(before), 1);
    assert!(truth.get_opt("lost").await.unwrap().is_none());

    proxy.add(Rule::new(Fault::DropAfter).method(Method::POST).once());
    assert!(create(&maps, "kept").await.is_err());
    assert!(truth.get_opt("kept").await.unwrap().is_some());
    assert_eq!(
        proxy
            .requests()
            .last()
            .map(|request| (request.upstream, request.answered)),
        Some((Some(201), None))
    );
}

#[tokio::test]
async fn a_delay_comes_before_the_next_fault_that_fits() {
    let Scene { proxy, maps, .. } = scene().await;
    proxy.add(Rule::new(Fault::Delay(A_WHILE)).once());
    proxy.add(Rule::new(Fault::Answer(Answer::forbidden("quota"))).once());
    let stopwatch = Stopwatch::start();
    assert_eq!(code(maps.get("a").await), 403);
    assert!(stopwatch.elapsed() >= A_WHILE);
    assert_eq!(code(maps.get("a").await), 404);
}

#[tokio::test]
async fn a_held_request_has_not_happened_and_a_held_answer_has() {
    let Scene {
        proxy, maps, truth, ..
    } = scene().await;
    let request = proxy.add(Rule::new(Fault::HoldRequest).method(Method::POST));
    let held = tokio::spawn({
        let maps = maps.clone();
        async move { create(&maps, "one").await }
    });
    proxy.wait_for_hits(request, 1, SOON).await.unwrap();
    tokio::time::sleep(A_WHILE).await;
    assert!(!held.is_finished());
    assert!(truth.get_opt("one").await.unwrap().is_none());
    proxy.release(request);
    held.await.unwrap().unwrap();

    let answer = proxy.add(Rule::new(Fault::HoldAnswer).method(Method::POST));
    let held = tokio::spawn(async move { create(&maps, "two").await });
    wait::until("the commit", SOON, || async {
        let there = truth.get_opt("two").await.unwrap();
        there.map(drop).ok_or_else(|| testkit::Error::new("absent"))
    })
    .await
    .unwrap();
    assert!(!held.is_finished());
    // Without a release the connection is closed, and kube's client does not try a POST again.
    proxy.remove(answer);
    assert!(held.await.unwrap().is_err());
}

type Watch = Pin<Box<dyn Stream<Item = kube::Result<WatchEvent<ConfigMap>>>>>;

/// What is there, and then what changes; without bookmarks, which come when they like.
async fn watch(maps: &Api<ConfigMap>) -> Watch {
    let params = WatchParams::default().disable_bookmarks();
    Box::pin(maps.watch(&params, "0").await.unwrap())
}

/// The next event of a watch, as a word.
async fn next(stream: &mut Watch) -> Option<String> {
    let event = tokio::time::timeout(SOON, stream.next()).await.unwrap()?;
    Some(match event {
        Ok(WatchEvent::Added(map)) => format!("added {}", map.metadata.name.unwrap()),
        Ok(WatchEvent::Error(status)) => format!("error {} {}", status.code, status.reason),
        Ok(other) => format!("{other:?}"),
        Err(error) => format!("broken: {error:?}"),
    })
}

#[tokio::test]
async fn a_watch_streams_through_and_breaks_as_told() {
    let Scene {
        proxy,
        maps,
        truth,
        path,
    } = scene().await;
    let ways = [
        // kube's client takes a cut for an end; the test below sees the half frame.
        (WatchFault::CutMidFrame, None),
        (WatchFault::Error(Answer::gone()), Some("error 410 Expired")),
        (WatchFault::End, None),
    ];
    for (nth, (how, expected)) in ways.into_iter().enumerate() {
        let mut stream = watch(&maps).await;
        for old in 0..nth {
            assert_eq!(next(&mut stream).await, Some(format!("added map-{old}")));
        }
        create(&truth, &format!("map-{nth}")).await.unwrap();
        assert_eq!(next(&mut stream).await, Some(format!("added map-{nth}")));
        assert_eq!(proxy.open_watches(), [path.as_str()]);
        assert_eq!(proxy.break_watches("/configmaps", &how), 1);
        let last = next(&mut stream).await;
        assert_eq!(last.as_deref(), expected, "{how:?}");
        drop(stream);
        wait::until_true("the watch to be gone", SOON, || {
            proxy.open_watches().is_empty()
        })
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn a_watch_that_is_cut_ends_in_the_middle_of_an_event() {
    let Scene {
        proxy, truth, path, ..
    } = scene().await;
    proxy.add(Rule::new(Fault::Watch(1, WatchFault::CutMidFrame)).watches());
    create(&truth, "whole").await.unwrap();
    let query = "watch=true&resourceVersion=0";
    let mut answer = reqwest_through(&proxy, &format!("{path}?{query}")).await;
    let mut text = String::new();
    let cut = loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => text.push_str(std::str::from_utf8(&chunk).unwrap()),
            Ok(None) => break false,
            Err(_unexpected_end) => break true,
        }
    };
    assert!(cut);
    let (whole, half) = text.split_once('\n').unwrap();
    assert!(
        serde_json::from_str::<serde_json::Value>(whole).is_ok(),
        "{whole}"
    );
    assert!(
        half.starts_with("{\"type\":\"MODIFIED\"") && !half.contains('\n'),
        "{half}"
    );
}

#[tokio::test]
async fn a_rule_breaks_a_watch_after_so_many_events() {
    let Scene {
        proxy, maps, truth, ..
    } = scene().await;
    let rule = proxy.add(Rule::new(Fault::Watch(2, WatchFault::Error(Answer::gone()))).once());
    // A list is no watch: it neither breaks nor counts.
    maps.list(&ListParams::default()).await.unwrap();
    assert_eq!(proxy.hits(rule), 0);
    for name in ["a", "b", "c"] {
        create(&truth, name).await.unwrap();
    }
    let mut stream = watch(&maps).await;
    let mut words = Vec::new();
    while let Some(word) = next(&mut stream).await {
        words.push(word);
    }
    assert_eq!(words[2..], ["error 410 Expired"], "{words:?}");
    assert_eq!(proxy.hits(rule), 1);
}

#[tokio::test]
async fn a_half_open_watch_stays_open_and_silent() {
    let Scene {
        proxy, maps, truth, ..
    } = scene().await;
    let mut stream = watch(&maps).await;
    assert_eq!(proxy.break_watches("", &WatchFault::Silence), 1);
    create(&truth, "unseen").await.unwrap();
    assert!(tokio::time::timeout(A_WHILE, stream.next()).await.is_err());
    assert_eq!(proxy.open_watches().len(), 1);
}

#[tokio::test]
async fn an_outage_closes_everything_and_ends() {
    let Scene { proxy, maps, .. } = scene().await;
    let mut stream = watch(&maps).await;
    proxy.go_down();
    assert!(
        next(&mut stream)
            .await
            .is_none_or(|last| last.starts_with("broken"))
    );
    assert!(maps.get("a").await.is_err());
    proxy.come_up();
    assert_eq!(code(maps.get("a").await), 404);
}

#[tokio::test]
async fn a_dead_api_server_looks_dead_through_the_proxy_too() {
    let plane = ControlPlane::start(control_plane::Options::default())
        .await
        .unwrap();
    let Scene {
        proxy: _proxy,
        maps,
        ..
    } = scene_of(&plane).await;
    plane.stop_api_server();
    assert!(!matches!(
        maps.get("a").await,
        Err(kube::Error::Api(_)) | Ok(_)
    ));
    plane.start_api_server().await.unwrap();
    assert_eq!(code(maps.get("a").await), 404);
}
