//! What a provider has refused is not sent again, however a resource is annotated, edited, recreated or copied.

use crate::names::RETRY_REQUESTED;

use super::*;

const PASSWORD: &str = "  grant: {type: password}\n";

/// A resource whose credentials Secret holds this password, in a process with these brakes.
fn with_password(spec: &Spec, password: &str, shared: &Scene) -> Scene {
    let scene = Scene::new(spec);
    let scene = Scene(scene.0, Arc::clone(&shared.1));
    {
        let mut inner = scene.inner();
        inner.now = shared.inner().now;
        let credentials = inner.credentials.as_mut().unwrap();
        for (key, value) in [
            ("username", "alice"),
            ("password", password),
            ("api_key", "k3y"),
        ] {
            credentials.data.insert(key.to_owned(), Secret::from(value));
        }
        inner.answers = std::iter::repeat_n(Answer::Refused("invalid_grant"), 100).collect();
    }
    scene
}

fn refused_password() -> Scene {
    let none = Scene::new(&Spec::default());
    let scene = with_password(&Spec::extra(PASSWORD), "pw", &none);
    scene.run(at(10));
    assert_eq!(scene.inner().requests, 1);
    assert_eq!(stalled(&scene), (true, "InvalidGrant".to_owned()));
    scene
}

fn stalled(scene: &Scene) -> (bool, String) {
    scene.condition("Stalled").unwrap()
}

#[test]
fn a_refused_password_is_sent_once_however_often_it_is_asked_for() {
    let scene = refused_password();
    for number in 0..20 {
        let now = {
            let mut inner = scene.inner();
            let resource = inner.resource.as_mut().unwrap();
            resource.refresh_request = Some(format!("now-{number}"));
            inner.now
        };
        scene.run(now + span(2));
        assert_eq!(scene.inner().requests, 1);
    }
    let inner = scene.inner();
    let status = &inner.resource.as_ref().unwrap().status;
    assert_eq!(status.last_refresh_request.as_deref(), Some("now-19"));
    assert!(inner.status_writes <= 22, "{}", inner.status_writes);
}

#[test]
fn a_refused_password_is_not_sent_by_a_resource_that_is_made_anew_or_copied() {
    let first = refused_password();
    for number in 0..40 {
        let scene = with_password(&Spec::extra(PASSWORD), "pw", &first);
        scene.inner().resource.as_mut().unwrap().uid = format!("another-{number}");
        let now = scene.inner().now;
        scene.run(now + span(100));
        assert_eq!(scene.inner().requests, 0);
        assert_eq!(stalled(&scene), (true, "InvalidGrant".to_owned()));
    }
    // With another spec, but for the same client at the same host.
    let other = Spec::extra("  grant: {type: password}\n  scopes: [other]\n");
    let scene = with_password(&other, "pw", &first);
    let now = scene.inner().now;
    scene.run(now + span(100));
    assert_eq!(scene.inner().requests, 0);
    // Another password is another one.
    let scene = with_password(&Spec::extra(PASSWORD), "right", &first);
    scene.inner().answers = VecDeque::new();
    scene.run(now + span(100));
    assert_eq!(scene.inner().requests, 1);
    assert!(scene.condition("Ready").unwrap().0);
}

/// Whether a second resource with the same password still sends it after the first one got this response.
fn others_send_it_after(response: Answer, spec: &'static str, restarts: bool) -> bool {
    another_sends_it_after(response, (spec, spec), restarts)
}

/// The same for resources with a spec each.
fn another_sends_it_after(
    response: Answer,
    (spec, another): (&'static str, &'static str),
    restarts: bool,
) -> bool {
    let none = Scene::new(&Spec::default());
    let first = with_password(&Spec::extra(spec), "pw", &none);
    first.inner().answers = [response].into();
    first.run(at(1));
    assert_eq!(first.inner().requests, 1);
    if restarts {
        first.restart();
        first.reconcile(false);
    }
    let other = with_password(&Spec::extra(another), "pw", &first);
    other.inner().resource.as_mut().unwrap().uid = "another".into();
    let now = first.inner().now;
    other.run(now + span(30));
    let requests = other.inner().requests;
    requests > 0
}

