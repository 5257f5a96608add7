//! Logins of clients without a client secret, at an OAuth server that we did not write.

use serde_json::{Value, json};
use testkit::jose;
use testkit::leaks;
use testkit::oidc::{Client, Event, Method, OidcProvider, Options};
use testkit::tls::Authority;

use super::person::consents;
use super::rig::{Ended, Rig, parameter};

struct Stage {
    rig: Rig,
    server: OidcProvider,
    ca: String,
}

impl Stage {
    /// A server that knows `client`; `data` are its credentials, `authentication` how it proves itself.
    async fn new(client: Client, data: Value, authentication: &str) -> Stage {
        let rig = Rig::new().await;
        let authority = Authority::new("plugin tests").unwrap();
        let options = Options {
            clients: vec![
                // Who asks about tokens.
                Client {
                    id: "inspector".to_owned(),
                    secret: "the inspector has a secret".to_owned(),
                    ..Client::default()
                },
                client,
            ],
            login: true,
            rotate: true,
            ..Options::default()
        };
        let server = OidcProvider::start(options, Some(&authority))
            .await
            .unwrap();
        let ca = authority.pem();
        let objects = [
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "provider-ca"}, "data": {"ca.crt": ca}}),
            json!({
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {
                    "name": "client",
                    "labels": {"oauthclient.dev/credentials": "true"},
                    "annotations": {"oauthclient.dev/allowed-hosts": "127.0.0.1"},
                },
                "stringData": data,
            }),
        ];
        let resource = format!(
            "apiVersion: oauthclient.dev/v1alpha1
kind: OAuthClient
metadata: {{name: api}}
spec:
  provider: {{issuerURL: {}, caBundle: {{configMapName: provider-ca}}, timeoutSeconds: 30}}
  grant: {{type: refresh_token}}
  clientAuthentication: {{method: {authentication}}}
  credentials: {{secretName: client}}
  scopes: [openid, offline_access]
  login: {{parameters: [{{name: prompt, value: consent}}]}}
  tokenSecret: {{name: api-token}}
",
            server.issuer()
        );
        let objects = objects.map(|object| object.to_string()).join("\n---\n");
        rig.apply(&format!("{objects}\n---\n{resource}")).await;
        Stage { rig, server, ca }
    }

    /// A login by browser that goes well, from the command to the token that the operator keeps fresh. What is secret of the
    /// client shows nowhere.
    async fn logs_in(&self, secrets: &[String]) {
        let rig = &self.rig;
        let running = rig.start(&["login", "api", "--allow-loopback", "--no-browser"]);
        let address = running.address().await;
        // The provider announces pushed requests: nothing of the request stands in the address (tests/plugin/code.rs has what
        // is pushed).
        assert!(parameter(&address, "request_uri").is_some(), "{address}");
        assert!(parameter(&address, "scope").is_none(), "{address}");
        let consent = consents(&address, &self.ca).await;
        assert!(
            consent.page.contains("You are logged in"),
            "{}",
            consent.page
        );
        let code = parameter(&consent.sent_back, "code").unwrap();
        let ended = running.ended().await;
        let operator = rig.operator().await;
        let ready = ["wait", "--for=condition=Ready", "oac/api", "--timeout=100s"];
        rig.kubectl(&ready).await;
        let first = rig.secret("api-token").await.unwrap();
        rig.run(&["refresh", "api", "--wait"]).await.well();
        let second = rig.secret("api-token").await.unwrap();
        assert_ne!(first["access_token"], second["access_token"]);
        let about = self.server.introspect(&second["access_token"]).await;
        let about = about.unwrap();
        assert_eq!(about["active"], true, "{about}");
        assert_eq!(about["client_id"], "app", "{about}");
        let events = self.server.events().unwrap();
        let granted = |event: &Event| matches!(event, Event::Granted { .. });
        assert!(events.iter().all(granted), "{events:?}");
        assert_eq!(events.len(), 3, "{events:?}");

        let login = rig.secret("api-login").await.unwrap();
        let state = rig.secret("api-refresh-state").await.unwrap();
        let mut all = secrets.to_vec();
        all.extend([code, login["refresh_token"].clone()]);
        all.push(state["refresh_token"].clone());
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let Ended { out, err, .. } = &ended;
        for (place, text) in [
            ("the plugin", format!("{out}{err}{}", consent.page)),
            ("the log", operator.stdout() + &operator.stderr()),
        ] {
            let leak = leaks::find(&text, &all);
            assert!(leak.is_none(), "{place}: {leak:?}");
        }
        ended.well();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_client_logs_in_with_its_identifier_and_pkce_alone() {
    let client = Client {
        id: "app".to_owned(),
        method: Method::None,
        ..Client::default()
    };
    let stage = Stage::new(client, json!({"client_id": "app"}), "none").await;
    stage.logs_in(&[]).await;
    let login = stage.rig.secret("api-login").await.unwrap();
    let keys: Vec<&String> = login.keys().collect();
    assert_eq!(keys, ["client_id", "refresh_token"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_a_private_key_logs_in_and_the_key_stays_where_it_is() {
    let keys = jose::make("p256").unwrap();
    let client = Client {
        id: "app".to_owned(),
        method: Method::PrivateKeyJwt,
        algorithm: Some("ES256".to_owned()),
        public_jwk: Some(keys.public_jwk.clone()),
        ..Client::default()
    };
    let data = json!({"client_id": "app", "private_key": keys.pkcs8});
    let stage = Stage::new(client, data, "private_key_jwt").await;
    let mut secrets = leaks::key_parts(&keys.pkcs8);
    secrets.extend(leaks::key_parts(&keys.jwk.to_string()));
    stage.logs_in(&secrets).await;
    let login = stage.rig.secret("api-login").await.unwrap();
    let keys: Vec<&String> = login.keys().collect();
    assert_eq!(keys, ["client_id", "refresh_token"]);
}
