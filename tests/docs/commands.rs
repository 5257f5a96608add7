//! The commands of the pages, run as they are printed, on a real API server.
//!
//! The differences from a reader's cluster: the provider is a scripted one (its address and CA replace those of
//! `auth.example.com` and of the four providers), and there is no kubelet, so the program is started here where the
//! image
//! would run.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use testkit::control_plane::{ControlPlane, Objects, Options};
use testkit::operator::{Launch, Operator};
use testkit::provider::{Account, Behaviour, Lifetimes, Preset, Provider};
use testkit::tls::Authority;
use testkit::{quickstart, wait};

use super::pages::{Block, page, root};

const PROGRAM: &str = env!("CARGO_BIN_EXE_oauthclient-operator");
/// Where `auth.example.com` is played.
pub(super) const PATH: &str = "/oauth/token";
const SOON: Duration = Duration::from_secs(60);

/// A reader with a shell, a checkout and a cluster.
pub(super) struct Reader {
    plane: ControlPlane,
    objects: Objects,
    pub(super) provider: Arc<Provider>,
    checkout: tempfile::TempDir,
}

fn account(secret: &str) -> Account {
    Account {
        id: "your-client-id".to_owned(),
        secret: secret.to_owned(),
        ..Account::default()
    }
}

impl Reader {
    pub(super) async fn new() -> Reader {
        testkit::install_crypto();
        let authority = Authority::new("documentation").unwrap();
        let mut behaviour = Behaviour::living(3600.0);
        behaviour.accepts.clients = vec![account("your-client-secret")];
        let script = Preset::all_on_one(Lifetimes::Real).with(PATH, behaviour);
        let provider = Arc::new(Provider::tls(script, &authority).unwrap());
        let plane = ControlPlane::start(Options::with_usual_controllers())
            .await
            .unwrap();

        let checkout = tempfile::tempdir().unwrap();
        let at = |name: &str| checkout.path().join(name);
        for name in ["deploy", "crds"] {
            symlink(root().join(name), at(name)).unwrap();
        }
        fs::create_dir(at("examples")).unwrap();
        for example in quickstart::examples(&provider).unwrap() {
            fs::write(at("examples").join(&example.file), &example.text).unwrap();
        }
        fs::write(at("corp-ca.pem"), authority.pem()).unwrap();
        let reader = Reader {
            objects: plane.objects("default").unwrap(),
            plane,
            provider,
            checkout,
        };
        let ca = quickstart::ca_manifest(&authority.pem());
        let smallest = fs::read_to_string(root().join("examples/smallest.yaml")).unwrap();
        let smallest = format!("{}---\n{ca}", reader.pointed_here(&smallest));
        fs::write(
            reader.checkout.path().join("examples/smallest.yaml"),
            smallest,
        )
        .unwrap();
        reader.plane.apply(&ca).await.unwrap();
        reader
    }

    /// `auth.example.com` replaced, and nothing else.
    pub(super) fn pointed_here(&self, text: &str) -> String {
        let url = self.provider.url(PATH);
        text.replace(
            "    tokenURL: https://auth.example.com/oauth/token\n",
            &format!("    tokenURL: {url}\n    caBundle: {{configMapName: quickstart-ca}}\n"),
        )
        .replace("allowed-hosts=auth.example.com", "allowed-hosts=127.0.0.1")
        .replace(
            "allowed-hosts='auth.example.com",
            "allowed-hosts='127.0.0.1",
        )
        .replace(
            "allowed-hosts: auth.example.com",
            "allowed-hosts: 127.0.0.1",
        )
    }

    /// The administrator's client.
    pub(super) fn client(&self) -> kube::Client {
        self.plane.client().unwrap()
    }

    fn kubectl(&self) -> PathBuf {
        self.plane.assets().program("kubectl").unwrap()
    }

    /// Runs commands as a shell does, in the checkout; what they print.
    pub(super) fn types(&self, commands: &str, place: &str) -> String {
        let (ended, out, err) = self.tries(commands);
        assert!(ended, "{place}:\n{commands}\n{out}\n{err}");
        out
    }

