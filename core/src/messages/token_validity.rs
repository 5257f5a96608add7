//! What still works: the published token.

use crate::time::Time;

use super::text::{Text, text};

/// The published token, for the second part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenValidity {
    /// It is valid.
    Valid {
        /// The token Secret.
        secret: String,
        /// When it expires.
        until: Time,
    },
    /// It has expired.
    Expired {
        /// The token Secret.
        secret: String,
        /// When it expired.
        at: Time,
    },
    /// There is none.
    Missing {
        /// The token Secret.
        secret: String,
    },
    /// There is none, and it is not known in which Secret it would be.
    Nowhere,
}

impl TokenValidity {
    /// As a sentence.
    pub fn text(&self) -> Text {
        match self {
            TokenValidity::Valid { secret, until } => {
                text![
                    "The token in Secret ",
                    secret,
                    " stays valid until ",
                    until,
                    "."
                ]
            }
            TokenValidity::Expired { secret, at } => {
                text!["The token in Secret ", secret, " expired at ", at, "."]
            }
            TokenValidity::Missing { secret } => text!["Secret ", secret, " holds no valid token."],
            TokenValidity::Nowhere => text!["There is no valid token."],
        }
    }
}
