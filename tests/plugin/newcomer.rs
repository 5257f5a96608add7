//! docs/guides/helseid.md, followed by somebody who has nothing but the page: at an OAuth server that we did not write, which requires a
//! signed assertion, tokens that are bound to a key, and pushed authorization requests.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use testkit::browser::Browser;
use testkit::oidc::{Client, Method, OidcProvider, Options};
use testkit::wait;

use super::rig::{PLUGIN, Rig, SOON};

const SCOPE: &str = "nhn:your-api/read";

/// The blocks of code of the page, in their order.
fn blocks() -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guides/helseid.md");
    let page = fs::read_to_string(file).unwrap();
    let parts = page.split("\n```");
    let blocks = parts.skip(1).step_by(2);
    let body = |part: &str| part.split_once('\n').map(|(_, body)| format!("{body}\n"));
    blocks.filter_map(body).collect()
}

/// The block that contains this.
fn block(what: &str) -> String {
    let mut all = blocks().into_iter();
    let found = all.find(|block| block.contains(what));
    found.unwrap_or_else(|| panic!("the page has no block with {what}"))
}

/// The public part of a P-256 key in a file, as the provider takes it.
fn public_jwk(key: &Path) -> serde_json::Value {
    let mut openssl = Command::new("openssl");
    openssl.args(["pkey", "-pubout", "-outform", "DER", "-in"]);
    let der = openssl.arg(key).output().unwrap().stdout;
    // The point stands last: 4, x, y.
    let point = &der[der.len() - 64..];
    let [x, y] = [&point[..32], &point[32..]].map(|part| URL_SAFE_NO_PAD.encode(part));
    serde_json::json!({"kty": "EC", "crv": "P-256", "x": x, "y": y})
}

struct Newcomer {
    rig: Rig,
    server: OidcProvider,
}

impl Newcomer {
    /// What the page calls its provider, as this one.
    fn here(&self, text: &str) -> String {
        text.replace("https://helseid-sts.nhn.no", self.server.issuer())
            .replace("helseid-sts.nhn.no", "127.0.0.1")
            .replace("YOUR-ID", "app")
            .replace("your-organization-number", "123456789")
    }

    fn home(&self) -> &Path {
        self.rig.home.path()
    }

    /// Runs a block of the page in a shell, in the newcomer's folder and namespace.
    fn shell(&self, script: &str) -> String {
        let kubectl = self.rig.plane.assets().program("kubectl").unwrap();
        let folder = |program: &Path| program.parent().unwrap().display().to_string();
        let path = [
            folder(Path::new(PLUGIN)),
            folder(&kubectl),
            "/usr/bin:/bin".to_owned(),
        ];
        let config = self.home().join("kubeconfig");
        if !config.exists() {
            fs::copy(self.rig.plane.admin_kubeconfig(), &config).unwrap();
            let namespace = &self.rig.namespace;
            self.shell(&format!(
                "kubectl config set-context --current --namespace {namespace}"
            ));
        }
        let ended = Command::new("/bin/sh")
            .args(["-ec", script])
            .current_dir(self.home())
            .env_clear()
            .env("PATH", path.join(":"))
            .env("HOME", self.home())
            .env("KUBECONFIG", &config)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (said(&ended.stdout), said(&ended.stderr));
        assert!(ended.status.success(), "{script}: {out}{err}");
        out
    }

