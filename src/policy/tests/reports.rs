//! What people read: conditions, events, and what a restart learns of them.

use super::*;
use crate::messages::{Example, FollowUp, RequestFinding, Values};
use crate::oauth::TokenError;
use crate::oauth::error::{ErrorCode, ProviderCode};

/// Type, reason and whether it holds, of each condition.
fn conditions(status: &OAuthClientStatus) -> Vec<(&str, &str, bool)> {
    status
        .conditions
        .iter()
        .map(|condition| {
            let holds = condition.status == "True";
            (condition.type_.as_str(), condition.reason.as_str(), holds)
        })
        .collect()
}

fn message<'a>(status: &'a OAuthClientStatus, kind: &str) -> &'a str {
    let found = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == kind);
    &found.unwrap().message
}

/// What the status says after a look at this time.
fn looked(seen: &mut Observed, now: i64) -> Report {
    looked_with(seen, now, StatusDetail::Always)
}

fn looked_with(seen: &mut Observed, now: i64, detail: StatusDetail) -> Report {
    let plan = plan(seen, now);
    let generation = seen.resource.generation;
    let said = report(
        &plan.assessment,
        &seen.resource.status,
        generation,
        detail,
        at(now),
    );
    for condition in &said.status.conditions {
        assert!(
            Reason::parse(&condition.reason).is_some(),
            "{}",
            condition.reason
        );
        let ends_well = condition.message.ends_with('.') || condition.message.contains(": ");
        assert!(ends_well, "{}", condition.message);
        assert!(!condition.message.contains(".."), "{}", condition.message);
    }
    seen.resource.status = said.status.clone();
    said
}

#[test]
fn a_valid_token_is_ready_and_nothing_else() {
    let mut seen = current(&Spec::default());
    let said = looked(&mut seen, 10);
    assert_eq!(conditions(&said.status), [("Ready", "TokenValid", true)]);
    assert_eq!(
        said.status.conditions.len(),
        1,
        "a healthy resource has one condition"
    );
    assert_eq!(said.status.observed_generation, 1);
    let due = refresh_of(&seen);
    let text = format!(
        "Secret token holds a token that is valid until {}; it is replaced at {due}.",
        at(3600)
    );
    assert_eq!(message(&said.status, "Ready"), text);
}

#[test]
fn a_situation_that_has_not_changed_writes_nothing_and_tells_nothing() {
    let broken = || {
        let mut seen = current(&Spec::default());
        seen.credentials = None;
        seen
    };
    let failing = after_failure(
        fresh(&Spec::default()),
        &failure(FailureClass::Permanent, "InvalidClient"),
        0,
    );
    let suspended = current(&Spec::extra("  suspend: true\n"));
    for detail in [StatusDetail::Always, StatusDetail::Transitions] {
        for mut seen in [current(&Spec::default()), broken()] {
            looked_with(&mut seen, 10, detail);
            let again = looked_with(&mut seen, 11, detail);
            assert!(!again.changed && again.events.is_empty());
        }
    }
    for mut seen in [failing, suspended] {
        looked(&mut seen, 10);
        let again = looked(&mut seen, 11);
        assert!(!again.changed && again.events.is_empty());
    }
}

#[test]
fn a_routine_refresh_changes_no_condition_and_with_transitions_nothing_at_all() {
    for (detail, changed) in [
        (StatusDetail::Always, true),
        (StatusDetail::Transitions, false),
    ] {
        let mut seen = current(&Spec::default());
        let before = looked_with(&mut seen, 10, detail).status;
        let outcome = grant(&seen, token("second", 3600), 2500);
        let said = report(&outcome.assessment, &before, 1, detail, at(2501));
        assert_eq!(said.changed, changed);
        assert_eq!(said.status.token.is_some(), changed);
        assert!(said.events.is_empty());
        for (one, other) in before.conditions.iter().zip(&said.status.conditions) {
            assert_eq!(one.last_transition_time, other.last_transition_time);
        }
    }
}

