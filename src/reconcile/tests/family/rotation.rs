//! Two client secrets where a resource works with refresh tokens.

use super::*;

const SPEC: &str = "  grant: {type: refresh_token}\n";

/// The key that the token Secret notes.
fn noted(scene: &Scene) -> Option<String> {
    scene
        .inner()
        .secrets
        .get("token")?
        .state()?
        .client_secret_key
}

/// Both secrets are opted in, and the provider accepts only the second.
fn scene() -> Scene {
    let scene = Scene::family(SPEC, None);
    {
        let mut inner = scene.inner();
        if let Some(credentials) = &mut inner.credentials {
            credentials
                .data
                .insert("next_client_secret".into(), Secret::from("next"));
        }
        inner.family.requests = vec![Sent::InvalidClient].into();
    }
    scene
}

#[test]
fn the_other_client_secret_is_tried_with_the_same_refresh_token_which_arrives_once() {
    let scene = scene();
    scene.run(at(20));
    let inner = scene.inner();
    assert_eq!(inner.family.sent, ["refresh-1", "refresh-1"]);
    assert_eq!(inner.family.arrived, ["refresh-1"]);
    assert_eq!(inner.sent_secrets, ["pw", "next"]);
    drop(inner);
    assert_eq!(noted(&scene).as_deref(), Some("next_client_secret"));
    assert_eq!(scene.token().as_deref(), Some("token-1"));
    assert!(scene.condition("Stalled").is_none_or(|(holds, _)| !holds));
}

#[test]
fn which_one_worked_is_known_after_a_crash_between_state_and_token_secret() {
    for fault in [Fault::CrashBefore, Fault::CrashAfter] {
        let scene = scene();
        scene.inner().writes = vec![fault].into();
        scene.run(at(60));
        assert_eq!(noted(&scene).as_deref(), Some("next_client_secret"));
        scene.run(at(7200));
        let inner = scene.inner();
        assert!(inner.family.arrived.len() > 1);
        let first = inner.sent_secrets.iter().filter(|sent| *sent == "pw");
        assert_eq!(first.count(), 1, "{fault:?}");
    }
}
