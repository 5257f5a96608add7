//! A test for every path of a reconcile.

use super::*;

fn scene() -> Scene {
    Scene::new(&Spec::default())
}

/// A resource that has its first token, at 5.
fn outcome() -> Scene {
    let scene = scene();
    scene.run(at(5));
    assert_eq!(scene.token().as_deref(), Some("token-1"));
    scene
}

fn requeue(reconciled: Option<Reconciled>) -> Requeue {
    match reconciled {
        Some(Reconciled::Done(outcome)) => outcome.requeue,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_first_issue_is_one_request_and_two_writes() {
    let scene = outcome();
    let inner = scene.inner();
    assert_eq!(
        (inner.requests, inner.secret_writes, inner.status_writes),
        (1, 1, 1)
    );
}

#[test]
fn a_refresh_is_one_request_and_two_writes_and_with_transitions_one() {
    for (detail, writes) in [(StatusDetail::Always, 2), (StatusDetail::Transitions, 1)] {
        let scene = scene();
        scene.inner().detail = detail;
        scene.run(at(5));
        scene.run(at(100_000));
        let inner = scene.inner();
        let refreshes = inner.requests - 1;
        assert!(refreshes > 30);
        assert_eq!(
            inner.secret_writes + inner.status_writes - 2,
            refreshes * writes
        );
    }
}

#[test]
fn looking_again_and_again_writes_nothing() {
    let scene = outcome();
    for _ in 0..20 {
        scene.reconcile(false);
        scene.reconcile(true);
    }
    let inner = scene.inner();
    assert_eq!(
        (inner.requests, inner.secret_writes, inner.status_writes),
        (1, 1, 1)
    );
}

#[test]
fn a_restart_asks_for_nothing_and_writes_nothing() {
    let scene = outcome();
    scene.restart();
    scene.run(at(10));
    let inner = scene.inner();
    assert_eq!(
        (inner.requests, inner.secret_writes, inner.status_writes),
        (1, 1, 1)
    );
}

#[test]
fn the_token_in_hand_is_written_through_conflicts_and_outages() {
    use Fault::{Committed, Conflict, Lost};
    for faults in [
        vec![Conflict; 5],
        vec![Lost; 12],
        vec![Committed],
        vec![Lost, Committed, Lost],
        vec![Conflict, Lost, Conflict, Committed],
    ] {
        let scene = scene();
        scene.inner().writes = faults.clone().into();
        scene.run(at(1000));
        assert_eq!(scene.inner().requests, 1, "{faults:?}");
        assert_eq!(scene.inner().secret_writes, 1, "{faults:?}");
        assert_eq!(scene.token().as_deref(), Some("token-1"), "{faults:?}");
        assert_eq!(
            scene.condition("Ready"),
            Some((true, "TokenValid".into())),
            "{faults:?}"
        );
        assert_eq!(scene.condition("Reconciling"), None);
    }
}

#[test]
fn the_token_in_hand_is_written_though_looks_fail_or_are_stale() {
    let scene = scene();
    scene.inner().writes = vec![Fault::Committed, Fault::Fine].into();
    scene.inner().looks = vec![Look::Fresh, Look::Fails, Look::Stale, Look::Stale].into();
    scene.run(at(1000));
    assert_eq!(scene.counts(), (1, 1));
    assert_eq!(scene.condition("Ready"), Some((true, "TokenValid".into())));
}

#[test]
fn a_newer_token_of_another_replica_is_never_overwritten() {
    let scene = outcome();
    let other = Scene::new(&Spec::default());
    other.inner().now = at(3000);
    other.inner().requests = 50;
    other.inner().secrets = scene.inner().secrets.clone();
    other.reconcile(true);
    let mut newer = other.inner().secrets["token"].clone();
    assert_eq!(other.token().as_deref(), Some("token-51"));
    newer.name = "token".into();
    scene.inner().now = at(2999);
    scene.inner().intruder = Some(newer);
    scene.run(at(3010));
    assert_eq!(scene.token().as_deref(), Some("token-51"));
    assert_eq!(scene.inner().requests, 2);
    assert_eq!(scene.condition("Ready"), Some((true, "TokenValid".into())));
}

#[test]
fn a_quota_is_told_while_the_token_waits_and_is_over_when_it_stands() {
    let scene = outcome();
    scene.inner().now = at(3000);
    scene.inner().writes = vec![Fault::Refused; 10].into();
    scene.run(at(4000));
    assert!(scene.inner().events.contains(&"WriteRefused"));
    assert_eq!(scene.inner().requests, 2);
    assert_eq!(scene.token().as_deref(), Some("token-2"));
    assert_eq!(scene.condition("Stalled"), None);
    assert!(scene.inner().events.contains(&"Recovered"));
}

#[test]
fn ready_turns_false_at_the_end_of_the_old_token_also_while_the_new_one_waits() {
    let scene = outcome();
    scene.inner().now = at(3000);
    scene.inner().writes = vec![Fault::Forbidden; 60].into();
    scene.inner().drained = false;
    scene.run(at(3010));
    let events = scene.inner().events.clone();
    assert!(
        events.contains(&"PermissionMissing") && events.contains(&"TokenExpired"),
        "{events:?}"
    );
}

#[test]
fn a_token_that_can_never_be_written_is_given_up_at_its_end_and_asked_for_once_more() {
    let scene = scene();
    scene.inner().writes = vec![Fault::Refused; 2000].into();
    scene.run(at(3600 * 3));
    let requests = scene.inner().requests;
    assert!(
        (3..=4).contains(&requests),
        "{requests} requests in three lives"
    );
}

#[test]
fn a_namespace_on_its_way_out_makes_no_loop() {
    let scene = scene();
    scene.inner().writes = vec![Fault::Terminating; 100].into();
    scene.run(at(100_000));
    assert_eq!(scene.inner().requests, 1);
    assert_eq!(
        scene.condition("Stalled"),
        Some((true, "NamespaceTerminating".into()))
    );
}

#[test]
fn a_shutdown_leaves_the_token_in_hand_one_last_try() {
    let scene = scene();
    scene.inner().drained = true;
    scene.inner().writes = vec![Fault::Lost].into();
    scene.reconcile(true);
    assert_eq!(scene.token().as_deref(), Some("token-1"));
    let scene = self::scene();
    scene.inner().drained = true;
    scene.inner().writes = vec![Fault::Lost; 100].into();
    scene.reconcile(true);
    assert_eq!(scene.inner().writes.len(), 98, "and no more than that");
}

#[test]
fn a_status_that_could_not_be_written_is_written_soon_without_a_request() {
    let scene = scene();
    scene.inner().reports = vec![false, false].into();
    scene.run(at(30));
    assert_eq!(scene.condition("Ready"), Some((true, "TokenValid".into())));
    assert_eq!(scene.counts(), (1, 1));
}

#[test]
fn a_status_in_trouble_never_delays_a_refresh() {
    let scene = scene();
    scene.inner().answers = vec![Answer::New(12)].into();
    scene.inner().reports = vec![false].into();
    let reconciled = requeue(scene.reconcile(true));
    assert!(
        matches!(reconciled, Requeue::RequestAt(time) if time < at(10)),
        "{reconciled:?}"
    );
}

#[test]
fn a_deleted_secret_is_restored_once_and_told() {
    let scene = outcome();
    scene.inner().now = at(100);
    scene.inner().secrets.clear();
    scene.inner().memory.deletion_reported = true;
    scene.run(at(105));
    assert_eq!(scene.token().as_deref(), Some("token-2"));
    assert_eq!(scene.inner().events, ["Restored"]);
}

#[test]
fn a_deletion_that_no_watch_told_of_is_believed_after_a_few_looks() {
    let scene = outcome();
    scene.inner().now = at(100);
    scene.inner().secrets.clear();
    scene.run(at(120));
    assert_eq!(scene.token().as_deref(), Some("token-2"));
    assert_eq!(scene.inner().requests, 2);
}

#[test]
fn an_old_view_after_our_write_asks_for_nothing() {
    let scene = outcome();
    scene.inner().now = at(3000);
    scene.reconcile(true);
    assert_eq!(scene.inner().requests, 2);
    scene.inner().looks = vec![Look::Stale; 2].into();
    scene.inner().now = at(3010);
    scene.run(at(3050));
    assert_eq!(scene.inner().requests, 2);
    assert_eq!(scene.token().as_deref(), Some("token-2"));
}

#[test]
fn somebody_who_alters_the_secret_for_ever_makes_no_token_loop() {
    let scene = outcome();
    let mut now = 10;
    for _ in 0..200 {
        let mut altered = scene.inner().secrets["token"].clone();
        altered
            .data
            .insert("access_token".into(), Secret::from("theirs"));
        scene.put(altered);
        scene.run(at(now + 60));
        now += 60;
    }
    let requests = scene.inner().requests;
    assert!(requests < 16, "{requests} requests in 200 fights");
    assert!(scene.inner().events.contains(&"Contested"));
}

#[test]
fn a_wrong_password_is_sent_once_whatever_happens() {
    let scene = Scene::new(&Spec::extra("  grant: {type: password}\n"));
    if let Some(credentials) = &mut scene.inner().credentials {
        let person = [("username", "u"), ("password", "p")];
        let person = person.map(|(key, value)| (key.to_owned(), Secret::from(value)));
        credentials.data.extend(person);
    }
    scene.inner().answers = vec![Answer::Refused("invalid_grant")].into();
    scene.run(at(100_000));
    scene.restart();
    scene.run(at(200_000));
    assert_eq!(scene.inner().requests, 1);
    assert_eq!(
        scene.condition("Stalled"),
        Some((true, "InvalidGrant".into()))
    );
    let class = scene
        .inner()
        .memory
        .attempt
        .as_ref()
        .map(|attempt| attempt.class);
    assert_eq!(class, Some(FailureClass::NeedsPerson));
    scene.inner().credentials.as_mut().unwrap().resource_version = "2".into();
    let right = ("password".to_owned(), Secret::from("right"));
    let changed = scene
        .inner()
        .credentials
        .as_mut()
        .map(|one| one.data.extend([right]));
    assert!(changed.is_some());
    scene.run(at(200_010));
    assert_eq!(scene.condition("Ready"), Some((true, "TokenValid".into())));
}

#[test]
fn an_outage_keeps_the_token_and_its_end_is_told_at_that_moment_or_before_the_next_try() {
    let scene = outcome();
    scene.inner().answers = vec![Answer::Unavailable; 200].into();
    scene.run(at(3590));
    assert_eq!(scene.token().as_deref(), Some("token-1"));
    assert_eq!(scene.condition("Ready"), Some((true, "TokenValid".into())));
    assert_eq!(
        scene.condition("RefreshFailing"),
        Some((true, "TemporarilyUnavailable".into()))
    );
    scene.inner().now = at(3600);
    scene.reconcile(false);
    assert_eq!(
        scene.condition("Ready").map(|(holds, _)| holds),
        Some(false)
    );
    scene.inner().answers.clear();
    scene.run(at(4000));
    assert_eq!(scene.condition("Ready"), Some((true, "TokenValid".into())));
    assert!(scene.inner().memory.attempt.is_none());
}

#[test]
fn what_is_said_before_a_permit_comes_is_true_when_the_token_has_ended() {
    let scene = outcome();
    scene.inner().now = at(3600);
    assert_eq!(requeue(scene.reconcile(false)), Requeue::Request);
    assert_eq!(
        scene.condition("Ready"),
        Some((false, "TokenExpired".into()))
    );
}

#[test]
fn a_new_name_moves_the_token_and_a_crash_in_between_changes_nothing_of_that() {
    for fault in [
        Fault::Fine,
        Fault::CrashBefore,
        Fault::CrashAfter,
        Fault::Committed,
        Fault::Lost,
    ] {
        let scene = outcome();
        {
            let mut inner = scene.inner();
            let status = inner.resource.as_ref().unwrap().status.clone();
            let mut renamed = resource(&Spec::named("renamed"));
            renamed.status = status;
            inner.resource = Some(renamed);
            inner.writes = vec![fault].into();
        }
        scene.run(at(100));
        let names: Vec<String> = scene.inner().secrets.keys().cloned().collect();
        assert_eq!(names, ["renamed"], "{fault:?}");
        assert_eq!(scene.inner().requests, 1, "{fault:?}");
    }
}

#[test]
fn a_resource_on_its_way_out_is_not_spoken_of_any_more() {
    let scene = outcome();
    {
        let mut inner = scene.inner();
        let resource = inner.resource.as_mut().unwrap();
        resource.deleting = true;
        resource.status = OAuthClientStatus::default();
    }
    assert_eq!(requeue(scene.reconcile(true)), Requeue::OnChange);
    assert_eq!(scene.inner().status_writes, 1);
}

#[test]
fn a_secret_of_somebody_else_that_appears_meanwhile_is_left_alone() {
    let scene = scene();
    scene.inner().intruder = Some(crate::policy::tests::secret("token", 1));
    scene.run(at(10));
    assert!(scene.inner().secrets["token"].data.is_empty());
    assert_eq!(scene.inner().secret_writes, 0);
    assert_eq!(
        scene.condition("Stalled"),
        Some((true, "SecretNotOwned".into()))
    );
}

#[test]
fn trouble_with_the_api_never_means_that_something_is_absent() {
    let scene = outcome();
    scene.inner().looks = vec![Look::Fails; 3].into();
    assert!(
        matches!(scene.reconcile(true), Some(Reconciled::Abandoned { again, .. }) if again > at(5))
    );
    scene.run(at(60));
    assert_eq!(scene.inner().requests, 1);
}
