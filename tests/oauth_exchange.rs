//! Whole exchanges without Kubernetes: a request built as data, sent by the real sender to a provider, the answer decoded.
//! The four first providers, every spoilt answer, and a server that we did not write.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests fail as tests do"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use oauthclient_operator::clock::Clock;
use oauthclient_operator::http::address::AddressRules;
use oauthclient_operator::http::{CaBundle, Route, Sender, SenderOptions};
use oauthclient_operator::oauth::{
    BasicEncoding, Client, ClientAuthentication, CredentialKeys, Credentials, ErrorCode,
    ExpiryShape, ExpiryUnit, FailureClass, Format, Grant, Lifetime, Method, Parameter,
    ParameterValue, RequestContext, ResponseShape, Token, TokenError, request, response,
};
use oauthclient_operator::secret::Secret;
use oauthclient_operator::time::Span;
use oauthclient_operator::trust::{Lenders, authorize};
use testkit::oidc::{self, OidcProvider};
use testkit::provider::{
    Behaviour, Encoding, Fault, Lifetimes, Place, Preset, Provider, Script, TimeField, TimeUnit,
    Written,
};
use testkit::tls::Authority;

const PATH: &str = "/token";
const BASIC: ClientAuthentication = ClientAuthentication::ClientSecretBasic {
    encoding: BasicEncoding::FormEncoded,
};

fn client(url: &str) -> Client {
    Client {
        token_url: url.parse().unwrap(),
        issuer: None,
        grant: Grant::ClientCredentials,
        shows_certificate: false,
        client_id: None,
        authentication: ClientAuthentication::ClientSecretPost,
        keys: CredentialKeys::default(),
        dpop: false,
        empty_secret: false,
        scopes: vec![],
        scope_separator: " ".into(),
        parameters: vec![],
        headers: vec![],
        format: Format::Form,
        method: Method::Post,
        response: ResponseShape::default(),
    }
}

fn parameter(name: &str, value: &str) -> Parameter {
    Parameter {
        name: name.into(),
        value: ParameterValue::Fixed(value.into()),
        place: Default::default(),
    }
}

fn credentials(pairs: &[(&str, &str)]) -> Credentials {
    let pairs = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), Secret::from(*value)));
    Credentials::new(pairs.collect::<BTreeMap<_, _>>(), Lenders::none())
}

/// Builds, sends, decodes.
async fn exchange(
    client: &Client,
    credentials: &Credentials,
    ca: Option<&Authority>,
) -> Result<Token, TokenError> {
    let sender = Sender::new(SenderOptions {
        allow_http: true,
        addresses: AddressRules {
            allow_loopback: true,
            ..AddressRules::default()
        },
        ..SenderOptions::default()
    })
    .unwrap();
    let ca = ca.map(|ca| CaBundle::from_pem(ca.pem().as_bytes()).unwrap());
    let (clock, nonce) = (Clock::system(), Clock::system().nonce());
    let context = RequestContext::new(clock.now(), &nonce);
    let request =
        request::build(client, credentials, &context).unwrap_or_else(|problem| panic!("{problem}"));
    let route = Route {
        ca,
        identity: None,
        timeout: Duration::from_secs(10),
    };
    let request = authorize(&request, &Lenders::none()).unwrap_or_else(|why| panic!("{why:?}"));
    let answer = sender
        .send(&request, &route)
        .await
        .unwrap_or_else(|error| panic!("{error:?}"));
    response::decode(&client.response, &answer, Clock::system().now())
}

fn good(result: Result<Token, TokenError>) -> Token {
    result.unwrap_or_else(|error| panic!("{error:?}"))
}

fn bad(result: Result<Token, TokenError>) -> TokenError {
    match result {
        Ok(_) => panic!("a token came back"),
        Err(error) => error,
    }
}

fn seconds(token: &Token) -> i64 {
    match token.lifetime {
        Some(Lifetime::For(span)) => span.seconds(),
        other => panic!("{other:?} is no relative lifetime"),
    }
}

/// The four providers on one server, over TLS, with lifetimes as in life.
fn providers() -> (Provider, Authority) {
    let authority = Authority::new("providers").unwrap();
    (
        Provider::tls(Preset::all_on_one(Lifetimes::Real), &authority).unwrap(),
        authority,
    )
}

