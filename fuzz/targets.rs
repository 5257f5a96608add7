//! What is fuzzed, and what must hold whatever comes: shared by the targets of `cargo fuzz` and by `tests/corpus.rs`.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oauthclient_operator::clock::Clock;
use oauthclient_operator::http::{CaBundle, ClientIdentity};
use oauthclient_operator::oauth::discovery::{
    self, Caching, Issuer, LONGEST, SHORTEST, Unusable, freshness,
};
use oauthclient_operator::oauth::jwt::{Chain, SigningKey, Thumbprint};
use oauthclient_operator::oauth::login::redirect::{self, Expected, Redirect};
use oauthclient_operator::oauth::login::{check_id_token, device, device::Poll};
use oauthclient_operator::oauth::{Document, HttpAnswer, ResponseShape, refresh, response};
use oauthclient_operator::render::{Templates, Variables};
use oauthclient_operator::secret::Secret;
use oauthclient_operator::time::{Span, Time};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};

/// Any content of `private_key` is parsed or refused, and a parsed key can sign.
pub(crate) fn key(content: &[u8]) {
    let nonce = Clock::system().nonce();
    match SigningKey::parse(content, &nonce.random) {
        Ok(key) => {
            let signed = key
                .choose(None)
                .and_then(|algorithm| key.sign(algorithm, b"message", &nonce.random));
            // A JWK may name an algorithm that does not fit it; everything else can sign.
            assert!(signed.is_ok() || content.windows(3).any(|part| part == b"alg"));
        }
        Err(problem) => assert!(!problem.to_string().is_empty()),
    }
}

/// Whatever a token endpoint answers: it is understood or refused, and what is published can go into a header.
pub(crate) fn response(body: &[u8]) {
    // The first byte chooses the content type, so that every decoder is met.
    let (kind, body) = body.split_first().unwrap_or((&0, &[]));
    let content_type = match kind % 4 {
        0 => Some("application/json"),
        1 => Some("application/x-www-form-urlencoded"),
        2 => Some("text/plain"),
        _ => None,
    };
    let answer = HttpAnswer {
        headers: Vec::new(),
        status: if kind & 0x80 == 0 { 200 } else { 400 },
        content_type: content_type.map(str::to_owned),
        retry_after: None,
        body: Secret::new(body),
        sent: Default::default(),
    };
    if let Ok(token) = response::decode(&ResponseShape::default(), &answer, Time::from_seconds(0)) {
        let text = token.access_token.expose().unwrap_or_default();
        assert!(!text.is_empty() && !text.chars().any(char::is_control));
    }
}

