//! Flags of the commands that only look.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCandidates;

use crate::cli::GuardArgs;
use crate::plugin::completion;

/// Flags of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// One OAuthClient, in full. Without it: a table of all.
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(completion::clients))]
    pub name: Option<String>,
    /// All namespaces.
    #[arg(short = 'A', long, conflicts_with_all = ["name", "namespace"])]
    pub all_namespaces: bool,
    /// Only OAuthClients with these labels, such as team=shop.
    #[arg(short = 'l', long, value_name = "SELECTOR", conflicts_with = "name")]
    pub selector: Option<String>,
    /// Go on showing what changes, until Ctrl-C.
    #[arg(short, long)]
    pub watch: bool,
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
    /// For programs: a list of objects; with --watch one object a line.
    Json,
    /// For programs, in YAML.
    Yaml,
    /// The names alone, as kubectl takes them.
    Name,
}

/// How other things are printed.
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
    /// The reason, such as InvalidClient. Without it: a list of all.
    #[arg(value_name = "REASON", add = ArgValueCandidates::new(completion::reasons))]
    pub reason: Option<String>,
}

/// Flags of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Look at the OAuthClients of all namespaces.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// Namespace of the operator.
    #[arg(
        long,
        value_name = "NAMESPACE",
        default_value = "oauthclient-system",
        add = ArgValueCandidates::new(completion::namespaces)
    )]
    pub operator_namespace: String,
    /// How it is printed.
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value = "text")]
    pub output: Format,
}

/// Flags of `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Report on the OAuthClients of all namespaces.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// File to write, or - for standard output. Without it: oauthclient-report-TIME.yaml.
    #[arg(short = 'f', long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Replace the names of namespaces, objects and hosts by numbers.
    #[arg(long)]
    pub anonymous: bool,
    /// Namespace of the operator.
    #[arg(
        long,
        value_name = "NAMESPACE",
        default_value = "oauthclient-system",
        add = ArgValueCandidates::new(completion::namespaces)
    )]
    pub operator_namespace: String,
}

/// Flags of `dashboard`.
#[derive(Debug, Args)]
pub struct DashboardArgs {
    /// All namespaces.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// Port to listen on, on 127.0.0.1. Without it: a free one.
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 0,
        hide_default_value = true
    )]
    pub port: u16,
    /// Open no browser: print the address alone.
    #[arg(long)]
    pub no_browser: bool,
    /// Which endpoints a login that is begun on the page may use.
    #[command(flatten, next_help_heading = "Endpoints")]
    pub guard: GuardArgs,
}

/// Flags of `completion`.
#[derive(Debug, Args)]
pub struct CompletionArgs {
    /// bash, zsh or fish: for 'kubectl-oauthclient'. kubectl: the program
    /// kubectl_complete-oauthclient, by which kubectl's own completion goes on after 'kubectl oauthclient'.
    #[arg(verbatim_doc_comment, value_name = "SHELL", value_enum)]
    pub shell: Shell,
}

/// What completes.
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
    /// Folder for the pages, one a command. It is made if it is not there.
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
}

/// Flags of `version`.
#[derive(Debug, Args)]
pub struct VersionArgs {
    /// The version of the plugin alone; asks no cluster.
    #[arg(long)]
    pub client: bool,
    /// Namespace of the operator.
    #[arg(
        long,
        value_name = "NAMESPACE",
        default_value = "oauthclient-system",
        add = ArgValueCandidates::new(completion::namespaces)
    )]
    pub operator_namespace: String,
    /// How it is printed.
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value = "text")]
    pub output: Format,
}