fn client_of(provider: &Provider, preset: Preset) -> (Client, Credentials) {
    let account = preset.account();
    let client = client(&provider.url(&preset.prefixed_path()));
    (
        client,
        credentials(&[
            ("client_id", &account.id),
            ("client_secret", &account.secret),
        ]),
    )
}

#[tokio::test]
async fn barentswatch_gives_a_token_for_both_grants() {
    let (provider, authority) = providers();
    let (client, mut secrets) = client_of(&provider, Preset::BarentsWatch);
    let token = good(exchange(&client, &secrets, Some(&authority)).await);
    assert_eq!(
        (token.token_type.as_str(), seconds(&token)),
        ("Bearer", 604_800)
    );

    let (user, password) = Preset::BarentsWatch.account().users.pop_first().unwrap();
    secrets.insert("username".into(), user.into(), &Lenders::none());
    secrets.insert("password".into(), password.into(), &Lenders::none());
    let client = Client {
        grant: Grant::Password,
        ..client
    };
    let token = good(exchange(&client, &secrets, Some(&authority)).await);
    assert_eq!(seconds(&token), 43_199);

    secrets.insert("password".into(), "wrong".into(), &Lenders::none());
    let error = bad(exchange(&client, &secrets, Some(&authority)).await);
    assert_eq!(
        (error.reason(), error.class(&client.grant)),
        ("InvalidGrant", FailureClass::NeedsPerson)
    );
}

#[tokio::test]
async fn bokbasen_gives_the_same_token_again_in_both_formats() {
    let (provider, authority) = providers();
    let (client, secrets) = client_of(&provider, Preset::Bokbasen);
    let without_audience = bad(exchange(&client, &secrets, Some(&authority)).await);
    assert_eq!(
        without_audience.class(&client.grant),
        FailureClass::Permanent
    );

    let parameters = vec![parameter("audience", "https://api.bokbasen.io/metadata/")];
    let form = Client {
        parameters,
        ..client
    };
    let json = Client {
        format: Format::Json,
        ..form.clone()
    };
    let first = good(exchange(&form, &secrets, Some(&authority)).await);
    let second = good(exchange(&json, &secrets, Some(&authority)).await);
    assert!(
        first.access_token == second.access_token,
        "one cached token"
    );
    assert!(seconds(&second) <= seconds(&first));

    let other = Client {
        parameters: vec![parameter("audience", "https://other.example/")],
        ..json
    };
    let error = bad(exchange(&other, &secrets, Some(&authority)).await);
    let is_denied = matches!(
        error,
        TokenError::Refused {
            status: 403,
            code: ErrorCode::AccessDenied,
            retry_after: None,
            ..
        }
    );
    assert!(is_denied, "{error:?}");
}

#[tokio::test]
async fn kongsberg_tells_all_times_as_strings() {
    let (provider, authority) = providers();
    let (client, secrets) = client_of(&provider, Preset::Kongsberg);
    let client = Client {
        parameters: vec![parameter("resource", "https://api.kognif.ai")],
        ..client
    };
    let token = good(exchange(&client, &secrets, Some(&authority)).await);
    assert_eq!(seconds(&token), 3599);
    assert!(token.remarks.is_empty(), "{:?}", token.remarks);

    let mut wrong = secrets.clone();
    wrong.insert("client_secret".into(), "wrong".into(), &Lenders::none());
    let error = bad(exchange(&client, &wrong, Some(&authority)).await);
    assert_eq!(error.class(&client.grant), FailureClass::Permanent);
}

#[tokio::test]
async fn feide_takes_basic_and_tells_no_token_type() {
    let (provider, authority) = providers();
    let (client, secrets) = client_of(&provider, Preset::Feide);
    let client = Client {
        authentication: BASIC,
        scopes: vec!["profile".into(), "email".into()],
        ..client
    };
    let token = good(exchange(&client, &secrets, Some(&authority)).await);
    assert_eq!(
        (token.token_type.as_str(), token.scope.as_deref()),
        ("Bearer", Some("profile email"))
    );

    let post = Client {
        authentication: ClientAuthentication::ClientSecretPost,
        ..client
    };
    assert_eq!(
        bad(exchange(&post, &secrets, Some(&authority)).await).reason(),
        "InvalidClient"
    );
}

