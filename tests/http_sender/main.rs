//! The sender against servers that behave and servers that do not: what arrives, what is refused, and what every
//! failure is called.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests fail as tests do"
)]

mod addresses;
mod room;
mod trust;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use oauthclient_operator::http::address::{AddressKind, AddressRules};
use oauthclient_operator::http::{
    CaBundle, ConnectProblem, Lookup, MAX_BODY, ProxySettings, Route, SendError, Sender,
    SenderOptions, TlsProblem,
};
use oauthclient_operator::oauth::{HttpAnswer, HttpRequest, Method};
use oauthclient_operator::secret::Secret;
use oauthclient_operator::trust::{AuthorizedRequest, Lenders, authorize};
use testkit::provider::{Behaviour, BlackHole, ConnectionFault, Fault, Listen, Provider, Script};
use testkit::tls::{Authority, Leaf};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PATH: &str = "/token";
const CANARY: &str = "cAnArY-s3cret";
const PATIENCE: Duration = Duration::from_secs(10);

/// A POST of a form that holds a secret in URL, header and body.
fn request(url: &str) -> HttpRequest {
    HttpRequest {
        method: Method::Post,
        url: format!("{url}?key={CANARY}").into(),
        headers: vec![
            ("accept".into(), "application/json".into()),
            (
                "content-type".into(),
                "application/x-www-form-urlencoded".into(),
            ),
            ("x-key".into(), CANARY.into()),
        ],
        body: format!("grant_type=client_credentials&client_id=me&client_secret={CANARY}").into(),
        secrets: Default::default(),
        lenders: Lenders::none(),
    }
}

/// Options for servers of this test: loopback, and http too.
fn local() -> SenderOptions {
    SenderOptions {
        allow_http: true,
        addresses: AddressRules {
            allow_loopback: true,
            ..AddressRules::default()
        },
        ..SenderOptions::default()
    }
}

fn sender(options: SenderOptions) -> Sender {
    Sender::new(options).unwrap()
}

fn route(ca: Option<&Authority>) -> Route {
    Route {
        ca: ca.map(|ca| CaBundle::from_pem(ca.pem().as_bytes()).unwrap()),
        identity: None,
        timeout: PATIENCE,
    }
}

fn within(timeout: Duration) -> Route {
    Route {
        ca: None,
        identity: None,
        timeout,
    }
}

fn authorized(request: &HttpRequest) -> AuthorizedRequest<'_> {
    authorize(request, &Lenders::none()).unwrap_or_else(|problem| panic!("{problem:?}"))
}

fn plain(behaviour: Behaviour) -> Provider {
    Provider::plain(Script::one(PATH, behaviour)).unwrap()
}

fn faulty(fault: Fault) -> Provider {
    plain(Behaviour::default().with_fault(fault))
}

async fn answer(sender: &Sender, url: &str, route: &Route) -> HttpAnswer {
    sender
        .send(&authorized(&request(url)), route)
        .await
        .unwrap_or_else(|error| panic!("{error:?}"))
}

/// The failure, after a check that it contains no secret.
async fn failure(sender: &Sender, url: &str, route: &Route) -> SendError {
    let error = match sender.send(&authorized(&request(url)), route).await {
        Ok(answer) => panic!("HTTP {} came back", answer.status),
        Err(error) => error,
    };
    let said = format!("{error:?}");
    assert!(!said.contains(CANARY), "{said}");
    error
}

#[tokio::test]
async fn the_request_arrives_byte_for_byte_over_tls_with_the_bundle() {
    let authority = Authority::new("corp").unwrap();
    let provider = Provider::tls(Script::one(PATH, Behaviour::default()), &authority).unwrap();
    let answer = answer(
        &sender(local()),
        &provider.url(PATH),
        &route(Some(&authority)),
    )
    .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.content_type.as_deref(), Some("application/json"));
    assert!(answer.body.expose().unwrap().contains("access_token"));
    let seen = &provider.requests_to(PATH)[0];
    let mut lines: Vec<String> = String::from_utf8(seen.raw())
        .unwrap()
        .split("\r\n")
        .map(str::to_owned)
        .collect();
    let body = lines.pop().unwrap();
    assert_eq!(
        body,
        format!("grant_type=client_credentials&client_id=me&client_secret={CANARY}")
    );
    assert_eq!(
        lines.remove(0),
        format!("POST {PATH}?key={CANARY} HTTP/1.1")
    );
    lines.retain(|line| !line.is_empty());
    lines.sort();
    assert_eq!(
        lines,
        [
            "accept-encoding: gzip".to_owned(),
            "accept: application/json".to_owned(),
            format!("content-length: {}", body.len()),
            "content-type: application/x-www-form-urlencoded".to_owned(),
            format!("host: {}", provider.address()),
            format!(
                "user-agent: oauthclient-operator/{}",
                env!("CARGO_PKG_VERSION")
            ),
            format!("x-key: {CANARY}"),
        ]
    );
}

