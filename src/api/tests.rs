use std::path::Path;

use serde_json::Value;

use super::*;

/// Compares a generated file with the current output; `UPDATE=1 cargo test` writes it.
fn generated(path: &str, wanted: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var("UPDATE").is_ok_and(|value| value == "1") {
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
    // A second copy, because kustomize reads no files outside of its folder.
    generated("deploy/crd.yaml", &crd_yaml().unwrap());
}

#[test]
fn the_page_of_conditions_is_what_the_list_says() {
    generated("docs/conditions.md", &crate::messages::page());
}

#[test]
fn the_reference_page_is_what_the_schema_says() {
    generated("docs/reference.md", &reference::page());
}

#[test]
fn the_crd_has_every_rule() {
    let mut messages = String::new();
    let mut collect = |_: &str, schema: &Value| {
        for rule in schema["x-kubernetes-validations"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let text = |name: &str| rule[name].as_str().unwrap_or_default().to_owned();
            // A rule about a change is not evaluated when an object is created, so it stands alone.
            let change = text("rule").contains("oldSelf");
            assert!(!change || rule["messageExpression"].is_null());
            messages += &text("message");
            messages += &text("messageExpression").replace("\\'", "'");
        }
    };
    each_schema(&published_spec(), "spec", &mut collect);
    for rule in rules::all() {
        let there = messages.contains(rule.message);
        assert!(there, "{} names a field that is not there", rule.at);
    }
}

/// Visits every schema below `spec` and `status`.
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

#[test]
fn every_rule_refuses_at_least_one_manifest_of_the_tests() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/manifests/bad");
    let mut met = std::collections::BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for problem in manifest::parse_manifest(&text).err().into_iter().flatten() {
            met.insert((problem.field, problem.message));
        }
    }
    for rule in rules::all().filter(|rule| !rule.cel.contains("oldSelf")) {
        let field = format!("{}{}", rule.at, rule.field);
        let hit = met
            .iter()
            .any(|(at, message)| message == rule.message && without_indexes(at) == field);
        assert!(hit, "no manifest for: {field} {}", rule.message);
    }
}

/// `spec.parameters[2].name` in the form of the rules: `spec.parameters[].name`.
fn without_indexes(path: &str) -> String {
    path.chars().filter(|c| !c.is_ascii_digit()).collect()
}

#[test]
fn a_file_is_split_where_kubectl_splits_it() {
    let file = "# a comment\n---\na: 1\n---\n\n# nothing\n--- # with a comment\nb: |\n  ---x\n";
    assert_eq!(
        manifest::documents(file),
        [(3, "a: 1\n"), (8, "b: |\n  ---x\n")]
    );
}

#[test]
fn what_is_not_yaml_is_refused_with_its_line_and_without_its_content() {
    for text in [
        "kind: OAuthClient\n  spec: [s3cr3t",
        "kind: a\nkind: s3cr3t\n",
    ] {
        let problems = manifest::parse_manifest(text).unwrap_err();
        assert!(
            problems[0].to_string().contains("is not valid YAML"),
            "{}",
            problems[0]
        );
        assert!(problems[0].line.is_some() && !problems[0].message.contains("s3cr3t"));
    }
}

#[test]
fn a_bad_template_is_named_by_its_key_and_stalls_with_a_reason_of_its_own() {
    let mut resource =
        manifest::parse_manifest(include_str!("../../tests/manifests/good/every-field.yaml"))
            .unwrap();
    resource.spec.token_secret.data = [(
        ".dockerconfigjson".to_owned(),
        "{{ acess_token }}".to_owned(),
    )]
    .into();
    let problems = validate(&resource).unwrap_err();
    assert_eq!(
        problems[0].field,
        "spec.tokenSecret.data[.dockerconfigjson]"
    );
    assert_eq!(problems[0].reason, conditions::Reason::InvalidTemplate);
}

