//! Credentials, status and refresh, and what is said when rights or parts are missing.

use serde_json::Value;

use super::code::Stage;
use super::rig::Rig;

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_made_from_standard_input_for_one_host() {
    let stage = Stage::new().await;
    let rig = &stage.rig;
    let namespace = rig.namespace.as_str();
    let args = [
        "credentials",
        "create",
        "fresh",
        "--client-id",
        "app",
        "--secret-from-stdin",
        "--for",
        "api",
        "-n",
        namespace,
    ];
    let ended = rig
        .start_as_is(&args, Some("canary-token-secret\n"))
        .ended()
        .await;
    super::code::shows_nothing(&ended);
    ended.well();
    let object = rig.object("secret", "fresh").await.unwrap();
    assert_eq!(
        object["metadata"]["labels"]["oauthclient.dev/credentials"],
        "true"
    );
    let hosts = &object["metadata"]["annotations"]["oauthclient.dev/allowed-hosts"];
    assert!(hosts.as_str().unwrap().starts_with("127.0.0.1:"), "{hosts}");
    let data = rig.secret("fresh").await.unwrap();
    assert_eq!(data["client_id"], "app");
    assert_eq!(data["client_secret"], "canary-token-secret");

    let ended = rig.start_as_is(&args, Some("other")).ended().await;
    ended.badly(1, "exists already. Give --replace");
    let mut replace = args.to_vec();
    replace.extend(["--replace", "--dry-run"]);
    let out = rig
        .start_as_is(&replace, Some("other"))
        .ended()
        .await
        .well();
    assert!(out.contains("nothing was written"), "{out}");
    assert_eq!(
        rig.secret("fresh").await.unwrap()["client_secret"],
        "canary-token-secret"
    );
    replace.pop();
    rig.start_as_is(&replace, Some("other"))
        .ended()
        .await
        .well();
    assert_eq!(rig.secret("fresh").await.unwrap()["client_secret"], "other");
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_need_a_host_a_terminal_or_standard_input_and_never_an_argument() {
    let rig = Rig::new().await;
    let create = ["credentials", "create", "x", "--client-id", "app"];
    rig.run(&create)
        .await
        .badly(1, "say where the credentials may be sent");
    let mut hosted = create.to_vec();
    hosted.extend(["--host", "auth.example.com"]);
    rig.run(&hosted).await.badly(1, "--secret-from-stdin");
    let mut argued = hosted.clone();
    argued.push("--client-secret=hunter2");
    let said = rig.run(&argued).await.badly(2, "unexpected argument");
    assert!(!said.contains("hunter2"), "{said}");
    let key = rig.home.path().join("key.pem");
    std::fs::write(&key, "-----BEGIN PRIVATE KEY-----\n").unwrap();
    let file = format!("private_key={}", key.display());
    hosted.extend(["--no-secret", "--key", &file]);
    rig.run(&hosted).await.well();
    let data = rig.secret("x").await.unwrap();
    assert_eq!(
        data.keys().collect::<Vec<_>>(),
        ["client_id", "private_key"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn status_and_refresh_tell_what_a_person_wants_to_know_and_never_the_token() {
    let stage = Stage::new().await;
    let rig = &stage.rig;
    let ended = rig.run(&["status", "api"]).await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.out.contains("has not observed it yet"), "{ended:?}");

    let _operator = rig.operator().await;
    rig.kubectl(&["wait", "--for=condition=Ready", "oac/api", "--timeout=100s"])
        .await;
    let ended = rig.run(&["status", "api"]).await;
    super::code::shows_nothing(&ended);
    let out = ended.well();
    assert!(out.contains(": ready (TokenValid)"), "{out}");
    assert!(
        out.contains("Expires:") && out.contains("in 9 min"),
        "{out}"
    );
    let table = rig.run(&["status"]).await.well();
    let head = table.lines().next().unwrap();
    assert_eq!(
        head.split_whitespace().collect::<Vec<_>>(),
        ["NAME", "READY", "REASON", "EXPIRES", "REFRESH", "SECRET"]
    );
    let json = rig.run(&["status", "-o", "json"]).await.well();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["ready"], true);
    assert_eq!(json[0]["tokenSecret"], "api-token");

    let before = rig.secret("api-token").await.unwrap()["access_token"].clone();
    let out = rig.run(&["refresh", "api", "--wait"]).await.well();
    assert!(out.contains(": ready (TokenValid)"), "{out}");
    let after = rig.secret("api-token").await.unwrap()["access_token"].clone();
    assert_ne!(before, after);

    let fault = testkit::provider::Fault::error("invalid_client");
    stage.provider.set_fault("/token", Some(fault));
    let ended = rig.run(&["refresh", "api", "--wait"]).await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.out.contains("InvalidClient"), "{ended:?}");
    let wide = rig.run(&["status", "-o", "wide"]).await;
    assert!(wide.out.contains("InvalidClient x1"), "{wide:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_named_with_the_command_that_mends_it() {
    let rig = Rig::new().await;
    rig.run(&["status", "nothing"])
        .await
        .badly(1, "there is no OAuthClient nothing");
    let nobody = rig
        .plane
        .service_account(&rig.namespace, "default")
        .await
        .unwrap();
    let kubeconfig = rig.home.path().join("nobody");
    nobody.write(&kubeconfig).unwrap();
    let file = kubeconfig.to_str().unwrap();
    rig.run(&["status", "--kubeconfig", file])
        .await
        .badly(1, "--verb=list --resource=oauthclients.oauthclient.dev");
    let nowhere = nobody.with_server("https://127.0.0.1:1".to_owned());
    nowhere.write(&kubeconfig).unwrap();
    rig.run(&["status", "--kubeconfig", file]).await.badly(
        1,
        "no connection to the Kubernetes API at https://127.0.0.1:1",
    );
    rig.run(&["status", "--context", "nonsense"])
        .await
        .badly(1, "no cluster to talk to");
}
