//! A token Secret of another resource as credentials: it goes where everybody lets it go whose secret it was obtained with.

use super::*;
use crate::names::{ALLOWED_TOKEN_HOSTS_ANNOTATION, TOKEN_LABEL};
use crate::policy::provenance::{RequestPart, of_secret, resolved};

use crate::trust::{AllowedHosts, Lender, LenderKind, Lenders};

/// Uses the token of another resource, whose credentials Secret has these annotations.
fn using_a_token(lists: &[(&str, &str)]) -> Observed {
    let mut other = fresh(&Spec::secret(
        ", labels: {oauthclient.dev/credentials: \"true\"}",
    ));
    other.resource.name = "other".into();
    other.resource.uid = "uid-of-other".into();
    let lender = SecretSeen {
        name: "lender".into(),
        uid: "uid-of-lender".into(),
        annotations: texts(lists),
        ..credentials(1, "pw")
    };
    other.credentials = Some(lender.clone());
    let written = grant(&other, token("first", 3600), 0).write.unwrap();
    let mut seen = fresh(&Spec::default());
    seen.credentials = Some(SecretSeen {
        name: "client".into(),
        ..applied(&written, None, 5)
    });
    seen.lender_secrets = vec![lender];
    seen
}

fn reason(mut seen: Observed) -> Option<Reason> {
    plan(&mut seen, 0)
        .assessment
        .problem
        .map(|problem| problem.reason())
}

#[test]
fn a_token_goes_where_its_lender_lets_tokens_go_and_nowhere_else() {
    // It may be sent, and lacks what a client secret needs.
    let sent = Some(Reason::CredentialsKeyMissing);
    let kept = Some(Reason::HostNotAllowed);
    let (here, there) = ("auth.example.com", "elsewhere.example.com");
    for (lists, expected) in [
        (&[][..], sent),
        (&[(ALLOWED_HOSTS_ANNOTATION, here)][..], sent),
        (&[(ALLOWED_HOSTS_ANNOTATION, there)][..], kept),
        (
            &[
                (ALLOWED_HOSTS_ANNOTATION, there),
                (ALLOWED_TOKEN_HOSTS_ANNOTATION, here),
            ][..],
            sent,
        ),
        (
            &[
                (ALLOWED_HOSTS_ANNOTATION, here),
                (ALLOWED_TOKEN_HOSTS_ANNOTATION, there),
            ][..],
            kept,
        ),
        (
            &[(ALLOWED_TOKEN_HOSTS_ANNOTATION, "not a/../host")][..],
            kept,
        ),
    ] {
        assert_eq!(reason(using_a_token(lists)), expected, "{lists:?}");
    }
    let mut restricted = using_a_token(&[]);
    restricted
        .credentials
        .as_mut()
        .unwrap()
        .annotations
        .insert(ALLOWED_HOSTS_ANNOTATION.into(), there.into());
    assert_eq!(
        reason(restricted),
        kept,
        "its own list restricts it further"
    );
}

#[test]
fn a_token_whose_lender_is_gone_or_has_opted_out_goes_nowhere() {
    let with = |change: fn(&mut Observed)| {
        let mut seen = using_a_token(&[]);
        change(&mut seen);
        reason(seen)
    };
    let gone = Some(Reason::CredentialsNotFound);
    assert_eq!(with(|seen| seen.lender_secrets.clear()), gone);
    assert_eq!(with(|seen| seen.lender_secrets[0].deleting = true), gone);
    // A resource that writes a Secret of that name adds nothing of the lender's.
    let label = |seen: &mut Observed| {
        let labels = &mut seen.lender_secrets[0].labels;
        labels.insert(TOKEN_LABEL.into(), "true".into());
    };
    assert_eq!(with(label), gone);
    assert_eq!(
        with(|seen| seen.lender_secrets[0].labels.clear()),
        Some(Reason::CredentialsNotLabelled)
    );
    let unknown = |seen: &mut Observed| {
        let secret = seen.credentials.as_mut().unwrap();
        let mut state = secret.state().unwrap();
        state.lenders = None;
        let state = state.write().into_iter();
        secret
            .annotations
            .extend(state.filter_map(|(key, value)| Some((key, value?))));
    };
    assert_eq!(with(unknown), Some(Reason::ReferenceNotReady));
}

