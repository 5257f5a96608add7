//! What is due first: deadlines, the order among what is due, and lanes with bounds. Pure.
