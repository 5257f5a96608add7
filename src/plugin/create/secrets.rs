//! The values of the credentials: from flags, from standard input, or from prompts.

use std::collections::BTreeMap;
use std::path::Path;

use crate::plugin::args::CreateArgs;
use crate::plugin::ask;
use crate::plugin::credentials::file_content;
use crate::plugin::problem::Problem;
use crate::secret::Secret;

use super::presets::Asked;

/// Prompts for all missing values.
pub(super) async fn ask_for(
    args: &CreateArgs,
    keys: &BTreeMap<String, Asked>,
) -> Result<BTreeMap<String, Secret>, Problem> {
    let mut data = BTreeMap::new();
    for text in &args.key {
        let (key, file) = text
            .split_once('=')
            .ok_or_else(|| Problem::new(format!("--key {text} is not KEY=FILE")))?;
        data.insert(key.to_owned(), file_content(Path::new(file))?);
    }
    if let Some(id) = &args.client_id {
        if id.is_empty() || id.chars().any(char::is_control) {
            return Err(Problem::new("--client-id is empty or not one line"));
        }
        if keys.contains_key("client_id") {
            data.insert("client_id".to_owned(), Secret::from(id.as_str()));
        }
    }
    if args.secret_from_stdin {
        let hidden = keys
            .iter()
            .find(|(key, asked)| **asked == Asked::Hidden && !data.contains_key(*key));
        let (key, _) = hidden.ok_or_else(|| {
            Problem::new("these credentials have no secret of one line: give --key KEY=FILE instead of --secret-from-stdin")
        })?;
        data.insert(key.clone(), ask::piped(key).await?);
    }
    let missing: Vec<(&String, &Asked)> = keys
        .iter()
        .filter(|(key, _)| !data.contains_key(*key))
        .collect();
    if !ask::can_ask() && !missing.is_empty() {
        let flags: Vec<String> = missing
            .iter()
            .map(|(key, asked)| flag(key, **asked))
            .collect();
        return Err(Problem::new(format!(
            "credentials are missing, and there is no terminal to ask at: give {}",
            flags.join(" ")
        )));
    }
    for (key, asked) in missing {
        let value = match asked {
            Asked::Shown => Secret::from(ask::shown(key, &flag(key, *asked)).await?.as_str()),
            Asked::Hidden => ask::hidden(key, &flag(key, *asked)).await?,
            Asked::File => {
                let file =
                    ask::shown(&format!("{key}: name of its file"), &flag(key, *asked)).await?;
                file_content(Path::new(&file))?
            }
        };
        data.insert(key.clone(), value);
    }
    Ok(data)
}

/// The flag for a value.
fn flag(key: &str, asked: Asked) -> String {
    match (key, asked) {
        ("client_id", _) => "--client-id ID".to_owned(),
        (_, Asked::Hidden) => "--secret-from-stdin".to_owned(),
        (key, _) => format!("--key {key}=FILE"),
    }
}
