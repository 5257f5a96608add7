//! Enforces a schema and its rules over plain JSON, as the API server does: unknown fields, defaults, limits.
//!
//! It implements only the parts of JSON schema that the CRD uses; a test ensures that the CRD uses no others.

use serde_json::{Map, Value};

use super::problem::{SpecProblem, kind_of};
use super::rules::{self, Rule};
use super::schema;

/// Fills in the defaults of a spec and collects all problems. As in the API server, rules are evaluated only if the
/// schema is satisfied.
pub(crate) fn check_spec(spec: &mut Value, problems: &mut Vec<SpecProblem>) {
    let before = problems.len();
    if let Some(schema) = schema::root().pointer("/properties/spec") {
        check(schema, spec, "spec", problems);
    }
    if problems.len() == before {
        check_rules(spec, problems);
    }
}

/// Checks a value against a schema, and fills in defaults.
pub(crate) fn check(
    schema: &Value,
    value: &mut Value,
    path: &str,
    problems: &mut Vec<SpecProblem>,
) {
    let expected = schema
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or_default();
    // 60.0 is an integer too.
    if let Some(whole) = value
        .as_f64()
        .filter(|float| expected == "integer" && float.fract() == 0.0)
        && let Ok(whole) = format!("{whole:.0}").parse::<i64>()
    {
        *value = Value::from(whole);
    }
    let fits = match (expected, &*value) {
        ("object", Value::Object(_))
        | ("array", Value::Array(_))
        | ("string", Value::String(_))
        | ("boolean", Value::Bool(_)) => true,
        ("integer", Value::Number(number)) => number.is_i64(),
        _ => false,
    };
    if !fits {
        let found = kind_of(value);
        problems.push(SpecProblem::new(
            path,
            format!("must be {}, but it is {found}", described(expected)),
        ));
        return;
    }
    match value {
        Value::Object(map) => check_object(schema, map, path, problems),
        Value::Array(list) => check_list(schema, list, path, problems),
        Value::String(text) => check_text(schema, text, path, problems),
        Value::Number(number) => {
            check_number(schema, number.as_i64().unwrap_or_default(), path, problems)
        }
        Value::Null | Value::Bool(_) => {}
    }
}

fn described(kind: &str) -> &'static str {
    match kind {
        "object" => "a map",
        "array" => "a list",
        "string" => "text (put it into quotes)",
        "boolean" => "true or false",
        _ => "a whole number",
    }
}

/// The path of a key in a map with arbitrary keys.
pub(crate) fn map_key(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else if key.contains(['.', '/', '[']) {
        format!("{path}[{key}]")
    } else {
        format!("{path}.{key}")
    }
}

fn check_object(
    schema: &Value,
    map: &mut Map<String, Value>,
    path: &str,
    problems: &mut Vec<SpecProblem>,
) {
    // As in the API server: in YAML, a field without a value is null.
    map.retain(|_, value| !value.is_null());
    if let Some(each) = schema
        .get("additionalProperties")
        .filter(|each| each.is_object())
    {
        at_most(
            schema,
            "maxProperties",
            map.len(),
            "entries",
            path,
            problems,
        );
        for (key, value) in map {
            check(each, value, &map_key(path, key), problems);
        }
        return;
    }
    let none = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object);
    let properties = properties.unwrap_or(&none);
    for key in map.keys().filter(|key| !properties.contains_key(*key)) {
        let known: Vec<&str> = properties.keys().map(String::as_str).collect();
        problems.push(SpecProblem::new(
            format!("{path}.{key}"),
            format!("is an unknown field: there are {}", known.join(", ")),
        ));
    }
    for (name, property) in properties {
        if let Some(default) = property.get("default")
            && !map.contains_key(name)
        {
            map.insert(name.clone(), default.clone());
        }
        if let Some(value) = map.get_mut(name) {
            check(property, value, &format!("{path}.{name}"), problems);
        }
    }
    let required = schema.get("required").and_then(Value::as_array);
    for name in required.into_iter().flatten().filter_map(Value::as_str) {
        if !map.contains_key(name) {
            let about = properties
                .get(name)
                .and_then(|property| property.get("description"))
                .and_then(Value::as_str)
                .unwrap_or_default();
            problems.push(SpecProblem::new(
                format!("{path}.{name}"),
                format!("is required: {about}"),
            ));
        }
    }
}

