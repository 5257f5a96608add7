//! A sentence for every way that a refresh token can take.

use super::*;

const SPEC: &str = "  grant: {type: refresh_token}\n";
const PASSWORD: &str = "  grant: {type: password, password: {useRefreshToken: true}}\n";

fn scene() -> Scene {
    Scene::family(SPEC, None)
}

/// With its first token, at 5.
fn outcome() -> Scene {
    let scene = scene();
    scene.run(at(5));
    assert_eq!(scene.token().as_deref(), Some("token-1"));
    scene
}

fn arrived(scene: &Scene) -> Vec<String> {
    scene.inner().family.arrived.clone()
}

fn stalled(scene: &Scene) -> Option<String> {
    scene
        .condition("Stalled")
        .filter(|(holds, _)| *holds)
        .map(|(_, reason)| reason)
}

#[test]
fn each_token_is_sent_once_and_the_token_secret_never_holds_one() {
    let scene = outcome();
    scene.run(at(50_000));
    let arrived = arrived(&scene);
    assert!(arrived.len() > 10);
    let once: BTreeSet<&String> = arrived.iter().collect();
    assert_eq!(once.len(), arrived.len(), "{arrived:?}");
    let inner = scene.inner();
    let published = &inner.secrets["token"].data;
    let holds = |text: &str| text.contains("refresh-");
    assert!(
        published
            .values()
            .all(|value| !holds(value.expose().unwrap()))
    );
}

#[test]
fn a_crash_between_state_and_token_secret_costs_no_request() {
    for fault in [Fault::CrashBefore, Fault::CrashAfter] {
        let scene = scene();
        scene.inner().writes = vec![fault].into();
        scene.run(at(60));
        assert_eq!(arrived(&scene).len(), 1, "{fault:?}");
        assert_eq!(scene.token().as_deref(), Some("token-1"));
        assert_eq!(scene.condition("Ready"), Some((true, "TokenValid".into())));
    }
}

#[test]
fn a_token_secret_that_was_deleted_or_altered_is_written_anew_without_a_request() {
    let scene = outcome();
    scene.inner().secrets.remove("token");
    scene.inner().memory.deletion_reported = true;
    scene.run(at(60));
    assert_eq!(scene.token().as_deref(), Some("token-1"));
    let mut altered = scene.inner().secrets["token"].clone();
    altered
        .data
        .insert("access_token".into(), Secret::from("theirs"));
    scene.put(altered);
    scene.reconcile(false);
    scene.run(at(120));
    assert_eq!(scene.token().as_deref(), Some("token-1"));
    assert_eq!(arrived(&scene).len(), 1);
}

#[test]
fn a_lost_answer_is_asked_for_once_more_and_then_never_again() {
    let scene = outcome();
    scene.inner().family.requests = vec![Sent::Lost].into();
    scene.run(at(50_000));
    let arrived = arrived(&scene);
    assert_eq!(arrived.len(), 3, "{arrived:?}");
    assert_eq!(arrived[1], arrived[2]);
    assert_eq!(stalled(&scene).as_deref(), Some("ReauthorizationRequired"));
    scene.restart();
    scene.run(at(100_000));
    assert_eq!(scene.inner().family.arrived.len(), 3);
}

#[test]
fn a_provider_that_is_away_for_hours_takes_nobody_their_login() {
    let scene = outcome();
    scene.inner().family.requests = vec![Sent::Unsent; 40].into();
    scene.run(at(9_000));
    scene.inner().family.requests = vec![Sent::Unavailable; 40].into();
    scene.run(at(50_000));
    assert_eq!(stalled(&scene), None);
    assert_eq!(scene.condition("Ready"), Some((true, "TokenValid".into())));
}

/// A process was killed with a refresh token in flight: when, and how many requests there were.
fn killed() -> (Scene, Time, u32) {
    let scene = outcome();
    scene.inner().family.requests = vec![Sent::CrashBefore].into();
    // Step by step to the crash.
    let mut seconds = 5;
    while scene.inner().requests == 1 {
        seconds += 1;
        scene.run(at(seconds));
    }
    let crashed = scene.inner().now;
    let sent = scene.inner().requests;
    (scene, crashed, sent)
}

