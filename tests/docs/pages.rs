//! The pages, taken apart: fenced blocks, and the prose between them.

use std::fs;
use std::path::{Path, PathBuf};

/// A page of documentation.
pub(crate) struct Page {
    /// Its path, from the root of the repository.
    pub(crate) path: String,
    /// Its fenced blocks, in order.
    pub(crate) blocks: Vec<Block>,
    /// Its text without the blocks.
    pub(crate) prose: String,
}

/// A fenced block.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// Page and line, for messages.
    pub(crate) place: String,
    /// The nearest heading of the second level above it.
    pub(crate) section: String,
    /// The word after the fence: `sh`, `yaml`, …
    pub(crate) language: String,
    /// The text of the block.
    pub(crate) text: String,
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// One page.
pub(crate) fn page(path: &str) -> Page {
    let text =
        fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let (mut blocks, mut prose, mut section) = (Vec::new(), String::new(), String::new());
    let mut open: Option<Block> = None;
    let mut indent = 0;
    for (number, line) in (1..).zip(text.lines()) {
        // A block within a list is indented.
        let at = line.len() - line.trim_start().len();
        match (&mut open, line.trim_start().strip_prefix("```")) {
            (None, Some(language)) => {
                indent = at;
                open = Some(Block {
                    place: format!("{path}:{number}"),
                    section: section.clone(),
                    language: language.to_owned(),
                    text: String::new(),
                });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(&line[indent.min(at)..]);
                block.text.push('\n');
            }
            (None, None) => {
                if let Some(heading) = line.strip_prefix("## ") {
                    heading.clone_into(&mut section);
                }
                prose.push_str(line);
                prose.push('\n');
            }
        }
    }
    assert!(open.is_none(), "{path}: a block is not closed");
    Page {
        path: path.to_owned(),
        blocks,
        prose,
    }
}

/// All pages that people are given to read.
pub(crate) fn all() -> Vec<Page> {
    let mut paths = vec!["README.md".to_owned(), "CHANGELOG.md".to_owned()];
    paths.extend(below("docs"));
    paths.extend(below("testkit"));
    paths.iter().map(|path| page(path)).collect()
}

/// The Markdown files in a folder and in its folders; in `testkit`, only its own.
fn below(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut entries: Vec<_> = fs::read_dir(root().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap())
        .collect();
    entries.sort_by_key(|entry| entry.file_name());
    for entry in entries {
        let path = format!("{folder}/{}", entry.file_name().into_string().unwrap());
        let is_page = Path::new(&path)
            .extension()
            .is_some_and(|ending| ending == "md");
        if entry.file_type().unwrap().is_dir() && folder.starts_with("docs") {
            found.extend(below(&path));
        } else if is_page {
            found.push(path);
        }
    }
    found
}

impl Page {
    /// Its blocks in one language.
    pub(crate) fn blocks_in(&self, language: &str) -> impl Iterator<Item = &Block> {
        self.blocks
            .iter()
            .filter(move |block| block.language == language)
    }

    /// The texts between backticks in its prose.
    pub(crate) fn code(&self) -> Vec<&str> {
        self.prose
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|code| !code.is_empty())
            .collect()
    }
}

impl Block {
    /// The documents that its commands hand to `kubectl apply -f -`.
    pub(crate) fn here_documents(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut open: Option<String> = None;
        for line in self.text.lines() {
            match &mut open {
                None if line.ends_with("<<'END'") => open = Some(String::new()),
                None => {}
                Some(_) if line == "END" => found.extend(open.take()),
                Some(text) => {
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
        found
    }
}
