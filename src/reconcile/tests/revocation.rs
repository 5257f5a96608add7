//! A resource with revocation: it gets a finalizer before its first token, and is released whatever becomes of it.

use crate::model::REVOCATION_FINALIZER;
use crate::policy::TokenWithLenders;
use crate::trust::Lenders;

use super::*;

const ON_DELETION: Spec = Spec {
    url: None,
    name: None,
    extra: "  revocation: {onDeletion: true, previousToken: {afterSeconds: 300}} #revoke",
    secret: "",
};

fn down() -> Failure {
    Failure {
        class: FailureClass::Transient,
        finding: crate::policy::tests::failing("ConnectFailed"),
        follow_up: None,
        retry_after: None,
        timed_out: false,
        unread: false,
        reached: crate::oauth::error::Reached::Never,
        http_status: None,
        provider_code: None,
    }
}

/// With a token, and then deleted.
fn deleted(spec: &Spec) -> Scene {
    let scene = Scene::new(spec);
    scene.reconcile(true);
    delete(&scene);
    scene
}

fn delete(scene: &Scene) {
    let mut inner = scene.inner();
    let resource = inner.resource.as_mut().unwrap();
    resource.deleting = true;
}

#[test]
fn the_finalizer_is_put_on_before_the_first_token_and_only_where_it_is_asked_for() {
    let plain = Scene::new(&Spec::default());
    plain.reconcile(true);
    assert!(plain.inner().finalizer_changes.is_empty());
    let scene = Scene::new(&ON_DELETION);
    scene.inner().finalizer_error = Some(StoreError::Forbidden("no".into()));
    scene.reconcile(true);
    assert_eq!(scene.inner().requests, 0, "not held: nothing is asked for");
    assert_eq!(
        scene.condition("Stalled").unwrap(),
        (true, "PermissionMissing".into())
    );
    scene.inner().finalizer_error = None;
    scene.reconcile(true);
    let inner = scene.inner();
    assert_eq!(inner.requests, 1);
    assert_eq!(
        inner.resource.as_ref().unwrap().meta.finalizers,
        [REVOCATION_FINALIZER]
    );
}

#[test]
fn the_finalizer_is_taken_off_when_the_choice_is_withdrawn() {
    let scene = Scene::new(&ON_DELETION);
    scene.reconcile(true);
    {
        let mut inner = scene.inner();
        let plain = resource(&Spec::default());
        let kept = inner.resource.as_mut().unwrap();
        kept.spec = plain.spec;
    }
    scene.reconcile(false);
    assert_eq!(scene.inner().finalizer_changes, [true, false]);
    assert_eq!(scene.inner().requests, 1, "the choice asks for no token");
}

#[test]
fn the_token_of_a_deleted_resource_is_revoked_and_the_resource_goes() {
    let scene = deleted(&ON_DELETION);
    scene.run(at(60));
    let inner = scene.inner();
    assert!(inner.resource.is_none(), "it was let go");
    let [(url, body)] = &inner.calls[..] else {
        panic!("{:?}", inner.calls)
    };
    assert_eq!(url, "https://auth.example.com/revoke");
    assert_eq!(body, "token=token-1&token_type_hint=access_token");
    assert!(inner.events.is_empty());
}

#[test]
fn a_deleted_resources_refresh_token_is_revoked_before_its_access_token() {
    let scene = Scene::family(
        "  grant: {type: refresh_token}\n  revocation: {onDeletion: true} #revoke",
        None,
    );
    scene.run(at(5));
    let stored = scene.inner().secrets[&crate::policy::state_name("books")].data["refresh_token"]
        .expose()
        .unwrap()
        .to_owned();
    delete(&scene);
    scene.run(at(60));
    let inner = scene.inner();
    assert!(inner.resource.is_none(), "it was let go");
    let bodies: Vec<&str> = inner.calls.iter().map(|(_, body)| body.as_str()).collect();
    assert_eq!(
        bodies,
        [
            format!("token={stored}&token_type_hint=refresh_token"),
            "token=token-1&token_type_hint=access_token".to_owned()
        ]
    );
}

/// A resource whose tokens are bound to a key, and what its revocation comes to at a server that wants these nonces.
fn bound(nonces: &[&'static str]) -> Scene {
    let spec =
        "  grant: {type: refresh_token}\n  dpop: {}\n  revocation: {onDeletion: true} #revoke";
    let scene = Scene::family(spec, None);
    scene.run(at(5));
    assert_eq!(scene.token().as_deref(), Some("token-1"));
    scene.inner().call_nonces = nonces.to_vec();
    delete(&scene);
    scene.run(at(60));
    scene
}

#[test]
fn a_revocation_proves_possession_and_is_repeated_once_with_the_nonce_of_its_server() {
    let scene = bound(&["n-1"]);
    let inner = scene.inner();
    assert!(
        inner.resource.is_none() && inner.events.is_empty(),
        "{:?}",
        inner.events
    );
    let nonces: Vec<Option<&str>> = inner
        .call_proofs
        .iter()
        .map(|proof| proof["nonce"].as_str())
        .collect();
    // The refresh token, once more with the nonce, and then the access token with it at once.
    assert_eq!(nonces, [None, Some("n-1"), Some("n-1")]);
    let ids: std::collections::BTreeSet<String> = inner
        .call_proofs
        .iter()
        .map(|proof| proof["jti"].to_string())
        .collect();
    assert_eq!(ids.len(), 3, "each proof is used once");
    for proof in &inner.call_proofs {
        assert_eq!(proof["htu"], "https://auth.example.com/revoke");
        assert_eq!(proof["htm"], "POST");
    }
    assert_eq!(inner.calls.len(), 3);
}

#[test]
fn a_server_that_wants_another_nonce_each_time_makes_no_loop() {
    let nonces: Vec<&'static str> = vec![
        "n-1", "n-2", "n-3", "n-4", "n-5", "n-6", "n-7", "n-8", "n-9", "n-10",
    ];
    let scene = bound(&nonces);
    let inner = scene.inner();
    assert!(inner.resource.is_none(), "it is let go");
    assert_eq!(inner.events, ["RevocationFailed"]);
    assert_eq!(inner.calls.len(), 4, "each token twice");
}

