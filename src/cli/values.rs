//! Parsers for the values of flags.

use std::path::PathBuf;
use std::str::FromStr;

/// A list of namespaces; empty means all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespaces(pub Vec<String>);

/// The name of a resource, written `namespace/name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespacedName {
    /// Namespace.
    pub namespace: String,
    /// Name.
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

/// A file mode that lets the owner read and no one else write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileMode(pub u32);

/// A group of users, by name or number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupName(String);

impl FromStr for FileMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match u32::from_str_radix(text, 8) {
            Ok(mode) if mode & 0o400 != 0 && mode & !0o644 == 0 => Ok(FileMode(mode)),
            _ => Err(
                "expected an octal mode that lets the owner read and no one else write, such as 0600, 0640 or 0644"
                    .to_owned(),
            ),
        }
    }
}

impl FromStr for GroupName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err("expected the name or the number of a group".to_owned());
        }
        Ok(GroupName(text.trim().to_owned()))
    }
}

impl GroupName {
    /// The numeric group ID.
    ///
    /// # Errors
    /// This machine has no group of that name.
    pub fn number(&self) -> Result<u32, String> {
        if let Ok(number) = self.0.parse() {
            return Ok(number);
        }
        let group = uzers::get_group_by_name(&self.0);
        group.map(|group| group.gid()).ok_or_else(|| {
            format!(
                "--group {}: this machine has no such group. To list all groups: getent group",
                self.0
            )
        })
    }
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
            // Each namespace gets one watch, even if it is named twice.
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

/// A DNS label (RFC 1123), as the names of namespaces are.
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
            "{text:?} is not a name that Kubernetes accepts: use at most 63 of a-z, 0-9 and '-', with '-' not first or last"
        ))
    }
}
