//! What causes a token request, and what does not.

use super::*;

#[test]
fn a_new_resource_asks_for_its_first_token() {
    let mut seen = fresh(&Spec::default());
    assert_eq!(
        decided(&mut seen, 0),
        Decision::Requests(RefreshReason::FirstIssue)
    );
}

#[test]
fn without_a_permit_it_asks_for_one() {
    let mut seen = fresh(&Spec::default());
    seen.may_request = false;
    assert_eq!(decided(&mut seen, 0), Decision::Waits(Requeue::Request));
}

#[test]
fn a_current_token_waits_for_its_refresh_and_is_then_replaced() {
    let mut seen = current(&Spec::default());
    let due = refresh_of(&seen);
    assert_eq!(
        decided(&mut seen, 10),
        Decision::Waits(Requeue::RequestAt(due))
    );
    assert_eq!(
        decision(&plan_at(&mut seen, due)),
        Decision::Requests(RefreshReason::Due)
    );
}

#[test]
fn a_restart_asks_for_nothing_that_is_not_due() {
    let mut seen = restarted(current(&Spec::default()));
    let due = refresh_of(&seen);
    assert_eq!(
        decided(&mut seen, 10),
        Decision::Waits(Requeue::RequestAt(due))
    );
}

#[test]
fn a_change_of_what_is_sent_asks() {
    for changed in [
        Spec::extra("  scopes: [read]\n"),
        Spec::extra("  grant: {type: password}\n"),
        Spec {
            url: Some("https://other.example.com/token"),
            ..Spec::default()
        },
        Spec::secret(", data: {h: \"{{ access_token }}\"}"),
    ] {
        let mut seen = current(&Spec::default());
        seen.resource = resource(&changed);
        if let Some(credentials) = &mut seen.credentials {
            credentials
                .data
                .extend(data(&[("username", "u"), ("password", "p")]));
        }
        assert_eq!(
            decided(&mut seen, 10),
            Decision::Requests(RefreshReason::SpecChanged),
            "{changed:?}"
        );
    }
}

#[test]
fn a_change_of_when_or_whither_asks_for_nothing() {
    for changed in [
        Spec::extra("  refresh: {beforeSeconds: 900}\n"),
        Spec::secret(", labels: {team: books}"),
    ] {
        let mut seen = current(&Spec::default());
        seen.resource = resource(&changed);
        assert!(
            !matches!(
                decided(&mut seen, 10),
                Decision::Requests(_) | Decision::Stuck(..)
            ),
            "{changed:?}"
        );
    }
}

/// `seen` under other refresh settings, with the write that follows, and that write applied.
fn under(mut seen: Observed, settings: &'static str, now: i64) -> (Plan, Observed) {
    let status = seen.resource.status.clone();
    seen.resource = resource(&Spec::extra(settings));
    seen.resource.status = status;
    let plan = plan(&mut seen, now);
    if let Action::Write(write) = &plan.action {
        seen.target = Some(applied(write, seen.target.as_ref(), 11));
    }
    (plan, seen)
}

#[test]
fn other_refresh_settings_move_the_time_at_once_with_one_write_and_no_request() {
    let seen = current(&Spec::default());
    let expires = seen.target.as_ref().unwrap().state().unwrap().expires();
    let settings = "  refresh: {beforeSeconds: 900}\n";
    let (plan, seen) = under(seen, settings, 10);
    let Action::Write(write) = &plan.action else {
        panic!("nothing is written")
    };
    let lead = expires.since(write.state.refresh).seconds();
    assert!((900..=1080).contains(&lead), "{lead}");
    assert!(write.data.is_empty() && !write.repairs);
    assert_eq!(plan.requeue, Requeue::RequestAt(write.state.refresh));
    let shown = plan.assessment.token.as_ref().unwrap().refresh;
    assert_eq!(shown, write.state.refresh, "the status says when");
    let target = seen.target.as_ref().unwrap();
    assert!(target.state().unwrap().intact(&target.data));
    // Once: the same settings write nothing again, and draw no new jitter.
    let (again, seen) = under(seen, settings, 20);
    assert!(matches!(again.action, Action::Nothing));
    assert_eq!(again.requeue, plan.requeue);
    // There and back.
    let (back, _) = under(seen, "", 30);
    let Action::Write(write) = &back.action else {
        panic!("nothing is written")
    };
    let lead = expires.since(write.state.refresh).seconds();
    assert!((900..=1080).contains(&lead), "{lead}: a quarter of an hour");
}

#[test]
fn a_token_that_is_due_under_other_settings_is_replaced() {
    let mut early = current(&Spec::default());
    early.resource = resource(&Spec::extra("  refresh: {beforeSeconds: 2400}\n"));
    assert_eq!(
        decided(&mut early, 1300),
        Decision::Requests(RefreshReason::Due)
    );
    let mut late = current(&Spec::default());
    let due = refresh_of(&late);
    late.resource = resource(&Spec::extra("  refresh: {beforeSeconds: 60}\n"));
    let after = due.since(at(0)).seconds() + 1;
    assert!(!matches!(decided(&mut late, after), Decision::Requests(_)));
}

