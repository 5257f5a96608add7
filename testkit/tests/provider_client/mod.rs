//! A client for the tests of the scripted provider.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(
    dead_code,
    unreachable_pub,
    reason = "every test binary takes what it needs"
)]

use std::time::Duration;

use serde_json::Value;
use testkit::provider::Provider;
use testkit::tls;

/// How long anything here may take.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A client that trusts this PEM text alone, follows no redirect and gives up after [`PATIENCE`].
pub fn client(ca_pem: &str) -> reqwest::Client {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls::client_config(ca_pem).unwrap())
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
        .build()
        .unwrap()
}

/// A client credentials request with the secret in the body.
pub async fn ask(client: &reqwest::Client, url: &str) -> reqwest::Response {
    try_ask(client, url).await.unwrap()
}

/// The same, where it may fail.
pub async fn try_ask(
    client: &reqwest::Client,
    url: &str,
) -> Result<reqwest::Response, reqwest::Error> {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "some-client"),
        ("client_secret", "some-secret"),
    ];
    client.post(url).form(&form).send().await
}

/// The response's document.
pub async fn json(answer: reqwest::Response) -> Value {
    answer.json().await.unwrap()
}

/// The response's token.
pub async fn token(answer: reqwest::Response) -> String {
    json(answer).await["access_token"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// Status and document of a form request to `path`, with or without Basic.
pub async fn post(
    provider: &Provider,
    path: &str,
    form: &[(&str, &str)],
    basic: Option<(&str, &str)>,
) -> (u16, Value) {
    let mut request = client("").post(provider.url(path)).form(form);
    if let Some((id, secret)) = basic {
        request = request.basic_auth(id, Some(secret));
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap())
}
