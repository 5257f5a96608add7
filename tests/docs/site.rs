//! The documentation as a site: it builds, its links lead somewhere, and it can be searched.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use super::pages::{all, root};

#[test]
fn the_site_builds_with_every_page_and_without_a_broken_link() {
    let folder = tempfile::tempdir().unwrap();
    let site = folder.path().join("site");
    let output = Command::new(root().join("site/build.py"))
        .arg(&site)
        .output()
        .unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{}{}",
        said(&output.stdout),
        said(&output.stderr)
    );
    for page in all() {
        let path = page.path.strip_suffix(".md").unwrap();
        let path = path.strip_suffix("README").unwrap_or(path);
        let html = site.join(path).join("index.html");
        assert!(html.exists(), "{}: no {}", page.path, html.display());
    }
    let search = std::fs::read_to_string(site.join("search.json")).unwrap();
    for found in [
        "refresh-requested-at",
        "OAuthClientOperatorNoLeader",
        "kstatus",
    ] {
        assert!(search.contains(found), "the search does not know {found}");
    }
    let hosts = loaded_from(&site);
    assert!(hosts.is_empty(), "a page loads something from {hosts:?}");
}

/// What the pages load from other hosts.
fn loaded_from(site: &Path) -> BTreeSet<String> {
    let home = std::fs::read_to_string(site.join("index.html")).unwrap();
    let mut hosts = BTreeSet::new();
    for attribute in ["src=\"http", "<link rel=\"stylesheet\" href=\"http"] {
        for rest in home.split(attribute).skip(1) {
            hosts.insert(rest.split('"').next().unwrap().to_owned());
        }
    }
    hosts
}
