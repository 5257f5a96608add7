//! The custom resource `OAuthClient`: its types, its schema, its rules, and its validated form.
//!
//! | module | content |
//! |---|---|
//! | [`spec`] | the serialized types; those of the status are in [`crate::model`] |
//! | `rules` | rules between fields, in CEL and Rust |
//! | `defaults` | defaults in descriptions and rules, not in stored objects |
//! | [`schema`] | the CRD and its schema |
//! | [`mod@validate`] | the conversion into typed values |
//! | [`conditions`] | conditions and reasons |

mod check;
mod defaults;
mod lines;
pub mod manifest;
mod problem;
pub mod reference;
mod rules;
pub mod schema;
pub mod spec;
pub mod validate;
mod validators;

pub use oauthclient_core::conditions;
pub use oauthclient_core::model::{
    AttemptStatus, Condition, ExpiryStatus, OAuthClientStatus, RefreshTokenStatus, RepairStatus,
    TokenStatus,
};
pub use problem::SpecProblem;
pub use schema::{crd, crd_yaml};
pub use spec::{OAuthClient, OAuthClientSpec};
pub use validate::{Validated, validate};

#[cfg(test)]
mod exchange_tests;
#[cfg(test)]
mod tests;
