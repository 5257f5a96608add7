//! For whom a message is made: once, and never changed afterwards.

use crate::command::Command;

/// Who reads a message, and so what it can ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Audience {
    /// People with `kubectl` and a cluster.
    #[default]
    Cluster,
    /// People with manifests in files, and no cluster.
    Files,
}

impl Audience {
    /// The text for this audience.
    pub fn choose(self, cluster: String, files: impl Into<String>) -> String {
        match self {
            Audience::Cluster => cluster,
            Audience::Files => files.into(),
        }
    }

    /// Text with a command for a cluster; nothing for files.
    pub fn only_on_a_cluster(self, text: String) -> String {
        self.choose(text, "")
    }

    /// The command that starts a login.
    pub fn login(self, resource: &str, namespace: &str) -> Command {
        let command = Command::kubectl(&["oauthclient", "login"])
            .value(resource)
            .namespace(namespace);
        match self {
            Audience::Cluster => command,
            Audience::Files => command.fixed(&["--local", "FOLDER"]),
        }
    }
}
