//! What follows from an answer: what is written, and when to come back.

use super::*;
use crate::messages::StoredExplanation;

fn keys<T>(map: &BTreeMap<String, T>) -> Vec<&str> {
    map.keys().map(String::as_str).collect()
}

#[test]
fn a_first_token_is_written_whole_with_its_state_label_and_owner() {
    let seen = fresh(&Spec::secret(
        ", labels: {team: books}, annotations: {note: x}",
    ));
    let outcome = grant(&seen, token("first", 3600), 0);
    let write = outcome.write.unwrap();
    assert_eq!(write.mode, WriteMode::Create);
    assert_eq!(
        keys(&write.data),
        ["access_token", "expires_at", "token_type"]
    );
    assert_eq!(write.owners, Some(vec![owner("books", UID)]));
    let after = applied(&write, None, 5);
    assert_eq!(
        after.labels,
        texts(&[("team", "books"), (TOKEN_LABEL, "true")])
    );
    let state = after.state().unwrap();
    assert!(state.intact(&after.data) && state == write.state);
    assert_eq!((state.issued, state.expires()), (at(0), at(3600)));
    assert_eq!(outcome.requeue, Requeue::RequestAt(state.refresh));
    assert_eq!(outcome.attempt, None);
}

#[test]
fn the_same_token_again_is_not_rewritten_and_its_end_is_adopted_earlier_or_later() {
    for lifetime in [3000, 4000] {
        let seen = current(&Spec::default());
        let outcome = grant(&seen, token("first", lifetime), 100);
        let write = outcome.write.unwrap();
        assert_eq!(
            keys(&write.data),
            ["expires_at"],
            "the token is left as it is"
        );
        assert_eq!(write.state.expires(), at(100 + lifetime));
        assert_eq!(write.state.issued, at(0), "it is the one of then");
        assert!(write.state.served_again);
        assert!(write.owners.is_none() && write.labels.is_empty());
        let after = applied(&write, seen.target.as_ref(), 11);
        assert!(after.state().is_some_and(|state| state.intact(&after.data)));
    }
}

#[test]
fn a_token_that_is_served_again_after_the_clock_was_set_back_makes_no_hot_loop() {
    let mut seen = current(&Spec::default());
    let write = grant(&seen, token("first", 3600), -7200).write.unwrap();
    seen.target = Some(applied(&write, seen.target.as_ref(), 11));
    assert!(
        matches!(decided(&mut seen, -7190), Decision::Waits(Requeue::RequestAt(time)) if time > at(-7190))
    );
}

#[test]
fn keys_that_are_no_longer_wanted_are_removed_and_foreign_ones_are_never_named() {
    let mut seen = current(&Spec::secret(
        ", labels: {team: books}, annotations: {note: x}, data: {a: \"{{ access_token }}\", b: \"{{ token_type }}\"}",
    ));
    let target = seen.target.as_mut().unwrap();
    target.data.insert("theirs".into(), Secret::from("x"));
    target.labels.insert("theirs".into(), "x".into());
    target.annotations.insert("theirs".into(), "x".into());
    seen.resource = resource(&Spec::secret(", data: {a: \"{{ access_token }}\"}"));
    let write = grant(&seen, token("second", 3600), 100).write.unwrap();
    assert_eq!(keys(&write.data), ["a", "b"]);
    assert!(write.data["b"].is_none());
    assert_eq!(write.labels, BTreeMap::from([("team".to_owned(), None)]));
    assert_eq!(write.annotations.get("note"), Some(&None));
    assert!(!write.annotations.contains_key("theirs"));
    let after = applied(&write, seen.target.as_ref(), 11);
    assert_eq!(keys(&after.data), ["a", "theirs"]);
    assert!(after.labels.contains_key("theirs") && after.annotations.contains_key("theirs"));
    seen.target = Some(after);
    assert!(
        matches!(decided(&mut seen, 110), Decision::Waits(_)),
        "and nothing is left to mend"
    );
}

#[test]
fn every_patch_holds_to_the_secret_that_was_seen() {
    let seen = current(&Spec::default());
    let on = WriteMode::Patch {
        uid: "uid-of-token".into(),
        resource_version: "10".into(),
    };
    assert_eq!(
        grant(&seen, token("second", 3600), 100).write.unwrap().mode,
        on
    );
}

