//! Caches the results of checking templates: a check costs as much as a rendering, and happens with each reconcile.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};

use ring::digest;

use super::check::{Checked, check};
use crate::lock::lock;

/// The maximum number of cached results. A fleet has few different templates.
const MOST: usize = 4096;
/// The maximum size of all cached results, and of one, in bytes.
const MOST_BYTES: usize = 4 << 20;
const LARGEST: usize = 1 << 20;

#[derive(Default)]
struct Memo {
    results: HashMap<[u8; 32], Arc<Checked>>,
    bytes: usize,
}

impl Memo {
    fn keep(&mut self, key: [u8; 32], found: &Arc<Checked>) {
        let bytes = found
            .as_ref()
            .as_ref()
            .map_or_else(|(_, message)| message.len(), |used| used.bytes());
        if bytes > LARGEST {
            return;
        }
        if self.results.len() >= MOST || self.bytes + bytes > MOST_BYTES {
            *self = Memo::default();
        }
        self.bytes += bytes;
        self.results.insert(key, Arc::clone(found));
    }
}

static KNOWN: LazyLock<Mutex<Memo>> = LazyLock::new(Mutex::default);

/// Checks a template, once for all resources with the same one.
pub(super) fn checked(source: &str) -> Arc<Checked> {
    let mut key = [0_u8; 32];
    let digest = digest::digest(&digest::SHA256, source.as_bytes());
    key.copy_from_slice(digest.as_ref());
    if let Some(known) = known().results.get(&key) {
        return Arc::clone(known);
    }
    let found = Arc::new(check(&super::environment(), source));
    known().keep(key, &found);
    found
}

fn known() -> MutexGuard<'static, Memo> {
    lock(&KNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_tried_once_however_often_it_is_looked_at() {
        let long = format!(
            "{{{{ access_token }}}} of the test of the memo {}",
            "x".repeat(200_000)
        );
        for source in [
            "{{ access_token }} of the test of the memo",
            "nothing but text of the test of the memo",
            &long,
        ] {
            let first = checked(source);
            for _ in 0..3 {
                assert!(Arc::ptr_eq(&first, &checked(source)));
            }
        }
        let first = checked("{{ access_token }}");
        assert!(!Arc::ptr_eq(
            &first,
            &checked("{{ access_token }}, another")
        ));
    }

    #[test]
    fn what_is_kept_of_templates_is_bounded_in_bytes() {
        let mut memo = Memo::default();
        for number in 0..40_u8 {
            let text = "x".repeat(1 << 18);
            let found = Arc::new(check(&super::super::environment(), &text));
            memo.keep([number; 32], &found);
            assert!(memo.bytes <= MOST_BYTES && memo.bytes >= (memo.results.len() << 18));
        }
        assert!(memo.results.len() > 3);
    }
}
