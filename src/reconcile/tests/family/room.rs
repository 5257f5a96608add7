//! A response that brings a refresh token has its room before anything is sent.

use super::*;

const SPEC: &str = "  grant: {type: refresh_token}\n";

#[test]
fn without_room_for_the_response_no_refresh_token_is_redeemed_or_claimed() {
    let scene = Scene::family(SPEC, None);
    scene.inner().is_full = true;
    scene.run(at(60));
    {
        let inner = scene.inner();
        assert_eq!(inner.requests, 0);
        assert!(inner.secrets.is_empty(), "nothing is claimed");
        assert!(
            (2..=40).contains(&inner.rooms.len()),
            "{}",
            inner.rooms.len()
        );
    }
    scene.inner().is_full = false;
    scene.run(at(70));
    assert_eq!(scene.inner().requests, 1);
    assert!(scene.condition("Ready").unwrap().0);
}

#[test]
fn room_goes_by_the_last_response_of_the_same_family() {
    let scene = Scene::family(SPEC, None);
    scene.run(at(5));
    assert_eq!(
        scene.inner().rooms,
        [None],
        "the first one may be as large as it likes"
    );
    scene.inner().now = at(3500);
    scene.run(at(3600));
    let last = scene.inner().rooms.last().copied().flatten();
    assert!(
        last.is_some_and(|bytes| (40..200).contains(&bytes)),
        "{last:?}"
    );
    // A new login may come from another provider.
    let token = scene.inner().family.login();
    scene.offer(Some(&token));
    scene.run(at(3700));
    assert_eq!(scene.inner().rooms.last(), Some(&None));
}

#[test]
fn a_password_is_sent_without_room_of_its_own() {
    let scene = Scene::family(
        "  grant: {type: password, password: {useRefreshToken: true}}\n",
        None,
    );
    scene.inner().is_full = true;
    {
        let mut inner = scene.inner();
        let credentials = inner.credentials.as_mut().unwrap();
        for (key, value) in [("username", "alice"), ("password", "right")] {
            credentials.data.insert(key.to_owned(), Secret::from(value));
        }
    }
    scene.run(at(10));
    assert_eq!(scene.inner().requests, 1, "it may be sent again");
}
