//! Files that tell a client where the API server is and how to authenticate.

use crate::{Context, Error, Result};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use std::io::Write;
use std::path::{Path, PathBuf};

/// What a kubeconfig file says.
#[derive(Clone)]
pub struct Kubeconfig {
    /// `https://127.0.0.1:PORT`.
    pub server: String,
    /// The file with the certificates that the server is checked against.
    pub ca: PathBuf,
    /// The bearer token.
    pub token: String,
    /// The namespace where none is named.
    pub namespace: String,
}

impl Kubeconfig {
    /// The same identity at another address, such as a fault proxy's.
    #[must_use]
    pub fn with_server(&self, server: impl Into<String>) -> Kubeconfig {
        Kubeconfig {
            server: server.into(),
            ..self.clone()
        }
    }

    /// A new client with this identity; call it inside the runtime that uses it.
    ///
    /// # Errors
    /// When the certificates cannot be read.
    pub fn client(&self) -> Result<kube::Client> {
        let url = self
            .server
            .parse()
            .context(|| format!("`{}` is no URL", self.server))?;
        let mut config = kube::Config::new(url);
        config.root_cert = Some(self.root_certificates()?);
        config.auth_info.token = Some(self.token.clone().into());
        config.default_namespace.clone_from(&self.namespace);
        kube::Client::try_from(config).context(|| "cannot make a client of the API server")
    }

    fn root_certificates(&self) -> Result<Vec<Vec<u8>>> {
        CertificateDer::pem_file_iter(&self.ca)
            .and_then(|certificates| {
                certificates
                    .map(|found| found.map(|der| der.to_vec()))
                    .collect()
            })
            .map_err(|error| Error::new(format!("cannot read {}: {error}", self.ca.display())))
    }

    /// Writes it, readable by its owner alone; a file that is there already is replaced.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        // JSON is YAML too, and quotes what has to be quoted.
        let document = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "testkit", "cluster": {"server": self.server, "certificate-authority": self.ca}}],
            "users": [{"name": "testkit", "user": {"token": self.token}}],
            "contexts": [{"name": "testkit", "context": {"cluster": "testkit", "user": "testkit", "namespace": self.namespace}}],
            "current-context": "testkit",
        });
        let text = serde_json::to_string_pretty(&document)
            .context(|| "cannot write a kubeconfig as JSON")?;
        write_private(path, &text)
    }
}

/// Writes a file that only its owner can read. Whoever waits for it to appear finds it whole.
pub(super) fn write_private(path: &Path, text: &str) -> Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    // 0600 is what temporary files have.
    let mut file =
        tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).context(cannot)?;
    file.write_all(text.as_bytes()).context(cannot)?;
    file.persist(path).context(cannot)?;
    Ok(())
}
