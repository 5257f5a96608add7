//! Flags of `credentials`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use clap_complete::engine::ArgValueCandidates;

use super::Format;
use crate::plugin::completion;

/// What to do with credentials.
#[derive(Debug, Subcommand)]
pub enum CredentialsCommand {
    /// Make a credentials Secret with its label, restricted to the provider's host. The client secret
    /// comes from a prompt without echo or from standard input, never from an argument.
    #[command(verbatim_doc_comment)]
    Create(Box<NewSecretArgs>),
    /// List the credentials Secrets: where they may be sent, who uses them, when they end.
    List(ListArgs),
    /// Check credentials: label, hosts, keys, and values that cannot be sent. No value is shown.
    Check(CheckArgs),
    /// Replace a client secret without an outage: store the next one beside the current one, and
    /// put it in its place with --finish.
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
    /// Read the client secret from standard input instead of asking for it.
    #[arg(long, conflicts_with = "no_secret")]
    pub secret_from_stdin: bool,
    /// There is no client secret (a public client).
    #[arg(long)]
    pub no_secret: bool,
    /// User name of the password grant; the password is asked for.
    #[arg(long, value_name = "NAME")]
    pub username: Option<String>,
    /// Read the password from standard input instead of asking for it.
    #[arg(long, requires = "username", conflicts_with = "secret_from_stdin")]
    pub password_from_stdin: bool,
    /// One more key with the content of a file, such as private_key=key.pem. Repeatable.
    #[arg(long, value_name = "KEY=FILE")]
    pub key: Vec<String>,
    /// A host that the credentials may be sent to. Repeatable.
    #[arg(long, value_name = "HOST")]
    pub host: Vec<String>,
    /// The credentials may be sent to the hosts of this OAuthClient.
    #[arg(long = "for", value_name = "OAUTHCLIENT")]
    pub for_client: Option<String>,
    /// The credentials may be sent to the host of this token endpoint.
    #[arg(long, value_name = "URL")]
    pub token_url: Option<String>,
    /// Change a credentials Secret that is there already: the keys given now are replaced, others kept.
    #[arg(verbatim_doc_comment, long)]
    pub replace: bool,
    /// Let the API server check it without writing anything. What would be written is not printed,
    /// since it is secret.
    #[arg(verbatim_doc_comment, long)]
    pub dry_run: bool,
    /// Write the file NAME.yaml, which only you can read, into this folder of manifests instead of a
    /// cluster.
    #[arg(verbatim_doc_comment, long, value_name = "FOLDER", conflicts_with_all = ["context", "kubeconfig", "dry_run"])]
    pub local: Option<PathBuf>,
}

/// Flags of `credentials list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// All namespaces.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// How it is printed.
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value = "text")]
    pub output: Format,
}

/// Flags of `credentials check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// One Secret. Without it: all that are labelled, or that an OAuthClient names.
    #[arg(value_name = "SECRET", add = ArgValueCandidates::new(completion::credentials))]
    pub name: Option<String>,
    /// All namespaces.
    #[arg(short = 'A', long, conflicts_with_all = ["name", "namespace"])]
    pub all_namespaces: bool,
    /// How it is printed.
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value = "text")]
    pub output: Format,
}

/// Flags of `credentials rotate`.
#[derive(Debug, Args)]
pub struct RotateArgs {
    /// The credentials Secret.
    #[arg(value_name = "SECRET", add = ArgValueCandidates::new(completion::credentials))]
    pub name: String,
    /// Read the next client secret from standard input instead of asking for it.
    #[arg(long, conflicts_with = "finish")]
    pub secret_from_stdin: bool,
    /// Replace the current client secret at once, for providers that accept one only.
    #[arg(long, conflicts_with = "finish")]
    pub now: bool,
    /// The old client secret is done with: put the next one in its place and remove the second key.
    #[arg(long)]
    pub finish: bool,
    /// Date or time at which the new client secret ends, such as 2027-01-31; the operator warns 30 days ahead.
    #[arg(long, value_name = "TIME", conflicts_with = "finish")]
    pub expires_at: Option<String>,
}
