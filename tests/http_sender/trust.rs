//! Certificates, and bundles of authorities that change.

use super::*;

#[tokio::test]
async fn bad_certificates_are_told_apart() {
    let authority = Authority::new("corp").unwrap();
    let provider = Provider::tls(Script::one(PATH, Behaviour::default()), &authority).unwrap();
    let sender = sender(local());
    for (leaf, problem) in [
        (Leaf::Expired, TlsProblem::Expired),
        (Leaf::NotYetValid, TlsProblem::NotYetValid),
        (Leaf::WrongName, TlsProblem::WrongName),
        (Leaf::SelfSigned, TlsProblem::UnknownIssuer),
    ] {
        provider
            .set_certificate(&authority.issue(leaf, &["127.0.0.1"]).unwrap())
            .unwrap();
        let error = failure(&sender, &provider.url(PATH), &route(Some(&authority))).await;
        assert_eq!(error, SendError::Tls(problem), "{leaf:?}");
    }
    provider
        .set_certificate(&authority.issue(Leaf::Good, &["127.0.0.1"]).unwrap())
        .unwrap();
    let error = failure(&sender, &provider.url(PATH), &route(None)).await;
    assert_eq!(error, SendError::Tls(TlsProblem::UnknownIssuer));
    assert_eq!(provider.total(), 0, "no request is sent without trust");
    answer(&sender, &provider.url(PATH), &route(Some(&authority))).await;
}

#[tokio::test]
async fn a_bundle_can_be_exchanged_while_running() {
    let (old, new) = (
        Authority::new("old").unwrap(),
        Authority::new("new").unwrap(),
    );
    let provider = Provider::tls(Script::one(PATH, Behaviour::default()), &old).unwrap();
    let sender = sender(local());
    answer(&sender, &provider.url(PATH), &route(Some(&old))).await;
    provider
        .set_certificate(&new.issue_for_loopback(None).unwrap())
        .unwrap();
    answer(&sender, &provider.url(PATH), &route(Some(&new))).await;
    let both =
        CaBundle::from_pem(format!("{}\n# text\n{}", old.pem(), new.pem()).as_bytes()).unwrap();
    answer(
        &sender,
        &provider.url(PATH),
        &Route {
            ca: Some(both),
            identity: None,
            timeout: PATIENCE,
        },
    )
    .await;
    let error = failure(&sender, &provider.url(PATH), &route(None)).await;
    assert_eq!(error, SendError::Tls(TlsProblem::UnknownIssuer));
}

#[tokio::test]
async fn connections_are_reused_but_not_across_bundles() {
    let (one, other) = (
        Authority::new("one").unwrap(),
        Authority::new("other").unwrap(),
    );
    let provider = Provider::tls(Script::one(PATH, Behaviour::default()), &one).unwrap();
    let sender = sender(local());
    for _ in 0..5 {
        answer(&sender.clone(), &provider.url(PATH), &route(Some(&one))).await;
    }
    assert_eq!(provider.connections_opened(), 1);
    let error = failure(&sender, &provider.url(PATH), &route(Some(&other))).await;
    assert_eq!(error, SendError::Tls(TlsProblem::UnknownIssuer));
}

#[tokio::test]
async fn many_bundles_do_not_pile_up_connections_for_ever() {
    let authority = Authority::new("corp").unwrap();
    let provider = Provider::tls(Script::one(PATH, Behaviour::default()), &authority).unwrap();
    let sender = sender(local());
    for _ in 0..40 {
        let pem = format!(
            "{}{}",
            authority.pem(),
            Authority::new("further").unwrap().pem()
        );
        let ca = CaBundle::from_pem(pem.as_bytes()).unwrap();
        answer(
            &sender,
            &provider.url(PATH),
            &Route {
                ca: Some(ca),
                identity: None,
                timeout: PATIENCE,
            },
        )
        .await;
    }
    assert_eq!(provider.connections_opened(), 40);
    let few = provider
        .wait_until(PATIENCE, || provider.connections_open() <= 32)
        .await;
    assert!(few, "{} connections are open", provider.connections_open());
}
