//! The scripted provider responds in every shape that real ones use.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod provider_client;

use provider_client::{ask, client, json};
use serde_json::{Value, json};
use testkit::provider::{
    Behaviour, Encoding, Provider, Script, Shape, TimeField, TimeUnit, Written,
};

async fn shaped(shape: Shape) -> (Provider, reqwest::Response) {
    let behaviour = Behaviour {
        shape,
        ..Behaviour::living(3599.0)
    };
    let provider = Provider::plain(Script::one("/token", behaviour)).unwrap();
    let answer = ask(&client(""), &provider.url("/token")).await;
    (provider, answer)
}

async fn expiry(field: TimeField) -> Value {
    let pointer = field.pointer.clone();
    let (_provider, answer) = shaped(Shape {
        times: vec![field],
        ..Shape::default()
    })
    .await;
    json(answer).await.pointer(&pointer).unwrap().clone()
}

#[tokio::test]
async fn a_plain_answer_is_what_rfc_6749_shows() {
    let (provider, answer) = shaped(Shape::default()).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/json");
    let document = json(answer).await;
    let token = document["access_token"].as_str().unwrap();
    assert!(token.starts_with("scripted-token-1-"), "{token}");
    assert_eq!(document["token_type"], "Bearer");
    assert_eq!(document["expires_in"], 3599);
    assert!(
        provider.introspect(token).is_some(),
        "the token it handed out is valid"
    );
}

#[tokio::test]
async fn a_lifetime_is_written_as_a_number_text_float_or_null() {
    let expires_in = TimeField::expires_in;
    assert_eq!(expiry(expires_in(Written::Text)).await, json!("3599"));
    assert_eq!(expiry(expires_in(Written::Float)).await, json!(3599.0));
    assert_eq!(expiry(expires_in(Written::Null)).await, Value::Null);
    let literal = Written::Literal(json!("60abc"));
    assert_eq!(expiry(expires_in(literal)).await, json!("60abc"));
    let milliseconds = TimeField::end("/ttl", TimeUnit::Milliseconds, Written::Number);
    assert_eq!(expiry(milliseconds).await, json!(3_599_000));
}

#[tokio::test]
async fn an_end_is_written_as_an_epoch_or_rfc_3339() {
    let behaviour = Behaviour {
        shape: Shape {
            times: vec![
                TimeField::end("/expires_on", TimeUnit::EpochSeconds, Written::Text),
                TimeField::end("/ms", TimeUnit::EpochMilliseconds, Written::Number),
                TimeField::end("/expires_at", TimeUnit::Rfc3339, Written::Text),
            ],
            ..Shape::default()
        },
        clock_skew_seconds: 7,
        ..Behaviour::living(60.0)
    };
    let provider = Provider::plain(Script::one("/token", behaviour)).unwrap();
    let document = json(ask(&client(""), &provider.url("/token")).await).await;
    let token = document["access_token"].as_str().unwrap();
    // The provider's clock is 7 s ahead, so it reports a later expiry than the real one.
    let end = provider.introspect(token).unwrap().as_second() + 7;
    assert_eq!(document["expires_on"], end.to_string());
    assert_eq!(document["ms"].as_i64().unwrap() / 1000, end);
    let at: jiff::Timestamp = document["expires_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(at.as_second(), end);
    assert!(document.get("expires_in").is_none());
}

#[tokio::test]
async fn a_token_stands_under_another_path_or_is_the_whole_document() {
    let nested = Shape {
        access_token: "/value/token".into(),
        token_type: None,
        ..Shape::default()
    };
    let (_provider, answer) = shaped(nested).await;
    let document = json(answer).await;
    assert!(document["value"]["token"].is_string());
    assert!(document.get("token_type").is_none());
    let whole = Shape {
        access_token: String::new(),
        ..Shape::default()
    };
    let (_provider, answer) = shaped(whole).await;
    assert!(json(answer).await.is_string());
}

#[tokio::test]
async fn a_body_is_form_encoded_or_the_bare_token_and_the_status_may_be_201() {
    let form = Shape {
        encoding: Encoding::Form,
        status: 201,
        ..Shape::default()
    };
    let (_provider, answer) = shaped(form).await;
    assert_eq!(answer.status(), 201);
    let media_type = answer.headers()["content-type"].to_str().unwrap();
    assert_eq!(media_type, "application/x-www-form-urlencoded");
    let text = answer.text().await.unwrap();
    assert!(text.contains("expires_in=3599") && text.contains("access_token=scripted-token-1-"));
    let bare = Shape {
        encoding: Encoding::Bare,
        ..Shape::default()
    };
    let (provider, answer) = shaped(bare).await;
    assert_eq!(answer.headers()["content-type"], "text/plain");
    let token = answer.text().await.unwrap();
    assert!(provider.introspect(&token).is_some());
}

#[tokio::test]
async fn chunked_and_compressed_bodies_read_as_plain_ones() {
    let shape = Shape {
        chunked: true,
        gzip: true,
        extra: [("instance_url".to_owned(), json!("https://x.invalid"))]
            .into_iter()
            .collect(),
        ..Shape::default()
    };
    let (provider, answer) = shaped(shape).await;
    let document = json(answer).await;
    assert_eq!(document["instance_url"], "https://x.invalid");
    assert!(
        provider
            .introspect(document["access_token"].as_str().unwrap())
            .is_some()
    );
}
