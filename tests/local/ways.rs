//! The other ways in which a client proves itself and gets a token: what works in a cluster works over files.

use std::fs;
use std::time::Duration;

use serde_json::json;
use testkit::jose;
use testkit::provider::{Account, Authentication, Fault};
use testkit::tls::{Authority, ClientCertificates, Identity, Leaf};

use crate::rig::{CANARY, PATH, PATIENCE, Rig, secret};

/// What a block of YAML becomes below a key.
fn block(pem: &str) -> String {
    pem.lines().map(|line| format!("    {line}\n")).collect()
}

fn accepts(rig: &Rig, way: Authentication, account: Account) {
    rig.provider.update(PATH, |behaviour| {
        behaviour.accepts.authentication = vec![way];
        behaviour.accepts.clients = vec![account];
    });
}

/// A parameter of each request, in order.
fn sent(rig: &Rig, name: &str) -> Vec<Option<String>> {
    let requests = rig.provider.requests_to(PATH);
    let values = requests.iter().map(|request| request.form_value(name));
    values.collect()
}

#[tokio::test]
async fn a_signed_assertion_proves_the_client_and_a_new_key_is_picked_up() {
    let rig = Rig::new(3600.0);
    let (old, new) = (jose::make("p256").unwrap(), jose::make("rsa").unwrap());
    let knows = |keys: &jose::Keys| {
        let account = Account {
            id: "books".to_owned(),
            public_jwk: keys.public_jwk.clone(),
            ..Account::default()
        };
        accepts(&rig, Authentication::ClientAssertion, account);
    };
    let keep = |keys: &jose::Keys| {
        let text = secret(CANARY, true);
        let key = block(&keys.pkcs8);
        rig.write(
            "credentials.yaml",
            &format!("{text}  private_key: |\n{key}"),
        );
    };
    knows(&old);
    keep(&old);
    let method = "  clientAuthentication: {method: private_key_jwt}\n";
    rig.write("books.yaml", &rig.client("books", method));
    let (code, text) = rig.once().await;
    assert_eq!((code, rig.requests()), (0, 1), "{text}");
    // The provider has only the new public key from now on.
    knows(&new);
    keep(&new);
    let (code, text) = rig.once().await;
    assert_eq!((code, rig.requests()), (0, 2), "{text}");
    assert!(rig.is_valid(&rig.token()));
    for keys in [&old, &new] {
        let line = keys.pkcs8.lines().nth(1).unwrap();
        assert!(!text.contains(line), "{text}");
    }
    let mut ids = sent(&rig, "client_assertion");
    ids.dedup();
    assert_eq!(ids.len(), 2, "each request has an assertion of its own");
}

fn certificate(identity: &Identity) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata: {{name: books-tls, labels: {{oauthclient.dev/credentials: 'true'}}}}\nstringData:\n  tls.crt: |\n{}  tls.key: |\n{}",
        block(&identity.certificate_pem),
        block(&identity.key_pem),
    )
}

