//! The secrets in a request, and how they are found in its response.
//!
//! A server that receives a secret can repeat it: in an error text, as an echo of the request, inside a longer string,
//! in
//! base64 or percent-encoded. Nothing that repeats one is published, shown or rendered. The comparison takes the same
//! time
//! for every text; only the fact of a match is reported.

mod find;
mod sent;
#[cfg(test)]
mod tests;

use crate::secret::Secret;

use super::parameter::single_line;

pub(crate) use find::{Forms, Needle, forms};
pub use sent::{MIN_CONTAINED, SecretKind, SentSecret};

/// Keys of a credentials Secret whose values are never taken for a token, whatever a resource calls them.
const NEVER_A_TOKEN: [&str; 6] = [
    "client_secret",
    "next_client_secret",
    "password",
    "private_key",
    "tls.key",
    "dpop_key",
];

/// Keys of a credentials Secret that are no secrets by their name (RFC 6749 sections 2.2 and 4.3.2).
pub const DISCLOSED_KEYS: [&str; 2] = ["client_id", "username"];

/// All secret values that went into a request.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SentSecrets(Vec<SentSecret>);

impl SentSecrets {
    /// Adds a value, once; an empty one is none.
    pub fn add(&mut self, kind: SecretKind, value: &str) {
        let sent = SentSecret {
            kind,
            value: Secret::from(value),
        };
        if !value.is_empty() && !self.0.contains(&sent) {
            self.0.push(sent);
        }
    }

    /// Adds the value of a key of the credentials Secret; `is_proof` says that the request uses it as one.
    pub fn add_key(&mut self, name: &str, is_proof: bool, value: &str) {
        let kind = SecretKind::Key {
            name: name.to_owned(),
            is_proof: is_proof || NEVER_A_TOKEN.contains(&name),
        };
        self.add(kind, value);
    }

    /// Adds all that another list has.
    pub fn extend(&mut self, other: SentSecrets) {
        for sent in other.0 {
            if !self.0.contains(&sent) {
                self.0.push(sent);
            }
        }
    }

    /// Removes what the owner of the credentials Secret discloses: the values of these keys, whatever other key also
    /// has them.
    pub fn disclose<'s>(&mut self, disclosed: impl IntoIterator<Item = &'s Secret>) {
        for value in disclosed {
            let text = value.expose().map(single_line);
            self.0
                .retain(|sent| sent.value != *value && sent.value.expose() != text);
        }
    }

    /// The values, in the order in which they went into the request.
    pub fn iter(&self) -> impl Iterator<Item = &SentSecret> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Prepares to look for all of them.
    pub(crate) fn finder(&self) -> Finder<'_> {
        Finder(
            self.0
                .iter()
                .map(|sent| (sent, Needle::new(sent)))
                .collect(),
        )
    }
}

/// Looks for the secrets of a request in texts.
pub(crate) struct Finder<'s>(Vec<(&'s SentSecret, Needle)>);

impl<'s> Finder<'s> {
    /// The first secret that a text equals or contains, in whatever form.
    pub(crate) fn find(&self, text: &str) -> Option<&'s SentSecret> {
        self.find_beside(text, |_| false)
    }

    /// The same, but without those that `is_known` says to leave out.
    pub(crate) fn find_beside(
        &self,
        text: &str,
        is_known: impl Fn(&Needle) -> bool,
    ) -> Option<&'s SentSecret> {
        if self.0.is_empty() {
            return None;
        }
        let forms = find::forms(text);
        let found = self
            .0
            .iter()
            .find(|(_, needle)| (forms.too_many || needle.is_in(&forms)) && !is_known(needle));
        found.map(|(sent, _)| *sent)
    }

    /// Why a text cannot be used as a token of a response: it contains a secret of the request, or another token
    /// together with
    /// other text.
    pub(crate) fn find_in_token(&self, text: &str) -> Option<&'s SentSecret> {
        if self.0.is_empty() {
            return None;
        }
        let forms = find::forms(text);
        let found = self.0.iter().find(|(sent, needle)| match &sent.kind {
            SecretKind::Key { is_proof, .. } => *is_proof && needle.is_in(&forms),
            SecretKind::Proof => needle.is_in(&forms),
            SecretKind::Token => !needle.equals(text) && needle.is_in_raw(text),
        });
        found.map(|(sent, _)| *sent)
    }

    /// Whether a number, as JSON writes it, is a secret or holds one that is long enough to be no accident.
    pub(crate) fn find_in_number(&self, text: &str) -> bool {
        self.0
            .iter()
            .any(|(_, needle)| needle.equals(text) || (needle.len() >= 8 && needle.is_in_raw(text)))
    }
}