/// What a provider's answer becomes.
async fn decoded(behaviour: Behaviour, shape: ResponseShape) -> Result<Token, TokenError> {
    let provider = Provider::plain(Script::one(PATH, behaviour)).unwrap();
    let client = Client {
        response: shape,
        ..client(&provider.url(PATH))
    };
    exchange(
        &client,
        &credentials(&[("client_id", "me"), ("client_secret", "s")]),
        None,
    )
    .await
}

async fn faulty(fault: Fault) -> Result<Token, TokenError> {
    decoded(
        Behaviour::default().with_fault(fault),
        ResponseShape::default(),
    )
    .await
}

#[tokio::test]
async fn spoilt_answers_publish_nothing() {
    for fault in [
        Fault::Html,
        Fault::InvalidUtf8,
        Fault::TokenWith {
            text: "\r\n".into(),
            at: Place::Middle,
        },
        Fault::TokenWith {
            text: "\0".into(),
            at: Place::Start,
        },
        Fault::TokenWith {
            text: "\n".into(),
            at: Place::End,
        },
        Fault::DuplicateKeys,
        Fault::Nesting { levels: 10_000 },
        Fault::WithoutToken,
    ] {
        let error = bad(faulty(fault.clone()).await);
        assert_eq!(error.reason(), "UnusableResponse", "{fault:?}");
    }
    good(faulty(Fault::ByteOrderMark).await);
}

#[tokio::test]
async fn refusals_are_told_apart() {
    for (code, reason) in [
        ("invalid_client", "InvalidClient"),
        ("invalid_grant", "InvalidGrant"),
        ("invalid_scope", "InvalidScope"),
        ("server_error", "ServerError"),
        ("something_secret", "RequestRefused"),
    ] {
        assert_eq!(bad(faulty(Fault::error(code)).await).reason(), reason);
    }
    let slack = bad(faulty(Fault::NotOk {
        code: "ratelimited".into(),
    })
    .await);
    assert_eq!(slack.reason(), "RateLimited");
    for (value, wait) in [
        ("120", Some(120)),
        ("-5", Some(0)),
        ("999999999999", Some(3600)),
        ("soon", None),
    ] {
        let error = bad(faulty(Fault::throttled(value)).await);
        assert_eq!(error.retry_after(), wait.map(Span::from_seconds), "{value}");
    }
    for status in [500, 502, 503] {
        let error = bad(faulty(Fault::status(status)).await);
        assert_eq!(
            error.class(&Grant::Password),
            FailureClass::Transient,
            "{status}"
        );
    }
    for status in [301, 302, 307, 308] {
        let location = "https://elsewhere.example/".to_owned();
        let error = bad(faulty(Fault::Redirect { status, location }).await);
        assert_eq!(error, TokenError::Redirected { status });
    }
}

#[tokio::test]
async fn careless_error_descriptions_stay_where_they_are() {
    let echoing = Fault::Error {
        status: 401,
        code: "invalid_client".into(),
        description: Some("cAnArY".into()),
        echo: true,
        retry_after: None,
    };
    let error = bad(faulty(echoing).await);
    let said = format!("{error:?}");
    assert!(
        !said.contains("cAnArY") && !said.contains("client_secret="),
        "{said}"
    );
}

#[tokio::test]
async fn every_encoding_and_place_of_a_token_is_read() {
    let mut form = Behaviour::living(600.0);
    form.shape.encoding = Encoding::Form;
    form.shape.status = 201;
    assert_eq!(
        seconds(&good(decoded(form.clone(), ResponseShape::default()).await)),
        600
    );
    form.shape.content_type = Some("text/plain".into());
    assert_eq!(
        seconds(&good(decoded(form, ResponseShape::default()).await)),
        600
    );

    let mut bare = Behaviour::default();
    bare.shape.encoding = Encoding::Bare;
    let whole_body = ResponseShape {
        access_token: Some(String::new()),
        ..ResponseShape::default()
    };
    assert_eq!(good(decoded(bare, whole_body).await).lifetime, None);

    let mut nested = Behaviour::living(600.0);
    nested.shape.access_token = "/value/token".into();
    nested.shape.times = vec![TimeField::end(
        "/value/expires",
        TimeUnit::EpochMilliseconds,
        Written::Text,
    )];
    let expiry = ExpiryShape {
        pointer: "/value/expires".into(),
        unit: ExpiryUnit::EpochMilliseconds,
    };
    let shape = ResponseShape {
        access_token: Some("/value/token".into()),
        expiry: Some(expiry),
        ..ResponseShape::default()
    };
    let token = good(decoded(nested, shape).await);
    let Some(Lifetime::Until(end)) = token.lifetime else {
        panic!("{:?}", token.lifetime);
    };
    let left = end.since(Clock::system().now()).seconds();
    assert!((590..=600).contains(&left), "{left}");
}

