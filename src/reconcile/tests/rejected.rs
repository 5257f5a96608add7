//! A token Secret that the server does not accept.

use super::*;
use crate::policy::tests::Spec;

const STALLED: Option<(bool, &str)> = Some((true, "WriteRefused"));

fn stalled(scene: &Scene) -> Option<(bool, String)> {
    scene.condition("Stalled")
}

fn is_stalled(scene: &Scene) -> bool {
    stalled(scene) == STALLED.map(|(holds, reason)| (holds, reason.to_owned()))
}

/// A resource whose first token Secret was rejected.
fn rejected() -> Scene {
    let scene = Scene::new(&Spec::default());
    scene.inner().writes = vec![Fault::Rejected; 50].into();
    scene.run(at(5));
    scene
}

#[test]
fn a_write_that_is_rejected_is_not_repeated_and_no_other_token_is_requested() {
    let scene = rejected();
    scene.run(at(100_000));
    let inner = scene.inner();
    assert_eq!((inner.requests, inner.writes.len()), (1, 49), "one of each");
    drop(inner);
    assert!(is_stalled(&scene), "{:?}", stalled(&scene));
}

#[test]
fn a_restart_requests_nothing_for_a_secret_that_was_rejected() {
    let scene = rejected();
    for _ in 0..3 {
        scene.restart();
        let now = scene.inner().now;
        scene.run(now + span(50_000));
    }
    assert_eq!(scene.inner().requests, 1);
    assert!(is_stalled(&scene));
}

#[test]
fn another_spec_or_other_credentials_are_tried_at_once() {
    let scene = rejected();
    scene.inner().now = at(100);
    let status = scene.inner().resource.as_ref().unwrap().status.clone();
    let mut changed = resource(&Spec::secret(", data: {key: \"{{ access_token }}\"}"));
    (changed.status, changed.generation) = (status, 2);
    scene.inner().resource = Some(changed);
    scene.run(at(110));
    assert_eq!(scene.inner().requests, 2, "the spec");
    scene.inner().credentials = Some(credentials(2, "other"));
    scene.inner().writes.clear();
    scene.run(at(120));
    assert_eq!(scene.inner().requests, 3, "the credentials");
    assert_eq!(stalled(&scene), None);
}

#[test]
fn a_token_secret_that_changed_is_tried_again_but_less_and_less_often() {
    let scene = Scene::new(&Spec::default());
    scene.run(at(5));
    scene.inner().now = at(3000);
    scene.inner().writes = vec![Fault::Rejected; 500].into();
    scene.run(at(3001));
    assert_eq!(scene.inner().requests, 2);
    // Somebody changes it once a second, for an hour.
    for second in 3002..6602 {
        let mut secret = scene.inner().secrets["token"].clone();
        secret.annotations.insert("x".into(), second.to_string());
        scene.put(secret);
        scene.inner().now = at(second);
        scene.run(at(second));
    }
    let requests = scene.inner().requests;
    assert!((4..=12).contains(&requests), "{requests} requests");
}

#[test]
fn what_the_templates_give_is_checked_before_it_is_written() {
    let spec =
        ", type: kubernetes.io/dockerconfigjson, data: {.dockerconfigjson: \"{{ access_token }}\"}";
    let scene = Scene::new(&Spec::secret(spec));
    scene.run(at(50_000));
    assert_eq!(scene.counts(), (1, 0));
    assert!(is_stalled(&scene), "{:?}", stalled(&scene));
    scene.restart();
    scene.run(at(90_000));
    assert_eq!(scene.counts(), (1, 0));

    let spec = ", type: kubernetes.io/dockerconfigjson, data: {.dockerconfigjson: '{\"auths\": {\"r\": \"{{ access_token }}\"}}'}";
    let scene = Scene::new(&Spec::secret(spec));
    scene.run(at(5));
    assert_eq!(scene.counts(), (1, 1));
}

