//! Keys of other tools, and signatures that other tools verify: what we sign is what they read.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests fail as tests do"
)]

use std::process::Command;

use oauthclient_operator::api::{self, Validated, manifest};
use oauthclient_operator::clock::Clock;
use oauthclient_operator::http::address::AddressRules;
use oauthclient_operator::http::{CaBundle, Route, Sender, SenderOptions};
use oauthclient_operator::oauth::jwt::{
    Algorithm, Chain, Fields, KeyProblem, SigningKey, Thumbprint, compact,
};
use oauthclient_operator::oauth::{
    Credentials, RequestContext, Token, TokenError, request, response,
};
use oauthclient_operator::secret::Secret;
use oauthclient_operator::trust::{Lenders, authorize};
use ring::rand::SystemRandom;
use serde_json::{Value, json};
use testkit::jose::{self, Keys};
use testkit::oidc::{self, OidcProvider};
use testkit::tls::Authority;

fn read(text: &str) -> Result<SigningKey, KeyProblem> {
    SigningKey::parse(text.as_bytes(), &SystemRandom::new())
}

fn problem(text: &str) -> KeyProblem {
    match read(text) {
        Ok(_) => panic!("it was read"),
        Err(problem) => problem,
    }
}

/// What another implementation reads of an assertion that we sign with this key.
fn read_by_others(key: &str, algorithm: Algorithm, public: &Value) -> jose::Verified {
    let mut header = Fields::default();
    header.add("typ", "JWT");
    let mut claims = Fields::default();
    claims.add("iss", "me");
    claims.add("name", "æ\"\\");
    let key = read(key).unwrap_or_else(|problem| panic!("{problem}"));
    let token = compact(&key, algorithm, &header, &claims, &SystemRandom::new());
    let token = token.ok().unwrap();
    jose::verify(token.expose().unwrap(), public).unwrap()
}

/// Every form of a private key that we read.
fn forms(keys: &Keys) -> Vec<String> {
    let mut forms = vec![keys.pkcs8.clone(), keys.jwk.to_string()];
    forms.extend(keys.traditional.clone());
    forms.push(keys.pkcs8.replace('\n', "\r\n"));
    forms.push(format!("some words\n\n{}\nmore words", keys.pkcs8));
    forms.push(format!("\u{feff}{}", keys.pkcs8.replace('\n', " ")));
    forms
}

#[test]
fn another_implementation_verifies_every_algorithm_with_a_key_in_every_form() {
    for (kind, algorithms) in [
        (
            "rsa",
            &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"][..],
        ),
        ("p256", &["ES256"]),
        ("p384", &["ES384"]),
        ("ed25519", &["EdDSA"]),
    ] {
        let keys = jose::make(kind).unwrap();
        for form in forms(&keys) {
            let usual = read(&form)
                .unwrap_or_else(|problem| panic!("{kind}: {problem}"))
                .choose(None);
            assert_eq!(usual.unwrap().name(), algorithms[0]);
        }
        for (index, name) in algorithms.iter().enumerate() {
            let forms = forms(&keys);
            let form = &forms[index % 3 % forms.len()];
            let seen = read_by_others(form, Algorithm::parse(name).unwrap(), &keys.public_jwk);
            assert_eq!(seen.header, json!({"alg": name, "typ": "JWT"}));
            assert_eq!(seen.claims, json!({"iss": "me", "name": "æ\"\\"}));
        }
        if let Some(traditional) = &keys.traditional {
            read_by_others(
                traditional,
                Algorithm::parse(algorithms[0]).unwrap(),
                &keys.public_jwk,
            );
        }
    }
    for name in ["HS256", "HS384", "HS512"] {
        let jwk = json!({"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldC1zZWNyZXQ"});
        let seen = read_by_others(&jwk.to_string(), Algorithm::parse(name).unwrap(), &jwk);
        assert_eq!(seen.header["alg"], name);
    }
}

