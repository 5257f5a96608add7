//! Parses the text format of metrics, as far as the tests need it.

use crate::{Context, Error, Result};
use std::collections::BTreeMap;

/// What `/metrics` answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Metrics(Vec<Sample>);

/// One number.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// As `oauthclient_token_requests_total`, with suffixes such as `_bucket`.
    pub name: String,
    /// Names and values, unescaped.
    pub labels: BTreeMap<String, String>,
    /// The value; NaN and infinities are possible.
    pub value: f64,
}

impl Metrics {
    /// Reads OpenMetrics or Prometheus text; comments, timestamps and exemplars are left out.
    ///
    /// # Errors
    /// When a line makes no sense, with the line.
    pub fn parse(text: &str) -> Result<Metrics> {
        text.lines()
            .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
            .map(|line| sample(line).context(|| format!("this is no line of metrics: `{line}`")))
            .collect::<Result<_>>()
            .map(Metrics)
    }

    /// The sum of all samples with this name that have at least these labels; `None` where there is none.
    pub fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let has = |sample: &Sample, (label, value): &(&str, &str)| {
            sample
                .labels
                .get(*label)
                .is_some_and(|found| found == value)
        };
        self.0
            .iter()
            .filter(|sample| sample.name == name && labels.iter().all(|label| has(sample, label)))
            .map(|sample| sample.value)
            .reduce(|sum, value| sum + value)
    }

    /// [`Metrics::get`], for a number that has to be there.
    ///
    /// # Errors
    /// When there is no such sample; lists those that begin alike.
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> Result<f64> {
        self.get(name, labels).ok_or_else(|| {
            let family = name.split('_').next().unwrap_or_default();
            let mut alike: Vec<&str> = self
                .0
                .iter()
                .map(|sample| sample.name.as_str())
                .filter(|it| it.starts_with(family))
                .collect();
            alike.dedup();
            Error::new(format!(
                "no metric {name} with {labels:?}; there are: {}",
                alike.join(", ")
            ))
        })
    }

    /// All of them, in the order of the text.
    pub fn samples(&self) -> &[Sample] {
        &self.0
    }
}

/// `name{label="value",...} number ...`
fn sample(line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at_checked(end)?;
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (BTreeMap::new(), rest),
    };
    let value = rest.split_whitespace().next()?;
    Some(Sample {
        name: name.to_owned(),
        labels,
        value: value.parse().ok()?,
    })
}

/// The labels up to the closing brace, and what comes after it.
fn labels(mut rest: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, quoted) = rest.split_once("=\"")?;
        let (value, after) = unquote(quoted)?;
        labels.insert(name.to_owned(), value);
        rest = after;
    }
}

/// The text up to the closing quote, and what comes after it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(index + 1..)?)),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"# HELP requests Token requests.
# TYPE requests counter
requests_total{host="a.example",outcome="success"} 3
requests_total{host="a.example",outcome="a \"quoted\" {word}, and\nmore"} 1 # {trace="x"} 1
requests_total{host="b.example",outcome="success"} 4.5 1700000000
queue_depth 7
earliest_expiry_seconds +Inf
# EOF
"#;

    #[test]
    fn samples_are_summed_over_the_labels_that_are_not_named() {
        let metrics = Metrics::parse(TEXT).unwrap();
        assert_eq!(metrics.get("requests_total", &[]), Some(8.5));
        assert_eq!(
            metrics.get("requests_total", &[("host", "a.example")]),
            Some(4.0)
        );
        assert_eq!(metrics.get("queue_depth", &[]), Some(7.0));
        assert_eq!(
            metrics.get("earliest_expiry_seconds", &[]),
            Some(f64::INFINITY)
        );
        assert_eq!(
            metrics.get("requests_total", &[("host", "c.example")]),
            None
        );
        assert_eq!(
            metrics.samples()[1].labels["outcome"],
            "a \"quoted\" {word}, and\nmore"
        );
    }

    #[test]
    fn a_missing_metric_names_its_neighbours_and_nonsense_is_refused() {
        let error = Metrics::parse(TEXT)
            .unwrap()
            .metric("requests_count", &[])
            .unwrap_err();
        assert!(
            error.to_string().contains("there are: requests_total"),
            "{error}"
        );
        for bad in ["name", "name{a=\"b\" 1", "name{a=b} 1", "name x"] {
            assert!(Metrics::parse(bad).is_err(), "{bad}");
        }
    }
}
