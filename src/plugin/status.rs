//! `status`: the state at a glance, never the token.

mod details;
mod list;
mod moment;
mod summary;
mod table;
mod watch;

use crate::clock::Clock;
use crate::plugin::output::{json, yaml};
use crate::plugin::problem::{NOT_READY, Problem};
use crate::plugin::status::list::{CLIENT, nothing};

use super::args::{ConnectionArgs, Output, StatusArgs};
use super::cluster::Cluster;
use super::output;
use super::target::resource;

pub(crate) use list::all;
pub(super) use summary::Summary;

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
        summary.details.read_login(&cluster).await;
    }
    match (args.output, &args.name, summaries.as_slice()) {
        (Output::Json, _, _) => output::raw(&json(&summaries)?),
        (Output::Yaml, _, _) => output::raw(&yaml(&summaries)?),
        (Output::Name, _, several) => {
            for one in several {
                output::line(&format!("{CLIENT}/{}", one.name));
            }
        }
        (Output::Text, Some(_), [one]) => output::painted(&one.in_full()),
        (_, _, []) => output::line(&nothing(&cluster, args)),
        (output, _, several) => {
            let table = table::of(several, output == Output::Wide, args.all_namespaces);
            output::painted(&table.draw(output::width()));
            if several.len() > 1 {
                output::painted(&table::tally(several));
            }
        }
    }
    let ready = summaries.iter().all(|summary| summary.ready);
    Ok(if ready { 0 } else { NOT_READY })
}
