//! Responses without a token: each has its own reason, removes nothing, and is over when the provider works again.

use std::time::Duration;

use testkit::provider::{Fault, Place, Provider, Script};

use super::*;

/// A GiB: larger than any sensible response.
const GIB: u64 = 1 << 30;

/// A case: its name, what the endpoint does, the expected reason, and whether a person must act.
type Case = (&'static str, Fault, &'static str, bool);

fn token_with(text: &str) -> Fault {
    Fault::TokenWith {
        text: text.to_owned(),
        at: Place::Middle,
    }
}

fn error_at_200(code: &str) -> Fault {
    Fault::Error {
        status: 200,
        code: code.to_owned(),
        description: Some("described at length".to_owned()),
        echo: true,
        retry_after: None,
    }
}

fn cases(elsewhere: &str) -> Vec<Case> {
    let redirect = |status| Fault::Redirect {
        status,
        location: elsewhere.to_owned(),
    };
    let not_ok = |code: &str| Fault::NotOk {
        code: code.to_owned(),
    };
    let json = |body: &str| Fault::Answer {
        status: 200,
        content_type: "application/json".to_owned(),
        body: body.to_owned(),
        headers: Vec::new(),
    };
    vec![
        ("s408", Fault::status(408), "TemporarilyUnavailable", false),
        ("s500", Fault::status(500), "ServerError", false),
        ("s502", Fault::status(502), "ServerError", false),
        ("s503", Fault::status(503), "TemporarilyUnavailable", false),
        ("s401", Fault::status(401), "Unauthorized", true),
        ("s403", Fault::status(403), "Forbidden", true),
        ("s404", Fault::status(404), "NotFound", true),
        ("close", Fault::Close, "ConnectFailed", false),
        ("reset", Fault::Reset, "ConnectFailed", false),
        (
            "cut",
            Fault::Cut { after_bytes: 20 },
            "ConnectFailed",
            false,
        ),
        (
            "ok-error",
            error_at_200("server_error"),
            "ServerError",
            false,
        ),
        (
            "ok-client",
            error_at_200("invalid_client"),
            "InvalidClient",
            true,
        ),
        ("not-ok", not_ok("ratelimited"), "RateLimited", false),
        ("html", Fault::Html, "UnusableResponse", false),
        ("empty", json(""), "UnusableResponse", false),
        ("is-null", json("null"), "UnusableResponse", false),
        (
            "number",
            json(r#"{"access_token": 7}"#),
            "UnusableResponse",
            false,
        ),
        ("no-token", Fault::WithoutToken, "UnusableResponse", false),
        ("twice", Fault::DuplicateKeys, "UnusableResponse", false),
        (
            "nested",
            Fault::Nesting { levels: 10_000 },
            "UnusableResponse",
            false,
        ),
        ("not-utf8", Fault::InvalidUtf8, "UnusableResponse", false),
        ("cr", token_with("\r"), "UnusableResponse", false),
        ("lf", token_with("\n"), "UnusableResponse", false),
        ("nul", token_with("\0"), "UnusableResponse", false),
        ("endless", Fault::Endless, "ResponseTooLarge", false),
        (
            "gib",
            Fault::LargeBody { bytes: GIB },
            "ResponseTooLarge",
            false,
        ),
        (
            "bomb",
            Fault::GzipBomb { bytes: GIB },
            "ResponseTooLarge",
            false,
        ),
        (
            "mib",
            Fault::LargeToken { bytes: 1 << 20 },
            "ResponseTooLarge",
            false,
        ),
        ("r301", redirect(301), "Redirected", true),
        ("r302", redirect(302), "Redirected", true),
        ("r307", redirect(307), "Redirected", true),
        ("r308", redirect(308), "Redirected", true),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_answer_takes_nothing_away_is_told_apart_and_is_over_when_it_is_over() {
    let stage = Stage::new(3600.0).await;
    let fleet = Fleet::of(&stage);
    let other = Provider::plain(Script::one("/token", living(3600.0))).unwrap();
    let cases = cases(&other.url("/token"));
    let names: Vec<&str> = cases.iter().map(|case| case.0).collect();
    for name in &names {
        endpoint(&stage.provider, name, living(3600.0));
    }
    let operator = stage.operator(Start::default()).await;
    // A client secret that one endpoint refuses waits for all that use it: these have one of their own.
    let mut all = manifests(&stage.provider, names.clone());
    for name in ["s401", "ok-client"] {
        let own = format!("client-{name}");
        stage.apply(&credentials(&own, CLIENT_ID, &own)).await;
        let mut behaviour = living(3600.0);
        behaviour.accepts.clients = vec![testkit::provider::Account {
            id: CLIENT_ID.to_owned(),
            secret: own.clone(),
            ..Default::default()
        }];
        endpoint(&stage.provider, name, behaviour);
        let documents = all.split("---\n").map(|document| {
            if document.contains(&format!("{name}-token")) {
                document.replace("{secretName: client}", &format!("{{secretName: {own}}}"))
            } else {
                document.to_owned()
            }
        });
        all = documents.collect::<Vec<_>>().join("---\n");
    }
    stage.apply(&all).await;
    let before = fleet.well(&names).await;
    let resident = operator.resident_kib().unwrap();

    // Each endpoint breaks; every resource asks once more.
    for (name, fault, ..) in &cases {
        let fault = Some(fault.clone());
        stage.provider.set_fault(&path(name), fault);
    }
    // Nothing comes sooner than 2 s after the last attempt.
    tokio::time::sleep(Duration::from_secs(2)).await;
    fleet.refresh("while-broken").await;
    let wanted = |name: &str| {
        *cases
            .iter()
            .find(|case| case.0 == name)
            .map(|case| &case.2)
            .unwrap()
    };
    let failing = fleet
        .until("each tells its failure", &names, SOON, |name, look| {
            let told = look.condition("RefreshFailing");
            told.status == "True" && told.reason == wanted(name)
        })
        .await;
    for (name, _, _, stalled) in &cases {
        let look = &failing[*name];
        let valid_until = look.status("/token/expirationTime").expect(name);
        let told = look.condition("RefreshFailing").message;
        assert!(look.is("Ready", "True"), "{name}: the token still lives");
        assert_eq!(look.data, before[*name].data, "{name}: it stays as it is");
        assert!(
            told.contains(valid_until),
            "{name}: what still works: {told}"
        );
        assert!(
            told.contains("Next try at"),
            "{name}: and what comes: {told}"
        );
        assert!(
            !told.contains("described"),
            "{name}: not a word of the body: {told}"
        );
        let stuck = look.condition("Stalled");
        assert_eq!(stuck.status == "True", *stalled, "{name}: {stuck:?}");
        assert!(look.is("Reconciling", "False"), "{name}");
    }
    fleet
        .told(&names, |name| format!("Warning {}", wanted(name)))
        .await;
    // The metric uses the same words.
    let metrics = operator.metrics().await.unwrap();
    for (name, _, reason, _) in &cases {
        let outcome = [("outcome", *reason)];
        let counted = metrics.metric("oauthclient_token_requests_total", &outcome);
        assert!(counted.is_ok_and(|counted| counted >= 1.0), "{name}");
    }
    assert_eq!(other.connections_opened(), 0, "redirects are not followed");
    // Flat: 32 faults, three of them a GiB or more, eight at a time.
    let grown = operator.resident_kib().unwrap().saturating_sub(resident);
    assert!(grown < 24 * 1024, "memory grew by {grown} KiB");

    // Well again.
    let asked: Vec<usize> = names
        .iter()
        .map(|name| stage.provider.count(&path(name)))
        .collect();
    for ((name, _, _, stalled), asked) in cases.iter().zip(asked) {
        // Permanent failures are probed after a minute, others after 2.5 s, then 5 s, at the soonest.
        let most = if *stalled { 2 } else { 5 };
        assert!((2..=most).contains(&asked), "{name}: {asked} requests");
        stage.provider.set_fault(&path(name), None);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    // A client secret that was refused is sent again when the owner of the Secret says so.
    let again = "oauthclient.dev/retry-requested-at=when-well";
    for name in ["client-s401", "client-ok-client"] {
        stage.kubectl(&["annotate", "secret", name, again]).await;
    }
    fleet.refresh("when-well").await;
    let after = fleet
        .until("all are well", &names, SOON, |name, look| {
            look.is("RefreshFailing", "False")
                && look.is("Stalled", "False")
                && look.token() != before[name].token()
        })
        .await;
    for name in &names {
        let token = after[*name].token().unwrap();
        assert!(stage.provider.introspect(token).is_some(), "{name}");
    }
    fleet.told(&names, |_| "Normal Recovered".to_owned()).await;
    assert_eq!(
        operator
            .metric("oauthclient_panics_total", &[])
            .await
            .unwrap(),
        0.0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_into_a_secret_is_not_written_and_the_old_token_stays() {
    let stage = Stage::new(3600.0).await;
    let fleet = Fleet::of(&stage);
    let _operator = stage.operator(Start::default()).await;
    let twice = "    data: {access_token: \"{{ access_token }}\", again: \"{{ access_token }}\"}";
    let names = ["large", "marked"];
    for name in names {
        endpoint(&stage.provider, name, living(3600.0));
    }
    let at = |name: &str| stage.provider.url(&path(name));
    let manifest = resource("large", &at("large"), "").replace(
        "tokenSecret: {name: large-token}",
        &format!("tokenSecret:\n    name: large-token\n{twice}"),
    );
    stage
        .apply(&[manifest, resource("marked", &at("marked"), "")].join("---\n"))
        .await;
    let before = fleet.well(&names).await;
    let version = stage.object("secret", "large-token").await;

    // Twice 600 KB are more than a Secret holds. A byte order mark, though, is no fault (RFC 8259 section 8.1).
    let large = Fault::LargeToken { bytes: 600 << 10 };
    stage.provider.set_fault(&path("large"), Some(large));
    let mark = Some(Fault::ByteOrderMark);
    stage.provider.set_fault(&path("marked"), mark);
    tokio::time::sleep(Duration::from_secs(2)).await;
    fleet.refresh("1").await;
    let after = fleet
        .until(
            "each is as it should be",
            &names,
            SOON,
            |name, look| match name {
                "large" => look.condition("Stalled").reason == "SecretTooLarge",
                _ => look.token() != before[name].token(),
            },
        )
        .await;
    assert!(
        after["large"].is("Ready", "True"),
        "the old token still lives"
    );
    assert_eq!(
        stage.object("secret", "large-token").await,
        version,
        "the Secret was not written at all"
    );
    let marked = after["marked"].token().unwrap();
    assert!(stage.provider.introspect(marked).is_some());
    // Another token would be as large: none is asked for until something changes.
    let asked = stage.provider.count(&path("large"));
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(stage.provider.count(&path("large")), asked);
    assert_eq!(asked, 2);
    stage.provider.set_fault(&path("large"), None);
    fleet.refresh("2").await;
    fleet
        .until("the large one is well", &["large"], SOON, |name, look| {
            look.is("Stalled", "False") && look.token() != before[name].token()
        })
        .await;
}