#[tokio::test]
async fn a_client_certificate_is_shown_and_its_renewal_asks_for_no_token() {
    let rig = Rig::new(3600.0);
    let authority = Authority::new("of clients").unwrap();
    let account = Account {
        id: "books".to_owned(),
        certificates: vec!["CN=books".to_owned()],
        ..Account::default()
    };
    accepts(&rig, Authentication::Certificate, account);
    rig.provider
        .ask_for_certificates(ClientCertificates::Of(authority.pem()))
        .unwrap();
    let method = "  clientAuthentication: {method: tls_client_auth, clientID: books, tlsClientAuth: {secretName: books-tls}}\n";
    let manifest = rig.client("books", method);
    let manifest = manifest.replace("  credentials: {secretName: credentials}\n", "");
    rig.write("books.yaml", &manifest);
    let issue = || authority.issue_client(Leaf::Good, "books").unwrap();
    let (first, second) = (issue(), issue());
    let (code, text) = rig.once().await;
    assert_eq!((code, rig.requests()), (1, 0), "{text}");
    assert!(text.contains("books-tls"), "{text}");
    rig.write("tls.yaml", &certificate(&first));
    let (code, text) = rig.once().await;
    assert_eq!((code, rig.requests()), (0, 1), "{text}");
    rig.write("tls.yaml", &certificate(&second));
    assert_eq!((rig.once().await.0, rig.requests()), (0, 1));
    let asking = "{name: books, annotations: {oauthclient.dev/refresh-requested-at: now}}";
    rig.write("books.yaml", &manifest.replace("{name: books}", asking));
    let (code, text) = rig.once().await;
    assert_eq!((code, rig.requests()), (0, 2), "{text}");
    let shown: Vec<String> = rig
        .provider
        .requests_to(PATH)
        .into_iter()
        .map(|request| request.certificate.unwrap().sha256)
        .collect();
    assert_ne!(shown[0], shown[1], "the renewed one is shown");
    assert!(!text.contains(first.key_pem.lines().nth(1).unwrap()));
}

/// The grant of RFC 8693 with this subject token.
fn exchange(subject: &str) -> String {
    format!(
        "  grant:\n    type: urn:ietf:params:oauth:grant-type:token-exchange\n    tokenExchange: {{subjectToken: {subject}}}\n"
    )
}

#[tokio::test]
async fn a_token_of_the_credentials_is_exchanged_and_another_one_anew() {
    let rig = Rig::new(3600.0);
    let keep = |token: &str| {
        let text = secret(CANARY, true);
        rig.write("credentials.yaml", &format!("{text}  subject: {token}\n"));
    };
    keep("CANARY-subject-1");
    let grant = exchange("{credentialsKey: subject}");
    rig.write("books.yaml", &rig.client("books", &grant));
    let (code, text) = rig.once().await;
    assert_eq!((code, rig.requests()), (0, 1), "{text}");
    keep("CANARY-subject-2");
    let (code, text) = rig.once().await;
    assert_eq!((code, rig.requests()), (0, 2), "{text}");
    assert!(!text.contains("CANARY-subject"), "{text}");
    let subjects = ["CANARY-subject-1", "CANARY-subject-2"].map(|one| Some(one.to_owned()));
    assert_eq!(sent(&rig, "subject_token"), subjects);
    assert_eq!(
        sent(&rig, "subject_token_type")[0].as_deref(),
        Some("urn:ietf:params:oauth:token-type:access_token")
    );
    assert!(rig.is_valid(&rig.token()));
}

#[tokio::test]
async fn each_new_token_of_another_resource_is_exchanged_once() {
    let rig = Rig::new(3600.0);
    let shop = rig.client("shop", "");
    let lent = "{name: shop-token, labels: {oauthclient.dev/credentials: 'true'}, annotations: {oauthclient.dev/allowed-hosts: 127.0.0.1}}";
    let unlent = shop.clone();
    let shop = shop.replace("{name: shop-token}", lent);
    rig.write("shop.yaml", &unlent);
    let grant = exchange("{oauthClientName: shop}");
    rig.write("books.yaml", &rig.client("books", &grant));
    let (code, text) = rig.once().await;
    assert_eq!((code, rig.requests()), (1, 1), "{text}");
    rig.write("shop.yaml", &shop);
    let running = rig.start(&[]);
    running.line(&["default/books", "issued"]).await;
    let subjects =
        || -> Vec<String> { sent(&rig, "subject_token").into_iter().flatten().collect() };
    let of_shop =
        || fs::read_to_string(rig.output().join("default/shop-token/access_token")).unwrap();
    assert_eq!(subjects(), [of_shop()]);
    let before = rig.token();
    let asking = "{name: shop, annotations: {oauthclient.dev/refresh-requested-at: now}}";
    rig.write("shop.yaml", &shop.replace("{name: shop}", asking));
    rig.token_after(&before).await;
    assert_eq!(subjects().last(), Some(&of_shop()));
    assert!(running.terminate().await.success());
    let requests = rig.requests();
    assert_eq!(requests, 4);
    let (code, text) = rig.once().await;
    assert_eq!((code, rig.requests()), (0, requests), "{text}");
}