#[test]
fn a_claim_of_another_process_is_left_alone_until_its_time_is_over() {
    let (scene, crashed, sent) = killed();
    // Time to write it, time-out, and time to store: 6 + 10 + 10 s.
    scene.run(crashed + span(20));
    let waits = Some((true, "Requesting".into()));
    assert_eq!(scene.condition("Reconciling"), waits);
    scene.reconcile(true);
    assert_eq!(scene.inner().requests, sent);
    scene.run(crashed + span(28));
    assert_eq!(scene.inner().requests, sent + 1);
    assert_eq!(scene.condition("Reconciling"), None);
    assert_eq!(scene.condition("Ready"), Some((true, "TokenValid".into())));
}

#[test]
fn a_restart_begins_no_new_wait_on_the_same_machine_or_on_another() {
    let (scene, crashed, sent) = killed();
    // Each process observes the reservation for the first time.
    for seconds in [5, 15, 24] {
        scene.run(crashed + span(seconds));
        scene.restart();
    }
    assert_eq!(scene.inner().requests, sent);
    scene.run(crashed + span(28));
    assert_eq!(scene.inner().requests, sent + 1);

    let (scene, crashed, sent) = killed();
    scene.run(crashed + span(5));
    // The machine is gone: another one knows no more than when its first process observed the reservation.
    scene.inner().family.machine += 1;
    // It observed it after 5 s, so its time is over 26 s later.
    for seconds in [10, 20, 29] {
        scene.restart();
        scene.run(crashed + span(seconds));
    }
    assert_eq!(scene.inner().requests, sent);
    scene.run(crashed + span(40));
    assert_eq!(scene.inner().requests, sent + 1);
}

#[test]
fn wall_clocks_that_differ_send_no_refresh_token_early() {
    for (ahead, machine) in [(3600, 1), (-3600, 1), (3600, 0), (-3600, 0)] {
        let (scene, crashed, sent) = killed();
        scene.restart();
        {
            let mut inner = scene.inner();
            inner.now = inner.now + span(ahead);
            inner.family.ahead = span(ahead);
            inner.family.machine += machine;
        }
        let crashed = crashed + span(ahead);
        scene.run(crashed + span(24));
        assert_eq!(scene.inner().requests, sent, "{ahead} {machine}");
        scene.run(crashed + span(40));
        assert!(scene.inner().requests > sent, "{ahead} {machine}");
        assert!(scene.most_often() <= 2, "{ahead} {machine}");
    }
}

#[test]
fn a_reservation_of_an_earlier_version_is_respected_from_when_it_is_observed() {
    let (scene, crashed, sent) = killed();
    {
        // As it was written before: with an end by the wall clock, and no machine.
        let mut inner = scene.inner();
        let state = inner.secrets.get_mut("books-refresh-state").unwrap();
        let claim = state.data["claim"].expose().unwrap().to_owned();
        let mut claim: serde_json::Value = serde_json::from_str(&claim).unwrap();
        let fields = claim.as_object_mut().unwrap();
        fields.remove("made").unwrap();
        fields.insert("over".into(), "2001-01-01T00:00:00Z".into());
        state
            .data
            .insert("claim".into(), Secret::from(claim.to_string()));
    }
    scene.restart();
    scene.run(crashed + span(20));
    assert_eq!(scene.inner().requests, sent);
    scene.run(crashed + span(60));
    assert!(scene.inner().requests > sent);
}

#[test]
fn a_state_secret_that_lost_its_owner_is_taken_back_and_goes_on() {
    let scene = outcome();
    let before = arrived(&scene).len();
    let token = scene.token();
    for name in ["books-refresh-state", "token"] {
        let mut secret = scene.inner().secrets[name].clone();
        secret.owners.clear();
        scene.put(secret);
    }
    // The resource is another object of the same name.
    scene.inner().resource.as_mut().unwrap().uid = "another".into();
    scene.restart();
    scene.run(at(300));
    assert_eq!(arrived(&scene).len(), before);
    assert_eq!(scene.token(), token);
    assert_eq!(stalled(&scene), None);
    for name in ["books-refresh-state", "token"] {
        let owners = scene.inner().secrets[name].owners.clone();
        assert!(owners.iter().any(|owner| owner.uid == "another"), "{name}");
    }
    scene.run(at(20_000));
    assert!(arrived(&scene).len() > before + 2);
    assert_eq!(stalled(&scene), None);
}

