//! Commands in messages; see [`oauthclient_core::command`]. Their tests run a shell.

pub use oauthclient_core::command::*;

/// A list of an annotation with one more entry, for a command.
pub(crate) fn with_entry(list: Option<&String>, one: &str) -> String {
    match list.map(|list| list.trim()).filter(|list| !list.is_empty()) {
        Some(list) => format!("{list},{one}"),
        _ => one.to_owned(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
