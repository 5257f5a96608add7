//! Parses one file of YAML or JSON documents.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use zeroize::{Zeroize, Zeroizing};

use crate::api::OAuthClient;
use crate::api::manifest::parse_manifest;
use crate::engine::Key;
use crate::secret::Secret;

/// The namespace of a manifest without one, as in `kubectl`.
const DEFAULT_NAMESPACE: &str = "default";

/// The content of a relevant document.
pub(super) enum Manifest {
    /// A resource, with its namespace.
    Client(Box<OAuthClient>),
    /// Credentials.
    Secret(SecretManifest),
    /// CA certificates.
    ConfigMap(BTreeMap<String, Vec<u8>>),
}

/// A Secret as in its manifest.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct SecretManifest {
    pub(super) type_: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) data: BTreeMap<String, Secret>,
}

/// A parsed document.
pub(super) struct Document {
    /// Its position in the file, from 1.
    pub(super) number: usize,
    /// Its namespace and name.
    pub(super) key: Key,
    pub(super) manifest: Manifest,
}

/// An error in a document. It never quotes values, because they may be secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadDocument {
    /// Its position in the file, from 1.
    pub(super) number: usize,
    /// The line in the file, from 1, if known.
    pub(super) line: Option<u64>,
    /// The field; empty for the whole document.
    pub(super) field: String,
    /// What is wrong and how to fix it.
    pub(super) message: String,
}

/// Parses the documents of a file. Irrelevant kinds are ignored.
pub(super) fn read(text: &str) -> (Vec<Document>, Vec<BadDocument>) {
    let mut reader = Reader::default();
    for (number, (first_line, part)) in split(text).into_iter().enumerate() {
        reader.number = number + 1;
        reader.first_line = first_line;
        reader.document(&part);
    }
    (reader.documents, reader.bad)
}

/// The documents of a file, each with its first line (from 1). A marker at the start of a line always ends a document
/// (YAML 1.2.2 section 9.1.2), so splitting by lines is sufficient.
fn split(text: &str) -> Vec<(u64, Zeroizing<String>)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut parts = Vec::new();
    let mut part = Zeroizing::new(String::new());
    let mut first_line = 1;
    for (line, number) in text.split_inclusive('\n').zip(1_u64..) {
        let words = line.trim_end();
        let after_marker = words
            .strip_prefix("---")
            .filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t']));
        if after_marker.is_some() || words == "..." {
            parts.push((first_line, std::mem::take(&mut part)));
            first_line = number + 1;
            if let Some(rest) = after_marker.filter(|rest| !rest.trim().is_empty()) {
                // A document may start on the line of its marker.
                first_line = number;
                part.push_str(rest.trim_start());
                part.push('\n');
            }
        } else {
            part.push_str(line);
        }
    }
    parts.push((first_line, part));
    parts.retain(|(_, part)| part.lines().any(|line| !is_blank(line)));
    parts
}

fn is_blank(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#') || line.starts_with('%')
}

#[derive(Default)]
struct Reader {
    number: usize,
    first_line: u64,
    documents: Vec<Document>,
    bad: Vec<BadDocument>,
}

impl Reader {
    fn document(&mut self, text: &str) {
        let mut value: Value = match serde_saphyr::from_str(text) {
            Ok(value) => value,
            Err(error) => {
                let line = error.location().map(|location| location.line());
                return self.refuse("", "is not valid YAML", line);
            }
        };
        self.value(&value, Some(text));
        wipe(&mut value);
    }

    /// Parses a document; `text` is its source, for line numbers, unless it is an item of a list.
    fn value(&mut self, value: &Value, text: Option<&str>) {
        let word = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
        let (version, kind) = (word("apiVersion"), word("kind"));
        if !value.is_object() || kind.is_empty() || version.is_empty() {
            let message = "must be a manifest: a map with apiVersion, kind and metadata";
            return self.refuse("", message, None);
        }
        if kind == "OAuthClient" || version.starts_with("oauthclient.dev/") {
            return match text {
                Some(text) => self.client(text),
                None => self.client(&value.to_string()),
            };
        }
        match (version, kind) {
            ("v1", "Secret") => self.secret(value),
            ("v1", "ConfigMap") => self.config_map(value),
            ("v1", "List") => {
                let items = value.get("items").and_then(Value::as_array);
                for item in items.into_iter().flatten() {
                    self.value(item, None);
                }
            }
            _ => tracing::debug!(
                kind,
                "a manifest of a kind that has no meaning here is passed over"
            ),
        }
    }