/// A state Secret as somebody who may write Secrets would forge it: sealed for this resource, with a refresh token of theirs and lenders
/// that allow every host.
fn forged() -> SecretSeen {
    let scene = outcome();
    let mut state = scene.inner().secrets["books-refresh-state"].clone();
    let mut record = crate::model::FamilyRecord::read(&state.data).unwrap();
    record.refresh_token = Some(Secret::from("theirs"));
    record.lenders = Some(crate::trust::Lenders::none());
    record.reservation = None;
    let data = record.write().into_iter();
    state.data = data
        .filter_map(|(key, value)| Some((key, value?)))
        .collect();
    state.owners.clear();
    state.uid = "forged".into();
    state
}

#[test]
fn a_forged_state_sends_nothing_where_the_secrets_of_the_resource_may_not_go() {
    let scene = Scene::family(SPEC, None);
    scene.put(forged());
    let hosts = "elsewhere.example.com".to_owned();
    if let Some(credentials) = &mut scene.inner().credentials {
        credentials
            .annotations
            .insert(crate::names::ALLOWED_HOSTS_ANNOTATION.to_owned(), hosts);
    }
    scene.run(at(600));
    assert_eq!(scene.inner().requests, 0);
    // What the forger wrote beside it may be published: it is theirs.
    assert!(scene.inner().family.sent.is_empty());
    assert!(scene.token().is_none_or(|token| token == "token-1"));

    // Where they may go, the forger's token is sent there, for the forger's account, and no refresh token of anybody else.
    let scene = Scene::family(SPEC, None);
    scene.put(forged());
    scene.run(at(600));
    let inner = scene.inner();
    assert!(
        inner
            .sent_to
            .iter()
            .all(|url| url == "https://auth.example.com/token")
    );
    assert!(
        inner
            .family
            .arrived
            .iter()
            .filter(|token| *token == "theirs")
            .count()
            <= 1
    );
    let secrets: Vec<&String> = inner.secrets.keys().collect();
    assert_eq!(
        secrets
            .iter()
            .filter(|name| name.contains("refresh-state"))
            .count(),
        1
    );
}

#[test]
fn a_forged_reservation_holds_a_family_up_for_a_bounded_time() {
    let scene = outcome();
    {
        let mut inner = scene.inner();
        let state = inner.secrets.get_mut("books-refresh-state").unwrap();
        let mut claim: serde_json::Value =
            serde_json::from_str(state.data["claim"].expose().unwrap()).unwrap();
        claim["open"] = true.into();
        claim["process"] = "somebody".into();
        claim["allowedMillis"] = i64::MAX.into();
        claim["made"]["millis"] = i64::MAX.into();
        claim["time"] = "9999-01-01T00:00:00Z".into();
        state
            .data
            .insert("claim".into(), Secret::from(claim.to_string()));
    }
    scene.restart();
    let sent = scene.inner().requests;
    scene.run(at(20_000));
    assert!(scene.inner().requests > sent, "held up for ever");
}

#[test]
fn without_the_right_to_write_nothing_is_spent() {
    let scene = outcome();
    scene.inner().family.keeps = vec![Fault::Forbidden; 200].into();
    scene.run(at(3_000));
    assert_eq!(arrived(&scene).len(), 1);
    assert_eq!(stalled(&scene).as_deref(), Some("PermissionMissing"));
    scene.inner().family.keeps.clear();
    scene.run(at(3_200));
    assert_eq!(arrived(&scene).len(), 2);
    assert_eq!(stalled(&scene), None);
}

