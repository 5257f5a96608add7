//! Many at one time: one client for many resources, and an outage of a host on which many depend.

use std::collections::BTreeMap;
use std::time::Duration;

use testkit::provider::Fault;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn resources_that_share_a_client_share_eight_slots_and_nothing_else() {
    let stage = Stage::new(3600.0).await;
    let fleet = Fleet::of(&stage);
    let _operator = stage.operator(Start::default()).await;
    let mut slow = living(3600.0);
    slow.latency_ms = 600;
    endpoint(&stage.provider, "shared", slow);
    let names: Vec<String> = (0..30).map(|number| format!("one-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let url = stage.provider.url(&path("shared"));
    let one = |name: &&str| resource(name, &url, &format!("  scopes: [{name}]"));
    let all: Vec<String> = names.iter().map(one).collect();
    stage.apply(&all.join("---\n")).await;
    let looks = fleet.well(&names).await;
    let most = stage.provider.max_concurrency(&path("shared"));
    assert!((2..=8).contains(&most), "{most} at one time");
    let requests = stage.provider.requests_to(&path("shared"));
    assert_eq!(requests.len(), names.len(), "one request each");
    for name in names {
        let token = looks[name].token();
        let of = requests
            .iter()
            .find(|request| request.token.as_deref() == token);
        let scope = of.unwrap().form_value("scope");
        assert_eq!(scope.as_deref(), Some(name), "{name} holds its own token");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_probed_at_a_bounded_rate_and_recovered_from_without_a_stampede() {
    const FLEET: usize = 60;
    let stage = Stage::new(3600.0).await;
    let fleet = Fleet::of(&stage);
    let _operator = stage.operator(Start::default()).await;
    let broken = living(3600.0).with_fault(Fault::status(500));
    endpoint(&stage.provider, "all", broken);
    let names: Vec<String> = (0..FLEET).map(|number| format!("one-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let url = stage.provider.url(&path("all"));
    let all: Vec<String> = names.iter().map(|name| resource(name, &url, "")).collect();
    let begun = jiff_now();
    stage.apply(&all.join("---\n")).await;
    tokio::time::sleep(Duration::from_secs(16)).await;
    // A busy machine takes longer to write sixty statuses.
    for _ in 0..SOON.as_secs() {
        let looks = fleet.look().await;
        if names
            .iter()
            .all(|name| looks[*name].is("RefreshFailing", "True"))
        {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let looks = fleet.look().await;
    let failing = names
        .iter()
        .filter(|name| looks[**name].is("RefreshFailing", "True"));
    assert_eq!(failing.count(), FLEET, "every one tells what it waits for");
    let healed = jiff_now();
    stage.provider.set_fault(&path("all"), None);
    let requests = stage.provider.requests_to(&path("all"));
    // 5, 10, 20, 40, 80 s, each halved at the most: a try more than what has passed by then allows is one too many.
    let passed = healed.duration_since(begun).as_secs_f64();
    let tries = [0.0, 2.5, 7.5, 17.5, 37.5, 77.5, 117.5];
    let most = FLEET * tries.iter().filter(|try_at| **try_at <= passed).count();
    assert!(
        (FLEET..=most).contains(&requests.len()),
        "{} requests in {passed} s",
        requests.len()
    );
    fleet.well(&names).await;
    let mut by_second: BTreeMap<i64, usize> = BTreeMap::new();
    let after = stage
        .provider
        .requests_to(&path("all"))
        .split_off(requests.len());
    assert!(
        (FLEET..=FLEET + 8).contains(&after.len()),
        "one request each: {}",
        after.len()
    );
    for request in &after {
        let second = request.at.duration_since(healed).as_secs();
        *by_second.entry(second).or_default() += 1;
    }
    let crowded = by_second.values().copied().max().unwrap();
    assert!(
        crowded <= FLEET / 3,
        "{crowded} in one second: {by_second:?}"
    );
    fleet.told(&names, |_| "Normal Recovered".to_owned()).await;
}
