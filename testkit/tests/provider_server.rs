//! What the scripted provider accepts, remembers and can be changed to while it runs.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod provider_client;

use std::collections::BTreeMap;
use std::time::Duration;

use provider_client::{PATIENCE, ask, client, json, post, token};
use testkit::provider::{
    Accepts, Account, Authentication, Behaviour, BodyFormat, Fault, Lifetime, Provider,
    RefreshTokens, Script, TokenForm, Tokens,
};

fn accepting(accepts: Accepts) -> Provider {
    let behaviour = Behaviour {
        accepts,
        ..Behaviour::living(60.0)
    };
    Provider::plain(Script::one("/token", behaviour)).unwrap()
}

fn known_client() -> Vec<Account> {
    vec![Account {
        id: "a@b:c".into(),
        secret: "s p+/".into(),
        ..Account::default()
    }]
}

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

#[tokio::test]
async fn a_request_is_on_record_byte_for_byte() {
    let provider = Provider::plain(Script::one("/token", Behaviour::default())).unwrap();
    let request = b"POST /token?x=1 HTTP/1.1\r\nhost: here\r\nX-Odd:  two  spaces \r\n\
        Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n\
        4\r\ngran\r\n30\r\nt_type=client_credentials&client_id=a&client_sec\r\n5\r\nret=b\r\n0\r\n\r\n";
    let mut stream = tokio::net::TcpStream::connect(provider.address())
        .await
        .unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, request)
        .await
        .unwrap();
    let requests = provider
        .wait_for_requests("/token", 1, PATIENCE)
        .await
        .unwrap();
    let one = &requests[0];
    assert_eq!(one.raw(), request);
    assert_eq!(
        one.body_text(),
        "grant_type=client_credentials&client_id=a&client_secret=b"
    );
    assert_eq!(
        (one.path.as_str(), one.target.as_str()),
        ("/token", "/token?x=1")
    );
    assert_eq!(one.header("x-odd"), Some("two  spaces"));
    assert_eq!(one.form_value("client_secret").as_deref(), Some("b"));
    assert_eq!((one.number, one.connection), (0, 1));
    let answered = || provider.requests()[0].status == Some(200);
    assert!(provider.wait_until(PATIENCE, answered).await);
}

#[tokio::test]
async fn connections_are_used_again_and_counted() {
    let provider = Provider::plain(Script::one("/token", Behaviour::default())).unwrap();
    let client = client("");
    for _ in 0..3 {
        token(ask(&client, &provider.url("/token")).await).await;
    }
    let connections: Vec<u64> = provider
        .requests()
        .iter()
        .map(|one| one.connection)
        .collect();
    assert_eq!(connections, [1, 1, 1]);
    assert_eq!(
        (provider.connections_opened(), provider.connections_open()),
        (1, 1)
    );
    drop(client);
    assert!(
        provider
            .wait_until(PATIENCE, || provider.connections_open() == 0)
            .await
    );
}

#[tokio::test]
async fn a_request_that_breaks_off_is_counted_and_answered_with_nothing() {
    let provider = Provider::plain(Script::one("/token", Behaviour::default())).unwrap();
    for broken in [&b"POST /token HT"[..], b"not http at all\r\n\r\n"] {
        let mut stream = tokio::net::TcpStream::connect(provider.address())
            .await
            .unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, broken)
            .await
            .unwrap();
    }
    assert!(
        provider
            .wait_until(PATIENCE, || provider.requests_broken() == 2)
            .await
    );
    assert_eq!(provider.total(), 0);
}

#[tokio::test]
async fn waiting_for_requests_that_do_not_come_says_how_many_there_were() {
    let provider = Provider::plain(Script::default()).unwrap();
    let short = Duration::from_millis(20);
    let error = provider
        .wait_for_requests("/token", 2, short)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "waited 20ms for 2 requests to /token, there were 0"
    );
}

