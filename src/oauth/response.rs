//! The answer of a token endpoint (RFC 6749 sections 5.1 and 5.2): lenient where providers stray, strict where rubbish
//! would be published.
//!
//! - Success is 2xx (GitHub's siblings send 201), an error anything else; a 3xx is an error of its own. A 2xx with an
//!   `error`, or with `ok: false`, is a refusal (GitHub, Slack).
//! - What begins with `{` is JSON whatever the content type says; else a form-encoded or `text/plain` body is read as
//!   form. With the pointer `""` the whole body is the token, a JSON string or bare text.
//! - The token is a string that is not empty and has no control characters; everything else about it is its own business.
//! - Nothing of a body gets into an error or a remark.

mod expiry;
mod retry_after;
mod told;

use serde_json::Value;

use super::document;
use super::exchange;
use super::{Document, ErrorCode, HttpAnswer, IssuedType, ResponseShape, Token, TokenError};
use crate::secret::Secret;
use crate::time::Time;

pub use expiry::MAX_LIFETIME;
pub use retry_after::{MAX_RETRY_AFTER, http_date, retry_after};

/// Longest token type that is taken: it goes into a header of every request of the workload.
const MAX_TOKEN_TYPE: usize = 64;
/// Longest scope that is taken, in bytes: it goes into the token Secret and the status.
const MAX_SCOPE: usize = 8192;

/// Understands an answer. `received` is when it came: `Retry-After` dates count from it, and absolute expiries are
/// compared with it.
///
/// # Errors
/// [`TokenError`]; nothing of the body is in it.
pub fn decode(
    shape: &ResponseShape,
    answer: &HttpAnswer,
    received: Time,
) -> Result<Token, TokenError> {
    match answer.status {
        200..=299 => granted(shape, answer, received),
        300..=399 => Err(TokenError::Redirected {
            status: answer.status,
        }),
        _ => Err(refusal(answer, error_code(shape, answer), received)),
    }
}

fn refusal(answer: &HttpAnswer, code: ErrorCode, received: Time) -> TokenError {
    let retry_after = answer
        .retry_after
        .as_deref()
        .and_then(|value| retry_after(value, received));
    TokenError::Refused {
        status: answer.status,
        code,
        retry_after,
    }
}

/// The code of an error answer; a body that cannot be read has none.
fn error_code(shape: &ResponseShape, answer: &HttpAnswer) -> ErrorCode {
    match read(answer, false) {
        Ok(value @ Value::Object(_)) => told::code(shape, &value),
        _ => ErrorCode::Unknown,
    }
}

fn granted(
    shape: &ResponseShape,
    answer: &HttpAnswer,
    received: Time,
) -> Result<Token, TokenError> {
    let bare = shape.access_token.as_deref() == Some("");
    let value = read(answer, bare).map_err(unusable)?;
    if told::is_refusal(shape, &value) {
        return Err(refusal(answer, told::code(shape, &value), received));
    }
    match &value {
        Value::Object(_) => {}
        Value::String(_) if bare => {}
        _ => return Err(unusable("its body is not a JSON object")),
    }
    token(shape, value, received).map_err(unusable)
}

/// The document of an answer that is a success, whether its access token can be used or not.
pub fn document(shape: &ResponseShape, answer: &HttpAnswer) -> Option<Document> {
    let is_success = matches!(answer.status, 200..=299);
    let value = read(answer, false).ok().filter(Value::is_object)?;
    (is_success && !told::is_refusal(shape, &value)).then_some(Document(value))
}

fn unusable(problem: &'static str) -> TokenError {
    TokenError::Unusable { problem }
}

/// The body as a document: JSON, form, or (with `bare`) one string.
fn read(answer: &HttpAnswer, bare: bool) -> Result<Value, &'static str> {
    let text = document::text(answer.body.expose_bytes())?;
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
        Some('<') => Err("its body is HTML or XML: is this the address of the token endpoint?"),
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

