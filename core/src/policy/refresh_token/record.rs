//! The content of the state Secret: the refresh token family, its reservation, and the last response.
//!
//! All of it is data, not metadata: who may read it may read the refresh token itself.

use ring::digest;

use crate::model::{PASSWORD, Reservation, Tag};
use crate::secret::Secret;
use crate::time::Span;

/// A hash of secrets, bound to their resource and their kind.
fn tag(what: &str, uid: &str, parts: &[&[u8]]) -> Tag {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in [what.as_bytes(), uid.as_bytes()].iter().chain(parts) {
        context.update(&(part.len() as u64).to_le_bytes());
        context.update(part);
    }
    let digest = context.finish();
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The hash of what a password grant sends.
pub(super) fn password_tag(uid: &str, parts: &[&[u8]]) -> Tag {
    format!("{PASSWORD}{}", tag("password", uid, parts))
}

/// The hash of a refresh token and the credentials that are sent with it, so that nobody can guess the credentials from
/// it without the token.
pub(super) fn client_tag(uid: &str, token: &Secret, parts: &[&[u8]]) -> Tag {
    let parts: Vec<&[u8]> = [token.expose_bytes()]
        .iter()
        .chain(parts)
        .copied()
        .collect();
    tag("client", uid, &parts)
}

/// The hash of a refresh token.
pub(super) fn token_tag(uid: &str, token: &Secret) -> Tag {
    tag("refresh-token", uid, &[token.expose_bytes()])
}

impl Reservation {
    /// How long the attempt may take, as stored.
    pub fn allowed(&self) -> Span {
        Span::from_millis(self.allowed_millis)
            .min(crate::model::LONGEST)
            .max(Span::ZERO)
    }
}