#[test]
fn a_refused_token_is_not_sent_again_before_another_comes() {
    let scene = outcome();
    scene.inner().family.revoke();
    scene.run(at(50_000));
    assert_eq!(arrived(&scene).len(), 2);
    assert_eq!(stalled(&scene).as_deref(), Some("ReauthorizationRequired"));
    let before = scene.inner().resource.as_ref().unwrap().status.clone();
    let message = before.conditions.iter().find(|one| one.type_ == "Stalled");
    assert!(
        message
            .unwrap()
            .message
            .contains("kubectl oauthclient login books -n shop")
    );
    // An annotation is no reason, a restart neither.
    scene.inner().resource.as_mut().unwrap().refresh_request = Some("now".into());
    scene.restart();
    scene.run(at(60_000));
    assert_eq!(arrived(&scene).len(), 2);
    let fresh = scene.inner().family.login();
    scene.offer(Some(&fresh));
    scene.run(at(60_100));
    assert_eq!(arrived(&scene).last(), Some(&fresh));
    assert_eq!(scene.condition("Ready"), Some((true, "TokenValid".into())));
}

#[test]
fn what_was_refused_is_tried_again_once_with_another_client() {
    let scene = outcome();
    scene.inner().family.revoke();
    scene.run(at(50_000));
    scene.with_client_secret("another");
    let seed = "refresh-1";
    scene.offer(Some(seed));
    scene.run(at(60_000));
    assert_eq!(arrived(&scene).len(), 3, "{:?}", arrived(&scene));
}

#[test]
fn another_token_starts_afresh_and_a_key_that_vanishes_ends_nothing() {
    let scene = outcome();
    scene.offer(None);
    scene.run(at(4_000));
    assert!(arrived(&scene).len() > 1, "the chain goes on");
    let fresh = scene.inner().family.login();
    scene.offer(Some(&fresh));
    scene.run(at(4_010));
    assert_eq!(arrived(&scene).last(), Some(&fresh));
    // The initial one is used up, and not new.
    scene.offer(Some("refresh-1"));
    scene.run(at(30_000));
    assert_eq!(
        arrived(&scene)
            .iter()
            .filter(|token| *token == "refresh-1")
            .count(),
        1
    );
    assert_eq!(scene.condition("Ready"), Some((true, "TokenValid".into())));
}

#[test]
fn a_login_takes_precedence_and_its_end_brings_no_spent_token_back() {
    let scene = outcome();
    let fresh = scene.inner().family.login();
    scene.log_in(&fresh);
    scene.run(at(20));
    assert_eq!(arrived(&scene).last(), Some(&fresh));
    let login = scene.inner().secrets.remove("books-login").unwrap();
    let sent = arrived(&scene).len();
    scene.run(at(50_000));
    assert_eq!(
        arrived(&scene).len(),
        sent,
        "nothing is sent that was obtained with a login that is gone"
    );
    assert_eq!(
        scene.condition("Ready"),
        Some((false, "CredentialsNotFound".into()))
    );
    scene.put(login);
    scene.run(at(60_000));
    assert_eq!(
        arrived(&scene)
            .iter()
            .filter(|token| *token == "refresh-1")
            .count(),
        1
    );
    assert_eq!(scene.condition("Ready"), Some((true, "TokenValid".into())));
}

#[test]
fn a_refused_token_in_the_credentials_ends_no_chain_that_a_login_began() {
    let scene = Scene::family(SPEC, Some("never-issued"));
    scene.run(at(5));
    assert_eq!(stalled(&scene).as_deref(), Some("ReauthorizationRequired"));
    let fresh = scene.inner().family.login();
    scene.log_in(&fresh);
    scene.run(at(20));
    let mut login = scene.inner().secrets["books-login"].clone();
    login.data.remove("refresh_token");
    scene.put(login);
    scene.run(at(50_000));
    assert!(arrived(&scene).len() > 10);
    assert_eq!(scene.condition("Ready"), Some((true, "TokenValid".into())));
}

#[test]
fn a_login_that_nobody_lent_is_not_sent() {
    let scene = outcome();
    let fresh = scene.inner().family.login();
    scene.log_in(&fresh);
    let mut login = scene.inner().secrets["books-login"].clone();
    login.labels.clear();
    scene.put(login);
    scene.run(at(10_000));
    assert!(!arrived(&scene).contains(&fresh));
}

#[test]
fn without_any_refresh_token_a_login_is_awaited_and_picked_up() {
    let scene = scene();
    scene.offer(None);
    scene.run(at(100));
    assert_eq!(
        scene.condition("Reconciling"),
        Some((true, "AwaitingLogin".into()))
    );
    let fresh = scene.inner().family.login();
    scene.log_in(&fresh);
    scene.run(at(1_000));
    assert_eq!(arrived(&scene), [fresh]);
}

