//! A resource that uses the token of another one.

use super::*;
use crate::oauth::{PublishedToken, TokenSource};

const EXCHANGE: &str = "  grant:\n    type: urn:ietf:params:oauth:grant-type:token-exchange\n    tokenExchange: {subjectToken: \
                        {oauthClientName: other}}\n";
const OTHER_UID: &str = "uid-of-other";

/// The token Secret of `other`: opted in, its token valid until 3600, at a version.
fn token_with_lenders(text: &str, version: u64) -> SecretSeen {
    let mut other = fresh(&Spec::secret(
        ", labels: {oauthclient.dev/credentials: \"true\"}",
    ));
    other.resource.name = "other".into();
    other.resource.uid = OTHER_UID.into();
    let written = grant(&other, token(text, 3600), 0).write.unwrap();
    SecretSeen {
        name: "other-token".into(),
        uid: "uid-of-other-token".into(),
        ..applied(&written, None, version)
    }
}

/// As a driver would see it.
fn with(mut seen: Observed, secret: Option<SecretSeen>) -> Observed {
    seen.content = secret
        .as_ref()
        .and_then(|secret| secret.data.get("access_token"))
        .map(|token| short(token.expose().unwrap()));
    seen.references = vec![Reference {
        name: "other".into(),
        found: Some(FoundReference {
            uid: OTHER_UID.into(),
            secret_name: "other-token".into(),
            secret,
        }),
    }];
    seen
}

fn asking() -> Observed {
    with(
        fresh(&Spec::extra(EXCHANGE)),
        Some(token_with_lenders("first", 5)),
    )
}

/// Its own token was made from the other's first one, and is good until 3600.
fn outcome() -> Observed {
    let mut seen = asking();
    seen.target = Some(applied(
        &grant(&seen, token("mine", 3600), 0).write.unwrap(),
        None,
        10,
    ));
    let version = seen.credentials_version().unwrap();
    seen.memory.fingerprint = Some(Fingerprint {
        version: short(&version),
        content: seen.content.unwrap(),
    });
    seen.memory.last_sent = Some(at(0));
    seen
}

