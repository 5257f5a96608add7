//! Finds the line of a field in a manifest.

use std::collections::BTreeMap;

use serde_saphyr::granit_parser::{Event, Parser};

use super::check::map_key;

/// The lines of a document's fields, by the paths that problems use.
pub(crate) struct Lines(BTreeMap<String, u64>);

/// A map or list that is being parsed.
enum Open {
    /// A map at this path; the path of the key whose value comes next.
    Map(String, Option<String>),
    /// A list at this path, and its number of items so far.
    List(String, usize),
}

impl Lines {
    /// Parses a document. An invalid document has no lines; parsing its values reports the errors.
    pub(crate) fn of(document: &str) -> Lines {
        let mut lines = Lines(BTreeMap::new());
        let mut open: Vec<Open> = Vec::new();
        for event in Parser::new_from_str(document) {
            let Ok((event, span)) = event else { break };
            let line = u64::try_from(span.start.line()).unwrap_or(0);
            match event {
                Event::Scalar(text, ..) => lines.node(&mut open, Some(&text), line, |_| None),
                Event::Alias(_) => lines.node(&mut open, None, line, |_| None),
                Event::MappingStart(..) => {
                    lines.node(&mut open, None, line, |path| Some(Open::Map(path, None)));
                }
                Event::SequenceStart(..) => {
                    lines.node(&mut open, None, line, |path| Some(Open::List(path, 0)));
                }
                Event::MappingEnd | Event::SequenceEnd => {
                    open.pop();
                }
                _ => {}
            }
        }
        lines
    }

    /// Adds a node: a key, a value or an item.
    fn node(
        &mut self,
        open: &mut Vec<Open>,
        text: Option<&str>,
        line: u64,
        opens: impl FnOnce(String) -> Option<Open>,
    ) {
        let path = match open.last_mut() {
            None => String::new(),
            Some(Open::List(path, count)) => {
                *count += 1;
                format!("{path}[{}]", *count - 1)
            }
            Some(Open::Map(path, key @ None)) => {
                let place = map_key(path, text.unwrap_or_default());
                *key = Some(place.clone());
                self.0.insert(place, line);
                return;
            }
            Some(Open::Map(_, key)) => key.take().unwrap_or_default(),
        };
        self.0.entry(path.clone()).or_insert(line);
        open.extend(opens(path));
    }

    /// The line of a field, or of its nearest existing parent.
    pub(crate) fn find(&self, field: &str) -> Option<u64> {
        let mut path = field;
        loop {
            if let Some(line) = self.0.get(path) {
                return Some(*line);
            }
            path = path.get(..path.rfind(['.', '['])?)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_paths_and_missing_ones_by_what_is_above() {
        let lines = Lines::of(
            "kind: X\nspec:\n  parameters:\n    - name: a\n      value: b\n    - {name: c}\n  data:\n    .dockerconfigjson: |\n      x\n",
        );
        for (field, line) in [
            ("kind", 1),
            ("spec.parameters[0].value", 5),
            ("spec.parameters[1].value", 6),
            ("spec.data[.dockerconfigjson]", 8),
            ("spec.missing", 2),
        ] {
            assert_eq!(lines.find(field), Some(line), "{field}");
        }
        assert_eq!(lines.find("metadata.name"), None);
    }
}