    /// The token of a Secret: valid, and bound to the key beside it.
    async fn is_bound(&self, secret: &str) {
        let data = self.rig.secret(secret).await.unwrap();
        assert_eq!(data["token_type"], "DPoP");
        assert!(data["dpop_key"].contains("PRIVATE KEY") && data["dpop_jwk"].contains("\"d\""));
        let about = self.server.introspect(&data["access_token"]).await.unwrap();
        assert_eq!(about["active"], true, "{about}");
        assert!(about["cnf"]["jkt"].is_string(), "{about}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_gets_from_a_provider_like_helseid_to_a_mounted_token_with_the_page_alone() {
    let rig = Rig::new().await;
    // Step 1: the key, and its public part for the provider.
    let key = rig.home.path().join("private_key");
    let make = block("openssl ecparam");
    let made = Command::new("/bin/sh")
        .args(["-ec", &make])
        .current_dir(rig.home.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    assert!(String::from_utf8_lossy(&made.stdout).contains("PUBLIC KEY"));
    let public = public_jwk(&key);
    let options = Options {
        clients: vec![
            // The API, which asks about the tokens that it is sent.
            Client {
                id: "api".to_owned(),
                secret: "of-the-api".to_owned(),
                ..Client::default()
            },
            Client {
                id: "app".to_owned(),
                method: Method::PrivateKeyJwt,
                public_jwk: Some(public),
                ..Client::default()
            },
        ],
        scopes: vec![SCOPE.to_owned()],
        login: true,
        rotate: true,
        dpop: true,
        require_pushed: true,
        ..Options::default()
    };
    let server = OidcProvider::start(options, None).await.unwrap();
    let newcomer = Newcomer { rig, server };
    let rig = &newcomer.rig;
    let _operator = rig.operator_with(&["--allow-http"]).await;

    // Step 2: the credentials.
    newcomer.shell(&newcomer.here(&block("kubectl create secret generic")));

    // Step 3: the manifest of the page, without its Secret.
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/helseid.yaml");
    let example = fs::read_to_string(example).unwrap();
    let (_, manifest) = example.split_once("\n---\n").unwrap();
    fs::write(
        newcomer.home().join("helseid.yaml"),
        newcomer.here(manifest),
    )
    .unwrap();
    newcomer.shell(&newcomer.here(&block("kubectl apply -f helseid.yaml")));
    newcomer.is_bound("helseid-token").await;

    // Step 4: a pod that mounts it.
    fs::write(newcomer.home().join("pod.yaml"), block("kind: Pod")).unwrap();
    newcomer.shell("kubectl apply --dry-run=server -f pod.yaml");

    // A person who logs in, with a port that is free here.
    let free = testkit::net::free_port().unwrap();
    let person = newcomer.here(&block("name: helseid-person"));
    let person = person.replace("127.0.0.1:8400", &format!("127.0.0.1:{free}"));
    fs::write(newcomer.home().join("person.yaml"), person).unwrap();
    newcomer.shell("kubectl apply -f person.yaml");
    let command = block("kubectl oauthclient login");
    let name = command
        .trim()
        .strip_prefix("kubectl oauthclient login ")
        .unwrap();
    let running = rig.start(&[
        "login",
        name,
        "--allow-http",
        "--allow-loopback",
        "--no-browser",
    ]);
    let address = running.address().await;
    let shown: Vec<String> = address
        .query_pairs()
        .map(|(name, _)| name.into_owned())
        .collect();
    assert_eq!(shown, ["client_id", "request_uri"], "the rest was pushed");
    let browser = Browser::start().await.unwrap();
    browser.open(address.as_str()).await.unwrap();
    let press = "const button = document.querySelector('#allow');
        if (button && !button.pressed) { button.pressed = true; button.click(); }";
    let done = wait::until("the person is logged in", SOON, || async {
        if browser.text("main.done").await.is_ok() {
            return Ok(());
        }
        browser.script(press).await?;
        tokio::time::sleep(Duration::from_millis(200)).await;
        Err(testkit::Error::new("not yet"))
    });
    if let Err(error) = done.await {
        let page = browser.text("body").await.unwrap_or_default();
        panic!("{error}: {page}: {}", running.out());
    }
    running.ended().await.well();
    newcomer.shell("kubectl wait --for=condition=Ready oac/helseid-person --timeout=100s");
    newcomer.is_bound("helseid-person-token").await;

    // The one command that the page names instead, at the real provider: as far as it goes without sending anything.
    let create = block("kubectl oauthclient create helseid");
    let create = create.replace("create helseid ", "create another ");
    newcomer.shell(&create.replace("--wait", "--dry-run"));
}
