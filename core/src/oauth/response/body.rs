//! The body of a response as a document: JSON, form-encoded, or one bare token; with the headers that the resource reads.

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::oauth::shape::HEADERS;
use crate::oauth::{HttpAnswer, ResponseShape, document};

/// The body as a document, with the headers that the resource reads. A token that stands in a header needs no body that can
/// be read.
pub(super) fn read_whole(
    shape: &ResponseShape,
    answer: &HttpAnswer,
    bare: bool,
) -> Result<Body, &'static str> {
    let body = read(shape, answer, bare);
    let named = |name: &String| {
        let mut all = answer.headers.iter().filter(|(other, _)| other == name);
        // If a header comes more than once, it is not known which one is meant.
        let (found, None) = (all.next()?, all.next()) else {
            return None;
        };
        Some((name.clone(), Value::from(found.1.expose()?)))
    };
    let found: Map<String, Value> = shape.headers.iter().filter_map(named).collect();
    if found.is_empty() {
        return body;
    }
    let in_header = |pointer: &Option<String>| {
        let pointer = pointer.as_deref().unwrap_or_default();
        pointer
            .strip_prefix('/')
            .and_then(|rest| rest.split('/').next())
            == Some(HEADERS)
    };
    let (mut fields, left_out) = match body {
        Ok(Body {
            value: Value::Object(fields),
            left_out,
        }) => (fields, left_out),
        _ if in_header(&shape.access_token) => (Map::new(), LeftOut::Nothing),
        other => return other,
    };
    fields.insert(HEADERS.to_owned(), Value::Object(found));
    Ok(Body {
        value: Value::Object(fields),
        left_out,
    })
}

/// A body that was read.
pub(super) struct Body {
    pub(super) value: Value,
    pub(super) left_out: LeftOut,
}

/// What was left out of a body because it is not UTF-8.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum LeftOut {
    Nothing,
    /// Fields that are not needed for a token.
    Others,
    /// The access token.
    AccessToken,
}

/// The access token itself is not UTF-8. Whether the refresh token that was sent still works is not known then, unless the
/// response brings another.
pub(super) const TOKEN_NOT_UTF8: &str = "its access token is not valid UTF-8";

/// The body as a document: JSON, form, or (with `bare`) one string.
///
/// Texts that are not UTF-8 are left out: some providers write a name beside the token in another encoding.
fn read(shape: &ResponseShape, answer: &HttpAnswer, bare: bool) -> Result<Body, &'static str> {
    let body = answer.body.expose_bytes();
    match body {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [b'{', 0, ..] | [0, b'{', ..] => {
            return Err("its body is in UTF-16, and only UTF-8 is read");
        }
        [0x1f, 0x8b, ..] => return Err("its body is compressed, and its headers do not say so"),
        _ => {}
    }
    if let Ok(text) = document::text(body) {
        let value = read_text(answer, text, bare)?;
        let left_out = LeftOut::Nothing;
        return Ok(Body { value, left_out });
    }
    let replaced = Zeroizing::new(String::from_utf8_lossy(body).into_owned());
    let mut value = read_text(answer, document::text(replaced.as_bytes())?, bare)?;
    let access = shape.access_token.as_deref().unwrap_or("/access_token");
    let token = value.pointer(access).and_then(Value::as_str);
    let left_out = match token.is_some_and(|token| token.contains(REPLACED)) {
        true => LeftOut::AccessToken,
        false => LeftOut::Others,
    };
    leave_out_replaced(&mut value);
    Ok(Body { value, left_out })
}

/// What stands for bytes that are not UTF-8.
const REPLACED: char = char::REPLACEMENT_CHARACTER;

/// Removes every text with a replaced byte: it could hold a part of a secret, which a comparison would not find.
fn leave_out_replaced(value: &mut Value) {
    match value {
        Value::String(text) if text.contains(REPLACED) => *value = Value::Null,
        Value::Array(items) => items.iter_mut().for_each(leave_out_replaced),
        Value::Object(fields) => {
            fields.retain(|name, _| !name.contains(REPLACED));
            fields.values_mut().for_each(leave_out_replaced);
        }
        _ => {}
    }
}

fn read_text(answer: &HttpAnswer, text: &str, bare: bool) -> Result<Value, &'static str> {
    let kind = answer
        .content_type
        .as_deref()
        .unwrap_or("")
        .split(';')
        .next()
        .unwrap_or("")
        .trim()
        .to_ascii_lowercase();
    match text.chars().next() {
        None => Err("its body is empty"),
        Some('{' | '[') => document::json(text),
        Some('<') => Err("its body is HTML or XML"),
        Some('"') if bare => document::json(text),
        // RFC 6750 section 2.1 has no spaces in a token: a sentence such as "try later" is not one.
        Some(_) if bare && text.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Ok(bare_text(text, &kind))
        }
        Some(_) if bare => Err("its body is not a bare token"),
        Some(_) if kind.ends_with("json") => document::json(text),
        Some(_)
            if matches!(
                kind.as_str(),
                "" | "application/x-www-form-urlencoded" | "text/plain"
            ) =>
        {
            document::form(text)
        }
        // The content type is wrong, but the body is a form.
        Some(_) if text.starts_with("access_token=") || text.contains("&access_token=") => {
            document::form(text)
        }
        Some(_) => Err("its body is neither JSON nor form-encoded"),
    }
}

/// A bare token, unless it is another JSON value: `null` is no token anywhere, a number is none where JSON was announced.
fn bare_text(text: &str, kind: &str) -> Value {
    match document::json(text) {
        Ok(value) if kind.ends_with("json") || !value.is_number() => value,
        _ => Value::String(text.to_owned()),
    }
}
