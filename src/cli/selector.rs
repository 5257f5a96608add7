//! The selector of labels in `--resource-selector`, in the syntax of `kubectl get -l`.

use std::fmt;
use std::str::FromStr;

use ring::digest;

/// The maximum length: far more than any selector needs, and little enough for a URL.
const LONGEST: usize = 1024;
/// The maximum length of a derived name of a group, before its hash.
const LONGEST_NAME: usize = 40;

/// A selector of labels; empty selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector(String);

impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl LabelSelector {
    /// The selector for the API server; `None` if everything is selected.
    pub fn as_query(&self) -> Option<&str> {
        (!self.0.is_empty()).then_some(self.0.as_str())
    }

    /// A name for the selected group: `shard-a` for `shard=a`. Where characters have no place in a name, a hash tells two
    /// selectors apart. `None` if everything is selected.
    pub fn group_name(&self) -> Option<String> {
        let text = self.as_query()?;
        let plain = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        };
        if let Some((key, value)) = text.split_once('=')
            && plain(key)
            && plain(value)
            && text.len() <= LONGEST_NAME
        {
            return Some(format!("{key}-{value}"));
        }
        let mut name = String::new();
        for c in text.chars().take(LONGEST_NAME) {
            match c.to_ascii_lowercase() {
                c if c.is_ascii_alphanumeric() => name.push(c),
                _ if name.is_empty() || name.ends_with('-') => {}
                _ => name.push('-'),
            }
        }
        let hash = digest::digest(&digest::SHA256, text.as_bytes());
        let hash: String = hash
            .as_ref()
            .iter()
            .take(4)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let name = name.trim_end_matches('-');
        Some(if name.is_empty() {
            format!("group-{hash}")
        } else {
            format!("{name}-{hash}")
        })
    }
}

impl FromStr for LabelSelector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.len() > LONGEST {
            return Err(format!("is longer than {LONGEST} characters"));
        }
        if !text.is_empty() {
            for requirement in requirements(text) {
                check(requirement.trim()).map_err(|problem| {
                    format!(
                        "{problem} in {requirement:?}: write labels as for kubectl get -l, such as 'shard=a' or 'team in (x, y)'"
                    )
                })?;
            }
        }
        Ok(LabelSelector(text.to_owned()))
    }
}

/// The parts between the commas that are not in parentheses.
fn requirements(text: &str) -> Vec<&str> {
    let mut depth = 0_u32;
    text.split(|c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })
    .collect()
}

/// Checks one requirement: `key`, `!key`, `key=value`, `key==value`, `key!=value`, `key in (a, b)`, `key notin (a, b)`.
fn check(requirement: &str) -> Result<(), &'static str> {
    if let Some((key, rest)) = requirement.split_once('(') {
        let values = rest
            .strip_suffix(')')
            .ok_or("a parenthesis is not closed")?;
        let mut words = key.split_whitespace();
        let (name, operator) = (words.next(), words.next());
        if !matches!(operator, Some("in" | "notin")) || words.next().is_some() {
            return Err("values in parentheses do not follow 'in' or 'notin'");
        }
        return match name.is_some_and(is_key)
            && values.split(',').all(|value| is_value(value.trim()))
        {
            true => Ok(()),
            false => Err("there is no valid label"),
        };
    }
    let split = ["!=", "==", "="]
        .into_iter()
        .find_map(|operator| requirement.split_once(operator));
    let fits = match split {
        Some((key, value)) => is_key(key.trim()) && is_value(value.trim()),
        None => is_key(requirement.strip_prefix('!').unwrap_or(requirement)),
    };
    fits.then_some(()).ok_or("there is no valid label")
}

fn is_key(key: &str) -> bool {
    let (domain, name) = key.rsplit_once('/').unwrap_or(("", key));
    let dns = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    let domain = !key.starts_with('/') && domain.len() <= 253 && domain.chars().all(dns);
    domain && !name.is_empty() && is_value(name)
}

fn is_value(value: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let end = |c: char| c.is_ascii_alphanumeric();
    value.len() <= 63
        && value.chars().all(inner)
        && (value.is_empty() || (value.starts_with(end) && value.ends_with(end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(selector: &str) -> Option<String> {
        selector.parse::<LabelSelector>().unwrap().group_name()
    }

    #[test]
    fn selectors_of_kubectl_are_taken_and_others_are_refused() {
        for selector in [
            "",
            "shard=a",
            "shard == a, team!=b",
            "team in (x, y),!legacy",
            "team notin (x)",
            "example.com/shard=a_b.C",
            "shard",
            "shard=",
        ] {
            assert!(selector.parse::<LabelSelector>().is_ok(), "{selector}");
        }
        for selector in [
            "=a",
            "shard=a b",
            "team in x",
            "team in (x",
            "team has (x)",
            "a,,b",
            "-a=b",
            "/a=b",
            "a=b;c",
            "a=\u{e9}",
            "shard=a,",
        ] {
            let refused = selector.parse::<LabelSelector>().unwrap_err();
            assert!(refused.contains("kubectl get -l"), "{selector}: {refused}");
        }
        assert!("a".repeat(2000).parse::<LabelSelector>().is_err());
    }

    #[test]
    fn each_selector_has_a_name_of_its_own_that_a_lease_can_have() {
        assert_eq!(name(""), None);
        assert_eq!(name("shard=a").as_deref(), Some("shard-a"));
        let mut all = std::collections::BTreeSet::new();
        for selector in [
            "shard-a=b",
            "shard=a-b",
            "shard!=a",
            "shard in (a)",
            "!shard",
            "team in (alpha, beta, gamma, delta, epsilon, zeta, eta)",
            "team in (alpha, beta, gamma, delta, epsilon, zeta, theta)",
        ] {
            let name = name(selector).unwrap();
            assert!(super::super::values::dns_label(&name).is_ok(), "{name}");
            assert!(all.insert(name), "{selector}");
        }
    }
}
