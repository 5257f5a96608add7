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
use std::process::Command;

use imports::Crate;

/// The modules of `oauthclient-core`, from the top layer to the bottom. A file may import from its own layer and from lower
/// ones.
const CORE: &[&[&str]] = &[
    &["policy"],
    &["inputs", "model"],
    &["engine"],
    &["queue"],
    &["messages"],
    &["render", "schedule"],
    &["oauth", "trust"],
    &[
        "command",
        "conditions",
        "fair",
        "lock",
        "names",
        "secret",
        "time",
    ],
];

/// The same for the program. All of it is above the core, which Cargo enforces.
const PROGRAM: &[&[&str]] = &[
    &["plugin"],
    &["kubernetes", "local"],
    &["discovery", "driver"],
    &["exchange"],
    &["reconcile", "revocation_queue"],
    &["facts", "index", "leader"],
    &["cli", "references", "server"],
    &["api", "http", "metrics"],
    &[
        "clock",
        "command",
        "fair",
        "inputs",
        "policy",
        "telemetry",
        "tenant",
    ],
];

/// Packages that the core does without, directly and indirectly.
const NOT_IN_CORE: [&str; 9] = [
    "kube",
    "kube-client",
    "k8s-openapi",
    "tokio",
    "reqwest",
    "hyper",
    "rustls",
    "tracing",
    "clap",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

fn crates() -> [(Crate, &'static [&'static [&'static str]]); 2] {
    [
        (Crate::read(&root().join("core/src")), CORE),
        (Crate::read(&root().join("src")), PROGRAM),
    ]
}

#[test]
fn no_files_import_each_other_in_a_cycle() {
    let mut files = 0;
    for (program, _) in crates() {
        files += program.files().len();
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
    assert!(files > 300, "only {files} source files were found");
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
    let mut upward = BTreeSet::new();
    for (program, layers) in crates() {
        let layer_of: BTreeMap<&str, usize> = layers
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
        for (file, targets) in program.imports() {
            let Some(depth) = layer(&file) else { continue };
            for (target, names) in targets {
                if layer(&target).is_some_and(|below| below < depth) {
                    upward.insert(format!("{file} -> {target}: {names:?}"));
                }
            }
        }
    }
    assert!(
        upward.is_empty(),
        "imports from a higher layer:\n{}",
        upward.into_iter().collect::<Vec<_>>().join("\n")
    );
}

#[test]
fn the_core_depends_on_nothing_that_does_io() {
    let tree = Command::new(env!("CARGO"))
        .current_dir(root())
        .args(["tree", "--package=oauthclient-core", "--edges=normal,build"])
        .args(["--prefix=none", "--locked", "--offline"])
        .output()
        .unwrap();
    let tree = String::from_utf8(tree.stdout).unwrap();
    let names: BTreeSet<&str> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert!(names.contains("ring") && names.contains("serde"), "{tree}");
    for name in NOT_IN_CORE {
        assert!(!names.contains(name), "oauthclient-core depends on {name}");
    }
}
