//! What belongs together and what does not: each rule once, as CEL for the API server and as Rust for everybody else.
//!
//! The API server enforces the CEL of [`all`] (they are written into the CRD); [`super::validate`] and `local` evaluate
//! [`Rule::holds`] over the same value, defaults filled in. The manifests under `tests/manifests/` are put to both.
//! A rule is evaluated only on a value that the schema accepts, so it need not look at types.

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
mod revocation;
mod rule;
mod token_secret;

pub(crate) use rule::Rule;

/// Every rule of the spec, in the order in which people read the fields.
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
        revocation::RULES,
        token_secret::RULES,
    ]
    .into_iter()
    .flatten()
}
