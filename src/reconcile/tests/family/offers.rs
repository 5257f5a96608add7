//! A refresh token that is supplied while another is in use, and responses whose access token cannot be used.

use super::*;

const SPEC: &str = "  grant: {type: refresh_token}\n";
const WRONG: &str = "never-issued";

/// With its first token, at 5.
fn outcome() -> Scene {
    let scene = Scene::family(SPEC, None);
    scene.run(at(5));
    assert_eq!(scene.token().as_deref(), Some("token-1"));
    scene
}

fn arrived(scene: &Scene, token: &str) -> usize {
    let arrived = &scene.inner().family.arrived;
    arrived.iter().filter(|sent| *sent == token).count()
}

fn message(scene: &Scene, kind: &str) -> String {
    let inner = scene.inner();
    let status = &inner.resource.as_ref().unwrap().status;
    let mut conditions = status.conditions.iter();
    let condition = conditions.find(|one| one.type_ == kind).unwrap();
    condition.message.clone()
}

/// The wrong token was tried once, the stored one stays in use, and the status says so.
#[track_caller]
fn goes_on(scene: &Scene, until: Time) {
    scene.run(until);
    assert_eq!(arrived(scene, WRONG), 1);
    assert_eq!(scene.condition("Ready"), Some((true, "TokenValid".into())));
    assert_eq!(scene.condition("Stalled"), None);
    assert_eq!(scene.condition("RefreshFailing"), None);
    let told = message(scene, "Ready");
    assert!(told.contains("The new refresh token"), "{told}");
    assert!(!told.contains(WRONG), "{told}");
}

#[test]
fn a_refused_new_one_is_tried_once_and_the_one_before_goes_on() {
    for login in [false, true] {
        let scene = outcome();
        if login {
            scene.log_in(WRONG);
        } else {
            scene.offer(Some(WRONG));
        }
        scene.run(at(8));
        assert_eq!(
            scene.condition("RefreshFailing"),
            Some((true, "NewRefreshTokenRefused".into())),
            "{login}"
        );
        goes_on(&scene, at(20_000));
        let told = message(&scene, "Ready");
        let secret = if login {
            "Secret books-login"
        } else {
            "Secret client"
        };
        assert!(told.contains(secret), "{told}");
        assert!(scene.inner().family.arrived.len() > 5);
    }
}

#[test]
fn what_was_refused_is_not_tried_again_for_an_edit_of_labels_or_a_restart() {
    let scene = outcome();
    scene.offer(Some(WRONG));
    scene.run(at(4_000));
    scene.offer(Some(WRONG));
    scene.run(at(8_000));
    scene.restart();
    scene.offer(Some(WRONG));
    goes_on(&scene, at(20_000));
    // Another client may be the one that it belongs to.
    scene.with_client_secret("another");
    scene.offer(Some(WRONG));
    scene.run(at(30_000));
    assert_eq!(arrived(&scene, WRONG), 2);
    assert_eq!(scene.condition("Ready"), Some((true, "TokenValid".into())));
}

#[test]
fn another_new_one_begins_a_chain_and_nothing_more_is_said_of_the_refused() {
    let scene = outcome();
    scene.offer(Some(WRONG));
    goes_on(&scene, at(100));
    let fresh = scene.inner().family.login();
    scene.offer(Some(&fresh));
    scene.run(at(110));
    assert_eq!(scene.inner().family.arrived.last(), Some(&fresh));
    let told = message(&scene, "Ready");
    assert!(!told.contains("The new refresh token"), "{told}");
}

#[test]
fn a_crash_around_the_refusal_leaves_the_chain_alive() {
    for fate in [Sent::CrashBefore, Sent::CrashAfter, Sent::Lost] {
        let scene = outcome();
        scene.offer(Some(WRONG));
        scene.inner().family.requests = vec![fate].into();
        scene.run(at(20_000));
        assert!(arrived(&scene, WRONG) <= 2, "{fate:?}");
        assert_eq!(
            scene.condition("Ready"),
            Some((true, "TokenValid".into())),
            "{fate:?}"
        );
    }
    for fault in [Fault::CrashBefore, Fault::CrashAfter, Fault::Lost] {
        let scene = outcome();
        scene.offer(Some(WRONG));
        // The claim, and then what is written of the refusal.
        scene.inner().family.keeps = vec![Fault::Fine, fault].into();
        scene.run(at(20_000));
        assert!(arrived(&scene, WRONG) <= 2, "{fault:?}");
        assert_eq!(
            scene.condition("Ready"),
            Some((true, "TokenValid".into())),
            "{fault:?}"
        );
    }
}

#[test]
fn the_refresh_token_of_an_answer_that_cannot_be_used_is_stored_all_the_same() {
    let scene = outcome();
    scene.inner().family.requests = vec![Sent::Unusable; 3].into();
    scene.run(at(3_000));
    let told = message(&scene, "Ready");
    assert!(told.contains("valid until"), "{told}");
    scene.run(at(20_000));
    assert_eq!(scene.most_often(), 1);
    assert_eq!(scene.condition("Ready"), Some((true, "TokenValid".into())));
}

#[test]
fn people_are_told_that_the_refresh_token_was_stored() {
    let scene = Scene::family(SPEC, None);
    scene.inner().family.requests = vec![Sent::Unusable].into();
    scene.reconcile(true);
    assert_eq!(
        scene.condition("RefreshFailing"),
        Some((true, "UnusableResponse".into()))
    );
    let told = message(&scene, "RefreshFailing");
    assert!(told.contains("refresh token was stored"), "{told}");
    scene.run(at(60));
    assert_eq!(scene.token().as_deref(), Some("token-2"));
    assert_eq!(scene.most_often(), 1);
}

#[test]
fn a_crash_around_an_answer_that_cannot_be_used_costs_no_more_than_one_around_any() {
    // After the claim: before the refresh token is stored, and after.
    for (fault, most) in [(Fault::CrashBefore, 2), (Fault::CrashAfter, 1)] {
        let scene = outcome();
        scene.inner().family.grace = span(3_600);
        scene.inner().family.requests = vec![Sent::Unusable].into();
        scene.inner().family.keeps = vec![Fault::Fine, fault].into();
        scene.run(at(20_000));
        assert_eq!(scene.most_often(), most, "{fault:?}");
        assert_eq!(
            scene.condition("Ready"),
            Some((true, "TokenValid".into())),
            "{fault:?}"
        );
    }
}

#[test]
fn the_published_token_can_still_be_restored_after_an_answer_that_cannot_be_used() {
    let scene = outcome();
    scene.inner().family.requests = vec![Sent::Unusable; 40].into();
    scene.run(at(2_900));
    assert!(scene.inner().family.arrived.len() > 1);
    scene.inner().secrets.remove("token");
    scene.inner().memory.deletion_reported = true;
    scene.reconcile(false);
    assert_eq!(scene.token().as_deref(), Some("token-1"));
}
