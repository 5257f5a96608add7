//! The custom resource `OAuthClient`: its types, its schema, its rules, and what is made of them once and for all.
//!
//! | module | holds |
//! |---|---|
//! | [`spec`], [`status`] | the types as they are written |
//! | `rules` | what belongs together, as CEL and as Rust |
//! | [`schema`] | the CRD, and what it demands |
//! | [`mod@validate`] | from what is written to what is meant |
//! | [`conditions`] | the words of the status |

mod check;
pub mod conditions;
mod lines;
pub mod manifest;
mod names;
mod problem;
pub mod reference;
mod rules;
pub mod schema;
pub(crate) mod secret_limits;
pub mod spec;
pub mod status;
pub mod validate;
mod words;

pub use names::{
    ADOPT_ANNOTATION, ALLOWED_AUDIENCES_ANNOTATION, ALLOWED_HOSTS_ANNOTATION,
    ALLOWED_TOKEN_HOSTS_ANNOTATION, CREDENTIALS_LABEL, REFRESH_ANNOTATION, TOKEN_LABEL,
};
pub use problem::SpecProblem;
pub use schema::{crd, crd_yaml};
pub use spec::{OAuthClient, OAuthClientSpec};
pub use status::{
    AttemptStatus, ExpiryStatus, OAuthClientStatus, RefreshTokenStatus, RepairStatus, TokenStatus,
};
pub use validate::{Validated, validate};

#[cfg(test)]
mod tests;
