//! Strongly connected components of the import graph (Tarjan).

use std::collections::{BTreeMap, BTreeSet};

type Graph = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// The groups of two or more files that import each other in a circle, the largest first.
pub(crate) fn find(graph: &Graph) -> Vec<BTreeSet<String>> {
    let mut search = Search {
        graph,
        order: BTreeMap::new(),
        lowest: BTreeMap::new(),
        stack: Vec::new(),
        found: Vec::new(),
    };
    for file in graph.keys() {
        if !search.order.contains_key(file.as_str()) {
            search.visit(file);
        }
    }
    let mut found = search.found;
    found.sort_by_key(|cycle| std::cmp::Reverse(cycle.len()));
    found
}

struct Search<'a> {
    graph: &'a Graph,
    order: BTreeMap<&'a str, usize>,
    lowest: BTreeMap<&'a str, usize>,
    stack: Vec<&'a str>,
    found: Vec<BTreeSet<String>>,
}

impl<'a> Search<'a> {
    fn visit(&mut self, file: &'a str) {
        let number = self.order.len();
        self.order.insert(file, number);
        self.lowest.insert(file, number);
        self.stack.push(file);
        for target in self.graph.get(file).into_iter().flat_map(BTreeMap::keys) {
            if !self.order.contains_key(target.as_str()) {
                self.visit(target);
                let below = self.lowest[target.as_str()];
                self.lower(file, below);
            } else if self.stack.contains(&target.as_str()) {
                let there = self.order[target.as_str()];
                self.lower(file, there);
            }
        }
        if self.lowest[file] == number {
            let start = self.stack.iter().position(|one| *one == file).unwrap();
            let group = self.stack.split_off(start);
            if group.len() > 1 {
                self.found
                    .push(group.into_iter().map(str::to_owned).collect());
            }
        }
    }

    fn lower(&mut self, file: &'a str, to: usize) {
        let lowest = self.lowest.entry(file).or_insert(to);
        *lowest = (*lowest).min(to);
    }
}

#[test]
fn a_circle_is_found_and_a_line_is_not_one() {
    let arrow = |target: &str| BTreeMap::from([(target.to_owned(), BTreeSet::new())]);
    let graph = BTreeMap::from([
        ("a".to_owned(), arrow("b")),
        ("b".to_owned(), arrow("c")),
        ("c".to_owned(), arrow("b")),
        ("d".to_owned(), arrow("a")),
    ]);
    assert_eq!(
        find(&graph),
        [BTreeSet::from(["b".to_owned(), "c".to_owned()])]
    );
}
