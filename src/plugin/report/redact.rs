//! What a report may contain of a spec: what is known to be harmless; for everything else, its length. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use url::Url;

/// Fields whose text is a registered name, the name of an object, or a pointer.
const HARMLESS: [&str; 26] = [
    "type",
    "method",
    "encoding",
    "algorithm",
    "format",
    "placement",
    "scopePlacement",
    "thumbprint",
    "unit",
    "tokenReuse",
    "scopeSeparator",
    "secretName",
    "configMapName",
    "serviceAccountName",
    "oauthClientName",
    "credentialsKey",
    "clientID",
    "clientSecret",
    "nextClientSecret",
    "refreshToken",
    "username",
    "password",
    "privateKey",
    "requestedTokenType",
    "subjectTokenType",
    "tokenType",
];
/// The parents whose `name` and `key` are names of objects, parameters and keys.
const NAMES: [&str; 2] = ["name", "key"];

/// A spec without what may be secret.
pub(super) fn spec(value: &Value) -> Value {
    redacted(value, "", "")
}

fn redacted(value: &Value, field: &str, above: &str) -> Value {
    match value {
        Value::String(text) => text_of(text, field, above),
        Value::Array(items) => items
            .iter()
            .map(|item| redacted(item, field, above))
            .collect(),
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(name, value)| (name.clone(), redacted(value, name, field)))
                .collect::<Map<_, _>>(),
        ),
        other => other.clone(),
    }
}

fn text_of(text: &str, field: &str, above: &str) -> Value {
    if field.ends_with("URL") || field.ends_with("URI") {
        return json!(without_query(text));
    }
    // Under `keys` are the names of keys; the same fields elsewhere may hold values.
    let is_value = above != "keys"
        && matches!(
            field,
            "clientID"
                | "clientSecret"
                | "nextClientSecret"
                | "refreshToken"
                | "username"
                | "password"
                | "privateKey"
        );
    let is_map = matches!(above, "labels" | "annotations" | "data");
    let harmless = HARMLESS.contains(&field)
        || NAMES.contains(&field)
        || field.ends_with("Pointer")
        || field == "pointer";
    if !is_map && ((harmless && !is_value) || field == "scopes") {
        return json!(text);
    }
    json!(format!("({} characters)", text.chars().count()))
}

/// A URL without user, query and fragment.
fn without_query(text: &str) -> String {
    match Url::parse(text) {
        Ok(mut url) => {
            let had = url.query().is_some()
                || url.fragment().is_some()
                || !url.username().is_empty()
                || url.password().is_some();
            url.set_query(None);
            url.set_fragment(None);
            let _ = url.set_username("");
            let _ = url.set_password(None);
            if had {
                format!("{url} (and more)")
            } else {
                text.to_owned()
            }
        }
        Err(_) => format!("({} characters, not a URL)", text.chars().count()),
    }
}

/// Names that are replaced by the same numbers everywhere.
#[derive(Default)]
pub(super) struct Names {
    by_name: BTreeMap<String, String>,
    counts: BTreeMap<&'static str, usize>,
}

impl Names {
    /// Adds a name of a kind.
    pub(super) fn add(&mut self, kind: &'static str, name: &str) {
        if name.is_empty() || self.by_name.contains_key(name) {
            return;
        }
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        self.by_name
            .insert(name.to_owned(), format!("{kind}-{count}"));
    }

    /// Replaces them in all texts and field names, if they occur as a word.
    pub(super) fn hide(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.in_text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.hide(item)),
            Value::Object(fields) => {
                let hidden = std::mem::take(fields).into_iter().map(|(name, mut value)| {
                    self.hide(&mut value);
                    let name = self.by_name.get(&name).cloned().unwrap_or(name);
                    (name, value)
                });
                *fields = hidden.collect();
            }
            _ => {}
        }
    }

    fn in_text(&self, text: &str) -> String {
        let in_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(begin) = rest.find(in_word) {
            let (before, from) = rest.split_at(begin);
            let end = from.find(|c| !in_word(c)).unwrap_or(from.len());
            let (word, after) = from.split_at(end);
            let bare = word.trim_end_matches(['.', '-']);
            out.push_str(before);
            out.push_str(self.by_name.get(bare).map_or(bare, String::as_str));
            out.push_str(word.get(bare.len()..).unwrap_or_default());
            rest = after;
        }
        out.push_str(rest);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Replaces every text of a spec by a canary that names its path.
    fn canaries(value: &Value, path: &str) -> Value {
        match value {
            Value::String(_) => json!(format!("canary-{path}")),
            Value::Array(items) => items.iter().map(|item| canaries(item, path)).collect(),
            Value::Object(fields) => Value::Object(
                fields
                    .iter()
                    .map(|(name, value)| (name.clone(), canaries(value, &format!("{path}.{name}"))))
                    .collect(),
            ),
            other => other.clone(),
        }
    }

    #[test]
    fn values_that_may_be_secret_are_told_by_their_length_alone() {
        let every_field = include_str!("../../../tests/manifests/good/every-field.yaml");
        let manifest: Value = serde_saphyr::from_str(every_field).unwrap();
        let shown = spec(&canaries(&manifest["spec"], "spec")).to_string();
        for field in [
            "value",
            "jsonValue",
            "data",
            "labels",
            "annotations",
            "subject",
            "issuer",
            "audience",
        ] {
            for end in [format!(".{field}\""), format!(".{field}.")] {
                assert!(!shown.contains(&end), "{field}: {shown}");
            }
        }
        assert!(
            shown.contains("canary-spec.credentials.secretName"),
            "{shown}"
        );
    }

    #[test]
    fn keys_are_names_and_the_same_fields_elsewhere_are_values() {
        let value = json!({"credentials": {"keys": {"clientSecret": "password_of_old"}},
                           "clientAuthentication": {"clientID": "4711"}, "parameters": [{"name": "audience", "value": "hidden"}],
                           "provider": {"tokenURL": "https://u:p@auth.example.com/token?api_key=hidden"}});
        let shown = spec(&value).to_string();
        assert!(
            shown.contains("password_of_old") && shown.contains("\"audience\""),
            "{shown}"
        );
        assert!(
            shown.contains("https://auth.example.com/token (and more)"),
            "{shown}"
        );
        for secret in ["4711", "hidden", "u:p"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }

    #[test]
    fn names_are_replaced_as_words_everywhere() {
        let mut names = Names::default();
        names.add("namespace", "shop");
        names.add("oauthclient", "api");
        names.add("host", "auth.example.com");
        let mut value =
            json!({"api": "shop/api asks https://auth.example.com/api. An apiary is no api."});
        names.hide(&mut value);
        assert_eq!(
            value,
            json!({"oauthclient-1": "namespace-1/oauthclient-1 asks https://host-1/oauthclient-1. An apiary is no oauthclient-1."})
        );
    }
}
