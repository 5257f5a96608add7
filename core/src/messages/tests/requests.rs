//! Requests that failed, as they are stored and shown.

use super::*;
use crate::conditions::ConditionType;
use crate::oauth::error::{ErrorCode, ProviderCode, TokenError};
use crate::oauth::request::tests::client;
use crate::oauth::send_error::{Peer, SendError};
use crate::oauth::{Client, ClientAuthentication, Grant};

/// What may follow a failure.
fn follow_ups() -> [NextAttempt; 4] {
    let time = Time::from_seconds(1_790_000_000);
    [
        NextAttempt::RetryAt {
            time,
            failures: 12_345,
        },
        NextAttempt::AfterProblem(ConditionType::Stalled),
        NextAttempt::OnChange,
        NextAttempt::Suspended,
    ]
}

/// The findings that a status may store: only the token endpoint and the issuer are asked for a token.
fn stored(values: Values) -> Vec<RequestFinding> {
    let other = |peer: &Peer| peer.name != Peer::TOKEN_ENDPOINT.name;
    let mut all = RequestFinding::examples("", values);
    all.retain(|finding| {
        !matches!(finding,
            RequestFinding::Answered { peer, .. } | RequestFinding::NotAnswered { peer, .. } if other(peer))
    });
    all
}

#[test]
fn a_stored_failure_leaves_room_for_what_still_works_and_the_next_try() {
    let until = Time::from_seconds(1_790_000_000);
    for values in [Values::Names, Values::Long, Values::Hostile] {
        let secret = String::examples("secret", values).remove(0);
        let valid = TokenValidity::Valid { secret, until };
        for audience in [Audience::Cluster, Audience::Files] {
            for finding in stored(values) {
                let explanation = Finding::from(finding).explain(audience).shortened();
                let nexts = follow_ups().into_iter();
                assert_short(
                    nexts.map(|next| explanation.clone().with(valid.text()).and(next.text())),
                );
            }
        }
    }
}

#[test]
fn a_stored_failure_reads_the_same_after_a_restart() {
    for values in [Values::Names, Values::Long, Values::Hostile] {
        for finding in RequestFinding::examples("", values) {
            let stored = Finding::from(finding).explain(Audience::Cluster).stored();
            assert_eq!(Explanation::restore(&stored).stored(), stored);
        }
    }
}

#[test]
fn what_follows_is_left_out_only_where_it_does_not_fit() {
    let refused = RequestFinding::answered(&refused(ErrorCode::InvalidClient), &client());
    let long = RequestFinding::NotAnswered {
        error: SendError::Tls(crate::oauth::send_error::TlsProblem::UnknownIssuer),
        peer: Peer::TOKEN_ENDPOINT,
    };
    for then in FollowUp::examples("", Values::Long) {
        let with = |finding: &RequestFinding| {
            let explanation = Finding::from(finding.clone()).explain(Audience::Cluster);
            explanation.and_if_it_fits(&then.text()).stored()
        };
        let (short, long) = (with(&refused), with(&long));
        assert!(short.happened.contains("(HTTP 400). "), "{short:?}");
        assert!(long.happened.ends_with("an unknown CA."), "{long:?}");
    }
}

fn refused(code: ErrorCode) -> TokenError {
    TokenError::Refused {
        status: 400,
        code,
        retry_after: None,
        provider_code: None,
    }
}

fn message(finding: RequestFinding) -> String {
    let explanation = Finding::from(finding).explain(Audience::Cluster);
    explanation.message().to_string()
}

fn answered(error: &TokenError, client: &Client) -> String {
    message(RequestFinding::answered(error, client))
}

