//! Defaults that the operator applies, not the API server.
//!
//! A default in the CRD's schema is stored in every object, validated and tracked at every write of a status, and sent
//! with every event. Therefore the schema of the CRD has none below `spec`: [`strip`] moves them into the descriptions,
//! where `kubectl explain` shows them, and [`guarded`] makes each rule see the default where the field is absent. The
//! types apply them when an object is decoded. A stored object is what its user wrote.
//!
//! A default never changes within a version of the API, so it makes no difference when it is applied.

use serde_json::Value;

/// Removes the defaults of a schema and everything below it, and adds each to its description.
pub(super) fn strip(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            // Not a property that is called "default".
            if map.contains_key("type")
                && let Some(default) = map.remove("default")
                && let Some(Value::String(description)) = map.get_mut("description")
            {
                describe(description, &default);
            }
            map.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

/// Objects are not described: their fields are.
fn describe(description: &mut String, default: &Value) {
    let default = match default {
        Value::Object(_) => return,
        Value::String(text) if text.trim().is_empty() => format!("{default}"),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    *description = format!("{} Defaults to {default}.", description.trim_end());
}

/// A rule about a value of this schema, for values without defaults: `self.method` becomes
/// `(has(self.method) ? self.method : 'POST')`.
pub(super) fn guarded(schema: &Value, cel: &str) -> String {
    let mut written = String::with_capacity(cel.len());
    let mut rest = cel;
    let mut quoted = false;
    while let Some(first) = rest.chars().next() {
        let whole_word = !written
            .chars()
            .last()
            .is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'));
        let root = ["oldSelf.", "self."]
            .into_iter()
            .find(|root| !quoted && whole_word && rest.starts_with(root));
        let Some(root) = root else {
            quoted ^= first == '\'' && !written.ends_with('\\');
            written.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
            continue;
        };
        let length = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.')))
            .unwrap_or(rest.len());
        let (path, after) = rest.split_at(length);
        // A method is no field.
        let (path, method) = match path.rsplit_once('.').filter(|_| after.starts_with('(')) {
            Some((path, method)) => (path, format!(".{method}")),
            None => (path, String::new()),
        };
        let fields: Vec<&str> = path.split('.').skip(1).collect();
        let root = root.trim_end_matches('.');
        if written.ends_with("has(") {
            written.truncate(written.len() - "has(".len());
            written.push_str(&present(schema, root, &fields));
            rest = after.strip_prefix(')').unwrap_or(after);
        } else {
            written.push_str(&value(schema, root, &fields));
            written.push_str(&method);
            rest = after;
        }
    }
    written
}

/// Whether a field is present, where what it is in may be absent.
fn present(schema: &Value, root: &str, fields: &[&str]) -> String {
    let outer = fields.split_last().map_or(&[][..], |(_, outer)| outer);
    let mut all = guards(schema, root, outer);
    all.push(format!("has({root}.{})", fields.join(".")));
    match all.as_slice() {
        [one] => one.clone(),
        all => format!("({})", all.join(" && ")),
    }
}

/// The value of a field, or its default. One without a default is only read where the rule has checked that it is present.
fn value(schema: &Value, root: &str, fields: &[&str]) -> String {
    // The value itself is there, or the rule would not be evaluated.
    if fields.is_empty() {
        return root.to_owned();
    }
    let path = format!("{root}.{}", fields.join("."));
    let default = below(schema, fields).and_then(|field| field.get("default"));
    let default = match default {
        Some(Value::String(text)) => format!("'{text}'"),
        Some(default @ (Value::Bool(_) | Value::Number(_))) => default.to_string(),
        _ => return path,
    };
    let guards = guards(schema, root, fields).join(" && ");
    format!("({guards} ? {path} : {default})")
}

/// `has(...)` for each part of a path that has a default, and so may be absent without the rule noticing.
fn guards(schema: &Value, root: &str, fields: &[&str]) -> Vec<String> {
    let prefixes = (1..=fields.len()).filter_map(|length| fields.get(..length));
    prefixes
        .filter(|prefix| below(schema, prefix).is_some_and(|at| at.get("default").is_some()))
        .map(|prefix| format!("has({root}.{})", prefix.join(".")))
        .collect()
}

fn below<'a>(schema: &'a Value, fields: &[&str]) -> Option<&'a Value> {
    fields
        .iter()
        .try_fold(schema, |at, field| at.get("properties")?.get(field))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({"type": "object", "properties": {
            "grant": {"type": "object", "default": {"type": "code"}, "properties": {
                "type": {"type": "string", "default": "code", "description": "The grant."},
                "password": {"type": "object", "properties": {
                    "refresh": {"type": "boolean", "default": false, "description": "Whether."},
                }},
            }},
            "name": {"type": "string", "description": "The name."},
            "separator": {"type": "string", "default": " ", "description": "Between."},
            "list": {"type": "array", "default": [], "items": {"type": "string"}},
        }})
    }

    #[test]
    fn a_rule_sees_the_default_of_an_absent_field() {
        for (rule, expected) in [
            ("self.name == 'a'", "self.name == 'a'"),
            (
                "self.grant.type == 'self.grant.type'",
                "(has(self.grant) && has(self.grant.type) ? self.grant.type : 'code') == 'self.grant.type'",
            ),
            (
                "!has(self.grant.password) || self.grant.password.refresh",
                "!(has(self.grant) && has(self.grant.password)) || (has(self.grant) && has(self.grant.password.refresh) ? self.grant.password.refresh : false)",
            ),
            ("has(self.name)", "has(self.name)"),
            (
                "self.grant.type.startsWith('x')",
                "(has(self.grant) && has(self.grant.type) ? self.grant.type : 'code').startsWith('x')",
            ),
            (
                "self.separator != oldSelf.separator",
                "(has(self.separator) ? self.separator : ' ') != (has(oldSelf.separator) ? oldSelf.separator : ' ')",
            ),
            (
                "self.name.exists(p, p.grant)",
                "self.name.exists(p, p.grant)",
            ),
            ("myself.grant.type == 1", "myself.grant.type == 1"),
            ("self.matches('^x$')", "self.matches('^x$')"),
        ] {
            assert_eq!(guarded(&schema(), rule), expected);
        }
        // A rule about a value that has a default itself.
        let own = json!({"type": "string", "default": "x"});
        assert_eq!(
            guarded(&own, "self.startsWith('a')"),
            "self.startsWith('a')"
        );
    }

    #[test]
    fn defaults_move_into_the_descriptions() {
        let mut schema = schema();
        strip(&mut schema);
        assert!(!schema.to_string().contains("\"default\""));
        let description = |path: &str| schema.pointer(path).unwrap()["description"].clone();
        assert_eq!(
            description("/properties/grant/properties/type"),
            "The grant. Defaults to code."
        );
        assert_eq!(
            description("/properties/separator"),
            "Between. Defaults to \" \"."
        );
        assert_eq!(description("/properties/name"), "The name.");
    }
}
