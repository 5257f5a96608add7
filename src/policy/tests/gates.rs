//! What must be in place before a token is requested, and the effect of earlier attempts.

use super::*;
use crate::api::SpecProblem;

fn stuck(seen: &mut Observed) -> Reason {
    match decided(seen, 0) {
        Decision::Stuck(reason, requeue) => {
            let waits = matches!(requeue, Requeue::At(time) if time > at(0));
            assert!(
                waits || requeue == Requeue::OnChange,
                "{reason} waits for {requeue:?}"
            );
            reason
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_invalid_spec_asks_for_nothing_and_says_why() {
    let mut seen = fresh(&Spec::default());
    let problem = |field: &str| SpecProblem {
        field: field.into(),
        message: "is wrong".into(),
        line: None,
        reason: Reason::InvalidSpec,
    };
    seen.resource.spec = Err(vec![problem("spec.scopes[0]")]);
    assert_eq!(stuck(&mut seen), Reason::InvalidSpec);
    seen.resource.spec = Err(vec![SpecProblem {
        reason: Reason::InvalidTemplate,
        ..problem("spec.tokenSecret.data[a]")
    }]);
    assert_eq!(stuck(&mut seen), Reason::InvalidTemplate);
}

#[test]
fn plain_http_is_refused_unless_the_operator_allows_it() {
    let mut seen = fresh(&Spec {
        url: Some("http://auth.example.com/token"),
        ..Spec::default()
    });
    assert_eq!(stuck(&mut seen), Reason::HTTPNotAllowed);
    seen.rules.allow_http = true;
    assert_eq!(
        decided(&mut seen, 0),
        Decision::Requests(RefreshReason::FirstIssue)
    );
}

#[test]
fn credentials_must_be_there_and_opted_in() {
    let mut seen = fresh(&Spec::default());
    seen.credentials.as_mut().unwrap().labels.clear();
    assert_eq!(stuck(&mut seen), Reason::CredentialsNotLabelled);
    seen.credentials.as_mut().unwrap().labels = texts(&[(CREDENTIALS_LABEL, "yes")]);
    assert_eq!(stuck(&mut seen), Reason::CredentialsNotLabelled);
    seen.credentials = None;
    assert_eq!(stuck(&mut seen), Reason::CredentialsNotFound);
}

#[test]
fn credentials_may_name_the_hosts_they_are_for() {
    let mut seen = fresh(&Spec::default());
    seen.rules.require_allowed_hosts = true;
    assert_eq!(stuck(&mut seen), Reason::HostNotAllowed);
    for (hosts, allowed) in [
        ("other.example.com", false),
        ("", false),
        ("auth.example.com", true),
        ("*.example.com", true),
    ] {
        seen.credentials.as_mut().unwrap().annotations =
            texts(&[(ALLOWED_HOSTS_ANNOTATION, hosts)]);
        for required in [true, false] {
            seen.rules.require_allowed_hosts = required;
            if allowed {
                assert_eq!(
                    decided(&mut seen, 0),
                    Decision::Requests(RefreshReason::FirstIssue),
                    "{hosts}"
                );
            } else {
                assert_eq!(stuck(&mut seen), Reason::HostNotAllowed, "{hosts}");
            }
        }
    }
}

#[test]
fn a_missing_key_and_an_empty_one_are_told_apart() {
    let mut seen = fresh(&Spec::default());
    seen.credentials
        .as_mut()
        .unwrap()
        .data
        .remove("client_secret");
    assert_eq!(stuck(&mut seen), Reason::CredentialsKeyMissing);
    seen.credentials.as_mut().unwrap().data = data(&[("client_id", "x"), ("client_secret", "")]);
    assert_eq!(stuck(&mut seen), Reason::CredentialsKeyInvalid);
}

#[test]
fn a_ca_bundle_that_is_missing_or_broken_holds_requests_up() {
    for (ca, reason) in [
        (CaSeen::Missing, Reason::CANotFound),
        (CaSeen::KeyMissing, Reason::CANotFound),
        (
            CaSeen::Broken("it holds no certificate".into()),
            Reason::CAInvalid,
        ),
    ] {
        let mut seen = fresh(&Spec::extra("#ca\n"));
        seen.ca = ca.clone();
        assert_eq!(
            decided(&mut seen, 0),
            Decision::Stuck(reason, Requeue::At(at(60)))
        );
        let mut seen = current(&Spec::extra("#ca\n"));
        seen.ca = ca;
        let said = decided(&mut seen, 10);
        assert_eq!(
            said,
            Decision::Stuck(reason, Requeue::At(at(70))),
            "told before it is due"
        );
    }
    let mut seen = fresh(&Spec::extra("#ca\n"));
    seen.ca = CaSeen::Pem("...".into());
    assert_eq!(
        decided(&mut seen, 0),
        Decision::Requests(RefreshReason::FirstIssue)
    );
}

#[test]
fn other_certificates_end_the_pause_after_a_failure_of_tls_and_of_nothing_else() {
    for (reason, requeue) in [
        ("TLSFailed", Decision::Requests(RefreshReason::FirstIssue)),
        ("Timeout", Decision::Waits(Requeue::RequestAt(at(300)))),
    ] {
        let mut seen = fresh(&Spec::extra("#ca\n"));
        seen.ca = CaSeen::Pem("old".into());
        let wrong = Failure {
            retry_after: None,
            ..failure(FailureClass::Transient, reason)
        };
        let mut seen = after_failure(seen, &wrong, 0);
        seen.memory.attempt.as_mut().unwrap().next = Some(at(300));
        let rests = |seen: &mut Observed, now| match decided(seen, now) {
            Decision::Waits(Requeue::At(time)) => time == at(now + 60),
            Decision::Waits(Requeue::RequestAt(time)) => time == at(300) && reason != "TLSFailed",
            _ => false,
        };
        assert!(rests(&mut seen, 10), "{reason}: it waits, and looks");
        // A restart knows only what is there then.
        let mut seen = restarted(seen);
        seen.memory.attempt.as_mut().unwrap().next = Some(at(300));
        assert!(rests(&mut seen, 20), "{reason}: after a restart");
        seen.ca = CaSeen::Pem("new".into());
        assert_eq!(decided(&mut seen, 30), requeue, "{reason}: others");
    }
}

#[test]
fn what_stands_in_the_way_is_told_while_the_token_lives_and_its_refresh_is_kept() {
    let mut seen = current(&Spec::default());
    let due = refresh_of(&seen);
    seen.credentials = None;
    let plan = plan_at(&mut seen, due - span(10));
    assert_eq!(
        decision(&plan),
        Decision::Stuck(Reason::CredentialsNotFound, Requeue::RequestAt(due))
    );
    assert!(plan.assessment.token.is_some_and(|token| token.valid));
}

fn failing(class: FailureClass) -> Observed {
    after_failure(fresh(&Spec::default()), &failure(class, "InvalidClient"), 0)
}

#[test]
fn a_failure_is_tried_again_when_its_pause_is_over_and_not_because_of_a_restart() {
    for class in [FailureClass::Transient, FailureClass::Permanent] {
        for restart in [false, true] {
            let mut seen = failing(class);
            if restart {
                seen = restarted(seen);
            }
            let next = seen.memory.attempt.as_ref().unwrap().next.unwrap();
            assert_eq!(
                decision(&plan_at(&mut seen, next - span(1))),
                Decision::Waits(Requeue::RequestAt(next))
            );
            assert_eq!(
                decision(&plan_at(&mut seen, next)),
                Decision::Requests(RefreshReason::FirstIssue)
            );
        }
    }
}

#[test]
fn what_needs_a_person_is_never_tried_again_by_itself() {
    for mut seen in [
        failing(FailureClass::NeedsPerson),
        restarted(failing(FailureClass::NeedsPerson)),
    ] {
        assert_eq!(
            decided(&mut seen, 1_000_000),
            Decision::Waits(Requeue::OnChange)
        );
    }
}

#[test]
fn a_change_of_spec_or_credentials_tries_at_once() {
    for class in [FailureClass::Permanent, FailureClass::NeedsPerson] {
        let mut seen = failing(class);
        seen.resource.spec = resource(&Spec::extra("  scopes: [a]\n")).spec;
        seen.resource.inputs = resource(&Spec::extra("  scopes: [a]\n")).inputs;
        assert_eq!(
            decided(&mut seen, 5),
            Decision::Requests(RefreshReason::FirstIssue)
        );
        let mut seen = failing(class);
        seen.credentials = Some(credentials(2, "better"));
        seen.content = Some(content("better"));
        assert_eq!(
            decided(&mut seen, 5),
            Decision::Requests(RefreshReason::FirstIssue)
        );
    }
}

#[test]
fn an_edited_label_of_wrong_credentials_tries_nothing_now_or_after_a_restart() {
    let mut seen = failing(FailureClass::NeedsPerson);
    seen.credentials = Some(credentials(2, "pw"));
    let plan = plan(&mut seen, 5);
    assert_eq!(decision(&plan), Decision::Waits(Requeue::OnChange));
    let status = &seen.resource.status;
    let said = report(&plan.assessment, status, 1, StatusDetail::Always, at(5));
    seen.resource.status = said.status;
    let mut seen = restarted(seen);
    assert_eq!(decided(&mut seen, 6), Decision::Waits(Requeue::OnChange));
    seen.credentials = Some(credentials(3, "pw"));
    assert_eq!(
        decided(&mut seen, 7),
        Decision::Waits(Requeue::OnChange),
        "an edit after the restart"
    );
}

#[test]
fn a_refresh_on_demand_tries_once_also_what_needs_a_person() {
    for mut seen in [
        failing(FailureClass::NeedsPerson),
        restarted(failing(FailureClass::NeedsPerson)),
    ] {
        seen.resource.refresh_request = Some("now".into());
        assert_eq!(
            decided(&mut seen, 5),
            Decision::Requests(RefreshReason::FirstIssue)
        );
        let seen = after_failure(seen, &failure(FailureClass::NeedsPerson, "InvalidGrant"), 5);
        assert_eq!(
            decided(&mut restarted(seen), 1000),
            Decision::Waits(Requeue::OnChange)
        );
    }
}

#[test]
fn nothing_asks_within_two_seconds_of_the_last_attempt() {
    let mut seen = failing(FailureClass::Permanent);
    seen.resource.refresh_request = Some("now".into());
    assert_eq!(
        decided(&mut seen, 1),
        Decision::Waits(Requeue::RequestAt(at(2)))
    );
    let mut seen = current(&Spec::default());
    seen.resource.refresh_request = Some("now".into());
    assert_eq!(
        decided(&mut seen, 1),
        Decision::Waits(Requeue::RequestAt(at(2))),
        "nor of a success"
    );
}

#[test]
fn a_retry_after_holds_back_even_a_refresh_on_demand_but_not_another_endpoint_or_client() {
    let told_to_wait = Failure {
        retry_after: Some(span(600)),
        ..failure(FailureClass::Transient, "RateLimited")
    };
    let throttled = || after_failure(fresh(&Spec::default()), &told_to_wait, 0);
    let until = at(600) + Span::from_millis(200);
    for mut seen in [throttled(), restarted(throttled())] {
        seen.resource.refresh_request = Some("now".into());
        assert_eq!(
            decided(&mut seen, 10),
            Decision::Waits(Requeue::RequestAt(until))
        );
        seen.resource.spec = resource(&Spec::extra("  scopes: [a]\n")).spec;
        seen.resource.inputs = resource(&Spec::extra("  scopes: [a]\n")).inputs;
        assert_eq!(
            decided(&mut seen, 10),
            Decision::Waits(Requeue::RequestAt(until)),
            "other scopes"
        );
    }
    let mut seen = throttled();
    let elsewhere = resource(&Spec {
        url: Some("https://b.example.com/token"),
        ..Spec::default()
    });
    (seen.resource.spec, seen.resource.inputs) = (elsewhere.spec, elsewhere.inputs);
    assert_eq!(
        decided(&mut seen, 10),
        Decision::Requests(RefreshReason::FirstIssue),
        "another endpoint"
    );
    let mut seen = throttled();
    seen.credentials = Some(credentials(2, "new"));
    seen.content = Some(content("new"));
    assert_eq!(
        decided(&mut seen, 10),
        Decision::Requests(RefreshReason::FirstIssue),
        "another client"
    );
}

#[test]
fn a_retry_after_counts_for_an_hour_at_most() {
    let forever = Failure {
        retry_after: Some(span(1_000_000)),
        ..failure(FailureClass::Transient, "RateLimited")
    };
    let mut seen = after_failure(fresh(&Spec::default()), &forever, 0);
    let hour = at(3600) + Span::from_millis(200);
    assert_eq!(
        decided(&mut seen, 10),
        Decision::Waits(Requeue::RequestAt(hour))
    );
}

#[test]
fn an_attempt_before_the_last_success_of_any_replica_counts_no_more() {
    let mut seen = current(&Spec::default());
    let due = refresh_of(&seen);
    let old = after_failure(
        fresh(&Spec::default()),
        &failure(FailureClass::NeedsPerson, "InvalidGrant"),
        -50,
    );
    seen.memory.attempt = old.memory.attempt;
    seen.memory.last_sent = Some(at(-50));
    let plan = plan_at(&mut seen, due);
    assert_eq!(decision(&plan), Decision::Requests(RefreshReason::Due));
    assert_eq!(plan.assessment.attempt, None);
}

#[test]
fn a_status_that_has_not_followed_brings_no_failure_back() {
    // A server that caches: the token is older than the failure, though a request succeeded since.
    let mut seen = current(&Spec::default());
    let failed = after_failure(
        current(&Spec::default()),
        &failure(FailureClass::Transient, "ServerError"),
        100,
    );
    seen.resource.status = failed.resource.status.clone();
    seen.memory.attempt = FailedAttempt::from_status(&seen.resource.status).map(Box::new);
    seen.memory.last_sent = Some(at(200));
    seen.now = at(201);
    seen.bring_up_to_date();
    assert!(seen.memory.attempt.is_none());
}

#[test]
fn a_clock_that_was_set_back_holds_nothing_up_for_long() {
    let mut seen = failing(FailureClass::Permanent);
    assert_eq!(
        decided(&mut seen, -100_000),
        Decision::Requests(RefreshReason::FirstIssue)
    );
}

#[test]
fn repairs_back_off_and_are_told_as_contested() {
    let mut seen = current(&Spec::default());
    seen.target
        .as_mut()
        .unwrap()
        .data
        .insert("access_token".into(), Secret::from("x"));
    seen.memory.last_sent = None;
    let mut now = 100;
    let mut waits = Vec::new();
    for _ in 0..12 {
        seen.memory.repairs = seen.memory.repairs.another(at(now));
        let wait = match decided(&mut seen, now) {
            Decision::Waits(Requeue::RequestAt(time)) => {
                assert_eq!(
                    seen.memory.repairs.count, 1,
                    "the first is not worth a word"
                );
                time
            }
            Decision::Stuck(Reason::Contested, Requeue::RequestAt(time)) => time,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            decision(&plan_at(&mut seen, wait)),
            Decision::Requests(RefreshReason::Altered)
        );
        waits.push(wait.since(at(now)).seconds());
        now = wait.since(at(0)).seconds();
    }
    assert_eq!(waits[..4], [10, 20, 40, 80]);
    assert_eq!(waits.last(), Some(&3600));
    let quiet = seen.memory.repairs.another(at(now + 10_000));
    assert_eq!(quiet.count, 1, "after a quiet time it begins anew");
}

#[test]
fn a_failing_template_burns_no_further_token() {
    let mut seen = fresh(&Spec::secret(
        ", data: {h: \"{{ response.nothing.here }}\"}",
    ));
    let spec = seen.resource.spec.clone().unwrap();
    let outcome = granted(
        &seen,
        &spec,
        RefreshReason::FirstIssue,
        token("t", 3600),
        times(0),
    );
    assert!(outcome.write.is_none());
    assert_eq!(outcome.requeue, Requeue::OnChange);
    seen.memory.attempt = outcome.attempt.map(Box::new);
    assert_eq!(
        decided(&mut seen, 1_000_000),
        Decision::Waits(Requeue::OnChange)
    );
}
