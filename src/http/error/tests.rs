use super::*;
use crate::api::conditions::Reason;

fn all() -> Vec<SendError> {
    let mut all = vec![
        SendError::BadUrl,
        SendError::BadHeader {
            name: "x-key".into(),
        },
        SendError::HttpNotAllowed,
        SendError::AddressRefused {
            address: None,
            kind: AddressKind::Loopback,
        },
        SendError::AddressRefused {
            address: Some([169, 254, 169, 254].into()),
            kind: AddressKind::Metadata,
        },
        SendError::BadCaBundle(BadCaBundle::NoCertificate),
        SendError::Dns,
        SendError::ConnectTimeout,
        SendError::Proxy,
        SendError::Timeout {
            after: Duration::from_secs(10),
            answering: false,
        },
        SendError::Timeout {
            after: Duration::from_secs(10),
            answering: true,
        },
        SendError::Cut,
        SendError::Garbled,
        SendError::BodyTooLarge,
        SendError::Setup,
    ];
    let connects = [
        ConnectProblem::Refused,
        ConnectProblem::Unreachable,
        ConnectProblem::Reset,
        ConnectProblem::Other,
    ];
    all.extend(connects.map(SendError::Connect));
    let tls = [
        TlsProblem::Expired,
        TlsProblem::NotYetValid,
        TlsProblem::WrongName,
        TlsProblem::UnknownIssuer,
        TlsProblem::CaAsServer,
        TlsProblem::BadCertificate,
        TlsProblem::ClientCertificateWanted,
        TlsProblem::ClientCertificateRefused,
        TlsProblem::NoCommonCipher,
        TlsProblem::Handshake,
    ];
    all.extend(tls.map(SendError::Tls));
    all
}

#[test]
fn every_failure_has_a_listed_reason_and_says_what_to_do() {
    for error in all() {
        assert!(Reason::parse(error.reason()).is_some(), "{error:?}");
        assert!(
            error.explain().len() > error.to_string().len() + 20,
            "{error:?}"
        );
    }
}

#[test]
fn what_only_a_person_can_mend_is_permanent_and_the_network_is_not() {
    for error in all() {
        let permanent = matches!(
            error.reason(),
            "InvalidSpec"
                | "HTTPNotAllowed"
                | "AddressRefused"
                | "CAInvalid"
                | "ClientCertificateRefused"
        );
        let expected = if permanent {
            FailureClass::Permanent
        } else {
            FailureClass::Transient
        };
        assert_eq!(error.class(), expected, "{error:?}");
    }
}

#[test]
fn messages_read_as_sentences() {
    let refused = &all()[4];
    assert!(refused.explain().starts_with(
        "The token endpoint is at 169.254.169.254, the address of a cloud's metadata service. No request is sent to it. Check the host"
    ));
}

#[test]
fn a_message_names_the_server_that_it_is_about_and_no_other() {
    for error in all() {
        let revocation = Peer::TOKEN_ENDPOINT.named("revocation endpoint");
        for (peer, name, field) in [
            (Peer::ISSUER, "issuer", "spec.provider.issuerURL"),
            (revocation, "revocation endpoint", "spec.provider.tokenURL"),
        ] {
            let message = error.explain_about(&peer);
            assert!(!message.contains("token endpoint"), "{message}");
            let expected = error
                .explain()
                .replace("token endpoint", name)
                .replace("The token URL", peer.url)
                .replace("spec.provider.tokenURL", field);
            assert_eq!(message, expected);
        }
        let own = error.explain_about(&Peer::TOKEN_ENDPOINT.with_own_flags());
        assert!(!own.contains("start the operator with"), "{own}");
    }
}
