//! What expires apart from the token is reported ahead of time, once, and causes no request.

use super::*;

const DAY: i64 = 24 * 3600;
const BY_CERTIFICATE: &str =
    "  clientAuthentication: {method: tls_client_auth, tlsClientAuth: {secretName: client-tls}}\n";

fn with_certificate(not_after: i64) -> Observed {
    let mut seen = fresh(&Spec::extra(BY_CERTIFICATE));
    let there = CertificateThere {
        secret: SecretSeen {
            labels: texts(&[(CREDENTIALS_LABEL, "true")]),
            ..secret("client-tls", 1)
        },
        read: Ok(CertificateFacts {
            not_before: at(0),
            not_after: at(not_after),
            fingerprint: "f".into(),
        }),
    };
    seen.certificate = CertificateSeen::There(Box::new(there));
    issued(seen)
}

fn noted(end: &str) -> Observed {
    let mut seen = fresh(&Spec::default());
    let credentials = seen.credentials.as_mut().unwrap();
    credentials.annotations = texts(&[(CLIENT_SECRET_EXPIRES, end)]);
    issued(seen)
}

/// The same with a token of a year.
fn issued(mut seen: Observed) -> Observed {
    let settled = grant(&seen, token("first", 365 * DAY), 0);
    seen.target = Some(applied(&settled.write.unwrap(), None, 10));
    seen
}

/// The report at a time, and its events; the status is kept.
fn tell(seen: &mut Observed, now: i64) -> (String, Vec<&'static str>) {
    let plan = plan(seen, now);
    assert!(
        !matches!(plan.action, Action::Request(_)),
        "nothing is asked for"
    );
    let before = &seen.resource.status;
    let report = report(&plan.assessment, before, 1, StatusDetail::Always, at(now));
    let events = report
        .events
        .iter()
        .map(|event| event.reason.as_str())
        .collect();
    let ready = report.status.conditions[0].message.clone();
    seen.resource.status = report.status;
    (ready, events)
}

#[test]
fn a_certificate_is_told_of_in_time_once_and_no_more_when_it_is_renewed() {
    let mut seen = with_certificate(100 * DAY);
    let (said, events) = tell(&mut seen, 10);
    assert!(
        events.is_empty() && !said.contains("certificate"),
        "{said} {events:?}"
    );
    let status = seen.resource.status.client_certificate.clone().unwrap();
    assert_eq!(status.expiration_time, Some(at(100 * DAY).rfc3339()));
    assert_eq!(status.state, "Valid");

    let (said, events) = tell(&mut seen, 80 * DAY);
    assert_eq!(events, ["ClientCertificateExpiresSoon"]);
    assert!(
        said.contains("The client certificate in Secret client-tls expires at"),
        "{said}"
    );
    assert_eq!(
        seen.resource
            .status
            .client_certificate
            .as_ref()
            .unwrap()
            .state,
        "ExpiresSoon"
    );
    let (_, events) = tell(&mut seen, 81 * DAY);
    assert!(events.is_empty(), "once: {events:?}");

    let (said, events) = tell(&mut seen, 100 * DAY);
    assert_eq!(events, ["ClientCertificateExpired"]);
    assert!(said.contains("valid until"), "the token lives on: {said}");
    seen.certificate = with_certificate(300 * DAY).certificate;
    let (said, events) = tell(&mut seen, 101 * DAY);
    assert_eq!(events, ["Recovered"]);
    assert!(!said.contains("certificate"), "{said}");
}

#[test]
fn the_end_of_a_client_secret_is_told_of_30_days_ahead_and_stops_nothing() {
    let end = at(100 * DAY);
    let mut seen = noted(&end.rfc3339());
    assert_eq!(tell(&mut seen, 69 * DAY).1, [""; 0]);
    let (said, events) = tell(&mut seen, 70 * DAY);
    assert_eq!(events, ["ClientSecretExpiresSoon"]);
    assert!(said.contains("Get a new one from the provider"), "{said}");
    let (said, events) = tell(&mut seen, 100 * DAY);
    assert_eq!(events, ["ClientSecretExpired"]);
    assert!(said.contains("expired at"), "{said}");
    assert!(
        matches!(plan(&mut seen, 400 * DAY).action, Action::Request(_)),
        "it is asked with all the same"
    );
}

#[test]
fn a_date_that_is_none_is_told_of_and_not_quoted() {
    let mut seen = noted("s3cret-in-the-wrong-place");
    let (said, events) = tell(&mut seen, 10);
    assert_eq!(events, ["ClientSecretExpiryUnknown"]);
    assert!(
        said.contains("neither a date") && !said.contains("s3cret"),
        "{said}"
    );
    let status = seen.resource.status.client_secret.clone().unwrap();
    assert_eq!(
        (status.expiration_time, status.state.as_str()),
        (None, "Unknown")
    );
    assert!(matches!(
        plan(&mut seen, 400 * DAY).action,
        Action::Request(_)
    ));
}

#[test]
fn a_secret_that_the_provider_refuses_after_its_end_is_told_with_that_end() {
    let seen = noted(&at(0).rfc3339());
    let seen = after_failure(
        seen,
        &failure(FailureClass::Permanent, "InvalidClient"),
        400 * DAY,
    );
    for condition in &seen.resource.status.conditions {
        let told = condition
            .message
            .contains("The client secret in Secret client expired at");
        let expected = ["Ready", "RefreshFailing", "Stalled"].contains(&condition.type_.as_str());
        assert_eq!(told, expected, "{}: {}", condition.type_, condition.message);
    }
    let again = FailedAttempt::from_status(&seen.resource.status).unwrap();
    let happened = again.explanation.stored().happened;
    assert!(!happened.contains("client secret"), "{happened}");
}

#[test]
fn where_no_client_secret_is_used_its_end_is_nobodys_news() {
    let mut seen = fresh(&Spec::extra("  clientAuthentication: {method: none}\n"));
    seen.credentials.as_mut().unwrap().annotations = texts(&[(CLIENT_SECRET_EXPIRES, "x")]);
    let mut seen = issued(seen);
    assert_eq!(tell(&mut seen, 10).1, [""; 0]);
    assert_eq!(seen.resource.status.client_secret, None);
}

#[test]
fn it_is_looked_again_when_something_begins_to_end() {
    let seen = with_certificate(100 * DAY);
    let expiries = assessment::healthy(&seen, None).expiries;
    assert_eq!(expiries.next_change(at(0)), Some(at(80 * DAY)));
    assert_eq!(expiries.next_change(at(80 * DAY)), Some(at(100 * DAY)));
    assert_eq!(expiries.next_change(at(100 * DAY)), None);
}