#[test]
fn a_password_is_closed_for_others_by_what_may_be_about_it_and_by_nothing_else() {
    const PUBLIC: &str = "  grant: {type: password}\n  clientAuthentication: {method: none}\n";
    let closing = [
        Answer::Refused("invalid_grant"),
        Answer::Refused("access_denied"),
        Answer::Refused("server_error"),
        Answer::Refused("anything_else"),
        // Neither says whether the client or the user is refused: three logins that fail lock an account.
        Answer::Status(401),
        Answer::Status(403),
    ];
    let of_one = [
        Answer::Refused("invalid_request"),
        Answer::Refused("invalid_scope"),
        Answer::Refused("invalid_target"),
        Answer::Refused("unsupported_grant_type"),
        Answer::Refused("unauthorized_client"),
        Answer::Refused("consent_required"),
        Answer::Status(404),
        Answer::Status(410),
        Answer::Status(415),
        Answer::Status(429),
        Answer::Status(503),
    ];
    for spec in [PASSWORD, PUBLIC] {
        for restarts in [false, true] {
            for response in &closing {
                let sends = others_send_it_after(response.clone(), spec, restarts);
                assert!(!sends, "{response:?} {spec} {restarts}");
            }
            for response in &of_one {
                let sends = others_send_it_after(response.clone(), spec, restarts);
                assert!(sends, "{response:?} {spec} {restarts}");
            }
        }
    }
    // A refused client secret says nothing of the password, and is not sent by others either.
    assert!(!others_send_it_after(
        Answer::Refused("invalid_client"),
        PASSWORD,
        false
    ));
    assert!(others_send_it_after(
        Answer::Refused("invalid_client"),
        PUBLIC,
        false
    ));
}

#[test]
fn a_password_is_one_whatever_carries_it_and_whichever_client_a_resource_names() {
    const PUBLIC: &str = "  grant: {type: password}\n  clientAuthentication: {method: none}\n";
    const RENAMED: &str =
        "  grant: {type: password}\n  clientAuthentication: {method: none, clientID: other}\n";
    const REALM: &str = "  grant: {type: \"http://auth0.com/oauth/grant-type/password-realm\"}\n  clientAuthentication: {method: none}\n  parameters: [{name: username, credentialsKey: username}, {name: password, credentialsKey: password}]\n";
    const FIXED: &str = "  grant: {type: PASSWORD}\n  clientAuthentication: {method: none}\n  parameters: [{name: username, value: alice}, {name: Password, credentialsKey: password, in: query}]\n  scopes: [x]\n";
    const HEADER: &str = "  grant: {type: login}\n  clientAuthentication: {method: none}\n  request: {headers: [{name: X-Password, credentialsKey: password}]}\n";
    let refused = || Answer::Refused("invalid_grant");
    for restarts in [false, true] {
        for (first, second) in [
            (PUBLIC, RENAMED),
            (RENAMED, PUBLIC),
            (PUBLIC, REALM),
            (REALM, REALM),
            (REALM, PUBLIC),
            (REALM, FIXED),
            (FIXED, REALM),
            (FIXED, HEADER),
            (HEADER, FIXED),
        ] {
            let sends = another_sends_it_after(refused(), (first, second), restarts);
            assert!(!sends, "{restarts}: after {first}, then {second}");
        }
    }
    let means =
        format!("{REALM}  response: {{errors: [{{values: [x], means: InvalidRequest}}]}}\n");
    let spec = resource(&Spec::extra(Box::leak(means.into_boxed_str()))).spec;
    assert!(spec.is_err(), "no meaning has a password sent again");
}

