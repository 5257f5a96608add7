//! Bad and good manifests, put to both judges: the API server, and the program itself as `local` uses it.
//!
//! Each file under `tests/manifests/bad/` says in comments which field is to be named (`# field:`) and what is to be said
//! (`# message:`); where the API server has words of its own they are in `# server:`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests may panic as the tests themselves"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use oauthclient_operator::api::{self, SpecProblem, Validated, manifest};
use testkit::control_plane;

fn folder(name: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no manifests in {}", folder.display());
    files
}

/// What a bad manifest says of itself.
struct Expected {
    text: String,
    said: BTreeMap<String, String>,
}

impl Expected {
    fn read(path: &Path) -> Expected {
        let text = fs::read_to_string(path).unwrap();
        let said = text
            .lines()
            .filter_map(|line| line.strip_prefix("# ")?.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Expected { text, said }
    }

    /// The first of these that is there.
    fn get(&self, names: &[&str]) -> &str {
        names.iter().find_map(|name| self.said.get(*name)).unwrap()
    }
}

fn judge(document: &str) -> Result<Validated, Vec<SpecProblem>> {
    manifest::parse_manifest(document).and_then(|resource| api::validate(&resource))
}

#[test]
fn the_program_refuses_every_bad_manifest_and_names_field_line_and_mend() {
    let files = folder("tests/manifests/bad");
    assert!(files.len() >= 40);
    let mut wrong = Vec::new();
    for path in &files {
        let bad = Expected::read(path);
        let (field, message) = (bad.get(&["field"]), bad.get(&["message"]));
        match judge(&bad.text) {
            Ok(_) => wrong.push(format!("{} was accepted", path.display())),
            Err(problems) => {
                let hit = problems.iter().any(|problem| {
                    problem.field == field
                        && problem.message.contains(message)
                        && problem.line.is_some()
                });
                if !hit || problems.len() != 1 {
                    wrong.push(format!("{}: {problems:?}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_program_accepts_every_good_manifest() {
    for path in folder("tests/manifests/good") {
        let text = fs::read_to_string(&path).unwrap();
        if let Err(problems) = judge(&text) {
            panic!("{}: {problems:?}", path.display());
        }
    }
}

#[test]
fn the_program_accepts_every_example() {
    for path in folder("examples") {
        let text = fs::read_to_string(&path).unwrap();
        let documents = manifest::documents(&text);
        assert_eq!(
            documents.len(),
            2,
            "{}: a Secret and an OAuthClient",
            path.display()
        );
        if let Err(problems) = judge(documents[1].1) {
            panic!("{}: {problems:?}", path.display());
        }
    }
}

/// The control plane with the CRD in place, and a namespace of the caller's own.
async fn plane() -> (&'static control_plane::ControlPlane, String) {
    static CRD: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
    let plane = control_plane::shared().await;
    CRD.get_or_init(|| async {
        plane.apply(&api::crd_yaml().unwrap()).await.unwrap();
        let wait = [
            "wait",
            "--for=condition=Established",
            "crd/oauthclients.oauthclient.dev",
            "--timeout=30s",
        ];
        plane.run_kubectl(&wait, "").await.unwrap();
    })
    .await;
    (plane, plane.namespace().await.unwrap())
}

async fn apply_strictly(
    plane: &control_plane::ControlPlane,
    namespace: &str,
    manifest: &str,
) -> Result<String, String> {
    plane
        .run_kubectl(
            &[
                "apply",
                "--namespace",
                namespace,
                "--validate=strict",
                "-o",
                "json",
                "-f",
                "-",
            ],
            manifest,
        )
        .await
        .map_err(|error| error.to_string())
}

#[tokio::test]
async fn the_api_server_refuses_every_bad_manifest_and_names_field_and_mend() {
    let (plane, namespace) = plane().await;
    let mut wrong = Vec::new();
    for path in folder("tests/manifests/bad") {
        let bad = Expected::read(&path);
        match apply_strictly(plane, &namespace, &bad.text).await {
            Ok(_) => wrong.push(format!("{} was accepted", path.display())),
            Err(said) => {
                let (field, message) = (
                    bad.get(&["server-field", "field"]),
                    bad.get(&["server", "message"]),
                );
                if !said.contains(field) || !said.contains(message) {
                    wrong.push(format!("{}: {said}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn the_api_server_accepts_every_good_manifest_and_fills_in_the_same_defaults() {
    let (plane, namespace) = plane().await;
    for path in folder("tests/manifests/good") {
        let text = fs::read_to_string(&path).unwrap();
        let stored = apply_strictly(plane, &namespace, &text)
            .await
            .unwrap_or_else(|said| panic!("{}: {said}", path.display()));
        let stored: api::OAuthClient = serde_json::from_str(&stored).unwrap();
        let read = manifest::parse_manifest(&text).unwrap();
        assert_eq!(stored.spec, read.spec, "{}", path.display());
        assert_eq!(
            stored.status.unwrap().observed_generation,
            -1,
            "a new object counts as not yet looked at"
        );
    }
}

#[tokio::test]
async fn the_api_server_accepts_every_example() {
    let (plane, namespace) = plane().await;
    for path in folder("examples") {
        let text = fs::read_to_string(&path).unwrap();
        apply_strictly(plane, &namespace, &text)
            .await
            .unwrap_or_else(|said| panic!("{}: {said}", path.display()));
    }
}

#[tokio::test]
async fn the_type_of_the_token_secret_cannot_be_changed_but_everything_else_can() {
    let (plane, namespace) = plane().await;
    let manifest = |kind: &str, url: &str| {
        format!(
            "apiVersion: oauthclient.dev/v1alpha1\nkind: OAuthClient\nmetadata: {{name: changing}}\nspec:\n  provider: {{tokenURL: \
             \"{url}\"}}\n  credentials: {{secretName: client}}\n  tokenSecret: {{name: token, type: {kind}}}\n"
        )
    };
    let first = manifest("Opaque", "https://auth.example.com/token");
    apply_strictly(plane, &namespace, &first).await.unwrap();
    let said = apply_strictly(
        plane,
        &namespace,
        &manifest("example.com/token", "https://auth.example.com/token"),
    )
    .await
    .unwrap_err();
    assert!(
        said.contains("spec.tokenSecret.type") && said.contains("make a new OAuthClient"),
        "{said}"
    );
    apply_strictly(
        plane,
        &namespace,
        &manifest("Opaque", "https://other.example.com/token"),
    )
    .await
    .unwrap();
}

#[tokio::test]
async fn people_can_ask_kubectl_to_explain_every_field_and_find_the_resource_by_its_short_names() {
    let (plane, namespace) = plane().await;
    // The API server publishes a new kind's documentation a moment after the kind itself, and kubectl remembers what it
    // was told: each try has a cache of its own.
    let mut said = Ok(String::new());
    for _ in 0..50 {
        let cache = tempfile::tempdir().unwrap();
        let cache = format!("--cache-dir={}", cache.path().display());
        let path = "oauthclients.oauthclient.dev.spec.tokenSecret.data";
        said = plane.run_kubectl(&["explain", path, &cache], "").await;
        if said.is_ok() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    let said = said.unwrap();
    assert!(said.contains("b64encode"), "{said}");
    for name in ["oac", "oauth", "oauthclients.oauthclient.dev"] {
        plane
            .run_kubectl(&["get", name, "--namespace", &namespace], "")
            .await
            .unwrap();
    }
}