#[tokio::test]
async fn a_post_without_body_says_that_it_is_empty_and_a_get_says_nothing() {
    let provider = plain(Behaviour::default());
    for (method, length) in [
        (Method::Post, Some("0")),
        (Method::Put, Some("0")),
        (Method::Get, None),
    ] {
        let request = HttpRequest {
            method,
            url: provider.url(PATH).into(),
            headers: vec![],
            body: Secret::new(Vec::new()),
            secrets: Default::default(),
            lenders: Lenders::none(),
        };
        let _whatever = sender(local())
            .send(&authorized(&request), &route(None))
            .await;
        let seen = provider.requests_to(PATH).pop().unwrap();
        assert_eq!(seen.method, format!("{method:?}").to_uppercase());
        assert_eq!(seen.header("content-length"), length);
    }
}

#[tokio::test]
async fn a_header_that_cannot_be_sent_is_named() {
    let mut bad = request("http://127.0.0.1:1/");
    bad.headers.push(("x-broken".into(), "a\r\nb".into()));
    let error = sender(local())
        .send(&authorized(&bad), &route(None))
        .await
        .err();
    assert_eq!(
        error,
        Some(SendError::BadHeader {
            name: "x-broken".into()
        })
    );
}

#[tokio::test]
async fn redirects_are_answers_and_nobody_follows_them() {
    let other = plain(Behaviour::default());
    let sender = sender(local());
    for status in [301, 302, 303, 307, 308] {
        let provider = faulty(Fault::Redirect {
            status,
            location: other.url(PATH),
        });
        assert_eq!(
            answer(&sender, &provider.url(PATH), &route(None))
                .await
                .status,
            status
        );
    }
    assert_eq!(other.total(), 0);
}

#[tokio::test]
async fn errors_are_answers_with_their_retry_after() {
    let provider = faulty(Fault::throttled("17"));
    let answer = answer(&sender(local()), &provider.url(PATH), &route(None)).await;
    assert_eq!(
        (answer.status, answer.retry_after.as_deref()),
        (429, Some("17"))
    );
}

#[tokio::test]
async fn cookies_are_not_kept() {
    let mut behaviour = Behaviour::default();
    behaviour
        .shape
        .headers
        .push(("set-cookie".into(), "session=1; Path=/".into()));
    let provider = plain(behaviour);
    let sender = sender(local());
    answer(&sender, &provider.url(PATH), &route(None)).await;
    answer(&sender, &provider.url(PATH), &route(None)).await;
    assert_eq!(provider.requests_to(PATH)[1].header("cookie"), None);
}

#[tokio::test]
async fn an_exchange_is_over_when_its_time_is() {
    let timeout = Duration::from_secs(2);
    for (fault, answering) in [
        (Fault::Hang, false),
        (Fault::StallBody { after_bytes: 5 }, true),
        (
            Fault::Drip {
                bytes_per_second: 400.0,
            },
            true,
        ),
        (
            Fault::Drip {
                bytes_per_second: 1.0,
            },
            false,
        ),
    ] {
        let mut behaviour = Behaviour::default().with_fault(fault.clone());
        behaviour.tokens.length = 4000;
        let provider = plain(behaviour);
        let error = failure(&sender(local()), &provider.url(PATH), &within(timeout)).await;
        assert_eq!(
            error,
            SendError::Timeout {
                after: timeout,
                answering
            },
            "{fault:?}"
        );
        assert!(error.is_timeout());
    }
}

#[tokio::test]
async fn connecting_has_a_time_of_its_own() {
    let local = || SenderOptions {
        connect_timeout: Duration::from_millis(600),
        ..local()
    };
    let hole = BlackHole::open().await.unwrap();
    let url = format!("http://{}{PATH}", hole.address());
    assert_eq!(
        failure(&sender(local()), &url, &route(None)).await,
        SendError::ConnectTimeout
    );
    let authority = Authority::new("corp").unwrap();
    let provider = Provider::tls(Script::one(PATH, Behaviour::default()), &authority).unwrap();
    for fault in [ConnectionFault::Silent, ConnectionFault::StallTls] {
        provider.set_connection_fault(Some(fault));
        let error = failure(
            &sender(local()),
            &provider.url(PATH),
            &route(Some(&authority)),
        )
        .await;
        assert_eq!(error, SendError::ConnectTimeout, "{fault:?}");
    }
    let lookup: Lookup = Arc::new(|_| Box::pin(std::future::pending()));
    let slow_dns = sender(SenderOptions {
        lookup: Some(lookup),
        ..local()
    });
    assert_eq!(
        failure(&slow_dns, "http://auth.example/", &route(None)).await,
        SendError::ConnectTimeout
    );
}

