//! The command line: every flag, its environment variable, its default and its bounds.

mod selector;
mod values;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::error::ErrorKind;
use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::http::address::AddressRules;
pub use crate::http::address::Cidr;
use crate::telemetry::LogFormat;
pub use selector::LabelSelector;
use values::dns_label;
pub use values::{AccountFile, FileMode, GroupName, NamespacedName, Namespaces};

/// Keeps OAuth 2.0 access tokens fresh in Kubernetes Secrets, or in files.
///
/// You can also set each flag with the environment variable shown beside it. The flag takes precedence.
#[derive(Debug, Parser)]
#[command(
    name = "oauthclient-operator",
    version,
    propagate_version = true,
    max_term_width = 100
)]
pub struct Cli {
    /// The subcommand.
    #[command(subcommand)]
    pub command: Command,
    /// Flags of the log.
    #[command(flatten, next_help_heading = "Logs")]
    pub log: LogArgs,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the operator in a cluster, or outside of it with a kubeconfig.
    Run(Box<RunArgs>),
    /// Run without a cluster: read manifests from files, write tokens to files.
    Local(LocalArgs),
    /// Print the CustomResourceDefinition, for 'kubectl apply -f -'.
    Crd,
}

/// Flags of the logs.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// Format of the log on standard error: auto is text on a terminal and JSON otherwise.
    #[arg(
        verbatim_doc_comment,
        long,
        env = "OAUTHCLIENT_LOG_FORMAT",
        value_name = "FORMAT",
        display_order = 900,
        value_enum,
        default_value = "auto",
        global = true
    )]
    pub log_format: LogFormat,
    /// Log level: error, warn, info, debug or trace, or directives such as
    /// 'warn,oauthclient_operator=debug'. Defaults to RUST_LOG, else info. Libraries
    /// never log below warn, because their messages may contain secrets.
    #[arg(
        verbatim_doc_comment,
        long,
        env = "OAUTHCLIENT_LOG_LEVEL",
        display_order = 901,
        value_name = "FILTER",
        global = true
    )]
    pub log_level: Option<String>,
}