/// What trips over encodings: every printable character that means something in a form, a header or a URL.
const ODD_ID: &str = "user@example.com:client +%&=/?#";
const ODD_SECRET: &str = "s3:cret/ +%&=?#~!*'()\"<>[]{}|\\^`;,$@";

#[tokio::test]
async fn odd_credentials_arrive_whole_in_every_format() {
    let provider = Provider::plain(Script::one(PATH, Behaviour::default())).unwrap();
    let secrets = credentials(&[("client_id", ODD_ID), ("client_secret", ODD_SECRET)]);
    for (format, method) in [
        (Format::Form, Method::Post),
        (Format::Json, Method::Put),
        (Format::Query, Method::Post),
        (Format::Query, Method::Get),
    ] {
        let client = Client {
            format,
            method,
            ..client(&provider.url(PATH))
        };
        let _accepted_or_not = exchange(&client, &secrets, None).await;
        let seen = provider.requests_to(PATH).pop().unwrap();
        let arrived: BTreeMap<String, String> = match format {
            Format::Json => serde_json::from_slice(&seen.body).unwrap(),
            Format::Form => seen.form().into_iter().collect(),
            Format::Query => {
                let url: url::Url = format!("http://x{}", seen.target).parse().unwrap();
                url.query_pairs().into_owned().collect()
            }
        };
        assert_eq!(
            arrived.get("client_id").map(String::as_str),
            Some(ODD_ID),
            "{format:?}"
        );
        assert_eq!(
            arrived.get("client_secret").map(String::as_str),
            Some(ODD_SECRET),
            "{format:?}"
        );
        assert_eq!(seen.body.is_empty(), format == Format::Query, "{format:?}");
    }
}

#[tokio::test]
async fn a_server_that_we_did_not_write_understands_us() {
    let authority = Authority::new("independent").unwrap();
    for (method, authentication) in [
        (oidc::Method::ClientSecretBasic, BASIC),
        (
            oidc::Method::ClientSecretPost,
            ClientAuthentication::ClientSecretPost,
        ),
    ] {
        let known = oidc::Client {
            id: ODD_ID.into(),
            secret: ODD_SECRET.into(),
            method,
            ..oidc::Client::default()
        };
        let options = oidc::Options {
            clients: vec![known],
            ..oidc::Options::default()
        };
        let server = OidcProvider::start(options, Some(&authority))
            .await
            .unwrap();
        let scopes = vec!["read".into(), "write".into()];
        let client = Client {
            authentication,
            scopes,
            ..client(server.token_endpoint())
        };
        let secrets = credentials(&[("client_id", ODD_ID), ("client_secret", ODD_SECRET)]);
        let token = good(exchange(&client, &secrets, Some(&authority)).await);
        assert_eq!(
            (seconds(&token), token.scope.as_deref()),
            (600, Some("read write"))
        );
        let about = server
            .introspect(token.access_token.expose().unwrap())
            .await
            .unwrap();
        assert_eq!(about.get("active"), Some(&true.into()), "{about}");

        let wrong = credentials(&[("client_id", ODD_ID), ("client_secret", "wrong")]);
        assert_eq!(
            bad(exchange(&client, &wrong, Some(&authority)).await).reason(),
            "InvalidClient"
        );
        let grant = Grant::Other("urn:example:unknown".into());
        let error = bad(exchange(&Client { grant, ..client }, &secrets, Some(&authority)).await);
        assert_eq!(error.reason(), "UnsupportedGrantType");
    }
}
