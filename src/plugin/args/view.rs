//! Flags of the commands that only read.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCandidates;

use crate::cli::GuardArgs;

/// Flags of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Show one OAuthClient in full. By default, show a table of all.
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(crate::plugin::completers::clients))]
    pub name: Option<String>,
    /// All namespaces.
    #[arg(short = 'A', long, conflicts_with_all = ["name", "namespace"])]
    pub all_namespaces: bool,
    /// Only OAuthClients with these labels, such as team=shop.
    #[arg(short = 'l', long, value_name = "SELECTOR", conflicts_with = "name")]
    pub selector: Option<String>,
    /// Show changes until you press Ctrl-C.
    #[arg(short, long)]
    pub watch: bool,
    /// Output format.
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value = "text")]
    pub output: Output,
}

/// Output format of `status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// A table with the last failure and the next step.
    Wide,
    /// For programs: a list of objects; with --watch, one object per line.
    Json,
    /// For programs, in YAML.
    Yaml,
    /// Only the names, in the form that kubectl accepts.
    Name,
}

/// Output format of other commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For programs, in YAML.
    Yaml,
}

/// Flags of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The reason, such as InvalidClient. By default, list all.
    #[arg(value_name = "REASON", add = ArgValueCandidates::new(crate::plugin::completers::reasons))]
    pub reason: Option<String>,
}

/// Flags of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Check the OAuthClients in all namespaces.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// Namespace of the operator.
    #[arg(
        long,
        value_name = "NAMESPACE",
        default_value = "oauthclient-system",
        add = ArgValueCandidates::new(crate::plugin::completers::namespaces)
    )]
    pub operator_namespace: String,
    /// Output format.
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value = "text")]
    pub output: Format,
}

/// Flags of `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Report on the OAuthClients in all namespaces.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// File to write, or - for standard output. Defaults to oauthclient-report-TIME.yaml.
    #[arg(short = 'f', long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Replace the names of namespaces, objects and hosts with numbers.
    #[arg(long)]
    pub anonymous: bool,
    /// Namespace of the operator.
    #[arg(
        long,
        value_name = "NAMESPACE",
        default_value = "oauthclient-system",
        add = ArgValueCandidates::new(crate::plugin::completers::namespaces)
    )]
    pub operator_namespace: String,
}

/// Flags of `dashboard`.
#[derive(Debug, Args)]
pub struct DashboardArgs {
    /// All namespaces.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// Port to listen on at 127.0.0.1. Defaults to any free port.
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 0,
        hide_default_value = true
    )]
    pub port: u16,
    /// Print the URL and do not open a browser.
    #[arg(long)]
    pub no_browser: bool,
    /// Which endpoints are allowed for logins that start on the page.
    #[command(flatten, next_help_heading = "Endpoints")]
    pub guard: GuardArgs,
}

/// Flags of `completion`.
#[derive(Debug, Args)]
pub struct CompletionArgs {
    /// bash, zsh or fish: for 'kubectl-oauthclient'. kubectl: the program
    /// kubectl_complete-oauthclient, which kubectl's own completion runs after 'kubectl oauthclient'.
    #[arg(verbatim_doc_comment, value_name = "SHELL", value_enum)]
    pub shell: Shell,
}

/// The shell to complete in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// Bash.
    Bash,
    /// Zsh.
    Zsh,
    /// Fish.
    Fish,
    /// kubectl's own completion, in every shell.
    Kubectl,
}

/// Flags of `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Folder for the pages, one per command. It is created if it does not exist.
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
}

/// Flags of `version`.
#[derive(Debug, Args)]
pub struct VersionArgs {
    /// Show only the version of the plugin, without connecting to a cluster.
    #[arg(long)]
    pub client: bool,
    /// Namespace of the operator.
    #[arg(
        long,
        value_name = "NAMESPACE",
        default_value = "oauthclient-system",
        add = ArgValueCandidates::new(crate::plugin::completers::namespaces)
    )]
    pub operator_namespace: String,
    /// Output format.
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value = "text")]
    pub output: Format,
}
