use serde_json::json;

use super::*;
use crate::api::spec::OAuthClient;
use crate::plugin::finding::Level;
use crate::plugin::installation::{Definition, OperatorPod};

const NOW: Time = Time::from_seconds(1_700_000_000);

fn facts() -> Facts {
    Facts {
        address: "https://127.0.0.1:6443/".to_owned(),
        namespace: "shop".to_owned(),
        everywhere: false,
        kubernetes: Ok("v1.36.3".to_owned()),
        clock_ahead: Ok(Span::ZERO),
        definition: Ok(Some(Definition {
            established: true,
            ..Definition::default()
        })),
        operators: Ok(vec![Operator {
            namespace: "oauthclient-system".to_owned(),
            name: "oauthclient-operator".to_owned(),
            image: format!("registry.example.com/oauthclient-operator:{OURS}"),
            wanted: 1,
            ready: 1,
            ..Operator::default()
        }]),
        pods: Ok(Vec::new()),
        lease: Ok(Some(LeaseSeen {
            holder: "pod".to_owned(),
            renewed: Some(NOW),
            received: Some(NOW),
            seconds: 15,
        })),
        operator_missing_permissions: Ok(Vec::new()),
        own_missing_permissions: Ok(Vec::new()),
        policies: Ok((1, 1)),
        dns: Ok(Some(true)),
        clients: Vec::new(),
        clients_unknown: None,
    }
}

fn client(name: &str, status: serde_json::Value) -> OAuthClient {
    serde_json::from_value(json!({
        "apiVersion": "oauthclient.dev/v1alpha1", "kind": "OAuthClient",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"provider": {"tokenURL": "https://auth.example.com/token"},
                 "credentials": {"secretName": "client"}, "tokenSecret": {"name": "t"}},
        "status": status,
    }))
    .unwrap()
}

fn failing(reason: &str) -> serde_json::Value {
    let condition = |kind: &str| json!({"type": kind, "status": "True", "reason": reason, "message": "Words.", "lastTransitionTime": "2023-11-14T22:00:00Z"});
    json!({"attempt": {"time": "2023-11-14T22:12:20Z", "failures": 3, "reason": reason, "inputsHash": "x"},
           "conditions": [condition("RefreshFailing"), condition("Reconciling")]})
}

fn worst(findings: &[Finding]) -> Vec<&Finding> {
    findings
        .iter()
        .filter(|one| one.level != Level::Ok)
        .collect()
}

#[test]
fn where_all_is_well_nothing_is_to_be_mended() {
    let all = judge(&facts(), NOW);
    assert_eq!(worst(&all), Vec::<&Finding>::new());
}

/// One problem, and the area and words of its finding.
fn told(change: impl FnOnce(&mut Facts), level: Level, area: &str, words: &str) {
    let mut facts = facts();
    change(&mut facts);
    let all = judge(&facts, NOW);
    let bad = worst(&all);
    let found = bad
        .iter()
        .find(|one| one.area == area && one.text.contains(words));
    let found = found.unwrap_or_else(|| panic!("{area} {words}: {bad:#?}"));
    assert_eq!(found.level, level, "{found:?}");
    assert!(found.remedy.is_some() || level == Level::Warn, "{found:?}");
}

#[test]
fn each_thing_that_is_wrong_is_told_with_its_mend() {
    use Level::{Fail, Warn};
    told(
        |facts| facts.definition = Ok(None),
        Fail,
        "Definition",
        "not installed",
    );
    told(
        |facts| {
            facts.definition = Ok(Some(Definition {
                established: true,
                lacks: vec!["spec.login".to_owned()],
                ..Definition::default()
            }))
        },
        Warn,
        "Definition",
        "it lacks spec.login",
    );
    told(
        |facts| facts.operators = Ok(Vec::new()),
        Fail,
        "Operator",
        "no Deployment",
    );
    told(
        |facts| facts.operators.as_mut().unwrap()[0].ready = 0,
        Fail,
        "Operator",
        "no pod that is ready",
    );
    told(
        |facts| facts.operators.as_mut().unwrap()[0].image = "x:9.9.9".to_owned(),
        Warn,
        "Version",
        "9.9.9",
    );
    told(
        |facts| {
            facts.operators.as_mut().unwrap()[0].arguments =
                vec!["--watch-namespaces=other".to_owned()]
        },
        Fail,
        "Operator",
        "No operator serves namespace shop",
    );
    let waiting = OperatorPod {
        waiting: Some("ImagePullBackOff".to_owned()),
        ..OperatorPod::default()
    };
    told(
        |facts| facts.pods = Ok(vec![waiting]),
        Fail,
        "Pod",
        "ImagePullBackOff",
    );
    told(
        |facts| facts.lease = Ok(None),
        Fail,
        "Lease",
        "There is no Lease",
    );
    told(
        |facts| {
            facts.lease.as_mut().unwrap().as_mut().unwrap().received =
                Some(NOW - Span::from_seconds(120))
        },
        Fail,
        "Lease",
        "for 2 min",
    );
    told(
        |facts| facts.clock_ahead = Ok(Span::from_seconds(-90)),
        Fail,
        "Clock",
        "1 min 30 s behind",
    );
    told(
        |facts| {
            facts.lease.as_mut().unwrap().as_mut().unwrap().renewed =
                Some(NOW + Span::from_seconds(20))
        },
        Warn,
        "Clock",
        "operator's node is 20 s ahead",
    );
    told(
        |facts| facts.operator_missing_permissions = Ok(vec![("patch", "", "secrets", "")]),
        Fail,
        "Permissions",
        "may not patch secrets",
    );
    told(
        |facts| facts.policies = Ok((1, 0)),
        Warn,
        "Policy",
        "not bound",
    );
    told(|facts| facts.dns = Ok(Some(false)), Fail, "DNS", "No pod");
    told(
        |facts| facts.operators = Err("no right".to_owned()),
        Warn,
        "Operator",
        "is unknown: no right",
    );
}

#[test]
fn a_token_host_is_judged_by_what_the_operator_met_there() {
    let mut facts = facts();
    facts.clients = vec![
        client("a", failing("ConnectFailed")),
        client("b", failing("DNSFailed")),
    ];
    let all = judge(&facts, NOW);
    let host = all.iter().find(|one| one.area == "Token host").unwrap();
    assert_eq!(
        host.text,
        "auth.example.com does not answer the operator for 2 of 2 OAuthClients (ConnectFailed 1, DNSFailed 1)"
    );
    let dns = all.iter().find(|one| one.area == "DNS").unwrap();
    assert!(
        dns.text.contains("shop/b") && dns.level == Level::Fail,
        "{dns:?}"
    );
    let resource = all.iter().find(|one| one.area == "OAuthClient").unwrap();
    assert_eq!(resource.level, Level::Fail);
}
