//! Files of `examples/` as they lie there, but for address, trust and keys: each gets a token from a provider that is strict
//! about what the file is an example of.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;
use testkit::jose;
use testkit::provider::{
    Account, Authentication, Behaviour, BodyFormat, Fault, Lifetimes, ParameterRule, Preset,
    RefreshTokens, TimeField, TimeUnit, TokenForm, Written,
};
use testkit::tls::{Authority, ClientCertificates, Leaf};

use crate::rig::{PATH, Rig};

/// The examples that are run here.
const HERE: [&str; 11] = [
    "apple",
    "entra-certificate",
    "feide-login",
    "helseid",
    "issuer",
    "mutual-tls",
    "refresh-token",
    "restart",
    "salesforce",
    "tripletex",
    "wechat",
];
/// Those that are run in a cluster, by the file of `tests/` in which they are named.
const ELSEWHERE: [(&str, &[&str]); 5] = [
    (
        "cluster/providers.rs",
        &[
            "barentswatch",
            "barentswatch-password",
            "bokbasen",
            "bokbasen-json",
            "kongsberg",
            "feide",
        ],
    ),
    (
        "cluster/assertions.rs",
        &[
            "google",
            "maskinporten",
            "github-app",
            "okta",
            "auth0",
            "keycloak",
        ],
    ),
    (
        "cluster/federation.rs",
        &["entra-federated", "keycloak-exchange", "saml-bearer"],
    ),
    ("local/altinn.rs", &["altinn"]),
    ("docs/commands.rs", &["smallest"]),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_example_is_run_somewhere() {
    let there: BTreeSet<String> = crate::rig::names(&root().join("examples"))
        .into_iter()
        .map(|name| name.trim_end_matches(".yaml").to_owned())
        .collect();
    let mut run: BTreeSet<String> = HERE.map(str::to_owned).into();
    for (file, names) in ELSEWHERE {
        let text = fs::read_to_string(root().join("tests").join(file)).unwrap();
        for name in names {
            let is_named =
                text.contains(&format!("\"{name}\"")) || text.contains(&format!("/{name}.yaml"));
            assert!(is_named, "{file} does not run {name}");
            run.insert((*name).to_owned());
        }
    }
    assert_eq!(there, run);
}

/// A provider, and one example for it instead of the default manifests.
struct Stand {
    rig: Rig,
    name: &'static str,
    text: String,
}

impl Stand {
    /// `url` is the file's address, on its line as `tokenURL: URL`; `behaviour` is what the provider does.
    fn new(name: &'static str, url: &str, behaviour: Behaviour) -> Stand {
        let rig = Rig::new(3600.0);
        rig.provider.set(PATH, behaviour);
        rig.remove("books.yaml");
        rig.remove("credentials.yaml");
        let file = root().join(format!("examples/{name}.yaml"));
        let text = fs::read_to_string(file).unwrap();
        let host = url::Url::parse(url).unwrap().host_str().unwrap().to_owned();
        let mut stand = Stand { rig, name, text };
        stand.replace(
            &format!("allowed-hosts: {host}"),
            "allowed-hosts: 127.0.0.1",
        );
        let at = stand.rig.provider.url(PATH);
        let trusted = format!("caBundle: {{configMapName: ca}}\n    tokenURL: {at}");
        if stand.text.contains("tokenURL") {
            stand.replace(&format!("tokenURL: {url}"), &trusted);
        }
        stand
    }

    /// Replaces what must be there.
    fn replace(&mut self, what: &str, with: &str) {
        assert!(self.text.contains(what), "{}: {what}", self.name);
        self.text = self.text.replace(what, with);
    }

    /// Puts a PEM document in the place of the one under this key.
    fn put(&mut self, key: &str, pem: &str) {
        let (before, rest) = self.text.split_once(&format!("  {key}: |\n")).unwrap();
        let kept = rest.lines().skip_while(|line| line.starts_with("    "));
        let indented = pem.lines().map(|line| format!("    {line}"));
        let lines: Vec<String> = indented.chain(kept.map(str::to_owned)).collect();
        self.text = format!("{before}  {key}: |\n{}\n", lines.join("\n"));
    }

    /// Runs it to its end; the published token, and the other keys of its folder.
    async fn runs(&self, secret: &str) -> (String, Vec<String>) {
        self.rig.write("example.yaml", &self.text);
        let (code, text) = self.rig.once().await;
        assert_eq!(code, 0, "{}: {text}", self.name);
        for request in self.rig.provider.requests_to(PATH) {
            assert_eq!(request.refused, None, "{}", self.name);
        }
        let folder = self.rig.output().join("default").join(secret);
        let token = fs::read_to_string(folder.join("access_token")).unwrap();
        assert!(self.rig.is_valid(&token), "{}", self.name);
        let mut keys = crate::rig::names(&folder);
        keys.retain(|key| !key.starts_with(".."));
        (token, keys)
    }
}

/// A certificate of a key, and the SHA-256 of it.
fn certificate(key: &str, folder: &Path) -> (String, Vec<u8>) {
    let file = folder.join("key.pem");
    fs::write(&file, key).unwrap();
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-new", "-subj", "/CN=test", "-days", "2"]);
    let made = openssl.arg("-key").arg(&file).output().unwrap();
    assert!(made.status.success());
    let pem = String::from_utf8(made.stdout).unwrap();
    let inner: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(inner).unwrap();
    let digest = ring::digest::digest(&ring::digest::SHA256, &der);
    (pem, digest.as_ref().to_vec())
}

#[tokio::test]
async fn entra_takes_an_assertion_that_names_its_certificate() {
    let url =
        "https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000/oauth2/v2.0/token";
    let keys = jose::make("rsa").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (pem, sha256) = certificate(&keys.pkcs8, folder.path());
    let mut behaviour = Behaviour::living(3600.0);
    behaviour.accepts.authentication = vec![Authentication::ClientAssertion];
    behaviour.accepts.clients = vec![Account {
        id: "11111111-1111-1111-1111-111111111111".to_owned(),
        public_jwk: keys.public_jwk.clone(),
        ..Account::default()
    }];
    behaviour.accepts.scopes = vec!["https://graph.microsoft.com/.default".to_owned()];
    let rule = &mut behaviour.accepts.assertion;
    let header = json!({"alg": "PS256", "x5t#S256": URL_SAFE_NO_PAD.encode(sha256)});
    rule.header = header.as_object().unwrap().clone();
    let mut stand = Stand::new("entra-certificate", url, behaviour);
    stand.put("tls.crt", &pem);
    stand.put("tls.key", &keys.pkcs8);
    stand.rig.provider.update(PATH, |behaviour| {
        behaviour.accepts.assertion.audiences = vec![stand.rig.provider.url(PATH)];
    });
    stand.runs("entra-certificate-token").await;
}

#[tokio::test]
async fn feide_refreshes_what_a_login_brought() {
    let mut behaviour = Preset::Feide.behaviour(Lifetimes::Real);
    behaviour.accepts.grants = vec!["refresh_token".to_owned()];
    behaviour.refresh_tokens = RefreshTokens {
        issue: true,
        rotate: true,
        grace_seconds: 0.0,
    };
    let url = "https://auth.dataporten.no/oauth/token";
    let mut stand = Stand::new("feide-login", url, behaviour);
    stand.rig.write("example.yaml", &stand.text);
    let (code, text) = stand.rig.once().await;
    assert_eq!((code, stand.rig.requests()), (1, 0), "{text}");
    assert!(text.contains("AwaitingLogin"), "{text}");
    let token = stand
        .rig
        .provider
        .issue_refresh_token(PATH, "your-client-id");
    // As a login writes it.
    stand.text += &format!(
        "---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: feide-login-login\n  labels: {{oauthclient.dev/credentials: 'true'}}\n  annotations: {{oauthclient.dev/allowed-hosts: 127.0.0.1}}\nstringData: {{client_id: your-client-id, refresh_token: {token}}}\n"
    );
    stand.runs("feide-login-token").await;
    let sent = stand.rig.provider.requests_to(PATH).remove(0);
    assert_eq!(sent.form_value("refresh_token"), Some(token));
}

#[tokio::test]
async fn a_refresh_token_of_the_credentials_is_the_first() {
    let mut behaviour = Behaviour::living(3600.0);
    behaviour.accepts.grants = vec!["refresh_token".to_owned()];
    behaviour.refresh_tokens = RefreshTokens {
        issue: true,
        rotate: true,
        grace_seconds: 0.0,
    };
    let url = "https://auth.example.com/oauth/token";
    let mut stand = Stand::new("refresh-token", url, behaviour);
    let first = stand
        .rig
        .provider
        .issue_refresh_token(PATH, "your-client-id");
    stand.replace("your-first-refresh-token", &first);
    stand.runs("reports-token").await;
}

#[tokio::test]
async fn an_issuer_is_discovered_for_the_hosts_that_are_allowed() {
    let issuer = "https://auth.example.com/realms/shop";
    let mut stand = Stand::new("issuer", issuer, Behaviour::living(3600.0));
    let provider = &stand.rig.provider;
    let (own, token) = (provider.url("/realms/shop"), provider.url(PATH));
    let document = Fault::Answer {
        status: 200,
        content_type: "application/json".into(),
        body: json!({"issuer": own, "token_endpoint": token, "revocation_endpoint": token})
            .to_string(),
        headers: Vec::new(),
    };
    provider.set(
        "/.well-known/oauth-authorization-server/realms/shop",
        Behaviour::default().with_fault(document),
    );
    let trusted = format!("caBundle: {{configMapName: ca}}\n    issuerURL: {own}");
    stand.replace(&format!("issuerURL: {issuer}"), &trusted);
    stand.runs("by-issuer-token").await;
}

#[tokio::test]
async fn a_certificate_is_all_that_a_client_needs() {
    let authority = Authority::new("of clients").unwrap();
    let mut behaviour = Behaviour::living(3600.0);
    behaviour.accepts.authentication = vec![Authentication::Certificate];
    behaviour.accepts.clients = vec![Account {
        id: "bookshop".to_owned(),
        certificates: vec!["CN=bookshop".to_owned()],
        ..Account::default()
    }];
    let url = "https://auth.example.com/oauth/token";
    let mut stand = Stand::new("mutual-tls", url, behaviour);
    let asked = ClientCertificates::Of(authority.pem());
    stand.rig.provider.ask_for_certificates(asked).unwrap();
    let identity = authority.issue_client(Leaf::Good, "bookshop").unwrap();
    stand.replace("your certificate and its chain, in PEM", "|\n    x");
    stand.replace("your private key, in PEM", "|\n    x");
    stand.put("tls.crt", &identity.certificate_pem);
    stand.put("tls.key", &identity.key_pem);
    stand.runs("bookshop-token").await;
}

#[tokio::test]
async fn salesforce_tells_an_address_and_its_token_tells_its_end() {
    let mut behaviour = Behaviour::living(1800.0);
    behaviour.accepts.authentication = vec![Authentication::Post];
    behaviour.accepts.clients = vec![Account {
        id: "your-consumer-key".to_owned(),
        secret: "your-consumer-secret".to_owned(),
        ..Account::default()
    }];
    behaviour.tokens.form = TokenForm::Jwt;
    behaviour.shape.times = Vec::new();
    let address = json!("https://your-domain.my.salesforce.com");
    behaviour.shape.extra.insert("instance_url".into(), address);
    let url = "https://your-domain.my.salesforce.com/services/oauth2/token";
    let stand = Stand::new("salesforce", url, behaviour);
    let (token, keys) = stand.runs("salesforce-token").await;
    assert_eq!(keys, ["access_token", "instance_url"]);
    let folder = stand.rig.output().join("default/salesforce-token");
    let told = fs::read_to_string(folder.join("instance_url")).unwrap();
    assert_eq!(told, "https://your-domain.my.salesforce.com");
    // When the token itself says, and not after the hour that is assumed otherwise.
    let end = stand.rig.provider.introspect(&token).unwrap().as_second();
    let state = stand.rig.output().join(".state/secrets/default");
    let state = fs::read_to_string(state.join("salesforce-token.json")).unwrap();
    let end = jiff::Timestamp::from_second(end).unwrap();
    assert!(state.contains(&format!("\"{end}\"")), "{end}: {state}");
}

#[tokio::test]
async fn apple_takes_a_signed_jwt_as_the_client_secret() {
    let keys = jose::make("p256").unwrap();
    let mut behaviour = Behaviour::living(3600.0);
    behaviour.accepts.authentication = vec![Authentication::SignedSecret];
    behaviour.accepts.clients = vec![Account {
        id: "DEF123GHIJ".to_owned(),
        public_jwk: keys.public_jwk.clone(),
        ..Account::default()
    }];
    behaviour.accepts.grants = vec!["refresh_token".to_owned()];
    behaviour.refresh_tokens = RefreshTokens {
        issue: true,
        rotate: false,
        grace_seconds: 0.0,
    };
    let rule = &mut behaviour.accepts.assertion;
    rule.audiences = vec!["https://appleid.apple.com".to_owned()];
    let header = json!({"alg": "ES256", "kid": "ABC123DEFG"});
    rule.header = header.as_object().unwrap().clone();
    let claims = json!({"sub": "com.example.your-service"});
    rule.claims = claims.as_object().unwrap().clone();
    let mut stand = Stand::new("apple", "https://appleid.apple.com/auth/token", behaviour);
    let first = stand.rig.provider.issue_refresh_token(PATH, "DEF123GHIJ");
    stand.replace("your-refresh-token", &first);
    stand.put("private_key", &keys.pkcs8);
    stand.runs("apple-token").await;
    let sent = stand.rig.provider.requests_to(PATH).remove(0);
    assert_eq!(sent.form_value("client_assertion_type"), None);
}

#[tokio::test]
async fn tripletex_is_asked_by_put_with_a_date_in_the_query() {
    let in_two_days = || {
        let then = testkit::clock::now() + jiff::SignedDuration::from_hours(48);
        then.strftime("%Y-%m-%d").to_string()
    };
    let before = in_two_days();
    let mut behaviour = Behaviour::living(2.0 * 86_400.0);
    behaviour.accepts.methods = vec!["PUT".to_owned()];
    behaviour.accepts.formats = vec![BodyFormat::Query];
    behaviour.accepts.authentication = vec![Authentication::None];
    let required = |value: &str| ParameterRule {
        required: true,
        values: vec![value.to_owned()],
        ..ParameterRule::default()
    };
    let parameters = &mut behaviour.accepts.parameters;
    parameters.insert("consumerToken".to_owned(), required("your-consumer-token"));
    parameters.insert("employeeToken".to_owned(), required("your-employee-token"));
    behaviour.shape.access_token = "/value/token".to_owned();
    behaviour.shape.token_type = None;
    behaviour.shape.times = vec![TimeField::end(
        "/value/expirationDate",
        TimeUnit::Rfc3339,
        Written::Literal(json!(before)),
    )];
    let url = "https://tripletex.no/v2/token/session/:create";
    let mut stand = Stand::new("tripletex", url, behaviour);
    // The scripted provider judges tokens by the file of the usual key.
    stand.replace(
        "    data:\n",
        "    data:\n      access_token: \"{{ access_token }}\"\n",
    );
    let (token, keys) = stand.runs("tripletex-token").await;
    assert_eq!(keys, ["access_token", "authorization"]);
    let folder = stand.rig.output().join("default/tripletex-token");
    let header = fs::read_to_string(folder.join("authorization")).unwrap();
    let expected = format!("Basic {}", STANDARD.encode(format!("0:{token}")));
    assert_eq!(header, expected);
    let sent = stand.rig.provider.requests_to(PATH).remove(0);
    assert_eq!((sent.method.as_str(), sent.body.len()), ("PUT", 0));
    let target = url::Url::parse("http://127.0.0.1")
        .unwrap()
        .join(&sent.target)
        .unwrap();
    let mut pairs = target.query_pairs();
    let date = pairs
        .find(|(name, _)| name == "expirationDate")
        .unwrap()
        .1
        .into_owned();
    assert!([before, in_two_days()].contains(&date), "{date}");
    // Secrets in a URL are no more to be seen than elsewhere.
    let output = fs::read_to_string(stand.rig.folder.path().join("log")).unwrap();
    assert!(!output.contains("your-consumer-token"), "{output}");
}

#[tokio::test]
async fn helseid_takes_the_organization_in_the_assertion_and_binds_the_token() {
    let issuer = "https://helseid-sts.nhn.no";
    let keys = jose::make("p256").unwrap();
    let mut behaviour = Behaviour::living(600.0);
    behaviour.accepts.authentication = vec![Authentication::ClientAssertion];
    behaviour.accepts.clients = vec![Account {
        id: "your-client-id".to_owned(),
        public_jwk: keys.public_jwk.clone(),
        ..Account::default()
    }];
    behaviour.accepts.scopes = vec!["nhn:your-api/read".to_owned()];
    behaviour.shape.token_type = Some("DPoP".to_owned());
    let rule = &mut behaviour.accepts.assertion;
    rule.longest_seconds = 60;
    let header = json!({"typ": "client-authentication+jwt", "alg": "ES256"});
    rule.header = header.as_object().unwrap().clone();
    let organization =
        json!({"system": "urn:oid:1.0.6523", "type": "ENH", "value": "NO:ORGNR:994598759"});
    let claims = json!({"assertion_details": [{"type": "helseid_authorization", "practitioner_role": {"organization": {"identifier": organization}}}]});
    rule.claims = claims.as_object().unwrap().clone();
    let mut stand = Stand::new("helseid", issuer, behaviour);
    let provider = &stand.rig.provider;
    let (own, token) = (provider.url("/sts"), provider.url(PATH));
    let document = Fault::Answer {
        status: 200,
        content_type: "application/json".into(),
        body: json!({"issuer": own, "token_endpoint": token}).to_string(),
        headers: Vec::new(),
    };
    provider.set(
        "/.well-known/oauth-authorization-server/sts",
        Behaviour::default().with_fault(document),
    );
    provider.update(PATH, |behaviour| {
        behaviour.accepts.assertion.audiences = vec![own.clone()];
    });
    let trusted = format!("caBundle: {{configMapName: ca}}\n    issuerURL: {own}");
    stand.replace(&format!("issuerURL: {issuer}"), &trusted);
    let jwk = keys.jwk.to_string();
    let placeholder = r#"{"kty":"EC","the private JWK":"as you registered its public part"}"#;
    stand.replace(placeholder, &jwk);
    stand.replace("your-organization-number", "994598759");
    let (_, published) = stand.runs("helseid-token").await;
    assert_eq!(
        published,
        [
            "access_token",
            "dpop_jwk",
            "dpop_key",
            "expires_at",
            "token_type"
        ]
    );
    let sent = stand.rig.provider.requests_to(PATH).remove(0);
    assert!(sent.header("dpop").is_some());
}

#[tokio::test]
async fn an_error_code_of_the_providers_own_is_shown_and_means_what_the_manifest_says() {
    let url = "https://api.weixin.qq.com/cgi-bin/token";
    let behaviour = || {
        let mut behaviour = Behaviour::living(7200.0);
        behaviour.accepts.methods = vec!["GET".to_owned()];
        behaviour.accepts.formats = vec![BodyFormat::Query];
        behaviour.accepts.authentication = vec![Authentication::None];
        behaviour.accepts.clients = Vec::new();
        behaviour.accepts.grants = vec!["client_credential".to_owned()];
        behaviour
    };
    let refusing = |body: &str| {
        behaviour().with_fault(Fault::Answer {
            status: 200,
            content_type: "application/json".into(),
            body: body.to_owned(),
            headers: Vec::new(),
        })
    };
    let stand = Stand::new("wechat", url, behaviour());
    stand.runs("wechat-token").await;
    for (body, shown) in [
        (
            r#"{"errcode":40164,"errmsg":"invalid ip"}"#,
            "40164 at /errcode (HTTP 200), mapped to AccessDenied",
        ),
        (
            r#"{"errcode":40001,"errmsg":"invalid credential"}"#,
            "40001 at /errcode (HTTP 200), mapped to InvalidClient",
        ),
        (
            r#"{"errcode":45009,"errmsg":"limit"}"#,
            "45009 at /errcode (HTTP 200), mapped to RateLimited",
        ),
        // A code of which the manifest says nothing.
        (
            r#"{"errcode":50005,"errmsg":"frozen"}"#,
            "answered with 50005 at /errcode and without an access token",
        ),
    ] {
        let stand = Stand::new("wechat", url, refusing(body));
        stand.rig.write("example.yaml", &stand.text);
        let (code, text) = stand.rig.once().await;
        assert_eq!(code, 1, "{text}");
        assert!(text.contains(shown), "{text}");
    }
}

#[tokio::test]
async fn a_workload_is_named_and_local_says_that_it_restarts_none() {
    let url = "https://login.example.com/oauth2/token";
    let stand = Stand::new("restart", url, Behaviour::living(3600.0));
    stand.rig.write("example.yaml", &stand.text);
    let (code, text) = stand.rig.once().await;
    assert_eq!(code, 0, "{text}");
    assert!(
        text.contains("Deployment reports is not restarted: only an operator in a cluster"),
        "{text}"
    );
    assert!(stand.rig.output().join("default/reports-token").is_dir());
}
