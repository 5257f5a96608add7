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

use super::harness::living;
use points::{Aftermath, Point, die_at, enumerate};
use record::{Recorded, record};
use scene::{Scenario, Scene, Step};

/// How many runs go on at one time: each has an operator of its own.
const AT_ONCE: usize = 4;

/// Fails unless the recording has these deeds in these steps, as often at least.
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

/// Dies at every point, a few at one time, and hands each aftermath to `judge`. Fails with all that is wrong.
async fn at_every_point(
    scene: &Scene,
    recording: &[Recorded],
    ends: impl Fn(&Point, usize, &serde_json::Value) -> bool,
    judge: impl Fn(&Point, &Aftermath) -> Result<(), String>,
) {
    let points = enumerate(recording);
    let (ends, judge) = (&ends, &judge);
    let all = futures::stream::iter(&points).map(|point| async move {
        let ends = |step: usize, standing: &serde_json::Value| ends(point, step, standing);
        let lived = die_at(scene, recording, point, ends).await;
        let judged = lived.and_then(|aftermath| judge(point, &aftermath));
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
        steps: a_life(),
    })
    .await;
    let recording = record(&scene).await;
    assert_holds(
        &recording,
        &[
            (1, "token request"),
            (1, "POST secrets"),
            (1, "PATCH oauthclients/status"),
            (2, "token request"),
            (2, "PATCH secrets"),
            (2, "PATCH oauthclients/status"),
            (3, "POST secrets"),
            (3, "DELETE secrets"),
        ],
    );
    let undisturbed = requests(&recording);
    at_every_point(
        &scene,
        &recording,
        |_, step, standing| *standing == recording[step].standing,
        |point, aftermath| {
            // A token that nobody has stored has to be asked for again; nothing else has.
            let expected = undisturbed + usize::from(point.in_hand);
            if aftermath.requests == expected {
                return Ok(());
            }
            let requests = aftermath.requests;
            Err(format!("{requests} token requests instead of {expected}"))
        },
    )
    .await;
}
