//! Caches the results of checking templates: a check costs as much as a rendering, and happens with each reconcile.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};

use ring::digest;

use super::check::{Checked, check};
use crate::lock::lock;

/// The maximum number of cached results. A fleet has few different templates.
const MOST: usize = 4096;
/// Larger templates are not cached, in bytes.
const LONGEST: usize = 64 << 10;

type Memo = HashMap<[u8; 32], Arc<Checked>>;

static KNOWN: LazyLock<Mutex<Memo>> = LazyLock::new(Mutex::default);

/// Checks a template, once for all resources with the same one.
pub(super) fn checked(source: &str) -> Arc<Checked> {
    let mut key = [0_u8; 32];
    let digest = digest::digest(&digest::SHA256, source.as_bytes());
    key.copy_from_slice(digest.as_ref());
    if let Some(known) = known().get(&key) {
        return Arc::clone(known);
    }
    let found = Arc::new(check(&super::environment(), source));
    if source.len() <= LONGEST {
        let mut known = known();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(key, Arc::clone(&found));
    }
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
        let source = "{{ access_token }} of the test of the memo";
        let first = checked(source);
        for _ in 0..3 {
            assert!(Arc::ptr_eq(&first, &checked(source)));
        }
        assert!(!Arc::ptr_eq(
            &first,
            &checked("{{ access_token }}, another")
        ));
    }
}
