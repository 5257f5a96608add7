//! Endpoints that never respond: each request ends at its timeout, and delays no other resource.

use std::time::Duration;

use testkit::provider::{BlackHole, ConnectionFault, Fault, Listen, Provider, Script};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_hangs_is_given_up_in_time_and_a_hung_host_delays_no_other() {
    let stage = Stage::new(12.0).await;
    let fleet = Fleet::of(&stage);
    // Every kind of silence at a host of its own, behind the CA that the stage trusts (where it comes so far).
    let authority = Authority::new("of the silent").unwrap();
    stage.apply(&trust("silent-ca", &authority)).await;
    let host = |fault: Option<Fault>, connections: Option<ConnectionFault>| {
        let mut script = Script::one("/token", living(3600.0));
        script.connections = connections;
        script.endpoints.get_mut("/token").unwrap().fault = fault;
        let tls = authority.issue_for_loopback(None).ok();
        let listen = Listen {
            tls,
            ..Listen::default()
        };
        Provider::start(script, listen).unwrap()
    };
    let hole = BlackHole::open().await.unwrap();
    let silent = [
        ("silent", host(None, Some(ConnectionFault::Silent))),
        ("tls", host(None, Some(ConnectionFault::StallTls))),
        ("hung", host(Some(Fault::Hang), None)),
        (
            "stalled",
            host(Some(Fault::StallBody { after_bytes: 9 }), None),
        ),
        (
            "drip",
            host(
                Some(Fault::Drip {
                    bytes_per_second: 1.0,
                }),
                None,
            ),
        ),
    ];
    let operator = stage.operator(Start::default()).await;
    // A token of another resource, valid for 12 s, that nothing may delay.
    stage.resource("main", "").await;
    stage.wait_ready("main").await;

    let manifest = |name: &str, url: String| {
        resource(name, &url, "")
            .replace("provider-ca", "silent-ca")
            .replace("timeoutSeconds: 5", "timeoutSeconds: 4")
    };
    let mut manifests: Vec<String> = silent
        .iter()
        .map(|(name, host)| manifest(name, host.url("/token")))
        .collect();
    manifests.push(manifest(
        "hole",
        format!("https://{}/token", hole.address()),
    ));
    // All 8 slots of the host are in use by requests that hang: ten more wait for the same host.
    let crowd: Vec<String> = (0..10).map(|number| format!("crowd-{number}")).collect();
    let hung = &silent[2].1;
    manifests.extend(crowd.iter().map(|name| manifest(name, hung.url("/token"))));
    let started = jiff_now();
    stage.apply(&manifests.join("---\n")).await;
    let names = ["silent", "tls", "hung", "stalled", "drip", "hole"];
    let all = fleet
        .until("each is given up", &names, SOON, |_, look| {
            look.is("RefreshFailing", "True")
        })
        .await;
    assert!(
        jiff_now().duration_since(started).as_secs() < 12,
        "4 s each, side by side; it is {} since {started}",
        jiff_now()
    );
    for name in names {
        let look = &all[name];
        let told = look.condition("RefreshFailing");
        // No connection within the time is a fault of connecting; everything after it is an answer that did not come.
        let reason = match name {
            "hole" | "silent" | "tls" => ["ConnectFailed", "Timeout"],
            _ => ["Timeout", "Timeout"],
        };
        assert!(reason.contains(&told.reason.as_str()), "{name}: {told:?}");
        assert!(
            told.message.contains("timed out") || told.message.contains("within 4 s"),
            "{name}: {told:?}"
        );
        assert!(
            look.is("Reconciling", "True") && look.is("Stalled", "False"),
            "{name}"
        );
    }
    // Meanwhile, and for another while, the healthy host is asked on the dot: its token never went stale.
    for _ in 0..40 {
        let token = stage.valid_token("main-token").await;
        token.expect("the token of a healthy host is always valid");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let late = operator
        .metric(
            "oauthclient_token_requests_total",
            &[
                ("outcome", "success"),
                ("host", &stage.provider.address().to_string()),
            ],
        )
        .await
        .unwrap();
    assert_eq!(
        late,
        stage.requests() as f64,
        "only the healthy host served"
    );
    // One probe at a time after the first time-outs: never more than 8, and soon 1.
    assert!(hung.max_concurrency("/token") <= 8);
    assert!(
        hung.in_flight("/token") <= 1,
        "a hung host is probed by one"
    );

    // All of them well again: all are served.
    for (_, host) in &silent {
        host.set_fault("/token", None);
        host.set_connection_fault(None);
    }
    let mut served = vec!["silent", "tls", "hung", "stalled", "drip"];
    served.extend(crowd.iter().map(String::as_str));
    fleet.well(&served).await;
}