#[test]
fn a_provider_without_rotation_gets_the_same_token_for_ever() {
    let scene = scene();
    scene.inner().family.keeps_tokens = true;
    scene.run(at(50_000));
    let arrived = arrived(&scene);
    assert!(arrived.len() > 10 && arrived.iter().all(|token| token == "refresh-1"));
}

#[test]
fn a_state_secret_of_somebody_else_stops_everything_and_is_never_touched() {
    let scene = scene();
    let mut foreign = crate::policy::tests::secret("books-refresh-state", 1);
    foreign.data = crate::policy::tests::data(&[("theirs", "x")]);
    scene.put(foreign);
    scene.run(at(1_000));
    assert_eq!(scene.inner().requests, 0);
    assert_eq!(stalled(&scene).as_deref(), Some("SecretNotOwned"));
    let inner = scene.inner();
    let there = &inner.secrets["books-refresh-state"];
    assert!(there.data.len() == 1 && there.labels.is_empty());
}

#[test]
fn a_state_that_cannot_be_read_spends_nothing() {
    let scene = outcome();
    let mut state = scene.inner().secrets["books-refresh-state"].clone();
    state.data.insert("chain".into(), Secret::from("{"));
    scene.put(state);
    scene.run(at(20_000));
    assert_eq!(arrived(&scene).len(), 1);
    assert_eq!(stalled(&scene).as_deref(), Some("ReauthorizationRequired"));
}

#[test]
fn a_refresh_token_that_ends_soon_is_used_in_time() {
    let scene = scene();
    {
        let mut inner = scene.inner();
        inner.family.access_life = 86_400;
        inner.family.life = Some(3_600);
    }
    scene.run(at(20_000));
    let arrived = arrived(&scene).len();
    assert!((5..=12).contains(&arrived), "{arrived}");
    let status = scene.inner().resource.as_ref().unwrap().status.clone();
    assert!(status.refresh_token.is_some());
}

#[test]
fn a_session_with_a_fixed_end_makes_no_loop() {
    let scene = scene();
    {
        let mut inner = scene.inner();
        inner.family.keeps_tokens = true;
        inner.family.access_life = 600;
        inner.family.life = Some(1_000);
    }
    scene.run(at(400));
    scene.inner().family.life = None;
    scene.run(at(2_000));
    let arrived = arrived(&scene).len();
    assert!(arrived < 10, "{arrived}");
}

fn with_password() -> Scene {
    let scene = Scene::family(PASSWORD, None);
    if let Some(credentials) = &mut scene.inner().credentials {
        credentials
            .data
            .insert("username".into(), Secret::from("me"));
        credentials
            .data
            .insert("password".into(), Secret::from("right"));
    }
    scene
}

#[test]
fn a_password_is_sent_once_and_again_only_when_the_refresh_token_has_died() {
    let scene = with_password();
    scene.run(at(20_000));
    let passwords = || {
        arrived(&scene)
            .iter()
            .filter(|sent| *sent == "password")
            .count()
    };
    assert_eq!(passwords(), 1);
    assert!(arrived(&scene).len() > 4);
    scene.inner().family.revoke();
    scene.run(at(40_000));
    assert_eq!(passwords(), 2);
    assert_eq!(stalled(&scene), None);
    assert_eq!(scene.condition("Ready"), Some((true, "TokenValid".into())));
}

#[test]
fn a_refused_password_needs_a_person_and_a_lost_refresh_does_not() {
    let scene = with_password();
    scene.run(at(5));
    scene.inner().family.requests = vec![Sent::Lost].into();
    scene.run(at(10_000));
    assert_eq!(stalled(&scene), None);
    if let Some(credentials) = &mut scene.inner().credentials {
        credentials.resource_version = "900".into();
        credentials
            .data
            .insert("password".into(), Secret::from("wrong"));
    }
    scene.run(at(30_000));
    let refused = arrived(&scene).len();
    assert_eq!(stalled(&scene).as_deref(), Some("InvalidGrant"));
    scene.run(at(60_000));
    assert_eq!(arrived(&scene).len(), refused, "it is sent once");
}
