//! `doctor`: checks everything that tokens depend on, and says how to fix it.
//!
//! `gather` collects facts, `checks` evaluates them. What the user may not read is reported as unknown, not as a
//! failure.

mod checks;
mod gather;

use crate::clock::Clock;
use crate::plugin::problem::Problem;

use super::args::{ConnectionArgs, DoctorArgs};
use super::cluster::Cluster;
use super::credentials::{inspected, users};
use super::finding::{self, Finding};
use super::output;

/// Runs the command.
pub(super) async fn run(connection: &ConnectionArgs, args: &DoctorArgs) -> Result<u8, Problem> {
    let cluster = Cluster::connect(connection).await?;
    let findings = look(&cluster, &args.operator_namespace, args.all_namespaces);
    let findings = output::progress("Looking at the cluster", findings).await;
    finding::print(&findings, args.output)
}

/// All findings, without printing them.
pub(super) async fn look(
    cluster: &Cluster,
    operator_namespace: &str,
    everywhere: bool,
) -> Vec<Finding> {
    let clock = Clock::system();
    let cluster = cluster.quietly();
    let facts = gather::gather(&cluster, operator_namespace, everywhere, &clock).await;
    let mut findings = checks::judge(&facts, clock.now());
    let users = users(&facts.clients);
    let keys = users.keys().cloned().collect();
    findings.extend(inspected(&cluster, &keys, &users, &clock).await);
    findings
}
