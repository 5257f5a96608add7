//! What can be checked without a cluster.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use clap::CommandFactory as _;
use oauthclient_operator::api::{self, manifest};
use oauthclient_operator::cli::Cli;
use oauthclient_operator::plugin::args::Plugin;
use oauthclient_operator::{names, policy};
use serde_json::Value;

use super::pages::{Page, all, page, root};

/// The manifests that fragments are laid upon.
const SMALLEST: &str = r#"{
  "apiVersion": "oauthclient.dev/v1alpha1", "kind": "OAuthClient", "metadata": {"name": "smallest"},
  "spec": {
    "provider": {"tokenURL": "https://auth.example.com/oauth/token"},
    "credentials": {"secretName": "smallest-client"},
    "tokenSecret": {"name": "smallest-token"}
  }
}"#;

fn judge(document: &str, place: &str) {
    let judged =
        manifest::parse_manifest(document).and_then(|resource| api::validate(&resource).map(drop));
    if let Err(problems) = judged {
        let told: Vec<String> = problems
            .iter()
            .map(|problem| format!("{}: {}", problem.field, problem.message))
            .collect();
        panic!("{place}: {}", told.join("\n"));
    }
}

fn lay(over: Value, under: &mut Value) {
    match (over, under) {
        (Value::Object(over), Value::Object(under)) => {
            for (key, value) in over {
                lay(value, under.entry(key).or_insert(Value::Null));
            }
        }
        (over, under) => *under = over,
    }
}

#[test]
fn every_manifest_is_one_that_an_api_server_takes() {
    let (mut whole, mut fragments) = (0, 0);
    for page in all() {
        let given = page
            .blocks_in("yaml")
            .map(|block| (block.place.clone(), block.text.clone()));
        let handed = page.blocks_in("sh").flat_map(|block| {
            let place = block.place.clone();
            block
                .here_documents()
                .into_iter()
                .map(move |text| (place.clone(), text))
        });
        for (place, text) in given.chain(handed) {
            for (_, document) in manifest::documents(&text) {
                let value: Value = serde_saphyr::from_str(document)
                    .unwrap_or_else(|error| panic!("{place}: {error}"));
                match value.get("kind").and_then(Value::as_str) {
                    Some("OAuthClient") => {
                        judge(document, &place);
                        whole += 1;
                    }
                    Some(_) => {}
                    None => {
                        assert!(
                            value.get("spec").is_some(),
                            "{place}: neither whole nor a part"
                        );
                        let mut merged: Value = serde_json::from_str(SMALLEST).unwrap();
                        lay(value, &mut merged);
                        judge(&merged.to_string(), &place);
                        fragments += 1;
                    }
                }
            }
        }
    }
    assert!(
        whole >= 8 && fragments >= 4,
        "{whole} and {fragments} were found"
    );
}

/// Headings as they are linked to.
fn anchors(page: &Page) -> BTreeSet<String> {
    page.prose
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            line.trim_start_matches('#')
                .trim()
                .to_lowercase()
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect()
        })
        .collect()
}

fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                assert!(normal.pop(), "{} leaves the repository", path.display())
            }
            other => normal.push(other),
        }
    }
    normal
}

#[test]
fn every_link_leads_somewhere() {
    let mut links = 0;
    for here in all() {
        for link in here.prose.split("](").skip(1) {
            let link = link.split(')').next().unwrap();
            if link.starts_with("https://") {
                continue;
            }
            links += 1;
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let folder = Path::new(&here.path).parent().unwrap();
            let target = if path.is_empty() {
                PathBuf::from(&here.path)
            } else {
                normal(&folder.join(path))
            };
            assert!(root().join(&target).exists(), "{}: {link}", here.path);
            let known =
                anchor.is_empty() || anchors(&page(target.to_str().unwrap())).contains(anchor);
            assert!(known, "{}: {link} names no heading", here.path);
        }
    }
    assert!(links > 50, "{links}");
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/')))
}

/// The arguments of a command and of all commands below it.
fn with_all_below(command: &clap::Command) -> Vec<clap::Arg> {
    let below = command.get_subcommands().flat_map(with_all_below);
    command.get_arguments().cloned().chain(below).collect()
}

