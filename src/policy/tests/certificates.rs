//! The client certificate: what must be in place before it is sent, and the effect of a renewal.

use super::*;

const BY_CERTIFICATE: &str =
    "  clientAuthentication: {method: tls_client_auth, tlsClientAuth: {secretName: client-tls}}\n";
const SELF_SIGNED: &str = "  clientAuthentication: {method: self_signed_tls_client_auth, tlsClientAuth: {secretName: client-tls}}\n";

fn certificate(name: &str, not_before: i64, not_after: i64) -> CertificateSeen {
    CertificateSeen::There(Box::new(CertificateThere {
        secret: SecretSeen {
            labels: texts(&[(CREDENTIALS_LABEL, "true")]),
            ..secret("client-tls", 1)
        },
        read: Ok(CertificateFacts {
            not_before: at(not_before),
            not_after: at(not_after),
            fingerprint: name.to_owned(),
        }),
    }))
}

fn with(extra: &'static str, certificate: CertificateSeen) -> Observed {
    Observed {
        certificate,
        ..fresh(&Spec::extra(extra))
    }
}

/// The reason why nothing is sent, and the message.
fn waits(seen: &mut Observed) -> (String, String) {
    let plan = plan(seen, 0);
    assert!(matches!(plan.action, Action::Nothing));
    let problem = plan.assessment.problem.unwrap();
    assert_eq!(problem.kind, ProblemKind::Waiting);
    (problem.reason().to_string(), problem.message())
}

#[test]
fn the_client_id_alone_is_sent_and_the_certificate_proves_it() {
    for extra in [BY_CERTIFICATE, SELF_SIGNED] {
        let mut seen = with(extra, certificate("a", -1000, 1000));
        let Action::Request(planned) = plan(&mut seen, 0).action else {
            panic!("it asks")
        };
        assert_eq!(
            planned.request.body.expose(),
            Some("grant_type=client_credentials&client_id=shop")
        );
    }
}

#[test]
fn without_a_certificate_that_can_be_shown_nothing_is_sent() {
    let change = |change: fn(&mut CertificateThere)| match certificate("a", -1000, 1000) {
        CertificateSeen::There(mut there) => {
            change(&mut there);
            CertificateSeen::There(there)
        }
        other => other,
    };
    let problem = |missing| CertificateProblem {
        missing,
        message: "it is so".into(),
    };
    let unread = |missing| match certificate("a", 0, 0) {
        CertificateSeen::There(there) => CertificateSeen::There(Box::new(CertificateThere {
            read: Err(problem(missing)),
            ..*there
        })),
        other => other,
    };
    for (seen, reason, says) in [
        (
            CertificateSeen::Missing,
            "CredentialsNotFound",
            "kubectl describe certificate -n shop",
        ),
        (
            change(|there| there.secret.labels.clear()),
            "CredentialsNotLabelled",
            "kubectl label secret client-tls -n shop oauthclient.dev/credentials=true",
        ),
        (
            change(|there| {
                there.secret.annotations =
                    texts(&[(ALLOWED_HOSTS_ANNOTATION, "other.example.com")]);
            }),
            "HostNotAllowed",
            "Secret client-tls may not be sent to auth.example.com",
        ),
        (unread(true), "CredentialsKeyMissing", "it is so"),
        (unread(false), "ClientCertificateInvalid", "it is so"),
        (
            certificate("a", -1000, 0),
            "ClientCertificateExpired",
            "expired at",
        ),
        (
            certificate("a", 10, 1000),
            "ClientCertificateNotYetValid",
            "is not valid before",
        ),
    ] {
        let (found, message) = waits(&mut with(BY_CERTIFICATE, seen));
        assert_eq!(found, reason);
        assert!(message.contains(says), "{message}");
    }
    let mut seen = with(BY_CERTIFICATE, certificate("a", -1000, 1000));
    seen.rules.require_allowed_hosts = true;
    seen.credentials.as_mut().unwrap().annotations =
        texts(&[(ALLOWED_HOSTS_ANNOTATION, "auth.example.com")]);
    assert_eq!(waits(&mut seen).0, "HostNotAllowed");
}

