//! Values of flags that need reading.

use std::path::PathBuf;
use std::str::FromStr;

/// A list of namespaces; empty means all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespaces(pub Vec<String>);

/// The name of a resource, written `namespace/name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespacedName {
    /// Its namespace.
    pub namespace: String,
    /// Its name there.
    pub name: String,
}

/// The file of a ServiceAccount's token, written `NAME=PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountFile {
    /// The name of the ServiceAccount.
    pub name: String,
    /// The file.
    pub path: PathBuf,
}

impl FromStr for AccountFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, path)) if !name.is_empty() && !path.is_empty() => Ok(AccountFile {
                name: name.to_owned(),
                path: path.into(),
            }),
            _ => Err("expected NAME=PATH".to_owned()),
        }
    }
}

impl FromStr for Namespaces {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut names = Vec::new();
        for name in text
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
        {
            let name = dns_label(name)?;
            // One watch for each: a namespace named twice must not be watched twice.
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Ok(Namespaces(names))
    }
}

impl FromStr for NamespacedName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((namespace, name))
                if !namespace.is_empty() && !name.is_empty() && !name.contains('/') =>
            {
                Ok(NamespacedName {
                    namespace: namespace.to_owned(),
                    name: name.to_owned(),
                })
            }
            _ => Err("expected NAMESPACE/NAME".to_owned()),
        }
    }
}

/// A name as DNS labels are: what namespaces and most objects go by.
pub(super) fn dns_label(text: &str) -> Result<String, String> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let fits = (1..=63).contains(&text.len())
        && text.chars().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-');
    if fits {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "{text:?} is not a name that Kubernetes takes: at most 63 of a-z, 0-9 and '-', not first or last"
        ))
    }
}