/// Flags of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Namespaces to serve, separated by commas. Empty means all. The operator then needs
    /// Roles in these namespaces only (deploy/namespaced).
    #[arg(
        verbatim_doc_comment,
        long,
        env = "OAUTHCLIENT_WATCH_NAMESPACES",
        value_name = "NAMES",
        default_value = "",
        hide_default_value = true
    )]
    pub watch_namespaces: Namespaces,
    /// Serve only OAuthClients with matching labels, as in 'shard=a' or 'team in (x, y)'. To
    /// divide a large cluster between several operators, give each a selector that excludes
    /// the others.
    #[arg(
        verbatim_doc_comment,
        long,
        env = "OAUTHCLIENT_RESOURCE_SELECTOR",
        value_name = "LABELS",
        default_value = "",
        hide_default_value = true
    )]
    pub resource_selector: LabelSelector,
    /// Name of the group of OAuthClients that --resource-selector selects. It becomes part of
    /// the Lease's name, and is in events, metrics and token Secrets. Defaults to the selector
    /// in the form of a name.
    #[arg(
        verbatim_doc_comment,
        long,
        env = "OAUTHCLIENT_RESOURCE_GROUP",
        value_name = "NAME",
        requires = "resource_selector",
        value_parser = dns_label
    )]
    pub resource_group: Option<String>,
    /// Refuse credentials Secrets that do not name the hosts that they may be sent to
    /// (annotation oauthclient.dev/allowed-hosts).
    #[arg(verbatim_doc_comment, long, env = "OAUTHCLIENT_REQUIRE_ALLOWED_HOSTS",
        help_heading = "Token endpoints", value_parser = BoolishValueParser::new())]
    pub require_allowed_hosts: bool,
    /// When to write the status: always also writes it after each refresh; transitions writes
    /// it only when a condition changes. status.token is then absent, and the annotations of
    /// the token Secret hold the times.
    #[arg(
        verbatim_doc_comment,
        long,
        env = "OAUTHCLIENT_STATUS_UPDATES",
        value_name = "WHEN",
        value_enum,
        default_value = "always"
    )]
    pub status_updates: StatusUpdates,
    /// Seconds to finish writing token responses after SIGTERM or the loss of the Lease. The
    /// pod's terminationGracePeriodSeconds must be longer.
    #[arg(verbatim_doc_comment, long, env = "OAUTHCLIENT_DRAIN_SECONDS", value_name = "SECONDS", default_value_t = 60,
          value_parser = clap::value_parser!(u64).range(0..=3600))]
    pub drain_seconds: u64,
    /// Maximum number of concurrent requests to the Kubernetes API.
    #[arg(verbatim_doc_comment, long, env = "OAUTHCLIENT_MAX_API_REQUESTS", value_name = "NUMBER", default_value_t = 32,
          value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub max_api_requests: u32,
    /// Maximum number of concurrent token requests, over all hosts.
    #[arg(verbatim_doc_comment, long, env = "OAUTHCLIENT_MAX_TOKEN_REQUESTS", value_name = "NUMBER", default_value_t = 512,
          value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub max_token_requests: u32,
    /// Address of /metrics.
    #[arg(
        verbatim_doc_comment,
        long,
        env = "OAUTHCLIENT_LISTEN",
        value_name = "ADDRESS:PORT",
        default_value = "0.0.0.0:8080"
    )]
    pub listen: SocketAddr,
    /// Address of /healthz and /readyz. The port differs from that of the metrics, so that
    /// clients of one port cannot make the other fail.
    #[arg(
        verbatim_doc_comment,
        long,
        env = "OAUTHCLIENT_PROBE_LISTEN",
        value_name = "ADDRESS:PORT",
        default_value = "0.0.0.0:8081"
    )]
    pub probe_listen: SocketAddr,
    /// Serve /metrics only to bearer tokens whose user may get the path /metrics (TokenReview,
    /// SubjectAccessReview). Requires the permissions of deploy/metrics-auth.
    #[arg(verbatim_doc_comment, long, env = "OAUTHCLIENT_METRICS_AUTH", value_parser = BoolishValueParser::new())]
    pub metrics_auth: bool,
    /// Expose state and times of each OAuthClient by namespace and name. This adds four time
    /// series for each of them.
    #[arg(verbatim_doc_comment, long, env = "OAUTHCLIENT_METRICS_PER_RESOURCE", value_parser = BoolishValueParser::new())]
    pub metrics_per_resource: bool,
    /// Kubeconfig to use. Defaults to KUBECONFIG or ~/.kube/config if it exists, else to the
    /// pod's ServiceAccount.
    #[arg(
        verbatim_doc_comment,
        long,
        env = "OAUTHCLIENT_KUBECONFIG",
        value_name = "FILE"
    )]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig. Defaults to its current context.
    #[arg(
        verbatim_doc_comment,
        long,
        env = "OAUTHCLIENT_CONTEXT",
        value_name = "NAME"
    )]
    pub context: Option<String>,
    /// For tests: seconds of silence after which a connection to the Kubernetes API is closed.
    #[arg(verbatim_doc_comment, long, env = "OAUTHCLIENT_API_SILENCE_SECONDS", value_name = "SECONDS", default_value_t = 90,
          hide = true, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub api_silence_seconds: u64,
    /// For tests: panic whenever this resource is reconciled, to prove that this does not
    /// affect others.
    #[arg(
        verbatim_doc_comment,
        long,
        env = "OAUTHCLIENT_PANIC_ON",
        value_name = "NAMESPACE/NAME",
        hide = true
    )]
    pub panic_on: Option<NamespacedName>,
    /// For tests: a file with the seconds to add to the wall clock, read at most once a
    /// second.
    #[arg(
        verbatim_doc_comment,
        long,
        env = "OAUTHCLIENT_CLOCK_OFFSET_FILE",
        value_name = "FILE",
        hide = true
    )]
    pub clock_offset_file: Option<PathBuf>,
    /// Which token endpoints are allowed.
    #[command(flatten, next_help_heading = "Token endpoints")]
    pub guard: GuardArgs,
    /// Leader election between replicas.
    #[command(flatten, next_help_heading = "Leader election")]
    pub election: ElectionArgs,
}

