//! A login whose resource uses refresh tokens, from the first consent to what `status` reports about it.

use testkit::provider::RefreshTokens;
use url::Url;

use super::code::{Stage, shows_nothing};
use super::rig::parameter;

impl Stage {
    /// Logs in, with this in the browser's answer.
    async fn consent(&self) {
        let running = self.login(&["--no-browser"]);
        let address = running.address().await;
        let state = parameter(&address, "state").unwrap();
        let right = [("code", "canary-authorization-code"), ("state", &state)];
        let (status, page) = self.comes_back(&address, &right).await;
        assert_eq!(status, 200, "{page}");
        let ended = running.ended().await;
        shows_nothing(&ended);
        ended.well();
    }

    /// The output of `status api`.
    async fn told(&self) -> String {
        let ended = self.rig.run(&["status", "api"]).await;
        shows_nothing(&ended);
        ended.out
    }

    /// The line with that name in the output of `status api`.
    async fn line(&self, name: &str) -> String {
        let told = self.told().await;
        let start = format!("  {name}:");
        let found = told.lines().find(|line| line.starts_with(&start));
        found.unwrap_or_else(|| panic!("{name}: {told}")).to_owned()
    }

    async fn wait_for(&self, condition: &str) {
        let condition = format!("--for=condition={condition}");
        let args = ["wait", &condition, "oac/api", "--timeout=100s"];
        self.rig.kubectl(&args).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn status_tells_of_the_login_of_its_refresh_token_and_of_what_mends_it() {
    let stage = Stage::with("", "  grant: {type: refresh_token}").await;
    stage.provider.update("/token", |behaviour| {
        behaviour.refresh_tokens = RefreshTokens {
            issue: true,
            rotate: true,
            grace_seconds: 0.0,
        };
        let extra = &mut behaviour.shape.extra;
        extra.insert("refresh_expires_in".to_owned(), 86_400.into());
    });
    let rig = &stage.rig;
    let namespace = rig.namespace.as_str();
    let _operator = rig.operator().await;
    let mend = format!("kubectl oauthclient login api -n {namespace}");
    stage.wait_for("Reconciling").await;
    let line = stage.line("Refresh token").await;
    assert!(line.contains("none yet") && line.ends_with(&mend), "{line}");

    stage.consent().await;
    stage.wait_for("Ready").await;
    let line = stage.line("Refresh token").await;
    assert!(line.contains("from the login; expires in 23 h"), "{line}");
    let line = stage.line("Login").await;
    assert!(line.contains("Secret api-login, created "), "{line}");
    assert!(line.contains(" ago (") && line.contains(", for 127.0.0.1:"));
    let json = rig.run(&["status", "api", "-o", "json"]).await.well();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let told = &json[0]["refreshToken"];
    assert_eq!(told["source"], "LoginSecret", "{told}");
    assert_eq!(told["state"], "InUse", "{told}");
    assert_eq!(told["login"]["secret"], "api-login", "{told}");

    // Refused by the provider: `status` names the command that resolves it.
    let refused = testkit::provider::Fault::error("invalid_grant");
    stage.provider.set_fault("/token", Some(refused));
    rig.run(&["refresh", "api", "--wait"]).await;
    stage.wait_for("Stalled").await;
    let line = stage.line("Refresh token").await;
    assert!(
        line.contains("no longer works (from the login)") && line.ends_with(&mend),
        "{line}"
    );
    stage.provider.set_fault("/token", None);
    stage.consent().await;
    let mut line = stage.line("Refresh token").await;
    for _ in 0..100 {
        if line.contains("from the login; expires in 23 h") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        line = stage.line("Refresh token").await;
    }
    assert!(line.contains("from the login; expires in 23 h"), "{line}");

    // A user who may not read Secrets sees the rest.
    let viewer = rig
        .plane
        .service_account(namespace, "default")
        .await
        .unwrap();
    let role = "--resource=oauthclients.oauthclient.dev";
    rig.kubectl(&["create", "role", "look", "--verb=get,list", role])
        .await;
    let account = format!("--serviceaccount={namespace}:default");
    rig.kubectl(&["create", "rolebinding", "look", "--role=look", &account])
        .await;
    let kubeconfig = rig.home.path().join("viewer");
    viewer.write(&kubeconfig).unwrap();
    let file = kubeconfig.to_str().unwrap();
    let out = rig
        .run(&["status", "api", "--kubeconfig", file])
        .await
        .well();
    assert!(out.contains("in use; expires in 23 h"), "{out}");
    assert!(!out.contains("Login:"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_goes_on_with_the_second_client_secret_where_the_first_is_refused() {
    let stage = Stage::new().await;
    stage
        .rig
        .kubectl(&[
            "patch",
            "secret",
            "client",
            "-p",
            r#"{"stringData": {"next_client_secret": "canary-client-secret-next"}}"#,
        ])
        .await;
    stage.provider.update("/token", |behaviour| {
        behaviour.accepts.clients[0].secret = "canary-client-secret-next".to_owned();
    });
    stage.consent().await;
    let requests = stage.provider.requests_to("/token");
    let seen: Vec<bool> = requests.iter().map(|one| one.refused.is_none()).collect();
    assert_eq!(seen, [false, true], "each secret once");
    let codes = requests.iter().map(|one| one.form_value("code"));
    assert_eq!(codes.flatten().count(), 2);
    // Where both are refused, nothing is tried a third time.
    stage.provider.update("/token", |behaviour| {
        behaviour.accepts.clients[0].secret = "another".to_owned();
    });
    let running = stage.login(&["--no-browser"]);
    let address = running.address().await;
    let state = parameter(&address, "state").unwrap();
    let right = [("code", "canary-authorization-code"), ("state", &state)];
    stage.comes_back(&address, &right).await;
    let ended = running.ended().await;
    shows_nothing(&ended);
    ended.badly(1, "invalid_client");
    assert_eq!(stage.provider.count("/token"), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_may_be_sent_to_the_host_that_refreshes_too() {
    let elsewhere = "    refreshURL: https://refresh.example.com/token";
    let grant = "  grant: {type: refresh_token}";
    let stage = Stage::with(elsewhere, grant).await;
    let ended = stage.login(&["--no-browser"]).ended().await;
    ended.badly(1, "may not be sent to refresh.example.com");
    let hosts = "oauthclient.dev/allowed-hosts=127.0.0.1,refresh.example.com";
    let args = ["annotate", "secret", "client", "--overwrite", hosts];
    stage.rig.kubectl(&args).await;
    stage.consent().await;
    let secret = stage.rig.object("secret", "api-login").await.unwrap();
    let port = Url::parse(&stage.provider.url("")).unwrap().port().unwrap();
    assert_eq!(
        secret["metadata"]["annotations"]["oauthclient.dev/allowed-hosts"],
        format!("127.0.0.1:{port},refresh.example.com")
    );
}
