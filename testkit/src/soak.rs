//! The pure parts of long runs: which faults come when, what they excuse, and whether a number is flat.
//!
//! Times are seconds, all on one clock.

pub mod outages;
pub mod plan;
pub mod trend;
