//! The operator is killed before and after every write and every token request that an undisturbed run makes, one point a
//! run: another process finishes what it began, as if nothing had happened.
//!
//! The points are not listed here: they are what `record` has seen. So what a later version writes is killed at too.

mod points;
mod record;
mod scene;
mod standing;

use std::collections::BTreeMap;

use futures::StreamExt as _;
use serde_json::json;

use testkit::provider::{Behaviour, RefreshTokens};

use super::harness::living;
use points::{Aftermath, Point, die_at, enumerate};
use record::{Recorded, record};
use scene::{Scenario, Scene, Step};

/// How many runs go on at one time: each has an operator of its own.
const AT_ONCE: usize = 5;

/// Fails unless the recording contains these actions in these steps, at least as often.
fn assert_holds(recording: &[Recorded], must: &[(usize, &str)]) {
    let mut counts: BTreeMap<(usize, String), usize> = BTreeMap::new();
    for (step, recorded) in recording.iter().enumerate() {
        for deed in &recorded.deeds {
            *counts.entry((step + 1, deed.kind())).or_default() += 1;
        }
    }
    let mut wanted: BTreeMap<(usize, String), usize> = BTreeMap::new();
    for (step, kind) in must {
        *wanted.entry((*step, (*kind).to_owned())).or_default() += 1;
    }
    for (what, least) in &wanted {
        let there = counts.get(what).copied().unwrap_or_default();
        assert!(there >= *least, "{what:?}: {there} times; all: {counts:#?}");
    }
}

/// Dies at every point, a few at one time, and fails with all that is wrong. `strict`: an answer that is lost needs a person.
async fn at_every_point(scene: &Scene, recording: &[Recorded], strict: bool) {
    let undisturbed = requests(recording);
    let points = enumerate(recording);
    let all = futures::stream::iter(&points).map(|point| async move {
        let needs_person = strict && point.loses_answer();
        let lived = die_at(scene, recording, point, needs_person).await;
        let judged = lived.and_then(|lived| judge(point, &lived, undisturbed, needs_person));
        judged.err().map(|wrong| format!("{point}: {wrong}"))
    });
    let wrong: Vec<String> = all
        .buffer_unordered(AT_ONCE)
        .filter_map(std::future::ready)
        .collect()
        .await;
    let count = wrong.len();
    assert!(
        wrong.is_empty(),
        "{count} of {} points:\n{}",
        points.len(),
        wrong.join("\n\n")
    );
}

/// Nothing was asked for too often, and a person was needed where the only copy was lost and nowhere else.
fn judge(
    point: &Point,
    lived: &Aftermath,
    undisturbed: usize,
    needs_person: bool,
) -> Result<(), String> {
    // A token that was not stored has to be requested again; nothing else has.
    let expected = undisturbed + usize::from(point.in_hand) + usize::from(needs_person);
    if lived.requests != expected {
        let requests = lived.requests;
        return Err(format!("{requests} token requests instead of {expected}"));
    }
    if lived.authorized_again != needs_person {
        return Err(format!("a person was needed: {}", lived.authorized_again));
    }
    let mut times: BTreeMap<&String, usize> = BTreeMap::new();
    for token in &lived.sent {
        *times.entry(token).or_default() += 1;
    }
    let twice = times.values().filter(|times| **times == 2).count();
    let more = times.values().any(|times| *times > 2);
    if more || twice > usize::from(point.in_hand) {
        return Err(format!("how often each refresh token was sent: {times:?}"));
    }
    Ok(())
}

fn requests(recording: &[Recorded]) -> usize {
    let deeds = recording.iter().flat_map(|recorded| &recorded.deeds);
    deeds.filter(|deed| **deed == record::Deed::Token).count()
}

/// A whole life: first token, refresh, another name for the Secret, the end.
fn a_life() -> Vec<Step> {
    vec![
        Step::Create("old-token"),
        Step::Refresh,
        Step::Rename("new-token"),
        Step::Delete,
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_point_of_a_life_another_process_finishes_it() {
    let scene = Scene::new(Scenario {
        behaviour: living(3600.0),
        spec: json!({}),
        refresh_token: false,
        timeout: 60,
        steps: a_life(),
    })
    .await;
    let recording = record(&scene).await;
    assert_holds(
        &recording,
        &[
            (1, "token request"),
            (1, "POST secrets"),
            (1, "PUT oauthclients/status"),
            (2, "token request"),
            (2, "PATCH secrets"),
            (2, "PUT oauthclients/status"),
            (3, "POST secrets"),
            (3, "DELETE secrets"),
        ],
    );
    at_every_point(&scene, &recording, false).await;
}

/// A provider that rotates refresh tokens, and takes an old one for so many seconds.
fn rotating(grace_seconds: f64) -> Behaviour {
    let mut behaviour = living(3600.0);
    behaviour.refresh_tokens = RefreshTokens {
        issue: true,
        rotate: true,
        grace_seconds,
    };
    behaviour
}

async fn killed_at_any_point_with_refresh_tokens(grace_seconds: f64) {
    let scene = Scene::new(Scenario {
        behaviour: rotating(grace_seconds),
        spec: json!({"grant": {"type": "refresh_token"}}),
        refresh_token: true,
        timeout: 8,
        steps: a_life(),
    })
    .await;
    let recording = record(&scene).await;
    assert_holds(
        &recording,
        &[
            (1, "POST secrets"),
            (1, "token request"),
            (1, "PATCH secrets"),
            (1, "POST secrets"),
            (1, "PUT oauthclients/status"),
            (2, "PATCH secrets"),
            (2, "token request"),
            (2, "PATCH secrets"),
            (2, "PATCH secrets"),
            (2, "PUT oauthclients/status"),
            (3, "POST secrets"),
            (3, "DELETE secrets"),
        ],
    );
    at_every_point(&scene, &recording, grace_seconds == 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_point_a_strict_provider_loses_no_more_than_the_one_answer_on_its_way() {
    killed_at_any_point_with_refresh_tokens(0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_point_a_provider_with_grace_needs_nobody() {
    killed_at_any_point_with_refresh_tokens(600.0).await;
}
