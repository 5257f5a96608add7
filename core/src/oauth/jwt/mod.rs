//! JSON Web Tokens that we sign: keys as they are found in Secrets, and compact assertions (RFC 7515, 7517, 7518, 7519).
//!
//! Pure: the time, the identifier and the randomness of a signature come in as arguments. A key is read each time it is
//! used, so that nothing of it stays in memory longer than the building of one request.

mod algorithm;
mod compact;
mod der;
mod key;
mod pem;
mod problem;
mod thumbprint;

pub use algorithm::{Algorithm, KeyKind};
pub use compact::{Fields, compact, identifier};
pub use key::{ServiceAccount, SigningKey};
pub use problem::KeyProblem;
pub use thumbprint::{Chain, Thumbprint};

#[cfg(test)]
pub(crate) mod tests;
