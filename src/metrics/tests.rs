use super::*;
use std::collections::BTreeMap;
use std::fmt::Write as _;

fn metrics() -> Metrics {
    Metrics::new(Clock::system())
}

/// Every metric with a sample.
fn everything() -> Metrics {
    let metrics = metrics();
    for state in ResourceState::ALL {
        metrics.resources(state, 1);
        metrics.resources_longest(state, Span::from_seconds(5));
    }
    metrics.earliest_expiry(Some(Clock::system().now() + Span::from_seconds(60)));
    metrics.tokens_expired(0);
    metrics.tokens_expiring(0);
    metrics.queue_longest_wait(Span::from_millis(1500));
    metrics.token_request("auth.example.org:443", "success");
    metrics.token_request_took("auth.example.org:443", Span::from_millis(120));
    metrics.refresh_lateness(Span::from_millis(20));
    for kind in WriteKind::ALL {
        metrics.api_write(kind, true);
    }
    metrics.api_request_ended("success");
    metrics.queue_depth("refresh", 3);
    metrics.api_requests_waiting("status", 2);
    metrics.in_use("lookups", 3, 1);
    metrics.host_queues([HostQueue {
        host: "auth.example.org:443".into(),
        in_flight: 1,
        slots: 4,
    }]);
    metrics.discovery("success");
    metrics.revocation("success");
    metrics.watch_restart("oauthclients");
    metrics.permissions_missing("list", "secrets", 1);
    metrics.connections("probes").open(1);
    metrics.connections("metrics").displaced();
    metrics.expose_each(|| {
        let expires = Time::from_seconds(1_700_000_000);
        vec![ResourceTimes {
            namespace: "bookshop".into(),
            name: "metadata".into(),
            state: ResourceState::Ready,
            token: Some(TokenTimes {
                issued: expires - Span::from_seconds(3600),
                refresh: expires - Span::from_seconds(900),
                expires,
            }),
        }]
    });
    metrics.expose_clients(|| {
        ["certificate", "secret"]
            .map(|kind| ClientExpiry {
                namespace: "bookshop".into(),
                name: "metadata".into(),
                kind,
                state: CredentialState::ExpiresSoon,
                expires: Some(Time::from_seconds(1_800_000_000)),
            })
            .into()
    });
    metrics
}

fn has(text: &str, line: &str) {
    assert!(
        text.lines().any(|found| found == line),
        "no line {line:?} in:\n{text}"
    );
}

