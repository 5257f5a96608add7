//! The page `docs/reference.md`: every field of the resource, from the schema that the API server has.

use std::fmt::Write;

use serde_json::Value;

use super::rules;
use super::schema;

const HEAD: &str = "<!-- Generated from src/api/: change the types there, not this file. -->

# Reference: OAuthClient

`apiVersion: oauthclient.dev/v1alpha1`, `kind: OAuthClient`, namespaced, short name `oac`. OpenShift has a kind of the same
name in another group: where both are installed, say `oauthclients.oauthclient.dev`.

The same texts are in the cluster: `kubectl explain oauthclients.oauthclient.dev.spec`.
";

const METADATA: &str = "
## Labels and annotations

| on | name | meaning |
|---|---|---|
| a credentials Secret | label `oauthclient.dev/credentials: \"true\"` | Its owner lends it: without it, it is not read. |
| a credentials Secret, a ServiceAccount | annotation `oauthclient.dev/allowed-hosts` | The hosts that it may be sent to: entries `host`, `host:port` or `*.domain`, each with an optional path prefix (`api.example.com/oauth/`), separated by commas or white space. An entry without a port stands for every port. An entry that cannot be parsed allows nothing. At most 2048 bytes. |
| a credentials Secret, a ServiceAccount | annotation `oauthclient.dev/allowed-token-hosts` | The hosts that tokens may be sent to that were obtained with it. Without it, `allowed-hosts` counts for them. |
| a token Secret, by `spec.tokenSecret` | label `oauthclient.dev/credentials: \"true\"` and annotation `oauthclient.dev/allowed-hosts` | Another OAuthClient may send the token to these hosts, as far as everybody lets tokens go there whose Secret or ServiceAccount it was obtained with. |
| a credentials Secret | annotation `oauthclient.dev/disclosed-keys` | The keys that are no secret, besides `client_id` and `username`: templates may use them. Separated by commas. |
| a Secret that exists | annotation `oauthclient.dev/adopt: NAME` | Hands it over to the OAuthClient of that name. It is deleted together with it. |
| an OAuthClient | annotation `oauthclient.dev/refresh-requested-at` | Any new value asks for one new token; `status.lastRefreshRequest` echoes it. |
| a credentials Secret | annotation `oauthclient.dev/retry-requested-at` | Any new value lets credentials that the provider refused be sent once more. Only who may change the Secret can set it. |
| a Secret `NAME-login` | label `oauthclient.dev/login: \"true\"` | `kubectl oauthclient login` made it, and may replace it. |
| a Secret `NAME-login` | annotation `oauthclient.dev/logged-in-at` | When that was. |
| a token Secret | label `oauthclient.dev/token: \"true\"` | The operator made it. |
| a token Secret | annotations `oauthclient.dev/issued-at`, `expires-at`, `refresh-at` | When its token was issued, expires and is replaced. |
| a token Secret | annotation `oauthclient.dev/state` | The operator's own: what else it knows of the token, as JSON. |
";

/// The page.
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

/// The type and its limits, in words.
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
        "\n## Rules\n\nThe API server refuses what breaks one of these, with this message; `oauthclient-operator local` does the \
         same.\n\n| field | message |\n|---|---|\n",
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