#[tokio::test]
async fn the_most_requests_at_one_time_are_counted_by_endpoint() {
    let slow = Behaviour {
        latency_ms: 600,
        ..Behaviour::default()
    };
    let script = Script::one("/slow", slow).with("/fast", Behaviour::default());
    let provider = Provider::plain(script).unwrap();
    let (client, url) = (client(""), provider.url("/slow"));
    let early = tokio::time::timeout(Duration::from_millis(500), ask(&client, &url)).await;
    assert!(early.is_err(), "latency holds the answer back");
    provider
        .wait_until(PATIENCE, || provider.in_flight("/slow") == 0)
        .await;
    tokio::join!(ask(&client, &url), ask(&client, &url), ask(&client, &url));
    for _ in 0..3 {
        ask(&client, &provider.url("/fast")).await;
    }
    assert_eq!(provider.max_concurrency("/slow"), 3);
    assert_eq!(provider.max_concurrency("/fast"), 1);
}

#[tokio::test]
async fn behaviour_changes_while_the_provider_runs() {
    let provider = Provider::plain(Script::one("/token", Behaviour::living(60.0))).unwrap();
    let (client, url) = (client(""), provider.url("/token"));
    provider.update("/token", |behaviour| {
        behaviour.lifetime = Lifetime::Fixed { seconds: 7.0 };
    });
    assert_eq!(json(ask(&client, &url).await).await["expires_in"], 7);
    provider.set("/new", Behaviour::living(8.0));
    let new = ask(&client, &provider.url("/new")).await;
    assert_eq!(json(new).await["expires_in"], 8);
}

#[tokio::test]
async fn an_update_does_not_bring_back_faults_that_have_struck() {
    let behaviour = Behaviour::default().with_faults([
        Some(Fault::status(500)),
        None,
        Some(Fault::status(502)),
    ]);
    let provider = Provider::plain(Script::one("/token", behaviour)).unwrap();
    let (client, url) = (client(""), provider.url("/token"));
    assert_eq!(ask(&client, &url).await.status(), 500);
    provider.update("/token", |behaviour| behaviour.latency_ms = 1);
    assert_eq!(ask(&client, &url).await.status(), 200);
    assert_eq!(ask(&client, &url).await.status(), 502);
}

#[tokio::test]
async fn a_token_is_valid_until_its_end_or_until_the_next_one_kills_it() {
    let killing = Behaviour {
        invalidates_previous: true,
        ..Behaviour::living(60.0)
    };
    let provider = Provider::plain(Script::one("/killing", killing)).unwrap();
    let client = client("");
    let first = token(ask(&client, &provider.url("/killing")).await).await;
    assert!(provider.introspect(&first).is_some());
    let second = token(ask(&client, &provider.url("/killing")).await).await;
    assert_eq!(provider.introspect(&first), None);
    assert!(provider.introspect(&second).is_some());
    assert!(provider.revoke(&second) && !provider.revoke(&second));
    assert_eq!(provider.introspect(&second), None);
    let story = provider.token(&first).unwrap();
    assert!(story.is_valid_at(story.issued));
    assert!(!story.is_valid_at(story.killed.unwrap()) && !story.is_valid_at(story.expires));
    provider.set("/ended", Behaviour::living(0.0));
    let ended = token(ask(&client, &provider.url("/ended")).await).await;
    assert_eq!(provider.introspect(&ended), None);
    assert_eq!(provider.introspect("never issued"), None);
}

#[tokio::test]
async fn a_cached_token_is_replaced_while_it_still_lives_and_another_audience_has_its_own() {
    let behaviour = Behaviour {
        lifetime: Lifetime::Cached {
            seconds: 60.0,
            until_left: 10.0,
        },
        ..Behaviour::default()
    };
    let provider = Provider::plain(Script::one("/token", behaviour)).unwrap();
    let ask_for = |audience: &'static str| {
        let form = [
            GRANT,
            ("client_id", "some-client"),
            ("client_secret", "some-secret"),
            ("audience", audience),
        ];
        let provider = &provider;
        async move {
            let (_, document) = post(provider, "/token", &form, None).await;
            document["access_token"].as_str().unwrap().to_owned()
        }
    };
    let first = ask_for("books").await;
    assert_eq!(ask_for("books").await, first);
    assert_ne!(ask_for("orders").await, first);
    provider.update("/token", |behaviour| {
        behaviour.lifetime = Lifetime::Cached {
            seconds: 60.0,
            until_left: 60.0,
        };
    });
    assert_ne!(ask_for("books").await, first);
    assert!(
        provider.introspect(&first).is_some(),
        "the old token lives on"
    );
}

