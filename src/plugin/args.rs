//! The command line of the plugin. No flag takes a secret, because arguments appear in the process list and in the shell
//! history.

mod change;
mod connection;
mod credentials;
mod login;
#[cfg(test)]
mod tests;
mod view;

use clap::{Parser, Subcommand};

use crate::plugin::paint::Color;

pub use change::{CreateArgs, RefreshArgs, SuspendArgs, TestArgs, TokenArgs};
pub use connection::ConnectionArgs;
pub use credentials::{CheckArgs, CredentialsCommand, ListArgs, NewSecretArgs, RotateArgs};
pub use login::LoginArgs;
pub use view::{
    CompletionArgs, DashboardArgs, DoctorArgs, ExplainArgs, Format, ManArgs, Output, ReportArgs,
    Shell, StatusArgs, VersionArgs,
};

/// Create OAuthClients and their credentials, log in, show the status, request new tokens.
///
/// The plugin works with your own permissions and prints no secret; only `token --show` prints a token. Exit codes: 0
/// success, 1 failure, 2 wrong usage, 3 not ready (status, refresh --wait, doctor, credentials check, test, create --wait),
/// 130 after Ctrl-C.
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-oauthclient",
    bin_name = "kubectl oauthclient",
    version,
    propagate_version = true,
    max_term_width = 100
)]
pub struct Plugin {
    /// The subcommand.
    #[command(subcommand)]
    pub command: Command,
    /// Flags that select cluster and namespace.
    #[command(flatten, next_help_heading = "Cluster")]
    pub connection: ConnectionArgs,
    /// When to use colours. If NO_COLOR is set, never.
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        value_enum,
        default_value = "auto",
        display_order = 810,
        help_heading = "Output"
    )]
    pub color: Color,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the status of OAuthClients: ready or not, until when, the last failure, what to do.
    Status(StatusArgs),
    /// Open a page in the browser that shows all OAuthClients, live.
    Dashboard(Box<DashboardArgs>),
    /// Check the installation, the permissions, the credentials and the token hosts.
    Doctor(DoctorArgs),
    /// Explain a reason that a status, an event or a metric shows.
    Explain(ExplainArgs),
    /// Create an OAuthClient and its credentials, from a provider preset or for any provider.
    Create(Box<CreateArgs>),
    /// Send one real token request for a manifest and show what would be published. Nothing is stored.
    Test(Box<TestArgs>),
    /// Log in for an OAuthClient in a browser, or with a code on another device. The refresh token
    /// is written to the Secret NAME-login and never shown.
    #[command(verbatim_doc_comment)]
    Login(Box<LoginArgs>),
    /// Pass the token of an OAuthClient to a command, write it to a file, or print it.
    Token(TokenArgs),
    /// Request a new token now.
    Refresh(RefreshArgs),
    /// Stop requesting tokens. The published token stays until it expires.
    Suspend(SuspendArgs),
    /// Resume requesting tokens.
    Resume(SuspendArgs),
    /// Manage credentials Secrets that the operator may use.
    #[command(subcommand)]
    Credentials(CredentialsCommand),
    /// Write a file for a bug report: versions, status, events, logs. It contains no values of Secrets.
    Report(ReportArgs),
    /// Print a shell completion script.
    Completion(CompletionArgs),
    /// Write the man pages.
    Man(ManArgs),
    /// Show the versions of the plugin, the resource definition and the operator.
    Version(VersionArgs),
}

impl Plugin {
    /// Parses the arguments of the process. Prints help, version or an error and exits, if there is nothing else to do.
    pub fn from_process() -> Self {
        Plugin::parse()
    }
}
