//! `status`: what a person wants to know at a glance, and never the token.

mod behind;

use std::fmt::Write as _;

use k8s_openapi::api::core::v1::Secret as ApiSecret;
use kube::api::{ListParams, PartialObjectMeta};
use kube::{Api, ResourceExt as _};
use serde::Serialize;

use super::args::{ConnectionArgs, Output, StatusArgs};
use super::cluster::{CLIENTS, Cluster, Deed, SECRETS};
use super::target::resource;
use super::{NOT_READY, Problem, say};
use crate::api::spec::OAuthClient;
use crate::clock::Clock;
use crate::time::Time;
use behind::Behind;

/// Most resources of one list call; more come in pages.
const PAGE: u32 = 500;
const EXPIRES: &str = "oauthclient.dev/expires-at";
const REFRESH: &str = "oauthclient.dev/refresh-at";

/// Tells.
pub(super) async fn run(connection: &ConnectionArgs, args: &StatusArgs) -> Result<u8, Problem> {
    let clock = Clock::system();
    let cluster = Cluster::connect(connection).await?;
    let found = match &args.name {
        Some(name) => vec![resource(&cluster, name).await?],
        None => all(&cluster, args.all_namespaces).await?,
    };
    let now = clock.now();
    let mut summaries: Vec<Summary> = found.iter().map(|one| Summary::of(one, now)).collect();
    if let ([summary], Some(_)) = (summaries.as_mut_slice(), &args.name) {
        summary.look_at_secret(&cluster, now).await;
        summary.behind.look_at_login(&cluster).await;
    }
    match (args.output, &args.name, summaries.as_slice()) {
        (Output::Json, _, _) => {
            let text = serde_json::to_string_pretty(&summaries)
                .map_err(|error| Problem::new(error.to_string()))?;
            say::line(&text);
        }
        (Output::Text, Some(_), [one]) => say::line(&one.in_full()),
        (_, _, []) => say::line(&nothing(&cluster, args)),
        (output, _, several) => say::line(&table(several, output == Output::Wide, args)),
    }
    let ready = summaries.iter().all(|summary| summary.ready);
    Ok(if ready { 0 } else { NOT_READY })
}

fn nothing(cluster: &Cluster, args: &StatusArgs) -> String {
    if args.all_namespaces {
        "There is no OAuthClient in this cluster.".to_owned()
    } else {
        format!(
            "There is no OAuthClient in namespace {} (-A looks in all).",
            cluster.namespace
        )
    }
}

async fn all(cluster: &Cluster, everywhere: bool) -> Result<Vec<OAuthClient>, Problem> {
    let api: Api<OAuthClient> = if everywhere {
        cluster.everywhere()
    } else {
        cluster.api()
    };
    let deed = Deed {
        verb: "list",
        resource: CLIENTS,
        name: "",
    };
    let (mut all, mut from) = (Vec::new(), None::<String>);
    loop {
        let mut params = ListParams::default().limit(PAGE);
        params.continue_token.clone_from(&from);
        let page = cluster.call(deed, api.list(&params)).await?;
        from = page.metadata.continue_.filter(|token| !token.is_empty());
        all.extend(page.items);
        if from.is_none() {
            return Ok(all);
        }
    }
}

/// One resource at a glance. Its JSON form is part of what is promised.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) ready: bool,
    /// One word.
    reason: String,
    /// What is so, and the next step.
    message: String,
    stalled: bool,
    suspended: bool,
    token_secret: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
    #[serde(flatten)]
    behind: Behind,
    #[serde(skip)]
    now: Time,
}

/// Times as people read them: from now, and as they are written.
#[derive(Clone, Copy)]
struct Moment(Time);

impl Moment {
    fn of(self, text: &str) -> String {
        match Time::parse_rfc3339(text) {
            Some(time) if time >= self.0 => format!("in {} ({text})", time.since(self.0)),
            Some(time) => format!("{} ago ({text})", self.0.since(time)),
            None => text.to_owned(),
        }
    }
}

/// The last request, as long as it failed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    reason: String,
    message: String,
    time: String,
    failures: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_time: Option<String>,
}