#[test]
fn a_scrape_shows_what_was_recorded() {
    let metrics = everything();
    metrics.leader(true);
    let request = metrics.api_request();
    let text = metrics.render(Format::OpenMetrics);
    has(&text, r#"oauthclient_resources{state="refresh_failing"} 1"#);
    has(
        &text,
        r#"oauthclient_token_requests_total{host="auth.example.org:443",outcome="success"} 1"#,
    );
    has(
        &text,
        r#"oauthclient_token_request_duration_seconds_count{host="auth.example.org:443"} 1"#,
    );
    has(&text, "oauthclient_refresh_lateness_seconds_count 1");
    has(
        &text,
        r#"oauthclient_api_writes_total{kind="status",outcome="success"} 1"#,
    );
    has(&text, r#"oauthclient_queue_depth{class="refresh"} 3"#);
    has(
        &text,
        r#"oauthclient_api_requests_waiting{kind="status"} 2"#,
    );
    has(
        &text,
        r#"oauthclient_host_request_slots{host="auth.example.org:443"} 4"#,
    );
    has(
        &text,
        r#"oauthclient_watch_restarts_total{kind="oauthclients"} 1"#,
    );
    has(&text, "oauthclient_leader 1");
    has(&text, "oauthclient_api_requests_in_flight 1");
    has(
        &text,
        concat!(
            "oauthclient_build_info{version=\"",
            env!("CARGO_PKG_VERSION"),
            "\"} 1"
        ),
    );
    has(
        &text,
        r#"oauthclient_token_expiration_timestamp_seconds{namespace="bookshop",name="metadata"} 1700000000.0"#,
    );
    has(
        &text,
        r#"oauthclient_token_refresh_timestamp_seconds{namespace="bookshop",name="metadata"} 1699999100.0"#,
    );
    has(
        &text,
        r#"oauthclient_resource_state{namespace="bookshop",name="metadata",state="ready"} 1"#,
    );
    has(
        &text,
        r#"oauthclient_client_credentials{kind="secret",state="expires_soon"} 1"#,
    );
    has(
        &text,
        r#"oauthclient_client_credentials{kind="secret",state="expired"} 0"#,
    );
    has(
        &text,
        r#"oauthclient_resources_longest_seconds{state="stalled"} 5.0"#,
    );
    has(&text, "oauthclient_queue_longest_wait_seconds 1.5");
    has(
        &text,
        r#"oauthclient_api_requests_total{outcome="success"} 1"#,
    );
    has(
        &text,
        r#"oauthclient_client_credential_expiration_timestamp_seconds{namespace="bookshop",name="metadata",kind="secret"} 1800000000.0"#,
    );
    assert!(text.contains(
        r#"oauthclient_client_credential_earliest_expiration_seconds{kind="certificate"} "#
    ));
    assert!(text.ends_with("# EOF\n"));
    drop(request);
    has(
        &metrics.render(Format::OpenMetrics),
        "oauthclient_api_requests_in_flight 0",
    );
}

#[test]
fn the_earliest_expiry_counts_down_and_is_absent_without_a_token() {
    let metrics = metrics();
    let name = "oauthclient_token_earliest_expiration_seconds ";
    assert!(!metrics.render(Format::OpenMetrics).contains(name));
    metrics.earliest_expiry(Some(Clock::system().now() - Span::from_seconds(60)));
    let text = metrics.render(Format::OpenMetrics);
    let left: f64 = text
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap()
        .parse()
        .unwrap();
    assert!((-61.0..=-60.0).contains(&left), "{left}");
    metrics.earliest_expiry(None);
    assert!(!metrics.render(Format::OpenMetrics).contains(name));
}

#[test]
fn the_51st_host_is_counted_as_other_and_stays_so() {
    let metrics = metrics();
    for number in 0..60 {
        metrics.token_request(&format!("host{number}:443"), "success");
    }
    metrics.token_request("host3:443", "success");
    metrics.host_queues((0..60).map(|number| HostQueue {
        host: format!("host{number}:443").into(),
        in_flight: 1,
        slots: 2,
    }));
    let text = metrics.render(Format::OpenMetrics);
    has(
        &text,
        r#"oauthclient_token_requests_total{host="other",outcome="success"} 10"#,
    );
    has(
        &text,
        r#"oauthclient_token_requests_total{host="host3:443",outcome="success"} 2"#,
    );
    has(
        &text,
        r#"oauthclient_host_requests_in_flight{host="other"} 10"#,
    );
    has(&text, r#"oauthclient_host_request_slots{host="other"} 20"#);
    assert_eq!(
        text.matches("oauthclient_host_request_slots{").count(),
        HOSTS + 1
    );
}

#[test]
fn a_host_queue_that_is_gone_is_no_longer_shown() {
    let metrics = metrics();
    let host_queue = |host: &str| HostQueue {
        host: host.into(),
        in_flight: 0,
        slots: 4,
    };
    metrics.host_queues([host_queue("a:443"), host_queue("b:443")]);
    metrics.host_queues([host_queue("b:443")]);
    let text = metrics.render(Format::OpenMetrics);
    assert!(!text.contains("a:443") && text.contains("b:443"), "{text}");
}

#[test]
fn no_series_for_a_single_resource_unless_asked_for() {
    let metrics = metrics();
    assert!(
        !metrics
            .render(Format::OpenMetrics)
            .contains("expiration_timestamp")
    );
    metrics.expose_clients(|| {
        vec![ClientExpiry {
            namespace: "bookshop".into(),
            name: "metadata".into(),
            kind: "secret",
            state: CredentialState::Expired,
            expires: Some(Time::from_seconds(0)),
        }]
    });
    let text = metrics.render(Format::OpenMetrics);
    assert!(!text.contains("expiration_timestamp") && text.contains("earliest_expiration"));
}

struct Described {
    kind: String,
    help: String,
    labels: Vec<String>,
}

/// The rendered text by metric: the name to query, its type, labels and help.
fn described(text: &str) -> BTreeMap<String, Described> {
    let mut all = BTreeMap::new();
    let mut help = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ').unwrap().1.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            let suffix = match kind {
                "counter" => "_total",
                "info" => "_info",
                _ => "",
            };
            let sample = text
                .lines()
                .find(|line| line.starts_with(name))
                .unwrap_or_default();
            let labels = sample.split_once('{').map_or(Vec::new(), |(_, labels)| {
                let names = labels
                    .split(',')
                    .filter_map(|label| Some(label.split_once('=')?.0.to_owned()));
                names.filter(|label| label != "le").collect()
            });
            let described = Described {
                kind: kind.to_owned(),
                help: std::mem::take(&mut help),
                labels,
            };
            all.insert(format!("{name}{suffix}"), described);
        }
    }
    all
}

#[test]
fn names_follow_the_conventions() {
    for (name, metric) in described(&everything().render(Format::OpenMetrics)) {
        assert!(
            name.starts_with("oauthclient_") || name.starts_with("process_"),
            "{name}"
        );
        assert_eq!(metric.kind == "counter", name.ends_with("_total"), "{name}");
        assert!(
            !name.contains("millis") && metric.help.ends_with('.'),
            "{name}: {}",
            metric.help
        );
    }
}

#[test]
fn the_page_on_metrics_lists_exactly_what_there_is() {
    let mut page = String::from(
        "<!-- Generated from src/metrics.rs by a test. To update it: UPDATE=1 cargo test the_page_on_metrics -->\n\
         # Metrics\n\n\
         `GET /metrics` returns these metrics, as OpenMetrics to clients that accept it (Prometheus does) and in the Prometheus text\n\
         format to all others. The number of time series does not grow with the number of OAuthClients, unless you set\n\
         `--metrics-per-resource`. A series appears with its first sample. [monitoring.md](monitoring.md) describes alerts and\n\
         dashboard.\n\n\
         | name | type | labels | meaning |\n|---|---|---|---|\n",
    );
    for (name, metric) in described(&everything().render(Format::OpenMetrics)) {
        let labels: Vec<String> = metric
            .labels
            .iter()
            .map(|label| format!("`{label}`"))
            .collect();
        writeln!(
            page,
            "| `{name}` | {} | {} | {} |",
            metric.kind,
            labels.join(", "),
            metric.help
        )
        .unwrap();
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
    if std::env::var("UPDATE").is_ok_and(|value| value == "1") {
        std::fs::write(path, &page).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == page,
        "docs/metrics.md is not what the program has; run: UPDATE=1 cargo test the_page_on_metrics"
    );
}
