//! Rules for the workloads to restart.

use super::rule::{Rule, object_name};

pub(super) const RULES: &[Rule] = &[object_name("spec.restart[].name")];