fn reason(mut seen: Observed) -> Reason {
    match decided(&mut seen, 60) {
        Decision::Stuck(reason, _) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_published_token_goes_into_the_request() {
    let plan = plan(&mut asking(), 60);
    let Action::Request(planned) = plan.action else {
        panic!("{:?}", decision(&plan))
    };
    let body = planned.request.body.expose().unwrap();
    assert!(body.contains("&subject_token=first&"), "{body}");
}

#[test]
fn a_new_token_of_the_other_asks_once_and_no_more() {
    let mut seen = with(outcome(), Some(token_with_lenders("second", 6)));
    assert_eq!(
        decided(&mut seen, 60),
        Decision::Requests(RefreshReason::CredentialsChanged)
    );
    let write = grant(&seen, token("mine too", 3600), 60).write.unwrap();
    seen.target = Some(applied(&write, seen.target.as_ref(), 11));
    seen.memory.last_sent = Some(at(60));
    for again in [70, 80] {
        let refresh = refresh_of(&seen);
        assert_eq!(
            decided(&mut seen, again),
            Decision::Waits(Requeue::RequestAt(refresh))
        );
    }
    // Nor after a restart.
    let mut seen = restarted(seen);
    let refresh = refresh_of(&seen);
    assert_eq!(
        decided(&mut seen, 90),
        Decision::Waits(Requeue::RequestAt(refresh))
    );
}

#[test]
fn another_version_of_the_same_token_is_noted_and_asks_for_nothing() {
    let mut seen = with(outcome(), Some(token_with_lenders("first", 7)));
    assert_eq!(decided(&mut seen, 60), Decision::Writes);
}

#[test]
fn what_is_missing_is_told_and_the_own_token_stays() {
    let gone = || with(outcome(), None);
    let plan = plan(&mut gone(), 60);
    assert_eq!(
        decision(&plan),
        Decision::Stuck(Reason::ReferenceNotReady, Requeue::At(at(360)))
    );
    assert!(plan.assessment.token.unwrap().valid);
    let nobody = |mut seen: Observed| {
        seen.references[0].found = None;
        seen
    };
    assert_eq!(reason(nobody(outcome())), Reason::ReferenceNotFound);
    assert_eq!(reason(nobody(asking())), Reason::ReferenceNotFound);
    assert_eq!(
        reason(with(asking(), None)),
        Reason::ReferenceNotReady,
        "it has none of its own either"
    );
}

#[test]
fn only_a_token_that_is_valid_lent_and_where_it_is_said_to_be_is_sent() {
    let unfit = |change: fn(&mut SecretSeen)| {
        let mut secret = token_with_lenders("first", 5);
        change(&mut secret);
        reason(with(asking(), Some(secret)))
    };
    assert_eq!(
        unfit(|secret| drop(secret.labels.remove(CREDENTIALS_LABEL))),
        Reason::ReferenceNotOptedIn
    );
    assert_eq!(
        unfit(|secret| {
            secret.annotations.insert(
                ALLOWED_HOSTS_ANNOTATION.into(),
                "elsewhere.example.com".into(),
            );
        }),
        Reason::HostNotAllowed
    );
    assert_eq!(
        unfit(|secret| {
            secret.data.insert("access_token".into(), "altered".into());
        }),
        Reason::ReferenceNotReady
    );
    assert_eq!(
        unfit(|secret| secret.owners.clear()),
        Reason::ReferenceNotReady,
        "it is somebody else's Secret"
    );
    let mut late = asking();
    late.may_request = true;
    assert_eq!(
        decided(&mut late, 3600),
        Decision::Stuck(Reason::ReferenceNotReady, Requeue::At(at(3900)))
    );
    let key = "  grant:\n    type: urn:ietf:params:oauth:grant-type:token-exchange\n    tokenExchange: {subjectToken: \
               {oauthClientName: other, key: id_token}}\n";
    let seen = with(
        fresh(&Spec::extra(key)),
        Some(token_with_lenders("first", 5)),
    );
    assert_eq!(reason(seen), Reason::ReferenceKeyMissing);
}

#[test]
fn a_circle_is_for_a_person_and_told_with_the_whole_way() {
    for mut seen in [asking(), outcome()] {
        seen.cycle = Some(["books", "other", "books"].map(String::from).to_vec());
        let problem = plan(&mut seen, 60).assessment.problem.unwrap();
        assert_eq!(problem.reason(), Reason::ReferenceCycle);
        assert_eq!(problem.kind, ProblemKind::Stalled);
        assert!(problem.message().contains("books -> other -> books"));
    }
}

#[test]
fn a_token_of_the_own_secret_tells_nothing_of_other_sources() {
    let seen = asking();
    let spec = seen.resource.spec.as_ref().unwrap();
    let source = TokenSource::Published(PublishedToken {
        client: "other".into(),
        key: "access_token".into(),
    });
    assert!(seen.tokens(spec).find(&source).is_some());
}

#[test]
fn an_exchange_waits_for_a_refresh_of_its_subject_that_is_due() {
    let mut seen = outcome();
    let subject = token_with_lenders("first", 5).state().unwrap();
    let own = seen.target.as_ref().unwrap().state().unwrap();
    // Both are due.
    let due = subject.refresh.max(own.refresh);
    let due = due.since(at(0)).millis() / 1000 + 1;
    let waits = |decision: Decision| matches!(decision, Decision::Waits(Requeue::At(_)));
    assert!(
        waits(decided(&mut seen, due)),
        "{:?}",
        decided(&mut seen, due)
    );
    // The subject has its new token: one request with it.
    let mut seen = with(seen, Some(token_with_lenders("second", 6)));
    let mut secret = token_with_lenders("second", 6);
    let fresh = TokenState {
        issued: at(due),
        end: crate::schedule::End::stored(at(due + 3600), false),
        refresh: at(due + 2700),
        ..secret.state().unwrap()
    }
    .seal(&secret.data);
    for (key, value) in fresh.write() {
        match value {
            Some(value) => secret.annotations.insert(key, value),
            None => secret.annotations.remove(&key),
        };
    }
    seen = with(seen, Some(secret));
    assert!(matches!(decided(&mut seen, due + 3), Decision::Requests(_)));
    // One whose refresh does not come is not waited for.
    let mut stuck = outcome();
    assert!(matches!(
        decided(&mut stuck, due + 40),
        Decision::Requests(_)
    ));
}

#[test]
fn credentials_that_another_resource_publishes_are_waited_for_and_others_are_to_be_created() {
    let mut seen = fresh(&Spec::default());
    seen.credentials = None;
    seen.content = None;
    let mut problem = |publisher: Option<&str>| {
        seen.credentials_publisher = publisher.map(str::to_owned);
        plan(&mut seen, 60).assessment.problem.unwrap()
    };
    assert_eq!(problem(None).reason(), Reason::CredentialsNotFound);
    let problem = problem(Some("other"));
    assert_eq!(problem.reason(), Reason::ReferenceNotReady);
    assert_eq!(problem.kind, ProblemKind::Waiting);
    let (message, begin) = (
        problem.message(),
        "OAuthClient other, whose token is needed for the request, has no token yet.",
    );
    assert!(message.starts_with(begin), "{message}");
}
