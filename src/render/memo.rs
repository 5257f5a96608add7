//! What checking a template has found, kept: a trial costs what a render costs, and a template is looked at whenever its
//! resource is.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use ring::digest;

use super::check::{Checked, check};

/// So many templates are known at a time. A fleet has few different ones; whoever writes more has each checked again.
const MOST: usize = 4096;
/// Longer findings than this are not kept, in bytes of the template.
const LONGEST: usize = 64 << 10;

type Memo = HashMap<[u8; 32], Arc<Checked>>;

static KNOWN: LazyLock<Mutex<Memo>> = LazyLock::new(Mutex::default);

/// Checks a template, once for all who have the same.
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
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
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