/// Any content of `spec.tokenSecret.data` is rendered or refused, within its limits.
pub(crate) fn template(source: &[u8]) {
    let Ok(source) = std::str::from_utf8(source) else {
        return;
    };
    let sources = BTreeMap::from([("key".to_owned(), source.to_owned())]);
    let Ok(templates) = Templates::parse(&sources) else {
        return;
    };
    let (token, user) = (Secret::from("token"), Secret::from("user"));
    let document = Document(serde_json::from_str(r#"{"a":[1,{"b":null}]}"#).unwrap_or_default());
    let rendered = templates.render(&Variables {
        access_token: &token,
        token_type: "Bearer",
        expires_at: Time::from_seconds(1_700_000_000),
        scope: None,
        response: &document,
        credentials: &BTreeMap::from([("client_id".to_owned(), user)]),
        dpop: None,
        refresh_token: None,
        sent: &Default::default(),
        echoes: false,
    });
    if let Ok(data) = rendered {
        assert!(data.values().map(Secret::len).sum::<usize>() <= 1 << 20);
    }
}

/// The issuer of [`discovery`].
const ISSUER: &str = "https://login.example.com/realms/shop";

/// Any document of an issuer: a request can be sent to each parsed endpoint, and what is shown of it is plain text.
///
/// Up to the first NUL, the input holds the headers about caching, one per line; the rest is the body. Without a NUL,
/// all of it is
/// the body.
pub(crate) fn discovery(content: &[u8]) {
    let mut halves = content.splitn(2, |byte| *byte == 0);
    let (first, second) = (halves.next().unwrap_or_default(), halves.next());
    let (headers, body) = match second {
        Some(body) => (first, body),
        None => (&[][..], first),
    };
    let headers = String::from_utf8_lossy(headers);
    let mut lines = headers.split('\n').map(str::to_owned);
    let caching = Caching {
        cache_control: lines.next(),
        expires: lines.next(),
        date: lines.next(),
        age: lines.next(),
    };
    let believed = freshness(&caching, Time::from_seconds(1_700_000_000));
    assert!((SHORTEST..=LONGEST).contains(&believed));

    let Some(issuer) = Issuer::parse(ISSUER) else {
        return;
    };
    let answer = HttpAnswer {
        headers: Vec::new(),
        status: 200,
        content_type: None,
        retry_after: None,
        body: Secret::new(body),
        sent: Default::default(),
    };
    match discovery::decode(&issuer, &answer) {
        Ok(metadata) => {
            for with_certificate in [false, true] {
                let endpoints = metadata.endpoints_for(with_certificate);
                let optional = [
                    endpoints.revocation,
                    endpoints.authorization,
                    endpoints.device_authorization,
                ];
                for url in optional.into_iter().flatten().chain([endpoints.token]) {
                    assert!(matches!(url.scheme(), "https" | "http") && url.has_host());
                    assert!(url.username().is_empty() && url.password().is_none());
                }
            }
        }
        Err(Unusable::OtherIssuer { says: Some(says) }) => {
            assert!(says.bytes().all(|byte| byte.is_ascii_graphic()));
            let other = Issuer::parse(&says);
            assert!(other.is_some());
            for url in other.iter().flat_map(Issuer::documents) {
                assert_eq!(
                    Some(url.origin()),
                    other.as_ref().map(|one| one.url().origin())
                );
            }
        }
        Err(problem) => assert!(!problem.to_string().is_empty()),
    }
}

/// Any content of `tls.crt` or of a CA bundle is parsed or refused. What is not PEM is used as the inside of a PEM
/// block.
pub(crate) fn certificate(content: &[u8]) {
    let wrapped;
    let pem = if content.starts_with(b"-----") {
        content
    } else {
        let inner = STANDARD.encode(content);
        wrapped = format!("-----BEGIN CERTIFICATE-----\n{inner}\n-----END CERTIFICATE-----\n");
        wrapped.as_bytes()
    };
    if let Err(problem) = CaBundle::from_pem(pem) {
        assert!(!problem.to_string().is_empty());
    }
    // One key for all: whose certificate it is comes last.
    let nonce = Clock::system().nonce();
    let key = KEY.get_or_init(|| generated(&nonce.random));
    if let Err(problem) = ClientIdentity::from_pem(
        pem,
        key.as_bytes(),
        &oauthclient_operator::trust::Lenders::none(),
    ) {
        assert!(!problem.to_string().is_empty());
    }
    if let Ok(key) = SigningKey::parse(key.as_bytes(), &nonce.random) {
        match Chain::read(pem, &key) {
            Ok(chain) => {
                assert!(!chain.thumbprint(Thumbprint::Sha1).is_empty());
                assert!(!chain.x5c().is_empty());
            }
            Err(problem) => assert!(!problem.to_string().is_empty()),
        }
    }
}

static KEY: OnceLock<String> = OnceLock::new();

/// A new private key.
fn generated(random: &dyn ring::rand::SecureRandom) -> String {
    let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, random);
    let inner = made.map(|key| STANDARD.encode(key.as_ref()));
    let inner = inner.unwrap_or_default();
    format!("-----BEGIN PRIVATE KEY-----\n{inner}\n-----END PRIVATE KEY-----\n")
}

/// Whatever comes back to a login: from the browser, from the device authorization endpoint, in an ID token.
pub(crate) fn login(content: &[u8]) {
    let (kind, content) = content.split_first().unwrap_or((&0, &[]));
    let (Ok(endpoint), now) = (url::Url::parse(ISSUER), Time::from_seconds(0)) else {
        return;
    };
    let answer = |status| HttpAnswer {
        headers: Vec::new(),
        status,
        content_type: None,
        retry_after: None,
        body: Secret::new(content),
        sent: Default::default(),
    };
    match kind % 3 {
        0 => {
            let expected = Expected {
                state: "state",
                issuer: (kind & 0x40 != 0).then_some(ISSUER),
                issuer_promised: kind & 0x80 != 0,
                endpoint: &endpoint,
            };
            match redirect::read(&String::from_utf8_lossy(content), &expected) {
                Redirect::Code(code) => assert!(!code.is_empty()),
                Redirect::Refused(refusal) => assert!(!refusal.explain().is_empty()),
                Redirect::Foreign | Redirect::OtherIssuer | Redirect::Malformed => {}
            }
        }
        1 => {
            if let Ok(code) = device::decode(&answer(200), now) {
                assert!(!code.user_code.chars().any(char::is_control));
                let shown = [Some(code.verification_uri), code.verification_uri_complete];
                for url in shown.into_iter().flatten() {
                    assert!(matches!(url.scheme(), "https" | "http"));
                    assert!(!url.as_str().chars().any(char::is_control));
                }
                assert!(code.interval >= Span::from_seconds(1));
                assert!(code.life <= Span::from_seconds(3600));
            }
            for status in [200, 400] {
                if let Poll::Granted(token) =
                    device::polled(&ResponseShape::default(), &answer(status), now)
                {
                    assert!(status == 200 && !token.access_token.is_empty());
                }
            }
        }
        _ => {
            if let Ok(answer) = serde_json::from_slice::<serde_json::Value>(content) {
                let checked = check_id_token(&answer, "nonce", "client", Some(ISSUER));
                assert!(checked.is_ok() || answer.get("id_token").is_some());
                let next = refresh::returned(&ResponseShape::default(), &Document(answer));
                assert!(next.token.is_none_or(|token| !token.is_empty()));
            }
        }
    }
}