#[test]
fn a_key_that_cannot_be_used_says_what_it_is_and_shows_nothing_of_itself() {
    let rsa = jose::make("rsa").unwrap();
    let ec = jose::make("p256").unwrap();
    let short = jose::make("rsa-short").unwrap();
    let cut = rsa.pkcs8.split("-----END").next().unwrap().to_owned();
    let garbled = ec.pkcs8.replacen("MI", "!!", 1);
    let escaped = rsa.pkcs8.trim_end().replace('\n', "\\n");
    let two = format!("{}{}", rsa.pkcs8, ec.pkcs8);
    let other = jose::make("p256").unwrap();
    let mut swapped = ec.jwk.clone();
    swapped["x"] = other.jwk["x"].clone();
    swapped["y"] = other.jwk["y"].clone();
    let cases = [
        (rsa.encrypted.clone(), KeyProblem::Encrypted),
        (
            rsa.encrypted_traditional.clone().unwrap(),
            KeyProblem::Encrypted,
        ),
        (
            ec.encrypted_traditional.clone().unwrap(),
            KeyProblem::Encrypted,
        ),
        (rsa.public_pem.clone(), KeyProblem::Public),
        (rsa.public_jwk.to_string(), KeyProblem::Public),
        (ec.public_jwk.to_string(), KeyProblem::Public),
        (short.pkcs8.clone(), KeyProblem::TooShort),
        (short.traditional.clone().unwrap(), KeyProblem::TooShort),
        (short.jwk.to_string(), KeyProblem::TooShort),
        (swapped.to_string(), KeyProblem::Inconsistent),
        (jose::make("rsa-pss").unwrap().pkcs8, KeyProblem::OtherKind),
        (jose::make("p521").unwrap().pkcs8, KeyProblem::OtherKind),
        (
            jose::make("secp256k1").unwrap().traditional.unwrap(),
            KeyProblem::OtherKind,
        ),
        (jose::make("ed448").unwrap().pkcs8, KeyProblem::OtherKind),
        (cut, KeyProblem::CutOff),
        (garbled, KeyProblem::NotBase64),
        (escaped, KeyProblem::EscapedLineBreaks),
        (two, KeyProblem::Several),
        (certificate(&ec.pkcs8), KeyProblem::Certificate),
        (
            "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----"
                .to_owned(),
            KeyProblem::OpenSsh,
        ),
        (
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----".to_owned(),
            KeyProblem::Damaged,
        ),
        (
            "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----"
                .to_owned(),
            KeyProblem::OtherPem,
        ),
    ];
    for (text, expected) in cases {
        let found = problem(&text);
        assert_eq!(found, expected);
        let said = format!("{found} {found:?}");
        let leaks = text
            .split(|c: char| !c.is_ascii_alphanumeric())
            .any(|word| word.len() > 20 && said.contains(word));
        assert!(!leaks, "{said}");
    }
}

/// A certificate of the key, by `openssl`.
fn certificate(key: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.pem");
    std::fs::write(&file, key).unwrap();
    let made = Command::new("openssl")
        .args([
            "req", "-x509", "-new", "-subj", "/CN=test", "-days", "2", "-key",
        ])
        .arg(&file)
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    String::from_utf8(made.stdout).unwrap()
}

fn thumbprint(pem: &[u8], key: &SigningKey, which: Thumbprint) -> Result<String, KeyProblem> {
    Chain::read(pem, key).map(|chain| chain.thumbprint(which))
}

