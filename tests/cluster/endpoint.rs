//! Everything that a token endpoint can do wrong, and what the operator makes of it.

mod answers;
mod throttling;
mod timeouts;

use testkit::provider::{Behaviour, Provider};

use super::fleet::Fleet;
use super::harness::{CLIENT_SECRET, SOON, Stage, Start, credentials, jiff_now, living, resource};

/// Where the case `name` has its endpoint.
fn path(name: &str) -> String {
    format!("/{name}/token")
}

/// An endpoint of its own for the case `name`, at this provider.
fn endpoint(provider: &Provider, name: &str, behaviour: Behaviour) {
    provider.set(&path(name), behaviour);
}

/// Manifests of one resource a case, each at its own endpoint of this provider.
fn manifests<'n>(provider: &Provider, names: impl IntoIterator<Item = &'n str>) -> String {
    let one = |name: &str| resource(name, &provider.url(&path(name)), "");
    names.into_iter().map(one).collect::<Vec<_>>().join("---\n")
}
