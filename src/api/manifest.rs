//! Manifests in files, parsed as strictly as by `kubectl apply --validate=strict`.

use serde_json::Value;

use super::OAuthClient;
use super::check;
use super::lines::Lines;
use super::problem::{SpecProblem, kind_of};
use super::schema;
use super::validators;
use oauthclient_core::conditions::Reason;

/// Fields of `metadata` that the API server knows.
const METADATA: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Splits a file into its YAML documents, each with its first line in the file, from 1. Empty ones are omitted.
pub fn documents(file: &str) -> Vec<(u64, &str)> {
    let mut documents = Vec::new();
    let (mut start, mut first) = (0, 1);
    let mut offset = 0;
    for (number, line) in (1_u64..).zip(file.split_inclusive('\n')) {
        let end = offset;
        offset += line.len();
        if line.trim_end() == "---" || line.starts_with("--- ") {
            documents.push((first, file.get(start..end).unwrap_or_default()));
            (start, first) = (offset, number + 1);
        }
    }
    documents.push((first, file.get(start..).unwrap_or_default()));
    documents.retain(|(_, text)| {
        text.lines()
            .any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
    });
    documents
}

/// Parses one YAML (or JSON) document with an `OAuthClient`: fills in defaults, refuses unknown fields. The result must
/// still pass [`super::validate()`], which needs more than a manifest contains.
///
/// # Errors
/// Everything that the API server would refuse, with the field and, if known, the line in the document.
pub fn parse_manifest(document: &str) -> Result<OAuthClient, Vec<SpecProblem>> {
    let mut value = read(document).map_err(|problem| vec![problem])?;
    let mut problems = Vec::new();
    check_manifest(&mut value, &mut problems);
    if problems.is_empty() {
        return serde_json::from_value(value)
            .map_err(|_| vec![SpecProblem::new("", "cannot be read")]);
    }
    place(document, &mut problems);
    Err(problems)
}

/// Sets the line of each problem's field in the document.
pub fn place(document: &str, problems: &mut [SpecProblem]) {
    let lines = Lines::of(document);
    for problem in problems {
        problem.line = lines.find(&problem.field);
    }
}

/// Parses YAML into plain values as `kubectl` does, including words like `yes` and `on` and numbers like `0777`.
fn read(document: &str) -> Result<Value, SpecProblem> {
    let options = serde_saphyr::options! {
        legacy_octal_numbers: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(document, options).map_err(|error| SpecProblem {
        field: String::new(),
        // The parser's message may quote the document, which may be a Secret given by mistake.
        message: "is not valid YAML: look at the indentation, at unbalanced quotes and brackets, and for a key that is there twice"
            .to_owned(),
        line: error.location().map(|location| location.line()),
        reason: Reason::InvalidSpec,
    })
}

fn check_manifest(value: &mut Value, problems: &mut Vec<SpecProblem>) {
    let Some(map) = value.as_object_mut() else {
        problems.push(SpecProblem::new(
            "",
            format!("must be a map, but it is {}", kind_of(value)),
        ));
        return;
    };
    for (field, wanted) in [
        ("apiVersion", "oauthclient.dev/v1alpha1"),
        ("kind", "OAuthClient"),
    ] {
        if map.get(field).and_then(Value::as_str) != Some(wanted) {
            problems.push(SpecProblem::new(field, format!("must be {wanted}")));
        }
    }
    for field in map.keys() {
        if !matches!(
            field.as_str(),
            "apiVersion" | "kind" | "metadata" | "spec" | "status"
        ) {
            problems.push(SpecProblem::new(
                field,
                "is an unknown field: there are apiVersion, kind, metadata, spec",
            ));
        }
    }
    check_metadata(map.get("metadata"), problems);
    match map.get_mut("spec") {
        Some(spec) => check::check_spec(spec, problems),
        None => problems.push(SpecProblem::new(
            "spec",
            "is required: it says where the token comes from",
        )),
    }
    // The API server ignores a status in a manifest too.
    if let Some(mut status) = map.remove("status")
        && let Some(schema) = schema::root().pointer("/properties/status")
    {
        check::check(schema, &mut status, "status", problems);
    }
}

fn check_metadata(metadata: Option<&Value>, problems: &mut Vec<SpecProblem>) {
    let Some(map) = metadata.and_then(Value::as_object) else {
        problems.push(SpecProblem::new(
            "metadata",
            "is required: it names the resource",
        ));
        return;
    };
    for field in map
        .keys()
        .filter(|field| !METADATA.contains(&field.as_str()))
    {
        problems.push(SpecProblem::new(
            format!("metadata.{field}"),
            "is an unknown field: a manifest has name, namespace, labels, annotations",
        ));
    }
    let name = map.get("name").and_then(Value::as_str).unwrap_or_default();
    if !validators::is_object_name(name) || name.len() > 253 {
        problems.push(SpecProblem::new(
            "metadata.name",
            "must be a name of lower case letters, digits, - and ., with a letter or digit at both ends",
        ));
    }
    if let Some(namespace) = map.get("namespace") {
        let fits = namespace.as_str().is_some_and(|name| {
            validators::is_object_name(name) && !name.contains('.') && name.len() <= 63
        });
        if !fits {
            problems.push(SpecProblem::new(
                "metadata.namespace",
                "must be a name of lower case letters, digits and -, with a letter or digit at both ends",
            ));
        }
    }
}
