//! What the resources themselves report: DNS and token hosts as the operator sees them, and what each resource lacks.

use std::collections::BTreeMap;

use url::Url;

use crate::api::spec::OAuthClient;
use crate::command::Command;
use crate::plugin::doctor::gather::Facts;
use crate::plugin::finding::{Finding, MOST_NAMED, unknown};
use crate::plugin::next_command;
use crate::plugin::status::Summary;
use crate::plugin::target::host_of;

/// Reasons of a host that does not answer as it should.
const UNREACHABLE: [&str; 9] = [
    "DNSFailed",
    "ConnectFailed",
    "TLSFailed",
    "Timeout",
    "ProxyRefused",
    "AddressRefused",
    "HTTPNotAllowed",
    "Redirected",
    "NotFound",
];

pub(super) fn dns(facts: &Facts, summaries: &[Summary]) -> Finding {
    const AREA: &str = "DNS";
    let failing: Vec<String> = summaries
        .iter()
        .filter(|one| {
            one.failure
                .as_ref()
                .is_some_and(|failure| failure.reason == "DNSFailed")
        })
        .map(|one| format!("{}/{}", one.namespace, one.name))
        .collect();
    if !failing.is_empty() {
        let some: Vec<String> = failing.iter().take(MOST_NAMED).cloned().collect();
        let text = format!(
            "The operator cannot resolve the token host of {} OAuthClients ({})",
            failing.len(),
            some.join(", ")
        );
        return Finding::fail(AREA, text)
            .remedy("compare the host's name with the provider's, then look at the cluster's DNS");
    }
    match &facts.dns {
        Ok(Some(true)) => Finding::ok(
            AREA,
            "The cluster's DNS is ready, and the operator resolves every token host",
        ),
        Ok(Some(false)) => Finding::fail(AREA, "No pod of the cluster's DNS is ready")
            .remedy("kubectl get pods -n kube-system -l k8s-app=kube-dns"),
        Ok(None) => Finding::ok(AREA, "The operator resolves every token host"),
        Err(why) => Finding::ok(
            AREA,
            format!(
                "The operator resolves every token host (the cluster's DNS could not be checked: {why})"
            ),
        ),
    }
}

/// What the operator's own requests say of each token host.
pub(super) fn hosts(clients: &[OAuthClient], summaries: &[Summary]) -> Vec<Finding> {
    #[derive(Default)]
    struct Host {
        all: usize,
        well: usize,
        unreachable: BTreeMap<String, usize>,
    }
    let mut hosts: BTreeMap<String, Host> = BTreeMap::new();
    for (client, summary) in clients.iter().zip(summaries) {
        let provider = &client.spec.provider;
        let url = provider.token_url.as_ref().or(provider.issuer_url.as_ref());
        let Some(url) = url
            .and_then(|text| Url::parse(text).ok())
            .filter(Url::has_host)
        else {
            continue;
        };
        let host = hosts.entry(host_of(&url)).or_default();
        host.all += 1;
        let reason = summary
            .failure
            .as_ref()
            .map_or(summary.reason.as_str(), |failure| failure.reason.as_str());
        if UNREACHABLE.contains(&reason) {
            *host.unreachable.entry(reason.to_owned()).or_default() += 1;
        } else if summary.ready && summary.failure.is_none() {
            host.well += 1;
        }
    }
    let finding = |(name, host): (String, Host)| {
        const AREA: &str = "Token host";
        let Host {
            all,
            well,
            unreachable,
        } = host;
        if let Some((reason, _)) = unreachable.iter().max_by_key(|(_, count)| **count) {
            let hosts: Vec<String> = unreachable
                .iter()
                .map(|(reason, count)| format!("{reason} {count}"))
                .collect();
            let text = format!(
                "{name} does not answer the operator for {} of {all} OAuthClients ({})",
                unreachable.values().sum::<usize>(),
                hosts.join(", ")
            );
            return Finding::fail(AREA, text)
                .command(&Command::kubectl(&["oauthclient", "explain"]).value(reason));
        }
        if well > 0 {
            Finding::ok(
                AREA,
                format!(
                    "{name} answers the operator ({well} of {all} OAuthClients have a token from it)"
                ),
            )
        } else {
            Finding::warn(
                AREA,
                format!("{name}: no OAuthClient has a token from it yet"),
            )
        }
    };
    hosts.into_iter().map(finding).collect()
}

pub(super) fn resources(facts: &Facts, summaries: &[Summary]) -> Vec<Finding> {
    const AREA: &str = "OAuthClient";
    if let Some(why) = &facts.clients_unknown {
        return vec![unknown("OAuthClients", "Their status", why)];
    }
    if summaries.is_empty() {
        let place = if facts.everywhere {
            "this cluster".to_owned()
        } else {
            format!("namespace {} (-A looks in all)", facts.namespace)
        };
        return vec![Finding::ok(
            "OAuthClients",
            format!("There is none in {place}"),
        )];
    }
    let well = summaries
        .iter()
        .filter(|one| one.ready && one.failure.is_none() && !one.stalled)
        .count();
    let mut all = vec![Finding::ok(
        "OAuthClients",
        format!("{well} of {} have a token and no problem", summaries.len()),
    )];
    for (client, one) in facts.clients.iter().zip(summaries) {
        let name = format!("{}/{}", one.namespace, one.name);
        let (reason, message) = one.shown();
        let finding = match (one.ready, one.stalled || one.failure.is_some()) {
            (true, false) => continue,
            (false, _) if one.suspended => {
                Finding::warn(AREA, format!("{name} is suspended and has no valid token"))
            }
            (true, true) => Finding::warn(
                AREA,
                format!("{name} has a valid token, but {reason}: {message}"),
            ),
            (false, _) => Finding::fail(AREA, format!("{name} is not ready, {reason}: {message}")),
        };
        all.push(match next_command::command(client, reason) {
            Some(command) => finding.command(&command),
            None => finding,
        });
    }
    all
}
