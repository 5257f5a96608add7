//! `examples/altinn.yaml`: a token of one provider is the credential at another one, which answers with nothing but its token.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use testkit::jose;
use testkit::provider::{
    Account, Authentication, Behaviour, BodyFormat, Encoding, Fault, TokenForm,
};

use crate::rig::Rig;

const MASKINPORTEN: &str = "/maskinporten/token";
const ALTINN: &str = "/altinn/exchange";

/// The example with the addresses of the test: one host, so that the paths tell the two providers apart.
fn manifest(rig: &Rig, key: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/altinn.yaml");
    let mut text = fs::read_to_string(file).unwrap();
    let mut replace = |what: &str, with: &str| {
        assert!(text.contains(what), "{what}");
        text = text.replace(what, with);
    };
    let url = |path| {
        format!(
            "tokenURL: {}\n    caBundle: {{configMapName: ca}} #",
            rig.provider.url(path)
        )
    };
    replace(
        "tokenURL: https://maskinporten.no/token",
        &url(MASKINPORTEN),
    );
    let exchange =
        "tokenURL: https://platform.altinn.no/authentication/api/v1/exchange/maskinporten";
    replace(exchange, &url(ALTINN));
    replace("hosts: maskinporten.no", "hosts: 127.0.0.1/maskinporten/");
    replace("hosts: platform.altinn.no", "hosts: 127.0.0.1/altinn/");
    let indented: Vec<String> = key.lines().map(|line| format!("    {line}")).collect();
    let placeholder = "    -----BEGIN PRIVATE KEY-----\n    the private key as you have it, in PEM\n    -----END PRIVATE KEY-----";
    replace(placeholder, &indented.join("\n"));
    text
}

fn rig() -> (Rig, String) {
    let rig = Rig::new(3600.0);
    rig.remove("books.yaml");
    rig.remove("credentials.yaml");
    let keys = jose::make("rsa").unwrap();
    let mut first = Behaviour::living(600.0);
    first.accepts.authentication = vec![Authentication::None];
    first.accepts.grant_assertion = true;
    first.accepts.assertion.audiences = vec!["https://maskinporten.no/".to_owned()];
    let signs = Account {
        id: "your-client-id".to_owned(),
        public_jwk: keys.public_jwk.clone(),
        ..Account::default()
    };
    first.accepts.clients = vec![signs, Account::default()];
    rig.provider.set(MASKINPORTEN, first);
    let mut second = Behaviour::living(1200.0);
    second.accepts.methods = vec!["GET".to_owned()];
    second.accepts.formats = vec![BodyFormat::Query];
    second.accepts.authentication = vec![Authentication::BearerToken];
    second.accepts.clients = vec![Account::default()];
    second.tokens.form = TokenForm::Jwt;
    second.shape.encoding = Encoding::Bare;
    rig.provider.set(ALTINN, second);
    let text = manifest(&rig, &keys.pkcs8);
    rig.write("altinn.yaml", &text);
    (rig, text)
}

fn published(rig: &Rig, secret: &str, key: &str) -> String {
    fs::read_to_string(rig.output().join("default").join(secret).join(key)).unwrap()
}

#[tokio::test]
async fn a_token_of_maskinporten_is_exchanged_at_altinn_where_its_owner_allows_that() {
    let (rig, text) = rig();
    // The owner of the key has not said that its tokens may go elsewhere.
    let line = text
        .lines()
        .find(|line| line.contains("allowed-token-hosts"))
        .unwrap();
    rig.write("altinn.yaml", &text.replace(line, ""));
    let (code, said) = rig.once().await;
    assert_eq!((code, rig.provider.count(ALTINN)), (1, 0), "{said}");
    assert!(
        said.contains("HostNotAllowed")
            && said.contains("or add the host to oauthclient.dev/allowed-token-hosts."),
        "{said}"
    );

    rig.write("altinn.yaml", &text);
    fs::remove_dir_all(rig.output()).unwrap();
    let (code, said) = rig.once().await;
    assert_eq!((code, rig.provider.count(ALTINN)), (0, 1), "{said}");
    // At the first look the other token may not be there yet, but nobody has to create anything.
    assert!(!said.contains("There is no Secret"), "{said}");
    let header = published(&rig, "altinn-maskinporten-token", "authorization");
    let sent = rig.provider.requests_to(ALTINN).remove(0);
    assert_eq!(sent.refused, None);
    assert_eq!(sent.header("authorization"), Some(header.as_str()));
    assert!(rig.is_valid(header.strip_prefix("Bearer ").unwrap()));
    let token = published(&rig, "altinn-token", "access_token");
    assert!(rig.is_valid(&token));
    // When the token says, not after the lifetime that is assumed otherwise.
    let end = rig.provider.introspect(&token).unwrap().to_string();
    let ends = published(&rig, "altinn-token", "expires_at");
    assert_eq!(ends.get(..19), end.get(..19));
    // A run in which nothing is due sends nothing.
    let (code, said) = rig.once().await;
    assert_eq!((code, rig.provider.count(ALTINN)), (0, 1), "{said}");
}

#[tokio::test]
async fn the_answer_may_be_a_json_string_and_an_error_is_no_token() {
    let (rig, _) = rig();
    let b64 = |text: &str| URL_SAFE_NO_PAD.encode(text);
    // In 2030.
    let end = 1_900_000_000;
    let token = format!(
        "{}.{}.c2ln",
        b64(r#"{"alg":"none"}"#),
        b64(&json!({"exp": end}).to_string())
    );
    let answer = |status, content_type: &str, body: String| Fault::Answer {
        status,
        content_type: content_type.into(),
        body,
        headers: Vec::new(),
    };
    for (status, kind, body) in [
        (401, "text/plain", "Unauthorized".to_owned()),
        (200, "text/html", "<html>Log in</html>".to_owned()),
        (200, "text/plain", "Try again later".to_owned()),
        (200, "application/json", "null".to_owned()),
    ] {
        rig.provider
            .set_fault(ALTINN, Some(answer(status, kind, body.clone())));
        let (code, said) = rig.once().await;
        assert_eq!(code, 1, "{body}: {said}");
        assert!(
            !rig.output().join("default/altinn-token").exists(),
            "{body}"
        );
        // Another attempt at once.
        fs::remove_dir_all(rig.output()).unwrap();
    }
    let json = answer(
        200,
        "application/json; charset=utf-8",
        format!("\"{token}\"\n"),
    );
    rig.provider.set_fault(ALTINN, Some(json));
    let (code, said) = rig.once().await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(published(&rig, "altinn-token", "access_token"), token);
}
