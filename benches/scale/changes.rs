//! Edits and deletions during the whole run: each is seen.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use oauthclient_operator::api::OAuthClient;
use serde_json::json;
use tokio::task::JoinHandle;

use super::others::is_healthy;
use super::place::Place;
use super::report::Report;
use super::seen::Seen;

/// The most changes of a run.
const CHANGES: usize = 1000;
/// The parts of the run that have changes.
const PARTS: usize = 4;
/// From one change to the next.
const PERIOD: Duration = Duration::from_millis(200);
/// A change that is not seen after this long is lost.
const LOST: Duration = Duration::from_secs(1800);

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Edit,
    Deletion,
}

/// A change, and how long it took until it was seen; `None` if it was not.
struct Change {
    part: &'static str,
    what: What,
    took: Option<Duration>,
}

/// The changes of a run.
pub struct Changes {
    client: Client,
    seen: Seen,
    /// What to change: the first half is edited, the second one deleted. All of them have tokens when the changes begin.
    targets: Vec<Arc<(String, usize)>>,
    made: usize,
    under_way: Vec<JoinHandle<Vec<Change>>>,
    all: Vec<Change>,
}

impl Changes {
    pub fn new(place: &Place, seen: &Seen, count: usize) -> Changes {
        let numbers = (0..count / 10).filter(|number| is_healthy(place, *number));
        let targets = numbers.map(|number| Arc::new((place.namespace_of(number), number)));
        let targets: Vec<_> = targets.take(CHANGES).collect();
        Changes {
            client: place.client.clone(),
            seen: seen.clone(),
            targets,
            made: 0,
            under_way: Vec::new(),
            all: Vec::new(),
        }
    }

    /// Begins the changes of the next part, in the background.
    pub fn begin(&mut self, part: &'static str) {
        let each = self.targets.len() / PARTS;
        let targets: Vec<_> = self.targets.iter().skip(self.made).take(each).collect();
        let targets: Vec<_> = targets.into_iter().cloned().collect();
        self.made += targets.len();
        let (client, seen) = (self.client.clone(), self.seen.clone());
        self.under_way.push(tokio::spawn(async move {
            let mut tasks = Vec::new();
            for (at, target) in targets.into_iter().enumerate() {
                let what = if at % 2 == 0 {
                    What::Edit
                } else {
                    What::Deletion
                };
                tokio::time::sleep(PERIOD).await;
                let (client, seen) = (client.clone(), seen.clone());
                tasks.push(tokio::spawn(async move {
                    let took = make(client, &seen, what, &target.0, target.1).await;
                    Change { part, what, took }
                }));
            }
            let all = join_all(tasks).await.into_iter();
            all.map(|change| change.unwrap()).collect()
        }));
    }

    /// Waits for all changes so far.
    pub async fn settle(&mut self) {
        for task in std::mem::take(&mut self.under_way) {
            self.all.extend(task.await.unwrap());
        }
    }

    /// Waits for the changes, and reports them.
    pub async fn tell(&mut self, report: &mut Report) {
        self.settle().await;
        for (name, what) in [("edits", What::Edit), ("deletions", What::Deletion)] {
            let all: Vec<&Change> = self.all.iter().filter(|one| one.what == what).collect();
            let seen = all.iter().filter(|change| change.took.is_some()).count();
            report.row(
                &format!("{name} that were seen"),
                format!("{seen} of {}", all.len()),
                "all",
                seen == all.len() && seen > 0,
            );
            for part in ["first issues", "spread", "faults", "failover"] {
                let took = all.iter().filter(|one| one.part == part);
                if let Some(slowest) = took.filter_map(|change| change.took).max() {
                    report.plain(
                        &format!("slowest of the {name} during {part}"),
                        format!("{:.1} s", slowest.as_secs_f64()),
                    );
                }
            }
        }
    }
}

/// Makes one change, and waits until the token Secret shows it.
async fn make(
    client: Client,
    seen: &Seen,
    what: What,
    namespace: &str,
    number: usize,
) -> Option<Duration> {
    let kind = ApiResource::erase::<OAuthClient>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(client, namespace, &kind);
    let name = format!("r-{number}");
    let begun = Instant::now();
    match what {
        What::Edit => {
            let patch = json!({"spec": {"scopes": ["changed"]}});
            let (params, patch) = (PatchParams::default(), Patch::Merge(&patch));
            api.patch(&name, &params, &patch).await.unwrap();
        }
        What::Deletion => {
            api.delete(&name, &Default::default()).await.unwrap();
        }
    }
    let shown = async {
        loop {
            match (what, seen.times(number)) {
                (What::Edit, Some((_, last))) if last > begun => return last,
                (What::Deletion, None) => return Instant::now(),
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let shown = tokio::time::timeout(LOST, shown).await.ok()?;
    Some(shown.duration_since(begun))
}
