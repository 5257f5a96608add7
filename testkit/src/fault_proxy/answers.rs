//! Answers as they were given, to give them again when they are no longer true.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use std::collections::{HashMap, VecDeque};

/// How many different responses are kept for each key.
const KEPT: usize = 4;

/// A complete response.
#[derive(Clone, Debug)]
pub(super) struct Whole {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// The last different responses by request.
#[derive(Debug, Default)]
pub(super) struct Answers(HashMap<String, VecDeque<Whole>>);

impl Answers {
    /// Keeps a response, unless it is the same as the previous one.
    pub(super) fn keep(&mut self, key: String, answer: Whole) {
        let kept = self.0.entry(key).or_default();
        if kept
            .back()
            .is_some_and(|last| last.status == answer.status && last.body == answer.body)
        {
            return;
        }
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(answer);
    }

    /// The response of `back` different responses ago, or the oldest that is kept.
    pub(super) fn stale(&self, key: &str, back: usize) -> Option<Whole> {
        let kept = self.0.get(key)?;
        kept.get(kept.len().saturating_sub(back + 1)).cloned()
    }
}

/// What two equal requests have in common: path, query except for the resource version, and content type.
pub(super) fn key(path: &str, query: &str, accept: &str) -> String {
    let when = ["resourceVersion=", "resourceVersionMatch="];
    let what: Vec<&str> = query
        .split('&')
        .filter(|pair| !when.iter().any(|name| pair.starts_with(name)))
        .collect();
    format!("{path}?{} {accept}", what.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &'static str) -> Whole {
        Whole {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    #[test]
    fn answers_are_counted_back_by_difference_and_end_at_the_oldest() {
        let mut answers = Answers::default();
        for body in ["one", "one", "two", "three", "three"] {
            answers.keep("key".into(), answer(body));
        }
        let body = |back| answers.stale("key", back).unwrap().body;
        assert_eq!(
            [body(0), body(1), body(2), body(9)],
            ["three", "two", "one", "one"]
        );
        assert!(answers.stale("other", 0).is_none());
    }

    #[test]
    fn where_in_time_a_list_reads_makes_no_other_list() {
        assert_eq!(
            key("/x", "limit=5&resourceVersion=0", "a"),
            key("/x", "limit=5", "a")
        );
        assert_ne!(key("/x", "limit=5", "a"), key("/x", "limit=5", "b"));
    }
}
