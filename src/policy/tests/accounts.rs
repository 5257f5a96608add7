//! A resource that uses the token of a `ServiceAccount`.

use super::*;
use crate::oauth::{ServiceAccountToken, TokenSource};

const METHOD: &str = "  clientAuthentication:\n    method: service_account_token\n    serviceAccountToken: {serviceAccountName: \
                      shop, audience: sts}\n";

fn sts() -> ServiceAccountToken {
    ServiceAccountToken {
        account: "shop".into(),
        audience: "sts".into(),
        expiration_seconds: 600,
    }
}

fn with(account: AccountSeen) -> Observed {
    let mut seen = fresh(&Spec::extra(METHOD));
    seen.accounts.insert("shop".into(), account);
    seen
}

fn lent(audiences: &str, hosts: &str) -> AccountSeen {
    AccountSeen::There {
        uid: "u-shop".into(),
        annotations: texts(&[
            ("oauthclient.dev/allowed-audiences", audiences),
            (ALLOWED_HOSTS_ANNOTATION, hosts),
        ]),
    }
}

#[test]
fn a_token_is_made_only_once_audience_and_host_are_lent() {
    let reason = |account| match decided(&mut with(account), 0) {
        Decision::Stuck(reason, Requeue::At(again)) if again == at(60) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(reason(AccountSeen::Missing), Reason::ServiceAccountNotFound);
    assert_eq!(reason(AccountSeen::Forbidden), Reason::PermissionMissing);
    assert_eq!(
        reason(AccountSeen::NoCluster),
        Reason::ServiceAccountTokenMissing
    );
    let host = "auth.example.com";
    for audiences in ["", "other", "sts2", "st", "STS"] {
        let account = lent(audiences, host);
        assert_eq!(reason(account), Reason::ServiceAccountNotOptedIn);
    }
    for hosts in ["", "other.example.com"] {
        assert_eq!(reason(lent("sts", hosts)), Reason::HostNotAllowed);
    }
    for audiences in ["sts", "a,sts", "a sts\nb"] {
        let plan = plan(&mut with(lent(audiences, host)), 0);
        let Action::Fetch(need) = plan.action else {
            panic!("{audiences}")
        };
        assert_eq!(need, Prerequisite::ServiceAccountToken(sts()));
    }
}

#[test]
fn a_token_that_was_made_is_sent_in_the_attempt_it_was_made_for() {
    let mut seen = with(AccountSeen::Given);
    seen.take(Fetched::ServiceAccountToken(sts(), Secret::from("minted")));
    assert!(
        seen.created_tokens
            .find(&TokenSource::ServiceAccount(sts()))
            .is_some()
    );
    let Action::Request(planned) = plan(&mut seen, 0).action else {
        panic!("it asks")
    };
    let body = planned.request.body.expose().unwrap();
    assert!(body.contains("&client_assertion=minted"), "{body}");
}

#[test]
fn what_keeps_a_token_from_being_made_is_a_failed_request_of_its_own_kind() {
    let passing = Failure::account_token(&sts(), "the API server could not be reached");
    assert_eq!(passing.reason(), Reason::ServiceAccountTokenFailed.as_str());
    assert_eq!(passing.class, FailureClass::Transient);
    let refused = Failure::audience_refused(&sts());
    assert_eq!(refused.reason(), Reason::AudienceRefused.as_str());
    assert_eq!(refused.class, FailureClass::NeedsPerson);
    let forbidden = Failure::account_token_forbidden("shop");
    let explanation = forbidden
        .finding
        .explain(crate::messages::Audience::Cluster);
    assert!(
        explanation
            .message()
            .to_string()
            .contains("kubectl apply -n shop -k deploy/service-account-tokens/namespaced")
    );
}