#[tokio::test]
async fn lives_shrink_down_to_the_least() {
    let behaviour = Behaviour {
        lifetime: Lifetime::Shrinking {
            seconds: 50.0,
            by: 20.0,
            least: 5.0,
        },
        ..Behaviour::default()
    };
    let provider = Provider::plain(Script::one("/token", behaviour)).unwrap();
    let mut lives = Vec::new();
    for _ in 0..4 {
        let answer = ask(&client(""), &provider.url("/token")).await;
        lives.push(json(answer).await["expires_in"].as_i64().unwrap());
    }
    assert_eq!(lives, [50, 30, 10, 5]);
}

#[tokio::test]
async fn basic_is_form_encoded_or_raw_as_the_endpoint_wants_it() {
    let only = |way| Accepts {
        clients: known_client(),
        authentication: vec![way],
        ..Accepts::default()
    };
    let (form, raw) = (("a%40b%3Ac", "s+p%2B%2F"), ("a@b", "c:s p+/"));
    let strict = accepting(only(Authentication::Basic));
    assert_eq!(post(&strict, "/token", &[GRANT], Some(form)).await.0, 200);
    let (status, document) = post(&strict, "/token", &[GRANT], Some(raw)).await;
    assert_eq!(
        (status, &document["error"]),
        (401, &"invalid_client".into())
    );
    let lenient = accepting(Accepts {
        clients: vec![Account {
            id: "a@b".into(),
            secret: "c:s p+/".into(),
            ..Account::default()
        }],
        ..only(Authentication::BasicRaw)
    });
    assert_eq!(post(&lenient, "/token", &[GRANT], Some(raw)).await.0, 200);
    assert_eq!(post(&lenient, "/token", &[GRANT], Some(form)).await.0, 401);
}

#[tokio::test]
async fn a_refused_basic_header_is_answered_with_a_challenge() {
    let provider = accepting(Accepts {
        clients: known_client(),
        ..Accepts::default()
    });
    let request = client("").post(provider.url("/token")).form(&[GRANT]);
    let answer = request
        .basic_auth("nobody", Some("x"))
        .send()
        .await
        .unwrap();
    assert_eq!(
        answer.headers()["www-authenticate"],
        "Basic realm=\"scripted\""
    );
    let why = provider.requests()[0].refused.clone().unwrap();
    assert_eq!(why, "the client is not known or its secret is wrong");
}

#[tokio::test]
async fn credentials_in_headers_and_in_the_query_are_taken_where_they_are_accepted() {
    let provider = accepting(Accepts {
        methods: vec!["GET".into(), "POST".into()],
        formats: vec![BodyFormat::Query],
        authentication: vec![
            Authentication::Post,
            Authentication::Headers {
                id: "client_id".into(),
                secret: "client_secret".into(),
            },
        ],
        clients: known_client(),
        headers: BTreeMap::from([("subscription-key".to_owned(), "k".to_owned())]),
        ..Accepts::default()
    });
    let url = provider.url("/token?grant_type=client_credentials");
    let send = |request: reqwest::RequestBuilder| async { request.send().await.unwrap().status() };
    let by_header = client("")
        .post(&url)
        .header("client_id", "a@b:c")
        .header("client_secret", "s p+/");
    assert_eq!(
        send(by_header.try_clone().unwrap()).await,
        400,
        "the other header is missing"
    );
    assert_eq!(send(by_header.header("subscription-key", "k")).await, 200);
    let by_query = format!("{url}&client_id=a%40b%3Ac&client_secret=s+p%2B%2F");
    assert_eq!(
        send(client("").get(&by_query).header("subscription-key", "k")).await,
        200
    );
    let plain = accepting(Accepts::default());
    let answer = client("")
        .post(format!("{}?client_secret=x", plain.url("/token")))
        .form(&[GRANT]);
    assert_eq!(
        send(answer.basic_auth("a", Some("b"))).await,
        400,
        "a secret in the query is refused"
    );
}

