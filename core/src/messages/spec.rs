//! What is wrong with the spec.

use crate::conditions::Reason;

use super::catalogue::catalogue;
use super::text::{Text, text};
use super::{Audience, Explanation, Remedy};

catalogue! {
    /// What is wrong with the spec.
    pub enum SpecFinding {
        /// It is not valid.
        Invalid {
            /// The first problem.
            first: Flaw,
            /// The fields of the others.
            others: Vec<String>,
        },
        /// A template in `spec.tokenSecret.data` is not valid.
        InvalidTemplate {
            /// The first problem.
            first: Flaw,
            /// The fields of the others.
            others: Vec<String>,
        },
        /// An endpoint is http, which is not allowed.
        HttpNotAllowed {
            /// The field of the endpoint.
            field: &'static str,
            /// Whether the issuer's document names it.
            discovered: bool,
            /// Its host.
            host: String,
        },
    }
}

catalogue! {
    /// A problem in one field.
    pub enum Flaw {
        /// The field, and what is wrong with it.
        At {
            /// The field.
            field: String,
            /// What is wrong, and what is right.
            problem: String,
        },
    }
}

/// The most fields that are listed.
const MOST_FIELDS: usize = 3;

impl SpecFinding {
    /// Why, in one word of the documented list.
    pub fn reason(&self) -> Reason {
        match self {
            SpecFinding::Invalid { .. } => Reason::InvalidSpec,
            SpecFinding::InvalidTemplate { .. } => Reason::InvalidTemplate,
            SpecFinding::HttpNotAllowed { .. } => Reason::HTTPNotAllowed,
        }
    }

    pub(super) fn explain(&self, _: Audience) -> Explanation {
        match self {
            SpecFinding::Invalid { first, others }
            | SpecFinding::InvalidTemplate { first, others } => Explanation::new(
                invalid(first, others),
                Remedy::advice(text!["Correct the resource; nothing is sent until then."]),
            ),
            SpecFinding::HttpNotAllowed {
                field,
                discovered,
                host,
            } => {
                let what = match discovered {
                    true => text!["The token endpoint in the discovery document"],
                    false => text![*field],
                };
                Explanation::new(
                    text![
                        what,
                        " is http, so the credentials could be read on the network to ",
                        host,
                        "."
                    ],
                    Remedy::advice(text!["Use https, or start the operator with --allow-http."]),
                )
            }
        }
    }
}

fn invalid(first: &Flaw, others: &[String]) -> Text {
    let Flaw::At { field, problem } = first;
    let first = text![field, ": ", problem, "."];
    let shown = others.get(..MOST_FIELDS).unwrap_or(others);
    match others.len() - shown.len() {
        _ if others.is_empty() => first,
        0 => text![first, " Also invalid: ", Text::list(shown, ", "), "."],
        more => text![
            first,
            " Also invalid: ",
            Text::list(shown, ", "),
            " and ",
            more,
            " more."
        ],
    }
}