#[test]
fn what_the_api_server_cannot_judge_is_refused_with_its_field() {
    let good = include_str!("../../tests/manifests/good/dpop-and-par.yaml");
    let field = |text: &str| {
        let resource = manifest::parse_manifest(text).unwrap();
        validate(&resource).unwrap_err().remove(0).field
    };
    let unbound = good.replace("  dpop: {}\n", "");
    assert_eq!(field(&unbound), "spec.tokenSecret.data");
    let claims = include_str!("../../tests/manifests/good/assertion-claims-and-chain.yaml");
    let broken = claims.replace(r#"'["994598759"]'"#, r#"'["994598759"'"#);
    assert_eq!(
        field(&broken),
        "spec.clientAuthentication.privateKeyJWT.claims[1].jsonValue"
    );
}

#[test]
fn every_field_of_a_manifest_reaches_its_meaning() {
    use crate::oauth::*;
    use crate::schedule::{Lead, TokenReuse};
    use crate::time::Span;
    let resource =
        manifest::parse_manifest(include_str!("../../tests/manifests/good/every-field.yaml"))
            .unwrap();
    let valid = validate(&resource).unwrap();
    let client = &valid.client;
    assert_eq!(
        client.token_url.as_str(),
        "https://auth.example.com:8443/oauth/token?tenant=shop%20one"
    );
    assert_eq!(
        client.authentication,
        ClientAuthentication::ClientSecretBasic {
            encoding: BasicEncoding::Raw
        }
    );
    assert_eq!(client.keys.password, "pass.word");
    assert_eq!(client.scopes.len(), 2);
    assert_eq!(
        client.parameters[2].value,
        ParameterValue::CredentialsKey("api-key".into())
    );
    assert_eq!(
        client.headers[2].value,
        ParameterValue::Fixed("shop one".into())
    );
    assert_eq!((client.format, client.method), (Format::Json, Method::Put));
    assert_eq!(client.scope_separator, ",");
    assert_eq!(
        client.response.expiry.as_ref().unwrap().unit,
        ExpiryUnit::Rfc3339
    );
    assert_eq!(
        client.response.access_token.as_deref(),
        Some("/value/token")
    );
    assert_eq!(valid.policy.lead, Lead::Before(Span::from_seconds(600)));
    assert_eq!(valid.policy.token_reuse, TokenReuse::InvalidatesPrevious);
    assert_eq!(valid.policy.cache_window, Some(Span::from_seconds(20)));
    assert_eq!(valid.timeout, Span::from_seconds(60));
    assert_eq!(valid.ca_bundle.as_ref().unwrap().key, "ca-bundle.crt");
    assert_eq!(valid.token_secret.type_, "example.com/token");
    assert_eq!(
        valid.token_secret.templates.keys(),
        ["authorization", "token.json"]
    );
    assert!(valid.suspended);
}

/// The schema of the CRD below `spec`.
fn published_spec() -> Value {
    let crd = schema::crd_value();
    let spec = "/spec/versions/0/schema/openAPIV3Schema/properties/spec";
    crd.pointer(spec).unwrap().clone()
}

#[test]
fn the_api_server_stores_what_the_user_wrote_and_explains_each_default() {
    let mut published = std::collections::BTreeMap::new();
    each_schema(&published_spec(), "spec", &mut |path, schema| {
        assert!(schema.get("default").is_none(), "{path} has a default");
        let description = schema["description"].as_str().unwrap_or_default();
        published.insert(path.to_owned(), description.to_owned());
    });
    let mut defaults = 0;
    let spec = &schema::root()["properties"]["spec"];
    each_schema(
        spec,
        "spec",
        &mut |path, schema| match schema.get("default") {
            None | Some(Value::Object(_)) => {}
            Some(default) => {
                defaults += 1;
                let said = &published[path];
                let (_, last) = said.rsplit_once("Defaults to ").unwrap_or_default();
                let default = default.as_str().map_or(default.to_string(), str::to_owned);
                assert!(last.contains(&default), "{path}: {said}");
            }
        },
    );
    assert!(defaults > 40, "{defaults} defaults were compared");
}

/// Rules read the default of each field, and the default of the object around it must say the same.
#[test]
fn the_default_of_an_object_consists_of_the_defaults_of_its_fields() {
    let spec = &schema::root()["properties"]["spec"];
    each_schema(spec, "spec", &mut |path, schema| {
        let Some(Value::Object(default)) = schema.get("default") else {
            return;
        };
        let properties = schema["properties"].as_object().unwrap();
        let of_fields: serde_json::Map<_, _> = properties
            .iter()
            .filter_map(|(name, field)| Some((name.clone(), field.get("default")?.clone())))
            .collect();
        assert_eq!(*default, of_fields, "{path}");
    });
}

/// Every write of a status evaluates the rules of everything that the spec contains. Those at the root are evaluated for every
/// resource: place a rule at the deepest object that contains the fields it compares, and raise a number only for a rule that
/// compares fields of several parts of the spec.
#[test]
fn few_rules_are_evaluated_for_every_resource() {
    let spec = published_spec();
    let rules_at = |path: &str| {
        let at = path.split('.').filter(|name| !name.is_empty());
        let schema = at.fold(&spec, |schema, name| &schema["properties"][name]);
        schema["x-kubernetes-validations"]
            .as_array()
            .map_or(0, Vec::len)
    };
    assert!(rules_at("") <= 16, "{} rules at the root", rules_at(""));
    // The smallest spec: what is absent costs nothing.
    let smallest = [
        "",
        "provider",
        "provider.tokenURL",
        "credentials",
        "credentials.secretName",
        "tokenSecret",
        "tokenSecret.name",
    ];
    let evaluated: usize = smallest.into_iter().map(rules_at).sum();
    assert!(evaluated <= 24, "{evaluated} rules for the smallest spec");
}
