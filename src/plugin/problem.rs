//! Why a command failed, and exit codes.

use crate::api::SpecProblem;
use crate::messages::{Audience, Finding};

/// Why a command failed, as sentences for people. Contains no secret.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    /// What happened and what to do.
    pub message: String,
    /// The exit code.
    pub code: u8,
}

impl Problem {
    /// An ordinary failure: exit code 1.
    pub fn new(message: impl Into<String>) -> Problem {
        Problem {
            message: message.into(),
            code: FAILED,
        }
    }

    /// The manifest of an OAuthClient is not valid.
    pub fn invalid(problems: impl IntoIterator<Item = SpecProblem>) -> Problem {
        let problems: Vec<String> = problems.into_iter().map(|one| one.to_string()).collect();
        Problem::new(format!(
            "the OAuthClient is not valid: {}",
            problems.join("; ")
        ))
    }

    /// A finding, for people with a cluster.
    pub fn of(finding: impl Into<Finding>) -> Problem {
        let explanation = finding.into().explain(Audience::Cluster);
        Problem::new(explanation.message().to_string())
    }
}

/// The command failed.
pub const FAILED: u8 = 1;

/// `status`: something is not ready. `refresh --wait`: there is no new token.
pub const NOT_READY: u8 = 3;

/// Ended by Ctrl-C, as in shells.
pub const INTERRUPTED: u8 = 130;
