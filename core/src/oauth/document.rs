//! Strict parsing of a response body: ambiguous input is an error, because the result is published.
//!
//! JSON (RFC 8259) without keys that have two values, with at most [`MAX_DEPTH`] levels and [`MAX_VALUES`] values, in UTF-8, with
//! nothing after it. The result therefore takes at most a few times the size of the longest body. A leading byte order
//! mark is ignored, as RFC 8259 section 8.1 allows, because some .NET services send one. Form-encoded bodies are parsed
//! as strictly. Errors are static texts, so no part of the body gets into them.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// The maximum nesting of arrays and objects. Token responses have two or three levels.
pub const MAX_DEPTH: usize = 32;

/// The maximum number of values in a document: a megabyte of `[[],[],...]` would otherwise take twenty of memory.
pub const MAX_VALUES: usize = 20_000;
/// How many values a non-empty object counts as, because it allocates space for eleven.
const OBJECT: usize = 11;

/// The body is not UTF-8.
pub const NOT_UTF8: &str = "its body is not valid UTF-8";
/// The body is not strict JSON.
pub const BAD_JSON: &str =
    "its body is not valid JSON (cut off, malformed, or with something after it)";
/// An object has a key twice, with different values.
pub const DUPLICATE_KEY: &str = "its body has a key twice, with different values";
/// Too many levels.
pub const TOO_DEEP: &str = "its body is nested too deeply";
/// Too many values.
pub const TOO_MANY: &str = "its body holds too many values";
/// The body is not valid form encoding.
pub const BAD_FORM: &str = "its body is not valid form encoding";

/// The body as text, without a byte order mark and surrounding white space.
///
/// # Errors
/// [`NOT_UTF8`].
pub fn text(body: &[u8]) -> Result<&str, &'static str> {
    let text = std::str::from_utf8(body).map_err(|_| NOT_UTF8)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    Ok(text.trim_matches([' ', '\t', '\r', '\n']))
}

/// Parses strict JSON.
///
/// # Errors
/// [`BAD_JSON`], [`DUPLICATE_KEY`], [`TOO_DEEP`] or [`TOO_MANY`].
pub fn json(text: &str) -> Result<Value, &'static str> {
    let mut limits = ParseState {
        values: 0,
        fault: None,
    };
    let mut source = serde_json::Deserializer::from_str(text);
    let value = Strict {
        depth: 0,
        limits: &mut limits,
    }
    .deserialize(&mut source);
    match value {
        Ok(value) => source.end().map(|()| value).map_err(|_| BAD_JSON),
        Err(_) => Err(limits.fault.unwrap_or(BAD_JSON)),
    }
}

/// Parses a form-encoded body strictly, into an object of strings.
///
/// # Errors
/// [`BAD_FORM`], [`NOT_UTF8`] (for percent-encoded values), [`DUPLICATE_KEY`] or [`TOO_MANY`].
pub fn form(text: &str) -> Result<Value, &'static str> {
    let mut object = Map::new();
    for pair in text.split('&') {
        let (name, value) = pair.split_once('=').ok_or(BAD_FORM)?;
        let (name, value) = (form_decode(name)?, form_decode(value)?);
        let value = Value::String(value);
        if object.get(&name).is_some_and(|before| *before != value) {
            return Err(DUPLICATE_KEY);
        }
        object.insert(name, value);
        if object.len() > MAX_VALUES {
            return Err(TOO_MANY);
        }
    }
    Ok(Value::Object(object))
}

fn form_decode(text: &str) -> Result<String, &'static str> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16));
                let (high, low) = (digit().ok_or(BAD_FORM)?, digit().ok_or(BAD_FORM)?);
                u8::try_from(high * 16 + low).map_err(|_| BAD_FORM)?
            }
            // Form encoding always escapes these, so this rejects HTML and prose.
            b' ' | b'<' | b'>' | b'"' | b'{' | b'}' => return Err(BAD_FORM),
            other if other.is_ascii_control() => return Err(BAD_FORM),
            other => other,
        });
    }
    String::from_utf8(out).map_err(|_| NOT_UTF8)
}

/// The state of parsing, and why it stopped: separate from serde's error, whose text could contain a part of the body.
struct ParseState {
    values: usize,
    fault: Option<&'static str>,
}

/// Builds a [`Value`], and refuses duplicate keys, too many levels and too many values.
struct Strict<'l> {
    depth: usize,
    limits: &'l mut ParseState,
}

