//! An OAuth server that we did not write takes what RFC 6749 says, and nothing else.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod provider_client;

use provider_client::client;
use serde_json::Value;
use testkit::oidc::{Client, Event, Method, OidcProvider, Options};
use testkit::tls::Authority;

/// Every printable ASCII character that encodings trip over.
const ID: &str = "user@example.com:client +%&=/?#";
const SECRET: &str = "s3:cret/ +%&=?#~!*'()\"<>[]{}|\\^`;,$@";

fn client_with(method: Method) -> Client {
    Client {
        id: ID.into(),
        secret: SECRET.into(),
        method,
        ..Client::default()
    }
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[tokio::test]
async fn form_encoded_basic_is_understood_and_raw_basic_is_not() {
    let options = Options {
        clients: vec![client_with(Method::ClientSecretBasic)],
        ..Options::default()
    };
    let server = OidcProvider::start(options, None).await.unwrap();
    let request = client("")
        .post(server.token_endpoint())
        .form(&[("grant_type", "client_credentials"), ("scope", "read")]);
    let raw = request.try_clone().unwrap().basic_auth(ID, Some(SECRET));
    assert_ne!(answer(raw).await.0, 200);
    let form = request.basic_auth(encoded(ID), Some(encoded(SECRET)));
    let (status, document) = answer(form).await;
    assert_eq!(status, 200, "{document}");
    assert_eq!(
        (&document["expires_in"], &document["scope"]),
        (&600.into(), &"read".into())
    );
    let about = server
        .introspect(document["access_token"].as_str().unwrap())
        .await
        .unwrap();
    assert_eq!(
        (&about["active"], &about["client_id"]),
        (&true.into(), &ID.into())
    );
    assert_eq!(
        server.introspect("no such token").await.unwrap()["active"],
        false
    );
    let events = server.events().unwrap();
    assert!(matches!(events[0], Event::Refused { .. }), "{events:?}");
    assert_eq!(events[1], Event::Granted { client: ID.into() });
}

#[tokio::test]
async fn the_secret_in_the_body_and_a_resource_are_understood_over_tls() {
    let options = Options {
        clients: vec![client_with(Method::ClientSecretPost)],
        resource_indicators: true,
        lifetime_seconds: 30,
        ..Options::default()
    };
    let authority = Authority::new("the test's authority").unwrap();
    let server = OidcProvider::start(options, Some(&authority))
        .await
        .unwrap();
    assert!(server.issuer().starts_with("https://127.0.0.1:"));
    let ask = |resource: &'static str| {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", ID),
            ("client_secret", SECRET),
            ("scope", "write"),
            ("resource", resource),
        ];
        answer(
            client(&authority.pem())
                .post(server.token_endpoint())
                .form(&form),
        )
    };
    let (status, document) = ask("https://api.example.com/books").await;
    assert_eq!(
        (status, &document["expires_in"]),
        (200, &30.into()),
        "{document}"
    );
    let about = server
        .introspect(document["access_token"].as_str().unwrap())
        .await
        .unwrap();
    assert_eq!(about["aud"], "https://api.example.com/books");
    let (status, document) = ask("https://elsewhere.example/").await;
    assert_eq!(
        (status, &document["error"]),
        (400, &"invalid_target".into())
    );
}

#[tokio::test]
async fn a_refresh_token_works_once_and_using_it_again_ends_its_family() {
    let knows = client_with(Method::ClientSecretPost);
    let options = Options {
        clients: vec![knows.clone()],
        login: true,
        rotate: true,
        ..Options::default()
    };
    let server = OidcProvider::start(options, None).await.unwrap();
    let spend = async |token: &str| {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
        server.ask(&knows, &form).await.unwrap()
    };
    let first = server.consent(ID).await.unwrap();
    let (status, answer) = spend(&first).await;
    assert_eq!(status, 200, "{answer}");
    let second = answer["refresh_token"].as_str().unwrap();
    assert_ne!(first, second);
    let token = answer["access_token"].as_str().unwrap();
    assert_eq!(server.introspect(token).await.unwrap()["active"], true);
    for dead in [first.as_str(), second] {
        let (status, answer) = spend(dead).await;
        assert_eq!(
            (status, &answer["error"]),
            (400, &"invalid_grant".into()),
            "{answer}"
        );
    }
    assert_eq!(server.introspect(token).await.unwrap()["active"], false);
    assert!(server.consent("nobody").await.is_err());
}