#[test]
fn ready_turns_false_when_the_token_ends_and_tells_it_once() {
    let mut seen = after_failure(
        current(&Spec::default()),
        &failure(FailureClass::Transient, "ServerError"),
        3000,
    );
    let said = looked(&mut seen, 3001);
    assert_eq!(
        conditions(&said.status),
        [
            ("Ready", "TokenValid", true),
            ("RefreshFailing", "ServerError", true)
        ]
    );
    let said = looked(&mut seen, 3600);
    assert_eq!(
        conditions(&said.status),
        [
            ("Ready", "ServerError", false),
            ("RefreshFailing", "ServerError", true),
            ("Reconciling", "Retrying", true)
        ]
    );
    let reasons: Vec<Reason> = said.events.iter().map(|event| event.reason).collect();
    assert_eq!(reasons, [Reason::TokenExpired]);
    assert!(looked(&mut seen, 3601).events.is_empty());
}

#[test]
fn a_token_that_ended_before_a_new_one_was_asked_for_says_so() {
    let mut seen = current(&Spec::default());
    seen.may_request = false;
    let said = looked(&mut seen, 3600);
    assert_eq!(
        conditions(&said.status),
        [
            ("Ready", "TokenExpired", false),
            ("Reconciling", "Requesting", true)
        ]
    );
}

#[test]
fn each_failure_class_has_its_condition_and_says_what_still_works_and_what_comes_next() {
    for (class, stalled, next) in [
        (FailureClass::Transient, false, "Next try at "),
        (FailureClass::Permanent, true, "Next try at "),
        (
            FailureClass::NeedsPerson,
            true,
            "It is not retried until spec or credentials change.",
        ),
    ] {
        let mut seen = after_failure(
            current(&Spec::default()),
            &failure(class, "ServerError"),
            3000,
        );
        let said = looked(&mut seen, 3001);
        let mut expected = vec![
            ("Ready", "TokenValid", true),
            ("RefreshFailing", "ServerError", true),
        ];
        if stalled {
            expected.push(("Stalled", "ServerError", true));
        }
        assert_eq!(conditions(&said.status), expected);
        let text = message(&said.status, "RefreshFailing");
        assert!(
            text.starts_with("The token endpoint answered with HTTP 599") && text.contains(next),
            "{text}"
        );
        let works = format!("stays valid until {}. ", at(3600));
        let (_, rest) = text.split_once(&works).unwrap();
        assert!(rest.ends_with("provider's documentation."), "{text}");
    }
}

#[test]
fn what_stands_in_the_way_comes_before_what_failed_earlier() {
    let mut seen = after_failure(
        current(&Spec::default()),
        &failure(FailureClass::Permanent, "InvalidClient"),
        3000,
    );
    seen.credentials = None;
    let said = looked(&mut seen, 3001);
    assert_eq!(
        conditions(&said.status),
        [
            ("Ready", "TokenValid", true),
            ("RefreshFailing", "InvalidClient", true),
            ("Reconciling", "CredentialsNotFound", true)
        ]
    );
    assert!(
        message(&said.status, "RefreshFailing")
            .contains("when the problem in Reconciling is solved")
    );
}

#[test]
fn a_suspended_resource_is_ready_while_its_token_lives_and_awaits_nothing() {
    let mut seen = current(&Spec::extra("  suspend: true\n"));
    assert_eq!(
        conditions(&looked(&mut seen, 10).status),
        [("Ready", "TokenValid", true)]
    );
    let said = looked(&mut seen, 3600);
    assert_eq!(conditions(&said.status), [("Ready", "Suspended", false)]);
    let mut failing = after_failure(
        fresh(&Spec::extra("  suspend: true\n")),
        &failure(FailureClass::Transient, "ServerError"),
        0,
    );
    let said = looked(&mut failing, 10);
    assert_eq!(
        conditions(&said.status),
        [
            ("Ready", "Suspended", false),
            ("RefreshFailing", "ServerError", true)
        ]
    );
}

