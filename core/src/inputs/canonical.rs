//! The canonical form that inputs are hashed in.

use std::fmt::Write;

use ring::digest::{Context, SHA256};

use crate::oauth::{Parameter, ParameterValue, Place};

/// The format of the canonical form. Hashes of other formats are adopted without a request, so a change of the form
/// needs a new name here. Otherwise an upgrade requests every token again.
pub(super) const FORMAT: &str = "v1";

/// Fields in an unambiguous form: each is preceded by its length.
#[derive(Clone)]
pub(super) struct Canonical(Context);

impl Canonical {
    pub(super) fn new() -> Self {
        let mut form = Canonical(Context::new(&SHA256));
        form.field("format", FORMAT);
        form
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    pub(super) fn field(&mut self, name: &str, value: &str) {
        self.bytes(name.as_bytes());
        self.bytes(value.as_bytes());
    }

    pub(super) fn finish(self) -> String {
        let digest = self.0.finish();
        let mut text = format!("{FORMAT}:");
        for byte in digest.as_ref().iter().take(16) {
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

/// Parameters and headers by name. Those with the same name keep their order, because a server may depend on it.
pub(super) fn named(
    form: &mut Canonical,
    what: &str,
    list: &[Parameter],
    name: impl Fn(&str) -> String,
) {
    let mut sorted: Vec<(String, &Parameter)> =
        list.iter().map(|one| (name(&one.name), one)).collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, one) in sorted {
        form.field(what, &name);
        match one.place {
            Place::ByFormat => {}
            Place::Query => form.field("in", "query"),
            Place::Body => form.field("in", "body"),
        }
        match &one.value {
            ParameterValue::Time(time) => {
                form.field("afterSeconds", &time.after.seconds().to_string());
                form.field("format", time.format.name());
            }
            ParameterValue::Fixed(text) => form.field("value", text),
            ParameterValue::Json(text) => form.field("jsonValue", text),
            ParameterValue::CredentialsKey(key) => form.field("credentialsKey", key),
        }
    }
}
