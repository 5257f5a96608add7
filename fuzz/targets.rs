//! What is fuzzed, and what must hold whatever comes: shared by the targets of `cargo fuzz` and by `tests/corpus.rs`.

use std::collections::BTreeMap;

use oauthclient_operator::clock::Clock;
use oauthclient_operator::oauth::discovery::{
    self, Caching, Issuer, LONGEST, SHORTEST, Unusable, freshness,
};
use oauthclient_operator::oauth::jwt::SigningKey;
use oauthclient_operator::oauth::{Document, HttpAnswer, ResponseShape, response};
use oauthclient_operator::secret::Secret;
use oauthclient_operator::template::{Templates, Variables};
use oauthclient_operator::time::Time;

/// Whatever stands under `private_key`: it is read or refused, and what is read can sign.
pub(crate) fn key(content: &[u8]) {
    let chance = Clock::system().chance();
    match SigningKey::parse(content, &chance.random) {
        Ok(key) => {
            let signed = key
                .choose(None)
                .and_then(|algorithm| key.sign(algorithm, b"message", &chance.random));
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
        status: if kind & 0x80 == 0 { 200 } else { 400 },
        content_type: content_type.map(str::to_owned),
        retry_after: None,
        body: Secret::new(body),
    };
    if let Ok(token) = response::decode(&ResponseShape::default(), &answer, Time::from_seconds(0)) {
        let text = token.access_token.expose().unwrap_or_default();
        assert!(!text.is_empty() && !text.chars().any(char::is_control));
    }
}

/// Whatever stands in `spec.tokenSecret.data`: it is rendered or refused, within its bounds.
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
        client_id: Some(&user),
        username: None,
    });
    if let Ok(data) = rendered {
        assert!(data.values().map(Secret::len).sum::<usize>() <= 1 << 20);
    }
}

/// The issuer that [`discovery`] asks.
const ISSUER: &str = "https://login.example.com/realms/shop";

/// Whatever stands where an issuer's document should: what is taken from it can be sent to, what is shown of it is plain.
///
/// Up to the first NUL the input is the headers that tell how long the document may be believed, a line each; the rest is
/// the body. Without a NUL it is all body.
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
        status: 200,
        content_type: None,
        retry_after: None,
        body: Secret::new(body),
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