#[test]
fn a_stall_and_its_end_are_each_told_once() {
    let mut seen = fresh(&Spec::default());
    seen.target = Some(secret("token", 5));
    let said = looked(&mut seen, 0);
    assert_eq!(
        conditions(&said.status),
        [
            ("Ready", "SecretNotOwned", false),
            ("Stalled", "SecretNotOwned", true)
        ]
    );
    assert_eq!(said.events.len(), 1);
    assert_eq!(
        (said.events[0].kind, said.events[0].reason),
        (EventType::Warning, Reason::SecretNotOwned)
    );
    assert!(message(&said.status, "Stalled").contains("kubectl annotate secret token -n shop"));
    seen.target = None;
    let outcome = grant(&seen, token("t", 3600), 60);
    let said = report(
        &outcome.assessment,
        &seen.resource.status,
        1,
        StatusDetail::Always,
        at(61),
    );
    let reasons: Vec<Reason> = said.events.iter().map(|event| event.reason).collect();
    assert_eq!(reasons, [Reason::Recovered]);
}

#[test]
fn a_first_token_is_no_recovery_also_when_it_waited_for_its_turn() {
    let mut seen = fresh(&Spec::default());
    seen.may_request = false;
    let said = looked(&mut seen, 0);
    assert_eq!(
        conditions(&said.status),
        [
            ("Ready", "Requesting", false),
            ("Reconciling", "Requesting", true)
        ]
    );
    assert!(said.events.is_empty());
    let outcome = grant(&seen, token("t", 3600), 60);
    let said = report(
        &outcome.assessment,
        &seen.resource.status,
        1,
        StatusDetail::Always,
        at(61),
    );
    assert!(said.events.is_empty());
}

#[test]
fn a_repair_is_told() {
    let seen = current(&Spec::default());
    let spec = seen.resource.spec.clone().unwrap();
    let outcome = granted(
        &seen,
        &spec,
        RefreshReason::Altered,
        token("t", 3600),
        times(100),
    );
    let said = report(
        &outcome.assessment,
        &seen.resource.status,
        1,
        StatusDetail::Always,
        at(101),
    );
    assert_eq!(said.events.len(), 1);
    assert_eq!(said.events[0].reason, Reason::Restored);
}

#[test]
fn a_short_life_an_assumed_one_and_a_clamped_lead_are_told_with_ready() {
    let cases = [
        (
            Spec::default(),
            token("t", 60),
            "LifetimeTooShort",
            "shorter than the time that a mounted Secret needs",
        ),
        (
            Spec::default(),
            Token {
                lifetime: None,
                ..token("t", 0)
            },
            "TokenValid",
            "assumedLifetimeSeconds is used",
        ),
        (
            Spec::extra("  refresh: {beforeSeconds: 7000}\n"),
            token("t", 3600),
            "TokenValid",
            "does not fit the lifetime; 40 min is used.",
        ),
    ];
    for (spec, token, reason, words) in cases {
        let mut seen = fresh(&spec);
        let outcome = grant(&seen, token, 0);
        let said = report(
            &outcome.assessment,
            &seen.resource.status,
            1,
            StatusDetail::Always,
            at(1),
        );
        assert_eq!(conditions(&said.status), [("Ready", reason, true)]);
        assert!(
            message(&said.status, "Ready").contains(words),
            "{}",
            message(&said.status, "Ready")
        );
        seen.target = Some(applied(&outcome.write.unwrap(), None, 5));
        seen.resource.status = said.status;
        assert!(!looked(&mut seen, 5).changed, "a look says the same");
    }
}

#[test]
fn the_time_of_a_transition_is_that_of_the_last_change() {
    let mut seen = current(&Spec::default());
    let since =
        |status: &OAuthClientStatus| status.conditions[0].last_transition_time.seconds() - T0;
    assert_eq!(
        since(&looked(&mut seen, 10).status),
        1,
        "told when it was issued"
    );
    assert_eq!(since(&looked(&mut seen, 3600).status), 3600);
    assert_eq!(since(&looked(&mut seen, 3700).status), 3600);
}