#[test]
fn every_flag_and_variable_exists() {
    let cli = Cli::command();
    let arguments = |command: &clap::Command| command.get_arguments().cloned().collect::<Vec<_>>();
    let all_arguments: Vec<clap::Arg> = cli
        .get_subcommands()
        .flat_map(arguments)
        .chain(arguments(&cli))
        .chain(with_all_below(&Plugin::command()))
        .collect();
    let flags: BTreeSet<String> = all_arguments
        .iter()
        .filter_map(|argument| Some(format!("--{}", argument.get_long()?)))
        .collect();
    let variables: BTreeSet<String> = all_arguments
        .iter()
        .filter_map(|argument| Some(argument.get_env()?.to_str()?.to_owned()))
        .collect();
    // Flags of other programs that appear alone in prose.
    let foreign = ["--cascade", "--from-file", "--validate"];
    for page in all()
        .iter()
        .filter(|page| !page.path.starts_with("testkit/"))
    {
        let commands = page
            .blocks_in("sh")
            .flat_map(|block| block.text.lines())
            .filter(|line| {
                line.contains("oauthclient-operator ")
                    && !line.contains("kubectl")
                    && !line.starts_with("helm ")
            });
        let code = page.code();
        let prose = code
            .iter()
            .filter(|code| code.starts_with("--") || code.starts_with("oauthclient-operator "));
        for text in commands.chain(prose.copied()) {
            for flag in words(text).filter(|word| word.starts_with("--") && word.len() > 2) {
                let known = flags.contains(flag) || foreign.contains(&flag);
                assert!(known, "{}: {flag} in {text:?}", page.path);
            }
        }
        for name in words(&page.prose).filter(|word| word.starts_with("OAUTHCLIENT_")) {
            assert!(variables.contains(name), "{}: {name}", page.path);
        }
    }
}

#[test]
fn every_metric_label_and_annotation_exists() {
    let metrics = fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    let ours = [
        names::ADOPT_ANNOTATION,
        names::ALLOWED_HOSTS_ANNOTATION,
        names::ALLOWED_TOKEN_HOSTS_ANNOTATION,
        names::CLIENT_SECRET_EXPIRES,
        names::CREDENTIALS_LABEL,
        names::REFRESH_ANNOTATION,
        names::RETRY_REQUESTED,
        policy::REVOCATION_FINALIZER,
        policy::STATE_LABEL,
        names::TOKEN_LABEL,
        "oauthclient.dev/allowed-audiences",
        "oauthclient.dev/disclosed-keys",
        "oauthclient.dev/issued-at",
        "oauthclient.dev/refresh-at",
        "oauthclient.dev/restart-by",
        "oauthclient.dev/restarted-for",
        "oauthclient.dev/state",
        "oauthclient.dev/v1alpha1",
        "oauthclient.dev/group",
        "oauthclient.dev/login",
        "oauthclient.dev/logged-in-at",
        names::ROTATE_KEY_ANNOTATION,
    ];
    for page in all() {
        let blocks = page.blocks.iter().map(|block| block.text.as_str());
        for text in blocks.chain([page.prose.as_str()]) {
            for word in words(text) {
                if word.starts_with("oauthclient_") && !word.starts_with("oauthclient_operator") {
                    let name = word.strip_suffix("_bucket").unwrap_or(word);
                    assert!(
                        metrics.contains(&format!("`{name}`")),
                        "{}: {word}",
                        page.path
                    );
                }
                if word.starts_with("oauthclient.dev/") {
                    let name = word.trim_end_matches('.');
                    assert!(ours.contains(&name), "{}: {name}", page.path);
                }
            }
        }
    }
}

#[test]
fn every_target_of_make_exists() {
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    let mut found = BTreeSet::new();
    for page in all() {
        let blocks = page.blocks_in("sh").flat_map(|block| block.text.lines());
        for command in blocks.chain(page.code()) {
            if let Some(rest) = command.strip_prefix("make ") {
                let target = rest.split_whitespace().next().unwrap().to_owned();
                let known = makefile.contains(&format!("\n{target}:"));
                assert!(known, "{}: make {target}", page.path);
                found.insert(target);
            }
        }
    }
    assert!(found.contains("quickstart") && found.contains("test"));
}

#[test]
fn every_source_file_exists() {
    let page = page("docs/architecture.md");
    let mut found = 0;
    for code in page.code() {
        if Path::new(code)
            .extension()
            .is_some_and(|ending| ending == "rs")
        {
            let exists = ["", "src/", "core/src/"]
                .iter()
                .any(|folder| root().join(format!("{folder}{code}")).exists());
            assert!(exists, "{code}");
            found += 1;
        }
    }
    assert!(found > 15, "{found}");
}

#[test]
fn the_licence_is_there_in_full() {
    let text = fs::read_to_string(root().join("LICENSE")).unwrap();
    assert!(text.contains("Apache License") && text.contains("END OF TERMS AND CONDITIONS"));
}
