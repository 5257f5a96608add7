//! The leader is killed, and a standby takes over.

use std::time::{Duration, Instant};

use testkit::operator::Operator;

use super::changes::Changes;
use super::others::HEALTHY;
use super::place::{BESIDE, PATH, Place};
use super::report::{Begun, Report};

/// How often the standby is looked at.
const PERIOD: Duration = Duration::from_millis(50);
/// How long a standby has been there.
const WARM: Duration = Duration::from_secs(20);
const WITHIN: Duration = Duration::from_secs(900);

pub async fn failover(place: &Place, report: &mut Report, leader: Operator, changes: &mut Changes) {
    changes.begin("failover");
    let standby = place.operator().await;
    tokio::time::sleep(WARM).await;
    assert_eq!(number(&leader, "oauthclient_leader", &[]).await, 1.0);
    assert_eq!(number(&standby, "oauthclient_leader", &[]).await, 0.0);
    let begun = Begun::now(place, &[&standby]);
    // Something to write, whenever it takes over.
    let first = 3 * BESIDE;
    let url = place.providers[HEALTHY].url(PATH);
    place.create(first..first + 20, |_| url.clone()).await;
    leader.kill();
    let killed = Instant::now();
    place.create(first + 20..first + 40, |_| url.clone()).await;
    until(&standby, "oauthclient_leader", &[]).await;
    let leads = killed.elapsed();
    let writes = [("kind", "secret"), ("outcome", "success")];
    until(&standby, "oauthclient_api_writes_total", &writes).await;
    let wrote = killed.elapsed();
    let list = wrote - leads;
    report.row(
        "failover: from SIGKILL of the leader to the first write of the standby, less its list",
        format!("{:.1} s", leads.as_secs_f64()),
        "at most 15 s",
        leads <= Duration::from_secs(15),
    );
    report.plain(
        "failover: list of the standby, from the Lease to its first write",
        format!("{:.1} s", list.as_secs_f64()),
    );
    report.share("failover", &begun, place, &[&standby]);
    changes.settle().await;
    standby.terminate(Duration::from_secs(70)).await.unwrap();
}

async fn number(operator: &Operator, name: &str, labels: &[(&str, &str)]) -> f64 {
    let metrics = operator.metrics().await;
    metrics.map_or(0.0, |metrics| metrics.get(name, labels).unwrap_or(0.0))
}

async fn until(operator: &Operator, name: &str, labels: &[(&str, &str)]) {
    let wait = async {
        while number(operator, name, labels).await < 1.0 {
            tokio::time::sleep(PERIOD).await;
        }
    };
    let met = tokio::time::timeout(WITHIN, wait).await;
    met.unwrap_or_else(|_| panic!("the standby has no {name} after {WITHIN:?}"));
}
