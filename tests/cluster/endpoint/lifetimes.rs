//! `expires_in` in every shape that providers use, and tokens that expire too soon for a mounted volume to follow.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::provider::{TimeField, Written};

use super::*;

/// A token that the provider accepts for an hour, with this lifetime in the response; `None` leaves it out.
fn told_as(value: Option<Value>) -> Behaviour {
    let mut behaviour = living(3600.0);
    let written = value.map(|value| TimeField::expires_in(Written::Literal(value)));
    behaviour.shape.times = written.into_iter().collect();
    behaviour
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lifetime_is_understood_in_every_shape_or_refused_as_a_whole() {
    let stage = Stage::new(3600.0).await;
    let fleet = Fleet::of(&stage);
    let _operator = stage.operator(Start::default()).await;
    let ten_years = 10 * 365 * 86_400;
    let good = [
        ("missing", None, 3300, "The response has no expires_in"),
        (
            "is-null",
            Some(json!(null)),
            3300,
            "The response has no expires_in",
        ),
        (
            "zero",
            Some(json!(0)),
            3300,
            "The response has no expires_in",
        ),
        ("text", Some(json!("3599")), 3599, ""),
        ("float", Some(json!(3599.9)), 3599, ""),
        ("huge", Some(json!(1e308)), ten_years, "counts as ten years"),
        ("short", Some(json!(300)), 300, "(up to 90 s)"),
        ("long", Some(json!(604_800)), 604_800, ""),
    ];
    let bad = [
        ("negative", json!(-5)),
        ("junk", json!("60abc")),
        ("list", json!([3600])),
        ("boolean", json!(false)),
    ];
    // A valid token, whose successor is reported as expired already.
    endpoint(&stage.provider, "kept", living(3600.0));
    for (name, value, ..) in &good {
        endpoint(&stage.provider, name, told_as(value.clone()));
    }
    for (name, value) in &bad {
        endpoint(&stage.provider, name, told_as(Some(value.clone())));
    }
    let served: Vec<&str> = good.iter().map(|case| case.0).chain(["kept"]).collect();
    let refused: Vec<&str> = bad.iter().map(|case| case.0).collect();
    let all = served.iter().chain(&refused).copied();
    stage.apply(&manifests(&stage.provider, all)).await;

    let looks = fleet.well(&served).await;
    for (name, _, lifetime, said) in &good {
        let look = &looks[*name];
        let at = |pointer: &str| look.status(pointer).unwrap().parse::<Timestamp>().unwrap();
        let life = at("/token/expirationTime").duration_since(at("/token/issuedTime"));
        let off = (life.as_secs_f64() - f64::from(*lifetime)).abs();
        assert!(off <= 1.0, "{name}: lives {life:?}, should be {lifetime} s");
        let ready = look.condition("Ready");
        let reason = if *name == "short" {
            "LifetimeTooShort"
        } else {
            "TokenValid"
        };
        assert_eq!(
            (ready.status.as_str(), ready.reason.as_str()),
            ("True", reason),
            "{name}"
        );
        assert!(ready.message.contains(said), "{name}: {}", ready.message);
        let annotation = &look.annotations["oauthclient.dev/expires-at"];
        assert_eq!(
            annotation.parse::<Timestamp>().unwrap().as_second(),
            at("/token/expirationTime").as_second(),
            "{name}: Secret and status tell the same"
        );
        assert_eq!(stage.provider.count(&path(name)), 1, "{name}");
    }
    let looks = fleet
        .until("the bad are refused", &refused, SOON, |_, look| {
            look.condition("RefreshFailing").reason == "UnusableResponse"
        })
        .await;
    for name in &refused {
        assert!(looks[*name].data.is_none(), "{name}: nothing is published");
        assert!(looks[*name].is("Ready", "False"), "{name}");
        stage.provider.set(&path(name), living(3600.0));
    }
    let kept = looks["kept"].data.clone();
    stage.provider.set(&path("kept"), told_as(Some(json!(-1))));
    let note = "oauthclient.dev/refresh-requested-at=now";
    stage
        .kubectl(&["annotate", "oauthclient", "kept", note])
        .await;
    let looks = fleet
        .until("the bad answer is told", &["kept"], SOON, |_, look| {
            look.condition("RefreshFailing").reason == "UnusableResponse"
        })
        .await;
    assert_eq!(looks["kept"].data, kept, "the living token stays");
    assert!(looks["kept"].is("Ready", "True"));
    stage.provider.set(&path("kept"), living(3600.0));
    fleet.well(&refused).await;
    fleet.well(&["kept"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_thirty_seconds_is_always_valid_and_warned_of() {
    let stage = Stage::new(30.0).await;
    let _operator = stage.operator(Start::default()).await;
    stage.resource("main", "").await;
    let first = stage.wait_ready("main").await;
    let message = stage
        .wait_for("main", "Ready", "True", "LifetimeTooShort")
        .await;
    assert!(message.contains("read it through the API"), "{message}");
    let mut seen = std::collections::BTreeSet::from([first]);
    let begun = testkit::clock::Stopwatch::start();
    for _ in 0..80 {
        let token = stage.valid_token("main-token").await;
        seen.insert(token.expect("the token is always valid"));
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    // 12 to 15 s each, but for the first that is drawn shorter.
    let most = 2 + usize::try_from(begun.elapsed().as_secs() / 12).unwrap();
    assert!((2..=most).contains(&seen.len()), "{} tokens", seen.len());
    // Counted between two refreshes: a token on its way to its Secret is not seen yet.
    let mut requests = stage.requests();
    for _ in 0..100 {
        if requests == seen.len() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        let token = stage.valid_token("main-token").await;
        seen.insert(token.expect("the token is always valid"));
        requests = stage.requests();
    }
    assert_eq!(requests, seen.len(), "one request a token");
    assert!(stage.events("main").await.is_empty());
}
