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
pub mod reference;
mod rules;
pub mod schema;
pub mod spec;
pub mod status;
pub mod validate;
mod words;

pub use schema::{crd, crd_yaml};
pub use spec::{OAuthClient, OAuthClientSpec};
pub use status::{AttemptStatus, ExpiryStatus, OAuthClientStatus, RefreshTokenStatus, TokenStatus};
pub use validate::{SpecProblem, Validated, validate};

/// The label by which the owner of a Secret lends it as credentials; its value is `true`.
pub const CREDENTIALS_LABEL: &str = "oauthclient.dev/credentials";
/// The annotation that names the hosts to which a credentials Secret may be sent.
pub const ALLOWED_HOSTS_ANNOTATION: &str = "oauthclient.dev/allowed-hosts";
/// The annotation by which the owner of a `ServiceAccount` lends it: the audiences its tokens may be made for.
pub const ALLOWED_AUDIENCES_ANNOTATION: &str = "oauthclient.dev/allowed-audiences";
/// The label on the token Secrets that the operator made; its value is `true`.
pub const TOKEN_LABEL: &str = "oauthclient.dev/token";
/// The annotation by which the owner of a Secret gives it to the `OAuthClient` that it names.
pub const ADOPT_ANNOTATION: &str = "oauthclient.dev/adopt";
/// The annotation on an `OAuthClient` of which each new value asks for one new token.
pub const REFRESH_ANNOTATION: &str = "oauthclient.dev/refresh-requested-at";
#[cfg(test)]
mod tests;
