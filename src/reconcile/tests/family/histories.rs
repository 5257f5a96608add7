//! Random histories of refresh tokens: a refresh token is never sent again once its successor is known, and at most once more if
//! its outcome is unknown. `HISTORIES` sets how many are run by each test (64).

use proptest::prelude::*;

use super::*;

const SPEC: &str = "  grant: {type: refresh_token}\n";

fn fates() -> impl Strategy<Value = Vec<Sent>> {
    let fate = prop::sample::select(vec![
        Sent::Answered,
        Sent::Answered,
        Sent::Answered,
        Sent::Unsent,
        Sent::Lost,
        Sent::CrashBefore,
        Sent::CrashAfter,
        Sent::Unavailable,
        Sent::InvalidClient,
        Sent::Unusable,
    ]);
    prop::collection::vec(fate, 0..12)
}

fn faults() -> impl Strategy<Value = Vec<Fault>> {
    let fault = prop::sample::select(vec![
        Fault::Fine,
        Fault::Fine,
        Fault::Fine,
        Fault::Conflict,
        Fault::Lost,
        Fault::Committed,
        Fault::Forbidden,
        Fault::CrashBefore,
        Fault::CrashAfter,
    ]);
    prop::collection::vec(fault, 0..16)
}

fn looks() -> impl Strategy<Value = Vec<Look>> {
    let look = prop::sample::select(vec![Look::Fresh, Look::Fresh, Look::Fresh, Look::Fails]);
    prop::collection::vec(look, 0..12)
}

/// A resource whose every step may go wrong.
fn scene(fates: Vec<Sent>, keeps: Vec<Fault>, writes: Vec<Fault>, looks: Vec<Look>) -> Scene {
    let scene = Scene::family(SPEC, None);
    let mut inner = scene.inner();
    inner.family.requests = fates.into();
    inner.family.keeps = keeps.into();
    inner.writes = writes.into();
    inner.looks = looks.into();
    inner.family.access_life = 900;
    drop(inner);
    scene
}

fn is_ready(scene: &Scene) -> bool {
    scene.condition("Ready").is_some_and(|(ready, _)| ready)
}

fn is_stopped(scene: &Scene) -> bool {
    scene.condition("Stalled") == Some((true, "ReauthorizationRequired".into()))
}

/// As many cases as `HISTORIES` says, else 64.
pub(crate) fn cases() -> ProptestConfig {
    let cases = std::env::var("HISTORIES").ok();
    ProptestConfig {
        failure_persistence: None,
        cases: cases.and_then(|text| text.parse().ok()).unwrap_or(64),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_strict_provider_sees_no_refresh_token_more_than_twice_and_none_whose_successor_is_stored(
        fates in fates(), keeps in faults(), writes in faults(), looks in looks(),
    ) {
        let scene = scene(fates, keeps, writes, looks);
        scene.run(at(20_000));
        prop_assert!(scene.most_often() <= 2);
        let lost = scene.inner().family.lost;
        prop_assert!(lost > 0 || scene.most_often() <= 1, "{:?}", scene.inner().family.arrived);
        prop_assert!(is_ready(&scene) || is_stopped(&scene), "{:?}", scene.condition("Stalled"));
        if is_stopped(&scene) {
            prop_assert!(lost > 0);
            let before = scene.inner().requests;
            scene.restart();
            scene.run(at(90_000));
            prop_assert_eq!(scene.inner().requests, before, "it loops");
            let fresh = scene.inner().family.login();
            scene.offer(Some(&fresh));
            scene.calm();
            scene.run(at(100_000));
            prop_assert!(is_ready(&scene), "a new refresh token does not mend it");
        }
    }

    #[test]
    fn where_no_answer_is_lost_after_it_was_given_nobody_ever_has_to_log_in_again(
        fates in prop::collection::vec(prop::sample::select(vec![
            Sent::Answered, Sent::Unsent, Sent::Unavailable, Sent::InvalidClient, Sent::Unusable,
        ]), 0..12),
        keeps in prop::collection::vec(prop::sample::select(vec![
            Fault::Fine, Fault::Conflict, Fault::Lost, Fault::Committed, Fault::Forbidden, Fault::Refused,
        ]), 0..16),
        looks in looks(),
    ) {
        let scene = scene(fates, keeps, Vec::new(), looks);
        scene.run(at(20_000));
        prop_assert!(is_ready(&scene), "{:?}", scene.condition("Stalled"));
        prop_assert!(scene.most_often() <= 1, "{:?}", scene.inner().family.arrived);
    }

    #[test]
    fn a_new_refresh_token_that_is_refused_ends_no_chain_whatever_goes_wrong_meanwhile(
        fates in fates(), keeps in faults(), writes in faults(), looks in looks(),
    ) {
        let scene = scene(Vec::new(), Vec::new(), Vec::new(), Vec::new());
        scene.run(at(100));
        let process = scene.inner().family.process;
        scene.offer(Some("never-issued"));
        {
            let mut inner = scene.inner();
            inner.family.requests = fates.into();
            inner.family.keeps = keeps.into();
            inner.writes = writes.into();
            inner.looks = looks.into();
        }
        scene.run(at(20_000));
        let lost = scene.inner().family.lost;
        let tried = |scene: &Scene| {
            let arrived = &scene.inner().family.arrived;
            arrived.iter().filter(|token| *token == "never-issued").count()
        };
        // Once more where the answer was lost, or the process died before it could write down that it was refused.
        let died = scene.inner().family.process > process;
        let most = if lost > 0 || died { 2 } else { 1 };
        prop_assert!(tried(&scene) <= most);
        prop_assert!(lost > 0 || is_ready(&scene), "{:?}", scene.condition("Stalled"));
        prop_assert!(is_ready(&scene) || is_stopped(&scene), "{:?}", scene.condition("Stalled"));
        scene.calm();
        let before = tried(&scene);
        scene.restart();
        scene.run(at(40_000));
        prop_assert_eq!(tried(&scene), before, "it is tried again");
    }

    #[test]
    fn a_provider_with_grace_forgives_every_single_loss(
        point in 0_usize..6, fate in prop::sample::select(vec![Sent::Lost, Sent::CrashBefore, Sent::CrashAfter]),
        keeps in prop::collection::vec(Just(Fault::Fine), 0..2), crash in prop::option::of(0_usize..12),
    ) {
        let mut fates = vec![Sent::Answered; 6];
        fates[point] = fate;
        let mut keeps: Vec<Fault> = keeps;
        if let Some(crash) = crash {
            keeps.resize(crash, Fault::Fine);
        }
        let scene = scene(fates, keeps, Vec::new(), Vec::new());
        scene.inner().family.grace = span(600);
        scene.run(at(20_000));
        prop_assert!(is_ready(&scene), "{:?}", scene.condition("Stalled"));
    }
}
