//! The answer of a token endpoint (RFC 6749 sections 5.1 and 5.2): lenient where providers stray, strict where rubbish
//! would be published.
//!
//! - Success is 2xx (GitHub's siblings send 201), an error anything else; a 3xx is an error of its own. A 2xx with an
//!   `error`, or with `ok: false`, is a refusal (GitHub, Slack).
//! - What begins with `{` is JSON whatever the content type says; else a form-encoded or `text/plain` body is read as
//!   form. With the pointer `""` the whole body is the token, a JSON string or bare text.
//! - The token is a string that is not empty and has no control characters; everything else about it is its own business.
//! - Nothing of a body gets into an error or a remark.
//! - What repeats a secret of the request is taken out before anything is read. Besides the two tokens, nothing is read that
//!   repeats a token of the response, whichever pointer leads to it.

mod body;
mod elsewhere;
mod expiry;
mod refusal;
mod retry_after;
mod vetted;

use serde_json::Value;

use super::document;
use super::dpop;
use super::exchange;
use super::{
    Document, HttpAnswer, IssuedType, ResponseShape, Scope, SentSecrets, Token, TokenError,
    TokenType,
};
use crate::secret::Secret;
use crate::time::Time;
use body::{Body, LeftOut, TOKEN_NOT_UTF8, read_whole};
use refusal::Refusal;
use vetted::{ResponseFields, Vetted};

pub use expiry::MAX_LIFETIME;
pub use retry_after::{MAX_RETRY_AFTER, http_date, retry_after};

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
        _ => Err(refused(answer, refusal(shape, answer), received)),
    }
}

fn refused(answer: &HttpAnswer, refusal: Refusal, received: Time) -> TokenError {
    let retry_after = answer
        .retry_after
        .as_deref()
        // A server may repeat a number here as well.
        .filter(|value| answer.sent.finder().find(value).is_none())
        .and_then(|value| retry_after(value, received));
    TokenError::Refused {
        status: answer.status,
        code: refusal.code,
        retry_after,
        provider_code: refusal.provider_code,
    }
}

/// What an error answer says; a body that cannot be read says nothing.
fn refusal(shape: &ResponseShape, answer: &HttpAnswer) -> Refusal {
    let value = read_whole(shape, answer, false).map(|body| body.value);
    let refusal = match value {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => {
            match Vetted::new(shape, value, &answer.sent) {
                Ok(vetted) => refusal::refusal(shape, &vetted.fields(), answer.status),
                Err(_) => Refusal::silent(),
            }
        }
        Ok(Value::String(text)) => Refusal::word(&text, BODY),
        _ => match document::text(answer.body.expose_bytes()) {
            Ok(text) => Refusal::word(text, BODY),
            Err(_) => Refusal::silent(),
        },
    };
    match refusal.says_nothing() {
        true => challenge(answer).unwrap_or(refusal),
        false => refusal,
    }
}

/// How people read where a code is that is the whole body.
const BODY: &str = "body";
/// How people read where a code is in the header of a challenge.
const CHALLENGE: &str = "WWW-Authenticate";

/// The codes of RFC 6750 section 3.1 and RFC 9470 that are none of a token endpoint.
const OF_BEARER: [&str; 3] = [
    "invalid_token",
    "insufficient_scope",
    "insufficient_user_authentication",
];

/// What the challenge says that comes with a refusal (RFC 6750 section 3, RFC 9449 section 7.1).
fn challenge(answer: &HttpAnswer) -> Option<Refusal> {
    let mut headers = answer.headers.iter();
    let (_, value) = headers.find(|(name, _)| name.eq_ignore_ascii_case(CHALLENGE))?;
    let value = value.expose()?;
    let mut is_quoted = false;
    let mut parts = value.split(|letter: char| {
        is_quoted ^= letter == '"';
        !is_quoted && matches!(letter, ',' | ' ')
    });
    let code = parts.find_map(|part| part.strip_prefix("error="))?;
    let code = code.trim_matches('"');
    // Only words that are registered: anything else could repeat a token.
    match OF_BEARER.contains(&code) {
        true => Some(Refusal::code(code, CHALLENGE)),
        false => Some(Refusal::word(code, CHALLENGE)),
    }
}

