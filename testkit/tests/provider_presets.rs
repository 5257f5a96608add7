//! The four presets behave as the providers that they are named after.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod provider_client;

use std::time::Duration;

use provider_client::{client, post};
use serde_json::{Value, json};
use testkit::provider::{Account, Lifetimes, Preset, Provider, Script};

/// One preset on a server of its own, at the real provider's path.
struct One {
    provider: Provider,
    preset: Preset,
    account: Account,
}

impl One {
    fn start(preset: Preset, lifetimes: Lifetimes) -> One {
        let script = Script::one(preset.path(), preset.behaviour(lifetimes));
        One {
            provider: Provider::plain(script).unwrap(),
            preset,
            account: preset.account(),
        }
    }

    /// Identifier and secret in the body.
    async fn post(&self, more: &[(&str, &str)]) -> (u16, Value) {
        let credentials = [
            ("client_id", self.account.id.as_str()),
            ("client_secret", &self.account.secret),
        ];
        let form = [&credentials, more].concat();
        post(&self.provider, self.preset.path(), &form, None).await
    }

    async fn form(&self, form: &[(&str, &str)], basic: Option<(&str, &str)>) -> (u16, Value) {
        post(&self.provider, self.preset.path(), form, basic).await
    }

    async fn json(&self, document: &Value) -> (u16, Value) {
        let url = self.provider.url(self.preset.path());
        let answer = client("").post(url).json(document).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    fn valid(&self, document: &Value) -> bool {
        let token = document["access_token"].as_str().unwrap();
        self.provider.introspect(token).is_some()
    }
}

/// Form encoding, as RFC 6749 section 2.3.1 requires.
fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

const CLIENT_CREDENTIALS: (&str, &str) = ("grant_type", "client_credentials");
const AUDIENCE: (&str, &str) = ("audience", "https://api.bokbasen.io/metadata/");
const RESOURCE: (&str, &str) = ("resource", "https://api.kognif.ai");

fn error(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

fn refusal((status, document): (u16, Value)) -> (u16, String) {
    (
        status,
        document["error"].as_str().unwrap_or_default().to_owned(),
    )
}

#[tokio::test]
async fn barentswatch_gives_half_a_day_for_a_password_and_a_week_for_the_client() {
    let one = One::start(Preset::BarentsWatch, Lifetimes::Real);
    let owner = [
        ("grant_type", "password"),
        ("username", "user@example.com"),
        ("password", "pass word&1"),
    ];
    let (status, document) = one.post(&owner).await;
    assert_eq!(status, 200, "{document}");
    assert_eq!(document["expires_in"], 43199);
    assert_eq!(document["token_type"], "bearer");
    assert!(one.valid(&document));
    let (status, document) = one.post(&[CLIENT_CREDENTIALS]).await;
    assert_eq!((status, &document["expires_in"]), (200, &json!(604_800)));
}

#[tokio::test]
async fn barentswatch_tells_a_wrong_password_from_a_wrong_client() {
    let one = One::start(Preset::BarentsWatch, Lifetimes::Real);
    let wrong = [
        ("grant_type", "password"),
        ("username", "user@example.com"),
        ("password", "wrong"),
    ];
    assert_eq!(refusal(one.post(&wrong).await), error(400, "invalid_grant"));
    let stranger = [
        CLIENT_CREDENTIALS,
        ("client_id", "user@example.com"),
        ("client_secret", "x"),
    ];
    assert_eq!(
        refusal(one.form(&stranger, None).await),
        error(400, "invalid_client")
    );
    let (id, secret) = (encoded(&one.account.id), encoded(&one.account.secret));
    let basic = one.form(&[CLIENT_CREDENTIALS], Some((&id, &secret))).await;
    assert_eq!(
        refusal(basic),
        error(400, "invalid_client"),
        "Basic is not accepted, even with the right secret"
    );
    let as_json = json!({
        "grant_type": "client_credentials",
        "client_id": one.account.id,
        "client_secret": one.account.secret,
    });
    assert_eq!(
        refusal(one.json(&as_json).await),
        error(400, "invalid_request")
    );
}

#[tokio::test]
async fn bokbasen_hands_out_one_token_that_counts_down_until_its_window_opens() {
    let one = One::start(Preset::Bokbasen, Lifetimes::Scaled(1e-4 / 2.0));
    // 86,400 s become 4.32 s, and 600 s become 30 ms.
    let ask = || async { one.post(&[CLIENT_CREDENTIALS, AUDIENCE]).await.1 };
    let first = ask().await;
    assert_eq!(first["expires_in"], 4);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let again = ask().await;
    assert_eq!(again["access_token"], first["access_token"]);
    assert!((1..4).contains(&again["expires_in"].as_i64().unwrap()));
    tokio::time::sleep(Duration::from_millis(2900)).await;
    let next = ask().await;
    assert_ne!(next["access_token"], first["access_token"]);
    assert_eq!(next["expires_in"], 4);
    assert!(one.valid(&next) && !one.valid(&first));
}

#[tokio::test]
async fn bokbasen_takes_form_and_json_and_wants_an_audience_that_the_client_may_have() {
    let one = One::start(Preset::Bokbasen, Lifetimes::Real);
    let mut document = json!({
        "grant_type": "client_credentials",
        "client_id": one.account.id,
        "client_secret": one.account.secret,
        "audience": AUDIENCE.1,
    });
    assert_eq!(one.json(&document).await.0, 200);
    document["client_secret"] = json!("wrong");
    assert_eq!(
        refusal(one.json(&document).await),
        error(401, "invalid_client")
    );
    assert_eq!(
        refusal(one.post(&[CLIENT_CREDENTIALS]).await),
        error(401, "invalid_request")
    );
    let other = ("audience", "https://api.bokbasen.io/orders/");
    assert_eq!(
        refusal(one.post(&[CLIENT_CREDENTIALS, other]).await),
        error(403, "access_denied")
    );
}

#[tokio::test]
async fn kongsberg_writes_every_time_as_a_string() {
    let one = One::start(Preset::Kongsberg, Lifetimes::Real);
    let (status, document) = one.post(&[CLIENT_CREDENTIALS, RESOURCE]).await;
    assert_eq!(status, 200, "{document}");
    assert_eq!(document["expires_in"], "3599");
    assert_eq!(document["ext_expires_in"], "3599");
    assert_eq!(document["resource"], RESOURCE.1);
    let epoch = |name: &str| document[name].as_str().unwrap().parse::<i64>().unwrap();
    assert_eq!(epoch("expires_on") - epoch("not_before"), 3599);
    assert_eq!(
        refusal(one.post(&[CLIENT_CREDENTIALS]).await),
        error(401, "invalid_resource")
    );
    let wrong = [
        CLIENT_CREDENTIALS,
        RESOURCE,
        ("client_id", &one.account.id),
        ("client_secret", "wrong"),
    ];
    assert_eq!(
        refusal(one.form(&wrong, None).await),
        error(401, "invalid_client")
    );
}

#[tokio::test]
async fn feide_wants_form_encoded_basic_and_gives_no_token_type() {
    let one = One::start(Preset::Feide, Lifetimes::Real);
    let (id, secret) = (encoded(&one.account.id), encoded(&one.account.secret));
    let form = [CLIENT_CREDENTIALS, ("scope", "groups")];
    let (status, document) = one.form(&form, Some((&id, &secret))).await;
    assert_eq!(status, 200, "{document}");
    assert!(document.get("token_type").is_none());
    assert_eq!(document["scope"], "groups");
    assert!(one.valid(&document));
    let raw = one
        .form(&form, Some((&one.account.id, &one.account.secret)))
        .await;
    assert_eq!(
        refusal(raw),
        error(401, "invalid_client"),
        "a secret that is not form-encoded is refused"
    );
    assert_eq!(refusal(one.post(&form).await), error(401, "invalid_client"));
    let no_such = [CLIENT_CREDENTIALS, ("scope", "everything")];
    assert_eq!(
        refusal(one.form(&no_such, Some((&id, &secret))).await),
        error(400, "invalid_scope")
    );
}

#[tokio::test]
async fn no_preset_takes_secrets_twice_an_unknown_grant_or_an_empty_parameter() {
    for preset in Preset::ALL {
        let one = One::start(preset, Lifetimes::Real);
        let (id, secret) = (encoded(&one.account.id), encoded(&one.account.secret));
        let basic = (preset == Preset::Feide).then_some((id.as_str(), secret.as_str()));
        let with = |more: &[(&str, &str)]| {
            let mut form = match basic {
                Some(_) => Vec::new(),
                None => vec![
                    ("client_id".to_owned(), one.account.id.clone()),
                    ("client_secret".to_owned(), one.account.secret.clone()),
                ],
            };
            form.extend(
                [AUDIENCE, RESOURCE].map(|(name, value)| (name.to_owned(), value.to_owned())),
            );
            form.extend(
                more.iter()
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
            );
            form
        };
        let status = |form: Vec<(String, String)>, basic: Option<(&str, &str)>| {
            let basic = basic.map(|(id, secret)| (id.to_owned(), secret.to_owned()));
            let one = &one;
            async move {
                let form: Vec<(&str, &str)> = form
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_str()))
                    .collect();
                let basic = basic
                    .as_ref()
                    .map(|(id, secret)| (id.as_str(), secret.as_str()));
                refusal(one.form(&form, basic).await)
            }
        };
        assert_eq!(
            status(with(&[CLIENT_CREDENTIALS]), basic).await.0,
            200,
            "{preset:?}"
        );
        let unknown = status(with(&[("grant_type", "magic")]), basic).await;
        assert_eq!(unknown.1, "unsupported_grant_type", "{preset:?}");
        let empty = status(with(&[CLIENT_CREDENTIALS, ("scope", "")]), basic).await;
        assert_eq!(empty.1, "invalid_request", "{preset:?}");
        let twice = status(with(&[CLIENT_CREDENTIALS, CLIENT_CREDENTIALS]), basic).await;
        assert_eq!(twice.1, "invalid_request", "{preset:?}");
        let both = with(&[CLIENT_CREDENTIALS, ("client_secret", &one.account.secret)]);
        let both = status(both, Some((&id, &secret))).await;
        assert_eq!(both.1, "invalid_request", "{preset:?}");
    }
}

#[tokio::test]
async fn all_four_live_on_one_server_and_short_lives_keep_their_shape() {
    let provider = Provider::plain(Preset::all_on_one(Lifetimes::Short)).unwrap();
    let account = Preset::Kongsberg.account();
    let form = [
        CLIENT_CREDENTIALS,
        RESOURCE,
        ("client_id", &account.id),
        ("client_secret", &account.secret),
    ];
    let path = "/kongsberg/TENANT/oauth2/token";
    let (status, document) = post(&provider, path, &form, None).await;
    assert_eq!((status, &document["expires_in"]), (200, &json!("20")));
    let (status, _) = post(&provider, "/feide/oauth/token", &form, None).await;
    assert_eq!(
        status, 401,
        "one provider's client is a stranger at another"
    );
    let (status, _) = post(&provider, "/oauth/token", &form, None).await;
    assert_eq!(status, 404);
    assert_eq!((provider.count(path), provider.total()), (1, 3));
}
