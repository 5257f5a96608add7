use proptest::prelude::*;

use super::*;
use crate::secret::Secret;
use crate::time::{Span, Time};

fn issuer(text: &str) -> Issuer {
    Issuer::parse(text).unwrap()
}

fn answer(status: u16, body: impl Into<Vec<u8>>) -> HttpAnswer {
    HttpAnswer {
        headers: Vec::new(),
        status,
        content_type: Some("application/json".into()),
        retry_after: None,
        body: Secret::new(body),
        sent: Default::default(),
    }
}

fn read(text: &str, body: &str) -> Result<Metadata, Unusable> {
    decode(&issuer(text), &answer(200, body))
}

#[test]
fn the_document_stands_where_the_two_standards_put_it() {
    for (text, rfc8414, openid) in [
        (
            // The example of RFC 8414 section 3.1.
            "https://example.com",
            "https://example.com/.well-known/oauth-authorization-server",
            "https://example.com/.well-known/openid-configuration",
        ),
        (
            // The example with a path of the same section.
            "https://example.com/issuer1",
            "https://example.com/.well-known/oauth-authorization-server/issuer1",
            "https://example.com/issuer1/.well-known/openid-configuration",
        ),
        (
            "https://example.com/",
            "https://example.com/.well-known/oauth-authorization-server",
            "https://example.com/.well-known/openid-configuration",
        ),
        (
            "https://example.com/issuer1/",
            "https://example.com/.well-known/oauth-authorization-server/issuer1",
            "https://example.com/issuer1/.well-known/openid-configuration",
        ),
        (
            "https://keycloak.example:8443/realms/shop",
            "https://keycloak.example:8443/.well-known/oauth-authorization-server/realms/shop",
            "https://keycloak.example:8443/realms/shop/.well-known/openid-configuration",
        ),
        (
            "https://login.microsoftonline.com/3b0e0a35-5a2f-4bb8-9d3f-1b0b8bd3a7e2/v2.0",
            "https://login.microsoftonline.com/.well-known/oauth-authorization-server/3b0e0a35-5a2f-4bb8-9d3f-1b0b8bd3a7e2/v2.0",
            "https://login.microsoftonline.com/3b0e0a35-5a2f-4bb8-9d3f-1b0b8bd3a7e2/v2.0/.well-known/openid-configuration",
        ),
        (
            "https://[2001:db8::1]:9443/a%20b/c",
            "https://[2001:db8::1]:9443/.well-known/oauth-authorization-server/a%20b/c",
            "https://[2001:db8::1]:9443/a%20b/c/.well-known/openid-configuration",
        ),
    ] {
        let [first, second] = issuer(text).documents();
        assert_eq!((first.as_str(), second.as_str()), (rfc8414, openid));
    }
}

#[test]
fn what_is_no_issuer_is_refused() {
    for text in [
        "",
        "example.com",
        "ftp://example.com",
        "https://",
        "https://example.com?x",
        "https://example.com/#",
        "https://user@example.com",
        "https://exa mple.com",
        "https://example.com/é",
    ] {
        assert_eq!(Issuer::parse(text), None, "{text}");
    }
}

#[test]
fn a_whole_document_names_every_endpoint() {
    let metadata = read(
        "https://a.example",
        r#"{"issuer":"https://a.example","token_endpoint":"https://t.example/token","revocation_endpoint":"https://t.example/revoke",
            "authorization_endpoint":"https://a.example/auth","device_authorization_endpoint":"https://a.example/device",
            "jwks_uri":"https://a.example/jwks","mtls_endpoint_aliases":{"token_endpoint":"https://mtls.example/token"}}"#,
    )
    .unwrap();
    let url = |text: &str| text.parse::<Url>().unwrap();
    let plain = metadata.endpoints_for(false);
    assert_eq!(plain.token, url("https://t.example/token"));
    assert_eq!(plain.revocation, Some(url("https://t.example/revoke")));
    assert_eq!(plain.authorization, Some(url("https://a.example/auth")));
    assert_eq!(
        plain.device_authorization,
        Some(url("https://a.example/device"))
    );
    // RFC 8705 section 5: the alias where there is one, the usual endpoint where there is none.
    let mtls = metadata.endpoints_for(true);
    assert_eq!(mtls.token, url("https://mtls.example/token"));
    assert_eq!(mtls.revocation, plain.revocation);
}

