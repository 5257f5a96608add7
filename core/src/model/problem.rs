//! A problem in a manifest, with its location.

use std::fmt;

use crate::conditions::Reason;

/// A problem in a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecProblem {
    /// The field, as the API server writes it: `spec.parameters[2].value`.
    pub field: String,
    /// What is wrong and how to fix it.
    pub message: String,
    /// The line in the manifest, from 1, if known.
    pub line: Option<u64>,
    /// The reason for the condition: [`Reason::InvalidSpec`] or [`Reason::InvalidTemplate`].
    pub reason: Reason,
}

impl SpecProblem {
    /// A problem in the spec.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        SpecProblem {
            field: field.into(),
            message: message.into(),
            line: None,
            reason: Reason::InvalidSpec,
        }
    }
}

impl fmt::Display for SpecProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if self.field.is_empty() {
            write!(f, "the manifest {}", self.message)
        } else {
            write!(f, "{} {}", self.field, self.message)
        }
    }
}