    fn client(&mut self, text: &str) {
        match parse_manifest(text) {
            Ok(mut client) => {
                let namespace = client
                    .metadata
                    .namespace
                    .get_or_insert_with(|| DEFAULT_NAMESPACE.to_owned());
                let key = Key::new(
                    namespace,
                    client.metadata.name.as_deref().unwrap_or_default(),
                );
                self.keep(key, Manifest::Client(Box::new(client)));
            }
            Err(problems) => {
                for problem in problems {
                    self.refuse(&problem.field, &problem.message, problem.line);
                }
            }
        }
    }

    fn secret(&mut self, value: &Value) {
        let known = [
            "apiVersion",
            "kind",
            "metadata",
            "type",
            "data",
            "stringData",
            "immutable",
        ];
        let before = self.bad.len();
        let map = self.object(value, &known);
        let Some((key, metadata)) = self.named(map) else {
            return;
        };
        let mut data = BTreeMap::new();
        for (name, text) in self.texts(map, "data", "") {
            match STANDARD.decode(text.split_ascii_whitespace().collect::<String>()) {
                Ok(bytes) => {
                    data.insert(name, Secret::new(bytes));
                }
                Err(_) => self.refuse(
                    &format!("data.{name}"),
                    "is not base64: encode it, or write it plainly under stringData",
                    None,
                ),
            }
        }
        // As in the API server: for keys in both, this one takes precedence.
        for (name, text) in self.texts(map, "stringData", "") {
            data.insert(name, Secret::from(text.as_str()));
        }
        let secret = SecretManifest {
            type_: map
                .get("type")
                .and_then(Value::as_str)
                .unwrap_or("Opaque")
                .to_owned(),
            labels: plain(self.texts(metadata, "labels", "metadata.")),
            annotations: plain(self.texts(metadata, "annotations", "metadata.")),
            data,
        };
        if self.bad.len() == before {
            self.keep(key, Manifest::Secret(secret));
        }
    }

    fn config_map(&mut self, value: &Value) {
        let known = [
            "apiVersion",
            "kind",
            "metadata",
            "data",
            "binaryData",
            "immutable",
        ];
        let before = self.bad.len();
        let map = self.object(value, &known);
        let Some((key, _)) = self.named(map) else {
            return;
        };
        let mut data = BTreeMap::new();
        for (name, text) in self.texts(map, "data", "") {
            data.insert(name, text.as_bytes().to_vec());
        }
        for (name, text) in self.texts(map, "binaryData", "") {
            match STANDARD.decode(text.split_ascii_whitespace().collect::<String>()) {
                Ok(bytes) => {
                    data.insert(name, bytes);
                }
                Err(_) => self.refuse(&format!("binaryData.{name}"), "is not base64", None),
            }
        }
        if self.bad.len() == before {
            self.keep(key, Manifest::ConfigMap(data));
        }
    }

    /// The map of a manifest. Unknown fields are refused, because a misspelt one would be lost silently.
    fn object<'a>(&mut self, value: &'a Value, known: &[&str]) -> &'a Map<String, Value> {
        static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
        let map = value.as_object().unwrap_or(&EMPTY);
        for field in map.keys().filter(|field| !known.contains(&field.as_str())) {
            let message = format!("is an unknown field: there are {}", known.join(", "));
            self.refuse(field, &message, None);
        }
        map
    }

    fn named<'a>(&mut self, map: &'a Map<String, Value>) -> Option<(Key, &'a Map<String, Value>)> {
        let Some(metadata) = map.get("metadata").and_then(Value::as_object) else {
            self.refuse("metadata", "is required: it names the object", None);
            return None;
        };
        let name = metadata
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let namespace = match metadata.get("namespace") {
            None => DEFAULT_NAMESPACE,
            Some(namespace) => namespace.as_str().unwrap_or_default(),
        };
        for (field, text) in [("metadata.name", name), ("metadata.namespace", namespace)] {
            if !is_name(text) {
                let message = "must be a name of lower case letters, digits, - and ., with a letter or digit at both ends";
                self.refuse(field, message, None);
                return None;
            }
        }
        Some((Key::new(namespace, name), metadata))
    }

    /// A map with text values.
    fn texts(
        &mut self,
        map: &Map<String, Value>,
        field: &str,
        above: &str,
    ) -> Vec<(String, Zeroizing<String>)> {
        let entries = match map.get(field) {
            None | Some(Value::Null) => return Vec::new(),
            Some(Value::Object(entries)) => entries,
            Some(_) => {
                self.refuse(&format!("{above}{field}"), "must be a map", None);
                return Vec::new();
            }
        };
        let mut texts = Vec::new();
        for (key, value) in entries {
            match value.as_str() {
                Some(text) => texts.push((key.clone(), Zeroizing::new(text.to_owned()))),
                None => self.refuse(
                    &format!("{above}{field}.{key}"),
                    "must be text: put it in quotes",
                    None,
                ),
            }
        }
        texts
    }

    fn keep(&mut self, key: Key, manifest: Manifest) {
        let number = self.number;
        self.documents.push(Document {
            number,
            key,
            manifest,
        });
    }

    fn refuse(&mut self, field: &str, message: &str, line: Option<u64>) {
        self.bad.push(BadDocument {
            number: self.number,
            line: line.map(|line| self.first_line + line.saturating_sub(1)),
            field: field.to_owned(),
            message: message.to_owned(),
        });
    }
}

