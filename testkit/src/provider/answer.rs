//! Answers as bytes: what is written for a token or an error, in every shape that providers use.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use serde_json::{Map, Value, json};

use super::behaviour::{Encoding, Shape, TimeField, TimeOf, TimeUnit, Written};
use super::check::{Checked, Refused};
use super::ledger::Handout;
use super::span::{later, seconds};
use super::wire::{Incoming, reason};

/// A response before it is serialized.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Empty sends none.
    pub(crate) content_type: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) chunked: bool,
}

impl Answer {
    /// A JSON document with this status.
    pub(crate) fn json(status: u16, document: &Value) -> Answer {
        Answer {
            status,
            content_type: "application/json".to_owned(),
            headers: vec![("cache-control".to_owned(), "no-store".to_owned())],
            body: document.to_string().into_bytes(),
            chunked: false,
        }
    }

    /// The same with one more header.
    pub(crate) fn with_header(mut self, name: &str, value: &str) -> Answer {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Status line and headers, without the headers for the length and without the empty line.
    pub(crate) fn head_start(&self, now: Timestamp) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        if let Ok(date) = DateTimePrinter::new().timestamp_to_rfc9110_string(&now) {
            head.push_str(&format!("date: {date}\r\n"));
        }
        if !self.content_type.is_empty() {
            head.push_str(&format!("content-type: {}\r\n", self.content_type));
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.into_bytes()
    }

    /// The whole head.
    pub(crate) fn head(&self, now: Timestamp) -> Vec<u8> {
        let mut head = self.head_start(now);
        let length = match self.chunked {
            true => "transfer-encoding: chunked\r\n\r\n".to_owned(),
            false => format!("content-length: {}\r\n\r\n", self.body.len()),
        };
        head.extend_from_slice(length.as_bytes());
        head
    }

    /// The body as it goes over the wire.
    pub(crate) fn framed_body(&self) -> Vec<u8> {
        if !self.chunked {
            return self.body.clone();
        }
        let mut framed = Vec::new();
        for chunk in self.body.chunks(16) {
            framed.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            framed.extend_from_slice(chunk);
            framed.extend_from_slice(b"\r\n");
        }
        framed.extend_from_slice(b"0\r\n\r\n");
        framed
    }
}

/// What a refused request is answered.
pub(crate) fn refusal(refused: &Refused) -> Answer {
    let description = refused.refusal.description.as_ref().unwrap_or(&refused.why);
    let document = json!({"error": refused.refusal.code, "error_description": description});
    let answer = Answer::json(refused.refusal.status, &document);
    match refused.challenge && refused.refusal.status == 401 {
        true => answer.with_header("www-authenticate", "Basic realm=\"scripted\""),
        false => answer,
    }
}

/// The document of a successful response.
pub(crate) fn document(
    shape: &Shape,
    handout: &Handout,
    request: &Checked,
    skew: i64,
    now: Timestamp,
) -> Value {
    let mut document = Value::Object(shape.extra.clone());
    for name in &shape.echo {
        if let Some(value) = request.parameter(name) {
            put(&mut document, &format!("/{name}"), json!(value));
        }
    }
    if let Some(token_type) = &shape.token_type {
        put(&mut document, "/token_type", json!(token_type));
    }
    if let Some(refresh_token) = &handout.refresh_token {
        put(&mut document, &shape.refresh_token, json!(refresh_token));
    }
    for field in &shape.times {
        put(
            &mut document,
            &field.pointer,
            time(field, handout, skew, now),
        );
    }
    put(
        &mut document,
        &shape.access_token,
        json!(handout.token.token),
    );
    document
}

/// All that a request sent, as careless servers repeat it.
pub(crate) fn echo(incoming: &Incoming, request: &Checked) -> Value {
    let authorization = incoming.header("authorization").unwrap_or_default();
    let basic = authorization.strip_prefix("Basic ").unwrap_or_default();
    let basic = STANDARD.decode(basic).unwrap_or_default();
    let parameters: Map<String, Value> = request
        .parameters
        .iter()
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect();
    json!({
        "target": incoming.target,
        "authorization": authorization,
        "basic": String::from_utf8_lossy(&basic),
        "body": String::from_utf8_lossy(&incoming.body),
        "parameters": parameters,
    })
}

/// A document as a response of this shape.
pub(crate) fn success(shape: &Shape, document: &Value, token: &str, accepts_gzip: bool) -> Answer {
    let (content_type, body) = match shape.encoding {
        Encoding::Json => ("application/json", document.to_string().into_bytes()),
        Encoding::Form => (
            "application/x-www-form-urlencoded",
            form(document).into_bytes(),
        ),
        Encoding::Bare => ("text/plain", token.as_bytes().to_vec()),
    };
    let mut answer = Answer {
        status: shape.status,
        content_type: shape
            .content_type
            .clone()
            .unwrap_or_else(|| content_type.to_owned()),
        headers: shape.headers.clone(),
        body,
        chunked: shape.chunked,
    };
    if shape.gzip && accepts_gzip {
        answer.body = gzip(&answer.body);
        answer = answer.with_header("content-encoding", "gzip");
    }
    answer
}

/// Writes a value at a JSON pointer, creating objects on the path; the empty pointer replaces the document.
pub(crate) fn put(document: &mut Value, pointer: &str, value: Value) {
    let Some(path) = pointer.strip_prefix('/') else {
        *document = value;
        return;
    };
    let mut at = document;
    for part in path.split('/') {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        let Value::Object(fields) = at else { return };
        at = fields
            .entry(part.replace("~1", "/").replace("~0", "~"))
            .or_insert(Value::Null);
    }
    *at = value;
}

fn time(field: &TimeField, handout: &Handout, skew: i64, now: Timestamp) -> Value {
    let token = &handout.token;
    let (at, left) = match field.of {
        TimeOf::End => (token.expires, token.left_at(now)),
        TimeOf::Issue => (token.issued, token.issued.duration_since(now)),
        TimeOf::Half => {
            let half = seconds(token.expires.duration_since(token.issued).as_secs_f64() / 2.0);
            let at = later(token.issued, half);
            (at, at.duration_since(now).max(jiff::SignedDuration::ZERO))
        }
    };
    let at = later(at, jiff::SignedDuration::from_secs(skew));
    let exact = match field.unit {
        TimeUnit::Seconds => left.as_secs_f64(),
        TimeUnit::Milliseconds => left.as_secs_f64() * 1000.0,
        TimeUnit::EpochSeconds => at.as_millisecond() as f64 / 1000.0,
        TimeUnit::EpochMilliseconds => at.as_millisecond() as f64,
        TimeUnit::Rfc3339 => {
            return match &field.written {
                Written::Null => Value::Null,
                Written::Literal(value) => value.clone(),
                _ => json!(at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            };
        }
    };
    match &field.written {
        Written::Number => json!(whole(exact)),
        Written::Text => json!(whole(exact).to_string()),
        Written::Float => json!(exact),
        Written::Null => Value::Null,
        Written::Literal(value) => value.clone(),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a conversion from float saturates, and times are far smaller"
)]
fn whole(value: f64) -> i64 {
    value.floor() as i64
}

fn form(document: &Value) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in document.as_object().into_iter().flatten() {
        match value {
            Value::String(text) => form.append_pair(name, text),
            Value::Null => form.append_pair(name, ""),
            other => form.append_pair(name, &other.to_string()),
        };
    }
    form.finish()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    // Writing into memory does not fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_makes_its_parents_and_the_empty_one_is_the_whole_document() {
        let mut document = json!({"kept": 1});
        put(&mut document, "/value/token", json!("t"));
        assert_eq!(document, json!({"kept": 1, "value": {"token": "t"}}));
        put(&mut document, "", json!("t"));
        assert_eq!(document, json!("t"));
    }

    #[test]
    fn a_chunked_body_ends_with_the_empty_chunk() {
        let answer = Answer {
            status: 200,
            body: b"0123456789abcdefXY".to_vec(),
            chunked: true,
            ..Answer::default()
        };
        assert_eq!(
            answer.framed_body(),
            b"10\r\n0123456789abcdef\r\n2\r\nXY\r\n0\r\n\r\n"
        );
    }
}
