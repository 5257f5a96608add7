//! Flags of `login`.

use std::path::PathBuf;

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use crate::cli::GuardArgs;

/// Flags of `login`.
#[derive(Debug, Args)]
pub struct LoginArgs {
    /// The OAuthClient.
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(crate::plugin::completers::clients))]
    pub name: String,
    /// Log in with a code on another device, without a redirect to this machine (RFC 8628).
    #[arg(verbatim_doc_comment, long, conflicts_with_all = ["listen", "redirect_path", "no_browser"])]
    pub device: bool,
    /// Print the URL and do not open a browser. The browser must run on this machine, or reach the
    /// listening port through a tunnel (ssh -L).
    #[arg(verbatim_doc_comment, long)]
    pub no_browser: bool,
    /// Address to listen on for the redirect: a loopback address or localhost, with the port that is
    /// registered at the provider. Defaults to spec.login.redirectURI, else to 127.0.0.1 with a
    /// free port.
    #[arg(verbatim_doc_comment, long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// Path of the redirect URI, if the provider compares it. Defaults to that of
    /// spec.login.redirectURI, else to /callback.
    #[arg(verbatim_doc_comment, long, value_name = "PATH")]
    pub redirect_path: Option<String>,
    /// Additional scope to request, such as offline_access. Repeatable.
    #[arg(verbatim_doc_comment, long, value_name = "SCOPE")]
    pub scope: Vec<String>,
    /// Additional parameter of the authorization request, such as prompt=consent. Repeatable. It
    /// overrides a parameter of the same name in the resource.
    #[arg(verbatim_doc_comment, long, value_name = "NAME=VALUE")]
    pub parameter: Vec<String>,
    /// Maximum number of seconds to wait for the login.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u32).range(10..=3600))]
    pub timeout_seconds: u32,
    /// Use a folder of manifests, as 'oauthclient-operator local' does, instead of a cluster. The
    /// login is written to the file NAME-login.yaml there, which only you can read.
    #[arg(verbatim_doc_comment, long, value_name = "FOLDER", conflicts_with_all = ["context", "kubeconfig"])]
    pub local: Option<PathBuf>,
    /// Which endpoints are allowed.
    #[command(flatten, next_help_heading = "Endpoints")]
    pub guard: GuardArgs,
}
