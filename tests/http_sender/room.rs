//! Responses that must not be lost find room, however much else of their namespace is held.

use std::io::{Read as _, Write as _};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use oauthclient_operator::tenant;

const LARGE: usize = 300 << 10;

/// A provider whose tokens are large.
fn verbose() -> Provider {
    let mut behaviour = Behaviour::default();
    behaviour.tokens.length = LARGE;
    plain(behaviour)
}

#[tokio::test]
async fn the_response_to_a_redeemed_refresh_token_is_read_though_its_namespace_has_no_room() {
    let provider = verbose();
    let sender = sender(local());
    let ask = async {
        let small = sender.set_room_aside(Some(1_000), true).await.unwrap();
        let _full = [
            sender.set_room_aside(None, true).await.unwrap(),
            sender.set_room_aside(Some(490_000), true).await.unwrap(),
        ];
        let [_, (held, waiting), _] = sender.usage();
        assert!(held > (8 << 20) - LARGE && waiting == 0, "{held}");
        let request = request(&provider.url(PATH));
        let authorized = authorized(&request);
        let route = within(PATIENCE);
        let sent = sender.send_counted(&authorized, &route, Some(small));
        let (answer, room) = sent.await.unwrap();
        assert!(answer.body.len() > LARGE);
        let [_, (more, _), rescues] = sender.usage();
        assert!(more >= held + LARGE, "what is read counts: {more}");
        assert_eq!(rescues, (1, 0));
        drop(room);
        assert_eq!(sender.usage()[2], (0, 0));
    };
    tenant::serve("shop", ask).await;
    assert_eq!(sender.usage()[1], (0, 0), "all is given back");
}

#[tokio::test]
async fn a_response_that_fits_takes_no_more_than_it_needs() {
    let provider = verbose();
    let sender = sender(local());
    let room = sender.set_room_aside(None, true).await;
    assert_eq!(sender.usage()[1].0, 4 << 20);
    let request = request(&provider.url(PATH));
    let authorized = authorized(&request);
    let route = within(PATIENCE);
    let sent = sender.send_counted(&authorized, &route, room);
    let (answer, room) = sent.await.unwrap();
    let held = sender.usage()[1].0;
    let body = answer.body.len();
    assert!((4 * body..8 * body).contains(&held), "{held} for {body}");
    drop(room);
    assert_eq!(sender.usage()[1], (0, 0));
}

/// A server that closes the connection if the rest of its response is not fetched soon.
fn impatient(patience: Duration) -> (u16, Arc<AtomicUsize>) {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            counted.fetch_add(1, Ordering::SeqCst);
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {LARGE}\r\n\r\n");
            let _ = stream.write_all(head.as_bytes());
            let _ = stream.write_all(&[b'x'; 1000]);
            std::thread::sleep(patience);
        }
    });
    (port, requests)
}

/// A server whose response is late, and whose rest takes a while once it is fetched.
fn late(before: Duration, rest: Duration) -> u16 {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request);
        std::thread::sleep(before);
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {LARGE}\r\n\r\n");
        let _ = stream.write_all(head.as_bytes());
        let _ = stream.write_all(&vec![b'x'; LARGE - 1]);
        std::thread::sleep(rest);
        let _ = stream.write_all(b"x");
        std::thread::sleep(Duration::from_secs(20));
    });
    port
}

#[tokio::test]
async fn a_response_that_waited_for_room_is_read_though_little_of_its_time_is_left() {
    let port = late(Duration::from_millis(1500), Duration::from_secs(5));
    let sender = sender(local());
    let request = request(&format!("http://127.0.0.1:{port}/token"));
    let authorized = authorized(&request);
    let route = within(Duration::from_secs(3));
    let ask = async {
        let full = [
            sender.set_room_aside(None, true).await.unwrap(),
            sender.set_room_aside(None, true).await.unwrap(),
        ];
        let makes_room = async {
            while sender.usage()[1].1 == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            tokio::time::sleep(Duration::from_millis(1500)).await;
            drop(full);
        };
        let sent = sender.send_counted(&authorized, &route, None);
        let (sent, ()) = tokio::join!(sent, makes_room);
        assert_eq!(sent.unwrap().0.body.len(), LARGE);
    };
    tenant::serve("shop", ask).await;
}

#[tokio::test]
async fn a_server_that_does_not_wait_until_there_is_room_is_told_apart_from_one_that_breaks_off() {
    let (port, requests) = impatient(Duration::from_millis(1500));
    let sender = sender(local());
    let request = request(&format!("http://127.0.0.1:{port}/token"));
    let authorized = authorized(&request);
    let route = within(PATIENCE);
    let ask = async {
        let full = [
            sender.set_room_aside(None, true).await.unwrap(),
            sender.set_room_aside(None, true).await.unwrap(),
        ];
        let sent = sender.send_counted(&authorized, &route, None);
        let makes_room = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            drop(full);
        };
        let (waited, ()) = tokio::join!(sent, makes_room);
        assert!(matches!(waited, Err(SendError::NoRoom)));
        let at_once = sender.send_counted(&authorized, &route, None).await;
        assert!(matches!(at_once, Err(SendError::Cut)));
    };
    tenant::serve("shop", ask).await;
    assert_eq!(requests.load(Ordering::SeqCst), 2);
    assert_eq!(sender.usage()[1], (0, 0));
}
