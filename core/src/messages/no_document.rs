//! Discovery documents that cannot be used.

use super::catalogue::catalogue;
use super::text::text;
use super::{Explanation, Remedy};

catalogue! {
    /// Why the issuer's document cannot be used.
    pub enum NoDocument {
        /// It is the document of another issuer.
        OtherIssuer {
            /// The issuer in the document, where it can be shown.
            says: Option<String>,
        },
        /// It is none.
        NotOne {
            /// What is wrong.
            problem: String,
        },
        /// The issuer did not return it.
        Failed {
            /// The HTTP status.
            status: u16,
        },
        /// A redirect.
        Redirected {
            /// The HTTP status.
            status: u16,
        },
        /// There is none.
        Missing {
            /// The HTTP status.
            status: u16,
        },
    }
}

impl NoDocument {
    pub(super) fn explain(&self, issuer: &String, document: &String) -> Explanation {
        let compare =
            text!["Check spec.provider.issuerURL, or set spec.provider.tokenURL instead."];
        match self {
            NoDocument::OtherIssuer { says: None } => Explanation::new(
                text![
                    "The document at ",
                    document,
                    " is of another issuer than ",
                    issuer,
                    "."
                ],
                Remedy::advice(text!["Check spec.provider.issuerURL."]),
            ),
            NoDocument::OtherIssuer { says: Some(says) } => Explanation::new(
                text![
                    "The discovery document names issuer ",
                    says,
                    ", not exactly ",
                    issuer,
                    "."
                ],
                Remedy::set(
                    text!["If it is your provider's, set spec.provider.issuerURL to:"],
                    says,
                ),
            ),
            NoDocument::NotOne { problem } => Explanation::new(
                text![
                    document,
                    " is not the document of ",
                    issuer,
                    ": ",
                    problem,
                    "."
                ],
                Remedy::advice(compare),
            ),
            NoDocument::Failed { status } => Explanation::new(
                text![
                    "Issuer ",
                    issuer,
                    " answered HTTP ",
                    status,
                    " at ",
                    document,
                    "."
                ],
                Remedy::advice(text!["The operator retries."]),
            ),
            NoDocument::Redirected { status } => Explanation::new(
                text![
                    "Issuer ",
                    issuer,
                    " redirected ",
                    document,
                    " (HTTP ",
                    status,
                    ")."
                ],
                Remedy::advice(compare),
            ),
            NoDocument::Missing { status } => Explanation::new(
                text![
                    "Issuer ",
                    issuer,
                    " has no discovery document (HTTP ",
                    status,
                    " at ",
                    document,
                    ")."
                ],
                Remedy::advice(compare),
            ),
        }
    }
}
