//! Clients that a server which we did not write knows by their certificates (RFC 8705), and tokens that are bound to them.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use testkit::oidc::{Client, Event, Method, OidcProvider, Options};
use testkit::tls::{Authority, Identity, Leaf};

use crate::certificates::secret_of;
use crate::endpoint::trust;
use crate::fleet::Fleet;
use crate::harness::{CLIENT_ID, CLIENT_SECRET, SOON, Stage, Start, resource};

/// `x5t#S256` of a certificate (RFC 8705 section 3.1).
fn thumbprint(identity: &Identity) -> String {
    let lines = identity.certificate_pem.lines();
    let body: String = lines.filter(|line| !line.starts_with("-----")).collect();
    let der = STANDARD.decode(body).unwrap();
    URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, &der))
}

fn manifest(name: &str, method: &str, issuer: &str) -> String {
    let more = format!(
        "  clientAuthentication: {{method: {method}, clientID: {name}, tlsClientAuth: {{secretName: {name}-tls}}}}"
    );
    resource(name, issuer, &more)
        .replace("tokenURL", "issuerURL")
        .replace("  credentials: {secretName: client}\n", "")
        .replace("provider-ca", "independent-ca")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_independent_server_binds_tokens_to_the_certificates_it_knows_and_refuses_others() {
    let stage = Stage::new(3600.0).await;
    let fleet = Fleet::of(&stage);
    let authority = Authority::new("independent certificates").unwrap();
    let signed = authority.issue_client(Leaf::Good, "signed").unwrap();
    let own = authority.issue_client(Leaf::SelfSigned, "own").unwrap();
    let client = |id: &str, method| Client {
        id: id.to_owned(),
        method,
        ..Client::default()
    };
    let options = Options {
        clients: vec![
            // Who asks about tokens.
            Client {
                secret: CLIENT_SECRET.to_owned(),
                ..client(CLIENT_ID, Method::ClientSecretBasic)
            },
            Client {
                subject: Some("CN=signed".to_owned()),
                ..client("signed", Method::TlsClientAuth)
            },
            Client {
                certificate: Some(own.certificate_pem.clone()),
                ..client("own", Method::SelfSignedTlsClientAuth)
            },
        ],
        ..Options::default()
    };
    let server = OidcProvider::start(options, Some(&authority))
        .await
        .unwrap();
    let operator = stage.operator(Start::default()).await;
    stage.apply(&trust("independent-ca", &authority)).await;
    let names = ["signed", "own"];
    let methods = ["tls_client_auth", "self_signed_tls_client_auth"];
    for ((name, method), identity) in names.into_iter().zip(methods).zip([&signed, &own]) {
        let secret = secret_of(&format!("{name}-tls"), identity);
        stage.apply(&secret).await;
        // By its issuer: certificates are asked for at another port, which the document names (RFC 8705 section 5).
        stage.apply(&manifest(name, method, server.issuer())).await;
    }
    let looks = fleet.well(&names).await;
    for (name, identity) in names.into_iter().zip([&signed, &own]) {
        let told = server.introspect(looks[name].token().unwrap()).await;
        let told = told.unwrap();
        assert_eq!(told["active"], true, "{name}: {told}");
        assert_eq!(told["client_id"], name, "{told}");
        assert_eq!(told["cnf"]["x5t#S256"], thumbprint(identity), "{told}");
    }

    // From another authority, or not the one that the server knows: refused, reported, and resolved by the right one.
    let stranger = Authority::new("stranger").unwrap();
    let strange = stranger.issue_client(Leaf::Good, "signed").unwrap();
    let other = authority.issue_client(Leaf::SelfSigned, "own").unwrap();
    for (name, identity) in names.into_iter().zip([&strange, &other]) {
        let secret = secret_of(&format!("{name}-tls"), identity);
        stage.apply(&secret).await;
    }
    fleet.refresh("wrong").await;
    let told = fleet
        .until("each is refused", &names, SOON, |_, look| {
            look.condition("RefreshFailing").reason == "InvalidClient" && look.is("Ready", "True")
        })
        .await;
    for name in names {
        let message = told[name].condition("RefreshFailing").message;
        assert!(message.contains("certificate"), "{message}");
        assert_eq!(told[name].token(), looks[name].token(), "it stays");
    }
    // The one of the same subject and authority is as good as the first; its tokens are bound to it.
    let renewed = authority.issue_client(Leaf::Good, "signed").unwrap();
    for (name, identity) in names.into_iter().zip([&renewed, &own]) {
        let secret = secret_of(&format!("{name}-tls"), identity);
        stage.apply(&secret).await;
    }
    fleet.refresh("right").await;
    let after = fleet
        .until("each is mended", &names, SOON, |name, look| {
            look.is("RefreshFailing", "False") && look.token() != looks[name].token()
        })
        .await;
    let told = server.introspect(after["signed"].token().unwrap()).await;
    let told = told.unwrap();
    assert_eq!(told["cnf"]["x5t#S256"], thumbprint(&renewed), "{told}");
    let events = server.events().unwrap();
    let broken = |event: &Event| matches!(event, Event::Broken { .. });
    assert!(!events.iter().any(broken), "{events:?}");
    for identity in [&signed, &own, &strange, &other, &renewed] {
        let key = testkit::leaks::key_parts(&identity.key_pem);
        let key: Vec<&str> = key.iter().map(String::as_str).collect();
        crate::oracle::assert_holds_none("the log", &operator.stderr(), &key);
    }
}
