//! What the engine holds for each resource, counted by the allocator in every state a fleet can be in; and what reading an
//! answer takes at most, whatever a provider sends.

#![allow(clippy::print_stdout, reason = "the numbers are what it is for")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of a test"
)]

#[path = "../benches/engine/memory.rs"]
#[allow(unreachable_pub, reason = "shared with the simulation")]
mod memory;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use memory::{Counting, held, peak};
use oauthclient_operator::engine::{
    Attempt, CredentialsFacts, Engine, Event, HostReport, Key, Limits, Next, Outcome, Requeue,
    ResourceFacts, TokenFacts, attempt_inputs,
};
use oauthclient_operator::http::address::AddressRules;
use oauthclient_operator::http::{MAX_BODY, Route, Sender, SenderOptions};
use oauthclient_operator::oauth::{
    Document, HttpAnswer, HttpRequest, Issuer, Method, ResponseShape, TokenError, discovery,
    response,
};
use oauthclient_operator::render::{Templates, Variables};
use oauthclient_operator::secret::Secret;
use oauthclient_operator::tenant;
use oauthclient_operator::time::{Span, Time};
use oauthclient_operator::trust::{Lenders, authorize};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Just above where a table that doubles would have doubled.
const RESOURCES: u32 = 70_000;
const MOST: usize = 400;
/// How many times the size of the longest body reading it may use in addition.
const MOST_TIMES: usize = 3;
/// What rendering all templates of a resource may take at most.
const MOST_RENDERED: usize = 32 << 20;

fn at(millis: i64) -> Time {
    Time::from_millis(1_700_000_000_000 + millis)
}

/// 30 bytes: `bookshop-0042/metadata-0042123`.
fn key(id: u32) -> Key {
    Key::new(
        &format!("bookshop-{:04}", id / 1000),
        &format!("metadata-{id:07}"),
    )
}

/// In no order, but the same each time.
fn scattered(id: u32) -> i64 {
    i64::from(id.wrapping_mul(2_654_435_761) % 2_000_000)
}

fn token(id: u32, since: i64) -> TokenFacts {
    let issued = at(since + scattered(id));
    TokenFacts {
        owner: u64::from(id),
        version: 1,
        issued,
        expires: issued + Span::from_seconds(3600),
        refresh: issued + Span::from_seconds(2600),
        inputs: 7,
        credentials: 8,
        refresh_request: 0,
    }
}

fn fleet(hosts: &[Arc<str>], published: bool) -> Engine {
    let mut engine = Engine::new(Limits::default());
    for id in 0..RESOURCES {
        let key = key(id);
        let facts = ResourceFacts {
            uid: u64::from(id),
            generation: 1,
            inputs: 7,
            host: Arc::clone(&hosts[id as usize % hosts.len()]),
            refresh_request: 0,
            suspended: false,
            deleting: false,
            reported: true,
            reported_refresh: None,
            attempt: None,
        };
        let credentials = CredentialsFacts { version: 8 };
        engine.changed(&key, Event::Resource(facts), at(0));
        engine.changed(&key, Event::Credentials(Some(credentials)), at(0));
        if published {
            engine.changed(&key, Event::Token(Some(token(id, -2_000_000))), at(0));
        }
    }
    engine.ready(at(0));
    engine
}

/// Does all that is due at `now`; each request succeeds or fails.
fn work_off(engine: &mut Engine, now: i64, succeeds: bool) {
    while let Next::Work(work) = engine.next(at(now)) {
        let id = work.key.name().rsplit('-').next().expect("it has a number");
        let id: u32 = id.parse().expect("it is a number");
        let before = engine.record(&work.key).and_then(|view| view.token);
        let failed = Attempt {
            failures: 1,
            time: at(now),
            next: at(now + 400_000 + scattered(id)),
            not_before: at(now),
            inputs: attempt_inputs(7, 8),
        };
        let new = token(id, now);
        let outcome = Outcome {
            token: if succeeds { Some(new) } else { before },
            attempt: (!succeeds).then_some(failed),
            host_report: HostReport::Unused,
            requeue: Requeue::RequestAt(if succeeds { new.refresh } else { failed.next }),
        };
        engine.done(&work.key, outcome, at(now));
    }
}

