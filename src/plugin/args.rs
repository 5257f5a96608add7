//! The command line of the plugin. No flag takes a secret: arguments show in the list of processes and in the shell's
//! history.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::cli::GuardArgs;

/// Logs in for OAuthClients, makes their credentials, tells how they are, asks for new tokens.
///
/// It works with your own rights and never prints a secret. Exit codes: 0 done, 1 not done, 2 wrong usage, 3 not ready
/// (status, refresh --wait), 130 stopped by Ctrl-C.
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-oauthclient",
    bin_name = "kubectl oauthclient",
    version,
    propagate_version = true,
    max_term_width = 100
)]
pub struct Plugin {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Which cluster and namespace.
    #[command(flatten, next_help_heading = "Cluster")]
    pub connection: ConnectionArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Log in for an OAuthClient in a browser, or with a code on another device. The refresh token
    /// goes into Secret NAME-login and is never shown.
    #[command(verbatim_doc_comment)]
    Login(Box<LoginArgs>),
    /// Credentials Secrets that the operator may use.
    #[command(subcommand)]
    Credentials(CredentialsCommand),
    /// How OAuthClients are: ready or not, until when, what failed last, what to do next.
    Status(StatusArgs),
    /// Ask for a new token now.
    Refresh(RefreshArgs),
}

/// What to do with credentials.
#[derive(Debug, Subcommand)]
pub enum CredentialsCommand {
    /// Make a credentials Secret with its label, restricted to the provider's host. The client secret
    /// comes from a prompt without echo or from standard input, never from an argument.
    #[command(verbatim_doc_comment)]
    Create(Box<CreateArgs>),
}

/// Which cluster and namespace; the same for all commands.
#[derive(Debug, Default, Args)]
pub struct ConnectionArgs {
    /// Namespace. Without it: that of the kubeconfig's context.
    #[arg(
        short,
        long,
        global = true,
        value_name = "NAMESPACE",
        display_order = 800
    )]
    pub namespace: Option<String>,
    /// Context of the kubeconfig, if not its current one.
    #[arg(long, global = true, value_name = "NAME", display_order = 801)]
    pub context: Option<String>,
    /// Kubeconfig to use. Without it: KUBECONFIG, or ~/.kube/config.
    #[arg(long, global = true, value_name = "FILE", display_order = 802)]
    pub kubeconfig: Option<PathBuf>,
}

/// Flags of `login`.
#[derive(Debug, Args)]
pub struct LoginArgs {
    /// The OAuthClient.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Type a code on another device instead of being sent back to this machine (RFC 8628).
    #[arg(verbatim_doc_comment, long, conflicts_with_all = ["listen", "redirect_path", "no_browser"])]
    pub device: bool,
    /// Open no browser: print the address alone. The browser must run on this machine, or reach the
    /// listening port through a tunnel (ssh -L).
    #[arg(verbatim_doc_comment, long)]
    pub no_browser: bool,
    /// Where to listen for the answer: 127.0.0.1, ::1 in brackets or localhost, with the port registered
    /// at the provider. Without it: spec.login.redirectURI, or 127.0.0.1 with a free port.
    #[arg(verbatim_doc_comment, long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// Path of the redirect URI, where the provider compares it. Without it: that of
    /// spec.login.redirectURI, or /callback.
    #[arg(verbatim_doc_comment, long, value_name = "PATH")]
    pub redirect_path: Option<String>,
    /// One more scope to ask for, such as offline_access. Repeatable.
    #[arg(verbatim_doc_comment, long, value_name = "SCOPE")]
    pub scope: Vec<String>,
    /// One more parameter of the authorization request, such as prompt=consent. Repeatable; it takes
    /// the place of one of the same name in the resource.
    #[arg(verbatim_doc_comment, long, value_name = "NAME=VALUE")]
    pub parameter: Vec<String>,
    /// Seconds to wait for the answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u32).range(10..=3600))]
    pub timeout_seconds: u32,
    /// Work on a folder of manifests, as 'oauthclient-operator local' does, instead of a cluster: the
    /// login goes into the file NAME-login.yaml there, which only you can read.
    #[arg(verbatim_doc_comment, long, value_name = "FOLDER", conflicts_with_all = ["context", "kubeconfig"])]
    pub local: Option<PathBuf>,
    /// Which endpoints may be asked.
    #[command(flatten, next_help_heading = "Endpoints")]
    pub guard: GuardArgs,
}

/// Flags of `credentials create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
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

/// Flags of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// One OAuthClient, in full. Without it: a table of all.
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// All namespaces.
    #[arg(short = 'A', long, conflicts_with_all = ["name", "namespace"])]
    pub all_namespaces: bool,
    /// How it is printed.
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value = "text")]
    pub output: Output,
}

/// How a status is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// A table with the last failure and the next step.
    Wide,
    /// For programs.
    Json,
}

/// Flags of `refresh`.
#[derive(Debug, Args)]
pub struct RefreshArgs {
    /// The OAuthClient.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Wait until the operator has answered, and say what came of it.
    #[arg(long)]
    pub wait: bool,
    /// Seconds to wait at most.
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub timeout_seconds: u32,
}

impl Plugin {
    /// Reads the process's arguments; prints help, version or what is wrong and exits where that is all there is to do.
    pub fn from_process() -> Self {
        Plugin::parse()
    }
}

#[cfg(test)]
mod tests;
