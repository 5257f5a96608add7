//! An OAuthClient from an example of its provider, and one request without storing anything.

use serde_json::{Value, json};
use testkit::provider::{Behaviour, Fault, Provider, Script};

use super::code::{PATH, SECRET, Stage, shows_nothing};
use super::rig::{Ended, Rig};

impl Stage {
    /// The CA of the provider goes into a manifest by hand; the rest is made by the plugin.
    async fn creates(&self, more: &[&str]) -> Ended {
        let url = self.provider.url(PATH);
        let mut args = vec![
            "create",
            "made",
            "-n",
            &self.rig.namespace,
            "--token-url",
            &url,
        ];
        args.extend([
            "--client-id",
            "app",
            "--secret-from-stdin",
            "--scope",
            "read",
        ]);
        args.extend(more);
        self.rig.start_as_is(&args, Some(SECRET)).ended().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_command_makes_credentials_and_resource_and_shows_what_comes_of_it() {
    let stage = Stage::new().await;
    let rig = &stage.rig;
    let tried = stage.creates(&["--dry-run"]).await;
    shows_nothing(&tried);
    assert!(tried.well().contains("nothing was written"));
    assert!(rig.secret("made-client").await.is_none());

    let operator = rig.operator().await;
    // No authority that is trusted has signed the provider's certificate, so the request fails; that is shown as well.
    let ended = stage.creates(&["--wait", "--timeout-seconds", "100"]).await;
    shows_nothing(&ended);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.out.contains("TLSFailed"), "{ended:?}");
    let secret = rig.object("secret", "made-client").await.unwrap();
    assert_eq!(
        secret["metadata"]["labels"]["oauthclient.dev/credentials"],
        "true"
    );
    let hosts = secret["metadata"]["annotations"]["oauthclient.dev/allowed-hosts"]
        .as_str()
        .unwrap();
    assert!(hosts.starts_with("127.0.0.1:"), "{hosts}");
    assert_eq!(
        rig.secret("made-client").await.unwrap()["client_secret"],
        SECRET
    );
    let ca = r#"{"spec": {"provider": {"caBundle": {"configMapName": "provider-ca"}}, "clientAuthentication": {"method": "client_secret_basic"}}}"#;
    rig.kubectl(&["patch", "oac", "made", "--type=merge", "-p", ca])
        .await;
    rig.kubectl(&[
        "wait",
        "--for=condition=Ready",
        "oac/made",
        "--timeout=100s",
    ])
    .await;
    let again = stage.creates(&[]).await;
    again.badly(1, "made-client exists already");
    drop(operator);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_of_the_list_is_printed_with_what_is_filled_in_and_applied_as_it_is() {
    let rig = Rig::new().await;
    let list = rig
        .start_as_is(&["create", "--list-providers"], None)
        .ended()
        .await
        .well();
    assert!(
        list.contains("maskinporten") && list.contains("your-key-id"),
        "{list}"
    );
    let args = ["create", "books", "--provider", "salesforce", "--print"];
    rig.run(&args).await.badly(1, "--fill your-domain=VALUE");
    let mut filled = args.to_vec();
    filled.extend(["--fill", "your-domain=acme"]);
    let manifest = rig.run(&filled).await.well();
    assert!(
        manifest.contains("https://acme.my.salesforce.com/services/oauth2/token"),
        "{manifest}"
    );
    assert!(
        manifest.starts_with(
            "# To create the credentials (keys client_id, client_secret): kubectl oauthclient"
        ),
        "{manifest}"
    );
    rig.apply(&manifest).await;
    let object = rig.object("oac", "books").await.unwrap();
    assert_eq!(object["spec"]["tokenSecret"]["name"], "books-token");
    rig.run(&["create", "x", "--provider", "nonsense"])
        .await
        .badly(1, "there is no provider nonsense");
    rig.run(&[
        "create",
        "x",
        "--token-url",
        "https://auth.acme.test/t",
        "--client-id",
        "a",
    ])
    .await
    .badly(1, "--secret-from-stdin");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_sends_one_request_stores_nothing_and_says_what_would_be_published() {
    let stage = Stage::new().await;
    let rig = &stage.rig;
    let manifest = rig.kubectl(&["get", "oac", "api", "-o", "yaml"]).await;
    let manifest = manifest
        .replace("name: api\n", "name: fresh\n")
        .replace("api-token", "fresh-token");
    let file = rig.home.path().join("fresh.yaml");
    std::fs::write(&file, strip(&manifest)).unwrap();
    let test = ["test", "-f", file.to_str().unwrap(), "--allow-loopback"];
    let ended = rig.run(&test).await;
    shows_nothing(&ended);
    let out = ended.well();
    assert!(
        out.contains("A token was issued.") && out.contains("access_token:"),
        "{out}"
    );
    assert!(out.contains("Nothing was stored."), "{out}");
    assert_eq!(stage.provider.count(PATH), 1);
    assert!(
        rig.secret("fresh-token").await.is_none() && rig.object("oac", "fresh").await.is_none()
    );

    stage
        .provider
        .set_fault(PATH, Some(Fault::error("invalid_scope")));
    let ended = rig.run(&test).await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.out.contains("InvalidScope"), "{ended:?}");
    assert_eq!(stage.provider.count(PATH), 2);

    // The same rules as the operator's: what has not opted in, or may not go to that host, is not sent.
    let refused = async |reason: &str| {
        let ended = rig.run(&test).await;
        assert_eq!(ended.code, Some(3), "{ended:?}");
        assert!(
            ended.out.contains(reason) && ended.out.contains("No request was sent"),
            "{ended:?}"
        );
        assert_eq!(stage.provider.count(PATH), 2);
    };
    rig.kubectl(&[
        "annotate",
        "secret",
        "client",
        "--overwrite",
        "oauthclient.dev/allowed-hosts=other.example.com",
    ])
    .await;
    refused("HostNotAllowed").await;
    rig.kubectl(&[
        "annotate",
        "secret",
        "client",
        "--overwrite",
        "oauthclient.dev/allowed-hosts=127.0.0.1",
    ])
    .await;
    rig.kubectl(&["label", "secret", "client", "oauthclient.dev/credentials-"])
        .await;
    refused("CredentialsNotLabelled").await;
    let mut refreshing: Value = serde_saphyr::from_str(&strip(&manifest)).unwrap();
    refreshing["spec"]["grant"] = json!({"type": "refresh_token"});
    std::fs::write(&file, refreshing.to_string()).unwrap();
    rig.run(&test)
        .await
        .badly(1, "a refresh token may work only once");
    assert_eq!(stage.provider.count(PATH), 2);
}

/// A manifest as a person would have written it.
fn strip(manifest: &str) -> String {
    let mut value: Value = serde_saphyr::from_str(manifest).unwrap();
    let metadata =
        json!({"name": value["metadata"]["name"], "namespace": value["metadata"]["namespace"]});
    value["metadata"] = metadata;
    value.as_object_mut().unwrap().remove("status");
    serde_saphyr::to_string(&value).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_protected_resource_leads_to_a_registered_client_and_its_login_and_to_nothing_without_a_yes()
 {
    let rig = Rig::new().await;
    let options = testkit::oidc::Options {
        login: true,
        registration: true,
        ..testkit::oidc::Options::default()
    };
    let server = testkit::oidc::OidcProvider::start(options, None)
        .await
        .unwrap();
    let path = "/.well-known/oauth-protected-resource/mcp";
    let resource = Provider::plain(Script::one(path, Behaviour::default())).unwrap();
    let address = resource.url("/mcp");
    let document = |names: &str| Fault::Answer {
        status: 200,
        content_type: "application/json".into(),
        body: serde_json::json!({
            "resource": names,
            "authorization_servers": [server.issuer()],
            "scopes_supported": ["read"],
        })
        .to_string(),
        headers: Vec::new(),
    };
    let guard = ["--allow-http", "--allow-loopback"];
    let create = |more: &[&'static str]| {
        let mut args = vec!["create", "mcp", "--resource", &address];
        args.extend(guard);
        args.extend(more);
        args.into_iter().map(str::to_owned).collect::<Vec<String>>()
    };
    let run = async |more: &[&'static str]| {
        let args = create(more);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        rig.run(&args).await
    };

    // The document of another resource is not believed, and nobody is asked.
    resource.set(
        path,
        Behaviour::default().with_fault(document("https://other.example/")),
    );
    let ended = run(&["--yes"]).await;
    assert_ne!(ended.code, Some(0));
    assert!(
        ended.err.contains("document of another resource"),
        "{}",
        ended.err
    );

    // Without a terminal and without --yes there is no yes.
    resource.set(path, Behaviour::default().with_fault(document(&address)));
    let ended = run(&[]).await;
    assert_ne!(ended.code, Some(0));
    assert!(ended.out.contains("register at"), "{}", ended.out);
    assert!(rig.secret("mcp-client").await.is_none());

    // A try registers nothing.
    let ended = run(&["--yes", "--dry-run"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(rig.secret("mcp-client").await.is_none());

    let args = create(&["--yes", "--no-browser"]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let running = rig.start(&args);
    let login = running.address().await;
    assert!(login.as_str().starts_with(server.issuer()), "{login}");
    let secret = rig.secret("mcp-client").await.unwrap();
    let said = running.out();
    assert!(!said.contains(secret["client_secret"].as_str()), "{said}");
    let hosts = rig
        .kubectl(&[
            "get",
            "secret",
            "mcp-client",
            "-o",
            "jsonpath={.metadata.annotations}",
        ])
        .await;
    let host = server.issuer().trim_start_matches("http://");
    assert!(hosts.contains(host), "{hosts}");
    let spec = rig
        .kubectl(&["get", "oac", "mcp", "-o", "jsonpath={.spec}"])
        .await;
    assert!(
        spec.contains(&address) && spec.contains("refresh_token"),
        "{spec}"
    );
}