fn granted(
    shape: &ResponseShape,
    answer: &HttpAnswer,
    received: Time,
) -> Result<Token, TokenError> {
    let bare = shape.access_token.as_deref() == Some("");
    let Body { value, left_out } = read_whole(shape, answer, bare).map_err(unreadable)?;
    if left_out == LeftOut::AccessToken {
        return Err(unreadable(TOKEN_NOT_UTF8));
    }
    let vetted = Vetted::new(shape, value, &answer.sent).map_err(unusable)?;
    let fields = vetted.fields();
    if refusal::is_refusal(shape, &fields) {
        let refusal = refusal::refusal(shape, &fields, answer.status);
        return Err(refused(answer, refusal, received));
    }
    match vetted.value() {
        Value::Object(_) => {}
        Value::String(_) if bare => {}
        Value::String(text) if text.trim_start().starts_with('{') => {
            return Err(unusable(
                "its body is a JSON text inside of another JSON text",
            ));
        }
        Value::Array(_) => return Err(unusable("its body is a JSON array and not an object")),
        _ => return Err(unusable("its body is not a JSON object")),
    }
    let mut token = token(shape, &vetted, &fields, received).map_err(|problem| {
        let provider_code = match problem {
            NO_TOKEN => refusal::code_without_token(shape, &fields, answer.status),
            _ => None,
        };
        // An error that is named tells more.
        let elsewhere = match (problem, &provider_code) {
            (NO_TOKEN, None) => elsewhere::a_token(vetted.value()),
            _ => None,
        };
        TokenError::Unusable {
            problem,
            elsewhere,
            readable: true,
            provider_code,
        }
    })?;
    if left_out == LeftOut::Others {
        token.remarks.push(NOT_UTF8);
    }
    drop(fields);
    let text = token.access_token.expose().unwrap_or_default();
    let repeats = answer.sent.finder().find(text).is_some();
    Ok(Token {
        repeats,
        sent: answer.sent.clone(),
        document: Document(vetted.into_value()),
        ..token
    })
}

/// The document of an answer that is a success, whether its access token can be used or not.
pub fn document(shape: &ResponseShape, answer: &HttpAnswer) -> Option<Document> {
    let is_success = matches!(answer.status, 200..=299);
    let value = read_whole(shape, answer, false).ok()?.value;
    let value = Some(value).filter(Value::is_object)?;
    let vetted = Vetted::new(shape, value, &answer.sent).ok()?;
    let is_refusal = refusal::is_refusal(shape, &vetted.fields());
    (is_success && !is_refusal).then(|| Document(vetted.into_value()))
}

fn unusable(problem: &'static str) -> TokenError {
    TokenError::Unusable {
        problem,
        elsewhere: None,
        readable: true,
        provider_code: None,
    }
}

fn unreadable(problem: &'static str) -> TokenError {
    TokenError::Unusable {
        problem,
        elsewhere: None,
        readable: false,
        provider_code: None,
    }
}

/// The remark if a response repeats the request.
const ECHOES: &str = "The response repeats a secret that was sent in the request; what repeats it was left out. Ask the \
     provider not to, or, if it is none, name its key in the annotation oauthclient.dev/disclosed-keys of the credentials Secret.";
/// The remark if a response is in another encoding.
const NOT_UTF8: &str = "The response is not valid UTF-8. Texts in another encoding were left out.";
/// The remark if a scope pointer found a field of another type.
const NO_SCOPE: &str = "The field that spec.response.scopePointer leads to is not called a scope (scope, scp, permissions, \
     roles): it was left out.";

/// `fields` is the response without its tokens. The caller adds document and secrets.
fn token(
    shape: &ResponseShape,
    vetted: &Vetted,
    fields: &ResponseFields<'_>,
    received: Time,
) -> Result<Token, &'static str> {
    let mut remarks = Vec::new();
    let access_token = access_token(
        at(
            vetted.value(),
            shape.access_token.as_deref(),
            "/access_token",
        ),
        &mut remarks,
    )?;
    if vetted.echoes {
        remarks.push(ECHOES);
    }
    let found = |pointer: Option<&str>, default: &str| {
        fields
            .at(pointer.unwrap_or(default))
            .filter(|found| !found.is_null())
    };
    let named_type = found(shape.token_type.as_deref(), "/token_type");
    let is_bound = named_type
        .and_then(Value::as_str)
        .is_some_and(|text| text.eq_ignore_ascii_case(dpop::TOKEN_TYPE));
    let token_type = match (shape.dpop, is_bound) {
        (true, false) => return Err(NOT_BOUND),
        (true, true) => TokenType::parse(dpop::TOKEN_TYPE).unwrap_or_else(TokenType::bearer),
        (false, _) => token_type(named_type, &mut remarks),
    };
    let issued = fields.get("issued_token_type");
    match &shape.issued_type {
        IssuedType::Unsaid => {}
        IssuedType::Any => exchange::check_issued_type(None, issued, &mut remarks)?,
        IssuedType::Requested(wanted) => {
            exchange::check_issued_type(Some(wanted), issued, &mut remarks)?;
        }
    }
    if token_type == exchange::NOT_APPLICABLE {
        remarks.push(exchange::NOT_APPLICABLE_REMARK);
    }
    let found = found(shape.scope.as_deref(), "/scope");
    let scope = match shape.scope.as_deref() {
        Some(pointer) if found.is_some() && !vetted::leads_to_a_scope(pointer) => {
            remarks.push(NO_SCOPE);
            None
        }
        _ => scope(found, &mut remarks),
    };
    let lifetime = match &shape.expiry {
        Some(shape) => expiry::configured(shape, fields, received, &mut remarks)?,
        None => expiry::usual(fields, received, &mut remarks)?,
    };
    let own_end = match shape.jwt_expiry {
        true => refusal::expiry_of_jwt(&access_token)
            .map(|exp| expiry::of_claim(&exp, received, &mut remarks))
            .transpose()?,
        false => None,
    };
    let refresh_in = expiry::refresh_in(fields.get("refresh_in"), &mut remarks);
    Ok(Token {
        access_token,
        token_type,
        lifetime,
        own_end,
        refresh_in,
        scope,
        sent: SentSecrets::default(),
        repeats: false,
        echoes: vetted.echoes,
        document: Document(Value::Null),
        remarks,
    })
}

