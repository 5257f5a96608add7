//! What a status says of work in progress, and of a request that failed.

use crate::conditions::ConditionType;
use crate::time::Time;

use super::text::{Text, text};
use super::{Explanation, Remedy};

/// What is in progress, or awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A token is being requested.
    Requesting,
    /// The request failed with an error that may be temporary.
    Retrying,
    /// `spec.suspend` is true.
    Suspended,
}

impl Progress {
    /// In words.
    pub fn explain(self) -> Explanation {
        match self {
            Progress::Requesting => {
                Explanation::new(text!["A token is being requested."], Remedy::default())
            }
            Progress::Retrying => Explanation::new(
                text!["The token request failed with an error that may be temporary."],
                Remedy::advice(text!["The operator retries."]),
            ),
            Progress::Suspended => Explanation::new(
                text!["spec.suspend is true, so no token is requested."],
                Remedy::advice(text!["To get one, set it to false."]),
            ),
        }
    }
}

/// What follows a request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextAttempt {
    /// It is retried.
    RetryAt {
        /// When.
        time: Time,
        /// How often it failed in a row.
        failures: u32,
    },
    /// Another problem, in this condition, comes first.
    AfterProblem(ConditionType),
    /// A change is needed.
    OnChange,
    /// `spec.suspend` is true.
    Suspended,
}

impl NextAttempt {
    /// As a sentence.
    pub fn text(self) -> Text {
        match self {
            NextAttempt::RetryAt { time, failures: 1 } => {
                text!["Next try at ", time, " (1 failure)."]
            }
            NextAttempt::RetryAt { time, failures } => {
                text!["Next try at ", time, " (", failures, " failures)."]
            }
            NextAttempt::AfterProblem(kind) => {
                text!["It is retried when the problem in ", kind, " is solved."]
            }
            NextAttempt::OnChange => text!["It is not retried until spec or credentials change."],
            NextAttempt::Suspended => text!["It is not retried while spec.suspend is true."],
        }
    }
}