#[test]
fn what_can_never_be_accepted_is_refused_before_a_token_is_requested() {
    for spec in [
        ", type: kubernetes.io/dockerconfigjson, data: {.dockerconfigjson: not-json}",
        ", type: kubernetes.io/dockerconfigjson, data: {.dockerconfigjson: \"{{ '[]' }}\", a: \"{{ access_token }}\"}",
        ", annotations: {a..b/c: x}",
        ", labels: {a./c: x}",
    ] {
        let scene = Scene::new(&Spec::secret(spec));
        scene.run(at(50_000));
        assert_eq!(scene.counts(), (0, 0), "{spec}");
        assert_eq!(
            stalled(&scene).map(|(holds, _)| holds),
            Some(true),
            "{spec}"
        );
    }
}

#[test]
fn a_secret_that_others_have_filled_is_told_of_before_a_token_is_requested() {
    let scene = Scene::new(&Spec::default());
    scene.run(at(5));
    let mut secret = scene.inner().secrets["token"].clone();
    let full = Secret::new(vec![b'x'; 1 << 20]);
    secret.data.insert("others".into(), full);
    scene.put(secret);
    scene.inner().now = at(3000);
    scene.run(at(9000));
    assert_eq!(scene.inner().requests, 1);
    assert!(is_stalled(&scene), "{:?}", stalled(&scene));
    // Half of it goes: there is room.
    let mut secret = scene.inner().secrets["token"].clone();
    secret.data.remove("others");
    scene.put(secret);
    scene.run(at(9400));
    assert_eq!(scene.inner().requests, 2);
    assert_eq!(stalled(&scene), None);
}

/// A resource with refresh tokens whose first token Secret was rejected. The response is stored.
fn stored_and_rejected() -> Scene {
    let scene = Scene::family("  grant: {type: refresh_token}\n", None);
    scene.inner().writes = vec![Fault::Rejected; 50].into();
    scene.run(at(5));
    assert_eq!(scene.inner().requests, 1);
    assert!(is_stalled(&scene), "{:?}", stalled(&scene));
    scene
}

fn ask_for_a_refresh(scene: &Scene, value: &str) {
    let mut inner = scene.inner();
    inner.resource.as_mut().unwrap().refresh_request = Some(value.to_owned());
}

fn handled(scene: &Scene) -> Option<String> {
    let inner = scene.inner();
    let status = &inner.resource.as_ref().unwrap().status;
    status.last_refresh_request.clone()
}

fn published(scene: &Scene) -> Option<String> {
    let inner = scene.inner();
    let token = inner.secrets.get("token")?.data.get("access_token")?;
    Some(token.expose()?.to_owned())
}

#[test]
fn a_stored_token_is_published_before_a_request_for_a_refresh_is_acted_upon() {
    let scene = stored_and_rejected();
    scene.run(at(100_000));
    assert_eq!(scene.inner().requests, 1, "nothing is tried by itself");
    let scene = stored_and_rejected();
    scene.inner().writes.clear();
    ask_for_a_refresh(&scene, "now");
    // One look publishes what is stored, without a request.
    scene.reconcile(true);
    assert_eq!(scene.inner().requests, 1);
    assert_eq!(published(&scene).as_deref(), Some("token-1"));
    assert_eq!(handled(&scene), None, "nothing was requested since");
    // What was asked for is not forgotten: it is acted upon next, and once.
    scene.run(at(10));
    assert_eq!(scene.inner().requests, 2);
    assert_eq!(published(&scene).as_deref(), Some("token-2"));
    assert_eq!(handled(&scene).as_deref(), Some("now"));
    scene.run(at(2000));
    assert_eq!(scene.inner().requests, 2);
    assert_eq!(scene.most_often(), 1, "each refresh token was sent once");
}

#[test]
fn a_request_for_a_refresh_tries_the_write_once_where_it_is_still_rejected() {
    let scene = stored_and_rejected();
    let left = scene.inner().writes.len();
    ask_for_a_refresh(&scene, "now");
    scene.run(at(3000));
    let inner = scene.inner();
    assert_eq!((inner.requests, inner.writes.len()), (1, left - 1));
    drop(inner);
    assert!(is_stalled(&scene));
    assert_eq!(handled(&scene).as_deref(), Some("now"));
    scene.inner().writes.clear();
    ask_for_a_refresh(&scene, "again");
    scene.run(at(3010));
    assert_eq!(scene.inner().requests, 2);
    assert_eq!(handled(&scene).as_deref(), Some("again"));
}