/// The value at a pointer; `null` counts as none.
fn at<'v>(value: &'v Value, pointer: Option<&str>, default: &str) -> Option<&'v Value> {
    value
        .pointer(pointer.unwrap_or(default))
        .filter(|found| !found.is_null())
}

/// What some providers write before a token, as in the header.
const BEARER: &str = "Bearer ";

/// What is wrong with a response without a token.
const NO_TOKEN: &str = "it holds no access token where one is expected";

fn access_token(
    found: Option<&Value>,
    remarks: &mut Vec<&'static str>,
) -> Result<Secret, &'static str> {
    let token = match found {
        None => return Err(NO_TOKEN),
        Some(Value::String(token)) => token,
        Some(_) => return Err("its access token is not a string"),
    };
    if token.trim().is_empty() {
        return Err("its access token is empty");
    }
    if token.chars().any(char::is_control) {
        return Err("its access token holds control characters");
    }
    let is_bearer = token.len() > BEARER.len()
        && token
            .get(..BEARER.len())
            .is_some_and(|word| word.eq_ignore_ascii_case(BEARER));
    if is_bearer {
        remarks.push("The access token begins with the word Bearer. A header takes it as it is: use {{ access_token }} alone in a template.");
    }
    if token.contains(|letter: char| letter.is_ascii_whitespace() || "\"'".contains(letter))
        && !is_bearer
    {
        remarks.push("the access token holds spaces or quotation marks, which no Bearer token has (RFC 6750)");
    }
    if !token.is_ascii() {
        remarks.push("the access token holds characters outside ASCII, which many HTTP clients refuse to send");
    }
    Ok(Secret::from(token.as_str()))
}

/// What is said of a token that the provider did not bind to the key, though the resource asks for that.
const NOT_BOUND: &str = "its token is not bound to the key of the proof (token_type is not DPoP): enable DPoP for this client at the provider, or remove spec.dpop";

/// What people read where the token type is no word for a header.
const NO_TYPE: &str = "The response has a token_type that cannot be used in a header. It is published as Bearer; to publish another \
     one, use a template in spec.tokenSecret.data.";

/// The token type. It only describes the token, so one that cannot be used does not spoil it: `Bearer` takes its place.
fn token_type(found: Option<&Value>, remarks: &mut Vec<&'static str>) -> TokenType {
    let text = match found {
        None => return TokenType::bearer(),
        Some(found) => found.as_str(),
    };
    let parsed = text.and_then(|text| {
        if text.eq_ignore_ascii_case(exchange::NOT_APPLICABLE) {
            TokenType::parse(exchange::NOT_APPLICABLE)
        } else if text.eq_ignore_ascii_case("bearertoken") {
            // Apigee
            Some(TokenType::bearer())
        } else {
            TokenType::parse(text)
        }
    });
    parsed.unwrap_or_else(|| {
        remarks.push(NO_TYPE);
        TokenType::bearer()
    })
}

/// The granted scope: a string, or a list of strings (Twitch and others) joined with spaces.
fn scope(found: Option<&Value>, remarks: &mut Vec<&'static str>) -> Option<Scope> {
    let scope = match found? {
        Value::String(scope) => Some(scope.clone()),
        Value::Array(list) => list
            .iter()
            .map(Value::as_str)
            .collect::<Option<Vec<_>>>()
            .map(|names| names.join(" ")),
        _ => None,
    };
    let scope = scope.as_deref().and_then(Scope::parse);
    if scope.is_none() {
        remarks.push("the granted scope in the answer is not usable text and was left out");
    }
    scope
}

#[cfg(test)]
mod tests;