#[tokio::test]
async fn the_token_of_a_service_account_is_read_from_its_file_for_each_request() {
    let rig = Rig::new(6.0);
    let file = rig.folder.path().join("shop.token");
    let flag = format!("shop={}", file.display());
    let flags = ["--service-account-token-file", flag.as_str()];
    let grant = exchange("{serviceAccountToken: {serviceAccountName: shop, audience: sts}}");
    rig.write("books.yaml", &rig.client("books", &grant));
    // Nobody said where it is.
    let (code, text) = rig.once().await;
    assert_eq!((code, rig.requests()), (1, 0), "{text}");
    assert!(text.contains("--service-account-token-file"), "{text}");
    fs::write(&file, "CANARY-account-1\n").unwrap();
    let running = rig.start(&flags);
    running.line(&["default/books", "issued"]).await;
    fs::write(&file, "CANARY-account-2\n").unwrap();
    let comes = async |token: &str| {
        let wanted = Some(token.to_owned());
        testkit::wait::until_true(token, 2 * PATIENCE, || {
            sent(&rig, "subject_token").contains(&wanted)
        })
        .await
        .unwrap();
    };
    comes("CANARY-account-2").await;
    // One that is being written is no reason to send nothing for ever.
    fs::write(&file, "").unwrap();
    running.line(&["default/books", "its file is empty"]).await;
    fs::write(&file, "CANARY-account-3\n").unwrap();
    comes("CANARY-account-3").await;
    let text = running.text();
    assert!(!text.contains("CANARY-account"), "{text}");
    assert!(running.terminate().await.success());
    let first = sent(&rig, "subject_token").remove(0);
    assert_eq!(first.as_deref(), Some("CANARY-account-1"));
}

#[tokio::test]
async fn a_password_alone_is_sent_each_time_and_a_refused_one_not_again() {
    let rig = Rig::new(5.0);
    rig.provider.update(PATH, |behaviour| {
        behaviour.accepts.clients = vec![Account {
            id: "books".to_owned(),
            secret: CANARY.to_owned(),
            users: [("reader".to_owned(), "CANARY-password".to_owned())].into(),
            ..Account::default()
        }];
    });
    let keep = |password: &str| {
        let text = secret(CANARY, true);
        let person = format!("  username: reader\n  password: {password}\n");
        rig.write("credentials.yaml", &format!("{text}{person}"));
    };
    keep("CANARY-password");
    rig.write(
        "books.yaml",
        &rig.client("books", "  grant: {type: password}\n"),
    );
    let running = rig.start(&[]);
    running.line(&["default/books", "refreshed"]).await;
    keep("CANARY-wrong");
    running.line(&["default/books", "failed"]).await;
    let requests = rig.requests();
    running.line(&["default/books", "expired"]).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(
        rig.requests(),
        requests,
        "another try could lock the account"
    );
    let text = running.text();
    assert!(!text.contains("CANARY-wrong") && !text.contains("CANARY-password"));
    keep("CANARY-password");
    let before = rig.token_file();
    let before = fs::read_to_string(before).unwrap_or_default();
    rig.token_after(&before).await;
    assert_eq!(
        json!(sent(&rig, "username")),
        json!(vec!["reader"; rig.requests()])
    );
    assert!(running.terminate().await.success());
}