#[test]
fn the_thumbprint_is_the_one_that_openssl_tells_and_the_certificate_must_be_the_keys() {
    use base64::Engine as _;
    use std::io::Write as _;
    for kind in ["rsa", "p256", "ed25519"] {
        let keys = jose::make(kind).unwrap();
        let pem = certificate(&keys.pkcs8);
        let key = read(&keys.pkcs8).ok().unwrap();
        for (which, digest, header) in [
            (Thumbprint::Sha1, "-sha1", "x5t"),
            (Thumbprint::Sha256, "-sha256", "x5t#S256"),
        ] {
            let mut openssl = Command::new("openssl")
                .args(["x509", "-noout", "-fingerprint", digest])
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            openssl
                .stdin
                .take()
                .unwrap()
                .write_all(pem.as_bytes())
                .unwrap();
            let said = String::from_utf8(openssl.wait_with_output().unwrap().stdout).unwrap();
            let hex = said.trim().split_once('=').unwrap().1;
            let bytes: Vec<u8> = hex
                .split(':')
                .map(|byte| u8::from_str_radix(byte, 16).unwrap())
                .collect();
            let expected = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
            // Key and certificate may be in one text.
            let both = format!("{}{pem}", keys.pkcs8);
            assert_eq!(thumbprint(both.as_bytes(), &key, which), Ok(expected));
            assert_eq!(which.header(), header);
        }
        let other = certificate(&jose::make(kind).unwrap().pkcs8);
        let refused = thumbprint(other.as_bytes(), &key, Thumbprint::Sha256);
        assert_eq!(refused, Err(KeyProblem::OtherCertificate));
        let none = thumbprint(keys.pkcs8.as_bytes(), &key, Thumbprint::Sha256);
        assert_eq!(none, Err(KeyProblem::NotACertificate));
    }
}

/// A resource of this token endpoint.
fn resource(url: &str, more: &str) -> Validated {
    let text = format!(
        "apiVersion: oauthclient.dev/v1alpha1\nkind: OAuthClient\nmetadata: {{name: one}}\nspec:\n  provider: {{tokenURL: {url:?}}}\n  \
         credentials: {{secretName: client}}\n  tokenSecret: {{name: token}}\n  scopes: [read]\n{more}"
    );
    manifest::parse_manifest(&text)
        .and_then(|resource| api::validate(&resource))
        .unwrap_or_else(|problems| panic!("{problems:?}"))
}

async fn exchange(
    resource: &Validated,
    credentials: &[(&str, &str)],
    authority: &Authority,
) -> Result<Token, TokenError> {
    let sender = Sender::new(SenderOptions {
        addresses: AddressRules {
            allow_loopback: true,
            ..AddressRules::default()
        },
        ..SenderOptions::default()
    })
    .unwrap();
    let pairs = credentials
        .iter()
        .map(|(key, value)| ((*key).to_owned(), Secret::from(*value)));
    let (clock, nonce) = (Clock::system(), Clock::system().nonce());
    let context = RequestContext::new(clock.now(), &nonce);
    let request = request::build(
        &resource.client,
        &Credentials::new(pairs.collect(), Lenders::none()),
        &context,
    )
    .unwrap_or_else(|problem| panic!("{problem}"));
    let route = Route {
        ca: Some(CaBundle::from_pem(authority.pem().as_bytes()).unwrap()),
        timeout: std::time::Duration::from_secs(30),
        identity: None,
    };
    let request = authorize(&request, &Lenders::none()).unwrap_or_else(|why| panic!("{why:?}"));
    let answer = sender
        .send(&request, &route)
        .await
        .unwrap_or_else(|error| panic!("{error:?}"));
    response::decode(&resource.client.response, &answer, clock.now())
}

