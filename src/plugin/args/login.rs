//! Flags of `login`.

use std::path::PathBuf;

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use crate::cli::GuardArgs;
use crate::plugin::completion;

/// Flags of `login`.
#[derive(Debug, Args)]
pub struct LoginArgs {
    /// The OAuthClient.
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(completion::clients))]
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
    /// One more scope to request, such as offline_access. Repeatable.
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