#[test]
fn what_a_status_tells_of_a_failure_is_what_counts_after_a_restart() {
    for class in [
        FailureClass::Transient,
        FailureClass::Permanent,
        FailureClass::NeedsPerson,
    ] {
        let told_to_wait = Failure {
            retry_after: Some(span(30)),
            ..failure(class, "ServerError")
        };
        let mut seen = fresh(&Spec::default());
        seen.resource.refresh_request = Some("now".into());
        let seen = after_failure(seen, &told_to_wait, 0);
        let before = seen.memory.attempt.clone().unwrap();
        let after = FailedAttempt::from_status(&seen.resource.status).unwrap();
        assert_eq!(
            FailedAttempt {
                certificate: None,
                content: before.content,
                ca: before.ca,
                ..after
            },
            *before
        );
        let mut seen = restarted(seen);
        let again = looked(&mut seen, 2);
        assert!(!again.changed, "nothing is written because of a restart");
    }
}

#[test]
fn the_status_of_a_failure_has_its_code_and_its_http_status() {
    let refusal = TokenError::Refused {
        status: 400,
        code: ErrorCode::InvalidScope,
        retry_after: None,
        provider_code: ProviderCode::parse("invalid_scope", "/error"),
    };
    let seen = fresh(&Spec::default());
    let client = seen.resource.spec.as_ref().unwrap().client.clone();
    let seen = after_failure(seen, &Failure::answer(&refusal, &client), 0);
    let attempt = seen.resource.status.attempt.unwrap();
    assert_eq!(attempt.http_status, Some(400));
    assert_eq!(attempt.code.as_deref(), Some("invalid_scope"));
    assert_eq!(attempt.kind.as_deref(), Some("Permanent"));
    assert_eq!(attempt.reached.as_deref(), Some("Answered"));
}

#[test]
fn a_restart_restores_what_happened_and_what_to_do_whatever_the_conditions_say() {
    for finding in RequestFinding::examples("", Values::Names) {
        let wordy = Failure {
            finding: Box::new(finding.into()),
            follow_up: Some(Box::new(FollowUp::OnceMore)),
            ..failure(FailureClass::Permanent, "ServerError")
        };
        let seen = after_failure(fresh(&Spec::default()), &wordy, 0);
        let before = seen.memory.attempt.clone().unwrap();
        if before.reason == "AddressRefused" {
            continue;
        }
        let mut status = seen.resource.status.clone();
        for condition in &mut status.conditions {
            "Anything else.".clone_into(&mut condition.message);
        }
        let after = FailedAttempt::from_status(&status).unwrap();
        assert_eq!(after.explanation, before.explanation);
        assert_eq!(after.class, before.class);
        let mut seen = restarted(seen);
        assert!(!looked(&mut seen, 2).changed, "nothing is written");
    }
}

#[test]
fn a_failure_in_the_status_of_an_earlier_version_is_read_by_its_times_and_reason() {
    let wrong = failure(FailureClass::NeedsPerson, "InvalidClient");
    let seen = after_failure(fresh(&Spec::default()), &wrong, 0);
    let mut status = seen.resource.status;
    let attempt = status.attempt.as_mut().unwrap();
    (attempt.kind, attempt.reached, attempt.message) = (None, None, None);
    let read = FailedAttempt::from_status(&status).unwrap();
    assert_eq!(read.class, FailureClass::NeedsPerson);
    assert_eq!(
        read.explanation.stored().happened,
        Reason::InvalidClient.meaning()
    );
    let attempt = status.attempt.as_mut().unwrap();
    attempt.next_time = Some(at(60).rfc3339());
    let read = FailedAttempt::from_status(&status).unwrap();
    assert_eq!(read.class, FailureClass::Transient);
    // A word of a later version counts as none.
    let attempt = status.attempt.as_mut().unwrap();
    attempt.kind = Some("Sometimes".to_owned());
    let read = FailedAttempt::from_status(&status).unwrap();
    assert_eq!(read.class, FailureClass::Transient);
}

#[test]
fn a_failure_that_an_earlier_version_stored_in_one_text_is_shown_unchanged_and_causes_no_request() {
    let prose = "The token endpoint refused the request with invalid_client (HTTP 401). Check client id and client secret. Next try at noon.";
    let wrong = failure(FailureClass::Permanent, "InvalidClient");
    let mut seen = after_failure(fresh(&Spec::default()), &wrong, 0);
    let attempt = seen.resource.status.attempt.as_mut().unwrap();
    (attempt.remedy, attempt.command) = (None, None);
    attempt.message = Some(prose.to_owned());
    let stored = attempt.clone();
    let mut seen = restarted(seen);
    let said = looked(&mut seen, 2);
    assert_eq!(said.status.attempt, Some(stored));
    let text = message(&said.status, "RefreshFailing");
    assert!(text.starts_with(prose), "{text}");
    assert!(
        matches!(decided(&mut seen, 2), Decision::Waits(Requeue::RequestAt(time)) if time > at(2))
    );
}

