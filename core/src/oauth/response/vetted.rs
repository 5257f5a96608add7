//! A response without the values that must not be read from it: everything that repeats a secret of the request, and,
//! for values that people or headers get, everything that repeats a token of the response.

use serde_json::{Map, Value};

use crate::oauth::disclosure::Finder;
use crate::oauth::error_code::letters;
use crate::oauth::shape::REFRESH_TOKEN;
use crate::oauth::{ResponseShape, SecretKind, SentSecrets};

/// Names that the RFCs define for responses. They stay, whatever the secrets are.
const KNOWN_NAMES: [&str; 12] = [
    "access_token",
    "token_type",
    "expires_in",
    "expires_at",
    "expires_on",
    "scope",
    "refresh_token",
    "id_token",
    "issued_token_type",
    "error",
    "error_description",
    "ok",
];

/// No value besides tokens is longer, in bytes, so it cannot contain a longer token.
const LONGEST: usize = 64 << 10;

/// A response with more tokens than this has nothing read of it but its own: each text that is read is compared with each token,
/// and a response of 1 MiB has room for tens of thousands.
const MOST_TOKENS: usize = 64;

/// Parts of the names of fields with a secret.
const SECRET_NAMES: [&str; 12] = [
    "token",
    "secret",
    "password",
    "passwd",
    "assertion",
    "jwt",
    "credential",
    "apikey",
    "api_key",
    "api-key",
    "authorization",
    "cookie",
];

/// Of these names, those whose numbers are secrets too: a number named like a token is its lifetime more often than not.
const SECRET_NUMBERS: [&str; 4] = ["secret", "password", "passwd", "credential"];

/// Suffixes of the names of fields that describe a secret, but do not contain it.
const ABOUT: [&str; 12] = [
    "type", "in", "at", "on", "uri", "url", "endpoint", "expires", "expiry", "time", "id", "count",
];

/// A response without secrets of the request, and its tokens.
pub(super) struct Vetted {
    value: Value,
    tokens: SentSecrets,
    /// Whether something was removed.
    pub(super) echoes: bool,
}

impl Vetted {
    /// Removes everything that repeats a secret of the request.
    ///
    /// # Errors
    /// The access token itself does: there is nothing to publish.
    pub(super) fn new(
        shape: &ResponseShape,
        mut value: Value,
        sent: &SentSecrets,
    ) -> Result<Vetted, &'static str> {
        let access = shape.access_token.as_deref().unwrap_or("/access_token");
        let renewed = shape.refresh_token.as_deref().unwrap_or(REFRESH_TOKEN);
        let mut echoes = false;
        if !sent.is_empty() {
            let finder = sent.finder();
            let text = |pointer| value.pointer(pointer).and_then(Value::as_str);
            if text(access).is_some_and(|token| finder.find_in_token(token).is_some()) {
                return Err(
                    "its access token is, or holds, a secret that was sent in the request: it repeats the request",
                );
            }
            // Both may be what was sent: a refresh token that stays, a token that is exchanged for itself.
            let may_stay: Vec<(&str, Value)> = [access, renewed]
                .into_iter()
                .filter_map(|pointer| Some((pointer, value.pointer(pointer)?.clone())))
                .filter(|(_, value)| {
                    let text = value.as_str();
                    text.is_some_and(|token| finder.find_in_token(token).is_none())
                })
                .collect();
            for (pointer, _) in &may_stay {
                if let Some(place) = value.pointer_mut(pointer) {
                    *place = Value::Null;
                }
            }
            echoes = clear(&mut value, &finder);
            for (pointer, kept) in may_stay {
                if let Some(place) = value.pointer_mut(pointer) {
                    *place = kept;
                }
            }
        }
        let mut tokens = SentSecrets::default();
        for pointer in [access, renewed] {
            if let Some(token) = value.pointer(pointer).and_then(Value::as_str) {
                add(&mut tokens, token);
            }
        }
        collect(&value, &mut tokens);
        Ok(Vetted {
            value,
            tokens,
            echoes,
        })
    }

    /// The whole response.
    pub(super) fn value(&self) -> &Value {
        &self.value
    }

    /// The whole response, for callers that know that it contains tokens.
    pub(super) fn into_value(self) -> Value {
        self.value
    }

    /// The response for reading anything except its tokens.
    pub(super) fn fields(&self) -> ResponseFields<'_> {
        ResponseFields {
            value: &self.value,
            tokens: self.tokens.finder(),
            too_many: self.tokens.len() > MOST_TOKENS,
        }
    }
}

/// A response for reading anything except its tokens: values that equal or contain one of them are absent.
pub(super) struct ResponseFields<'v> {
    value: &'v Value,
    tokens: Finder<'v>,
    /// There are more tokens than are compared.
    too_many: bool,
}

