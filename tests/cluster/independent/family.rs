//! Refresh tokens at a server that we did not write: each works once, and using one again ends its whole family.

use testkit::oidc::{Client, Event, OidcProvider, Options};
use testkit::tcp_proxy::{TcpMode, TcpProxy};
use testkit::tls::Authority;
use testkit::wait;

use crate::endpoint::trust;
use crate::harness::{CLIENT_ID, CLIENT_SECRET, SOON, Stage, resource};
use crate::refresh_tokens::{SPEC, quick, with_token};

fn client() -> Client {
    Client {
        id: CLIENT_ID.to_owned(),
        secret: CLIENT_SECRET.to_owned(),
        ..Client::default()
    }
}

struct Family {
    stage: Stage,
    server: OidcProvider,
    /// The refresh token in the credentials.
    first: String,
}

impl Family {
    async fn new() -> Family {
        let stage = Stage::new(3600.0).await;
        let authority = Authority::new("independent families").unwrap();
        let options = Options {
            clients: vec![client()],
            login: true,
            rotate: true,
            ..Options::default()
        };
        let server = OidcProvider::start(options, Some(&authority))
            .await
            .unwrap();
        stage.apply(&trust("independent-ca", &authority)).await;
        let first = server.consent(CLIENT_ID).await.unwrap();
        stage.apply(&with_token("client", &first)).await;
        Family {
            stage,
            server,
            first,
        }
    }

    /// A resource whose token endpoint, or whose issuer, is at `url`. A response that is given up while the server is granting
    /// costs the family, so the timeout is longer than a busy machine takes.
    fn manifest(url: &str, more: &str) -> String {
        resource("main", url, &format!("{SPEC}\n{more}"))
            .replace("provider-ca", "independent-ca")
            .replace("timeoutSeconds: 5", "timeoutSeconds: 60")
    }

    /// How many token requests the server granted, and how many it refused.
    fn told(&self) -> (usize, usize) {
        let events = self.server.events().unwrap();
        let granted = |event: &&Event| matches!(event, Event::Granted { .. });
        let granted = events.iter().filter(granted).count();
        (granted, events.len() - granted)
    }

    async fn until(&self, told: (usize, usize)) {
        let what = format!("{} granted and {} refused", told.0, told.1);
        let met = wait::until(&what, SOON, || async {
            let now = self.told();
            let other = || testkit::Error::new(format!("{} granted and {} refused", now.0, now.1));
            (now == told).then_some(()).ok_or_else(other)
        });
        met.await.unwrap();
    }

    /// It stays like that.
    async fn quiet(&self, told: (usize, usize)) {
        for _ in 0..20 {
            assert_eq!(self.told(), told);
            tokio::time::sleep(std::time::Duration::from_millis(250)).await;
        }
    }

    async fn token(&self) -> String {
        let mut data = self.stage.secret("main-token").await.unwrap();
        data.remove("access_token").unwrap()
    }

    async fn is_active(&self, token: &str) -> bool {
        self.server.introspect(token).await.unwrap()["active"] == true
    }

    /// Somebody else asks with a refresh token of the family: the status.
    async fn somebody_else_asks(&self, token: &str) -> u16 {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.server.ask(&client(), &form).await.unwrap().0
    }

    async fn current(&self) -> String {
        let mut state = self.stage.state("main").await.unwrap();
        state.remove("refresh_token").unwrap()
    }

    async fn needs_a_login(&self) {
        let told = self
            .stage
            .wait_for("main", "Stalled", "True", "ReauthorizationRequired");
        let told = told.await;
        assert!(told.contains("kubectl oauthclient login main"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_independent_servers_refresh_tokens_rotate_and_a_family_that_is_revoked_waits_for_a_login()
 {
    let family = Family::new().await;
    let stage = &family.stage;
    let operator = stage.operator(quick()).await;
    let manifest = Family::manifest(family.server.token_endpoint(), "");
    stage.apply(&manifest).await;
    stage.wait_for("main", "Ready", "True", "").await;
    for granted in 2..5 {
        stage.request_refresh("main").await;
        family.until((granted, 0)).await;
        stage
            .until("it is published", || async {
                family.is_active(&family.token().await).await
            })
            .await;
    }
    // A restart sends no request, and continues where it was.
    operator.kill();
    let operator = stage.operator(quick()).await;
    family.quiet((4, 0)).await;
    stage.request_refresh("main").await;
    family.until((5, 0)).await;
    stage
        .until("the last one is kept", || async {
            family.is_active(&family.token().await).await
        })
        .await;
    let token = family.token().await;

    // The first one is used by another party: the server revokes the family, and the operator is not informed.
    assert_eq!(family.somebody_else_asks(&family.first).await, 400);
    assert!(!family.is_active(&token).await);
    stage.request_refresh("main").await;
    family.needs_a_login().await;
    family.until((5, 2)).await;
    stage.request_refresh("main").await;
    operator.kill();
    let _operator = stage.operator(quick()).await;
    family.quiet((5, 2)).await;

    // A person logs in again.
    let fresh = family.server.consent(CLIENT_ID).await.unwrap();
    stage.apply(&with_token("main-login", &fresh)).await;
    stage.wait_for("main", "Stalled", "False", "").await;
    stage.wait_for("main", "Ready", "True", "TokenValid").await;
    family.until((6, 2)).await;
    assert!(family.is_active(&family.token().await).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_of_an_independent_server_is_asked_for_once_more_and_never_again() {
    let family = Family::new().await;
    let stage = &family.stage;
    let issuer = url::Url::parse(family.server.issuer()).unwrap();
    let address = issuer.socket_addrs(|| None).unwrap().remove(0);
    let proxy = TcpProxy::start(address).unwrap();
    // Slow enough to be cut between the answer's first byte and its last.
    proxy.set(TcpMode::Trickle(200));
    let operator = stage.operator(quick()).await;
    let url = format!("https://{}/token", proxy.address());
    let manifest = Family::manifest(&url, "");
    stage.apply(&manifest).await;
    family.until((1, 0)).await;
    proxy.cut();
    proxy.set(TcpMode::Pass);
    // It is unknown whether it was used, so it is sent once more: it was, and the server revokes the family.
    family.until((1, 1)).await;
    family.needs_a_login().await;
    stage.request_refresh("main").await;
    family.quiet((1, 1)).await;
    assert!(operator.terminate(SOON).await.unwrap().success());
    let _operator = stage.operator(quick()).await;
    family.quiet((1, 1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_independent_server_revokes_the_family_of_a_resource_that_is_deleted() {
    let family = Family::new().await;
    let stage = &family.stage;
    let _operator = stage.operator(quick()).await;
    let revoking = "  revocation: {onDeletion: true}";
    let manifest = Family::manifest(family.server.issuer(), revoking);
    stage
        .apply(&manifest.replace("tokenURL", "issuerURL"))
        .await;
    stage.wait_for("main", "Ready", "True", "").await;
    stage.request_refresh("main").await;
    family.until((2, 0)).await;
    stage
        .until("the second token is published", || async {
            family.is_active(&family.token().await).await
        })
        .await;
    let (token, refresh_token) = (family.token().await, family.current().await);
    assert_ne!(refresh_token, family.first);
    stage.kubectl(&["delete", "oauthclient", "main"]).await;
    assert!(!family.is_active(&token).await);
    assert_eq!(family.somebody_else_asks(&refresh_token).await, 400);
}
