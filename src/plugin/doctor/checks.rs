//! Evaluates the collected facts. Pure.

mod clients;
#[cfg(test)]
mod tests;

use crate::command::Command;
use crate::plugin::finding::{Finding, MOST_NAMED, unknown};
use crate::plugin::installation::{LeaseSeen, Operator};
use crate::plugin::status::Summary;
use crate::plugin::version::OURS;
use crate::time::{Span, Time};

use super::gather::{Facts, Permission};
use clients::{dns, hosts, resources};

/// Providers often refuse signed assertions beyond this.
const CLOCK_WARN: Span = Span::from_seconds(10);
const CLOCK_FAIL: Span = Span::from_seconds(60);
/// All findings except those on credentials.
pub(super) fn judge(facts: &Facts, now: Time) -> Vec<Finding> {
    let mut all = vec![api(facts)];
    all.extend(definition(facts));
    all.extend(operator(facts));
    all.push(lease(facts, now));
    all.extend(clocks(facts));
    all.push(permissions(facts));
    all.push(own_permissions(facts));
    all.push(policy(facts));
    let summaries: Vec<Summary> = facts
        .clients
        .iter()
        .map(|client| Summary::of(client, now))
        .collect();
    all.push(dns(facts, &summaries));
    all.extend(hosts(&facts.clients, &summaries));
    all.extend(resources(facts, &summaries));
    all
}

fn api(facts: &Facts) -> Finding {
    match &facts.kubernetes {
        Ok(version) => Finding::ok("Kubernetes", format!("{version} at {}", facts.address)),
        Err(why) => Finding::fail("Kubernetes", why.clone()),
    }
}

fn definition(facts: &Facts) -> Vec<Finding> {
    const AREA: &str = "Definition";
    let apply = Command::kubectl(&["apply", "-f", "crds/"]);
    let found = match &facts.definition {
        Ok(Some(found)) => found,
        Ok(None) => {
            return vec![
                Finding::fail(AREA, "The resource definition is not installed").command(&apply),
            ];
        }
        Err(why) => return vec![unknown(AREA, "The resource definition", why)],
    };
    if !found.established {
        return vec![
            Finding::fail(AREA, "The resource definition is not served")
                .remedy("kubectl describe crd oauthclients.oauthclient.dev"),
        ];
    }
    let some = |fields: &[String]| {
        let named: Vec<&str> = fields.iter().take(MOST_NAMED).map(String::as_str).collect();
        let more = fields.len().saturating_sub(MOST_NAMED);
        let and = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        format!("{}{and}", named.join(", "))
    };
    if !found.lacks.is_empty() {
        let text = format!(
            "The resource definition is older than this plugin ({OURS}): it lacks {}",
            some(&found.lacks)
        );
        return vec![Finding::warn(AREA, text).command(&apply)];
    }
    if !found.has_more.is_empty() {
        let text = format!(
            "The resource definition is newer than this plugin ({OURS}): it has {}",
            some(&found.has_more)
        );
        return vec![
            Finding::warn(AREA, text).remedy("install the plugin of the operator's version"),
        ];
    }
    vec![Finding::ok(AREA, format!("v1alpha1, that of {OURS}"))]
}