impl<'v> ResponseFields<'v> {
    /// The value at a JSON pointer.
    pub(super) fn at(&self, pointer: &str) -> Option<&'v Value> {
        self.value
            .pointer(pointer)
            .filter(|found| !self.holds_token(found))
    }

    /// The value at a JSON pointer, with the pointer to it. Where there is none by that spelling, case and separators of the names
    /// do not count: some providers write `Error` or `error-code`.
    pub(super) fn alike(&self, pointer: &str) -> Option<(String, &'v Value)> {
        let mut at = self.value;
        let mut place = String::new();
        for name in pointer.split('/').skip(1) {
            let (found, value) = match at {
                Value::Object(fields) => match fields.get_key_value(name) {
                    Some((name, value)) => (name.as_str(), value),
                    None => fields
                        .iter()
                        .find(|(other, _)| letters(other).eq(letters(name)))
                        .map(|(name, value)| (name.as_str(), value))?,
                },
                _ => (name, at.pointer(&format!("/{name}"))?),
            };
            place = format!("{place}/{found}");
            at = value;
        }
        (!self.holds_token(at)).then_some((place, at))
    }

    /// A member of the outermost object.
    pub(super) fn get(&self, name: &str) -> Option<&'v Value> {
        self.value
            .get(name)
            .filter(|found| !self.holds_token(found))
    }

    fn holds_token(&self, value: &Value) -> bool {
        match value {
            Value::Null | Value::Bool(_) => false,
            Value::Number(number) => self.tokens.find_in_number(&number.to_string()),
            Value::String(text) => {
                self.too_many || text.len() > LONGEST || self.tokens.find(text).is_some()
            }
            Value::Array(items) => items.iter().any(|item| self.holds_token(item)),
            Value::Object(fields) => fields
                .iter()
                .any(|(name, value)| self.tokens.find(name).is_some() || self.holds_token(value)),
        }
    }
}

/// Removes everything that `finder` finds: members of objects by name or value, elements of lists. Returns whether
/// there was anything.
fn clear(value: &mut Value, finder: &Finder<'_>) -> bool {
    match value {
        Value::Null | Value::Bool(_) => false,
        Value::Number(number) => finder.find_in_number(&number.to_string()) && gone(value),
        Value::String(text) => finder.find(text).is_some() && gone(value),
        Value::Array(items) => items
            .iter_mut()
            .fold(false, |found, item| clear(item, finder) | found),
        Value::Object(fields) => clear_fields(fields, finder),
    }
}

fn gone(value: &mut Value) -> bool {
    *value = Value::Null;
    true
}

fn clear_fields(fields: &mut Map<String, Value>, finder: &Finder<'_>) -> bool {
    let before = fields.len();
    fields.retain(|name, _| KNOWN_NAMES.contains(&name.as_str()) || finder.find(name).is_none());
    let mut found = fields.len() < before;
    fields.retain(|_, value| {
        let was_null = value.is_null();
        found |= clear(value, finder);
        was_null || !value.is_null()
    });
    found
}

/// Adds the values of fields with secret names, at any depth.
fn collect(value: &Value, tokens: &mut SentSecrets) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, tokens)),
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if names_a_secret(name) => {
                        add(tokens, text);
                    }
                    Value::Number(number) if names_a_secret_number(name) => {
                        add(tokens, &number.to_string());
                    }
                    other => collect(other, tokens),
                }
            }
        }
        _ => {}
    }
}

fn add(tokens: &mut SentSecrets, token: &str) {
    if token.len() <= LONGEST && tokens.len() <= MOST_TOKENS {
        tokens.add(SecretKind::Token, token);
    }
}

fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let is_about = name
        .rsplit(['_', '-'])
        .next()
        .is_some_and(|end| ABOUT.contains(&end));
    !is_about && SECRET_NAMES.iter().any(|part| name.contains(part))
}

fn names_a_secret_number(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let is_span = ["expir", "valid", "life", "ttl", "age", "time"];
    names_a_secret(name)
        && SECRET_NUMBERS.iter().any(|part| lower.contains(part))
        && !is_span.iter().any(|part| lower.contains(part))
}

/// Whether the field at a pointer is named like a scope. The author of the resource writes the pointer, but the
/// provider chooses names: what it calls a scope is not a secret.
pub(super) fn leads_to_a_scope(pointer: &str) -> bool {
    is_called(pointer, &["scope", "scp", "permission", "role", "grant"])
}

/// The same for an error code. What a login is finished with is called a code too.
pub(super) fn leads_to_a_code(pointer: &str) -> bool {
    let parts = [
        "err", "code", "status", "reason", "fault", "problem", "type",
    ];
    is_called(pointer, &parts)
        && !["auth", "device", "user", "verif"]
            .iter()
            .any(|part| pointer.to_ascii_lowercase().contains(part))
}

fn is_called(pointer: &str, parts: &[&str]) -> bool {
    let mut names = pointer
        .rsplit('/')
        .filter(|step| step.parse::<usize>().is_err());
    names.next().is_some_and(|name| {
        let name = name.to_ascii_lowercase();
        parts.iter().any(|part| name.contains(part)) && !names_a_secret(&name)
    })
}
