//! Streams of events: passed on as they come, and broken on demand.

use super::Dropped;
use super::rule::WatchFault;
use bytes::Bytes;
use futures::Stream;
use hyper::body::Frame;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc;

/// The beginning of an event that never ends.
const HALF_AN_EVENT: &[u8] = br#"{"type":"MODIFIED","object":{"apiVersion":"v1","kind":"#;
/// How long the half event has to leave before the connection is closed under it.
const FLUSH: Duration = Duration::from_millis(50);

/// What a watch's body is fed with.
type Piece = Result<Frame<Bytes>, Dropped>;

/// The body of a response to a watch.
pub(super) struct Events(mpsc::Receiver<Piece>);

impl Stream for Events {
    type Item = Piece;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Piece>> {
        self.0.poll_recv(context)
    }
}

/// Passes a watch on, until it ends, the client is gone, or it is broken: by `plan` after so many events, or by `breaks`.
pub(super) fn relay(
    upstream: reqwest::Response,
    plan: Option<(usize, WatchFault)>,
    breaks: mpsc::UnboundedReceiver<WatchFault>,
) -> Events {
    // One piece at a time: nothing is held back, and a slow client slows the server.
    let (out, events) = mpsc::channel(1);
    tokio::spawn(pump(upstream, plan, breaks, out));
    Events(events)
}

async fn pump(
    mut upstream: reqwest::Response,
    plan: Option<(usize, WatchFault)>,
    mut breaks: mpsc::UnboundedReceiver<WatchFault>,
    out: mpsc::Sender<Piece>,
) {
    let mut left = plan.as_ref().map(|(events, _)| *events);
    loop {
        if left == Some(0) {
            if let Some((_, how)) = plan {
                break_off(how, &out).await;
            }
            return;
        }
        let chunk = tokio::select! {
            // First, so that later events do not overtake a requested break.
            biased;
            () = out.closed() => return,
            Some(how) = breaks.recv() => return break_off(how, &out).await,
            chunk = upstream.chunk() => chunk,
        };
        let piece = match chunk {
            Ok(Some(mut chunk)) => {
                if let Some(left) = &mut left {
                    chunk.truncate(length_of_events(&chunk, left));
                }
                Ok(Frame::data(chunk))
            }
            Ok(None) => return,
            // The API server broke it off: so do we.
            Err(_cut) => Err(Dropped),
        };
        let ended = piece.is_err();
        if out.send(piece).await.is_err() || ended {
            return;
        }
    }
}

/// How many bytes of `chunk` belong to the next `left` events, each of which is one line; counts `left` down.
fn length_of_events(chunk: &[u8], left: &mut usize) -> usize {
    for (index, byte) in chunk.iter().enumerate() {
        if *byte == b'\n' {
            *left = left.saturating_sub(1);
            if *left == 0 {
                return index + 1;
            }
        }
    }
    chunk.len()
}

async fn break_off(how: WatchFault, out: &mpsc::Sender<Piece>) {
    // Where sending fails the client has gone already.
    match how {
        WatchFault::CutMidFrame => {
            let _gone = out
                .send(Ok(Frame::data(Bytes::from_static(HALF_AN_EVENT))))
                .await;
            tokio::time::sleep(FLUSH).await;
            let _gone = out.send(Err(Dropped)).await;
        }
        WatchFault::Error(answer) => {
            let event = serde_json::json!({"type": "ERROR", "object": answer.status_object()});
            let _gone = out
                .send(Ok(Frame::data(Bytes::from(format!("{event}\n")))))
                .await;
        }
        WatchFault::Silence => out.closed().await,
        WatchFault::End => {}
    }
}

#[cfg(test)]
mod tests {
    use super::length_of_events;

    #[test]
    fn events_are_counted_over_chunks() {
        let mut left = 2;
        assert_eq!(length_of_events(b"first\nhalf", &mut left), 10);
        assert_eq!(left, 1);
        assert_eq!(length_of_events(b"half\nthird\n", &mut left), 5);
        assert_eq!(left, 0);
    }
}