#[test]
fn the_state_of_an_earlier_version_keeps_its_time() {
    let mut seen = current(&Spec::default());
    let due = refresh_of(&seen);
    let target = seen.target.as_mut().unwrap();
    let former = TokenState {
        planned: None,
        ..target.state().unwrap()
    };
    let written = former.write().into_iter();
    target
        .annotations
        .extend(written.filter_map(|(key, value)| Some((key, value?))));
    let (plan, _) = under(seen, "  refresh: {beforeSeconds: 60}\n", 10);
    assert!(matches!(plan.action, Action::Nothing));
    assert_eq!(plan.requeue, Requeue::RequestAt(due));
}

#[test]
fn a_spec_that_went_there_and_back_asks_for_nothing() {
    let mut seen = current(&Spec::default());
    let due = refresh_of(&seen);
    seen.resource = resource(&Spec::extra("  scopes: [wrong]\n"));
    let mut seen = after_failure(seen, &failure(FailureClass::Permanent, "InvalidScope"), 10);
    let status = seen.resource.status.clone();
    seen.resource = resource(&Spec::default());
    seen.resource.status = status;
    let plan = plan(&mut seen, 20);
    assert_eq!(decision(&plan), Decision::Waits(Requeue::RequestAt(due)));
    assert_eq!(
        plan.assessment.attempt, None,
        "what failed is not wanted any more"
    );
}

#[test]
fn inputs_of_an_unknown_format_are_adopted_and_written_down() {
    let mut seen = current(&Spec::default());
    let target = seen.target.as_mut().unwrap();
    for unknown in ["v9:00112233445566778899aabbccddeeff", "v1:what", ""] {
        target
            .annotations
            .insert(format!("{PREFIX}inputs"), unknown.into());
        let plan = decide(&current_with(target.clone()), at(10));
        let Action::Write(write) = plan.action else {
            panic!("{unknown} is not adopted")
        };
        assert_eq!(write.state.inputs, seen.resource.inputs);
        assert!(write.data.is_empty());
    }
}

fn current_with(target: SecretSeen) -> Observed {
    Observed {
        target: Some(target),
        ..current(&Spec::default())
    }
}

#[test]
fn other_content_of_the_credentials_asks() {
    let mut seen = current(&Spec::default());
    seen.credentials = Some(credentials(2, "new"));
    seen.content = Some(content("new"));
    assert_eq!(
        decided(&mut seen, 10),
        Decision::Requests(RefreshReason::CredentialsChanged)
    );
}

#[test]
fn an_edited_label_of_the_credentials_is_noted_and_asks_for_nothing() {
    let mut seen = current(&Spec::default());
    seen.credentials = Some(credentials(2, "pw"));
    let Action::Write(write) = plan(&mut seen, 10).action else {
        panic!("the new version is not noted")
    };
    assert_eq!(write.state.credentials, credentials(2, "pw").version());
    assert!(write.data.is_empty() && write.labels.is_empty() && write.owners.is_none());
    assert_eq!(write.annotations.len(), 1, "the version alone is written");
    let noted = applied(&write, seen.target.as_ref(), 11);
    seen.target = Some(noted);
    assert!(
        matches!(decided(&mut seen, 11), Decision::Waits(_)),
        "and then all is well"
    );
}

#[test]
fn credentials_that_changed_while_the_operator_was_down_ask() {
    let mut seen = restarted(current(&Spec::default()));
    seen.credentials = Some(credentials(2, "pw"));
    assert_eq!(
        decided(&mut seen, 10),
        Decision::Requests(RefreshReason::CredentialsChanged)
    );
}

#[test]
fn a_deleted_token_secret_asks_once_its_end_is_certain() {
    let mut seen = current(&Spec::default());
    seen.memory.written = seen.target.take().and_then(|target| target.written());
    seen.memory.deletion_reported = true;
    assert_eq!(
        decided(&mut seen, 10),
        Decision::Requests(RefreshReason::Deleted)
    );
    assert_eq!(
        decided(&mut restarted(seen), 10),
        Decision::Requests(RefreshReason::Deleted)
    );
}

#[test]
fn an_altered_token_secret_asks_and_a_foreign_key_does_not() {
    for key in ["access_token", "expires_at"] {
        let mut seen = current(&Spec::default());
        let target = seen.target.as_mut().unwrap();
        target.data.insert(key.into(), Secret::from("theirs"));
        assert_eq!(
            decided(&mut seen, 10),
            Decision::Requests(RefreshReason::Altered),
            "{key}"
        );
        seen.target.as_mut().unwrap().data.remove(key);
        assert_eq!(
            decided(&mut seen, 10),
            Decision::Requests(RefreshReason::Altered),
            "no {key}"
        );
    }
    let mut seen = current(&Spec::default());
    let target = seen.target.as_mut().unwrap();
    target.data.insert("theirs".into(), Secret::from("x"));
    target.labels.insert("theirs".into(), "x".into());
    target.annotations.insert("theirs".into(), "x".into());
    assert!(matches!(decided(&mut seen, 10), Decision::Waits(_)));
}