#[test]
fn a_client_secret_is_one_whatever_carries_it() {
    const BEARER: &str = "  clientAuthentication: {method: none}\n  request: {headers: [{name: Authorization, credentialsKey: client_secret}]}\n";
    const QUERY: &str = "  clientAuthentication: {method: none}\n  parameters: [{name: key, credentialsKey: client_secret, in: query}]\n  scopes: [x]\n";
    const BOTH: &str = "  clientAuthentication: {method: none}\n  parameters: [{name: key, credentialsKey: client_secret}, {name: tenant, credentialsKey: username}]\n";
    const POST: &str = "  clientAuthentication: {method: client_secret_post}\n";
    for (first, second) in [
        (BEARER, BEARER),
        (BEARER, QUERY),
        (QUERY, BEARER),
        (QUERY, BOTH),
        (QUERY, POST),
        (POST, QUERY),
    ] {
        let refused = Answer::Refused("invalid_client");
        let sends = another_sends_it_after(refused, (first, second), false);
        assert!(!sends, "after {first}, then {second}");
        let unclear = Answer::Refused("invalid_scope");
        assert!(another_sends_it_after(unclear, (first, second), false));
    }
    // Of two values nobody knows which was refused: one that is new is tried.
    const OTHER: &str = "  clientAuthentication: {method: none}\n  parameters: [{name: key, credentialsKey: client_secret}, {name: x, credentialsKey: api_key}]\n";
    assert!(another_sends_it_after(
        Answer::Refused("invalid_client"),
        (QUERY, OTHER),
        false
    ));
}

#[test]
fn a_refused_password_stays_so_after_a_restart_for_whoever_else_uses_it() {
    let first = refused_password();
    first.restart();
    // The status is looked at before anything is sent.
    assert!(first.reconcile(false).is_some());
    let scene = with_password(&Spec::extra(PASSWORD), "pw", &first);
    let now = scene.inner().now;
    scene.run(now + span(100));
    assert_eq!(scene.inner().requests, 0);
    assert_eq!(first.inner().requests, 1);
}

#[test]
fn the_owner_of_a_secret_may_have_it_tried_once_more() {
    let scene = refused_password();
    for number in 0..3 {
        let now = {
            let mut inner = scene.inner();
            let credentials = inner.credentials.as_mut().unwrap();
            let asked = (RETRY_REQUESTED.to_owned(), format!("{number}"));
            credentials.annotations.extend([asked]);
            credentials.resource_version = format!("{}", 10 + number);
            inner.now
        };
        scene.run(now + span(50));
        assert_eq!(scene.inner().requests, 2 + number);
    }
    let message = {
        let inner = scene.inner();
        let status = &inner.resource.as_ref().unwrap().status;
        let stalled = status.conditions.iter().find(|one| one.type_ == "Stalled");
        stalled.unwrap().message.clone()
    };
    assert!(!message.contains("pw"), "{message}");
}

#[test]
fn resources_with_one_wrong_client_secret_back_off_together() {
    let none = Scene::new(&Spec::default());
    let scenes: Vec<Scene> = (0..10)
        .map(|number| {
            let scene = Scene(Scene::new(&Spec::default()).0, Arc::clone(&none.1));
            let mut inner = scene.inner();
            inner.answers = std::iter::repeat_n(Answer::Refused("invalid_client"), 1000).collect();
            inner.resource.as_mut().unwrap().uid = format!("uid-{number}");
            drop(inner);
            scene
        })
        .collect();
    let mut step = 0;
    while step < 3600 {
        step += 10;
        for scene in &scenes {
            scene.run(at(step));
        }
    }
    let requests: u32 = scenes.iter().map(|scene| scene.inner().requests).sum();
    // One minute, doubling to one hour: at 0, 1, 3, 7, 15, 31 minutes, whichever resource is first.
    assert!(
        (5..=9).contains(&requests),
        "{requests} requests in an hour"
    );
    for scene in &scenes {
        let told = scene.condition("RefreshFailing").unwrap();
        assert_eq!(told, (true, "InvalidClient".to_owned()));
        let writes = scene.inner().status_writes;
        assert!(writes <= 20, "{writes} status writes in an hour");
    }
}