#[test]
fn what_was_obtained_with_a_token_is_returned_only_where_its_lender_lets_tokens_go() {
    // The second resource asks with the token of the first, so its own token has a part of the first lender in it.
    let (token, anywhere) = ("tokens.example.com", "https://auth.example.com/revoke");
    let mut seen = using_a_token(&[(ALLOWED_TOKEN_HOSTS_ANNOTATION, token)]);
    let recorded = seen
        .credentials
        .as_ref()
        .unwrap()
        .state()
        .unwrap()
        .lenders
        .unwrap();
    assert!(recorded.iter().all(|lender| !lender.obtained));
    let with_token = of_secret(&seen, seen.credentials.as_ref().unwrap());
    let of_second = with_token
        .unwrap_or_else(|problem| panic!("{problem:?}"))
        .lenders();
    let url = |text: &str| text.parse::<url::Url>().unwrap();
    for part in [RequestPart::Returned, RequestPart::RefreshToken] {
        let held = resolved(&seen, &of_second, part);
        let held = held.unwrap_or_else(|problem| panic!("{problem:?}"));
        assert!(
            held.permit(&url("https://tokens.example.com/revoke"))
                .is_ok()
        );
        assert!(held.permit(&url(anywhere)).is_err());
    }
    // Its owner may let tokens go further, but a family keeps what it began with.
    let lender = &mut seen.lender_secrets[0];
    lender.annotations.clear();
    let part = RequestPart::Returned;
    let held = resolved(&seen, &of_second, part).ok().unwrap();
    assert!(held.permit(&url(anywhere)).is_ok());
    let part = RequestPart::RefreshToken;
    let held = resolved(&seen, &of_second, part).ok().unwrap();
    assert!(held.permit(&url(anywhere)).is_err());
}

#[test]
fn the_command_for_a_service_account_keeps_the_audiences_that_it_allows() {
    let mut seen = using_a_token(&[]);
    let secret = seen.credentials.as_mut().unwrap();
    let mut state = secret.state().unwrap();
    state.lenders = Some(Lenders::from_iter([Lender {
        kind: LenderKind::ServiceAccount,
        name: "robot".into(),
        audience: Some("vault".into()),
        uid: "u".into(),
        hosts: AllowedHosts::any(),
        token_hosts: AllowedHosts::any(),
        obtained: false,
        repeated: false,
    }]));
    let state = state.write().into_iter();
    secret
        .annotations
        .extend(state.filter_map(|(key, value)| Some((key, value?))));
    let account = AccountSeen::There {
        uid: "u".into(),
        annotations: texts(&[("oauthclient.dev/allowed-audiences", "one two")]),
    };
    seen.accounts = [("robot".to_owned(), account)].into();
    let problem = plan(&mut seen, 0).assessment.problem.unwrap();
    assert_eq!(problem.reason(), Reason::ServiceAccountNotOptedIn);
    let list = "'oauthclient.dev/allowed-audiences=one two,vault'";
    assert!(problem.message().contains(list), "{}", problem.message());
}

#[test]
fn another_secret_of_the_lenders_name_lends_no_more_than_the_first_one_did() {
    let mut seen = using_a_token(&[(ALLOWED_HOSTS_ANNOTATION, "elsewhere.example.com")]);
    seen.lender_secrets[0].annotations.clear();
    assert_eq!(
        reason(seen),
        Some(Reason::CredentialsKeyMissing),
        "its owner has changed its mind"
    );
    let mut seen = using_a_token(&[(ALLOWED_HOSTS_ANNOTATION, "elsewhere.example.com")]);
    seen.lender_secrets[0].annotations.clear();
    seen.lender_secrets[0].uid = "uid-of-another".into();
    assert_eq!(reason(seen), Some(Reason::HostNotAllowed));
}

