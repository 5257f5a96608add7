//! Watches: what changed since a version, as lines of JSON, until the server ends them or something befalls them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::unfold;
use http::Response;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};
use tokio::sync::watch::Receiver;
use tokio::time::timeout;

use crate::sim::World;
use crate::sim::faults::Fault;
use crate::sim::objects::{Change, Kind, Object, Refusal, has_label, text};
use crate::sim::process::Process;

use super::{Answer, Asked, Error, Server, metadata_of, refused, status_of};

/// How often a bookmark is sent.
const BOOKMARK: Duration = Duration::from_secs(60);
/// How long nothing comes over a connection before the client cuts it.
const SILENCE: Duration = Duration::from_secs(90);

struct Watch {
    world: Arc<World>,
    process: Arc<Process>,
    kind: Kind,
    label: Option<String>,
    namespace: Option<String>,
    metadata_only: bool,
    /// The place in the log of what comes next, and the version of what came last.
    place: u64,
    version: u64,
    changed: Receiver<u64>,
    ends: i64,
    /// How much later than it happened everything is told, in milliseconds.
    lag: i64,
    over: bool,
    /// What is sent once more.
    again: Option<Bytes>,
}

pub(super) async fn begin(server: &Server, asked: &Asked) -> Result<Answer, Error> {
    let world = &server.world;
    let Some(kind) = asked.kind else {
        return Ok(refused(&Refusal::new(404, "NotFound", "no such path")));
    };
    tokio::time::sleep(Duration::from_millis(3)).await;
    let version: u64 = asked
        .value("resourceVersion")
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    let place = {
        let objects = world.objects.lock().unwrap();
        match objects.log(kind) {
            None => 0,
            Some(log) if version < log.compacted => {
                let message = "too old resource version";
                return Ok(refused(&Refusal::new(410, "Expired", message)));
            }
            Some(log) => {
                log.first
                    + log
                        .changes
                        .partition_point(|change| change.version <= version)
                        as u64
            }
        }
    };
    let seconds: i64 = asked
        .value("timeoutSeconds")
        .and_then(|text| text.parse().ok())
        .unwrap_or(300);
    let watch = Watch {
        world: Arc::clone(world),
        process: Arc::clone(&server.process),
        kind,
        label: asked.label(),
        namespace: asked.namespace.clone(),
        metadata_only: asked.metadata_only,
        place,
        version,
        changed: world.changed.subscribe(),
        ends: world.now() + seconds * 1000,
        lag: 0,
        over: false,
        again: None,
    };
    let lines = unfold(watch, |mut watch| async move {
        let line = watch.next().await?;
        Some((line.map(Frame::data), watch))
    });
    Ok(Response::new(StreamBody::new(lines).boxed_unsync()))
}

impl Watch {
    /// The next line; `None` at the end.
    async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        if self.over {
            return None;
        }
        if let Some(again) = self.again.take() {
            return Some(Ok(again));
        }
        loop {
            self.process.runs().await;
            let now = self.world.now();
            if now >= self.ends {
                return None;
            }
            self.changed.borrow_and_update();
            let next = self.change();
            match next {
                Next::Compacted => return Some(Ok(self.gone())),
                Next::Change(change) if change.at + self.lag > now => {
                    let wait = change.at + self.lag - now;
                    tokio::time::sleep(Duration::from_millis(wait as u64)).await;
                }
                Next::Change(change) => {
                    self.place += 1;
                    self.version = change.version;
                    let Some(line) = self.line(&change) else {
                        continue;
                    };
                    return self.send(line).await;
                }
                Next::Nothing => {
                    let left = Duration::from_millis((self.ends - now) as u64).min(BOOKMARK);
                    if timeout(left, self.changed.changed()).await.is_err() && left == BOOKMARK {
                        return Some(Ok(self.bookmark()));
                    }
                }
            }
        }
    }

    /// Sends a line, unless something befalls it.
    async fn send(&mut self, line: Bytes) -> Option<Result<Bytes, Error>> {
        let name = format!(
            "watch {:?} {} {}",
            self.kind,
            self.label.is_some(),
            self.process.number
        );
        let (fault, mut draws) = {
            let mut faults = self.world.faults.lock().unwrap();
            faults.of_watch(self.world.now(), &name)
        };
        match fault {
            Some(Fault::WatchLags) => self.lag = draws.between(0, 12_000),
            Some(Fault::WatchRepeats) => self.again = Some(line.clone()),
            Some(Fault::WatchEnds) => return None,
            Some(Fault::WatchIsCut) => {
                self.over = true;
                return Some(Err("the connection was cut".into()));
            }
            Some(Fault::WatchGone) => return Some(Ok(self.gone())),
            Some(Fault::WatchIsSilent) => {
                self.over = true;
                tokio::time::sleep(SILENCE).await;
                return Some(Err("nothing came for too long".into()));
            }
            _ => {}
        }
        Some(Ok(line))
    }

    fn gone(&mut self) -> Bytes {
        self.over = true;
        let refusal = Refusal::new(410, "Expired", "too old resource version");
        line("ERROR", &status_of(&refusal))
    }

    fn bookmark(&mut self) -> Bytes {
        let (api_version, kind) = match self.kind {
            _ if self.metadata_only => ("meta.k8s.io/v1", "PartialObjectMetadata"),
            Kind::OAuthClient => ("oauthclient.dev/v1alpha1", "OAuthClient"),
            _ => ("v1", "Secret"),
        };
        line(
            "BOOKMARK",
            &json!({
                "apiVersion": api_version,
                "kind": kind,
                "metadata": {"resourceVersion": self.version.to_string()},
            }),
        )
    }

    fn change(&mut self) -> Next {
        let objects = self.world.objects.lock().unwrap();
        let Some(log) = objects.log(self.kind) else {
            return Next::Nothing;
        };
        let Some(index) = self.place.checked_sub(log.first) else {
            return Next::Compacted;
        };
        match log.changes.get(index as usize) {
            Some(change) => Next::Change(change.clone()),
            None => {
                self.version = objects.version();
                Next::Nothing
            }
        }
    }

    /// What this watch is told of a change; nothing where that is none of its own.
    fn line(&self, change: &Change) -> Option<Bytes> {
        if self
            .namespace
            .as_deref()
            .is_some_and(|namespace| namespace != &*change.namespace)
        {
            return None;
        }
        let matches = |object: &&Object| {
            self.label
                .as_deref()
                .is_none_or(|label| has_label(object, label))
        };
        let old = change.old.as_ref().filter(matches);
        let new = change.new.as_ref().filter(matches);
        let (what, object) = match (old, new) {
            (None, None) => return None,
            (None, Some(new)) => ("ADDED", new),
            (Some(_), Some(new)) => ("MODIFIED", new),
            (Some(old), None) => ("DELETED", old),
        };
        let mut value = match self.metadata_only {
            true => metadata_of(object),
            false => (**object).clone(),
        };
        if what == "DELETED" {
            value["metadata"]["resourceVersion"] = json!(change.version.to_string());
        }
        debug_assert!(!text(&value, "/metadata/uid").is_empty());
        Some(line(what, &value))
    }
}

enum Next {
    Nothing,
    Compacted,
    Change(Change),
}

fn line(what: &str, object: &Value) -> Bytes {
    let mut text = format!("{{\"type\":\"{what}\",\"object\":").into_bytes();
    text.extend(serde_json::to_vec(object).unwrap_or_default());
    text.extend(b"}\n");
    Bytes::from(text)
}
