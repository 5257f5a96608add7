//! Two client secrets in rotation: the other one has its one try, and what worked is used first.

use super::*;

/// The credentials Secret at a version, with these secrets, and their keyed hashes.
fn holding(seen: &mut Observed, version: u64, current: &str, next: Option<&str>) {
    let mut secret = credentials(version, current);
    if let Some(next) = next {
        secret
            .data
            .insert("next_client_secret".into(), Secret::from(next));
    }
    seen.credentials = Some(secret);
    seen.content = Some(content(current));
    seen.next_content = next.map(content);
}

fn sent(seen: &mut Observed, now: i64) -> Option<String> {
    use base64::Engine as _;
    let Action::Request(planned) = plan(seen, now).action else {
        return None;
    };
    let header = planned
        .request
        .headers
        .iter()
        .find(|(name, _)| name == "authorization")?;
    let encoded = header.1.expose()?.strip_prefix("Basic ")?.to_owned();
    let decoded = base64::engine::general_purpose::STANDARD
        .decode(encoded)
        .ok()?;
    let pair = String::from_utf8(decoded).ok()?;
    Some(pair.split_once(':')?.1.to_owned())
}

fn refused(seen: Observed, at: i64) -> Observed {
    let finding = RequestFinding::Answered {
        peer: Peer::TOKEN_ENDPOINT,
        response: ErrorResponse {
            answer: AnswerError::Known {
                code: "invalid_client",
                status: 401,
            },
            reason: Reason::InvalidClient,
            step: Step::CheckClientSecret,
        },
    };
    let failure = Failure {
        finding: Box::new(finding.into()),
        ..failure(FailureClass::Permanent, "InvalidClient")
    };
    after_failure(seen, &failure, at)
}

fn published(mut seen: Observed, at: i64) -> Observed {
    let outcome = grant(&seen, token("t", 3600), at);
    let write = outcome.write.unwrap();
    let target = applied(&write, seen.target.as_ref(), 10);
    let state = target.state().unwrap();
    seen.memory.fingerprint = Some(Fingerprint {
        version: short(&state.credentials),
        content: seen.content_with(requested_with(&state)).unwrap(),
    });
    seen.memory.attempt = None;
    seen.target = Some(target);
    let said = report(
        &outcome.assessment,
        &seen.resource.status,
        1,
        StatusDetail::Always,
        super::at(at + 1),
    );
    seen.resource.status = said.status;
    seen
}

fn two() -> Observed {
    let mut seen = fresh(&Spec::default());
    holding(&mut seen, 1, "old", Some("new"));
    seen
}

#[test]
fn the_other_secret_is_tried_once_and_soon_when_the_client_is_refused() {
    let mut seen = two();
    assert_eq!(sent(&mut seen, 0).as_deref(), Some("old"));
    let mut seen = refused(seen, 0);
    let attempt = seen.memory.attempt.clone().unwrap();
    let next = attempt.next.unwrap();
    assert!(next.since(at(0)) >= Span::from_millis(2500) && next <= at(5));
    assert!(
        attempt
            .explanation
            .stored()
            .happened
            .contains("Key next_client_secret is tried next"),
        "{}",
        attempt.explanation.stored().happened
    );
    assert_eq!(sent(&mut seen, 1), None, "its distance is kept");
    // The same after a restart.
    assert_eq!(
        sent(&mut restarted(two_after(&seen)), 5).as_deref(),
        Some("new")
    );
    assert_eq!(sent(&mut seen, 5).as_deref(), Some("new"));
    let mut seen = refused(seen, 5);
    let attempt = seen.memory.attempt.clone().unwrap();
    assert_eq!(attempt.refused, ["client_secret", "next_client_secret"]);
    assert!(
        attempt
            .explanation
            .stored()
            .happened
            .contains("Both client secrets were refused."),
        "{}",
        attempt.explanation.stored().happened
    );
    assert_eq!(sent(&mut seen, 20), None);
    // From then on one is probed as ever, and the other is left alone.
    for now in [300, 700, 2000] {
        assert_eq!(sent(&mut seen, now).as_deref(), Some("old"), "{now}");
        seen = refused(seen, now);
    }
    // Another content: both have their try.
    holding(&mut seen, 2, "old", Some("newer"));
    assert_eq!(sent(&mut seen, 2010).as_deref(), Some("old"));
    let mut seen = refused(seen, 2010);
    assert_eq!(sent(&mut seen, 2020).as_deref(), Some("newer"));
}

