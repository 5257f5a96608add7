//! The values of the credentials: from flags, from standard input, or from prompts.

use std::collections::BTreeMap;
use std::path::Path;

use crate::plugin::args::CreateArgs;
use crate::plugin::credentials::file_content;
use crate::plugin::problem::Problem;
use crate::plugin::prompt;
use crate::secret::Secret;

use super::presets::AskedField;

/// Prompts for all missing values.
pub(super) async fn ask_for(
    args: &CreateArgs,
    keys: &BTreeMap<String, AskedField>,
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
        let hidden = keys.iter().find(|(key, field_kind)| {
            **field_kind == AskedField::Hidden && !data.contains_key(*key)
        });
        let (key, _) = hidden.ok_or_else(|| {
            Problem::new("these credentials have no secret of one line: give --key KEY=FILE instead of --secret-from-stdin")
        })?;
        data.insert(key.clone(), prompt::piped(key).await?);
    }
    let missing: Vec<(&String, &AskedField)> = keys
        .iter()
        .filter(|(key, _)| !data.contains_key(*key))
        .collect();
    if !prompt::is_interactive() && !missing.is_empty() {
        let flags: Vec<String> = missing
            .iter()
            .map(|(key, field_kind)| flag(key, **field_kind))
            .collect();
        return Err(Problem::new(format!(
            "credentials are missing, and there is no terminal to ask at: give {}",
            flags.join(" ")
        )));
    }
    for (key, field_kind) in missing {
        let value = match field_kind {
            AskedField::Shown => {
                Secret::from(prompt::shown(key, &flag(key, *field_kind)).await?.as_str())
            }
            AskedField::Hidden => prompt::hidden(key, &flag(key, *field_kind)).await?,
            AskedField::File => {
                let file =
                    prompt::shown(&format!("{key}: name of its file"), &flag(key, *field_kind))
                        .await?;
                file_content(Path::new(&file))?
            }
        };
        data.insert(key.clone(), value);
    }
    Ok(data)
}

/// The flag for a value.
fn flag(key: &str, field_kind: AskedField) -> String {
    match (key, field_kind) {
        ("client_id", _) => "--client-id ID".to_owned(),
        (_, AskedField::Hidden) => "--secret-from-stdin".to_owned(),
        (key, _) => format!("--key {key}=FILE"),
    }
}
