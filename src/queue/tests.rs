//! Rows for the rules, then a comparison with a naive model.