#[tokio::test]
async fn an_independent_server_takes_private_key_jwt_by_every_algorithm_and_client_secret_jwt() {
    const SECRET: &str =
        "a-secret-that-is-long-enough-for-hs512-which-wants-sixty-four-bytes-and-more";
    let authority = Authority::new("independent").unwrap();
    let kinds = ["rsa", "p256", "p384", "ed25519"].map(|kind| jose::make(kind).unwrap());
    let [rsa, p256, p384, ed25519] = &kinds;
    let cases = [
        ("RS256", rsa),
        ("RS384", rsa),
        ("RS512", rsa),
        ("PS256", rsa),
        ("PS384", rsa),
        ("PS512", rsa),
        ("ES256", p256),
        ("ES384", p384),
        ("EdDSA", ed25519),
    ];
    let mut clients: Vec<oidc::Client> = cases
        .iter()
        .map(|(algorithm, keys)| {
            let mut public = keys.public_jwk.clone();
            public["kid"] = json!("the key");
            oidc::Client {
                id: format!("client+{algorithm}"),
                method: oidc::Method::PrivateKeyJwt,
                algorithm: Some((*algorithm).to_owned()),
                public_jwk: Some(public),
                ..oidc::Client::default()
            }
        })
        .collect();
    clients.extend(["HS256", "HS384", "HS512"].map(|algorithm| oidc::Client {
        id: format!("client+{algorithm}"),
        secret: SECRET.to_owned(),
        method: oidc::Method::ClientSecretJwt,
        algorithm: Some(algorithm.to_owned()),
        ..oidc::Client::default()
    }));
    let options = oidc::Options {
        clients,
        ..oidc::Options::default()
    };
    let server = OidcProvider::start(options, Some(&authority))
        .await
        .unwrap();
    let private = |algorithm: &str, more: &str| {
        resource(
            server.token_endpoint(),
            &format!(
                "  clientAuthentication:\n    method: private_key_jwt\n    privateKeyJWT: {{algorithm: {algorithm}, keyID: the key{more}}}\n"
            ),
        )
    };
    for (algorithm, keys) in cases {
        let id = format!("client+{algorithm}");
        let own = [
            ("client_id", id.as_str()),
            ("private_key", keys.pkcs8.as_str()),
        ];
        let token = exchange(&private(algorithm, ""), &own, &authority).await;
        assert_eq!(
            token
                .unwrap_or_else(|error| panic!("{algorithm}: {error:?}"))
                .scope
                .as_deref(),
            Some("read")
        );
        // The issuer as the audience, and no client_id beside the assertion, are as good.
        let more = format!(", audience: {:?}, sendClientID: false", server.issuer());
        assert!(
            exchange(&private(algorithm, &more), &own, &authority)
                .await
                .is_ok(),
            "{algorithm}"
        );
        // For another audience it is refused, and so is another key.
        let other = private(algorithm, ", audience: \"https://elsewhere.example.com\"");
        let refused = exchange(&other, &own, &authority).await.err().unwrap();
        assert_eq!(refused.reason(), "InvalidClient", "{algorithm}");
    }
    let wrong = jose::make("p256").unwrap();
    let own = [
        ("client_id", "client+ES256"),
        ("private_key", wrong.pkcs8.as_str()),
    ];
    let refused = exchange(&private("ES256", ""), &own, &authority)
        .await
        .err()
        .unwrap();
    assert_eq!(refused.reason(), "InvalidClient");
    for algorithm in ["HS256", "HS384", "HS512"] {
        let id = format!("client+{algorithm}");
        let resource = resource(
            server.token_endpoint(),
            &format!(
                "  clientAuthentication:\n    method: client_secret_jwt\n    clientSecretJWT: {{algorithm: {algorithm}}}\n"
            ),
        );
        let own = [("client_id", id.as_str()), ("client_secret", SECRET)];
        assert!(
            exchange(&resource, &own, &authority).await.is_ok(),
            "{algorithm}"
        );
        let wrong = [
            ("client_id", id.as_str()),
            (
                "client_secret",
                "another-secret-that-is-long-enough-for-hs512-which-wants-sixty-four-bytes",
            ),
        ];
        let refused = exchange(&resource, &wrong, &authority).await.err().unwrap();
        assert_eq!(refused.reason(), "InvalidClient", "{algorithm}");
    }
}

#[test]
fn the_chain_is_sent_in_its_order_and_in_base64_with_padding() {
    let authority = testkit::tls::Authority::new("of the chain").unwrap();
    let own = authority
        .issue_client(testkit::tls::Leaf::Good, "books")
        .unwrap();
    let random = ring::rand::SystemRandom::new();
    let key = SigningKey::parse(own.key_pem.as_bytes(), &random).unwrap();
    let both = format!("{}\n{}", own.certificate_pem, authority.pem());
    let chain = Chain::read(both.as_bytes(), &key).unwrap().x5c();
    let inner =
        |pem: &str| -> String { pem.lines().filter(|line| !line.starts_with('-')).collect() };
    assert_eq!(
        chain,
        [inner(&own.certificate_pem), inner(&authority.pem())]
    );
    // Another order has another certificate first, which is not the key's.
    let turned = format!("{}\n{}", authority.pem(), own.certificate_pem);
    let refused = Chain::read(turned.as_bytes(), &key).err();
    assert_eq!(refused, Some(KeyProblem::OtherCertificate));
}