impl Summary {
    /// Of a resource as it is now.
    pub(super) fn of(resource: &OAuthClient, now: Time) -> Summary {
        let status = resource.status.clone().unwrap_or_default();
        let condition = |kind: &str| {
            status
                .conditions
                .iter()
                .find(|condition| condition.type_ == kind)
        };
        let holds = |kind: &str| condition(kind).is_some_and(|found| found.status == "True");
        let told = ["Stalled", "Reconciling"]
            .into_iter()
            .find(|kind| holds(kind));
        let told = condition(told.unwrap_or("Ready")).or_else(|| condition("Ready"));
        let (reason, message) = match told {
            Some(found) => (found.reason.clone(), found.message.clone()),
            None => (
                "Unknown".to_owned(),
                "The operator has not looked at it yet. Does it run, and does it serve this namespace? kubectl -n oauthclient-system logs deployment/oauthclient-operator".to_owned(),
            ),
        };
        let failing = condition("RefreshFailing").filter(|found| found.status == "True");
        let failure = status.attempt.as_ref().map(|attempt| Failure {
            reason: attempt.reason.clone(),
            message: failing
                .map(|found| found.message.clone())
                .unwrap_or_default(),
            time: attempt.time.clone(),
            failures: attempt.failures,
            next_time: attempt.next_time.clone(),
        });
        Summary {
            namespace: resource.namespace().unwrap_or_default(),
            name: resource.name_any(),
            ready: holds("Ready"),
            reason,
            message,
            stalled: holds("Stalled"),
            suspended: resource.spec.suspend,
            token_secret: resource.spec.token_secret.name.clone(),
            expiration_time: status
                .token
                .as_ref()
                .map(|token| token.expiration_time.clone()),
            refresh_time: status
                .token
                .as_ref()
                .map(|token| token.refresh_time.clone()),
            failure,
            behind: Behind::of(resource, &status),
            now,
        }
    }

    /// Where the status tells no times, the token Secret's annotations do. Its data is not asked for.
    async fn look_at_secret(&mut self, cluster: &Cluster, now: Time) {
        if self.expiration_time.is_some() || !self.ready {
            return;
        }
        self.now = now;
        let deed = Deed {
            verb: "get",
            resource: SECRETS,
            name: &self.token_secret,
        };
        let api = cluster.api::<ApiSecret>();
        let found: Result<PartialObjectMeta<ApiSecret>, _> = cluster
            .call(deed, api.get_metadata(&self.token_secret))
            .await;
        if let Ok(found) = found {
            self.expiration_time = found.annotations().get(EXPIRES).cloned();
            self.refresh_time = found.annotations().get(REFRESH).cloned();
        }
    }

    /// For a person, in lines.
    pub(super) fn in_full(&self) -> String {
        let ready = match (self.ready, self.suspended) {
            (true, false) => "ready",
            (true, true) => "ready, but suspended",
            (false, false) => "not ready",
            (false, true) => "not ready, and suspended",
        };
        let mut out = format!(
            "{}/{}: {ready} ({})\n",
            self.namespace, self.name, self.reason
        );
        let moment = Moment(self.now);
        let mut add = |name: &str, text: &str| {
            let name = if name.is_empty() {
                ""
            } else {
                &format!("{name}:")
            };
            let _ = writeln!(out, "  {name:<15}{text}");
        };
        if let Some(time) = &self.expiration_time {
            add("Expires", &moment.of(time));
        }
        if let Some(time) = &self.refresh_time {
            add("Refresh", &moment.of(time));
        }
        add("Secret", &self.token_secret);
        for (name, text) in self.behind.lines(moment) {
            add(name, &text);
        }
        if let Some(failure) = &self.failure {
            add(
                "Failure",
                &format!(
                    "{}, {} in a row, last {}",
                    failure.reason,
                    failure.failures,
                    moment.of(&failure.time)
                ),
            );
            if !failure.message.is_empty() && failure.message != self.message {
                add("", &failure.message);
            }
            let next = failure.next_time.as_deref().map_or_else(
                || "when the resource or its credentials change".to_owned(),
                |time| moment.of(time),
            );
            add("Next try", &next);
        }
        add("Says", &self.message);
        out.trim_end().to_owned()
    }

    fn span(&self, text: Option<&String>) -> String {
        let time = text.and_then(|text| Time::parse_rfc3339(text));
        match time {
            Some(time) if time >= self.now => format!("in {}", time.since(self.now)),
            Some(time) => format!("{} ago", self.now.since(time)),
            None => "-".to_owned(),
        }
    }
}

/// A table, aligned.
fn table(summaries: &[Summary], wide: bool, args: &StatusArgs) -> String {
    let mut head = vec!["NAME", "READY", "REASON", "EXPIRES", "REFRESH", "SECRET"];
    if args.all_namespaces {
        head.insert(0, "NAMESPACE");
    }
    if wide {
        head.extend(["FAILURE", "MESSAGE"]);
    }
    let mut rows: Vec<Vec<String>> = vec![head.into_iter().map(str::to_owned).collect()];
    for one in summaries {
        let ready = if one.ready { "yes" } else { "no" };
        let mut row = vec![
            one.name.clone(),
            ready.to_owned(),
            one.reason.clone(),
            one.span(one.expiration_time.as_ref()),
            one.span(one.refresh_time.as_ref()),
            one.token_secret.clone(),
        ];
        if args.all_namespaces {
            row.insert(0, one.namespace.clone());
        }
        if wide {
            let failure = one.failure.as_ref();
            row.push(failure.map_or_else(
                || "-".to_owned(),
                |failure| format!("{} x{}", failure.reason, failure.failures),
            ));
            row.push(one.message.replace('\n', " "));
        }
        rows.push(row);
    }
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let lines = rows.iter().map(|row| {
        let cells = row.iter().zip(&widths);
        let line: String = cells
            .map(|(cell, width)| format!("{cell:<width$}   "))
            .collect();
        line.trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
