//! The structure of the sources: no import cycle between files, and no import from a higher layer.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod cycles;
mod imports;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use imports::Crate;

/// The modules, from the top layer to the bottom. A file may import from its own layer and from lower ones.
const LAYERS: &[&[&str]] = &[
    &["plugin"],
    &["kubernetes", "local"],
    &["discovery"],
    &["exchange"],
    &["reconcile", "revocation_queue"],
    &["policy"],
    &["leader", "model"],
    &["cli", "inputs", "references", "server"],
    &["api", "engine", "http", "metrics", "render"],
    &["clock", "queue", "schedule"],
    &["oauth", "trust"],
    &[
        "command",
        "fair",
        "lock",
        "secret",
        "telemetry",
        "tenant",
        "time",
    ],
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

fn program() -> Crate {
    Crate::read(&root().join("src"))
}

#[test]
fn no_files_import_each_other_in_a_cycle() {
    let program = program();
    let files = program.files().len();
    assert!(files > 300, "only {files} source files were found");
    let imports = program.imports();
    let cycles = cycles::find(&imports);
    let described: Vec<String> = cycles
        .iter()
        .map(|cycle| describe(cycle, &imports))
        .collect();
    assert!(
        cycles.is_empty(),
        "{} import cycles:\n{}",
        cycles.len(),
        described.join("\n\n")
    );
}

fn describe(
    cycle: &BTreeSet<String>,
    imports: &BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
) -> String {
    let mut lines = Vec::new();
    for file in cycle {
        for (target, names) in imports.get(file).into_iter().flatten() {
            if cycle.contains(target) {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                lines.push(format!("  {file} -> {target}: {}", names.join(", ")));
            }
        }
    }
    lines.join("\n")
}

#[test]
fn no_file_imports_from_a_higher_layer() {
    let layer_of: BTreeMap<&str, usize> = LAYERS
        .iter()
        .enumerate()
        .flat_map(|(depth, names)| names.iter().map(move |name| (*name, depth)))
        .collect();
    let layer = |file: &str| {
        let first = file.split('/').next().unwrap_or(file);
        let name = first.trim_end_matches(".rs");
        (name != "lib").then(|| {
            *layer_of
                .get(name)
                .unwrap_or_else(|| panic!("{file} belongs to no layer: add it to the list"))
        })
    };
    let mut upward = BTreeSet::new();
    for (file, targets) in program().imports() {
        let Some(depth) = layer(&file) else { continue };
        for (target, names) in targets {
            if layer(&target).is_some_and(|above| above < depth) {
                upward.insert(format!("{file} -> {target}: {names:?}"));
            }
        }
    }
    assert!(
        upward.is_empty(),
        "imports from a higher layer:\n{}",
        upward.into_iter().collect::<Vec<_>>().join("\n")
    );
}