#[test]
fn times_that_somebody_altered_tell_nothing() {
    let mut seen = current(&Spec::default());
    let far = at(1_000_000).rfc3339_millis();
    let target = seen.target.as_mut().unwrap();
    target
        .annotations
        .insert(format!("{PREFIX}expires-at"), far);
    let endless = Token {
        lifetime: None,
        ..token("first", 0)
    };
    let write = grant(&seen, endless, 100).write.unwrap();
    assert_eq!(write.state.expires(), at(100 + 3300), "the assumed life");
}

#[test]
fn a_failure_writes_nothing_removes_nothing_and_sets_a_next_try() {
    let seen = current(&Spec::default());
    let spec = seen.resource.spec.clone().unwrap();
    let outcome = failed(
        &seen,
        &spec,
        &failure(FailureClass::Transient, "ServerError"),
        times(100),
    );
    assert!(outcome.write.is_none() && outcome.delete.is_empty());
    assert!(outcome.assessment.token.is_some_and(|token| token.valid));
    let attempt = outcome.attempt.unwrap();
    assert_eq!(attempt.failures, 1);
    assert_eq!(outcome.requeue, Requeue::RequestAt(attempt.next.unwrap()));
    let StoredExplanation {
        happened, remedy, ..
    } = attempt.explanation.stored();
    assert!(
        happened.ends_with("HTTP 599 and no known error code."),
        "{happened}"
    );
    assert!(remedy.starts_with("The operator retries."), "{remedy}");
}

#[test]
fn failures_are_counted_as_long_as_they_are_of_the_same_inputs() {
    let wrong = failure(FailureClass::Permanent, "InvalidClient");
    let mut seen = after_failure(fresh(&Spec::default()), &wrong, 0);
    seen = after_failure(seen, &wrong, 60);
    assert_eq!(seen.memory.attempt.as_ref().unwrap().failures, 2);
    seen = after_failure(restarted(seen), &wrong, 180);
    assert_eq!(
        seen.memory.attempt.as_ref().unwrap().failures,
        3,
        "across a restart"
    );
    seen.credentials = Some(credentials(2, "other"));
    seen.content = Some(content("other"));
    seen = after_failure(seen, &wrong, 200);
    assert_eq!(
        seen.memory.attempt.as_ref().unwrap().failures,
        1,
        "other credentials"
    );
}

#[test]
fn a_lifetime_that_is_over_is_a_failure_and_the_old_token_stays() {
    let seen = current(&Spec::default());
    for lifetime in [Lifetime::For(span(-5)), Lifetime::Until(at(50))] {
        let answer = Token {
            lifetime: Some(lifetime),
            ..token("second", 0)
        };
        let outcome = grant(&seen, answer, 100);
        assert!(outcome.write.is_none());
        assert_eq!(outcome.attempt.unwrap().reason, "UnusableResponse");
    }
}

#[test]
fn a_data_key_named_scope_is_never_taken_for_the_scope() {
    let mut seen = current(&Spec::secret(", data: {scope: \"{{ access_token }}\"}"));
    seen.resource.status = OAuthClientStatus::default();
    let plan = plan(&mut seen, 10);
    assert_eq!(plan.assessment.token.unwrap().scope, None);
    let mut seen = fresh(&Spec::default());
    let scoped = Token {
        scope: crate::oauth::Scope::parse("read"),
        ..token("t", 3600)
    };
    let write = grant(&seen, scoped, 0).write.unwrap();
    seen.target = Some(applied(&write, None, 5));
    let plan = self::plan(&mut seen, 10);
    assert_eq!(
        plan.assessment.token.unwrap().scope,
        crate::oauth::Scope::parse("read"),
        "after a crash"
    );
}

#[test]
fn what_was_odd_about_an_answer_is_still_told_at_the_next_look() {
    let mut seen = fresh(&Spec::default());
    let odd = Token {
        remarks: vec!["The two lifetimes differ."],
        ..token("t", 3600)
    };
    let outcome = grant(&seen, odd, 0);
    let said = report(
        &outcome.assessment,
        &seen.resource.status,
        1,
        StatusDetail::Always,
        at(1),
    );
    seen.target = Some(applied(&outcome.write.unwrap(), None, 5));
    seen.resource.status = said.status;
    let looked = plan(&mut seen, 10);
    let again = report(
        &looked.assessment,
        &seen.resource.status,
        1,
        StatusDetail::Always,
        at(10),
    );
    assert!(
        again.status.conditions[0]
            .message
            .contains("The two lifetimes differ.")
    );
    assert!(!again.changed);
}
