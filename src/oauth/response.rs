//! OAuth: response.
