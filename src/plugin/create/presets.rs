//! The provider presets of `create`: the project's examples with their placeholders.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::api::manifest::documents;
use crate::plugin::problem::Problem;

/// A provider preset.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Preset {
    /// The name to select it by.
    pub(crate) name: &'static str,
    /// Its description, in one sentence.
    pub(crate) about: &'static str,
    /// The example.
    text: &'static str,
}

macro_rules! presets {
    ($($name:literal $about:literal)*) => {
        /// All of them.
        pub(crate) fn presets() -> Vec<Preset> {
            vec![$(Preset {
                name: $name,
                about: $about,
                text: include_str!(concat!("../../../examples/", $name, ".yaml")),
            },)*]
        }
    };
}

presets! {
    "smallest" "Any provider with a client secret: client credentials with HTTP Basic"
    "issuer" "Any provider with a discovery document, by its issuer"
    "auth0" "Auth0"
    "barentswatch" "BarentsWatch"
    "bokbasen" "Bokbasen"
    "entra-certificate" "Entra ID with a certificate"
    "entra-federated" "Entra ID with a ServiceAccount of the cluster, without any secret"
    "feide" "Feide (Dataporten)"
    "feide-login" "Feide in the name of a person, who logs in once"
    "github-app" "GitHub App, as an installation"
    "google" "Google service account with its key file"
    "keycloak" "Keycloak"
    "helseid" "HelseID: a signed assertion, and tokens that are bound to a key"
    "kongsberg" "Kongsberg Vessel Insight, and others that use the v1 endpoint of Entra ID"
    "maskinporten" "Maskinporten"
    "mutual-tls" "Any provider that requires a client certificate"
    "okta" "Okta with private_key_jwt"
    "refresh-token" "Any provider with refresh tokens, after a login"
    "salesforce" "Salesforce"
}

/// A preset in progress: objects that are not written yet.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Draft {
    /// The OAuthClient.
    pub(super) client: Value,
    /// The ServiceAccounts that it needs.
    pub(super) accounts: Vec<Value>,
    /// The keys of the credentials Secret, and how to prompt for each; `None` if there is no Secret.
    pub(super) keys: Option<BTreeMap<String, AskedField>>,
    /// The name of that Secret in the example.
    secret: String,
}

/// How to prompt for a value of the credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AskedField {
    /// Not secret, such as a client id.
    Shown,
    /// A secret of one line.
    Hidden,
    /// The content of a file, such as a private key.
    File,
}

impl Preset {
    /// The preset with that name.
    pub(super) fn find(name: &str) -> Result<Preset, Problem> {
        let found = presets().into_iter().find(|preset| preset.name == name);
        found.ok_or_else(|| {
            let all: Vec<&str> = presets().iter().map(|preset| preset.name).collect();
            Problem::new(format!("there is no provider {name}: choose one of {}, or give --token-url or --issuer-url", all.join(", ")))
        })
    }

    /// Its objects, with placeholders.
    pub(super) fn draft(&self) -> Result<Draft, Problem> {
        let mut draft = Draft {
            client: Value::Null,
            accounts: Vec::new(),
            keys: None,
            secret: String::new(),
        };
        for (_, text) in documents(self.text) {
            let document: Value = serde_saphyr::from_str(text).map_err(|_| {
                Problem::new(format!("the example of {} cannot be read", self.name))
            })?;
            match document.get("kind").and_then(Value::as_str) {
                Some("OAuthClient") => draft.client = document,
                Some("ServiceAccount") => draft.accounts.push(document),
                Some("Secret") => {
                    let name = document.pointer("/metadata/name");
                    draft.secret = name.and_then(Value::as_str).unwrap_or_default().to_owned();
                    draft.keys = Some(keys(&document));
                }
                _ => {}
            }
        }
        Ok(draft)
    }
}

fn keys(secret: &Value) -> BTreeMap<String, AskedField> {
    let data = secret
        .get("stringData")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    data.filter(|(key, _)| *key != "refresh_token")
        .map(|(key, value)| {
            let text = value.as_str().unwrap_or_default();
            let is_file = [".crt", ".key", ".pem", ".json"]
                .iter()
                .any(|end| key.ends_with(end));
            let field_kind = if is_file || text.trim_end().contains('\n') {
                AskedField::File
            } else if matches!(key.as_str(), "client_id" | "username") {
                AskedField::Shown
            } else {
                AskedField::Hidden
            };
            (key.clone(), field_kind)
        })
        .collect()
}

impl Draft {
    /// Sets the names of the resource and its Secrets.
    pub(super) fn rename(&mut self, name: &str, secret: &str, token_secret: &str) {
        let before = std::mem::replace(&mut self.secret, secret.to_owned());
        if !before.is_empty() {
            name_secret(field(&mut self.client, "spec"), &before, secret);
        }
        let token = field(field(&mut self.client, "spec"), "tokenSecret");
        *field(token, "name") = token_secret.into();
        *field(field(&mut self.client, "metadata"), "name") = name.into();
    }

    /// The spec.
    pub(super) fn spec(&mut self) -> &mut Value {
        field(&mut self.client, "spec")
    }

    /// The name of the credentials Secret.
    pub(super) fn secret(&self) -> &str {
        &self.secret
    }

