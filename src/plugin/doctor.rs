//! `doctor`: everything that has to be right before tokens come, each with what to do where it is not.
//!
//! `gather` looks, `checks` judges what was seen. What the person may not see is said to be unknown; it fails nothing.

mod checks;
mod gather;

use super::args::{ConnectionArgs, DoctorArgs};
use super::cluster::Cluster;
use super::credentials::{inspected, users};
use super::finding::{self, Finding};
use super::{Problem, say};
use crate::clock::Clock;

/// Checks.
pub(super) async fn run(connection: &ConnectionArgs, args: &DoctorArgs) -> Result<u8, Problem> {
    let cluster = Cluster::connect(connection).await?;
    let findings = look(&cluster, &args.operator_namespace, args.all_namespaces);
    let findings = say::progress("Looking at the cluster", findings).await;
    finding::print(&findings, args.output)
}

/// All findings; nothing of it is printed.
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