    pub(super) fn tries(&self, commands: &str) -> (bool, String, String) {
        let programs = self.kubectl().parent().unwrap().display().to_string();
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", commands])
            .current_dir(self.checkout.path())
            .env_clear()
            .env("PATH", format!("{programs}:/usr/bin:/bin"))
            .env("HOME", self.checkout.path())
            .env("KUBECONFIG", self.plane.admin_kubeconfig())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.success(),
            text(&output.stdout),
            text(&output.stderr),
        )
    }

    /// Runs a block; what it prints.
    pub(super) fn follows(&self, block: &Block) -> String {
        self.types(&self.pointed_here(&block.text), &block.place)
    }

    /// An object, `None` when there is none.
    pub(super) fn object(&self, kind: &str, name: &str) -> Option<Value> {
        let found = self.objects.get(kind, name);
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(found)).unwrap()
    }

    /// What a Secret holds under a key.
    pub(super) fn secret(&self, name: &str, key: &str) -> Option<String> {
        use base64::Engine as _;
        let object = self.object("secret", name)?;
        let text = object.get("data")?.get(key)?.as_str()?;
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(text)
            .unwrap();
        Some(String::from_utf8(bytes).unwrap())
    }

    /// Whether a Secret holds a token that the provider knows.
    pub(super) fn holds_a_token(&self, name: &str) -> bool {
        self.secret(name, "access_token")
            .is_some_and(|token| self.provider.introspect(&token).is_some())
    }

    pub(super) async fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let met = wait::until(what, SOON, || async {
            holds()
                .then_some(())
                .ok_or_else(|| testkit::Error::new("not so"))
        });
        if let Err(error) = met.await {
            panic!("{error}\n{}", self.types("kubectl describe oac", "here"));
        }
    }

    async fn until_asked(&self, times: usize) {
        let what = format!("{times} token requests");
        self.until(&what, || self.provider.count(PATH) == times)
            .await;
    }

    /// What the image would be.
    pub(super) async fn operator(&self) -> Operator {
        let identity = self
            .plane
            .service_account("oauthclient-system", "oauthclient-operator")
            .await
            .unwrap();
        let operator = Launch::run_as(PROGRAM, identity)
            .args(["--allow-loopback"])
            .start()
            .unwrap();
        operator.wait_until_ready(SOON).await.unwrap();
        operator
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_gets_from_nothing_to_a_token_by_the_printed_commands() {
    let reader = Reader::new().await;
    let operator = readme(&reader).await;
    guides(&reader);
    use_page(&reader).await;
    assert!(operator.terminate(SOON).await.unwrap().success());
}

/// The README, from the image to a token.
async fn readme(reader: &Reader) -> Operator {
    let readme = page("README.md");
    let blocks: Vec<&Block> = readme
        .blocks
        .iter()
        .filter(|block| block.section == "On a cluster")
        .collect();
    let (mut operator, mut printed, mut elsewhere) = (None, String::new(), 0);
    for block in blocks.iter().filter(|block| block.language == "sh") {
        // What is done with a release, and how one is made, the tests of releases try; an image needs a container engine.
        if ["helm install ", "IMAGE=", "docker "]
            .iter()
            .any(|start| block.text.starts_with(start))
        {
            elsewhere += 1;
            continue;
        }
        // Where the image would come up, the program does.
        let (commands, comes_up) = match block
            .text
            .split_once("kubectl -n oauthclient-system rollout status ")
        {
            Some((before, rest)) => {
                assert_eq!(rest, "deployment/oauthclient-operator\n");
                (before, true)
            }
            None => (block.text.as_str(), false),
        };
        printed = reader.types(&reader.pointed_here(commands), &block.place);
        if comes_up {
            operator = Some(reader.operator().await);
        }
    }
    assert_eq!(elsewhere, 3);
    // The last block is the one to see by that it works.
    let lines: Vec<&str> = printed.lines().collect();
    let table = blocks
        .iter()
        .find(|block| block.language == "text")
        .unwrap();
    let columns = |line: &str| {
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let head = lines
        .iter()
        .position(|line| line.starts_with("NAME "))
        .expect(&printed);
    assert_eq!(
        columns(lines[head]),
        columns(table.text.lines().next().unwrap())
    );
    let row = lines[head + 1];
    assert!(
        row.contains("my-api") && row.contains("True") && row.contains("TokenValid"),
        "{row}"
    );
    let end = lines.last().unwrap();
    assert!(
        end.starts_with("20") && end.ends_with('Z'),
        "expires_at: {end}"
    );
    assert!(reader.holds_a_token("my-api-token"));
    assert_eq!(reader.provider.count(PATH), 1);

    let pod = blocks
        .iter()
        .find(|block| block.language == "yaml")
        .unwrap();
    let dry_run = "kubectl apply --dry-run=server --validate=strict -f - <<'END'\n";
    reader.types(&format!("{dry_run}{}END\n", pod.text), &pod.place);
    let pod: Value = serde_saphyr::from_str(&pod.text).unwrap();
    let mounted = pod.pointer("/spec/volumes/0/secret/secretName").unwrap();
    assert_eq!(mounted, "my-api-token");
    for line in readme
        .prose
        .lines()
        .filter(|line| line.starts_with("The files are `access_token`"))
    {
        let told: BTreeSet<&str> = line.split('`').skip(1).step_by(2).collect();
        let data = reader.object("secret", "my-api-token").unwrap();
        let found = data["data"].as_object().unwrap();
        assert!(
            found.keys().all(|key| told.contains(key.as_str())),
            "{found:?}"
        );
    }
    operator.expect("the README brings the operator up")
}

/// Each provider's guide.
fn guides(reader: &Reader) {
    for preset in Preset::ALL {
        let guide = page(&format!("docs/guides/{}.md", preset.name()));
        let mut applied = 0;
        for block in guide.blocks_in("sh") {
            reader.follows(block);
            applied += 1;
        }
        assert!(applied > 0, "{}", guide.path);
    }
    for example in quickstart::examples(&reader.provider).unwrap() {
        assert!(
            reader.object("secret", &example.secret).is_some(),
            "{}",
            example.secret
        );
    }
    for block in page("docs/guides/ca-bundle.md").blocks_in("sh") {
        reader.follows(block);
    }
    assert!(reader.object("configmap", "corp-ca").is_some());
}

/// `docs/use.md`, in its order.
async fn use_page(reader: &Reader) {
    let page = page("docs/use.md");
    let [
        refresh,
        rotate,
        allow,
        suspend,
        resume,
        rename,
        adopt,
        delete,
    ] = page.blocks_in("sh").collect::<Vec<_>>()[..]
    else {
        panic!("docs/use.md has other commands now: say here what is to come of them");
    };
    reader.follows(refresh);
    reader.until_asked(2).await;
    reader
        .until("the annotation is echoed", || {
            let object = reader.object("oac", "my-api").unwrap();
            let asked =
                object.pointer("/metadata/annotations/oauthclient.dev~1refresh-requested-at");
            object.pointer("/status/lastRefreshRequest") == asked
        })
        .await;

    let takes_the_new_one = |behaviour: &mut Behaviour| {
        behaviour.accepts.clients = vec![account("your-new-client-secret")];
    };
    reader.provider.update(PATH, takes_the_new_one);
    reader.follows(rotate);
    reader.until_asked(3).await;
    reader.follows(allow);

    reader.follows(suspend);
    reader
        .until("it is suspended", || {
            let object = reader.object("oac", "my-api").unwrap();
            object["status"]["observedGeneration"] == object["metadata"]["generation"]
        })
        .await;
    reader.types(
        "kubectl annotate oac my-api --overwrite oauthclient.dev/refresh-requested-at=suspended",
        "here",
    );
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(
        reader.provider.count(PATH),
        3,
        "nothing is asked for while it is suspended"
    );
    reader.types(
        "kubectl wait --for=condition=Ready oac/my-api --timeout=5s",
        "here",
    );
    reader.follows(resume);
    reader.until_asked(4).await;

    let gone = |name: &str| reader.object("secret", name).is_none();
    reader.follows(rename);
    reader
        .until("the token is moved", || {
            reader.holds_a_token("my-api-moved") && gone("my-api-token")
        })
        .await;
    assert_eq!(reader.provider.count(PATH), 4, "a move asks for no token");

    reader.follows(adopt);
    reader
        .until("the Secret is adopted, and the one before is gone", || {
            reader.holds_a_token("handed-over") && gone("my-api-moved")
        })
        .await;
    assert_eq!(
        reader.secret("handed-over", "theirs").as_deref(),
        Some("kept")
    );

    reader.follows(delete);
    reader
        .until("the Secret goes with it", || gone("handed-over"))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kustomizations_that_are_printed_can_be_built() {
    let reader = Reader::new().await;
    let operate = page("docs/operate.md");
    let block = operate.blocks_in("yaml").next().unwrap();
    // A kustomization takes no link to a folder outside: the folder itself, here.
    let folder = reader.checkout.path().join("own");
    reader.types(
        &format!(
            "mkdir own && cp -rL deploy own/deploy && cp -r {0} own/",
            "crds"
        ),
        "here",
    );
    fs::write(folder.join("kustomization.yaml"), &block.text).unwrap();
    let built = reader.types("kubectl kustomize own", &block.place);
    assert!(
        built.contains("image: registry.example.com/oauthclient-operator:0.1.0"),
        "{built}"
    );
    reader.types("kubectl kustomize deploy/namespaced", "docs/operate.md");
}

#[tokio::test(flavor = "multi_thread")]
async fn local_does_what_its_page_says() {
    let reader = Reader::new().await;
    let local = page("docs/local.md");
    let blocks: Vec<&Block> = local.blocks_in("sh").collect();
    let commands: Vec<String> = blocks
        .iter()
        .flat_map(|block| block.text.lines())
        .filter(|line| *line != "cargo build --release")
        .map(|line| {
            line.replace(
                "target/release/oauthclient-operator local",
                &format!("{PROGRAM} local --allow-loopback"),
            )
        })
        .collect();
    let [forever, once] = commands.as_slice() else {
        panic!(
            "docs/local.md has other commands now: say here what is to come of them: {commands:?}"
        );
    };
    let printed = reader.types(
        &format!("timeout --preserve-status -s INT 4 {forever}"),
        "docs/local.md",
    );
    assert!(
        printed.contains("default/smallest  issued  a new token is in "),
        "{printed}"
    );
    let token = reader.types(
        "cat tokens/default/smallest-token/access_token",
        "docs/local.md",
    );
    assert!(reader.provider.introspect(&token).is_some());
    reader.types(once, "docs/local.md");
    assert_eq!(
        reader.provider.count(PATH),
        1,
        "run again, it asks for nothing"
    );

    let refused = "sed -i s/secretName:/secretname:/ examples/smallest.yaml";
    reader.types(refused, "here");
    let (well, out, _) = reader.tries(once);
    assert!(
        !well
            && out.contains(
                "spec.credentials.secretname: is an unknown field: there are keys, secretName"
            ),
        "{out}"
    );
}