#[test]
fn a_token_that_repeats_what_was_sent_goes_where_that_may_go_too() {
    let (here, there) = ("auth.example.com", "elsewhere.example.com");
    let lists = [
        (ALLOWED_HOSTS_ANNOTATION, there),
        (ALLOWED_TOKEN_HOSTS_ANNOTATION, here),
    ];
    let reason_of = |repeats: bool| {
        let mut other = fresh(&Spec::secret(
            ", labels: {oauthclient.dev/credentials: \"true\"}",
        ));
        other.resource.name = "other".into();
        other.resource.uid = "uid-of-other".into();
        let lender = SecretSeen {
            name: "lender".into(),
            uid: "uid-of-lender".into(),
            annotations: texts(&lists),
            ..credentials(1, "pw")
        };
        other.credentials = Some(lender.clone());
        let token = Token {
            repeats,
            ..token("first", 3600)
        };
        let written = grant(&other, token, 0).write.unwrap();
        let mut seen = fresh(&Spec::default());
        seen.credentials = Some(SecretSeen {
            name: "client".into(),
            ..applied(&written, None, 5)
        });
        seen.lender_secrets = vec![lender];
        reason(seen)
    };
    assert_eq!(reason_of(false), Some(Reason::CredentialsKeyMissing));
    assert_eq!(reason_of(true), Some(Reason::HostNotAllowed));
}

/// Sends this key of the credentials Secret.
const SENDING: &str = "  clientAuthentication: {method: none}\n  parameters: [{name: x, credentialsKey: db_password}]\n";

#[test]
fn of_a_secret_that_a_resource_writes_nothing_is_used_but_what_it_wrote() {
    let mut seen = using_a_token(&[]);
    seen.resource = resource(&Spec::extra(SENDING));
    let foreign = ("db_password".to_owned(), Secret::from("of its first owner"));
    let secret = seen.credentials.as_mut().unwrap();
    // It was adopted, and keeps what others keep in it. Its labels are the resource's, not theirs.
    secret.data.extend([foreign.clone()]);
    let opted_in = seen.credentials.clone().unwrap().only_opted_in();
    assert!(opted_in.data.contains_key("access_token"));
    assert!(!opted_in.data.contains_key("db_password"));
    assert_eq!(reason(seen), Some(Reason::CredentialsKeyMissing));

    // In a Secret that a person writes, it is that person's to give.
    let mut seen = fresh(&Spec::extra(SENDING));
    seen.credentials.as_mut().unwrap().data.extend([foreign]);
    assert_eq!(
        decided(&mut seen, 0),
        Decision::Requests(RefreshReason::FirstIssue)
    );
}

#[test]
fn a_secret_that_held_a_refresh_token_gives_nothing_whoever_labels_it() {
    let token = || {
        let seen = using_a_token(&[]);
        seen.credentials.unwrap()
    };
    let as_type = SecretSeen {
        type_: STATE_TYPE.into(),
        ..token()
    };
    let mut as_label = token();
    as_label.labels.insert(STATE_LABEL.into(), "true".into());
    for secret in [as_type, as_label] {
        assert!(secret.only_opted_in().data.is_empty());
    }
    let spec = Spec::secret(", type: oauthclient.dev/refresh-state");
    assert!(
        parse_manifest(&spec.yaml()).is_err(),
        "no resource writes one as its token Secret"
    );
}

#[test]
fn a_forged_state_makes_the_operator_read_no_secrets_by_the_thousand() {
    let mut seen = using_a_token(&[]);
    let secret = seen.credentials.as_mut().unwrap();
    let mut state = secret.state().unwrap();
    let lender = |number: usize| Lender {
        kind: LenderKind::Secret,
        name: format!("s{number}"),
        audience: None,
        uid: "u".into(),
        hosts: AllowedHosts::any(),
        token_hosts: AllowedHosts::any(),
        obtained: false,
        repeated: false,
    };
    state.lenders = Some((0..1000).map(lender).collect());
    let state = state.write().into_iter();
    secret
        .annotations
        .extend(state.filter_map(|(key, value)| Some((key, value?))));
    assert!(lenders_to_see(&seen).0.is_empty());
    assert_eq!(reason(seen), Some(Reason::CredentialsNotFound));
}
