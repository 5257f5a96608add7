//! Flags of the commands that change or request something.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use clap_complete::engine::ArgValueCandidates;

use crate::cli::GuardArgs;

/// Flags of `create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Name of the OAuthClient. Its Secrets are NAME-client and NAME-token. Defaults to the provider's name.
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// The provider preset. If you set neither this nor --token-url nor --issuer-url, you are prompted.
    #[arg(
        long,
        value_name = "PROVIDER",
        add = ArgValueCandidates::new(crate::plugin::completers::providers)
    )]
    pub provider: Option<String>,
    /// List the provider presets and what each of them requires.
    #[arg(long, conflicts_with_all = ["name", "provider"])]
    pub list_providers: bool,
    /// Token endpoint of a provider that is not in the list.
    #[arg(long, value_name = "URL", conflicts_with = "issuer_url")]
    pub token_url: Option<String>,
    /// Issuer of a provider with a discovery document, instead of the token endpoint.
    #[arg(long, value_name = "URL")]
    pub issuer_url: Option<String>,
    /// Address of a protected resource, such as an MCP server. Its metadata (RFC 9728) names the
    /// authorization server. The client is registered there (RFC 7591) if you agree, stored, and
    /// logged in.
    #[arg(verbatim_doc_comment, long, value_name = "URL", conflicts_with_all = ["provider", "token_url", "issuer_url", "client_id", "secret_from_stdin", "key", "fill", "audience", "credentials", "print", "wait"])]
    pub resource: Option<String>,
    /// With --resource: agree to the registration without a prompt.
    #[arg(long, requires = "resource")]
    pub yes: bool,
    /// With --resource: do not log in.
    #[arg(long, requires = "resource")]
    pub no_login: bool,
    /// With --resource: print the URL of the login and do not open a browser.
    #[arg(long, requires = "resource")]
    pub no_browser: bool,
    /// The client identifier that the provider gave you.
    #[arg(long, value_name = "ID")]
    pub client_id: Option<String>,
    /// Read the client secret from standard input instead of prompting for it.
    #[arg(long)]
    pub secret_from_stdin: bool,
    /// Key of the credentials with the content of a file, such as private_key=key.pem. Repeatable.
    #[arg(long, value_name = "KEY=FILE")]
    pub key: Vec<String>,
    /// Value for a placeholder in the provider's example, such as your-org=acme. Repeatable.
    #[arg(verbatim_doc_comment, long, value_name = "PLACEHOLDER=VALUE")]
    pub fill: Vec<String>,
    /// Scope to request, instead of those in the example. Repeatable.
    #[arg(long, value_name = "SCOPE")]
    pub scope: Vec<String>,
    /// Value of the parameter audience.
    #[arg(long, value_name = "AUDIENCE")]
    pub audience: Option<String>,
    /// Use this existing credentials Secret.
    #[arg(
        long,
        value_name = "SECRET",
        conflicts_with_all = ["client_id", "secret_from_stdin", "key"],
        add = ArgValueCandidates::new(crate::plugin::completers::credentials)
    )]
    pub credentials: Option<String>,
    /// Name of the token Secret. Defaults to NAME-token.
    #[arg(long, value_name = "SECRET")]
    pub token_secret: Option<String>,
    /// Print the manifest of the OAuthClient and write nothing. Credentials are never printed.
    #[arg(long, conflicts_with_all = ["secret_from_stdin", "key", "dry_run", "wait"])]
    pub print: bool,
    /// Let the API server check both objects without writing them.
    #[arg(long, conflicts_with = "wait")]
    pub dry_run: bool,
    /// Wait until there is a token or a failure, and show the status.
    #[arg(long)]
    pub wait: bool,
    /// Maximum number of seconds to wait.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub timeout_seconds: u32,
    /// Which endpoints are allowed, with --resource.
    #[command(flatten, next_help_heading = "Endpoints")]
    pub guard: GuardArgs,
}

/// Flags of `test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// File with the manifest of the OAuthClient, or - for standard input. Secrets and ConfigMaps
    /// are read from the file or, if it does not contain them, from the cluster.
    #[arg(verbatim_doc_comment, short = 'f', long, value_name = "FILE")]
    pub filename: PathBuf,
    /// Name of the OAuthClient, if the file contains several.
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Read everything from the file and use no cluster.
    #[arg(long, conflicts_with_all = ["context", "kubeconfig"])]
    pub local: bool,
    /// Which endpoints are allowed.
    #[command(flatten, next_help_heading = "Endpoints")]
    pub guard: GuardArgs,
}

/// Flags of `token`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("where").args(["show", "output_file", "command"]).required(true))]
#[command(
    override_usage = "kubectl oauthclient token NAME [OPTIONS] -- COMMAND...\n       kubectl oauthclient token NAME --output-file FILE [OPTIONS]\n       kubectl oauthclient token NAME --show [OPTIONS]"
)]
pub struct TokenArgs {
    /// The OAuthClient.
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(crate::plugin::completers::clients))]
    pub name: String,
    /// Print the token. Your terminal then shows it, and may record it.
    #[arg(long)]
    pub show: bool,
    /// Write the token into this file, which only you can read.
    #[arg(long, value_name = "FILE")]
    pub output_file: Option<PathBuf>,
    /// Environment variable that holds the token for COMMAND.
    #[arg(long, value_name = "VARIABLE", default_value = "OAUTH_TOKEN")]
    pub env: String,
    /// Key of the token Secret.
    #[arg(long, value_name = "KEY", default_value = "access_token")]
    pub key: String,
    /// Also use a token that has expired.
    #[arg(long)]
    pub expired: bool,
    /// Run this command with the token in its environment.
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// Flags of `refresh`.
#[derive(Debug, Args)]
pub struct RefreshArgs {
    /// The OAuthClient.
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(crate::plugin::completers::clients))]
    pub name: String,
    /// Wait until the operator has handled the request, and show the status.
    #[arg(long)]
    pub wait: bool,
    /// Maximum number of seconds to wait.
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub timeout_seconds: u32,
}

/// Flags of `suspend` and `resume`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").args(["names", "selector"]).required(true))]
pub struct SuspendArgs {
    /// The OAuthClients.
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(crate::plugin::completers::clients))]
    pub names: Vec<String>,
    /// All OAuthClients in the namespace with these labels, such as team=shop.
    #[arg(short = 'l', long, value_name = "SELECTOR", conflicts_with = "names")]
    pub selector: Option<String>,
}
