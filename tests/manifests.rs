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
        let is_client = |text: &str| text.contains("kind: OAuthClient");
        let (clients, lent): (Vec<&str>, Vec<&str>) = documents
            .iter()
            .map(|(_, document)| *document)
            .partition(|document| is_client(document));
        assert!(
            !clients.is_empty() && !lent.is_empty(),
            "{}: what is lent, and an OAuthClient",
            path.display()
        );
        for document in clients {
            if let Err(problems) = judge(document) {
                panic!("{}: {problems:?}", path.display());
            }
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
        said.contains("spec.tokenSecret.type") && said.contains("create a new OAuthClient"),
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
    // The API server publishes a new kind's documentation a moment after the kind itself, and kubectl caches it: each
    // attempt has its
    // own cache.
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

/// Values at the edges of what each rule allows, with the field that they are put into.
const EDGES: &[(&str, &[&str])] = &[
    (
        "/provider/tokenURL",
        &[
            "https://a",
            "https://a/",
            "https://a?b",
            "https://A.Example.com:443/",
            "https://a:/",
            "https://a:123456/",
            "https://a:80",
            "https://[::1]/",
            "https://[::1]:8080/x?y",
            "https://[::1",
            "https://[]/",
            "https://a/[b]",
            "https://a/b c",
            "https://a/\u{e9}",
            "https://\u{e9}.com/",
            "https://a/%zz",
            "https://a\\b",
            "https://a/b\\c",
            "https://a@b/",
            "https://a/b@c",
            "https://a?b@c",
            "https:///",
            "https://",
            "https:/a",
            "HTTPS://a/",
            "http://a",
            "httpss://a",
            "https://a/#",
            "https://a_b/",
            "https://-a/",
            "https://a/\"b",
            "https://a/{b}",
            "https://a/|^`<>",
            "https://a/b\n",
            " https://a/",
            "https://a b/",
            "https://a/b\u{7f}",
        ],
    ),
    (
        "/credentials/secretName",
        &[
            "a", "a.b", "a..b", ".a", "a.", "-a", "a-", "a-b", "A", "a_b", "a/b", "0", "0.0",
            "a\n", "\u{e9}", "a.-b",
        ],
    ),
    (
        "/credentials/keys/clientID",
        &[
            "a", ".", "..", "...", "..a", ".a", "a..", "a/b", "a b", "A_b-C.d", "\u{e9}", "a\n",
            "-", "_",
        ],
    ),
    (
        "/grant/type",
        &[
            "password",
            "Password",
            "refresh_token",
            "refresh_token2",
            "a b",
            "a\"b",
            "a\\b",
            "[a]",
            "a#b",
            "!",
            "~",
            "\u{e9}",
            "a\n",
        ],
    ),
    (
        "/scopes/0",
        &[
            "a", "a b", "a,b", "a\\b", "a\"b", "[", "]", "^", "\u{e9}", " ", "a\t",
        ],
    ),
    (
        "/parameters/0/name",
        &[
            "a",
            "a b",
            "grant_type",
            "Grant_Type",
            "client_id",
            "client_secret",
            "scope",
            "\u{e9}",
            "a\n",
            "a[]",
        ],
    ),
    (
        "/parameters/0/value",
        &[
            "a", " ", "a b", "a\n", "a\r", "a\tb", "\u{0}", "\u{7f}", "\u{e9}", "\u{85}",
            "\u{2028}",
        ],
    ),
    (
        "/request/headers/0/name",
        &[
            "X-A",
            "x'a",
            "x\\a",
            "x:a",
            "x a",
            "x/a",
            "x(a",
            "!#$%&*+.^_`|~",
            "HOST",
            "Content-Length",
            "User-Agent",
            "Authorization",
            "authorization2",
            "Accept",
            "Content-Type",
            "Cookie",
            "\u{e9}",
        ],
    ),
    (
        "/request/headers/0/value",
        &[
            "a", " a", "a ", "a b", "a\tb", "a\n", "~", "\u{e9}", " ", "!",
        ],
    ),
    (
        "/request/scopeSeparator",
        &[" ", ",", ", ", "\t", "\u{e9}", "+", "12345678", "123456789"],
    ),
    (
        "/response/tokenTypePointer",
        &[
            "/", "//", "a", "/a", "/a~", "/a~0", "/a~1b", "/a~2", "/~01", "/a/", "~0", "/a\nb",
            "/\u{e9}",
        ],
    ),
    (
        "/tokenSecret/type",
        &[
            "Opaque",
            "kubernetes.io",
            "k8s.io",
            "kubernetes.io/",
            "kubernetes.io/tls",
            "kubernetes.io/basic-auth",
            "a.kubernetes.io/b",
            "akubernetes.io/b",
            "kubernetes.iox/b",
            "example.com/kubernetes.io",
            "example.com/kubernetes.io/b",
            ".k8s.io/x",
            "/k8s.io",
            "a b",
            "bootstrap.kubernetes.io/token",
            "K8s.io/x",
            "helm.sh/release.v1",
            "a\n",
        ],
    ),
];

/// Keys and values of maps at the edges.
const MAP_EDGES: &[(&str, &[(&str, &str)])] = &[
    (
        "/tokenSecret/labels",
        &[
            ("a", ""),
            ("a", "b"),
            ("a", "-b"),
            ("a", "b-"),
            ("a", "b c"),
            ("a", "B_1.c"),
            ("a/b", "c"),
            ("A/b", "c"),
            ("a/B", "c"),
            ("/b", "c"),
            ("a/", "c"),
            ("a/b/c", "d"),
            ("-a", "b"),
            ("a.", "b"),
            ("oauthclient.dev/x", "b"),
            ("oauthclient.devx/x", "b"),
            ("x.oauthclient.dev/x", "b"),
            ("", "b"),
            ("\u{e9}", "b"),
            ("a_b/c", "d"),
            ("-a/b", "c"),
        ],
    ),
    (
        "/tokenSecret/annotations",
        &[
            ("a", "any thing\n"),
            ("A/b", "c"),
            ("kubectl.kubernetes.io/last-applied-configuration", "c"),
            ("kubectl.kubernetes.io/x", "c"),
            ("oauthclient.dev/x", "c"),
            ("a b", "c"),
            ("", "c"),
            ("a/b/c", "d"),
        ],
    ),
    (
        "/tokenSecret/data",
        &[
            ("a", ""),
            (".", "a"),
            ("..", "a"),
            ("..a", "a"),
            (".a", "a"),
            ("a/b", "a"),
            ("a b", "a"),
            ("", "a"),
            ("a", "b\nc"),
        ],
    ),
];

/// The smallest resource with one value put at a place of its spec.
fn edge(pointer: &str, value: serde_json::Value) -> serde_json::Value {
    let mut spec = serde_json::json!({
        "provider": {"tokenURL": "https://auth.example.com/token"},
        "credentials": {"secretName": "client", "keys": {"clientID": "id"}},
        "grant": {"type": "client_credentials"},
        "scopes": ["a"],
        "parameters": [{"name": "a", "value": "b"}],
        "request": {"headers": [{"name": "x-a", "value": "b"}], "scopeSeparator": " "},
        "response": {"tokenTypePointer": "/a"},
        "tokenSecret": {"name": "token", "type": "Opaque", "labels": {}, "annotations": {}, "data": {"password": "x"}},
    });
    *spec.pointer_mut(pointer).unwrap() = value;
    serde_json::json!({
        "apiVersion": "oauthclient.dev/v1alpha1", "kind": "OAuthClient", "metadata": {"name": "edge"}, "spec": spec,
    })
}

#[tokio::test]
async fn both_judges_agree_at_the_edges_of_every_rule() {
    let (plane, namespace) = plane().await;
    let client = plane.client().unwrap();
    let mut manifests: Vec<serde_json::Value> = Vec::new();
    for (pointer, values) in EDGES {
        manifests.extend(values.iter().map(|value| edge(pointer, (*value).into())));
    }
    for (pointer, entries) in MAP_EDGES {
        manifests.extend(
            entries
                .iter()
                .map(|(key, value)| edge(pointer, serde_json::json!({ *key: value }))),
        );
    }
    let mut wrong = Vec::new();
    let (mut accepted, mut refused) = (0, 0);
    for manifest in manifests {
        let here = manifest::parse_manifest(&manifest.to_string());
        // Dry, and as plain JSON: what a typed resource cannot hold is put to the server as well.
        let request = http::Request::post(format!(
            "/apis/oauthclient.dev/v1alpha1/namespaces/{namespace}/oauthclients?dryRun=All&fieldValidation=Strict"
        ))
        .header("content-type", "application/json")
        .body(manifest.to_string().into_bytes())
        .unwrap();
        let there = client
            .request_text(request)
            .await
            .map_err(|error| error.to_string());
        *if there.is_ok() {
            &mut accepted
        } else {
            &mut refused
        } += 1;
        let agree = match (&here, &there) {
            (Ok(_), Ok(_)) => true,
            (Err(problems), Err(said)) => problems.iter().all(|problem| {
                // The API server writes the keys of free maps without brackets.
                let field = problem.field.split(['[', ']']).next().unwrap();
                said.contains(field)
            }),
            _ => false,
        };
        if !agree {
            wrong.push(format!(
                "{}: here {:?}, there {there:?}",
                manifest["spec"],
                here.map(|_| ())
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(
        accepted > 40 && refused > 80,
        "{accepted} accepted, {refused} refused"
    );
}