fn operator(facts: &Facts) -> Vec<Finding> {
    const AREA: &str = "Operator";
    let operators = match &facts.operators {
        Ok(operators) => operators,
        Err(why) => return vec![unknown(AREA, "The operator", why)],
    };
    if operators.is_empty() {
        return vec![
            Finding::fail(
                AREA,
                "There is no Deployment with the label app.kubernetes.io/name=oauthclient-operator",
            )
            .remedy("install the operator: kubectl apply -k deploy/"),
        ];
    }
    let mut all: Vec<Finding> = operators.iter().flat_map(deployment).collect();
    let serves = |operator: &Operator| operator.serves(&facts.namespace);
    if !facts.everywhere && !operators.iter().any(serves) {
        let text = format!(
            "No operator serves namespace {} (--watch-namespaces)",
            facts.namespace
        );
        all.push(
            Finding::fail(AREA, text)
                .remedy("ask the administrator of the operator to add the namespace"),
        );
    }
    for pod in facts.pods.iter().flatten() {
        let logs = Command::kubectl(&["logs"]).value(&pod.name).namespace(
            &operators
                .first()
                .map(|one| one.namespace.clone())
                .unwrap_or_default(),
        );
        match &pod.waiting {
            Some(why) => all.push(
                Finding::fail("Pod", format!("Pod {} waits: {why}", pod.name)).command(&logs),
            ),
            None if pod.restarts > 3 => all.push(
                Finding::warn(
                    "Pod",
                    format!("Pod {} was restarted {} times", pod.name, pod.restarts),
                )
                .command(&logs.fixed(&["--previous"])),
            ),
            None => {}
        }
    }
    all
}

fn deployment(operator: &Operator) -> Vec<Finding> {
    const AREA: &str = "Operator";
    let Operator {
        namespace,
        name,
        image,
        wanted,
        ready,
        ..
    } = operator;
    let place = format!("{namespace}/{name}");
    let state = if *wanted == 0 {
        let scale = Command::kubectl(&["scale", "deployment"])
            .value(name)
            .namespace(namespace)
            .fixed(&["--replicas=1"]);
        Finding::fail(AREA, format!("Deployment {place} has no replicas")).command(&scale)
    } else if *ready == 0 {
        let describe = Command::kubectl(&["describe", "deployment"])
            .value(name)
            .namespace(namespace);
        Finding::fail(
            AREA,
            format!("Deployment {place} has no pod that is ready ({image})"),
        )
        .command(&describe)
    } else if ready < wanted {
        Finding::warn(
            AREA,
            format!("Deployment {place}: {ready} of {wanted} pods are ready"),
        )
    } else {
        Finding::ok(
            AREA,
            format!("Deployment {place}: {ready} of {wanted} pods are ready ({image})"),
        )
    };
    let version = match operator.version() {
        Some(version) if version == OURS => None,
        Some(version) => Some(
            Finding::warn(
                "Version",
                format!("The operator is {version}, this plugin {OURS}"),
            )
            .remedy("install the plugin of the operator's version"),
        ),
        None => Some(Finding::warn(
            "Version",
            format!("The operator's image names no version: {image}"),
        )),
    };
    std::iter::once(state).chain(version).collect()
}

fn lease(facts: &Facts, now: Time) -> Finding {
    const AREA: &str = "Lease";
    let elects = |operator: &Operator| {
        !operator
            .arguments
            .iter()
            .any(|flag| flag == "--leader-elect=false")
    };
    let seen = match &facts.lease {
        Ok(Some(seen)) => seen,
        Ok(None) if facts.operators.iter().flatten().any(elects) => {
            return Finding::fail(AREA, "There is no Lease: no replica of the operator works")
                .remedy("look at the operator's log, and at the rights on leases");
        }
        Ok(None) => return Finding::warn(AREA, "There is no Lease"),
        Err(why) => return unknown(AREA, "The Lease", why),
    };
    let LeaseSeen {
        holder,
        renewed,
        received,
        seconds,
    } = seen;
    // By the API server's clock if known, because the operator's may be wrong.
    let Some(last) = received.or(*renewed) else {
        return Finding::warn(AREA, "The Lease does not say when it was renewed");
    };
    let here = now - facts.clock_ahead.clone().unwrap_or(Span::ZERO);
    let age = here.since(last);
    if holder.is_empty() {
        return Finding::fail(
            AREA,
            "no replica of the operator holds the Lease, so none is working",
        )
        .remedy("check whether the operator runs");
    }
    if age > Span::from_seconds((3 * i64::from(*seconds)).max(45)) {
        return Finding::fail(
            AREA,
            format!("{holder} has not renewed the Lease for {age}"),
        )
        .remedy("check whether the operator runs");
    }
    Finding::ok(
        AREA,
        format!("Held by {holder}, renewed {} ago", age.max(Span::ZERO)),
    )
}