#[test]
fn a_resource_takes_at_most_400_bytes_in_every_state_of_a_fleet() {
    let hosts: Vec<Arc<str>> = (0..300)
        .map(|host| format!("login-{host}.example:443").into())
        .collect();
    let mut worst = 0;
    let mut told = |what: &str, before: usize, engine: &Engine| {
        let each = held().wrapping_sub(before) / RESOURCES as usize;
        let estimated = engine.bytes() / RESOURCES as usize;
        println!("{what}: {each} bytes a resource ({estimated} estimated)");
        assert!(
            each.abs_diff(estimated) * 100 <= each * 10,
            "the estimate is far off"
        );
        worst = worst.max(each);
    };

    let before = held();
    let mut engine = fleet(&hosts, false);
    assert!(matches!(engine.next(at(0)), Next::Work(_)));
    told("first issues, waiting for slots", before, &engine);
    drop(engine);

    let before = held();
    let mut engine = fleet(&hosts, true);
    told("current, after a start", before, &engine);
    for hour in 1..4 {
        work_off(&mut engine, hour * 3_000_000, true);
    }
    told("current, after three refreshes each", before, &engine);
    work_off(&mut engine, 13_000_000, false);
    told("all failing, tokens alive", before, &engine);
    drop(engine);
    assert!(worst <= MOST, "{worst} bytes are more than {MOST}");
}

/// Fills a body up to the cap with `piece`, again and again, with a number where it says `#`.
fn filled(begin: &str, piece: &str, end: &str) -> String {
    let mut body = begin.to_owned();
    let mut number = 0;
    while body.len() + piece.len() + 8 + end.len() <= MAX_BODY {
        body.push_str(&piece.replace('#', &number.to_string()));
        number += 1;
    }
    body + end
}