fn plain(texts: Vec<(String, Zeroizing<String>)>) -> BTreeMap<String, String> {
    texts
        .into_iter()
        .map(|(key, text)| (key, text.to_string()))
        .collect()
}

/// A valid name in Kubernetes. It also becomes the name of a folder, so nothing else is accepted.
fn is_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let ends = bytes.first().zip(bytes.last());
    text.len() <= 253
        && ends.is_some_and(|(first, last)| inner(*first) && inner(*last))
        && bytes
            .iter()
            .all(|byte| inner(*byte) || matches!(byte, b'-' | b'.'))
}

/// Overwrites every text of a document.
fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(map) => map.values_mut().for_each(wipe),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: &str = "apiVersion: oauthclient.dev/v1alpha1\nkind: OAuthClient\nmetadata: {name: a}\nspec:\n  provider: {tokenURL: 'https://x.example/token'}\n  credentials: {secretName: c}\n  tokenSecret: {name: t}\n";

    fn keys(documents: &[Document]) -> Vec<String> {
        documents
            .iter()
            .map(|document| document.key.to_string())
            .collect()
    }

    #[test]
    fn documents_of_all_three_kinds_are_read_and_others_passed_over() {
        let text = format!(
            "# comment\n---\n{CLIENT}---\napiVersion: v1\nkind: Secret\nmetadata: {{name: c, namespace: shop}}\ndata: {{client_id: YWJj}}\nstringData: {{client_secret: s}}\n--- # marker\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: ca}}\ndata:\n  ca.crt: |\n    -----BEGIN CERTIFICATE-----\n    x\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: d}}\n"
        );
        let (documents, bad) = read(&text);
        assert_eq!(bad, []);
        assert_eq!(keys(&documents), ["default/a", "shop/c", "default/ca"]);
        let Manifest::Secret(secret) = &documents[1].manifest else {
            panic!("not a Secret");
        };
        assert_eq!(secret.data["client_id"].expose(), Some("abc"));
        assert_eq!(secret.data["client_secret"].expose(), Some("s"));
        let Manifest::ConfigMap(data) = &documents[2].manifest else {
            panic!("not a ConfigMap");
        };
        assert!(data["ca.crt"].starts_with(b"-----BEGIN"));
    }

    #[test]
    fn json_and_lists_are_read_alike() {
        let secret = r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"c"},"data":{}}"#;
        assert_eq!(keys(&read(secret).0), ["default/c"]);
        let list = format!(r#"{{"apiVersion":"v1","kind":"List","items":[{secret}]}}"#);
        assert_eq!(keys(&read(&list).0), ["default/c"]);
    }

    #[test]
    fn a_bad_document_tells_its_number_and_field_and_spares_the_others() {
        let text = format!(
            "{CLIENT}---\napiVersion: v1\nkind: Secret\nmetadata: {{name: c}}\ndata: {{client_secret: '%%%'}}\n---\na: [\n"
        );
        let (documents, bad) = read(&text);
        assert_eq!(keys(&documents), ["default/a"]);
        let problems: Vec<_> = bad
            .iter()
            .map(|bad| (bad.number, bad.field.as_str()))
            .collect();
        assert_eq!(problems, [(2, "data.client_secret"), (3, "")]);
        assert!(bad[1].line.is_some_and(|line| line >= 13), "{bad:?}");
    }

    #[test]
    fn what_is_refused_is_never_quoted() {
        let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: c}\ndata: CANARY\nstringData: {a: [CANARY]}\nCANARY: [\n";
        let problems = format!("{:?}", read(text).1);
        assert!(!problems.contains("CANARY"), "{problems}");
    }

    #[test]
    fn names_that_would_leave_the_folder_are_refused() {
        for name in ["../x", "..", "a/b", "", "A", "-a"] {
            let text = format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: '{name}'}}\n");
            assert_eq!(read(&text).1[0].field, "metadata.name", "{name}");
        }
    }
}