    /// The remaining placeholders, with their fields.
    pub(super) fn placeholders(&self) -> BTreeMap<String, Vec<String>> {
        let mut found = BTreeMap::new();
        if let Some(spec) = self.client.get("spec") {
            scan(spec, "spec", &mut found);
        }
        for account in &self.accounts {
            if let Some(annotations) = account.pointer("/metadata/annotations") {
                scan(annotations, "ServiceAccount", &mut found);
            }
        }
        found
    }

    /// Replaces a placeholder by a value everywhere.
    pub(super) fn fill(&mut self, placeholder: &str, value: &str) {
        replace(self.spec(), placeholder, value);
        for account in &mut self.accounts {
            replace(field(account, "metadata"), placeholder, value);
        }
    }
}

/// A field of an object, created if it does not exist.
pub(super) fn field<'a>(value: &'a mut Value, name: &str) -> &'a mut Value {
    if !value.is_object() {
        *value = Value::Object(serde_json::Map::new());
    }
    match value {
        Value::Object(fields) => fields.entry(name).or_insert(Value::Null),
        other => other,
    }
}

/// Sets the name of the Secret in every field that names it.
fn name_secret(value: &mut Value, before: &str, after: &str) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == "secretName" && value == before {
                    *value = after.into();
                } else {
                    name_secret(value, before, after);
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                name_secret(item, before, after);
            }
        }
        _ => {}
    }
}

fn scan(value: &Value, path: &str, found: &mut BTreeMap<String, Vec<String>>) {
    match value {
        Value::String(text) => {
            for placeholder in in_text(text) {
                found.entry(placeholder).or_default().push(path.to_owned());
            }
        }
        Value::Array(items) => items.iter().for_each(|item| scan(item, path, found)),
        Value::Object(fields) => {
            for (name, field) in fields {
                scan(field, &format!("{path}.{name}"), found);
            }
        }
        _ => {}
    }
}

fn replace(value: &mut Value, placeholder: &str, by: &str) {
    match value {
        Value::String(text) => *text = text.replace(placeholder, by),
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| replace(item, placeholder, by)),
        Value::Object(fields) => fields
            .values_mut()
            .for_each(|field| replace(field, placeholder, by)),
        _ => {}
    }
}

/// Placeholders in the examples: `your-...`, hosts of example.com, and UUIDs of one digit.
fn in_text(text: &str) -> Vec<String> {
    if text.starts_with("your:") || text.contains(":your-api/") {
        return vec![text.to_owned()];
    }
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '.'));
    let mut found = Vec::new();
    for word in words {
        let own = word.split('.').filter(|part| part.starts_with("your-"));
        found.extend(own.map(str::to_owned));
        let is_host = word.ends_with(".example.com") || word == "example.com";
        if (is_host || is_filler(word)) && !found.contains(&word.to_owned()) {
            found.push(word.to_owned());
        }
    }
    found
}

fn is_filler(word: &str) -> bool {
    let first = word.split('-').next().unwrap_or_default();
    let same = first.chars().all(|c| first.starts_with(c))
        && first.starts_with(|c: char| c.is_ascii_digit());
    word.len() == 36 && word.split('-').count() == 5 && same
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_placeholders(name: &str) -> Vec<String> {
        Preset::find(name)
            .unwrap()
            .draft()
            .unwrap()
            .placeholders()
            .into_keys()
            .collect()
    }

    #[test]
    fn every_preset_is_an_example_with_one_resource() {
        for preset in presets() {
            let draft = preset.draft().unwrap();
            assert_eq!(draft.client["kind"], "OAuthClient", "{}", preset.name);
            let named = draft.client["spec"].to_string().contains("\"secretName\"");
            assert_eq!(named, draft.keys.is_some(), "{}", preset.name);
        }
    }

    #[test]
    fn placeholders_are_what_a_reader_has_to_fill_in() {
        assert_eq!(all_placeholders("okta"), ["your-key-id", "your-org"]);
        assert_eq!(all_placeholders("bokbasen"), [""; 0]);
        assert_eq!(
            all_placeholders("helseid"),
            ["nhn:your-api/read", "your-organization-number"]
        );
        assert_eq!(
            all_placeholders("maskinporten"),
            ["your-key-id", "your:api.read"]
        );
        assert_eq!(all_placeholders("smallest"), ["auth.example.com"]);
        let entra = all_placeholders("entra-federated");
        assert!(
            entra.contains(&"00000000-0000-0000-0000-000000000000".to_owned()),
            "{entra:?}"
        );
    }

    #[test]
    fn a_value_takes_the_place_of_its_placeholder_everywhere() {
        let mut draft = Preset::find("salesforce").unwrap().draft().unwrap();
        draft.fill("your-domain", "acme");
        let text = draft.client.to_string();
        assert!(
            text.contains("https://acme.my.salesforce.com/services/oauth2/token"),
            "{text}"
        );
        assert!(
            text.contains("https://acme.my.salesforce.com/services/oauth2/revoke"),
            "{text}"
        );
        assert!(draft.placeholders().is_empty());
    }

    #[test]
    fn keys_are_asked_for_as_their_values_are() {
        let keys = |name: &str| Preset::find(name).unwrap().draft().unwrap().keys.unwrap();
        let maskinporten = keys("maskinporten");
        assert_eq!(maskinporten["client_id"], AskedField::Shown);
        assert_eq!(maskinporten["private_key"], AskedField::File);
        assert_eq!(keys("bokbasen")["client_secret"], AskedField::Hidden);
        assert_eq!(keys("google")["key.json"], AskedField::File);
    }
}