#[tokio::test]
async fn failed_connections_are_told_apart() {
    let sender = sender(local());
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let refused = failure(&sender, &format!("http://{nobody}{PATH}"), &route(None)).await;
    assert_eq!(refused, SendError::Connect(ConnectProblem::Refused));

    let authority = Authority::new("corp").unwrap();
    let provider = Provider::tls(Script::one(PATH, Behaviour::default()), &authority).unwrap();
    provider.set_connection_fault(Some(ConnectionFault::PlainText));
    let plain_text = failure(&sender, &provider.url(PATH), &route(Some(&authority))).await;
    assert_eq!(plain_text, SendError::Tls(TlsProblem::Handshake));
    // Closing with unread bytes resets, so which of the two is seen first is a matter of luck.
    for fault in [ConnectionFault::Close, ConnectionFault::Reset] {
        provider.set_connection_fault(Some(fault));
        let ended = failure(&sender, &provider.url(PATH), &route(Some(&authority))).await;
        let expected = [
            SendError::Connect(ConnectProblem::Reset),
            SendError::Tls(TlsProblem::Handshake),
        ];
        assert!(expected.contains(&ended), "{fault:?}: {ended:?}");
    }
}

#[tokio::test]
async fn answers_that_break_off_are_cut() {
    for fault in [
        Fault::Close,
        Fault::Reset,
        Fault::Lost,
        Fault::Cut { after_bytes: 5 },
    ] {
        let provider = faulty(fault.clone());
        let error = failure(&sender(local()), &provider.url(PATH), &route(None)).await;
        assert_eq!(error, SendError::Cut, "{fault:?}");
        assert_eq!(provider.count(PATH), 1, "nothing is sent twice");
    }
}

#[tokio::test]
async fn what_is_not_http_is_garbled() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for reply in [
            "SSH-2.0-OpenSSH_9\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 16\r\n\r\nnot gzip at all.",
        ] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut seen = [0; 4096];
            let _some = stream.read(&mut seen).await;
            stream.write_all(reply.as_bytes()).await.unwrap();
        }
    });
    let sender = sender(local());
    for what in ["another protocol", "damaged gzip"] {
        let error = failure(&sender, &format!("http://{address}{PATH}"), &route(None)).await;
        assert_eq!(error, SendError::Garbled, "{what}");
    }
}

#[tokio::test]
async fn bodies_end_at_the_cap_after_decompression() {
    let sender = sender(local());
    for fault in [
        Fault::Endless,
        Fault::LargeBody {
            bytes: MAX_BODY as u64 + 1,
        },
        Fault::LargeBody { bytes: 1 << 30 },
        Fault::GzipBomb { bytes: 1 << 30 },
    ] {
        let provider = faulty(fault.clone());
        let begun = begin();
        let error = failure(&sender, &provider.url(PATH), &route(None)).await;
        assert_eq!(error, SendError::BodyTooLarge, "{fault:?}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{fault:?}");
    }
    let just_fits = faulty(Fault::LargeBody {
        bytes: MAX_BODY as u64,
    });
    assert_eq!(
        answer(&sender, &just_fits.url(PATH), &route(None))
            .await
            .body
            .len(),
        MAX_BODY
    );
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test measures how long an exchange really takes"
)]
fn begin() -> Instant {
    Instant::now()
}

#[tokio::test]
async fn compressed_and_chunked_answers_are_read() {
    let mut behaviour = Behaviour::default();
    behaviour.shape.gzip = true;
    behaviour.shape.chunked = true;
    let provider = plain(behaviour);
    let answer = answer(&sender(local()), &provider.url(PATH), &route(None)).await;
    assert!(answer.body.expose().unwrap().contains("access_token"));
}

/// The first certificate of a chain, as somebody would copy it.
fn own_certificate(chain: &str) -> &str {
    let end = "-----END CERTIFICATE-----";
    let length = chain.find(end).unwrap() + end.len();
    &chain[..length]
}

#[tokio::test]
async fn a_servers_own_certificate_in_the_bundle_is_trusted_for_its_key_and_its_name() {
    let authority = Authority::new("nobody's authority").unwrap();
    let shows = |identity: &testkit::tls::Identity| {
        let provider = Provider::tls(Script::one(PATH, Behaviour::default()), &authority).unwrap();
        provider.set_certificate(identity).unwrap();
        provider
    };
    let pinned = |identity: &testkit::tls::Identity| {
        let pem = own_certificate(&identity.certificate_pem);
        Route {
            ca: Some(CaBundle::from_pem(pem.as_bytes()).unwrap()),
            ..within(PATIENCE)
        }
    };
    let own = authority.issue_for_loopback(None).unwrap();
    let provider = shows(&own);
    answer(&sender(local()), &provider.url(PATH), &pinned(&own)).await;

    // Another key of the same authority, another name, another time.
    let other = authority.issue_for_loopback(None).unwrap();
    let elsewhere = authority.issue(Leaf::Good, &["elsewhere.example"]).unwrap();
    let expired = authority.issue(Leaf::Expired, &["127.0.0.1"]).unwrap();
    for (shown, trusted, problem) in [
        (&other, &own, TlsProblem::UnknownIssuer),
        (&elsewhere, &elsewhere, TlsProblem::WrongName),
        (&expired, &expired, TlsProblem::Expired),
    ] {
        let provider = shows(shown);
        let found = failure(&sender(local()), &provider.url(PATH), &pinned(trusted)).await;
        assert_eq!(found, SendError::Tls(problem));
    }
}
