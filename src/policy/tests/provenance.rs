//! A token Secret of another resource as credentials: it goes where everybody lets it go whose secret it was obtained with.

use super::*;
use crate::policy::{ALLOWED_TOKEN_HOSTS, TOKEN_LABEL};

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
        .map(|problem| problem.reason)
}

#[test]
fn a_token_goes_where_its_lender_lets_tokens_go_and_nowhere_else() {
    // It may be sent, and lacks what a client secret needs.
    let sent = Some(Reason::CredentialsKeyMissing);
    let kept = Some(Reason::HostNotAllowed);
    let (here, there) = ("auth.example.com", "elsewhere.example.com");
    for (lists, expected) in [
        (&[][..], sent),
        (&[(ALLOWED_HOSTS, here)][..], sent),
        (&[(ALLOWED_HOSTS, there)][..], kept),
        (
            &[(ALLOWED_HOSTS, there), (ALLOWED_TOKEN_HOSTS, here)][..],
            sent,
        ),
        (
            &[(ALLOWED_HOSTS, here), (ALLOWED_TOKEN_HOSTS, there)][..],
            kept,
        ),
        (&[(ALLOWED_TOKEN_HOSTS, "not a/../host")][..], kept),
    ] {
        assert_eq!(reason(using_a_token(lists)), expected, "{lists:?}");
    }
    let mut restricted = using_a_token(&[]);
    restricted
        .credentials
        .as_mut()
        .unwrap()
        .annotations
        .insert(ALLOWED_HOSTS.into(), there.into());
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
fn another_secret_of_the_lenders_name_lends_no_more_than_the_first_one_did() {
    let mut seen = using_a_token(&[(ALLOWED_HOSTS, "elsewhere.example.com")]);
    seen.lender_secrets[0].annotations.clear();
    assert_eq!(
        reason(seen),
        Some(Reason::CredentialsKeyMissing),
        "its owner has changed its mind"
    );
    let mut seen = using_a_token(&[(ALLOWED_HOSTS, "elsewhere.example.com")]);
    seen.lender_secrets[0].annotations.clear();
    seen.lender_secrets[0].uid = "uid-of-another".into();
    assert_eq!(reason(seen), Some(Reason::HostNotAllowed));
}
