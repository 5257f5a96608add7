//! Everything that a token endpoint can do wrong, and what the operator makes of it.

mod answers;
mod lifetimes;
mod load;
mod refusals;
mod throttling;
mod timeouts;
mod tls;

use testkit::provider::{Behaviour, Provider};
use testkit::tls::Authority;

use super::fleet::Fleet;
use super::harness::{
    CLIENT_ID, CLIENT_SECRET, SOON, Stage, Start, credentials, jiff_now, living, resource,
};

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

/// A ConfigMap with an authority.
pub fn trust(name: &str, authority: &Authority) -> String {
    let pem = authority.pem().replace('\n', "\n    ");
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata:\n  ca.crt: |\n    {pem}\n"
    )
}
