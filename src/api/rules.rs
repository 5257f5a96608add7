//! The rules between fields: each once, as CEL for the API server and as Rust for everything else.
//!
//! The API server enforces the CEL of [`all`], which the CRD contains. [`super::validate`] and `local` evaluate
//! [`Rule::holds`] over the same value with defaults filled in. Tests check the manifests in `tests/manifests/` with
//! both. A rule is evaluated only on a value that the schema accepts, so it need not check types.

mod assertion;
mod client_authentication;
mod client_certificate;
mod endpoints;
mod exchange;
mod grant;
mod login;
mod provider;
mod refresh;
mod request;
mod restart;
mod revocation;
mod rule;
mod token_secret;

pub(crate) use rule::Rule;

/// Every rule of the spec, in the order of the fields.
pub(crate) fn all() -> impl Iterator<Item = &'static Rule> {
    [
        endpoints::RULES,
        provider::RULES,
        login::RULES,
        grant::RULES,
        exchange::RULES,
        refresh::RULES,
        client_authentication::RULES,
        assertion::RULES,
        client_certificate::RULES,
        request::RULES,
        restart::RULES,
        revocation::RULES,
        token_secret::RULES,
    ]
    .into_iter()
    .flatten()
}