/// Flags of the leader election.
#[derive(Debug, Args)]
pub struct ElectionArgs {
    /// Acquire a Lease before starting to work, so that only one of several replicas works. To
    /// disable it: --leader-elect=false
    #[arg(verbatim_doc_comment, long, env = "OAUTHCLIENT_LEADER_ELECT", value_name = "BOOL", default_value = "true", default_missing_value = "true",
          num_args = 0..=1, require_equals = true, action = ArgAction::Set, value_parser = BoolishValueParser::new())]
    pub leader_elect: bool,
    /// Name of the Lease.
    #[arg(
        verbatim_doc_comment,
        long,
        env = "OAUTHCLIENT_LEASE_NAME",
        value_name = "NAME",
        default_value = "oauthclient-operator",
        value_parser = dns_label
    )]
    pub lease_name: String,
    /// Namespace of the Lease. Defaults to the pod's namespace, or the kubeconfig's.
    #[arg(verbatim_doc_comment, long, env = "POD_NAMESPACE", value_name = "NAMESPACE", value_parser = dns_label)]
    pub lease_namespace: Option<String>,
    /// First part of the holder identity in the Lease; a random part is added. Defaults to the
    /// host name.
    #[arg(verbatim_doc_comment, long, env = "POD_NAME", value_name = "NAME")]
    pub lease_identity: Option<String>,
    /// Seconds after the last renewal until another replica takes over the Lease.
    #[arg(verbatim_doc_comment, long, env = "OAUTHCLIENT_LEASE_DURATION_SECONDS", value_name = "SECONDS", default_value_t = 15,
          value_parser = clap::value_parser!(u32).range(3..=3600))]
    pub lease_duration_seconds: u32,
    /// Seconds without a successful renewal until the leader stops working. Must be less than
    /// the lease duration.
    #[arg(verbatim_doc_comment, long, env = "OAUTHCLIENT_LEASE_RENEW_DEADLINE_SECONDS", value_name = "SECONDS", default_value_t = 10,
          value_parser = clap::value_parser!(u32).range(2..=3600))]
    pub lease_renew_deadline_seconds: u32,
    /// Seconds between attempts to acquire or renew the Lease. Must be less than the renew
    /// deadline.
    #[arg(verbatim_doc_comment, long, env = "OAUTHCLIENT_LEASE_RETRY_SECONDS", value_name = "SECONDS", default_value_t = 2,
          value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub lease_retry_seconds: u32,
}

/// Which token endpoints are allowed; the same for `run` and `local`.
#[derive(Clone, Debug, Args)]
pub struct GuardArgs {
    /// Allow token endpoints with http. Credentials and tokens then cross the network
    /// unencrypted.
    #[arg(verbatim_doc_comment, long, env = "OAUTHCLIENT_ALLOW_HTTP", value_parser = BoolishValueParser::new())]
    pub allow_http: bool,
    /// Allow token endpoints on loopback addresses.
    #[arg(verbatim_doc_comment, long, env = "OAUTHCLIENT_ALLOW_LOOPBACK", value_parser = BoolishValueParser::new())]
    pub allow_loopback: bool,
    /// Allow addresses that are refused by default (link-local, metadata services), as a CIDR
    /// or a single address. Repeatable, or separated by commas.
    #[arg(
        verbatim_doc_comment,
        long,
        env = "OAUTHCLIENT_ALLOW_ADDRESS",
        value_name = "CIDR",
        value_delimiter = ','
    )]
    pub allow_address: Vec<Cidr>,
}

/// Flags of `local`.
#[derive(Debug, Args)]
pub struct LocalArgs {
    /// A manifest, or a folder of manifests (*.yaml, *.yml, *.json), with OAuthClients, their
    /// credentials Secrets and CA ConfigMaps. Repeatable. Edits take effect while it runs.
    #[arg(
        verbatim_doc_comment,
        short,
        long,
        env = "OAUTHCLIENT_FILENAME",
        value_name = "PATH",
        required = true,
        value_delimiter = ','
    )]
    pub filename: Vec<PathBuf>,
    /// Folder for the tokens: OUTPUT/NAMESPACE/SECRET/KEY, with the layout of a mounted Secret.
    #[arg(
        verbatim_doc_comment,
        short,
        long,
        env = "OAUTHCLIENT_OUTPUT",
        value_name = "FOLDER"
    )]
    pub output: PathBuf,
    /// Folder for the state, so that a restart requests no token before it is due. Defaults to
    /// OUTPUT/.state.
    #[arg(
        verbatim_doc_comment,
        long,
        env = "OAUTHCLIENT_STATE",
        value_name = "FOLDER"
    )]
    pub state: Option<PathBuf>,
    /// Who may read the tokens.
    #[command(flatten)]
    pub access: AccessArgs,
    /// Request the tokens that are due, then exit: with 0 if every OAuthClient has a valid
    /// token, with 1 otherwise. For scripts and CI.
    #[arg(verbatim_doc_comment, long, env = "OAUTHCLIENT_ONCE", value_parser = BoolishValueParser::new())]
    pub once: bool,
    /// Refuse credentials Secrets that do not name the hosts that they may be sent to
    /// (annotation oauthclient.dev/allowed-hosts).
    #[arg(verbatim_doc_comment, long, env = "OAUTHCLIENT_REQUIRE_ALLOWED_HOSTS",
        help_heading = "Token endpoints", value_parser = BoolishValueParser::new())]
    pub require_allowed_hosts: bool,
    /// A file with a token of the ServiceAccount NAME, for manifests that use it, because
    /// 'local' has no cluster that creates tokens. Read for each request. Repeatable, or
    /// separated by commas.
    #[arg(
        verbatim_doc_comment,
        long,
        env = "OAUTHCLIENT_SERVICE_ACCOUNT_TOKEN_FILE",
        value_name = "NAME=PATH",
        value_delimiter = ','
    )]
    pub service_account_token_file: Vec<AccountFile>,
    /// Maximum number of concurrent token requests, over all hosts.
    #[arg(verbatim_doc_comment, long, env = "OAUTHCLIENT_MAX_TOKEN_REQUESTS", value_name = "NUMBER", default_value_t = 64,
          value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub max_token_requests: u32,
    /// For tests: a file with the seconds to add to the wall clock, read at most once a
    /// second.
    #[arg(
        verbatim_doc_comment,
        long,
        env = "OAUTHCLIENT_CLOCK_OFFSET_FILE",
        value_name = "FILE",
        hide = true
    )]
    pub clock_offset_file: Option<PathBuf>,
    /// Which token endpoints are allowed.
    #[command(flatten, next_help_heading = "Token endpoints")]
    pub guard: GuardArgs,
}

