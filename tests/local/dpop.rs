//! Tokens that are bound to a key, at an independent server that requires it, and the workloads of the guide that use them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use testkit::oidc::{Client, Event, OidcProvider, Options};
use testkit::provider::Fault;
use testkit::tls::Authority;

use crate::rig::{PATH, Rig, names};

/// A server that binds every token to a key and wants its nonce in each proof, and manifests for it.
struct Stand {
    rig: Rig,
    server: OidcProvider,
    ca: PathBuf,
}

impl Stand {
    async fn new(login: bool) -> Stand {
        let mut rig = Rig::new(3600.0);
        let authority = Authority::new("bound").unwrap();
        let options = Options {
            clients: vec![Client {
                id: "books".to_owned(),
                secret: "books-secret".to_owned(),
                ..Client::default()
            }],
            login,
            rotate: login,
            dpop: true,
            ..Options::default()
        };
        let server = OidcProvider::start(options, Some(&authority))
            .await
            .unwrap();
        rig.ca = authority.pem();
        rig.write("ca.yaml", &rig.config_map());
        let ca = rig.folder.path().join("ca.pem");
        fs::write(&ca, &rig.ca).unwrap();
        Stand { rig, server, ca }
    }

    fn write(&self, more: &str, keys: &str) {
        let manifest = self.rig.client("books", &format!("  dpop: {{}}\n{more}"));
        let at = self.rig.provider.url(PATH);
        let manifest = manifest.replace(&at, self.server.token_endpoint());
        self.rig.write("books.yaml", &manifest);
        self.rig.write(
            "credentials.yaml",
            &format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: credentials, labels: {{oauthclient.dev/credentials: 'true'}}}}\nstringData:\n  client_id: books\n  client_secret: books-secret\n{keys}"),
        );
    }

    fn published(&self) -> PathBuf {
        self.rig.output().join("default/books-token")
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.published().join(name)).unwrap()
    }

    fn granted(&self) -> usize {
        let events = self.server.events().unwrap();
        let granted = |event: &&Event| matches!(event, Event::Granted { .. });
        events.iter().filter(granted).count()
    }

    /// A manifest with an annotation of the resource.
    fn rotate(&self, value: &str) {
        let file = self.rig.manifests().join("books.yaml");
        let text = fs::read_to_string(&file).unwrap();
        let plain = text.lines().map(|line| match line.starts_with("metadata:") {
            true => format!("metadata: {{name: books, annotations: {{oauthclient.dev/rotate-dpop-key: {value:?}}}}}"),
            false => line.to_owned(),
        });
        let text: Vec<String> = plain.collect();
        self.rig.write("books.yaml", &text.join("\n"));
    }
}

#[tokio::test]
async fn a_server_that_requires_a_key_and_a_nonce_grants_a_token_that_is_published_with_its_key() {
    let stand = Stand::new(false).await;
    stand.write("  scopes: [read]\n", "");
    let (code, text) = stand.rig.once().await;
    assert_eq!(code, 0, "{text}");
    let mut keys = names(&stand.published());
    keys.retain(|key| !key.starts_with(".."));
    assert_eq!(
        keys,
        [
            "access_token",
            "dpop_jwk",
            "dpop_key",
            "expires_at",
            "scope",
            "token_type"
        ]
    );
    assert_eq!(stand.file("token_type"), "DPoP");
    let about = stand
        .server
        .introspect(&stand.file("access_token"))
        .await
        .unwrap();
    assert_eq!(
        (&about["active"], &about["token_type"]),
        (&true.into(), &"DPoP".into())
    );
    assert!(about["cnf"]["jkt"].is_string(), "{about}");
    // The nonce was handed out by a refusal, which is no failure of anybody's.
    assert!(!text.contains("ProofRequired"), "{text}");
    let key = stand.file("dpop_key");
    let secret: String = key.lines().nth(1).unwrap().to_owned();
    assert!(!text.contains(&secret), "the key shows");

    // A second run has nothing to ask, and a request for a new key asks once.
    let (code, text) = stand.rig.once().await;
    assert_eq!((code, stand.granted()), (0, 1), "{text}");
    stand.rotate("one");
    let (code, text) = stand.rig.once().await;
    assert_eq!((code, stand.granted()), (0, 2), "{text}");
    assert_ne!(stand.file("dpop_key"), key);
    let (code, _) = stand.rig.once().await;
    assert_eq!((code, stand.granted()), (0, 2));
}