fn clocks(facts: &Facts) -> Vec<Finding> {
    const AREA: &str = "Clock";
    let of = |whose: &str, ahead: Span| {
        let by = if ahead < Span::ZERO {
            Span::ZERO - ahead
        } else {
            ahead
        };
        let way = if ahead < Span::ZERO {
            "behind"
        } else {
            "ahead of"
        };
        let text = format!("{whose} is {by} {way} the API server's");
        if by > CLOCK_FAIL {
            Finding::fail(AREA, text).remedy("set it by NTP: tokens would expire unnoticed, and signed assertions would be refused")
        } else if by > CLOCK_WARN {
            Finding::warn(AREA, text).remedy("set it by NTP: signed assertions may be refused")
        } else {
            Finding::ok(AREA, format!("{whose} agrees with the API server's"))
        }
    };
    let mut all = Vec::new();
    match &facts.clock_ahead {
        Ok(ahead) => all.push(of("The clock of this machine", *ahead)),
        Err(why) => all.push(unknown(AREA, "The clock of this machine", why)),
    }
    if let Ok(Some(LeaseSeen {
        renewed: Some(renewed),
        received: Some(received),
        ..
    })) = &facts.lease
    {
        all.push(of(
            "The clock of the operator's node",
            renewed.since(*received),
        ));
    }
    all
}

fn text_of(permissions: &[Permission]) -> String {
    let one = |(verb, group, resource, subresource): &Permission| {
        let group = if group.is_empty() {
            String::new()
        } else {
            format!(".{group}")
        };
        let sub = if subresource.is_empty() {
            String::new()
        } else {
            format!("/{subresource}")
        };
        format!("{verb} {resource}{group}{sub}")
    };
    permissions.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn permissions(facts: &Facts) -> Finding {
    const AREA: &str = "Permissions";
    let place = &facts.namespace;
    match &facts.operator_missing_permissions {
        Ok(lacks) if lacks.is_empty() => Finding::ok(
            AREA,
            format!("The operator has every right that it needs in namespace {place}"),
        ),
        Ok(lacks) => Finding::fail(
            AREA,
            format!(
                "The operator may not {} in namespace {place}",
                text_of(lacks)
            ),
        )
        .remedy("ask the administrator of the operator to run: kubectl apply -k deploy/"),
        Err(why) => unknown(AREA, "What the operator may do", why),
    }
}

fn own_permissions(facts: &Facts) -> Finding {
    const AREA: &str = "Your rights";
    let place = &facts.namespace;
    match &facts.own_missing_permissions {
        Ok(lacks) if lacks.is_empty() => Finding::ok(
            AREA,
            format!("You may create and change OAuthClients and Secrets in namespace {place}"),
        ),
        Ok(lacks) => Finding::warn(
            AREA,
            format!("You may not {} in namespace {place}", text_of(lacks)),
        )
        .remedy("ask the administrator of the namespace, if you need it"),
        Err(why) => unknown(AREA, "What you may do", why),
    }
}

fn policy(facts: &Facts) -> Finding {
    const AREA: &str = "Policy";
    match &facts.policies {
        Ok((0, _)) => Finding::warn(AREA, "No admission policy restricts the operator's account")
            .remedy("kubectl apply -k deploy/ installs one; see docs/security.md"),
        Ok((_, 0)) => Finding::warn(
            AREA,
            "The operator's admission policy is not bound, so it does nothing",
        )
        .remedy("kubectl apply -k deploy/"),
        Ok((policies, _)) => Finding::ok(
            AREA,
            format!("The operator's account is restricted by an admission policy ({policies})"),
        ),
        Err(why) => unknown(AREA, "The admission policy", why),
    }
}
