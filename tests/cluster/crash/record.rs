//! What an undisturbed run does, in order: every write to the API server and every token request.

use std::time::Duration;

use serde_json::Value;
use testkit::clock::Stopwatch;
use testkit::fault_proxy::Request;

use super::scene::{Run, Scene, Step};
use crate::harness::{SOON, jiff_now};

/// How long nothing is done before a step counts as over.
const QUIET: Duration = Duration::from_millis(2500);
/// How often it is looked.
pub const PERIOD: Duration = Duration::from_millis(150);

/// One thing that the operator did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A write; its path without the namespace's name.
    Write { method: String, path: String },
    /// A token request.
    Token,
}

impl Deed {
    /// As `PUT oauthclients/status`: what is done to which kind.
    pub fn kind(&self) -> String {
        let Deed::Write { method, path } = self else {
            return "token request".to_owned();
        };
        let after = path.split("/{namespace}/").nth(1).unwrap_or(path);
        let parts: Vec<&str> = after.split('/').collect();
        match parts[..] {
            [kind] | [kind, _] => format!("{method} {kind}"),
            [kind, _, sub] => format!("{method} {kind}/{sub}"),
            _ => format!("{method} {after}"),
        }
    }

    /// Whether it is a write of a Secret.
    pub fn writes_secret(&self) -> bool {
        matches!(
            self.kind().as_str(),
            "POST secrets" | "PATCH secrets" | "PUT secrets"
        )
    }
}

/// What was done in one step, and the state after it.
pub struct Recorded {
    pub step: Step,
    pub deeds: Vec<Deed>,
    pub standing: Value,
}

/// Runs the scenario and lets nothing happen to it.
pub async fn record(scene: &Scene) -> Vec<Recorded> {
    let run = scene.run().await;
    run.start().await;
    let mut all = Vec::new();
    let mut done = 0;
    for step in scene.scenario.steps.clone() {
        run.act(step).await;
        let standing = run.at_rest(step).await;
        let deeds = run.deeds().split_off(done);
        done += deeds.len();
        all.push(Recorded {
            step,
            deeds,
            standing,
        });
    }
    run.end().await;
    run.nothing_leaked().await;
    all
}

impl Run<'_> {
    /// Everything that the operators of this run have done so far, in order.
    pub fn deeds(&self) -> Vec<Deed> {
        let namespace = format!("/namespaces/{}/", self.namespace);
        // Both on one clock: the proxy counts from its start.
        let now = jiff_now();
        let elapsed = self.proxy.elapsed();
        let since_start = |at: jiff::Timestamp| {
            let ago = now.duration_since(at);
            elapsed.saturating_sub(Duration::try_from(ago).unwrap_or_default())
        };
        let requests = self.scene.provider.requests_to(&self.path);
        let requests = requests
            .iter()
            .map(|request| (since_start(request.at), Deed::Token));
        let writes = self.proxy.requests().into_iter().filter(Request::is_write);
        let writes = writes.map(|request| {
            let path = request.path.replace(&namespace, "/namespaces/{namespace}/");
            let method = request.method;
            (request.at, Deed::Write { method, path })
        });
        let mut all: Vec<(Duration, Deed)> = requests.chain(writes).collect();
        all.sort_by_key(|(at, _)| *at);
        all.into_iter().map(|(_, deed)| deed).collect()
    }

    /// Waits until a step is done and nothing more happens; returns the state then.
    async fn at_rest(&self, step: Step) -> Value {
        let started = Stopwatch::start();
        let mut last = (self.deeds().len(), Value::Null);
        let mut since = started;
        while since.elapsed() < QUIET || !is_done(step, &last.1) {
            assert!(
                started.elapsed() < SOON,
                "{step:?} does not come to rest: {:#}\n{}",
                last.1,
                self.log_end()
            );
            tokio::time::sleep(PERIOD).await;
            let now = (self.deeds().len(), self.standing().await);
            if now != last {
                (last, since) = (now, Stopwatch::start());
            }
        }
        last.1
    }
}

/// Whether a step has led to what it is done for.
fn is_done(step: Step, standing: &Value) -> bool {
    let resource = &standing["resource"];
    let secrets = standing["secrets"].as_object();
    match step {
        Step::Delete => resource.is_null() && secrets.is_some_and(serde_json::Map::is_empty),
        Step::Refresh | Step::Create(_) | Step::Rename(_) => {
            let ready = |condition: &Value| condition[0] == "Ready" && condition[1] == "True";
            let conditions = resource["conditions"].as_array();
            let named = |name: &str| standing["secrets"][name]["token"]["newest"] == true;
            resource["observed"] == true
                && resource["handled"] == true
                && conditions.is_some_and(|all| all.iter().any(ready))
                && match step {
                    Step::Create(name) | Step::Rename(name) => named(name),
                    _ => true,
                }
        }
    }
}