/// Bodies made to take memory: as long as bodies may be, and what they are.
fn hostile() -> Vec<(&'static str, String)> {
    let token = r#"{"access_token":"t","a":"#;
    let deep = |open: &str, close: &str, levels: usize| {
        format!("{}1{},", open.repeat(levels), close.repeat(levels))
    };
    vec![
        (
            "one long string",
            filled(r#"{"access_token":""#, "x", "\"}"),
        ),
        (
            "escapes of one byte",
            filled(r#"{"access_token":""#, "\\\"", "\"}"),
        ),
        (
            "escapes of one letter",
            filled(r#"{"access_token":""#, "\\u0041", "\"}"),
        ),
        (
            "escapes of three bytes",
            filled(r#"{"access_token":""#, "\\u20ac", "\"}"),
        ),
        (
            "a long key",
            filled(r#"{"access_token":"t",""#, "\\n", "\":1}"),
        ),
        (
            "many keys",
            filled(r#"{"access_token":"t""#, ",\"#\":1", "}"),
        ),
        (
            "keys of one object each",
            filled(r#"{"access_token":"t""#, ",\"#\":{\"a\":1}", "}"),
        ),
        (
            "small objects",
            filled(&format!("{token}["), "{\"\":1},", "1]}"),
        ),
        ("empty objects", filled(&format!("{token}["), "{},", "1]}")),
        ("empty lists", filled(&format!("{token}["), "[],", "1]}")),
        ("lists of one", filled(&format!("{token}["), "[1],", "1]}")),
        ("numbers", filled(&format!("{token}["), "0,", "1]}")),
        (
            "long numbers",
            filled(&format!("{token}["), "1.7976931348623157e308,", "1]}"),
        ),
        (
            "one long number",
            filled(r#"{"access_token":"t","expires_in":"#, "9", "}"),
        ),
        (
            "short strings",
            filled(&format!("{token}["), "\"\",", "1]}"),
        ),
        (
            "deep lists",
            filled(&format!("{token}["), &deep("[", "]", 28), "1]}"),
        ),
        (
            "deep objects",
            filled(&format!("{token}["), &deep("{\"\":", "}", 28), "1]}"),
        ),
        ("too deep", filled(token, "[", "")),
        (
            "scopes",
            filled(r#"{"access_token":"t","scope":["#, "\"a\",", "\"a\"]}"),
        ),
        ("fields of a form", filled("access_token=t", "&#=", "")),
        ("a long field of a form", filled("access_token=", "%41", "")),
        ("a long name in a form", filled("access_token=t&", "a", "=")),
        ("white space", filled(token, " ", "1}")),
    ]
}

#[test]
fn reading_an_answer_takes_at_most_a_few_times_its_body_whatever_is_in_it() {
    let issuer = Issuer::parse("https://login.example.com").expect("it is one");
    let mut shapes = vec![ResponseShape::default(), ResponseShape::default()];
    shapes[1].access_token = Some(String::new());
    shapes[1].jwt_expiry = true;
    let mut worst = 0;
    for (what, body) in hostile() {
        assert!(
            body.len() <= MAX_BODY && body.len() > MAX_BODY - 512,
            "{what}"
        );
        for status in [200, 400] {
            let answer = HttpAnswer {
                headers: Vec::new(),
                status,
                content_type: None,
                retry_after: None,
                body: Secret::from(body.as_str()),
                sent: Default::default(),
            };
            let (document, _) = peak(|| discovery::decode(&issuer, &answer));
            let mut most = document;
            for shape in &shapes {
                let read = || response::decode(shape, &answer, Time::from_seconds(0));
                let (token, outcome) = peak(read);
                let refused = matches!(outcome, Err(TokenError::Refused { .. }));
                assert_eq!(refused, status == 400, "{what}");
                most = most.max(token);
            }
            println!("{what}, {status}: {} KiB", most / 1024);
            worst = worst.max(most);
        }
    }
    assert!(
        worst <= MOST_TIMES * MAX_BODY,
        "{worst} bytes for {MAX_BODY} are too many"
    );
}

/// Requests in flight, and what each may hold until its response has room.
const IN_FLIGHT: usize = 100;
const MOST_IN_FLIGHT: usize = 80 << 10;

/// A server that sends this and then `x`, so many kilobytes, and then nothing more. It allocates nothing for that.
fn verbose(head: &'static str, kilobytes: usize) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || {
                let mut stream = stream.expect("it connects");
                let mut request = [0; 4096];
                let _ = stream.read(&mut request);
                let _ = stream.write_all(head.as_bytes());
                for _ in 0..kilobytes {
                    if stream.write_all(&[b'x'; 1000]).is_err() {
                        return;
                    }
                }
                let _ = stream.write_all(b"\r\n0\r\n\r\n");
                std::thread::sleep(Duration::from_secs(60));
            });
        }
    });
    address
}

fn local_sender() -> Sender {
    let options = SenderOptions {
        allow_http: true,
        addresses: AddressRules {
            allow_loopback: true,
            ..AddressRules::default()
        },
        ..SenderOptions::default()
    };
    Sender::new(options).expect("it can be built")
}

/// What is held is counted for each thread.
fn on_this_thread() -> tokio::runtime::Runtime {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().expect("it starts")
}

/// Sends requests of a namespace to a server, all at once; the length of each response that was read.
fn send_all(
    sender: &Sender,
    namespace: &str,
    to: SocketAddr,
    timeout: u64,
) -> Vec<tokio::task::JoinHandle<Option<usize>>> {
    let url = format!("http://{to}/token");
    let request = Arc::new(HttpRequest {
        method: Method::Post,
        url: url.as_str().into(),
        headers: Vec::new(),
        body: Secret::from("grant_type=client_credentials"),
        secrets: Default::default(),
        lenders: Lenders::none(),
    });
    let send = || {
        let (sender, request) = (sender.clone(), Arc::clone(&request));
        let namespace = namespace.to_owned();
        tokio::spawn(async move {
            let request = authorize(&request, &Lenders::none()).ok()?;
            let route = Route {
                ca: None,
                identity: None,
                timeout: Duration::from_secs(timeout),
            };
            let sent = sender.send_counted(&request, &route, None);
            let sent = tenant::serve(&namespace, sent).await;
            sent.ok().map(|(answer, _)| answer.body.len())
        })
    };
    (0..IN_FLIGHT).map(|_| send()).collect()
}

#[test]
fn a_response_that_waits_for_room_takes_little_memory() {
    let sender = local_sender();
    on_this_thread().block_on(async {
        for (namespace, head) in [
            (
                "length",
                "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n",
            ),
            (
                "chunked",
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nF4240\r\n",
            ),
        ] {
            let full = tenant::serve(namespace, async {
                [
                    sender.set_room_aside(None, true).await,
                    sender.set_room_aside(None, true).await,
                ]
            });
            let full = full.await;
            let before = held();
            let tasks = send_all(&sender, namespace, verbose(head, 1000), 60);
            while sender.usage()[1].1 < IN_FLIGHT {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let each = held().wrapping_sub(before) / IN_FLIGHT;
            println!("{namespace}: {each} bytes each");
            assert!(each <= MOST_IN_FLIGHT, "{namespace}: {each} bytes");
            drop(full);
            for task in tasks {
                assert_eq!(task.await.expect("it ends"), Some(1_000_000));
            }
        }
    });
}

#[test]
fn headers_without_end_take_little_memory() {
    let sender = local_sender();
    on_this_thread().block_on(async {
        for (head, kilobytes) in [
            ("HTTP/1.1 200 OK\r\nx: ", 30),
            ("HTTP/1.1 200 OK\r\nx: ", 400),
            ("HTTP/1.1 100 Continue\r\nx: ", 400),
        ] {
            let before = held();
            let tasks = send_all(&sender, "shop", verbose(head, kilobytes), 4);
            let mut most = 0;
            while !tasks.iter().all(tokio::task::JoinHandle::is_finished) {
                most = most.max(held().saturating_sub(before));
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let each = most / IN_FLIGHT;
            println!("{kilobytes} kB of headers: {each} bytes each");
            assert!(each <= MOST_IN_FLIGHT, "{kilobytes} kB: {each} bytes");
            for task in tasks {
                assert_eq!(task.await.expect("it ends"), None);
            }
        }
    });
}

/// Templates made to take memory.
fn greedy() -> Vec<(&'static str, String)> {
    let chain = |filter: &str, times: usize| format!(" | {filter}").repeat(times);
    let doubled = "{% set a = a ~ a %}".repeat(60);
    let each = |inner: &str| format!("{{% for a in response.list %}}{inner}{{% endfor %}}");
    vec![
        (
            "a filter that lengthens",
            format!("{{{{ 'x'{} }}}}", chain("b64encode", 60)),
        ),
        (
            "one that doubles",
            format!("{{{{ '\"'{} }}}}", chain("tojson", 26)),
        ),
        (
            "one that doubles much",
            format!("{{{{ response.big{} }}}}", chain("tojson", 8)),
        ),
        (
            "doubling",
            format!("{{% set a = response.big %}}{doubled}{{{{ a }}}}"),
        ),
        ("a loop", each("{{ response.big }}")),
        (
            "a loop of filters",
            each("{{ response.big | upper | lower | trim }}"),
        ),
        ("repeating", "{{ response.big * 100 }}".to_owned()),
        ("much in every key", "{{ response.big }}".repeat(8)),
    ]
}

#[test]
fn rendering_templates_takes_a_bounded_amount_whatever_they_do() {
    let token = Secret::from("token");
    let document =
        Document(serde_json::json!({"big": "\"".repeat(900_000), "list": vec![0; 19_000]}));
    let mut worst = 0;
    for (what, source) in greedy() {
        let sources: BTreeMap<String, String> = (0..60)
            .map(|number| (format!("key{number}"), source.clone()))
            .collect();
        let variables = Variables {
            access_token: &token,
            token_type: "Bearer",
            expires_at: at(0),
            scope: None,
            response: &document,
            credentials: &BTreeMap::new(),
            dpop: None,
            refresh_token: None,
            sent: &Default::default(),
            echoes: false,
        };
        let (most, done) = peak(|| match Templates::parse(&sources) {
            Ok(templates) => templates.render(&variables).is_ok(),
            Err(_) => false,
        });
        println!("{what}: {} KiB", most / 1024);
        assert!(!done, "{what} fits into no Secret");
        worst = worst.max(most);
    }
    assert!(worst <= MOST_RENDERED, "{worst} bytes are too many");
}
