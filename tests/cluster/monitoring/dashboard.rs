//! The Grafana dashboard as code: `deploy/monitoring/dashboard.json` is generated from here.

use serde_json::{Value, json};

/// Columns of Grafana's grid.
const COLUMNS: u64 = 24;

/// How a panel shows what its queries return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The last value of each series, large.
    Stat,
    /// Lines over time.
    Lines,
    /// Lines over time, stacked.
    Stacked,
}

/// One panel.
#[derive(Clone, Debug)]
pub struct Panel {
    pub title: &'static str,
    pub about: &'static str,
    pub kind: Kind,
    /// A unit of Grafana's list.
    pub unit: &'static str,
    /// Width and height in Grafana's grid.
    pub size: (u64, u64),
    /// From this value on it is shown in red.
    pub bad: Option<f64>,
    /// Expressions with their legends.
    pub queries: Vec<(&'static str, &'static str)>,
}

/// A row of panels under one heading.
pub struct Row {
    pub title: &'static str,
    pub panels: Vec<Panel>,
}

fn panel(
    kind: Kind,
    size: (u64, u64),
    title: &'static str,
    unit: &'static str,
    queries: &[(&'static str, &'static str)],
    about: &'static str,
) -> Panel {
    Panel {
        title,
        about,
        kind,
        unit,
        size,
        bad: None,
        queries: queries.to_vec(),
    }
}

impl Panel {
    fn bad_from(mut self, value: f64) -> Panel {
        self.bad = Some(value);
        self
    }
}

const SMALL: (u64, u64) = (4, 4);
const WIDE: (u64, u64) = (12, 8);
const THIRD: (u64, u64) = (8, 8);

/// All rows, from top to bottom.
pub fn rows() -> Vec<Row> {
    vec![fleet(), one(), hosts(), operator()]
}

