//! What is needed before a token request: fetched, stored, or reported.

use super::*;

const ISSUER: Spec = Spec {
    url: None,
    name: None,
    extra: "#issuer",
    secret: "",
};

fn unreachable() -> Failure {
    Failure {
        class: FailureClass::Transient,
        finding: crate::policy::tests::failing("DiscoveryFailed"),
        follow_up: None,
        retry_after: None,
        timed_out: false,
        unread: false,
        reached: crate::oauth::error::Reached::Never,
        http_status: None,
        provider_code: None,
    }
}

#[test]
fn a_token_is_asked_for_where_the_issuer_says() {
    let scene = Scene::new(&ISSUER);
    scene.reconcile(true);
    assert_eq!(scene.inner().fetched, [Prerequisite::Discovery]);
    assert_eq!(scene.inner().sent_to, ["https://tokens.example.com/token"]);
    assert_eq!(scene.condition("Ready").unwrap().1, "TokenValid");
}

#[test]
fn nothing_is_discovered_without_a_permit_nor_while_the_token_is_good() {
    let scene = Scene::new(&ISSUER);
    scene.reconcile(false);
    assert!(scene.inner().fetched.is_empty(), "no permit");
    scene.reconcile(true);
    scene.inner().fetched.clear();
    scene.restart();
    scene.inner().now = at(60);
    scene.reconcile(true);
    assert!(scene.inner().fetched.is_empty(), "the token is good");
    assert_eq!(scene.inner().requests, 1);
}

#[test]
fn credentials_that_will_not_do_are_told_before_anything_is_discovered() {
    let scene = Scene::new(&ISSUER);
    scene.inner().credentials.as_mut().unwrap().data.clear();
    scene.reconcile(true);
    assert!(scene.inner().fetched.is_empty());
    let (holds, reason) = scene.condition("Reconciling").unwrap();
    assert!(holds);
    assert_eq!(reason, "CredentialsKeyMissing");
}

#[test]
fn a_document_that_cannot_be_had_keeps_the_token_and_is_tried_again() {
    let scene = Scene::new(&ISSUER);
    scene.run(at(10));
    let token = scene.token();
    {
        let mut inner = scene.inner();
        inner.documents = [Err(unreachable()), Err(unreachable())].into();
        let refresh = inner.secrets["token"].state().unwrap().refresh;
        inner.now = refresh;
    }
    scene.reconcile(true);
    assert_eq!(scene.token(), token);
    assert_eq!(
        scene.condition("RefreshFailing").unwrap(),
        (true, "DiscoveryFailed".into())
    );
    assert!(scene.condition("Ready").unwrap().0);
    let later = scene.inner().now + span(600);
    scene.run(later);
    assert_ne!(scene.token(), token);
    assert_eq!(scene.condition("RefreshFailing"), None);
    assert_eq!(scene.inner().requests, 2);
}

#[test]
fn the_allowed_hosts_are_those_of_the_discovered_endpoint() {
    let scene = Scene::new(&ISSUER);
    let allow = |hosts: &str| {
        let mut inner = scene.inner();
        let credentials = inner.credentials.as_mut().unwrap();
        credentials
            .annotations
            .insert(crate::names::ALLOWED_HOSTS_ANNOTATION.into(), hosts.into());
    };
    allow("auth.example.com");
    scene.reconcile(true);
    assert_eq!(scene.inner().requests, 0);
    assert_eq!(scene.condition("Reconciling").unwrap().1, "HostNotAllowed");
    allow("tokens.example.com");
    scene.reconcile(true);
    assert_eq!(scene.inner().requests, 1);
}

#[test]
fn a_discovered_endpoint_without_tls_is_not_sent_to() {
    let scene = Scene::new(&ISSUER);
    scene.inner().documents = [Ok("http://tokens.example.com/token")].into();
    scene.reconcile(true);
    assert_eq!(scene.inner().requests, 0);
    assert_eq!(
        scene.condition("Stalled").unwrap(),
        (true, "HTTPNotAllowed".into())
    );
}

#[test]
fn an_endpoint_that_is_not_there_is_doubted_and_one_that_refuses_the_client_is_not() {
    for (answer, doubted) in [
        (Answer::Refused("invalid_client"), 0),
        (Answer::Unavailable, 0),
        (Answer::Status(404), 1),
    ] {
        let scene = Scene::new(&ISSUER);
        scene.inner().answers = [answer.clone()].into();
        scene.reconcile(true);
        assert_eq!(scene.inner().rediscovered, doubted, "{answer:?}");
    }
    let given = Scene::new(&Spec::default());
    given.inner().answers = [Answer::Status(404)].into();
    given.reconcile(true);
    assert_eq!(given.inner().rediscovered, 0, "it was not discovered");
}

#[test]
fn an_endpoint_that_moves_asks_for_no_token() {
    let scene = Scene::new(&ISSUER);
    scene.run(at(10));
    scene.inner().documents = [Ok("https://elsewhere.example.com/token")].into();
    scene.inner().now = at(60);
    scene.reconcile(true);
    assert_eq!(scene.inner().requests, 1, "the token in hand is good");
    let refresh = scene.inner().secrets["token"].state().unwrap().refresh;
    scene.run(refresh + span(1));
    let inner = scene.inner();
    assert_eq!(
        inner.sent_to,
        [
            "https://tokens.example.com/token",
            "https://elsewhere.example.com/token"
        ]
    );
}
