//! Every fault of the scripted provider is on the wire what it says it is.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod provider_client;

use std::net::SocketAddr;
use std::time::Duration;

use provider_client::{PATIENCE, ask, client, json, token, try_ask};
use testkit::provider::{Behaviour, BlackHole, ConnectionFault, Fault, Place, Provider, Script};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Long enough for anything on loopback that comes at all.
const SOON: Duration = Duration::from_millis(300);

fn provider_with(fault: Fault) -> Provider {
    let behaviour = Behaviour::living(60.0).with_fault(fault);
    Provider::plain(Script::one("/token", behaviour)).unwrap()
}

async fn answer_to(fault: Fault) -> (Provider, reqwest::Response) {
    let provider = provider_with(fault);
    let answer = ask(&client(""), &provider.url("/token")).await;
    (provider, answer)
}

async fn body_of(fault: Fault) -> Vec<u8> {
    let (_provider, answer) = answer_to(fault).await;
    assert_eq!(answer.status(), 200);
    answer.bytes().await.unwrap().to_vec()
}

/// A token request on a socket of our own.
async fn raw_request(address: SocketAddr) -> TcpStream {
    let body = "grant_type=client_credentials&client_id=some-client&client_secret=some-secret";
    let request = format!(
        "POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Everything up to the close, which must come.
async fn everything(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let reading = async { while stream.read_buf(&mut bytes).await.is_ok_and(|read| read > 0) {} };
    timeout(PATIENCE, reading).await.unwrap();
    bytes
}

/// Whether neither a byte nor a close comes.
async fn is_quiet(stream: &mut TcpStream) -> bool {
    timeout(SOON, stream.read_u8()).await.is_err()
}

#[tokio::test]
async fn a_hanging_endpoint_answers_nothing_and_keeps_the_connection() {
    let provider = provider_with(Fault::Hang);
    let mut stream = raw_request(provider.address()).await;
    assert!(is_quiet(&mut stream).await);
    assert!(
        provider
            .wait_until(PATIENCE, || provider.in_flight("/token") == 1)
            .await
    );
    drop(stream);
    assert!(
        provider
            .wait_until(PATIENCE, || provider.in_flight("/token") == 0)
            .await,
        "it lets go when the client does"
    );
    assert_eq!(
        provider.requests()[0].status,
        None,
        "nothing was ever answered"
    );
}

#[tokio::test]
async fn a_closed_and_a_reset_connection_carry_no_answer() {
    for (fault, reset) in [(Fault::Close, false), (Fault::Reset, true)] {
        let provider = provider_with(fault);
        let mut stream = raw_request(provider.address()).await;
        let end = timeout(PATIENCE, stream.read_u8()).await.unwrap();
        let kind = end.unwrap_err().kind();
        assert_eq!(kind == std::io::ErrorKind::ConnectionReset, reset, "{kind}");
        assert!(
            provider.tokens("/token").is_empty(),
            "and no token was issued"
        );
    }
}

#[tokio::test]
async fn a_lost_answer_has_issued_its_token() {
    let provider = provider_with(Fault::Lost);
    let mut stream = raw_request(provider.address()).await;
    assert!(everything(&mut stream).await.is_empty());
    let issued = &provider.tokens("/token")[0].token;
    assert!(provider.introspect(issued).is_some());
    assert_eq!(
        provider.requests()[0].token.as_deref(),
        Some(issued.as_str())
    );
}

#[tokio::test]
async fn a_stalled_body_stops_where_it_is_told_and_a_cut_one_closes_there() {
    let provider = provider_with(Fault::Cut { after_bytes: 5 });
    let bytes = everything(&mut raw_request(provider.address()).await).await;
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK") && head.contains("content-length: "));
    assert_eq!(body.len(), 5);

    let provider = provider_with(Fault::StallBody { after_bytes: 5 });
    let mut stream = raw_request(provider.address()).await;
    let mut as_much_as_the_cut_one = vec![0; text.len()];
    let reading = stream.read_exact(&mut as_much_as_the_cut_one);
    timeout(PATIENCE, reading).await.unwrap().unwrap();
    assert!(is_quiet(&mut stream).await);
}

#[tokio::test]
async fn a_drip_gives_a_byte_at_a_time() {
    let provider = provider_with(Fault::Drip {
        bytes_per_second: 1.0,
    });
    let mut stream = raw_request(provider.address()).await;
    let mut bytes = [0; 512];
    for _ in 0..2 {
        assert_eq!(stream.read(&mut bytes).await.unwrap(), 1);
    }
    let provider = provider_with(Fault::Drip {
        bytes_per_second: 100_000.0,
    });
    let whole = ask(&client(""), &provider.url("/token")).await;
    assert!(
        token(whole).await.starts_with("scripted-token"),
        "and ends whole"
    );
}

#[tokio::test]
async fn an_endless_body_goes_on_for_as_long_as_one_reads() {
    let (provider, mut answer) = answer_to(Fault::Endless).await;
    let mut seen = 0;
    while seen < 20_000_000 {
        seen += answer.chunk().await.unwrap().unwrap().len();
    }
    drop(answer);
    assert!(
        provider
            .wait_until(PATIENCE, || provider.in_flight("/token") == 0)
            .await
    );
}

#[tokio::test]
async fn a_large_body_is_a_valid_document_of_exactly_its_length() {
    let body = body_of(Fault::LargeBody { bytes: 3_000_000 }).await;
    assert_eq!(body.len(), 3_000_000);
    serde_json::from_slice::<serde_json::Value>(&body).unwrap();
    let (_provider, answer) = answer_to(Fault::LargeBody { bytes: 1 << 30 }).await;
    assert_eq!(answer.content_length(), Some(1 << 30));
}

#[tokio::test]
async fn a_gzip_bomb_is_small_on_the_wire_and_large_unpacked() {
    let body = body_of(Fault::GzipBomb { bytes: 5_000_000 }).await;
    assert!(
        body.len() > 5_000_000,
        "the client unpacked {} bytes",
        body.len()
    );
    let provider = provider_with(Fault::GzipBomb { bytes: 5_000_000 });
    let mut stream = raw_request(provider.address()).await;
    let packed = everything(&mut stream).await;
    assert!(packed.len() < 100_000, "{} bytes were sent", packed.len());
}

#[tokio::test]
async fn redirects_point_where_they_are_told() {
    for status in [301, 302, 307, 308] {
        let location = "http://127.0.0.2:1/elsewhere".to_owned();
        let (_provider, answer) = answer_to(Fault::Redirect {
            status,
            location: location.clone(),
        })
        .await;
        assert_eq!(answer.status(), status);
        assert_eq!(answer.headers()["location"], location.as_str());
    }
}

#[tokio::test]
async fn html_and_broken_utf8_come_with_200() {
    let (_provider, answer) = answer_to(Fault::Html).await;
    assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
    assert!(answer.text().await.unwrap().starts_with("<!DOCTYPE html>"));
    assert!(String::from_utf8(body_of(Fault::InvalidUtf8).await).is_err());
}

#[tokio::test]
async fn a_token_carries_the_text_that_it_should_not() {
    for text in ["\r", "\n", "\0", "\u{feff}"] {
        let fault = |at| Fault::TokenWith {
            text: text.to_owned(),
            at,
        };
        let (_provider, answer) = answer_to(fault(Place::Start)).await;
        assert!(token(answer).await.starts_with(text));
        let (_provider, answer) = answer_to(fault(Place::End)).await;
        assert!(token(answer).await.ends_with(text));
        let (_provider, answer) = answer_to(fault(Place::Middle)).await;
        assert!(
            token(answer)
                .await
                .trim_start_matches("scripted")
                .contains(text)
        );
    }
    assert!(
        body_of(Fault::ByteOrderMark)
            .await
            .starts_with(b"\xef\xbb\xbf{")
    );
}

#[tokio::test]
async fn documents_are_spoilt_in_the_way_that_is_asked_for() {
    let text = String::from_utf8(body_of(Fault::DuplicateKeys).await).unwrap();
    assert_eq!(text.matches("\"access_token\":").count(), 2, "{text}");
    let text = String::from_utf8(body_of(Fault::Nesting { levels: 10_000 }).await).unwrap();
    assert!(text.contains(&"[".repeat(10_000)) && text.contains(&"]".repeat(10_000)));
    let (provider, answer) = answer_to(Fault::WithoutToken).await;
    let document = json(answer).await;
    assert!(document.get("access_token").is_none() && document["expires_in"] == 60);
    assert_eq!(provider.tokens("/token").len(), 1);
    let (_provider, answer) = answer_to(Fault::LargeToken { bytes: 1_200_000 }).await;
    assert_eq!(token(answer).await.len(), 1_200_000);
    let (_provider, answer) = answer_to(Fault::NotOk {
        code: "invalid_auth".into(),
    })
    .await;
    assert_eq!(
        json(answer).await,
        serde_json::json!({"ok": false, "error": "invalid_auth"})
    );
}

#[tokio::test]
async fn any_answer_can_be_written_out_with_the_token_in_it() {
    let fault = Fault::Answer {
        status: 200,
        content_type: "application/json".into(),
        body: r#"[{"access_token":"{{token}}"}]"#.into(),
        headers: vec![("x-strange".into(), "yes".into())],
    };
    let (provider, answer) = answer_to(fault).await;
    assert_eq!(answer.headers()["x-strange"], "yes");
    let document = json(answer).await;
    assert!(
        provider
            .introspect(document[0]["access_token"].as_str().unwrap())
            .is_some()
    );
    let without = Fault::Answer {
        status: 200,
        content_type: "application/json".into(),
        body: "null".into(),
        headers: Vec::new(),
    };
    let (provider, answer) = answer_to(without).await;
    assert_eq!(answer.text().await.unwrap(), "null");
    assert!(provider.tokens("/token").is_empty());
    let repeating = Fault::Answer {
        status: 500,
        content_type: "text/html".into(),
        body: "<p>{{request}}</p>".into(),
        headers: Vec::new(),
    };
    let (provider, answer) = answer_to(repeating).await;
    let page = answer.text().await.unwrap();
    let sent = provider.requests().remove(0);
    assert!(
        !sent.body.is_empty() && page.contains(&sent.body_text()),
        "{page}"
    );
    let authorization = sent.header("authorization").unwrap_or("target=/token");
    assert!(page.contains(authorization), "{page}");
}

#[tokio::test]
async fn throttling_and_failures_carry_any_retry_after() {
    for text in [
        "120",
        "Wed, 21 Oct 2099 07:28:00 GMT",
        "-1",
        "1e999",
        "soon",
    ] {
        let (_provider, answer) = answer_to(Fault::throttled(text)).await;
        assert_eq!(answer.status(), 429);
        assert_eq!(answer.headers()["retry-after"], text);
    }
    for status in [500, 502, 503, 404] {
        let (_provider, answer) = answer_to(Fault::status(status)).await;
        assert_eq!(answer.status(), status);
        assert!(!answer.headers().contains_key("retry-after"));
    }
}

#[tokio::test]
async fn errors_have_the_status_of_the_rfc_and_can_echo_the_credentials() {
    for (code, status) in [
        ("invalid_client", 401),
        ("invalid_grant", 400),
        ("invalid_scope", 400),
    ] {
        let (_provider, answer) = answer_to(Fault::error(code)).await;
        assert_eq!(answer.status(), status);
        assert_eq!(json(answer).await, serde_json::json!({"error": code}));
    }
    let (_provider, answer) = answer_to(Fault::Error {
        status: 200,
        code: "invalid_client".into(),
        description: Some("careless".into()),
        echo: true,
        retry_after: None,
    })
    .await;
    assert_eq!(answer.status(), 200);
    let text = answer.text().await.unwrap();
    assert!(
        text.contains("careless") && text.contains("some-secret"),
        "{text}"
    );
}

#[tokio::test]
async fn faults_strike_in_order_and_then_the_endpoint_is_as_it_should_be() {
    let behaviour = Behaviour::living(60.0).with_faults([
        Some(Fault::status(503)),
        None,
        Some(Fault::error("invalid_grant")),
    ]);
    let provider = Provider::plain(Script::one("/token", behaviour)).unwrap();
    let client = client("");
    let mut statuses = Vec::new();
    for _ in 0..5 {
        let answer = ask(&client, &provider.url("/token")).await;
        statuses.push(answer.status().as_u16());
    }
    assert_eq!(statuses, [503, 200, 400, 200, 200]);
    provider.set_fault("/token", Some(Fault::status(500)));
    assert_eq!(ask(&client, &provider.url("/token")).await.status(), 500);
    provider.set_fault("/token", None);
    assert_eq!(ask(&client, &provider.url("/token")).await.status(), 200);
}

#[tokio::test]
async fn connections_are_left_alone_closed_reset_or_never_made() {
    let provider = Provider::plain(Script::one("/token", Behaviour::living(60.0))).unwrap();
    for (fault, closes) in [
        (ConnectionFault::Silent, false),
        (ConnectionFault::StallTls, false),
        (ConnectionFault::Close, true),
        (ConnectionFault::Reset, true),
    ] {
        provider.set_connection_fault(Some(fault));
        // A reset may come before the client knows that it is connected.
        let Ok(mut stream) = TcpStream::connect(provider.address()).await else {
            assert_eq!(fault, ConnectionFault::Reset);
            continue;
        };
        let _ = stream.write_all(b"POST").await;
        match closes {
            true => assert!(everything(&mut stream).await.is_empty(), "{fault:?}"),
            false => assert!(is_quiet(&mut stream).await, "{fault:?}"),
        }
    }
    assert_eq!(provider.total(), 0, "none of them came as far as a request");
    assert!(
        provider
            .wait_until(PATIENCE, || provider.connections_opened() == 4)
            .await
    );
    provider.set_connection_fault(None);
    assert_eq!(
        ask(&client(""), &provider.url("/token")).await.status(),
        200
    );
    let hole = BlackHole::open().await.unwrap();
    assert!(
        timeout(SOON, TcpStream::connect(hole.address()))
            .await
            .is_err(),
        "a connection was made"
    );
}

#[tokio::test]
async fn a_provider_that_is_gone_refuses_connections() {
    let provider = Provider::plain(Script::default()).unwrap();
    let url = provider.url("/token");
    drop(provider);
    assert!(try_ask(&client(""), &url).await.unwrap_err().is_connect());
}