fn two_after(seen: &Observed) -> Observed {
    let mut copy = two();
    copy.resource.status = seen.resource.status.clone();
    copy
}

#[test]
fn what_worked_is_used_first_and_said_once() {
    let seen = refused(two(), 0);
    let mut seen = published(seen, 5);
    let state = seen.target.as_ref().unwrap().state().unwrap();
    assert_eq!(
        state.client_secret_key.as_deref(),
        Some("next_client_secret")
    );
    assert_eq!(
        seen.resource.status.client_secret_key.as_deref(),
        Some("next_client_secret")
    );
    assert!(
        seen.resource.status.conditions[0]
            .message
            .contains("under key next_client_secret")
    );
    assert_eq!(sent(&mut seen, 3600).as_deref(), Some("new"));
    let mut again = restarted(seen);
    assert_eq!(
        sent(&mut again, 3600).as_deref(),
        Some("new"),
        "after a restart"
    );
    // The other way round it is the same: the old one is the other now.
    let mut back = refused(again, 3600);
    assert_eq!(sent(&mut back, 3610).as_deref(), Some("old"));
}

#[test]
fn nothing_is_asked_when_a_successor_comes_or_takes_its_place() {
    let mut seen = fresh(&Spec::default());
    holding(&mut seen, 1, "old", None);
    let mut seen = published(seen, 0);
    holding(&mut seen, 2, "old", Some("new"));
    assert_eq!(sent(&mut seen, 10), None, "a successor is there");
    holding(&mut seen, 3, "old", None);
    assert_eq!(sent(&mut seen, 20), None, "it is gone again");

    let mut seen = published(refused(two(), 0), 5);
    holding(&mut seen, 2, "new", None);
    assert_eq!(sent(&mut seen, 20), None, "it has taken its place");
    let Action::Write(write) = plan(&mut seen, 20).action else {
        panic!("the new version is noted")
    };
    assert_eq!(write.state.client_secret_key, None);
    holding(&mut seen, 3, "another", None);
    assert_eq!(sent(&mut seen, 30).as_deref(), Some("another"));
}

#[test]
fn whatever_says_nothing_of_the_client_tries_no_other_secret() {
    for reason in ["Timeout", "InvalidScope", "ServerError"] {
        let failed = after_failure(two(), &failure(FailureClass::Transient, reason), 0);
        let mut seen = failed;
        assert_eq!(sent(&mut seen, 400).as_deref(), Some("old"), "{reason}");
    }
    // The other one's turn is not over before a response to it.
    let seen = refused(two(), 0);
    let mut seen = after_failure(seen, &failure(FailureClass::Transient, "Timeout"), 5);
    assert_eq!(sent(&mut seen, 400).as_deref(), Some("new"));
}

#[test]
fn whatever_may_be_about_the_client_tries_the_other_secret() {
    for reason in [
        "InvalidClient",
        "Unauthorized",
        "UnauthorizedClient",
        "Forbidden",
        "AccessDenied",
        "RequestRefused",
    ] {
        let mut seen = after_failure(two(), &failure(FailureClass::Permanent, reason), 0);
        assert_eq!(sent(&mut seen, 400).as_deref(), Some("new"), "{reason}");
    }
}

#[test]
fn a_wait_that_the_provider_asks_for_holds_for_the_other_secret_too() {
    let refusal = Failure {
        retry_after: Some(span(100)),
        ..failure(FailureClass::Permanent, "InvalidClient")
    };
    let mut seen = after_failure(two(), &refusal, 0);
    assert_eq!(sent(&mut seen, 50), None);
    assert_eq!(sent(&mut seen, 101).as_deref(), Some("new"));
}
