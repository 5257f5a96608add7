//! OAuth: request.
