use std::path::Path;

use serde_json::Value;

use super::*;

/// Compares a generated file with what is generated now; `UPDATE=1 cargo test` writes it.
fn generated(path: &str, wanted: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == wanted,
        "{} is not what the types say: run UPDATE=1 cargo test --lib api::",
        path.display()
    );
}

#[test]
fn the_crd_file_is_what_the_types_say() {
    generated("crds/oauthclients.yaml", &crd_yaml().unwrap());
}

#[test]
fn the_page_of_conditions_is_what_the_list_says() {
    generated("docs/conditions.md", &conditions::page());
}

#[test]
fn the_crd_is_made_whole() {
    let crd = serde_json::to_value(crd()).unwrap();
    let rules = serde_json::to_string(&crd)
        .unwrap()
        .matches("\"rule\"")
        .count();
    assert_eq!(
        rules,
        rules::RULES.len(),
        "a rule names a field that is not there"
    );
}

/// Walks every schema below `spec` and `status`.
fn each_schema(schema: &Value, path: &str, visit: &mut dyn FnMut(&str, &Value)) {
    visit(path, schema);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        each_schema(property, &format!("{path}.{name}"), visit);
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(schema) = schema.get(inner) {
            each_schema(schema, &format!("{path}[]"), visit);
        }
    }
}

#[test]
fn every_field_is_described_and_every_string_and_list_is_limited() {
    let mut bad = Vec::new();
    let mut look = |path: &str, schema: &Value| {
        let said = |name: &str| schema.get(name).is_some();
        if !path.ends_with("[]") && !said("description") {
            bad.push(format!("{path} has no description"));
        }
        let limited = match schema["type"].as_str() {
            Some("string") => said("maxLength") || said("enum"),
            Some("array") => said("maxItems"),
            Some("integer") => said("minimum") || path.ends_with("observedGeneration"),
            Some("object") => said("maxProperties") || said("properties"),
            _ => true,
        };
        if !limited {
            bad.push(format!("{path} has no limit"));
        }
    };
    for part in ["spec", "status"] {
        each_schema(&schema::root()["properties"][part], part, &mut look);
    }
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn the_schema_uses_no_word_that_the_local_check_does_not_know() {
    const KNOWN: [&str; 18] = [
        "type",
        "properties",
        "items",
        "additionalProperties",
        "required",
        "description",
        "default",
        "enum",
        "minLength",
        "maxLength",
        "minimum",
        "maximum",
        "maxItems",
        "maxProperties",
        "format",
        "x-kubernetes-list-type",
        "x-kubernetes-validations",
        "x-kubernetes-list-map-keys",
    ];
    let mut look = |path: &str, schema: &Value| {
        for word in schema.as_object().unwrap().keys() {
            assert!(KNOWN.contains(&word.as_str()), "{path} uses {word}");
        }
    };
    each_schema(&schema::root()["properties"]["spec"], "spec", &mut look);
}

#[test]
fn the_smallest_manifest_gets_the_documented_defaults() {
    let resource = manifest::parse_manifest(
        "apiVersion: oauthclient.dev/v1alpha1\nkind: OAuthClient\nmetadata: {name: smallest}\nspec:\n  provider: {tokenURL: \
         \"https://auth.example.com/token\"}\n  credentials: {secretName: client}\n  tokenSecret: {name: token}\n",
    )
    .unwrap();
    let valid = validate(&resource).unwrap();
    assert_eq!(valid.client.grant, crate::oauth::Grant::ClientCredentials);
    assert_eq!(valid.client.scope_separator, " ");
    assert_eq!(valid.client.keys, crate::oauth::CredentialKeys::default());
    assert_eq!(valid.timeout, crate::time::Span::from_seconds(10));
    assert_eq!(
        valid.policy.assumed_lifetime,
        crate::time::Span::from_seconds(3300)
    );
    assert_eq!(valid.token_secret.type_, "Opaque");
    assert!(!valid.suspended);
}

#[test]
fn reasons_are_unique_words_with_a_meaning_and_a_next_step() {
    let mut seen = std::collections::BTreeSet::new();
    for reason in conditions::Reason::ALL {
        assert!(seen.insert(reason.as_str()), "{reason} is there twice");
        assert!(reason.meaning().ends_with('.'), "{reason}");
        assert!(!reason.what_to_do().is_empty(), "{reason}");
        assert_eq!(conditions::Reason::parse(reason.as_str()), Some(*reason));
    }
}
