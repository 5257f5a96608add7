//! The command line of the plugin. No flag takes a secret: arguments show in the list of processes and in the shell's
//! history.

mod change;
mod credentials;
mod login;
mod view;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::engine::ArgValueCandidates;

use super::completion;

pub use change::{CreateArgs, RefreshArgs, SuspendArgs, TestArgs, TokenArgs};
pub use credentials::{CheckArgs, CredentialsCommand, ListArgs, NewSecretArgs, RotateArgs};
pub use login::LoginArgs;
pub use view::{
    CompletionArgs, DashboardArgs, DoctorArgs, ExplainArgs, Format, ManArgs, Output, ReportArgs,
    Shell, StatusArgs, VersionArgs,
};

/// Logs in for OAuthClients, creates them and their credentials, shows their status, requests new tokens.
///
/// It works with your own rights and prints no secret; only `token --show` prints a token. Exit codes: 0 done, 1 not done,
/// 2 wrong usage, 3 not ready (status, refresh --wait, doctor, credentials check, test), 130 stopped by Ctrl-C.
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
    /// When to use colours. NO_COLOR, set to anything, means never.
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

/// When colours are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal.
    Auto,
    /// Always, in files and pipes too.
    Always,
    /// Never.
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the status of OAuthClients: ready or not, until when, the last failure, what to do.
    Status(StatusArgs),
    /// Open a page in the browser that shows all OAuthClients, live.
    Dashboard(Box<DashboardArgs>),
    /// Check the installation, the rights, the credentials and the token hosts.
    Doctor(DoctorArgs),
    /// Explain a reason that stands in a status, an event or a metric.
    Explain(ExplainArgs),
    /// Create an OAuthClient and its credentials, for a provider of a list or any other.
    Create(Box<CreateArgs>),
    /// Send one real token request for a manifest. Nothing is stored: it says what would be published.
    Test(Box<TestArgs>),
    /// Log in for an OAuthClient in a browser, or with a code on another device. The refresh token
    /// goes into Secret NAME-login and is never shown.
    #[command(verbatim_doc_comment)]
    Login(Box<LoginArgs>),
    /// Use the token of an OAuthClient: in the environment of a command, in a file, or shown.
    Token(TokenArgs),
    /// Request a new token now.
    Refresh(RefreshArgs),
    /// Request no more tokens. The published token stays until it expires.
    Suspend(SuspendArgs),
    /// Request tokens again.
    Resume(SuspendArgs),
    /// Credentials Secrets that the operator may use.
    #[command(subcommand)]
    Credentials(CredentialsCommand),
    /// Write a file for a bug report: versions, status, events, logs. It holds no secret values.
    Report(ReportArgs),
    /// Print a script that completes commands and names in a shell.
    Completion(CompletionArgs),
    /// Write the man pages.
    Man(ManArgs),
    /// Show the versions of the plugin, the resource definition and the operator.
    Version(VersionArgs),
}

/// Which cluster and namespace; the same for all commands.
#[derive(Clone, Debug, Default, Args)]
pub struct ConnectionArgs {
    /// Namespace. Without it: the namespace of the kubeconfig's context.
    #[arg(
        short,
        long,
        global = true,
        value_name = "NAMESPACE",
        display_order = 800,
        add = ArgValueCandidates::new(completion::namespaces)
    )]
    pub namespace: Option<String>,
    /// Context of the kubeconfig, if not its current one.
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        display_order = 801,
        add = ArgValueCandidates::new(completion::contexts)
    )]
    pub context: Option<String>,
    /// Kubeconfig to use. Without it: KUBECONFIG, or ~/.kube/config.
    #[arg(long, global = true, value_name = "FILE", display_order = 802)]
    pub kubeconfig: Option<PathBuf>,
}

impl Plugin {
    /// Reads the process's arguments; prints help, version or what is wrong and exits where that is all there is to do.
    pub fn from_process() -> Self {
        Plugin::parse()
    }
}

#[cfg(test)]
mod tests;