/// Who may read the tokens that `local` writes.
#[derive(Clone, Debug, Args)]
pub struct AccessArgs {
    /// Mode of the files in octal: 0600, 0640, 0644 or less. Whoever may read the files may
    /// enter the folders. Defaults to 0600, with --group to 0640.
    #[arg(
        verbatim_doc_comment,
        long,
        env = "OAUTHCLIENT_MODE",
        help_heading = "Access to the tokens",
        value_name = "MODE"
    )]
    pub mode: Option<FileMode>,
    /// Group of the files, by name or number, so that its members can read them. You must be a
    /// member of it, or root.
    #[arg(
        verbatim_doc_comment,
        long,
        env = "OAUTHCLIENT_GROUP",
        help_heading = "Access to the tokens",
        value_name = "GROUP"
    )]
    pub group: Option<GroupName>,
    /// Accept folders that belong to another user or that others may write to, such as a
    /// volume that the containers of a pod share. Whoever may write there can replace tokens.
    #[arg(verbatim_doc_comment, long, env = "OAUTHCLIENT_ALLOW_SHARED_OUTPUT",
        help_heading = "Access to the tokens", value_parser = BoolishValueParser::new())]
    pub allow_shared_output: bool,
}

/// When the status is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StatusUpdates {
    /// After every refresh, with the token's times.
    Always,
    /// When a condition changes, without the token's times.
    Transitions,
}

impl Cli {
    /// Parses the arguments and the environment of the process. Prints help, version or an error and exits, if there is
    /// nothing else to do.
    pub fn from_process() -> Self {
        Cli::parse().checked().unwrap_or_else(|error| error.exit())
    }

    /// Checks what involves several flags.
    ///
    /// # Errors
    /// The durations of the leader election contradict each other.
    pub fn checked(self) -> Result<Self, clap::Error> {
        if let Command::Run(run) = &self.command
            && let Err(problem) = run.election.check()
        {
            return Err(Cli::command().error(ErrorKind::ValueValidation, problem));
        }
        Ok(self)
    }
}

impl LogArgs {
    /// The log filter; `rust_log` is the value of `RUST_LOG`.
    pub fn filter(&self, rust_log: Option<String>) -> String {
        self.log_level
            .clone()
            .or(rust_log)
            .filter(|filter| !filter.trim().is_empty())
            .unwrap_or_else(|| "info".to_owned())
    }
}

impl GuardArgs {
    /// The addresses that may be dialled.
    pub fn addresses(&self) -> AddressRules {
        AddressRules {
            allow_loopback: self.allow_loopback,
            allowed: self.allow_address.clone(),
        }
    }
}

impl ElectionArgs {
    fn check(&self) -> Result<(), String> {
        let (duration, deadline, retry) = (
            self.lease_duration_seconds,
            self.lease_renew_deadline_seconds,
            self.lease_retry_seconds,
        );
        if deadline >= duration {
            return Err(format!(
                "--lease-renew-deadline-seconds ({deadline}) must be less than --lease-duration-seconds ({duration}): \
                 a leader has to stop before others may take over"
            ));
        }
        if retry >= deadline {
            return Err(format!(
                "--lease-retry-seconds ({retry}) must be less than --lease-renew-deadline-seconds ({deadline}): \
                 otherwise one failed renewal loses the lease"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