#[test]
fn an_altered_time_asks_and_so_does_a_lost_one() {
    for key in ["expires-at", "refresh-at", "issued-at"] {
        let key = format!("{PREFIX}{key}");
        let mut seen = current(&Spec::default());
        let target = seen.target.as_mut().unwrap();
        target
            .annotations
            .insert(key.clone(), at(999_999).rfc3339_millis());
        assert_eq!(
            decided(&mut seen, 10),
            Decision::Requests(RefreshReason::Altered),
            "{key}"
        );
        seen.target.as_mut().unwrap().annotations.remove(&key);
        assert_eq!(
            decided(&mut seen, 10),
            Decision::Requests(RefreshReason::Altered),
            "no {key}"
        );
    }
}

#[test]
fn a_lost_label_is_mended_without_a_token() {
    let mut seen = current(&Spec::default());
    seen.target.as_mut().unwrap().labels.remove(TOKEN_LABEL);
    let Action::Write(write) = plan(&mut seen, 10).action else {
        panic!("it is left as it is")
    };
    assert_eq!(
        write.labels.get(TOKEN_LABEL),
        Some(&Some("true".to_owned()))
    );
    assert!(write.data.is_empty());
}

#[test]
fn a_refresh_on_demand_asks_once_for_each_value() {
    let mut seen = current(&Spec::default());
    seen.resource.refresh_request = Some("now".into());
    assert_eq!(
        decided(&mut seen, 10),
        Decision::Requests(RefreshReason::Requested)
    );
    let write = grant(&seen, token("second", 3600), 10).write.unwrap();
    seen.target = Some(applied(&write, seen.target.as_ref(), 11));
    assert!(
        matches!(decided(&mut seen, 20), Decision::Waits(_)),
        "it was handled"
    );
    seen.resource.refresh_request = Some("again".into());
    assert_eq!(
        decided(&mut seen, 20),
        Decision::Requests(RefreshReason::Requested)
    );
    seen.resource.refresh_request = None;
    assert!(matches!(decided(&mut seen, 20), Decision::Waits(_)));
}

#[test]
fn a_refresh_on_demand_of_any_length_is_handled_once() {
    let mut seen = current(&Spec::default());
    seen.resource.refresh_request = Some("x".repeat(5000));
    assert_eq!(
        decided(&mut seen, 10),
        Decision::Requests(RefreshReason::Requested)
    );
    let outcome = grant(&seen, token("second", 3600), 10);
    assert!(outcome.assessment.handled_request.as_ref().unwrap().len() <= 256);
    seen.target = Some(applied(&outcome.write.unwrap(), seen.target.as_ref(), 11));
    seen.resource.refresh_request = Some("x".repeat(5000));
    assert!(matches!(decided(&mut seen, 20), Decision::Waits(_)));
}

#[test]
fn a_failed_refresh_on_demand_is_tried_again_at_the_pace_of_failures() {
    let mut seen = current(&Spec::default());
    seen.resource.refresh_request = Some("now".into());
    let mut seen = after_failure(seen, &failure(FailureClass::Transient, "ServerError"), 10);
    let next = seen.memory.attempt.as_ref().unwrap().next.unwrap();
    for mut seen in [restarted_copy(&seen), {
        seen.now = at(11);
        seen
    }] {
        assert_eq!(
            decided(&mut seen, 11),
            Decision::Waits(Requeue::RequestAt(next))
        );
        assert_eq!(
            decision(&plan_at(&mut seen, next)),
            Decision::Requests(RefreshReason::Requested)
        );
        seen.resource.refresh_request = None;
        assert!(
            matches!(
                decision(&plan_at(&mut seen, next)),
                Decision::Waits(Requeue::RequestAt(_))
            ),
            "withdrawn, and nothing is due"
        );
    }
}

fn restarted_copy(seen: &Observed) -> Observed {
    let mut copy = current(&Spec::default());
    copy.resource.refresh_request = seen.resource.refresh_request.clone();
    copy.resource.status = seen.resource.status.clone();
    restarted(copy)
}

#[test]
fn a_clock_that_was_set_back_asks() {
    let mut seen = current(&Spec::default());
    assert_eq!(
        decided(&mut seen, -3600),
        Decision::Requests(RefreshReason::ClockWentBack)
    );
    assert!(
        matches!(decided(&mut seen, -30), Decision::Waits(_)),
        "a little does not matter"
    );
}

#[test]
fn a_suspended_or_deleted_resource_asks_for_nothing() {
    let mut seen = fresh(&Spec::extra("  suspend: true\n"));
    assert_eq!(decided(&mut seen, 0), Decision::Waits(Requeue::OnChange));
    let mut seen = fresh(&Spec::default());
    seen.resource.deleting = true;
    assert_eq!(decided(&mut seen, 0), Decision::Waits(Requeue::OnChange));
}