#[tokio::test]
async fn refresh_tokens_rotate_and_one_used_twice_kills_its_family() {
    let behaviour = Behaviour {
        refresh_tokens: RefreshTokens {
            issue: true,
            rotate: true,
            grace_seconds: 0.0,
        },
        ..Behaviour::living(60.0)
    };
    let provider = Provider::plain(Script::one("/token", behaviour)).unwrap();
    let refresh = |token: String| {
        let provider = &provider;
        async move {
            let form = [
                ("grant_type", "refresh_token"),
                ("refresh_token", token.as_str()),
                ("client_id", "some-client"),
                ("client_secret", "some-secret"),
            ];
            let (status, document) = post(provider, "/token", &form, None).await;
            (
                status,
                document["refresh_token"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
            )
        }
    };
    let document = json(ask(&client(""), &provider.url("/token")).await).await;
    let first = document["refresh_token"].as_str().unwrap().to_owned();
    let (status, second) = refresh(first.clone()).await;
    assert_eq!(status, 200);
    assert_eq!(refresh(first).await.0, 400, "it was spent");
    assert_eq!(
        refresh(second).await.0,
        400,
        "and its successor died with it"
    );
}

#[tokio::test]
async fn a_token_can_be_a_jwt_with_its_own_end() {
    let behaviour = Behaviour {
        tokens: Tokens {
            form: TokenForm::Jwt,
            ..Tokens::default()
        },
        ..Behaviour::living(60.0)
    };
    let provider = Provider::plain(Script::one("/token", behaviour)).unwrap();
    let token = token(ask(&client(""), &provider.url("/token")).await).await;
    let claims = token.split('.').nth(1).unwrap();
    let claims = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims);
    let claims: serde_json::Value = serde_json::from_slice(&claims.unwrap()).unwrap();
    let end = provider.introspect(&token).unwrap().as_second();
    assert_eq!(claims["exp"], end);
}

#[tokio::test]
async fn a_long_run_takes_requests_once_and_forgets_tokens_that_have_ended() {
    let behaviour = Behaviour::living(0.2);
    let provider = Provider::plain(Script::one("/token", behaviour)).unwrap();
    let url = provider.url("/token");
    let first = token(ask(&client(""), &url).await).await;
    let later = jiff::Timestamp::MAX;
    assert!(provider.take_requests(jiff::Timestamp::MIN).is_empty());
    let taken = provider.take_requests(later);
    assert_eq!((taken.len(), taken[0].number), (1, 0));
    assert_eq!(taken[0].token.as_deref(), Some(first.as_str()));
    assert!(provider.take_requests(later).is_empty());

    let second = token(ask(&client(""), &url).await).await;
    let taken = provider.take_requests(later);
    assert_eq!((taken.len(), taken[0].number), (1, 1), "numbers go on");
    assert_eq!((provider.count("/token"), provider.total()), (2, 2));
    let ends = provider.token(&second).unwrap().expires;
    provider.forget_tokens(ends);
    assert!(provider.token(&first).is_none() && provider.token(&second).is_some());
    let third = token(ask(&client(""), &url).await).await;
    assert!(
        third.contains("-3-"),
        "tokens are still told apart: {third}"
    );
    let known: Vec<String> = provider
        .tokens("/token")
        .into_iter()
        .map(|known| known.token)
        .collect();
    assert_eq!(known, [second, third]);
}
