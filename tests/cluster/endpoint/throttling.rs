//! 429 with every form of `Retry-After` (RFC 9110 section 10.2.3): what is asked for is kept to, what is nonsense is not.

use std::time::Duration;

use jiff::Timestamp;
use testkit::provider::Fault;

use super::*;

/// The date that is `seconds` from now, in the form of RFC 9110 section 5.6.7.
fn http_date(seconds: i64) -> String {
    let at = jiff_now() + jiff::SignedDuration::from_secs(seconds);
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// When the requests of a case came.
fn times(stage: &Stage, name: &str) -> Vec<Timestamp> {
    let requests = stage.provider.requests_to(&path(name));
    requests.iter().map(|request| request.at).collect()
}

/// Seconds from one to the other.
fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_comes_before_a_retry_after_is_over_whatever_its_form() {
    let stage = Stage::new(3600.0).await;
    let fleet = Fleet::of(&stage);
    // The last two say nothing that can be kept to: then the usual pause holds, 2.5 to 5 s after a first failure.
    let names = ["seconds", "date", "huge", "past", "negative", "garbage"];
    let _operator = stage.operator(Start::default()).await;
    let date = http_date(14);
    let until: Timestamp = jiff_now() + jiff::SignedDuration::from_secs(13);
    for (name, retry_after) in [
        ("seconds", "9"),
        ("date", &date),
        ("huge", "99999999999999999999"),
        ("past", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("negative", "-30"),
        ("garbage", "soon; really"),
    ] {
        let first = [Some(Fault::throttled(retry_after))];
        endpoint(&stage.provider, name, living(3600.0).with_faults(first));
    }
    stage.apply(&manifests(&stage.provider, names)).await;
    let told = fleet
        .until("all are told to wait", &names, SOON, |_, look| {
            look.condition("RefreshFailing").reason == "RateLimited"
        })
        .await;
    // At most an hour is accepted, and the status says that it lasts.
    let huge = &told["huge"];
    let next: Timestamp = huge
        .status("/attempt/retryAfterTime")
        .unwrap()
        .parse()
        .unwrap();
    let wait = seconds(jiff_now(), next);
    assert!((3500.0..=3600.0).contains(&wait), "{wait} s");
    assert!(huge.is("Reconciling", "True") && huge.is("Ready", "False"));
    assert!(huge.is("Stalled", "False"), "it passes by itself");

    // Neither the annotation nor another edit of the spec helps against it: the endpoint and the client are the same.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let patch = r#"{"spec":{"scopes":["other"]}}"#;
    for name in ["seconds", "huge"] {
        let note = "oauthclient.dev/refresh-requested-at=now";
        stage
            .kubectl(&["annotate", "oauthclient", name, note])
            .await;
        let merge = ["patch", "oauthclient", name, "--type=merge", "-p", patch];
        stage.kubectl(&merge).await;
    }
    let served = ["seconds", "date", "past", "negative", "garbage"];
    fleet.well(&served).await;
    for name in served {
        let times = times(&stage, name);
        assert_eq!(times.len(), 2, "{name}: refused once, then served");
        let waited = seconds(times[0], times[1]);
        match name {
            "seconds" => assert!((9.0..12.0).contains(&waited), "{name}: {waited} s"),
            "date" => assert!(times[1] >= until, "{name}: {} before {until}", times[1]),
            _ => assert!((2.5..8.0).contains(&waited), "{name}: {waited} s"),
        }
    }
    assert_eq!(times(&stage, "huge").len(), 1, "an hour is not over");
    // Another client is another matter: it is asked for at once.
    stage.provider.update(&path("huge"), |behaviour| {
        behaviour.accepts.clients[0].id = "another-client".to_owned();
    });
    stage
        .apply(&credentials("another", "another-client", CLIENT_SECRET))
        .await;
    let patch = r#"{"spec":{"credentials":{"secretName":"another"}}}"#;
    let merge = ["patch", "oauthclient", "huge", "--type=merge", "-p", patch];
    stage.kubectl(&merge).await;
    fleet.well(&["huge"]).await;
    assert_eq!(times(&stage, "huge").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_does_not_forget_that_it_was_told_to_wait() {
    let stage = Stage::new(3600.0).await;
    let fleet = Fleet::of(&stage);
    let operator = stage.operator(Start::default()).await;
    let first = [Some(Fault::throttled("15"))];
    endpoint(&stage.provider, "main", living(3600.0).with_faults(first));
    stage.apply(&manifests(&stage.provider, ["main"])).await;
    fleet
        .until("it is told to wait", &["main"], SOON, |_, look| {
            look.condition("RefreshFailing").reason == "RateLimited"
        })
        .await;
    operator.kill();
    let _operator = stage.operator(Start::default()).await;
    fleet.well(&["main"]).await;
    let times = times(&stage, "main");
    let waited = seconds(times[0], times[1]);
    assert!((15.0..20.0).contains(&waited), "waited {waited} s");
    assert_eq!(times.len(), 2);
}
