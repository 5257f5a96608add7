//! Writing parameters as form, JSON or query.

use zeroize::Zeroizing;

use crate::oauth::{Parameter, ParameterValue};
use crate::secret::Secret;

/// The parameters of a request, in order.
pub(super) type Parameters = Vec<(String, Text)>;

/// Appends `text` as `application/x-www-form-urlencoded` writes it (RFC 6749 appendix B).
pub(super) fn form_encode(out: &mut String, text: &str) {
    for part in url::form_urlencoded::byte_serialize(text.as_bytes()) {
        out.push_str(part);
    }
}

/// The parameters as `name=value&...`, in order.
pub(super) fn form(parameters: &[(String, Text)]) -> Vec<u8> {
    let mut out = Text::default();
    for (name, value) in parameters {
        if !out.is_empty() {
            out.push('&');
        }
        form_encode(&mut out, name);
        out.push('=');
        form_encode(&mut out, value);
    }
    out.as_bytes().to_vec()
}

/// The endpoint with the parameters after whatever query it has (kept, RFC 6749 section 3.2). Secret.
pub(super) fn url(endpoint: &url::Url, parameters: &[(String, Text)]) -> Secret {
    let mut out = Text::new(endpoint.as_str().to_owned());
    if parameters.is_empty() {
        return Secret::from(out.as_str());
    }
    match endpoint.query() {
        None => out.push('?'),
        Some("") => {}
        Some(_) => out.push('&'),
    }
    let query = Secret::new(form(parameters));
    // A form is ASCII by construction.
    out.push_str(query.expose().unwrap_or_default());
    Secret::from(out.as_str())
}

/// The parameters as a JSON object, in order; repeated ones become an array at the first position. Values are strings,
/// unless
/// they are JSON already.
pub(super) fn json(parameters: &[(String, Text)], own: &[Parameter]) -> Vec<u8> {
    let mut out = Text::new("{".to_owned());
    for (index, (name, first)) in parameters.iter().enumerate() {
        let (before, after) = parameters.split_at(index);
        if before.iter().any(|(earlier, _)| earlier == name) {
            continue;
        }
        if out.len() > 1 {
            out.push(',');
        }
        json_string(&mut out, name);
        out.push(':');
        let values: Vec<&Text> = after
            .iter()
            .filter(|(other, _)| other == name)
            .map(|(_, value)| value)
            .collect();
        if values.len() == 1 {
            json_value(&mut out, own, name, first);
        } else {
            for (position, value) in values.into_iter().enumerate() {
                out.push(if position == 0 { '[' } else { ',' });
                json_value(&mut out, own, name, value);
            }
            out.push(']');
        }
    }
    out.push('}');
    out.as_bytes().to_vec()
}

/// A value that the resource wrote as JSON as it is, any other as a string.
fn json_value(out: &mut String, own: &[Parameter], name: &str, text: &str) {
    let is_json = own.iter().any(|one| {
        one.name == name && matches!(&one.value, ParameterValue::Json(json) if json == text)
    });
    if is_json {
        out.push_str(text);
    } else {
        json_string(out, text);
    }
}

/// A JSON string (RFC 8259 section 7), escaping what must be and nothing else.
fn json_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// A value on its way into a request, wiped when dropped.
pub(crate) type Text = Zeroizing<String>;