#[test]
fn the_advice_after_a_refusal_is_about_what_the_client_sends() {
    let mut client = client();
    for (authentication, words) in [
        (ClientAuthentication::ClientSecretPost, "client secret"),
        (ClientAuthentication::TlsClientAuth, "client certificate"),
        (ClientAuthentication::None, "requires client authentication"),
    ] {
        client.authentication = authentication;
        let text = answered(&refused(ErrorCode::InvalidClient), &client);
        assert!(text.contains(words), "{text}");
    }
    for (grant, words) in [
        (Grant::Password, "user name and password"),
        (Grant::RefreshToken, "log in again"),
        (Grant::ClientCredentials, "spec.parameters"),
    ] {
        client.grant = grant;
        let text = answered(&refused(ErrorCode::InvalidGrant), &client);
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn a_code_of_the_providers_own_is_shown_with_advice_that_fits() {
    let said = |code: &str, place: &str| ProviderCode::parse(code, place);
    let refused = |code, provider_code| TokenError::Refused {
        status: 400,
        code,
        retry_after: None,
        provider_code,
    };
    let client = client();
    let own = refused(ErrorCode::Unknown, said("E17", "/code"));
    assert_eq!(
        answered(&own, &client),
        "The token endpoint answered with E17 at /code (HTTP 400). Look the code up in the provider's documentation, or name it in spec.response.errors."
    );
    let mapped = ProviderCode::mapped("E17", "/status");
    let text = answered(&refused(ErrorCode::InvalidGrant, Some(mapped)), &client);
    let begin = "The token endpoint answered with E17 at /status (HTTP 400), mapped to InvalidGrant. Compare";
    assert!(text.starts_with(begin), "{text}");
    let known = refused(ErrorCode::InvalidClient, said("invalid_client", "/error"));
    let text = answered(&known, &client);
    let begin = "The token endpoint answered with invalid_client (HTTP 400). Check";
    assert!(text.starts_with(begin), "{text}");
    let unusable = |elsewhere, provider_code| TokenError::Unusable {
        problem: "it holds no access token where one is expected",
        elsewhere,
        readable: true,
        provider_code,
    };
    let text = answered(&unusable(None, said("40164", "/errcode")), &client);
    assert!(
        text.contains("with 40164 at /errcode and without"),
        "{text}"
    );
    assert!(text.contains("Look the code up"), "{text}");
    let text = answered(&unusable(Some("/data/jwt"), None), &client);
    let set = "set spec.response.accessTokenPointer to: /data/jwt";
    assert!(text.ends_with(set), "{text}");
}

#[test]
fn the_longest_problem_of_a_response_is_not_shortened() {
    let error = TokenError::Unusable {
        problem: "expires_on or expires_at in it is neither a number nor a time",
        elsewhere: None,
        readable: true,
        provider_code: None,
    };
    let finding = Finding::from(RequestFinding::answered(&error, &client()));
    let explanation = finding.explain(Audience::Cluster);
    let stored = explanation
        .and_if_it_fits(&FollowUp::RefreshTokenStored.text())
        .stored();
    assert!(
        stored.happened.ends_with("refresh token was stored."),
        "{stored:?}"
    );
}

#[test]
fn a_message_names_the_server_that_it_is_about_and_no_other() {
    for error in SendError::examples("", Values::Names) {
        let revocation = Peer::TOKEN_ENDPOINT.named("revocation endpoint");
        for peer in [Peer::ISSUER, revocation] {
            let text = message(RequestFinding::NotAnswered {
                error: error.clone(),
                peer,
            });
            assert!(!text.contains("oken endpoint"), "{text}");
            let other_field = peer == Peer::ISSUER && text.contains("tokenURL");
            assert!(!other_field, "{text}");
        }
        let own = message(RequestFinding::NotAnswered {
            error,
            peer: Peer::TOKEN_ENDPOINT.with_own_flags(),
        });
        assert!(!own.contains("start the operator with"), "{own}");
    }
}

#[test]
fn an_address_that_is_refused_is_named() {
    let error = SendError::AddressRefused {
        address: Some([169, 254, 169, 254].into()),
        kind: crate::oauth::send_error::AddressKind::Metadata,
    };
    let peer = Peer::TOKEN_ENDPOINT;
    let text = message(RequestFinding::NotAnswered { error, peer });
    let begin = "The token endpoint is at 169.254.169.254, a cloud's metadata service. Check";
    assert!(text.starts_with(begin), "{text}");
}

#[test]
fn the_time_in_a_command_is_inserted_by_the_shell() {
    let refused = RequestFinding::RefusedBefore {
        what: RefusedCredential::Password,
        host: "auth.example".to_owned(),
        time: Time::from_seconds(1_790_000_000),
        reason: Reason::InvalidGrant,
        secret: "login".to_owned(),
        namespace: "shop".to_owned(),
        resource: "api".to_owned(),
    };
    let text = message(refused);
    let command = "kubectl annotate secret login -n shop --overwrite oauthclient.dev/retry-requested-at=\"$(date +%s)\"";
    assert!(text.ends_with(command), "{text}");
}
