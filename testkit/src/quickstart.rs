//! What both quickstarts share: the examples, with nothing but the provider's address and CA replaced.

pub mod table;

use std::fs;
use std::path::{Path, PathBuf};

#[cfg(feature = "kubernetes")]
use crate::control_plane;
use crate::provider::{Lifetimes, Preset, Provider};
use crate::tls::Authority;
use crate::{Context, Error, Result};

/// The ConfigMap that holds the scripted provider's CA.
const CA: &str = "quickstart-ca";

/// An example, as it is and as it is used.
#[derive(Clone, Debug)]
pub struct Example {
    /// Its file's name.
    pub file: String,
    /// The OAuthClient's name.
    pub name: String,
    /// The token Secret's name.
    pub secret: String,
    /// Which provider it is for.
    pub preset: Preset,
    /// The manifests to apply.
    pub text: String,
    /// What differs from the file, as lines with `-` and `+`.
    pub difference: String,
}

/// The four providers on one loopback port, over TLS, their tokens living 20 to 30 s; and the PEM of their CA.
///
/// # Errors
/// When it cannot listen.
pub fn provider() -> Result<(Provider, String)> {
    crate::install_crypto();
    let authority = Authority::new("quickstart")?;
    let provider = Provider::tls(Preset::all_on_one(Lifetimes::Short), &authority)?;
    Ok((provider, authority.pem()))
}

/// The checkout that this was built from.
#[must_use]
pub fn checkout() -> PathBuf {
    let testkit = Path::new(env!("CARGO_MANIFEST_DIR"));
    testkit.parent().unwrap_or(testkit).to_owned()
}

/// The program, which is built into the same folder as the quickstart.
///
/// # Errors
/// When it is not there.
pub fn program() -> Result<PathBuf> {
    let own = std::env::current_exe().context(|| "cannot tell where this program is")?;
    let program = own.with_file_name("oauthclient-operator");
    if program.exists() {
        return Ok(program);
    }
    Err(Error::new(format!(
        "{} is not there: start this by make, which builds both",
        program.display()
    )))
}

/// A folder for what a quickstart makes, emptied: `target/NAME` of the checkout.
///
/// # Errors
/// When it cannot be emptied or made.
pub fn folder(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context(|| "cannot tell where this program is")?;
    let target = own.ancestors().nth(2);
    let folder = target
        .context(|| "this program is in no target folder")?
        .join(name);
    let what = || format!("cannot make {}", folder.display());
    if folder.exists() {
        fs::remove_dir_all(&folder).context(what)?;
    }
    fs::create_dir_all(&folder).context(what)?;
    Ok(folder)
}

/// The examples of the four providers, pointed at a scripted one.
///
/// # Errors
/// When they cannot be read, or do not look as expected.
pub fn examples(provider: &Provider) -> Result<Vec<Example>> {
    let folder = checkout().join("examples");
    let unreadable = || format!("cannot read {}", folder.display());
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .context(unreadable)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect();
    files.sort();
    let mut examples = Vec::new();
    for path in files {
        let file = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let Some(preset) = Preset::ALL
            .into_iter()
            .find(|preset| file.starts_with(preset.name()))
        else {
            continue;
        };
        let text = fs::read_to_string(&path).context(unreadable)?;
        // Nobody is there to log in.
        if text.contains("type: refresh_token") {
            continue;
        }
        examples.push(example(&file, preset, &text, provider)?);
    }
    Ok(examples)
}

fn example(file: &str, preset: Preset, original: &str, provider: &Provider) -> Result<Example> {
    let url = provider.url(&preset.prefixed_path());
    let host = provider.address().ip().to_string();
    let (mut text, mut difference) = (String::new(), String::new());
    for line in original.lines() {
        let instead = replaced(line, &url, &host);
        if instead.len() > 1 || instead.first().is_some_and(|instead| instead != line) {
            difference.push_str(&format!("- {line}\n"));
            for line in &instead {
                difference.push_str(&format!("+ {line}\n"));
            }
        }
        for line in instead {
            text.push_str(&line);
            text.push('\n');
        }
    }
    let resource = original.split("\n---\n").last().unwrap_or_default();
    let named = |above: &str| {
        let after = resource.split_once(above).map(|(_, after)| after);
        let name = after.and_then(|after| after.trim_start().strip_prefix("name:"));
        let name = name.and_then(|name| name.split_whitespace().next());
        name.map(str::to_owned)
            .context(|| format!("examples/{file} has no name after {above}"))
    };
    Ok(Example {
        file: file.to_owned(),
        name: named("\nmetadata:")?,
        secret: named("\n  tokenSecret:")?,
        preset,
        text,
        difference,
    })
}

/// The lines in place of one.
fn replaced(line: &str, url: &str, host: &str) -> Vec<String> {
    let indent: String = line.chars().take_while(|c| *c == ' ').collect();
    let content = line.trim_start();
    if content.starts_with("tokenURL:") {
        return vec![
            format!("{indent}tokenURL: {url}"),
            format!("{indent}caBundle: {{configMapName: {CA}}}"),
        ];
    }
    if let Some(rest) = content.strip_prefix("oauthclient.dev/allowed-hosts:") {
        let comment = rest
            .split_once(" #")
            .map_or_else(String::new, |(_, comment)| format!(" #{comment}"));
        return vec![format!(
            "{indent}oauthclient.dev/allowed-hosts: {host}{comment}"
        )];
    }
    vec![line.to_owned()]
}

/// The ConfigMap with the provider's CA.
#[must_use]
pub fn ca_manifest(pem: &str) -> String {
    let indented: String = pem.lines().map(|line| format!("    {line}\n")).collect();
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {CA}\ndata:\n  ca.crt: |\n{indented}"
    )
}

/// What all of the differences are, for people.
#[must_use]
pub fn differences(examples: &[Example]) -> String {
    let one = |example: &Example| format!("examples/{}\n{}", example.file, example.difference);
    examples.iter().map(one).collect::<Vec<_>>().join("\n")
}

/// Starts a control plane with the CRD and `deploy/` installed, as a user would install them.
///
/// # Errors
/// When one of its parts cannot be built or started, or refuses a manifest.
#[cfg(feature = "kubernetes")]
pub async fn cluster() -> Result<control_plane::ControlPlane> {
    let options = control_plane::Options::with_usual_controllers();
    let plane = control_plane::ControlPlane::start(options).await?;
    let deploy = checkout().join("deploy");
    crate::deploy::install_deploy(&plane, &deploy, "oauthclient-system").await?;
    Ok(plane)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_address_and_authority_differs_from_the_examples() {
        let (provider, _) = provider().unwrap();
        let examples = examples(&provider).unwrap();
        assert!(
            Preset::ALL
                .iter()
                .all(|preset| examples.iter().any(|example| example.preset == *preset))
        );
        for example in &examples {
            let words = ["tokenURL:", "caBundle:", "allowed-hosts:"];
            for line in example.difference.lines() {
                assert!(words.iter().any(|word| line.contains(word)), "{line}");
            }
            assert_eq!(
                example.difference.lines().count(),
                5,
                "{}",
                example.difference
            );
            assert!(example.secret.ends_with("-token"), "{example:?}");
            assert_eq!(format!("{}.yaml", example.name), example.file);
        }
    }
}
