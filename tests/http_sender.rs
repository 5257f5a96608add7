//! The sender against servers that behave and servers that do not: what arrives, what is refused, and what every
//! failure is called.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests fail as tests do"
)]

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

fn plain(behaviour: Behaviour) -> Provider {
    Provider::plain(Script::one(PATH, behaviour)).unwrap()
}

fn faulty(fault: Fault) -> Provider {
    plain(Behaviour::default().with_fault(fault))
}

async fn answer(sender: &Sender, url: &str, route: &Route) -> HttpAnswer {
    sender
        .send(&request(url), route)
        .await
        .unwrap_or_else(|error| panic!("{error:?}"))
}

/// The failure, after a look that it tells nothing.
async fn failure(sender: &Sender, url: &str, route: &Route) -> SendError {
    let error = match sender.send(&request(url), route).await {
        Ok(answer) => panic!("HTTP {} came back", answer.status),
        Err(error) => error,
    };
    let said = format!("{error:?} {error} {}", error.explain());
    assert!(!said.contains(CANARY), "{said}");
    error
}

/// A resolver that knows one answer to everything.
fn resolving(addresses: &[&str]) -> Lookup {
    let addresses: Vec<SocketAddr> = addresses
        .iter()
        .map(|ip| SocketAddr::new(ip.parse().unwrap(), 0))
        .collect();
    Arc::new(move |_| {
        let addresses = addresses.clone();
        Box::pin(async move { Ok(addresses) })
    })
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
        };
        let _whatever = sender(local()).send(&request, &route(None)).await;
        let seen = provider.requests_to(PATH).pop().unwrap();
        assert_eq!(seen.method, format!("{method:?}").to_uppercase());
        assert_eq!(seen.header("content-length"), length);
    }
}

#[tokio::test]
async fn a_header_that_cannot_be_sent_is_named() {
    let mut bad = request("http://127.0.0.1:1/");
    bad.headers.push(("x-broken".into(), "a\r\nb".into()));
    let error = sender(local()).send(&bad, &route(None)).await.err();
    assert_eq!(
        error,
        Some(SendError::BadHeader {
            name: "x-broken".into()
        })
    );
}

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

#[tokio::test]
async fn plain_http_takes_a_flag() {
    let provider = plain(Behaviour::default());
    let strict = sender(SenderOptions {
        allow_http: false,
        ..local()
    });
    assert_eq!(
        failure(&strict, &provider.url(PATH), &route(None)).await,
        SendError::HttpNotAllowed
    );
    for url in [
        "ftp://auth.example/",
        "https://user:pw@auth.example/",
        "https://user@auth.example/",
        "nonsense",
    ] {
        assert_eq!(
            failure(&strict, url, &route(None)).await,
            SendError::BadUrl,
            "{url}"
        );
    }
    assert_eq!(provider.connections_opened(), 0);
}

#[tokio::test]
async fn refused_addresses_are_not_dialled() {
    let provider = plain(Behaviour::default());
    let port = provider.address().port();
    let guarded = |lookup| {
        sender(SenderOptions {
            addresses: AddressRules::default(),
            lookup,
            ..local()
        })
    };
    for host in [
        "127.0.0.1",
        "127.1",
        "0x7f000001",
        "[::ffff:127.0.0.1]",
        "localhost",
        "LOCALHOST.",
        "x.localhost",
    ] {
        let error = failure(
            &guarded(None),
            &format!("http://{host}:{port}{PATH}"),
            &route(None),
        )
        .await;
        assert!(
            matches!(
                error,
                SendError::AddressRefused {
                    kind: AddressKind::Loopback,
                    ..
                }
            ),
            "{host}: {error:?}"
        );
    }
    for (answers, kind) in [
        (["127.0.0.1"].as_slice(), AddressKind::Loopback),
        (&["::ffff:127.0.0.1"], AddressKind::Loopback),
        (&["169.254.169.254"], AddressKind::Metadata),
        (&["fd00:ec2::254"], AddressKind::Metadata),
        (&["64:ff9b::a9fe:a9fe"], AddressKind::Metadata),
        (&["0.0.0.0"], AddressKind::Unspecified),
        // One bad address spoils the answer, wherever it stands.
        (&["192.0.2.1", "127.0.0.1"], AddressKind::Loopback),
        (&["127.0.0.1", "192.0.2.1"], AddressKind::Loopback),
    ] {
        let sender = guarded(Some(resolving(answers)));
        let error = failure(
            &sender,
            &format!("http://auth.example:{port}{PATH}"),
            &route(None),
        )
        .await;
        let SendError::AddressRefused {
            address: Some(_),
            kind: found,
        } = error
        else {
            panic!("{answers:?}: {error:?}");
        };
        assert_eq!(found, kind, "{answers:?}");
    }
    assert_eq!(provider.connections_opened(), 0);
}

