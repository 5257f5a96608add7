//! Which file of a crate takes what from which other one, by `use` lines and paths. Test modules do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree, Visibility};

/// The modules of one crate.
pub(crate) struct Crate {
    modules: BTreeMap<Vec<String>, Module>,
}

/// One file.
struct Module {
    file: String,
    /// Every path that it names, made absolute, and whether it only passes it on.
    paths: Vec<(Vec<String>, bool)>,
    /// What it passes on by `pub use`: name and where that comes from.
    passed_on: BTreeMap<String, Vec<String>>,
}

impl Crate {
    /// Reads all files that belong to the crate below `folder` (`src`).
    pub(crate) fn read(folder: &Path) -> Crate {
        let mut modules = BTreeMap::new();
        read_module(folder, &folder.join("lib.rs"), Vec::new(), &mut modules);
        Crate { modules }
    }

    /// The files, relative to the folder.
    pub(crate) fn files(&self) -> Vec<&str> {
        self.modules
            .values()
            .map(|module| module.file.as_str())
            .collect()
    }

    /// For each file those that it imports from, and what. A file that only re-exports another one's items does not import
    /// from it.
    pub(crate) fn imports(&self) -> BTreeMap<String, BTreeMap<String, BTreeSet<String>>> {
        let mut imports: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
        for module in self.modules.values() {
            let from = imports.entry(module.file.clone()).or_default();
            for (path, passes_on) in &module.paths {
                let Some((target, name)) = self.definition(path.clone(), 0) else {
                    continue;
                };
                if target != module.file && !passes_on {
                    from.entry(target).or_default().insert(name);
                }
            }
        }
        imports
    }

    /// The file in which a path's item stands, and the item's name; `None` for other crates.
    fn definition(&self, path: Vec<String>, depth: usize) -> Option<(String, String)> {
        let length = (0..=path.len())
            .rev()
            .find(|length| self.modules.contains_key(&path[..*length]))?;
        let module = &self.modules[&path[..length]];
        let Some(name) = path.get(length) else {
            return Some((module.file.clone(), "the module".to_owned()));
        };
        if let Some(source) = module.passed_on.get(name)
            && depth < 8
        {
            let rest = &path[length + 1..];
            let further = source.iter().chain(rest).cloned().collect();
            return self.definition(further, depth + 1);
        }
        Some((module.file.clone(), name.clone()))
    }
}

fn read_module(
    folder: &Path,
    file: &Path,
    name: Vec<String>,
    modules: &mut BTreeMap<Vec<String>, Module>,
) {
    let source =
        fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let parsed =
        syn::parse_file(&source).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let children: BTreeSet<String> = parsed
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Mod(child) if child.content.is_none() && !is_test(&child.attrs) => {
                Some(child.ident.to_string())
            }
            _ => None,
        })
        .collect();
    let mut reader = Reader {
        here: &name,
        children: &children,
        paths: Vec::new(),
        passed_on: BTreeMap::new(),
        imported: BTreeMap::new(),
        relative: Vec::new(),
    };
    reader.visit_file(&parsed);
    let (mut paths, passed_on) = (reader.paths, reader.passed_on);
    let named: Vec<Vec<String>> = reader
        .relative
        .iter()
        .filter_map(|path| {
            let start = reader.imported.get(path.first()?)?;
            Some(start.iter().chain(&path[1..]).cloned().collect())
        })
        .collect();
    paths.extend(named.into_iter().map(|path| (path, false)));
    for child in &children {
        let mut below = name.clone();
        below.push(child.clone());
        read_module(folder, &file_of(file, &name, child), below, modules);
    }
    let relative = file.strip_prefix(folder).unwrap_or(file);
    let module = Module {
        file: relative.display().to_string(),
        paths,
        passed_on,
    };
    modules.insert(name, module);
}

/// Where a child module stands: beside `mod.rs` and `lib.rs`, else in the folder named after its parent.
fn file_of(parent: &Path, name: &[String], child: &str) -> PathBuf {
    let beside = name.is_empty() || parent.ends_with("mod.rs");
    let folder = if beside {
        parent.parent().unwrap().to_path_buf()
    } else {
        parent.with_extension("")
    };
    let plain = folder.join(format!("{child}.rs"));
    if plain.is_file() {
        plain
    } else {
        folder.join(child).join("mod.rs")
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let is_cfg = attribute.path().is_ident("cfg");
        is_cfg
            && attribute
                .meta
                .require_list()
                .is_ok_and(|list| list.tokens.to_string() == "test")
    })
}

struct Reader<'a> {
    here: &'a [String],
    children: &'a BTreeSet<String>,
    paths: Vec<(Vec<String>, bool)>,
    passed_on: BTreeMap<String, Vec<String>>,
    /// What `use` lines bring into the file, by the name that it has there.
    imported: BTreeMap<String, Vec<String>>,
    /// Paths that begin with a name: one that was imported, or of another crate.
    relative: Vec<Vec<String>>,
}

impl Reader<'_> {
    /// A path from the root of the crate, where it begins in a way that can be told.
    fn absolute(&self, path: &[String]) -> Option<Vec<String>> {
        let mut base = self.here.to_vec();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => {
                base.clear();
                rest = &path[1..];
            }
            "self" => rest = &path[1..],
            "super" => {
                while rest.first().is_some_and(|step| step == "super") {
                    base.pop();
                    rest = &rest[1..];
                }
            }
            first if self.children.contains(first) => {}
            _ => return None,
        }
        base.extend(rest.iter().cloned());
        Some(base)
    }

    fn tree(&mut self, tree: &UseTree, before: &mut Vec<String>, public: bool) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.tree(&path.tree, before, public);
                before.pop();
            }
            UseTree::Name(name) => self.leaf(before, &name.ident.to_string(), None, public),
            UseTree::Rename(name) => {
                let alias = name.rename.to_string();
                self.leaf(before, &name.ident.to_string(), Some(alias), public);
            }
            UseTree::Glob(_) => self.leaf(before, "*", None, public),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.tree(tree, before, public);
                }
            }
        }
    }

    fn leaf(&mut self, before: &[String], name: &str, alias: Option<String>, public: bool) {
        let mut path = before.to_vec();
        if name != "self" {
            path.push(name.to_owned());
        }
        let Some(absolute) = self.absolute(&path) else {
            return;
        };
        let known_as = alias.unwrap_or_else(|| path.last().cloned().unwrap_or_default());
        self.imported.insert(known_as.clone(), absolute.clone());
        if public {
            self.passed_on.insert(known_as, absolute.clone());
        }
        self.paths.push((absolute, public));
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Mod(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let public = !matches!(item.vis, Visibility::Inherited);
        self.tree(&item.tree, &mut Vec::new(), public);
    }

    /// Who may use an item is no import.
    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let steps: Vec<String> = path
            .segments
            .iter()
            .map(|step| step.ident.to_string())
            .collect();
        if steps.len() > 1 {
            match self.absolute(&steps) {
                Some(absolute) => self.paths.push((absolute, false)),
                None => self.relative.push(steps),
            }
        }
        visit::visit_path(self, path);
    }
}