#[test]
fn a_resource_goes_within_its_deadline_though_the_provider_is_down() {
    let scene = deleted(&ON_DELETION);
    scene.inner().call_answers = (0..9).map(|_| Err(down())).collect();
    scene.run(at(60));
    let inner = scene.inner();
    assert!(inner.resource.is_none(), "it was let go");
    assert_eq!(inner.calls.len(), 3);
    assert_eq!(inner.events, ["RevocationFailed"]);
    assert!(inner.now <= at(60));
}

#[test]
fn a_resource_goes_at_once_when_its_token_cannot_be_revoked() {
    type Break = fn(&mut Inner);
    let cases: [(&str, Break); 5] = [
        ("the credentials are gone", |inner| inner.credentials = None),
        ("they have opted out", |inner| {
            inner.credentials.as_mut().unwrap().labels.clear();
        }),
        ("the spec is not valid", |inner| {
            inner.resource.as_mut().unwrap().spec = Err(Vec::new());
        }),
        ("its Secret is gone", |inner| inner.secrets.clear()),
        ("the provider refuses", |inner| {
            inner.call_answers = [Ok(400)].into();
        }),
    ];
    for (what, change) in cases {
        let scene = deleted(&ON_DELETION);
        change(&mut scene.inner());
        scene.reconcile(false);
        let inner = scene.inner();
        assert!(inner.resource.is_none(), "{what}: it was let go");
        assert!(inner.calls.len() <= 1, "{what}");
        assert_eq!(inner.events, ["RevocationFailed"], "{what}");
    }
}

#[test]
fn the_second_client_secret_is_tried_once_where_the_provider_refuses_the_first() {
    let with_two = |answers: &[u16]| {
        let scene = deleted(&Spec {
            extra: "  clientAuthentication: {method: client_secret_post}\n  revocation: {onDeletion: true} #revoke",
            ..ON_DELETION
        });
        {
            let mut inner = scene.inner();
            let data = &mut inner.credentials.as_mut().unwrap().data;
            data.insert("next_client_secret".into(), Secret::from("next"));
            inner.call_answers = answers.iter().map(|status| Ok(*status)).collect();
        }
        scene.reconcile(false);
        scene
    };
    let scene = with_two(&[401, 200]);
    let inner = scene.inner();
    assert!(inner.resource.is_none() && inner.events.is_empty());
    assert_eq!(inner.calls.len(), 2);
    assert!(!inner.calls[0].1.contains("client_secret=next&"));
    assert!(inner.calls[1].1.contains("client_secret=next&"));
    for (answers, calls) in [(&[401, 401][..], 2), (&[400][..], 1)] {
        let scene = with_two(answers);
        let inner = scene.inner();
        assert_eq!(inner.calls.len(), calls, "{answers:?}");
        assert_eq!(inner.events, ["RevocationFailed"], "{answers:?}");
    }
}

#[test]
fn what_is_down_for_a_moment_is_tried_again() {
    let scene = deleted(&ON_DELETION);
    scene.inner().call_answers = [Err(down()), Ok(503), Ok(200)].into();
    scene.run(at(60));
    let inner = scene.inner();
    assert!(inner.resource.is_none());
    assert_eq!(inner.calls.len(), 3);
    assert!(inner.events.is_empty(), "{:?}", inner.events);
}

#[test]
fn the_token_that_was_replaced_waits_to_be_revoked_and_one_that_is_served_again_does_not() {
    let scene = Scene::new(&ON_DELETION);
    scene.run(at(3000));
    assert_eq!(
        scene.inner().later.first(),
        Some(&("token-1".to_owned(), 300))
    );
    let same = Scene::new(&ON_DELETION);
    same.inner().answers = [Answer::New(3600), Answer::Same(900)].into();
    let mut until = at(60);
    while same.inner().requests < 2 {
        same.run(until);
        until = until + span(60);
    }
    assert!(same.inner().later.is_empty(), "{:?}", same.inner().later);
}

#[test]
fn a_replaced_token_is_revoked_but_never_the_one_that_is_published() {
    let scene = Scene::new(&ON_DELETION);
    scene.reconcile(true);
    let revoke = |token: &str| {
        let token = TokenWithLenders {
            token: Secret::from(token),
            lenders: Some(Lenders::none()),
        };
        let key = key();
        let mut revocation_step = pin!(revoke_replaced(&scene, &key, &token));
        let mut context = Context::from_waker(Waker::noop());
        assert!(revocation_step.as_mut().poll(&mut context).is_ready());
    };
    revoke("token-1");
    assert!(scene.inner().calls.is_empty(), "it is the published one");
    revoke("token-0");
    assert_eq!(scene.inner().calls.len(), 1);
}

#[test]
fn a_token_behind_a_word_is_found_in_its_secret() {
    let scene = Scene::new(&Spec {
        secret: ", data: {authorization: \"Bearer {{ access_token }}\"}",
        ..ON_DELETION
    });
    scene.reconcile(true);
    delete(&scene);
    scene.reconcile(false);
    let inner = scene.inner();
    assert!(inner.calls[0].1.starts_with("token=token-1&"));
}