fn token(shape: &ResponseShape, value: Value, received: Time) -> Result<Token, &'static str> {
    let mut remarks = Vec::new();
    let access_token = access_token(
        at(&value, shape.access_token.as_deref(), "/access_token"),
        &mut remarks,
    )?;
    let token_type = token_type(at(&value, shape.token_type.as_deref(), "/token_type"))?;
    match &shape.issued_type {
        IssuedType::Unsaid => {}
        IssuedType::Any => exchange::check_issued_type(None, &value, &mut remarks)?,
        IssuedType::Requested(wanted) => {
            exchange::check_issued_type(Some(wanted), &value, &mut remarks)?;
        }
    }
    if token_type == exchange::NOT_APPLICABLE {
        remarks.push(exchange::NOT_APPLICABLE_REMARK);
    }
    let scope = scope(at(&value, shape.scope.as_deref(), "/scope"), &mut remarks);
    let lifetime = match &shape.expiry {
        Some(shape) => expiry::configured(shape, &value, received, &mut remarks)?,
        None => expiry::usual(&value, received, &mut remarks)?,
    };
    let lifetime = match lifetime {
        None if shape.jwt_expiry => told::expiry_of_jwt(&access_token)
            .map(|exp| expiry::of_claim(&exp, received, &mut remarks))
            .transpose()?,
        lifetime => lifetime,
    };
    let refresh_in = expiry::refresh_in(value.get("refresh_in"), &mut remarks);
    Ok(Token {
        access_token,
        token_type,
        lifetime,
        refresh_in,
        scope,
        document: Document(value),
        remarks,
    })
}

/// What stands at a pointer; `null` counts as nothing.
fn at<'v>(value: &'v Value, pointer: Option<&str>, default: &str) -> Option<&'v Value> {
    value
        .pointer(pointer.unwrap_or(default))
        .filter(|found| !found.is_null())
}

fn access_token(
    found: Option<&Value>,
    remarks: &mut Vec<&'static str>,
) -> Result<Secret, &'static str> {
    let token = match found {
        None => return Err("it holds no access token where one is expected"),
        Some(Value::String(token)) => token,
        Some(_) => return Err("its access token is not a string"),
    };
    if token.trim().is_empty() {
        return Err("its access token is empty");
    }
    if token.chars().any(char::is_control) {
        return Err("its access token holds control characters");
    }
    if !token.is_ascii() {
        remarks.push("the access token holds characters outside ASCII, which many HTTP clients refuse to send");
    }
    Ok(Secret::from(token.as_str()))
}

fn token_type(found: Option<&Value>) -> Result<String, &'static str> {
    match found {
        None => Ok("Bearer".to_owned()),
        Some(Value::String(kind)) if kind.is_empty() || kind.eq_ignore_ascii_case("bearer") => {
            Ok("Bearer".to_owned())
        }
        Some(Value::String(kind)) if kind.eq_ignore_ascii_case(exchange::NOT_APPLICABLE) => {
            Ok(exchange::NOT_APPLICABLE.to_owned())
        }
        Some(Value::String(kind))
            if kind.len() <= MAX_TOKEN_TYPE && kind.bytes().all(|byte| byte.is_ascii_graphic()) =>
        {
            Ok(kind.clone())
        }
        Some(_) => Err("its token type is not a short word"),
    }
}

/// The granted scope: a string, or a list of strings (Twitch and others) joined with spaces.
fn scope(found: Option<&Value>, remarks: &mut Vec<&'static str>) -> Option<String> {
    let scope = match found? {
        Value::String(scope) => Some(scope.clone()),
        Value::Array(list) => list
            .iter()
            .map(Value::as_str)
            .collect::<Option<Vec<_>>>()
            .map(|names| names.join(" ")),
        _ => None,
    };
    match scope {
        Some(scope) if scope.len() <= MAX_SCOPE && !scope.chars().any(char::is_control) => {
            Some(scope)
        }
        _ => {
            remarks.push("the granted scope in the answer is not usable text and was left out");
            None
        }
    }
}

#[cfg(test)]
mod tests;
