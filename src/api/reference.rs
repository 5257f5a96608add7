//! Renders `docs/reference.md`: every field of the resource, from the schema that the API server uses.

use std::fmt::Write;

use serde_json::Value;

use super::rules;
use super::schema;

const HEAD: &str = "<!-- Generated from src/api/: change the types there, not this file. -->

# Reference: OAuthClient

`apiVersion: oauthclient.dev/v1alpha1`, `kind: OAuthClient`, namespaced, short name `oac`. OpenShift has a kind of the same
name in another group: where both are installed, write `oauthclients.oauthclient.dev`.

`kubectl explain oauthclients.oauthclient.dev.spec` shows the same texts.
";

const METADATA: &str = "
## Labels and annotations

| on | name | meaning |
|---|---|---|
| a credentials Secret | label `oauthclient.dev/credentials: \"true\"` | Its owner allows OAuthClients in the namespace to use it. The operator reads no Secret without this label. |
| a credentials Secret, a ServiceAccount | annotation `oauthclient.dev/allowed-hosts` | The hosts that it may be sent to. Entries are `host`, `host:port` or `*.domain`, each with an optional path prefix (`api.example.com/oauth/`), separated by commas or white space. An entry without a port allows every port. An invalid entry allows nothing. At most 2048 bytes. |
| a credentials Secret, a ServiceAccount | annotation `oauthclient.dev/allowed-token-hosts` | The hosts that tokens obtained with it may be sent to. Defaults to `allowed-hosts`. |
| a token Secret, by `spec.tokenSecret` | label `oauthclient.dev/credentials: \"true\"` and annotation `oauthclient.dev/allowed-hosts` | Another OAuthClient may send the token to these hosts, if every Secret and ServiceAccount that it was obtained with allows that too. |
| a credentials Secret | annotation `oauthclient.dev/disclosed-keys` | Keys whose values are not secret, in addition to `client_id` and `username`: templates may use them. Separated by commas. |
| an existing Secret | annotation `oauthclient.dev/adopt: NAME` | The OAuthClient of that name takes over the Secret and deletes it when it is deleted itself. |
| an OAuthClient | annotation `oauthclient.dev/refresh-requested-at` | Any new value requests one new token; `status.lastRefreshRequest` echoes it. |
| a credentials Secret | annotation `oauthclient.dev/retry-requested-at` | Any new value allows credentials that the provider refused to be sent once more. Setting it takes the right to change the Secret. |
| a Secret `NAME-login` | label `oauthclient.dev/login: \"true\"` | `kubectl oauthclient login` created it, and may replace it. |
| a Secret `NAME-login` | annotation `oauthclient.dev/logged-in-at` | The time of the login. |
| a token Secret | label `oauthclient.dev/token: \"true\"` | The operator created it. |
| a token Secret | annotations `oauthclient.dev/issued-at`, `expires-at`, `refresh-at` | When its token was issued, expires and is refreshed. |
| a token Secret | annotation `oauthclient.dev/state` | Internal state of the operator, as JSON. |
";

/// Renders the page.
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    for part in ["spec", "status"] {
        if let Some(schema) = schema::root().pointer(&format!("/properties/{part}")) {
            section(&mut page, schema, part);
        }
    }
    page.push_str(METADATA);
    list_rules(&mut page);
    page
}

/// A table of an object's fields, then the objects below it.
fn section(page: &mut String, schema: &Value, path: &str) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return;
    };
    let _ = write!(page, "\n## `{path}`\n\n{}\n\n", text(schema, "description"));
    page.push_str("| field | type | default | meaning |\n|---|---|---|---|\n");
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for (name, field) in properties {
        let default = match field.get("default") {
            _ if required.contains(&name.as_str()) => "**required**".to_owned(),
            Some(Value::Object(_)) | None => String::new(),
            Some(default) => format!("`{default}`"),
        };
        let about = text(field, "description").replace('|', "\\|");
        let _ = writeln!(page, "| `{name}` | {} | {default} | {about} |", kind(field));
    }
    for (name, field) in properties {
        let (inner, path) = match field.get("items") {
            Some(items) => (items, format!("{path}.{name}[]")),
            None => (field, format!("{path}.{name}")),
        };
        section(page, inner, &path);
    }
}

fn text<'a>(schema: &'a Value, name: &str) -> &'a str {
    schema.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The type and its limits, as text.
fn kind(schema: &Value) -> String {
    let number = |name: &str| schema.get(name).and_then(Value::as_i64);
    let up_to = |name: &str, of: &str| {
        number(name)
            .map(|most| format!(", at most {most} {of}"))
            .unwrap_or_default()
    };
    match text(schema, "type") {
        "array" => {
            let of = schema
                .get("items")
                .map(|items| text(items, "type"))
                .unwrap_or_default();
            format!("list of {of}s{}", up_to("maxItems", ""))
        }
        "object" if schema.get("additionalProperties").is_some() => {
            format!("map of strings{}", up_to("maxProperties", ""))
        }
        "integer" => match (number("minimum"), number("maximum")) {
            (Some(low), Some(high)) => format!("integer, {low} to {high}"),
            (Some(low), None) => format!("integer, {low} or more"),
            _ => "integer".to_owned(),
        },
        "string" => match schema.get("enum").and_then(Value::as_array) {
            Some(choices) => choices
                .iter()
                .filter_map(Value::as_str)
                .map(|choice| format!("`{choice}`"))
                .collect::<Vec<_>>()
                .join(", "),
            None => format!("string{}", up_to("maxLength", "characters")),
        },
        other => other.to_owned(),
    }
    .trim_end()
    .to_owned()
}

fn list_rules(page: &mut String) {
    page.push_str(
        "\n## Rules\n\nThe API server refuses a manifest that breaks one of these rules, with this message. `oauthclient-operator \
         local` does the same.\n\n| field | message |\n|---|---|\n",
    );
    for rule in rules::all() {
        let _ = writeln!(
            page,
            "| `{}{}` | {} |",
            rule.at,
            rule.field,
            rule.message.replace('|', "\\|")
        );
    }
}