fn check_list(schema: &Value, list: &mut [Value], path: &str, problems: &mut Vec<SpecProblem>) {
    at_most(schema, "maxItems", list.len(), "items", path, problems);
    let set = schema.get("x-kubernetes-list-type").and_then(Value::as_str) == Some("set");
    for index in 0..list.len() {
        let (before, rest) = list.split_at_mut(index);
        let Some(item) = rest.first_mut() else { break };
        let place = format!("{path}[{index}]");
        if let Some(items) = schema.get("items") {
            check(items, item, &place, problems);
        }
        if set && before.contains(item) {
            problems.push(SpecProblem::new(
                place,
                "is there twice: remove one of them",
            ));
        }
    }
}

fn check_text(schema: &Value, text: &str, path: &str, problems: &mut Vec<SpecProblem>) {
    let length = text.chars().count();
    at_most(schema, "maxLength", length, "characters", path, problems);
    if length < limit(schema, "minLength").unwrap_or(0) {
        problems.push(SpecProblem::new(
            path,
            "must not be empty: remove it, or give it a value",
        ));
    }
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array) {
        let allowed: Vec<&str> = allowed.iter().filter_map(Value::as_str).collect();
        if !allowed.contains(&text) {
            problems.push(SpecProblem::new(
                path,
                format!("must be one of {}", allowed.join(", ")),
            ));
        }
    }
}

fn check_number(schema: &Value, number: i64, path: &str, problems: &mut Vec<SpecProblem>) {
    let bound = |name| schema.get(name).and_then(Value::as_f64);
    #[expect(clippy::cast_precision_loss, reason = "the bounds are far below 2^53")]
    let number = number as f64;
    if let Some(minimum) = bound("minimum").filter(|minimum| number < *minimum) {
        problems.push(SpecProblem::new(path, format!("must be {minimum} or more")));
    }
    if let Some(maximum) = bound("maximum").filter(|maximum| number > *maximum) {
        problems.push(SpecProblem::new(path, format!("must be {maximum} or less")));
    }
}

fn limit(schema: &Value, name: &str) -> Option<usize> {
    schema
        .get(name)?
        .as_u64()
        .and_then(|limit| usize::try_from(limit).ok())
}

fn at_most(
    schema: &Value,
    name: &str,
    found: usize,
    of: &str,
    path: &str,
    problems: &mut Vec<SpecProblem>,
) {
    if let Some(most) = limit(schema, name).filter(|most| found > *most) {
        problems.push(SpecProblem::new(
            path,
            format!("has {found} {of}: at most {most} are allowed"),
        ));
    }
}

fn check_rules(spec: &Value, problems: &mut Vec<SpecProblem>) {
    for rule in rules::all() {
        let path = rule
            .at
            .strip_prefix("spec")
            .unwrap_or(rule.at)
            .trim_start_matches('.');
        walk(rule, spec, path, "spec".to_owned(), problems);
    }
}

/// Follows a rule's path to every value that it applies to.
fn walk(rule: &Rule, value: &Value, rest: &str, path: String, problems: &mut Vec<SpecProblem>) {
    if rest.is_empty() {
        if !(rule.holds)(value) {
            problems.push(SpecProblem::new(
                format!("{path}{}", rule.field),
                rule.message,
            ));
        }
        return;
    }
    let (step, rest) = rest.split_once('.').unwrap_or((rest, ""));
    match step.strip_suffix("[]") {
        Some(name) => {
            let items = value.get(name).and_then(Value::as_array);
            for (index, item) in items.into_iter().flatten().enumerate() {
                walk(
                    rule,
                    item,
                    rest,
                    format!("{path}.{name}[{index}]"),
                    problems,
                );
            }
        }
        None => {
            if let Some(inner) = value.get(step) {
                walk(rule, inner, rest, format!("{path}.{step}"), problems);
            }
        }
    }
}