impl Strict<'_> {
    fn stop(&mut self, fault: &'static str) -> &'static str {
        self.limits.fault = Some(fault);
        fault
    }

    /// For one more value, one level deeper, that counts as `weight`.
    fn deeper(&mut self, weight: usize) -> Result<Strict<'_>, &'static str> {
        if self.depth >= MAX_DEPTH {
            return Err(self.stop(TOO_DEEP));
        }
        self.limits.values += weight;
        if self.limits.values > MAX_VALUES {
            return Err(self.stop(TOO_MANY));
        }
        Ok(Strict {
            depth: self.depth + 1,
            limits: self.limits,
        })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Value, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }
    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            let inner = self.deeper(1).map_err(A::Error::custom)?;
            match items.next_element_seed(inner)? {
                Some(item) => list.push(item),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let weight = if object.is_empty() { OBJECT } else { 1 };
            let inner = self.deeper(weight).map_err(A::Error::custom)?;
            let value = entries.next_value_seed(inner)?;
            // The same value again says nothing else.
            if object.get(&key).is_some_and(|before| *before != value) {
                return Err(A::Error::custom(self.stop(DUPLICATE_KEY)));
            }
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json as value;

    #[test]
    fn ordinary_json_is_read_as_serde_json_reads_it() {
        let source = r#"{"a": [1, -2, 3.5, "x\u00e9", null, true], "b": {"c": {}}}"#;
        assert_eq!(json(source), Ok(serde_json::from_str(source).unwrap()));
    }

    #[test]
    fn a_key_with_two_values_is_an_error_at_any_level() {
        assert_eq!(json(r#"{"a":1,"a":1}"#), Ok(value!({"a": 1})));
        assert_eq!(json(r#"{"a":1,"a":1,"a":2}"#), Err(DUPLICATE_KEY));
        assert_eq!(json(r#"{"x":[{"a":1,"\u0061":2}]}"#), Err(DUPLICATE_KEY));
    }

    #[test]
    fn ten_thousand_levels_are_an_error_and_not_a_crash() {
        assert_eq!(json(&"[".repeat(10_000)), Err(TOO_DEEP));
        assert_eq!(json(&r#"{"a":"#.repeat(10_000)), Err(TOO_DEEP));
        let deepest = format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
        assert!(json(&deepest).is_ok());
        let too_deep = format!(
            "{}1{}",
            "[".repeat(MAX_DEPTH + 1),
            "]".repeat(MAX_DEPTH + 1)
        );
        assert_eq!(json(&too_deep), Err(TOO_DEEP));
    }

    #[test]
    fn a_megabyte_of_tiny_values_is_an_error() {
        assert_eq!(json(&format!("[{}0]", "0,".repeat(500_000))), Err(TOO_MANY));
        assert!(json(&format!("[{}0]", "0,".repeat(1_000))).is_ok());
        let objects = |count: usize| format!("[{}0]", "{\"a\":0},".repeat(count));
        assert!(json(&objects(MAX_VALUES / 12 - 1)).is_ok());
        assert_eq!(json(&objects(MAX_VALUES / 11)), Err(TOO_MANY));
        let pairs: Vec<String> = (0..MAX_VALUES).map(|n| format!("k{n}=")).collect();
        assert!(form(&pairs.join("&")).is_ok());
        assert_eq!(form(&format!("{}&x=", pairs.join("&"))), Err(TOO_MANY));
    }

    #[test]
    fn what_is_not_strictly_json_is_an_error() {
        for source in [
            "",
            "{",
            r#"{"a":1}x"#,
            r#"{"a":1}{}"#,
            "{'a':1}",
            r#"{"a":1,}"#,
            "NaN",
            "1e999",
            r#""\ud800""#,
            "\"a\nb\"",
        ] {
            assert_eq!(json(source), Err(BAD_JSON), "{source:?}");
        }
    }

    #[test]
    fn a_byte_order_mark_and_white_space_around_are_tolerated() {
        assert_eq!(text(b"\xef\xbb\xbf {}\r\n"), Ok("{}"));
        assert_eq!(text(b"\xff\xfe{\0}\0"), Err(NOT_UTF8));
        assert_eq!(text(b"{\"a\":\"\xc3\x28\"}"), Err(NOT_UTF8));
    }

    #[test]
    fn forms_are_read_as_strictly() {
        assert_eq!(
            form("a=1&b=x+y%2Bz%C3%A9&c="),
            Ok(value!({"a": "1", "b": "x y+zé", "c": ""}))
        );
        for (source, problem) in [
            ("a=1&a=2", DUPLICATE_KEY),
            ("a=%zz", BAD_FORM),
            ("a=%4", BAD_FORM),
            ("a", BAD_FORM),
            ("", BAD_FORM),
            ("a=1&", BAD_FORM),
            ("a=%ff", NOT_UTF8),
            ("<html a=1>", BAD_FORM),
            ("a=b c", BAD_FORM),
        ] {
            assert_eq!(form(source), Err(problem), "{source:?}");
        }
    }
}