#[test]
fn the_issuer_is_compared_character_by_character() {
    let body = r#"{"issuer":"https://a.example/","token_endpoint":"https://a.example/token"}"#;
    assert!(read("https://a.example/", body).is_ok());
    assert_eq!(
        read("https://a.example", body),
        Err(Unusable::OtherIssuer {
            says: Some("https://a.example/".into())
        })
    );
    for says in [
        "https://A.example/",
        "https://a.example:443/",
        "http://a.example/",
    ] {
        let body = format!(r#"{{"issuer":"{says}","token_endpoint":"https://a.example/token"}}"#);
        let told = read("https://a.example/", &body);
        assert_eq!(
            told,
            Err(Unusable::OtherIssuer {
                says: Some(says.into())
            })
        );
    }
}

#[test]
fn an_issuer_that_is_no_plain_address_is_not_shown() {
    for says in [
        "secret-token",
        "https://user:pw@a.example",
        "https://a.example/?token=abc",
        &format!("https://a.example/{}", "x".repeat(300)),
    ] {
        let body = format!(r#"{{"issuer":"{says}","token_endpoint":"https://a.example/token"}}"#);
        let told = read("https://b.example", &body);
        assert_eq!(told, Err(Unusable::OtherIssuer { says: None }), "{says}");
    }
}

#[test]
fn what_is_no_document_is_told_without_its_content() {
    for body in [
        "",
        "<html>secret</html>",
        "[]",
        "null",
        "secret",
        "{}",
        r#"{"issuer":7,"token_endpoint":"https://a.example/token"}"#,
        r#"{"issuer":"https://a.example"}"#,
        r#"{"issuer":"https://a.example","token_endpoint":7}"#,
        r#"{"issuer":"https://a.example","token_endpoint":"/token"}"#,
        r#"{"issuer":"https://a.example","token_endpoint":"ftp://a.example/token"}"#,
        r#"{"issuer":"https://a.example","token_endpoint":"https://u:p@a.example/token"}"#,
        r#"{"issuer":"https://a.example","token_endpoint":"https://a.example/token#x"}"#,
        r#"{"issuer":"https://a.example","issuer":"https://b.example","token_endpoint":"https://a.example/token"}"#,
        r#"{"issuer":"https://a.example","token_endpoint":"https://a.example/token"} trailing"#,
    ] {
        match read("https://a.example", body) {
            Err(told @ Unusable::NoDocument { .. }) => {
                assert!(!told.to_string().contains("secret"), "{body}");
            }
            other => panic!("{body}: {other:?}"),
        }
    }
    let issuer = issuer("https://a.example");
    assert_eq!(
        decode(&issuer, &answer(404, "{}")),
        Err(Unusable::Status(404))
    );
    assert_eq!(
        decode(&issuer, &answer(302, "")),
        Err(Unusable::Status(302))
    );
}

#[test]
fn other_endpoints_that_cannot_be_sent_to_count_as_missing() {
    let metadata = read(
        "https://a.example",
        r#"{"issuer":"https://a.example","token_endpoint":"https://a.example/token","revocation_endpoint":"javascript:alert(1)","mtls_endpoint_aliases":"none"}"#,
    )
    .unwrap();
    assert_eq!(metadata.endpoints.revocation, None);
    assert_eq!(metadata.mtls, Aliases::default());
}

#[test]
fn a_document_is_believed_as_long_as_its_headers_say_within_bounds() {
    let now = Time::parse_rfc3339("2026-01-01T12:00:00Z").unwrap();
    let control = |value: &str| Caching {
        cache_control: Some(value.into()),
        ..Caching::default()
    };
    let seconds = |caching: &Caching| freshness(caching, now).seconds();
    assert_eq!(seconds(&Caching::default()), 3600);
    assert_eq!(seconds(&control("public, max-age=7200")), 7200);
    assert_eq!(seconds(&control("Max-Age=\"900\"")), 900);
    assert_eq!(seconds(&control("max-age=1")), SHORTEST.seconds());
    assert_eq!(seconds(&control("max-age=0")), SHORTEST.seconds());
    assert_eq!(seconds(&control("no-store")), SHORTEST.seconds());
    assert_eq!(
        seconds(&control("no-cache, max-age=9000")),
        SHORTEST.seconds()
    );
    assert_eq!(
        seconds(&control("max-age=99999999999999999999")),
        LONGEST.seconds()
    );
    assert_eq!(seconds(&control("max-age=-1")), USUAL.seconds());
    assert_eq!(seconds(&control("max-age=soon")), USUAL.seconds());
    let aged = Caching {
        age: Some("600".into()),
        ..control("max-age=1800")
    };
    assert_eq!(seconds(&aged), 1200);
    let expires = |text: &str| Caching {
        expires: Some(text.into()),
        ..Caching::default()
    };
    assert_eq!(seconds(&expires("Thu, 01 Jan 2026 12:30:00 GMT")), 1800);
    assert_eq!(seconds(&expires("0")), SHORTEST.seconds());
    assert_eq!(
        seconds(&expires("Thu, 01 Jan 2020 12:30:00 GMT")),
        SHORTEST.seconds()
    );
    // Counted from the server's own clock, if the response has its time.
    let own_clock = Caching {
        date: Some("Thu, 01 Jan 2026 10:00:00 GMT".into()),
        ..expires("Thu, 01 Jan 2026 11:00:00 GMT")
    };
    assert_eq!(seconds(&own_clock), 3600);
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        let _ = decode(&issuer("https://a.example"), &answer(200, bytes));
    }

    #[test]
    fn whatever_a_document_says_only_addresses_that_can_be_sent_to_are_taken(
        token in "\\PC{0,40}", revoke in "(https?|ftp)://[a-z@:/#?.0-9]{0,30}", alias in "\\PC{0,40}",
    ) {
        let body = serde_json::json!({
            "issuer": "https://a.example", "token_endpoint": token, "revocation_endpoint": revoke,
            "mtls_endpoint_aliases": {"token_endpoint": alias},
        });
        if let Ok(metadata) = read("https://a.example", &body.to_string()) {
            let all = [Some(metadata.endpoints.token), metadata.endpoints.revocation, metadata.mtls.token];
            for url in all.into_iter().flatten() {
                prop_assert!(matches!(url.scheme(), "https" | "http"));
                prop_assert!(url.has_host() && url.username().is_empty() && url.fragment().is_none());
            }
        }
    }

    #[test]
    fn both_places_lie_on_the_issuers_own_host(path in "(/[a-z0-9%]{0,8}){0,4}/?", port in proptest::option::of(1_u16..)) {
        let port = port.map_or(String::new(), |port| format!(":{port}"));
        if let Some(issuer) = Issuer::parse(&format!("https://a.example{port}{path}")) {
            for url in issuer.documents() {
                prop_assert_eq!(url.host_str(), issuer.url().host_str());
                prop_assert_eq!(url.port(), issuer.url().port());
                prop_assert!(url.path().contains("/.well-known/"));
            }
        }
    }

    #[test]
    fn no_headers_lead_out_of_the_bounds(control in "\\PC{0,40}", expires in "\\PC{0,40}", age in "\\PC{0,12}") {
        let caching = Caching { cache_control: Some(control), expires: Some(expires), age: Some(age), date: None };
        let span = freshness(&caching, Time::from_seconds(1_700_000_000));
        prop_assert!(span >= SHORTEST && span <= LONGEST);
        prop_assert!(Span::ZERO < span);
    }
}

#[test]
fn an_endpoint_has_a_host_as_a_resource_may_name_one() {
    for text in [
        "https://auth.example.com/t",
        "https://a_b.example/t",
        "https://[::1]:8443/t",
        "https://127.0.0.1/t",
    ] {
        assert!(endpoint(text).is_some(), "{text}");
    }
    for text in [
        "https://a,evil.example/t",
        "https://x;id;x.example/t",
        "https://x'$(id).example/t",
        "https://a&b.example/t",
    ] {
        assert_eq!(endpoint(text), None, "{text}");
    }
}