#[test]
fn a_certificate_that_becomes_valid_is_shown_at_that_moment() {
    let mut seen = with(BY_CERTIFICATE, certificate("a", 10, 1000));
    assert_eq!(plan(&mut seen, 0).requeue, Requeue::At(at(10)));
    assert!(matches!(plan(&mut seen, 10).action, Action::Request(_)));
}

#[test]
fn whether_a_self_signed_certificate_has_ended_is_the_providers_to_judge() {
    for life in [(-1000, 0), (10, 1000)] {
        let mut seen = with(SELF_SIGNED, certificate("a", life.0, life.1));
        assert!(matches!(plan(&mut seen, 0).action, Action::Request(_)));
    }
}

#[test]
fn a_renewed_certificate_is_no_reason_for_a_request() {
    let mut seen = with(BY_CERTIFICATE, certificate("a", -1000, 10_000));
    let outcome = grant(&seen, token("first", 3600), 0);
    seen.target = Some(applied(&outcome.write.unwrap(), None, 10));
    let refresh = refresh_of(&seen);
    seen.certificate = certificate("b", 5, 20_000);
    assert_eq!(
        decided(&mut seen, 10),
        Decision::Waits(Requeue::RequestAt(refresh))
    );
}

#[test]
fn a_renewed_certificate_lifts_the_pause_after_a_failure_also_across_a_restart() {
    for class in [FailureClass::Permanent, FailureClass::Transient] {
        let seen = with(BY_CERTIFICATE, certificate("a", -1000, 10_000));
        let mut seen = after_failure(seen, &failure(class, "ClientCertificateRefused"), 0);
        assert!(
            matches!(plan(&mut seen, 3).action, Action::Nothing),
            "its pause holds"
        );
        let said = report(
            &plan(&mut seen, 3).assessment,
            &OAuthClientStatus::default(),
            1,
            StatusDetail::Always,
            at(3),
        );
        seen.certificate = certificate("b", -1000, 10_000);
        assert!(
            matches!(plan(&mut seen, 3).action, Action::Request(_)),
            "{class:?}"
        );
        // The status contains enough, and fits its limit.
        let hash = &said.status.attempt.as_ref().unwrap().inputs_hash;
        assert!(hash.len() <= 128 && hash.ends_with(";a"), "{hash}");
        let again = FailedAttempt::from_status(&said.status).map(Box::new);
        seen.memory = Memory {
            attempt: again,
            ..Memory::default()
        };
        assert!(
            matches!(plan(&mut seen, 3).action, Action::Request(_)),
            "{class:?}"
        );
        seen.certificate = certificate("a", -1000, 10_000);
        assert!(
            matches!(plan(&mut seen, 3).action, Action::Nothing),
            "its pause holds"
        );
    }
}

#[test]
fn a_renewed_certificate_is_no_reason_for_a_try_that_does_harm() {
    let seen = with(BY_CERTIFICATE, certificate("a", -1000, 10_000));
    let failure = failure(FailureClass::NeedsPerson, "InvalidGrant");
    let mut seen = after_failure(seen, &failure, 0);
    seen.certificate = certificate("b", -1000, 10_000);
    assert!(matches!(plan(&mut seen, 100).action, Action::Nothing));
}

#[test]
fn a_renewed_certificate_does_not_end_the_wait_that_the_provider_asked_for() {
    let seen = with(BY_CERTIFICATE, certificate("a", -1000, 10_000));
    let failure = Failure {
        retry_after: Some(span(500)),
        ..failure(FailureClass::Transient, "RateLimited")
    };
    let mut seen = after_failure(seen, &failure, 0);
    seen.certificate = certificate("b", -1000, 10_000);
    assert!(matches!(plan(&mut seen, 100).action, Action::Nothing));
    assert!(matches!(plan(&mut seen, 501).action, Action::Request(_)));
}
