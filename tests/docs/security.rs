//! The page on security claims nothing without the name of a test, and each of these tests exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::pages::{page, root};

/// The names of all functions that are tests.
fn tests_in(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests_in(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let mut is_test = false;
            for line in text.lines().map(str::trim) {
                if line.starts_with("#[") {
                    is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
                } else if let Some((_, rest)) = line.split_once("fn ")
                    && std::mem::take(&mut is_test)
                {
                    found.insert(rest.split(['(', '<']).next().unwrap().to_owned());
                }
            }
        }
    }
}

#[test]
fn every_claim_about_security_names_a_test_that_exists() {
    let mut tests = BTreeSet::new();
    for folder in ["src", "core", "tests", "testkit"] {
        let folder = root().join(folder);
        if folder.exists() {
            tests_in(&folder, &mut tests);
        }
    }
    assert!(tests.len() > 500, "{}", tests.len());
    let page = page("docs/security.md");
    let mut claims = 0;
    let mut proofs = false;
    for line in page.prose.lines() {
        if !line.starts_with('|') {
            proofs = false;
            continue;
        }
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let last = *cells.last().unwrap();
        if last == "proof" {
            proofs = true;
            continue;
        }
        if !proofs || last.starts_with("---") {
            continue;
        }
        claims += 1;
        let names: Vec<&str> = last.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test is named: {line}");
        for name in names {
            assert!(tests.contains(name), "there is no test {name}: {line}");
        }
    }
    assert!(claims > 20, "{claims} claims");
}

#[test]
fn what_is_not_prevented_comes_first() {
    let page = page("docs/security.md");
    let headings: Vec<&str> = page
        .prose
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .collect();
    assert_eq!(
        headings.first(),
        Some(&"What is not prevented"),
        "{headings:?}"
    );
    let (before, _) = page.prose.split_once("## What each actor").unwrap();
    assert!(before.contains("inside the operator"));
}
