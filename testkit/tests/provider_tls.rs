//! The scripted provider over TLS: good certificates, bad ones, and handshakes that come to nothing.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod provider_client;

use std::time::Duration;

use provider_client::{PATIENCE, ask, client, try_ask};
use testkit::provider::{Behaviour, ConnectionFault, Provider, Script};
use testkit::tls::{self, Authority, Leaf};

#[tokio::test]
async fn tls_is_trusted_with_a_good_certificate_alone_and_can_be_changed_live() {
    let authority = Authority::new("the test's authority").unwrap();
    let provider = Provider::tls(Script::one("/token", Behaviour::default()), &authority).unwrap();
    let url = provider.url("/token");
    assert!(url.starts_with("https://"));
    assert_eq!(ask(&client(&authority.pem()), &url).await.status(), 200);
    let by_name = provider.url_at("localhost", "/token");
    assert_eq!(ask(&client(&authority.pem()), &by_name).await.status(), 200);
    for leaf in [
        Leaf::Expired,
        Leaf::NotYetValid,
        Leaf::WrongName,
        Leaf::SelfSigned,
        Leaf::OtherAuthority,
    ] {
        let identity = authority.issue(leaf, &["127.0.0.1"]).unwrap();
        provider.set_certificate(&identity).unwrap();
        let failed = try_ask(&client(&authority.pem()), &url).await;
        assert!(failed.unwrap_err().is_connect(), "{leaf:?} was trusted");
    }
    assert!(
        provider
            .wait_until(PATIENCE, || provider.handshakes_failed() == 5)
            .await
    );
    let next = Authority::new("the next authority").unwrap();
    provider
        .set_certificate(&next.issue_for_loopback(None).unwrap())
        .unwrap();
    assert!(try_ask(&client(&authority.pem()), &url).await.is_err());
    assert_eq!(ask(&client(&next.pem()), &url).await.status(), 200);
    assert_eq!(
        provider.total(),
        3,
        "no request came over a connection that was not trusted"
    );
}

#[tokio::test]
async fn a_handshake_that_is_not_answered_hangs_and_one_answered_in_plain_text_fails() {
    let authority = Authority::new("the test's authority").unwrap();
    let provider = Provider::tls(Script::one("/token", Behaviour::default()), &authority).unwrap();
    let url = provider.url("/token");
    let client = client(&authority.pem());
    provider.set_connection_fault(Some(ConnectionFault::StallTls));
    let soon = Duration::from_millis(300);
    assert!(
        tokio::time::timeout(soon, try_ask(&client, &url))
            .await
            .is_err(),
        "the handshake ended"
    );
    provider.set_connection_fault(Some(ConnectionFault::PlainText));
    assert!(try_ask(&client, &url).await.unwrap_err().is_connect());
    provider.set_connection_fault(None);
    assert_eq!(ask(&client, &url).await.status(), 200);
}

#[test]
fn nothing_here_sets_the_cryptography_of_the_process() {
    let authority = Authority::new("the test's authority").unwrap();
    let identity = authority.issue_for_loopback(None).unwrap();
    identity.server_config().unwrap();
    tls::client_config(&authority.pem()).unwrap();
    assert!(rustls::crypto::CryptoProvider::get_default().is_none());
}

#[test]
fn a_broken_certificate_is_refused_in_words() {
    let authority = Authority::new("the test's authority").unwrap();
    let mut identity = authority.issue_for_loopback(None).unwrap();
    let other = authority.issue_for_loopback(None).unwrap();
    identity.key_pem = other.key_pem;
    let error = identity.server_config().unwrap_err().to_string();
    assert!(
        error.starts_with("certificate and key do not make a TLS server"),
        "{error}"
    );
}