fn fleet() -> Row {
    use Kind::{Lines, Stacked, Stat};
    let panels = vec![
        panel(Stat, SMALL, "Ready", "none",
            &[(r#"sum(oauthclient_resources{job=~"$job", state="ready"})"#, "")],
            "OAuthClients with a valid token whose last request succeeded."),
        panel(Stat, SMALL, "Stalled", "none",
            &[(r#"sum(oauthclient_resources{job=~"$job", state="stalled"})"#, "")],
            "OAuthClients that need a person.").bad_from(1.0),
        panel(Stat, SMALL, "Refresh failing", "none",
            &[(r#"sum(oauthclient_resources{job=~"$job", state="refresh_failing"})"#, "")],
            "OAuthClients whose last token request failed; the operator retries.").bad_from(1.0),
        panel(Stat, SMALL, "Expiring soon", "none",
            &[(r#"sum(oauthclient_tokens_expiring{job=~"$job"})"#, "")],
            "Valid tokens that are overdue for their refresh by more than half of the planned time.").bad_from(1.0),
        panel(Stat, SMALL, "Expired", "none",
            &[(r#"sum(oauthclient_tokens_expired{job=~"$job"})"#, "")],
            "OAuthClients whose published token has expired.").bad_from(1.0),
        panel(Stat, SMALL, "First token expires in", "s",
            &[(r#"min(oauthclient_token_earliest_expiration_seconds{job=~"$job"})"#, "")],
            "Time until the first of all valid tokens expires."),
        panel(Stacked, WIDE, "OAuthClients by state", "none",
            &[(r#"sum by (state) (oauthclient_resources{job=~"$job"})"#, "{{state}}")],
            "Each OAuthClient is counted once, in the first state that applies."),
        panel(Lines, WIDE, "Longest time in a state", "s",
            &[(r#"max by (state) (oauthclient_resources_longest_seconds{job=~"$job"})"#, "{{state}}")],
            "How long the OAuthClient that has been in a state for the longest time has been in it."),
        panel(Lines, THIRD, "Token requests by outcome", "reqps",
            &[(r#"sum by (outcome) (rate(oauthclient_token_requests_total{job=~"$job"}[$__rate_interval]))"#, "{{outcome}}")],
            "success, or the reason of the failure."),
        panel(Lines, THIRD, "Lateness of token requests", "s",
            &[
                (r#"histogram_quantile(0.5, sum by (le) (rate(oauthclient_refresh_lateness_seconds_bucket{job=~"$job"}[$__rate_interval])))"#, "median"),
                (r#"histogram_quantile(0.99, sum by (le) (rate(oauthclient_refresh_lateness_seconds_bucket{job=~"$job"}[$__rate_interval])))"#, "99 %"),
                (r#"max(oauthclient_queue_longest_wait_seconds{job=~"$job"})"#, "longest wait now"),
            ],
            "Time between when a request was due and when it was sent."),
        panel(Lines, THIRD, "Client secrets and certificates by state", "none",
            &[(r#"sum by (kind, state) (oauthclient_client_credentials{job=~"$job"})"#, "{{kind}} {{state}}")],
            "Client certificates, and client secrets with a noted expiry."),
    ];
    Row {
        title: "Fleet",
        panels,
    }
}

fn one() -> Row {
    use Kind::{Lines, Stat};
    let panels = vec![
        panel(
            Stat,
            (6, 4),
            "State",
            "none",
            &[(
                r#"oauthclient_resource_state{job=~"$job", namespace=~"$namespace", name=~"$name"}"#,
                "{{name}}: {{state}}",
            )],
            "The state that the OAuthClient is counted in. Needs --metrics-per-resource, as does this whole row.",
        ),
        panel(
            Stat,
            (6, 4),
            "Expires in",
            "s",
            &[(
                r#"oauthclient_token_expiration_timestamp_seconds{job=~"$job", namespace=~"$namespace", name=~"$name"} - time()"#,
                "{{name}}",
            )],
            "Time until the published token expires.",
        ),
        panel(
            Stat,
            (6, 4),
            "Refresh due in",
            "s",
            &[(
                r#"oauthclient_token_refresh_timestamp_seconds{job=~"$job", namespace=~"$namespace", name=~"$name"} - time()"#,
                "{{name}}",
            )],
            "Time until the token is due to be replaced; negative when it is overdue.",
        ),
        panel(
            Stat,
            (6, 4),
            "Age",
            "s",
            &[(
                r#"time() - oauthclient_token_issued_timestamp_seconds{job=~"$job", namespace=~"$namespace", name=~"$name"}"#,
                "{{name}}",
            )],
            "Time since the published token was requested.",
        ),
        panel(
            Lines,
            (24, 8),
            "Time until expiry and until refresh",
            "s",
            &[
                (
                    r#"oauthclient_token_expiration_timestamp_seconds{job=~"$job", namespace=~"$namespace", name=~"$name"} - time()"#,
                    "{{name}} expires",
                ),
                (
                    r#"oauthclient_token_refresh_timestamp_seconds{job=~"$job", namespace=~"$namespace", name=~"$name"} - time()"#,
                    "{{name}} is refreshed",
                ),
            ],
            "A saw tooth. The upper line must not reach 0.",
        ),
    ];
    Row {
        title: "One OAuthClient (with --metrics-per-resource)",
        panels,
    }
}

fn hosts() -> Row {
    use Kind::Lines;
    let panels = vec![
        panel(
            Lines,
            WIDE,
            "Token requests by host",
            "reqps",
            &[(
                r#"sum by (host) (rate(oauthclient_token_requests_total{job=~"$job", host=~"$host"}[$__rate_interval]))"#,
                "{{host}}",
            )],
            "The first 50 hosts, then other.",
        ),
        panel(
            Lines,
            WIDE,
            "Failed token requests by host and reason",
            "reqps",
            &[(
                r#"sum by (host, outcome) (rate(oauthclient_token_requests_total{job=~"$job", host=~"$host", outcome!="success"}[$__rate_interval]))"#,
                "{{host}} {{outcome}}",
            )],
            "docs/conditions.md says what each reason means and what to do.",
        ),
        panel(
            Lines,
            THIRD,
            "Duration of token requests, 90 %",
            "s",
            &[(
                r#"histogram_quantile(0.9, sum by (host, le) (rate(oauthclient_token_request_duration_seconds_bucket{job=~"$job", host=~"$host"}[$__rate_interval])))"#,
                "{{host}}",
            )],
            "From DNS to the last byte of the response.",
        ),
        panel(
            Lines,
            THIRD,
            "Use of the request slots",
            "percentunit",
            &[(
                r#"sum by (host) (oauthclient_host_requests_in_flight{job=~"$job", host=~"$host"}) / sum by (host) (oauthclient_host_request_slots{job=~"$job", host=~"$host"})"#,
                "{{host}}",
            )],
            "8 requests to one host may be in flight, 1 after a time-out. At 100 % the host holds up its OAuthClients.",
        ),
        panel(
            Lines,
            THIRD,
            "Discovery and revocation",
            "none",
            &[
                (
                    r#"sum(oauthclient_discovery_documents{job=~"$job"})"#,
                    "discovery documents",
                ),
                (
                    r#"sum(oauthclient_revocations_waiting{job=~"$job"})"#,
                    "revocations waiting",
                ),
                (
                    r#"sum by (outcome) (increase(oauthclient_revocations_total{job=~"$job", outcome!="success"}[$__rate_interval]))"#,
                    "revocations {{outcome}}",
                ),
            ],
            "Discovery documents in the cache; tokens that wait to be revoked; revocations that failed.",
        ),
    ];
    Row {
        title: "Provider hosts",
        panels,
    }
}

fn operator() -> Row {
    use Kind::{Lines, Stat};
    let panels = vec![
        panel(Stat, SMALL, "Leaders", "none",
            &[(r#"sum(oauthclient_leader{job=~"$job"})"#, "")],
            "Processes that are the leader: 1 for each installation."),
        panel(Stat, SMALL, "Processes", "none",
            &[(r#"count(oauthclient_leader{job=~"$job"})"#, "")],
            "Processes that are scraped."),
        panel(Stat, SMALL, "Version", "none",
            &[(r#"count by (version) (oauthclient_build_info{job=~"$job"})"#, "{{version}}")],
            "Processes by version."),
        panel(Stat, SMALL, "Panics", "none",
            &[(r#"sum(oauthclient_panics_total{job=~"$job"})"#, "")],
            "Panics since the start; each is a bug.").bad_from(1.0),
        panel(Stat, SMALL, "Permissions missing", "none",
            &[(r#"sum(oauthclient_permissions_missing{job=~"$job"})"#, "")],
            "Required permissions that the operator lacks.").bad_from(1.0),
        panel(Stat, SMALL, "Kubernetes API errors", "percentunit",
            &[(r#"sum(rate(oauthclient_api_requests_total{job=~"$job", outcome=~"throttled|server_error|timeout|unreachable|unreadable"}[$__rate_interval])) / sum(rate(oauthclient_api_requests_total{job=~"$job"}[$__rate_interval]))"#, "")],
            "The share of requests to the Kubernetes API that failed.").bad_from(0.1),
        panel(Lines, THIRD, "Queue by class", "none",
            &[(r#"sum by (class) (oauthclient_queue_depth{job=~"$job"})"#, "{{class}}")],
            "OAuthClients that are due and wait."),
        panel(Lines, THIRD, "Requests to the Kubernetes API by outcome", "reqps",
            &[(r#"sum by (outcome) (rate(oauthclient_api_requests_total{job=~"$job"}[$__rate_interval]))"#, "{{outcome}}")],
            "Watches and the Lease excepted."),
        panel(Lines, THIRD, "Writes to the Kubernetes API by kind", "wps",
            &[(r#"sum by (kind) (rate(oauthclient_api_writes_total{job=~"$job"}[$__rate_interval]))"#, "{{kind}}")],
            "A routine refresh writes a Secret and a status."),
        panel(Lines, THIRD, "Requests to the Kubernetes API in flight and waiting", "none",
            &[
                (r#"sum(oauthclient_api_requests_in_flight{job=~"$job"})"#, "in flight"),
                (r#"sum by (kind) (oauthclient_api_requests_waiting{job=~"$job"})"#, "waiting: {{kind}}"),
            ],
            "Requests wait when --max-api-requests are in flight."),
        panel(Lines, THIRD, "Watches restarted", "none",
            &[(r#"sum by (kind) (increase(oauthclient_watch_restarts_total{job=~"$job"}[$__rate_interval]))"#, "{{kind}}")],
            "Watches that were restarted after an error."),
        panel(Lines, THIRD, "Memory", "bytes",
            &[(r#"process_resident_memory_bytes{job=~"$job"} and on (instance) oauthclient_leader"#, "{{job}}")],
            "Resident memory of each process."),
        panel(Lines, THIRD, "CPU", "percentunit",
            &[(r#"rate(process_cpu_seconds_total{job=~"$job"}[$__rate_interval]) and on (instance) oauthclient_leader"#, "{{job}}")],
            "Of one processor."),
        panel(Lines, THIRD, "File descriptors", "none",
            &[(r#"process_open_fds{job=~"$job"} and on (instance) oauthclient_leader"#, "{{job}}")],
            "Open connections and files of each process."),
        panel(Lines, THIRD, "Age of the processes", "s",
            &[(r#"time() - process_start_time_seconds{job=~"$job"} and on (instance) oauthclient_leader"#, "{{job}}")],
            "It falls to 0 at a restart."),
    ];
    Row {
        title: "Operator",
        panels,
    }
}

/// A panel with its place: column, line, width, height.
pub type Placed = (Panel, [u64; 4]);

/// The title of each row, and its panels with their places.
pub fn placed() -> Vec<(&'static str, Vec<Placed>)> {
    let mut line = 0;
    let mut all = Vec::new();
    for row in rows() {
        line += 1;
        let (mut column, mut height) = (0, 0);
        let mut panels = Vec::new();
        for panel in row.panels {
            let (width, tall) = panel.size;
            if column + width > COLUMNS {
                (column, line, height) = (0, line + height, 0);
            }
            panels.push((panel, [column, line, width, tall]));
            (column, height) = (column + width, height.max(tall));
        }
        line += height;
        all.push((row.title, panels));
    }
    all
}

/// The dashboard as Grafana imports it.
pub fn json() -> Value {
    let mut panels = Vec::new();
    for (title, row) in placed() {
        let line = row.first().unwrap().1[1] - 1;
        panels.push(json!({
            "id": panels.len() + 1,
            "type": "row",
            "title": title,
            "collapsed": false,
            "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": line},
            "panels": [],
        }));
        for (panel, place) in row {
            let id = panels.len() + 1;
            panels.push(panel_json(&panel, place, id));
        }
    }
    let variable = |name: &str, label: &str, query: String| {
        json!({
            "name": name,
            "label": label,
            "type": "query",
            "datasource": source(),
            "definition": query,
            "query": {"qryType": 1, "query": query, "refId": "StandardVariableQuery"},
            "refresh": 2,
            "sort": 1,
            "multi": true,
            "includeAll": true,
            "allValue": ".*",
            "current": {"selected": true, "text": ["All"], "value": ["$__all"]},
        })
    };
    json!({
        "title": "oauthclient-operator",
        "uid": "oauthclient-operator",
        "description": "OAuth tokens in Secrets: fleet, single OAuthClients, provider hosts, operator.",
        "tags": ["oauth", "kubernetes"],
        "schemaVersion": 39,
        "editable": true,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": []},
        "links": [],
        "templating": {"list": [
            {
                "name": "datasource",
                "label": "Data source",
                "type": "datasource",
                "query": "prometheus",
                "current": {},
                "refresh": 1,
            },
            variable("job", "Job", "label_values(oauthclient_leader, job)".to_owned()),
            variable("namespace", "Namespace", r#"label_values(oauthclient_resource_state{job=~"$job"}, namespace)"#.to_owned()),
            variable("name", "OAuthClient", r#"label_values(oauthclient_resource_state{job=~"$job", namespace=~"$namespace"}, name)"#.to_owned()),
            variable("host", "Host", r#"label_values(oauthclient_token_requests_total{job=~"$job"}, host)"#.to_owned()),
        ]},
        "panels": panels,
    })
}

fn source() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

fn panel_json(panel: &Panel, [x, y, w, h]: [u64; 4], id: usize) -> Value {
    let letters = ["A", "B", "C", "D"];
    let targets: Vec<Value> = panel
        .queries
        .iter()
        .zip(letters)
        .map(|((expression, legend), letter)| {
            json!({
                "refId": letter,
                "datasource": source(),
                "editorMode": "code",
                "expr": expression,
                "legendFormat": if legend.is_empty() { panel.title } else { legend },
                "range": true,
            })
        })
        .collect();
    let mut steps = vec![json!({"color": "green", "value": null})];
    if let Some(bad) = panel.bad {
        steps.push(json!({"color": "red", "value": bad}));
    }
    let mut defaults = json!({
        "unit": panel.unit,
        "color": {"mode": "thresholds"},
        "thresholds": {"mode": "absolute", "steps": steps},
    });
    let (kind, options) = match panel.kind {
        Kind::Stat => (
            "stat",
            json!({
                "colorMode": "value",
                "graphMode": "none",
                "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": false},
                "textMode": if panel.queries[0].1.is_empty() { "value" } else { "value_and_name" },
            }),
        ),
        Kind::Lines | Kind::Stacked => {
            let stacked = panel.kind == Kind::Stacked;
            defaults["color"] = json!({"mode": "palette-classic"});
            defaults["min"] = json!(null);
            defaults["custom"] = json!({
                "drawStyle": "line",
                "lineWidth": 1,
                "fillOpacity": if stacked { 40 } else { 5 },
                "showPoints": "never",
                "stacking": {"mode": if stacked { "normal" } else { "none" }, "group": "A"},
            });
            (
                "timeseries",
                json!({
                    "legend": {"displayMode": "list", "placement": "bottom", "showLegend": true},
                    "tooltip": {"mode": "multi", "sort": "desc"},
                }),
            )
        }
    };
    json!({
        "id": id,
        "type": kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": source(),
        "gridPos": {"h": h, "w": w, "x": x, "y": y},
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "targets": targets,
    })
}
