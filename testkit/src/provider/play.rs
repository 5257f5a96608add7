//! Plays faults on the socket, byte by byte where no HTTP library would write them.

use std::io::{self, Write as _};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::answer::{self, Answer};
use super::behaviour::{Encoding, Shape};
use super::fault::{Fault, Place, REQUEST_MARK, TOKEN_MARK};
use super::wire::{Incoming, Wire};

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// It may carry the next request.
    Keep,
    /// It is closed.
    Close,
}

/// Writes a normal response.
pub(crate) async fn write(
    wire: &mut dyn Wire,
    answer: &Answer,
    now: Timestamp,
) -> io::Result<Then> {
    let mut bytes = answer.head(now);
    bytes.extend_from_slice(&answer.framed_body());
    wire.write_all(&bytes).await?;
    wire.flush().await?;
    Ok(Then::Keep)
}

/// What a fault makes of the body before any of it is sent.
pub(crate) fn spoil(fault: &Fault, shape: &Shape, mut document: Value, token: &str) -> Answer {
    let shown = match fault {
        Fault::TokenWith { text, at } => with_text(token, text, *at),
        _ => token.to_owned(),
    };
    match fault {
        Fault::TokenWith { .. } => answer::put(&mut document, &shape.access_token, json!(shown)),
        Fault::WithoutToken => remove(&mut document, &shape.access_token),
        _ => {}
    }
    let mut answer = answer::success(
        &Shape {
            gzip: false,
            ..shape.clone()
        },
        &document,
        &shown,
        false,
    );
    match fault {
        Fault::WithoutToken if shape.encoding == Encoding::Bare => answer.body.clear(),
        Fault::ByteOrderMark => answer.body = [b"\xef\xbb\xbf", answer.body.as_slice()].concat(),
        Fault::DuplicateKeys => {
            insert_field(&mut answer.body, r#""access_token":"the-other-one","#)
        }
        Fault::Nesting { levels } => {
            let nested = format!(
                r#""nested":{}{},"#,
                "[".repeat(*levels),
                "]".repeat(*levels)
            );
            insert_field(&mut answer.body, &nested);
        }
        Fault::Answer {
            status,
            content_type,
            body,
            headers,
        } => {
            answer = Answer {
                status: *status,
                content_type: content_type.clone(),
                headers: headers.clone(),
                body: body.replace(TOKEN_MARK, token).into_bytes(),
                chunked: false,
            };
        }
        _ => {}
    }
    answer
}

fn with_text(token: &str, text: &str, at: Place) -> String {
    let at = match at {
        Place::Start => 0,
        Place::Middle => token.len() / 2,
        Place::End => token.len(),
    };
    // Tokens are ASCII, so that every index is between characters.
    let (before, after) = token.split_at_checked(at).unwrap_or((token, ""));
    format!("{before}{text}{after}")
}

fn remove(document: &mut Value, pointer: &str) {
    let (parent, name) = pointer.rsplit_once('/').unwrap_or_default();
    if let Some(Value::Object(fields)) = document.pointer_mut(parent) {
        fields.remove(name);
    }
}

/// Puts a field, with its comma, behind the brace that opens a document which has others.
fn insert_field(body: &mut Vec<u8>, field: &str) {
    if body.first() == Some(&b'{') {
        body.splice(1..1, field.bytes());
    }
}

/// Sends the response of a fault that shows a token.
pub(crate) async fn send_spoilt(
    wire: &mut dyn Wire,
    fault: &Fault,
    answer: &Answer,
    now: Timestamp,
) -> io::Result<Then> {
    match fault {
        Fault::Lost => Ok(Then::Close),
        Fault::StallBody { after_bytes } => {
            send_part(wire, answer, *after_bytes, now).await?;
            until_closed(wire).await
        }
        Fault::Cut { after_bytes } => {
            send_part(wire, answer, *after_bytes, now).await?;
            Ok(Then::Close)
        }
        Fault::Drip { bytes_per_second } => {
            let pause = Duration::try_from_secs_f64(1.0 / bytes_per_second)
                .unwrap_or(Duration::from_secs(1));
            for byte in [answer.head(now), answer.framed_body()].concat() {
                wire.write_all(&[byte]).await?;
                wire.flush().await?;
                tokio::time::sleep(pause).await;
            }
            Ok(Then::Keep)
        }
        _ => write(wire, answer, now).await,
    }
}

async fn send_part(
    wire: &mut dyn Wire,
    answer: &Answer,
    bytes: usize,
    now: Timestamp,
) -> io::Result<()> {
    wire.write_all(&answer.head(now)).await?;
    let body = answer.framed_body();
    wire.write_all(body.get(..bytes).unwrap_or(&body)).await?;
    wire.flush().await
}

/// Plays a fault that needs no token.
pub(crate) async fn play(
    wire: &mut dyn Wire,
    fault: &Fault,
    incoming: &Incoming,
    now: Timestamp,
) -> io::Result<Then> {
    match fault {
        Fault::Hang => until_closed(wire).await,
        Fault::Close => Ok(Then::Close),
        Fault::Reset => {
            wire.socket().set_zero_linger()?;
            Ok(Then::Close)
        }
        Fault::Endless => stream_text(wire, None, now).await,
        Fault::LargeBody { bytes } => stream_text(wire, Some(*bytes), now).await,
        Fault::GzipBomb { bytes } => stream_gzip(wire, *bytes, now).await,
        other => write(wire, &plain(other, incoming), now).await,
    }
}

/// The status code of a fault, if it has one.
pub(crate) fn status_of(fault: &Fault) -> Option<u16> {
    match fault {
        Fault::Hang | Fault::Close | Fault::Reset | Fault::Lost => None,
        Fault::Redirect { status, .. }
        | Fault::Status { status, .. }
        | Fault::Error { status, .. }
        | Fault::Answer { status, .. } => Some(*status),
        _ => Some(200),
    }
}

/// The response of a fault that is a response.
fn plain(fault: &Fault, incoming: &Incoming) -> Answer {
    match fault {
        Fault::Redirect { status, location } => Answer { status: *status, ..Answer::default() }.with_header("location", location),
        Fault::Html => Answer {
            status: 200,
            content_type: "text/html; charset=utf-8".to_owned(),
            body: b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>".to_vec(),
            ..Answer::default()
        },
        Fault::InvalidUtf8 => Answer {
            body: b"{\"access_token\":\"not-\xff\xfe-text\",\"token_type\":\"Bearer\",\"expires_in\":3600}".to_vec(),
            ..Answer::json(200, &Value::Null)
        },
        Fault::Status { status, retry_after } => retry(
            Answer {
                status: *status,
                content_type: "text/plain".to_owned(),
                body: b"scripted failure\n".to_vec(),
                ..Answer::default()
            },
            retry_after.as_deref(),
        ),
        Fault::Error { status, code, description, echo, retry_after } => {
            let mut text = description.clone().unwrap_or_default();
            if *echo {
                text.push_str(&repeated(incoming));
            }
            let mut document = json!({"error": code});
            if !text.is_empty() {
                answer::put(&mut document, "/error_description", json!(text));
            }
            let answer = Answer::json(*status, &document);
            let challenged = *status == 401 && incoming.header("authorization").is_some();
            let answer = match challenged {
                true => answer.with_header("www-authenticate", "Basic realm=\"scripted\""),
                false => answer,
            };
            retry(answer, retry_after.as_deref())
        }
        Fault::NotOk { code } => Answer::json(200, &json!({"ok": false, "error": code})),
        Fault::Answer { status, content_type, body, headers } => Answer {
            status: *status,
            content_type: content_type.clone(),
            headers: headers.clone(),
            body: body.replace(REQUEST_MARK, &repeated(incoming)).into_bytes(),
            chunked: false,
        },
        // Everything else is played by `play` or shows a token.
        _ => Answer { status: 500, ..Answer::default() },
    }
}

/// All that a request sent that is secret, as careless servers repeat it.
fn repeated(incoming: &Incoming) -> String {
    let authorization = incoming.header("authorization").unwrap_or_default();
    let body = String::from_utf8_lossy(&incoming.body);
    format!(
        " target={} authorization={authorization} body={body}",
        incoming.target
    )
}

fn retry(answer: Answer, retry_after: Option<&str>) -> Answer {
    match retry_after {
        Some(text) => answer.with_header("retry-after", text),
        None => answer,
    }
}

/// Reads and forgets until the client closes.
async fn until_closed(wire: &mut dyn Wire) -> io::Result<Then> {
    let mut sink = [0; 1024];
    while wire.read(&mut sink).await? > 0 {}
    Ok(Then::Close)
}

/// A JSON document of `bytes` bytes, or one that never ends.
async fn stream_text(wire: &mut dyn Wire, bytes: Option<u64>, now: Timestamp) -> io::Result<Then> {
    const START: &[u8] =
        br#"{"access_token":"big","token_type":"Bearer","expires_in":3600,"filler":""#;
    const END: &[u8] = br#""}"#;
    let head = Answer::json(200, &Value::Null).head_start(now);
    wire.write_all(&head).await?;
    let filler = vec![b'x'; 64 * 1024];
    let Some(bytes) = bytes else {
        wire.write_all(b"transfer-encoding: chunked\r\n\r\n")
            .await?;
        wire.write_all(format!("{:x}\r\n", START.len()).as_bytes())
            .await?;
        wire.write_all(&[START, b"\r\n"].concat()).await?;
        loop {
            wire.write_all(format!("{:x}\r\n", filler.len()).as_bytes())
                .await?;
            wire.write_all(&filler).await?;
            wire.write_all(b"\r\n").await?;
        }
    };
    let mut left = bytes.saturating_sub((START.len() + END.len()) as u64);
    let length = left + (START.len() + END.len()) as u64;
    wire.write_all(format!("content-length: {length}\r\n\r\n").as_bytes())
        .await?;
    wire.write_all(START).await?;
    while left > 0 {
        let part = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(filler.len());
        wire.write_all(filler.get(..part).unwrap_or(&filler))
            .await?;
        left -= part as u64;
    }
    wire.write_all(END).await?;
    wire.flush().await?;
    Ok(Then::Keep)
}

/// A gzip stream that unpacks to `bytes` bytes, made while it is sent.
async fn stream_gzip(wire: &mut dyn Wire, bytes: u64, now: Timestamp) -> io::Result<Then> {
    let head = Answer::json(200, &Value::Null)
        .with_header("content-encoding", "gzip")
        .head_start(now);
    wire.write_all(&head).await?;
    // No length is given: the body ends with the connection.
    wire.write_all(b"connection: close\r\n\r\n").await?;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(br#"{"access_token":""#)?;
    let zeros = vec![b'0'; 1024 * 1024];
    let mut left = bytes;
    while left > 0 {
        let part = usize::try_from(left).unwrap_or(usize::MAX).min(zeros.len());
        encoder.write_all(zeros.get(..part).unwrap_or(&zeros))?;
        left -= part as u64;
        let packed = std::mem::take(encoder.get_mut());
        wire.write_all(&packed).await?;
        tokio::task::yield_now().await;
    }
    encoder.write_all(br#""}"#)?;
    wire.write_all(&encoder.finish()?).await?;
    wire.flush().await?;
    Ok(Then::Close)
}
