//! Flags of `credentials`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use clap_complete::engine::ArgValueCandidates;

use super::Format;

/// The subcommands of `credentials`.
#[derive(Debug, Subcommand)]
pub enum CredentialsCommand {
    /// Create a credentials Secret with its label, restricted to the provider's host. The client
    /// secret is read from a prompt without echo or from standard input, never from an argument.
    #[command(verbatim_doc_comment)]
    Create(Box<NewSecretArgs>),
    /// List the credentials Secrets: their hosts, which OAuthClients use them, when they expire.
    List(ListArgs),
    /// Check credentials: label, hosts, keys, and values that cannot be sent. No value is shown.
    Check(CheckArgs),
    /// Replace a client secret without an outage: store the next one beside the current one, then
    /// replace the current one with --finish.
    #[command(verbatim_doc_comment)]
    Rotate(RotateArgs),
}

/// Flags of `credentials create`.
#[derive(Debug, Args)]
pub struct NewSecretArgs {
    /// Name of the Secret.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The client identifier that the provider gave you.
    #[arg(long, value_name = "ID")]
    pub client_id: Option<String>,
    /// Read the client secret from standard input instead of prompting for it.
    #[arg(long, conflicts_with = "no_secret")]
    pub secret_from_stdin: bool,
    /// Store no client secret (for a public client).
    #[arg(long)]
    pub no_secret: bool,
    /// User name of the password grant. You are prompted for the password.
    #[arg(long, value_name = "NAME")]
    pub username: Option<String>,
    /// Read the password from standard input instead of prompting for it.
    #[arg(long, requires = "username", conflicts_with = "secret_from_stdin")]
    pub password_from_stdin: bool,
    /// Additional key with the content of a file, such as private_key=key.pem. Repeatable.
    #[arg(long, value_name = "KEY=FILE")]
    pub key: Vec<String>,
    /// Host that the credentials may be sent to. Repeatable.
    #[arg(long, value_name = "HOST")]
    pub host: Vec<String>,
    /// Allow the hosts of this OAuthClient.
    #[arg(long = "for", value_name = "OAUTHCLIENT")]
    pub for_client: Option<String>,
    /// Allow the host of this token endpoint.
    #[arg(long, value_name = "URL")]
    pub token_url: Option<String>,
    /// Change an existing credentials Secret. Keys that you do not set keep their values.
    #[arg(verbatim_doc_comment, long)]
    pub replace: bool,
    /// Let the API server check the Secret without writing it. The Secret is not printed.
    #[arg(verbatim_doc_comment, long)]
    pub dry_run: bool,
    /// Write the file NAME.yaml, which only you can read, into this folder of manifests instead of
    /// a cluster.
    #[arg(verbatim_doc_comment, long, value_name = "FOLDER", conflicts_with_all = ["context", "kubeconfig", "dry_run"])]
    pub local: Option<PathBuf>,
}

/// Flags of `credentials list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// All namespaces.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// Output format.
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value = "text")]
    pub output: Format,
}

/// Flags of `credentials check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The Secret to check. Defaults to all with the label and all that an OAuthClient names.
    #[arg(value_name = "SECRET", add = ArgValueCandidates::new(crate::plugin::completers::credentials))]
    pub name: Option<String>,
    /// All namespaces.
    #[arg(short = 'A', long, conflicts_with_all = ["name", "namespace"])]
    pub all_namespaces: bool,
    /// Output format.
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value = "text")]
    pub output: Format,
}

/// Flags of `credentials rotate`.
#[derive(Debug, Args)]
pub struct RotateArgs {
    /// The credentials Secret.
    #[arg(value_name = "SECRET", add = ArgValueCandidates::new(crate::plugin::completers::credentials))]
    pub name: String,
    /// Read the next client secret from standard input instead of prompting for it.
    #[arg(long, conflicts_with = "finish")]
    pub secret_from_stdin: bool,
    /// Replace the current client secret at once, for providers that accept only one.
    #[arg(long, conflicts_with = "finish")]
    pub now: bool,
    /// Replace the current client secret with the next one, and remove the second key.
    #[arg(long)]
    pub finish: bool,
    /// Date or time when the new client secret expires, such as 2027-01-31. The operator warns 30 days ahead.
    #[arg(long, value_name = "TIME", conflicts_with = "finish")]
    pub expires_at: Option<String>,
}
