//! A folder of manifests for the plugin: read once, with one file added to it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::catalogue::Loaded;
use super::documents::read;
use super::private::replace_file;
use super::sources::Sources;
use crate::api::OAuthClient;
use crate::engine::Key;
use crate::secret::Secret;

/// The content of the manifests in a folder.
pub struct Manifests {
    folder: PathBuf,
    loaded: Loaded,
}

/// A Secret's manifest.
pub struct SecretFound<'a> {
    /// The file that contains it.
    pub file: &'a Path,
    /// Its labels.
    pub labels: &'a BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: &'a BTreeMap<String, String>,
    /// Its data.
    pub data: &'a BTreeMap<String, Secret>,
}

impl Manifests {
    /// Reads the folder.
    ///
    /// # Errors
    /// It is not a folder, or cannot be read.
    pub fn read(folder: &Path) -> Result<Manifests, String> {
        if !folder.is_dir() {
            return Err(format!(
                "{} is no folder: give the folder that the manifests stand in",
                folder.display()
            ));
        }
        Ok(Manifests {
            folder: folder.to_owned(),
            loaded: Sources::new(vec![folder.to_owned()]).load()?,
        })
    }

    /// Reads one file.
    ///
    /// # Errors
    /// It does not exist, or cannot be read.
    pub fn of_file(file: &Path) -> Result<Manifests, String> {
        Ok(Manifests {
            folder: file.parent().unwrap_or(Path::new(".")).to_owned(),
            loaded: Sources::new(vec![file.to_owned()]).load()?,
        })
    }

    /// Parses a text; problems name `source`.
    pub fn of_text(source: &Path, text: &str) -> Manifests {
        let (documents, bad) = read(text);
        let mut loaded = Loaded::default();
        loaded.add(source, documents, bad);
        Manifests {
            folder: PathBuf::new(),
            loaded,
        }
    }

    /// The defined resources.
    pub fn keys(&self) -> Vec<Key> {
        self.loaded.clients.keys().cloned().collect()
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The refused documents.
    pub fn problems(&self) -> Vec<String> {
        let problems = self.loaded.problems.iter();
        problems.map(ToString::to_string).collect()
    }

    /// The resource with that name; in all namespaces if none is given.
    ///
    /// # Errors
    /// There is none, or more than one.
    pub fn client(
        &self,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<(Key, &OAuthClient), String> {
        let fits = |key: &&Key| {
            key.name() == name && namespace.is_none_or(|wanted| wanted == key.namespace())
        };
        let found: Vec<&Key> = self.loaded.clients.keys().filter(fits).collect();
        match found.as_slice() {
            [one] => match self.loaded.clients.get(*one) {
                Some(defined) => Ok(((*one).clone(), &defined.value)),
                None => Err(self.no_client(name)),
            },
            [] => Err(self.no_client(name)),
            several => Err(format!(
                "{} OAuthClients are called {name} in {}: choose one with -n NAMESPACE",
                several.len(),
                self.folder.display()
            )),
        }
    }

    fn no_client(&self, name: &str) -> String {
        let mut message = format!(
            "no manifest in {} defines an OAuthClient {name}",
            self.folder.display()
        );
        for problem in self.problems() {
            message += &format!("\n  refused: {problem}");
        }
        message
    }

    /// A Secret.
    pub fn secret(&self, namespace: &str, name: &str) -> Option<SecretFound<'_>> {
        let defined = self.loaded.secrets.get(&Key::new(namespace, name))?;
        Some(SecretFound {
            file: &defined.source,
            labels: &defined.value.labels,
            annotations: &defined.value.annotations,
            data: &defined.value.data,
        })
    }

    /// The value of a key in a ConfigMap.
    pub fn config_map(&self, namespace: &str, name: &str, key: &str) -> Option<&[u8]> {
        let defined = self.loaded.config_maps.get(&Key::new(namespace, name))?;
        defined.value.get(key).map(Vec::as_slice)
    }

    /// Writes a manifest of secrets: a file that only its owner can read, replaced by one rename.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write(&self, file: &Path, text: &Secret) -> std::io::Result<()> {
        replace_file(file, text.expose_bytes())
    }
}