#[tokio::test]
async fn the_next_client_secret_takes_over_and_is_remembered_over_a_restart() {
    let rig = Rig::new(3600.0);
    rig.provider.update(PATH, |behaviour| {
        behaviour.accepts.clients = vec![Account {
            id: "books".to_owned(),
            secret: "CANARY-next".to_owned(),
            ..Account::default()
        }];
    });
    let both = format!(
        "{}  next_client_secret: CANARY-next\n",
        secret(CANARY, true)
    );
    let dated = "annotations: {oauthclient.dev/client-secret-expires-at: 2001-01-31}, labels:";
    rig.write("credentials.yaml", &both.replace("labels:", dated));
    let running = rig.start(&[]);
    running
        .line(&["failed", "next_client_secret is tried next"])
        .await;
    running.line(&["default/books", "issued"]).await;
    let line = running
        .line(&["client secret", "expired at 2001-01-31"])
        .await;
    assert!(!line.contains("kubectl"), "{line}");
    assert!(running.terminate().await.success());
    assert_eq!(rig.requests(), 2);
    let asking = "{name: books, annotations: {oauthclient.dev/refresh-requested-at: now}}";
    let manifest = rig.client("books", "").replace("{name: books}", asking);
    rig.write("books.yaml", &manifest);
    let (code, text) = rig.once().await;
    assert_eq!(
        (code, rig.requests()),
        (0, 3),
        "the right one at once: {text}"
    );
    // In the place of the old one it is the same secret: nothing is asked.
    let running = rig.start(&[]);
    let before = rig.token();
    rig.write("books.yaml", &manifest.replace("at: now", "at: again"));
    rig.token_after(&before).await;
    let state = rig.output().join(".state/secrets/default/books-token.json");
    let notes = |key: &str| fs::read_to_string(&state).is_ok_and(|text| text.contains(key));
    assert!(notes("next_client_secret"));
    rig.write("credentials.yaml", &secret("CANARY-next", true));
    testkit::wait::until_true("it is noted", PATIENCE, || !notes("next_client_secret"))
        .await
        .unwrap();
    assert!(running.terminate().await.success());
    assert_eq!((rig.once().await.0, rig.requests()), (0, 4));
    for word in [CANARY, "CANARY-next"] {
        assert!(!text.contains(word), "{text}");
    }
}

#[tokio::test]
async fn a_token_and_its_lifetime_come_in_headers_of_the_response() {
    let rig = Rig::new(3600.0);
    let headers = [
        ("x-subject-token", "CANARY-token-in-a-header"),
        ("x-ttl", "1800"),
    ];
    let answer = Fault::Answer {
        status: 201,
        content_type: "application/json".into(),
        body: json!({"token": {"methods": ["password"]}}).to_string(),
        headers: headers
            .map(|(name, value)| (name.into(), value.into()))
            .into(),
    };
    rig.provider
        .update(PATH, |behaviour| behaviour.fault = Some(answer.clone()));
    let response = "  response:\n    headers: [X-Subject-Token, X-TTL]\n    accessTokenPointer: /headers/x-subject-token\n    expiry: {pointer: /headers/x-ttl, unit: Seconds}\n";
    rig.write("books.yaml", &rig.client("books", response));
    let (code, text) = rig.once().await;
    assert_eq!(code, 0, "{text}");
    assert_eq!(rig.token(), "CANARY-token-in-a-header");
    assert!(!text.contains("CANARY-token-in-a-header"), "{text}");
}

#[tokio::test]
async fn a_client_without_a_secret_and_with_a_user_agent_of_its_own_is_known() {
    let rig = Rig::new(3600.0);
    rig.provider.update(PATH, |behaviour| {
        behaviour
            .accepts
            .headers
            .insert("user-agent".into(), "linux:books:v1 (by /u/kari)".into());
        behaviour
            .accepts
            .headers
            .insert("authorization".into(), "Basic Y2Y6".into());
        behaviour.accepts.clients = vec![Account {
            id: "cf".into(),
            ..Account::default()
        }];
    });
    let more = "  clientAuthentication: {clientID: cf, emptyClientSecret: true}\n  request:\n    headers: [{name: User-Agent, value: 'linux:books:v1 (by /u/kari)'}]\n";
    rig.write("books.yaml", &rig.client("books", more));
    let (code, text) = rig.once().await;
    assert_eq!(code, 0, "{text}");
}
