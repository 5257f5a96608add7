//! `status`: the state at a glance, never the token.

mod behind;
mod summary;
mod table;
mod watch;

use kube::api::ListParams;
use kube::{Api, ResourceExt as _};

use super::args::{ConnectionArgs, Output, StatusArgs};
use super::cluster::{CLIENTS, Cluster, Deed};
use super::target::resource;
use super::{NOT_READY, Problem, say};
use crate::api::spec::OAuthClient;
use crate::clock::Clock;

pub(super) use summary::Summary;

/// The page size of list calls.
const PAGE: u32 = 500;

/// Runs the command.
pub(super) async fn run(connection: &ConnectionArgs, args: &StatusArgs) -> Result<u8, Problem> {
    let clock = Clock::system();
    let cluster = Cluster::connect(connection).await?;
    if args.watch {
        return watch::run(&cluster, args, &clock).await;
    }
    let found = match &args.name {
        Some(name) => vec![resource(&cluster, name).await?],
        None => all(&cluster, args.all_namespaces, args.selector.as_deref()).await?,
    };
    let now = clock.now();
    let mut summaries: Vec<Summary> = found.iter().map(|one| Summary::of(one, now)).collect();
    if let ([summary], Some(_)) = (summaries.as_mut_slice(), &args.name) {
        summary.look_at_secret(&cluster, now).await;
        summary.behind.look_at_login(&cluster).await;
    }
    match (args.output, &args.name, summaries.as_slice()) {
        (Output::Json, _, _) => say::raw(&json(&summaries)?),
        (Output::Yaml, _, _) => say::raw(&yaml(&summaries)?),
        (Output::Name, _, several) => {
            for one in several {
                say::line(&format!("{CLIENT}/{}", one.name));
            }
        }
        (Output::Text, Some(_), [one]) => say::painted(&one.in_full()),
        (_, _, []) => say::line(&nothing(&cluster, args)),
        (output, _, several) => {
            let table = table::of(several, output == Output::Wide, args.all_namespaces);
            say::painted(&table.draw(say::width()));
            if several.len() > 1 {
                say::painted(&table::tally(several));
            }
        }
    }
    let ready = summaries.iter().all(|summary| summary.ready);
    Ok(if ready { 0 } else { NOT_READY })
}

/// As in `kubectl get -o name`.
const CLIENT: &str = "oauthclient.oauthclient.dev";

/// As JSON.
pub(super) fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<String, Problem> {
    serde_json::to_string_pretty(value).map_err(|error| Problem::new(error.to_string()))
}

/// As YAML.
pub(super) fn yaml<T: serde::Serialize + ?Sized>(value: &T) -> Result<String, Problem> {
    serde_saphyr::to_string(&value).map_err(|error| Problem::new(error.to_string()))
}

fn nothing(cluster: &Cluster, args: &StatusArgs) -> String {
    let which = match &args.selector {
        Some(selector) => format!("no OAuthClient with {selector}"),
        None => "no OAuthClient".to_owned(),
    };
    if args.all_namespaces {
        format!("There is {which} in this cluster.")
    } else {
        format!(
            "There is {which} in namespace {} (-A looks in all).",
            cluster.namespace
        )
    }
}

/// All resources, sorted by name.
pub(super) async fn all(
    cluster: &Cluster,
    everywhere: bool,
    selector: Option<&str>,
) -> Result<Vec<OAuthClient>, Problem> {
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
        params.label_selector = selector.map(str::to_owned);
        params.continue_token.clone_from(&from);
        let page = cluster.call(deed, api.list(&params)).await?;
        from = page.metadata.continue_.filter(|token| !token.is_empty());
        all.extend(page.items);
        if from.is_none() {
            all.sort_by_key(|one| (one.namespace(), one.name_any()));
            return Ok(all);
        }
    }
}