#[test]
fn an_earlier_version_reads_a_failure_of_this_one() {
    /// The fields that an earlier version knows.
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Earlier {
        reason: String,
        message: Option<String>,
        next_time: Option<String>,
    }
    let wrong = failure(FailureClass::Permanent, "InvalidClient");
    let seen = after_failure(fresh(&Spec::default()), &wrong, 0);
    let attempt = seen.resource.status.attempt.unwrap();
    let read: Earlier = serde_json::from_value(serde_json::to_value(&attempt).unwrap()).unwrap();
    assert_eq!(read.reason, "InvalidClient");
    assert_eq!(read.message, attempt.message);
    assert_eq!(read.next_time, attempt.next_time);
}

#[test]
fn a_message_does_not_grow_from_restart_to_restart() {
    let wrong = failure(FailureClass::Permanent, "InvalidClient");
    let mut seen = after_failure(fresh(&Spec::default()), &wrong, 0);
    let length = message(&seen.resource.status, "RefreshFailing").len();
    for _ in 0..5 {
        seen.credentials = None;
        looked(&mut seen, 5);
        seen = restarted(seen);
        seen.credentials = Some(credentials(1, "pw"));
        looked(&mut seen, 6);
    }
    assert_eq!(
        message(&seen.resource.status, "RefreshFailing").len(),
        length
    );
}

#[test]
fn what_is_told_fits_the_schema_whatever_comes() {
    let mut seen = fresh(&Spec::default());
    seen.resource.refresh_request = Some("x".repeat(10_000));
    let long = Token {
        scope: crate::oauth::Scope::parse(&"read:all ".repeat(900)),
        ..token("t", 3600)
    };
    let outcome = grant(&seen, long, 0);
    let said = report(
        &outcome.assessment,
        &seen.resource.status,
        1,
        StatusDetail::Always,
        at(1),
    );
    assert!(said.status.token.unwrap().scope.unwrap().len() <= 4096);
    let wordy = Failure {
        finding: Box::new(
            RequestFinding::AccountTokenFailed {
                account: "ø".repeat(50_000),
                why: "x".repeat(50_000),
            }
            .into(),
        ),
        ..failure(FailureClass::Permanent, "InvalidClient")
    };
    seen.bring_up_to_date();
    let seen = after_failure(seen, &wordy, 0);
    let status = &seen.resource.status;
    let attempt = status.attempt.as_ref().unwrap();
    assert!(attempt.inputs_hash.len() <= 128);
    assert!(attempt.message.as_ref().unwrap().len() <= 8192);
    assert!(status.last_refresh_request.as_ref().unwrap().len() <= 256);
    for condition in &status.conditions {
        assert!(condition.message.len() <= 32_768);
        assert!(Reason::parse(&condition.reason).is_some());
    }
}

#[test]
fn a_command_stands_last_so_that_it_can_be_copied() {
    let mut seen = fresh(&Spec::default());
    seen.credentials.as_mut().unwrap().labels.clear();
    let plan = plan(&mut seen, 0);
    let before = &seen.resource.status;
    let said = report(&plan.assessment, before, 1, StatusDetail::Always, at(0));
    for kind in ["Ready", "Reconciling"] {
        let message = message(&said.status, kind);
        let command = "kubectl label secret client -n shop oauthclient.dev/credentials=true";
        assert!(message.ends_with(command), "{message}");
    }
}

#[test]
fn what_the_flags_of_another_process_refused_is_no_failed_attempt() {
    let refused = failure(FailureClass::Permanent, "AddressRefused");
    let seen = after_failure(fresh(&Spec::default()), &refused, 0);
    assert!(FailedAttempt::from_status(&seen.resource.status).is_none());
}