#[tokio::test]
async fn names_without_an_address_are_said_so() {
    let fails: Lookup = Arc::new(|_| Box::pin(async { Err(io::Error::other("no such host")) }));
    for lookup in [fails, resolving(&[])] {
        let sender = sender(SenderOptions {
            lookup: Some(lookup),
            ..local()
        });
        assert_eq!(
            failure(&sender, "http://auth.example/", &route(None)).await,
            SendError::Dns
        );
    }
}

#[tokio::test]
async fn an_allowed_range_is_dialled() {
    let provider = plain(Behaviour::default());
    let addresses = AddressRules {
        allowed: vec!["127.0.0.1".parse().unwrap()],
        ..AddressRules::default()
    };
    let sender = sender(SenderOptions {
        addresses,
        lookup: Some(resolving(&["127.0.0.1"])),
        ..local()
    });
    let url = format!("http://auth.example:{}{PATH}", provider.address().port());
    assert_eq!(answer(&sender, &url, &route(None)).await.status, 200);
    let error = failure(&sender, "http://127.0.0.2/", &route(None)).await;
    assert_eq!(error.reason(), "AddressRefused");
}

/// A proxy that connects every CONNECT to `target`, or answers it with `refusal`; it notes what it was asked.
async fn proxy(
    target: SocketAddr,
    refusal: Option<&'static str>,
) -> (SocketAddr, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (note, notes) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(client.read_u8().await.unwrap());
            }
            note.send(String::from_utf8(head).unwrap()).unwrap();
            if let Some(refusal) = refusal {
                client.write_all(refusal.as_bytes()).await.unwrap();
                continue;
            }
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let mut server = TcpStream::connect(target).await.unwrap();
            tokio::spawn(
                async move { tokio::io::copy_bidirectional(&mut client, &mut server).await },
            );
        }
    });
    (address, notes)
}

#[tokio::test]
async fn the_administrators_proxy_is_exempt_and_opens_the_way() {
    let authority = Authority::new("corp").unwrap();
    let identity = authority.issue(Leaf::Good, &["auth.example"]).unwrap();
    let listen = Listen {
        tls: Some(identity),
        ..Listen::default()
    };
    let provider = Provider::start(Script::one(PATH, Behaviour::default()), listen).unwrap();
    let (address, mut asked) = proxy(provider.address(), None).await;
    let proxies = ProxySettings {
        https: Some(format!("http://kari:pw@{address}")),
        no_proxy: "direct.example".into(),
        ..ProxySettings::default()
    };
    // Loopback is refused, but the proxy stands on it.
    let options = SenderOptions {
        addresses: AddressRules::default(),
        lookup: Some(resolving(&["127.0.0.1"])),
        proxies,
        ..local()
    };
    let sender = sender(options);
    let route = route(Some(&authority));
    assert_eq!(
        answer(&sender, "https://auth.example/token", &route)
            .await
            .status,
        200
    );
    let connect = asked.recv().await.unwrap();
    assert!(
        connect.starts_with("CONNECT auth.example:443 HTTP/1.1\r\n"),
        "{connect}"
    );
    assert!(
        connect
            .to_lowercase()
            .contains("proxy-authorization: basic a2fyatpwdw=="),
        "{connect}"
    );
    assert!(!connect.contains(CANARY), "{connect}");
    assert_eq!(
        provider.requests_to(PATH)[0].header("proxy-authorization"),
        None
    );

    for url in [
        "https://direct.example/",
        "https://127.0.0.1/",
        "https://localhost/",
        "http://auth.example/",
    ] {
        let error = failure(&sender, url, &route).await;
        assert_eq!(error.reason(), "AddressRefused", "{url}");
    }
}

#[tokio::test]
async fn a_proxy_that_refuses_or_is_gone_is_named_as_the_cause() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    for refusal in [
        "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
        "HTTP/1.1 403 Forbidden\r\n\r\n",
    ] {
        let (address, _asked) = proxy(nobody, Some(refusal)).await;
        let proxies = ProxySettings {
            https: Some(address.to_string()),
            ..ProxySettings::default()
        };
        let error = failure(
            &sender(SenderOptions { proxies, ..local() }),
            "https://auth.example/",
            &route(None),
        )
        .await;
        assert_eq!(error, SendError::Proxy, "{refusal}");
    }
    let proxies = ProxySettings {
        https: Some(nobody.to_string()),
        ..ProxySettings::default()
    };
    let error = failure(
        &sender(SenderOptions { proxies, ..local() }),
        "https://auth.example/",
        &route(None),
    )
    .await;
    assert_eq!(error, SendError::Connect(ConnectProblem::Refused));
}