#[tokio::test]
async fn a_key_of_the_users_own_is_used_and_never_published() {
    let stand = Stand::new(false).await;
    let own = testkit::jose::make("p256").unwrap();
    let lines: String = own
        .pkcs8
        .lines()
        .map(|line| format!("    {line}\n"))
        .collect();
    stand.write("", &format!("  dpop_key: |\n{lines}"));
    let (code, text) = stand.rig.once().await;
    assert_eq!(code, 0, "{text}");
    let keys = names(&stand.published());
    assert!(!keys.iter().any(|key| key.starts_with("dpop")), "{keys:?}");
    let about = stand
        .server
        .introspect(&stand.file("access_token"))
        .await
        .unwrap();
    assert!(about["cnf"]["jkt"].is_string(), "{about}");
    // A template cannot copy it either: that is told before anything is asked.
    let stand = Stand::new(false).await;
    stand.write("", &format!("  dpop_key: |\n{lines}"));
    let manifest = fs::read_to_string(stand.rig.manifests().join("books.yaml")).unwrap();
    let manifest = manifest.replace(
        "tokenSecret: {name: books-token}",
        "tokenSecret: {name: books-token, data: {key: '{{ dpop_key }}'}}",
    );
    stand.rig.write("books.yaml", &manifest);
    let (code, text) = stand.rig.once().await;
    assert_eq!((code, stand.granted()), (1, 0), "{text}");
    assert!(text.contains("does not copy it"), "{text}");
}

#[tokio::test]
async fn a_token_that_the_server_did_not_bind_is_refused() {
    let rig = Rig::new(3600.0);
    rig.write("books.yaml", &rig.client("books", "  dpop: {}\n"));
    let (code, text) = rig.once().await;
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("not bound to the key"), "{text}");
    // A server that asks for a nonce again and again is asked twice, not for ever.
    let refusal = Fault::Answer {
        status: 400,
        content_type: "application/json".into(),
        body: r#"{"error":"use_dpop_nonce"}"#.into(),
        headers: vec![("dpop-nonce".into(), "n-1".into())],
    };
    let rig = Rig::new(3600.0);
    rig.provider
        .update(PATH, |behaviour| behaviour.fault = Some(refusal.clone()));
    rig.write("books.yaml", &rig.client("books", "  dpop: {}\n"));
    let (code, text) = rig.once().await;
    assert_eq!((code, rig.requests()), (1, 2), "{text}");
    assert!(text.contains("ProofRequired"), "{text}");
    let proofs: Vec<String> = rig
        .provider
        .requests_to(PATH)
        .iter()
        .map(|request| request.header("dpop").unwrap().to_owned())
        .collect();
    let claims = |proof: &String| -> Value {
        use base64::Engine as _;
        let part = proof.split('.').nth(1).unwrap();
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(part)
            .unwrap();
        serde_json::from_slice(&bytes).unwrap()
    };
    let (first, second) = (claims(&proofs[0]), claims(&proofs[1]));
    assert_ne!(first["jti"], second["jti"]);
    assert_eq!(
        (&first["nonce"], &second["nonce"]),
        (&Value::Null, &"n-1".into())
    );
    assert_eq!(second["htu"], rig.provider.url(PATH));
}

/// A program of the guide.
fn program(language: &str) -> String {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guides/dpop.md");
    let text = fs::read_to_string(guide).unwrap();
    let (_, rest) = text.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

#[tokio::test]
async fn the_workloads_of_the_guide_are_let_in_by_the_server() {
    let stand = Stand::new(true).await;
    let first = stand.server.consent("books").await.unwrap();
    stand.write(
        "  scopes: [openid]\n  grant: {type: refresh_token}\n",
        &format!("  refresh_token: {first}\n"),
    );
    let (code, text) = stand.rig.once().await;
    assert_eq!(code, 0, "{text}");
    let folder = stand.rig.folder.path();
    let url = format!("{}/me", stand.server.issuer());
    let python = folder.join("workload.py");
    fs::write(&python, program("python")).unwrap();
    let go = folder.join("workload.go");
    fs::write(&go, program("go")).unwrap();
    let interpreter = testkit::python::with(&["cryptography==48.0.0"]).unwrap();
    let mut runs = [Command::new(interpreter), Command::new("go")];
    runs[0].arg(&python);
    runs[1].arg("run").arg(&go);
    for run in &mut runs {
        let run = run
            .arg(stand.published())
            .arg(&url)
            .env("SSL_CERT_FILE", &stand.ca);
        let output = run.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let wrong = String::from_utf8_lossy(&output.stderr).into_owned();
        let answer: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}{wrong}"));
        assert_eq!(answer["sub"], "a-person", "{said}{wrong}");
    }
}
