//! The shipped alerting rules, as Prometheus and promtool read them.

use serde_json::{Value, json};

use crate::harness::deploy;

/// A minute of the shipped rules is two seconds in a live run, so a scrape each second represents one every 30 seconds.
pub const FASTER: u64 = 30;

/// The rule file in the `PrometheusRule`.
pub fn shipped() -> Value {
    let path = deploy().join("monitoring/prometheus-rule.yaml");
    let manifest: Value = serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    json!({"groups": manifest["spec"]["groups"]})
}

/// All alerts of a rule file.
pub fn alerts(rules: &Value) -> Vec<Value> {
    let groups = rules["groups"].as_array().unwrap();
    let of_group = |group: &Value| group["rules"].as_array().unwrap().clone();
    groups.iter().flat_map(of_group).collect()
}

/// The same rules with all durations divided by [`FASTER`]; values in seconds stay, since the tests move the operator's clock.
pub fn faster(mut rules: Value) -> Value {
    for group in rules["groups"].as_array_mut().unwrap() {
        for rule in group["rules"].as_array_mut().unwrap() {
            if let Some(wait) = rule.get("for").and_then(Value::as_str) {
                rule["for"] = json!(divided(wait));
            }
            let expression = rule["expr"].as_str().unwrap();
            let mut changed = String::new();
            for (number, part) in expression.split('[').enumerate() {
                match part.split_once(']') {
                    Some((window, rest)) if number > 0 => {
                        changed.push_str(&format!("[{}]{}", divided(window), offsets(rest)));
                    }
                    _ => changed.push_str(&offsets(part)),
                }
            }
            rule["expr"] = json!(changed);
        }
    }
    rules
}

fn offsets(expression: &str) -> String {
    let mut parts = expression.split("offset ");
    let mut changed = parts.next().unwrap().to_owned();
    for part in parts {
        let end = part
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(part.len());
        changed.push_str(&format!("offset {}{}", divided(&part[..end]), &part[end..]));
    }
    changed
}

/// `15m` divided by [`FASTER`].
fn divided(duration: &str) -> String {
    let (number, unit) = duration.split_at(duration.len() - 1);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        other => panic!("a duration in {other}: {duration}"),
    };
    let milliseconds = number.parse::<u64>().unwrap() * seconds * 1000 / FASTER;
    format!("{milliseconds}ms")
}

/// The metrics that the rules are about.
pub fn metrics(rules: &Value) -> Vec<String> {
    let mut names: Vec<String> = alerts(rules)
        .iter()
        .flat_map(|alert| names(alert["expr"].as_str().unwrap()))
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The metrics of the operator in an expression.
pub fn names(expression: &str) -> Vec<String> {
    expression
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("oauthclient_"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn durations_are_divided_wherever_they_stand() {
    let rules = json!({"groups": [{"rules": [
        {"expr": "increase(a[1h]) > 0 or (a unless a offset 1h) > 0 and rate(b{c=\"d\"}[5m]) > 900", "for": "15m"},
        {"expr": "a > 0"},
    ]}]});
    let faster = faster(rules);
    assert_eq!(faster["groups"][0]["rules"][0]["for"], "30000ms");
    assert_eq!(
        faster["groups"][0]["rules"][0]["expr"],
        "increase(a[120000ms]) > 0 or (a unless a offset 120000ms) > 0 and rate(b{c=\"d\"}[10000ms]) > 900"
    );
    assert_eq!(faster["groups"][0]["rules"][1], json!({"expr": "a > 0"}));
}
