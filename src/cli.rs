//! The command line: every flag, its environment variable, its default and its bounds.

mod values;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::error::ErrorKind;
use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::http::address::AddressRules;
pub use crate::http::address::Cidr;
use crate::telemetry::LogFormat;
use values::dns_label;
pub use values::{AccountFile, FileMode, GroupName, NamespacedName, Namespaces};

/// Keeps OAuth 2.0 access tokens fresh in Kubernetes Secrets, or in files.
///
/// Every flag can be given as an environment variable too (named beside it); the flag wins.
#[derive(Debug, Parser)]
#[command(
    name = "oauthclient-operator",
    version,
    propagate_version = true,
    max_term_width = 100
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Logs.
    #[command(flatten, next_help_heading = "Logs")]
    pub log: LogArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the operator against a Kubernetes API: in a pod, or with a kubeconfig.
    Run(Box<RunArgs>),
    /// Do the same job over files: manifests in, token files out. Needs no cluster.
    Local(LocalArgs),
    /// Print the CustomResourceDefinition, to be piped into 'kubectl apply -f -'.
    Crd,
}

/// Flags of the logs.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// Form of the log on standard error: auto is text on a terminal and JSON otherwise.
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
    /// What is logged: error, warn, info, debug or trace, or directives such as
    /// 'info,oauthclient_operator::leader=debug'. RUST_LOG is read where this is not given;
    /// without both it is info. Other parts than ours never log below warn, since what they
    /// say there may hold secrets.
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
    /// Namespaces to serve, separated by commas; empty means all. Needs only Roles in these
    /// (deploy/namespaced).
    #[arg(
        verbatim_doc_comment,
        long,
        env = "OAUTHCLIENT_WATCH_NAMESPACES",
        value_name = "NAMES",
        default_value = "",
        hide_default_value = true
    )]
    pub watch_namespaces: Namespaces,
    /// Refuse credentials Secrets that do not name the hosts they may be sent to (annotation
    /// oauthclient.dev/allowed-hosts).
    #[arg(verbatim_doc_comment, long, env = "OAUTHCLIENT_REQUIRE_ALLOWED_HOSTS",
        help_heading = "Token endpoints", value_parser = BoolishValueParser::new())]
    pub require_allowed_hosts: bool,
    /// When a resource's status is written: always after a refresh too, or on transitions of
    /// its conditions alone (then status.token is left out, and the token Secret's
    /// annotations tell the times).
    #[arg(
        verbatim_doc_comment,
        long,
        env = "OAUTHCLIENT_STATUS_UPDATES",
        value_name = "WHEN",
        value_enum,
        default_value = "always"
    )]
    pub status_updates: StatusUpdates,
    /// Seconds that token responses in flight get to be written after SIGTERM or a lost
    /// lease. The pod's terminationGracePeriodSeconds must be longer.
    #[arg(verbatim_doc_comment, long, env = "OAUTHCLIENT_DRAIN_SECONDS", value_name = "SECONDS", default_value_t = 60,
          value_parser = clap::value_parser!(u64).range(0..=3600))]
    pub drain_seconds: u64,
    /// Most requests to the Kubernetes API in flight at a time.
    #[arg(verbatim_doc_comment, long, env = "OAUTHCLIENT_MAX_API_REQUESTS", value_name = "NUMBER", default_value_t = 32,
          value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub max_api_requests: u32,
    /// Most token requests in flight at a time, over all hosts.
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
    /// Address of /healthz and /readyz. Its port is separate from that of the metrics, so
    /// that nobody who may connect to one can make the other fail.
    #[arg(
        verbatim_doc_comment,
        long,
        env = "OAUTHCLIENT_PROBE_LISTEN",
        value_name = "ADDRESS:PORT",
        default_value = "0.0.0.0:8081"
    )]
    pub probe_listen: SocketAddr,
    /// Answer /metrics only to bearer tokens whose user may get the path /metrics
    /// (TokenReview, SubjectAccessReview). Needs the rights of deploy/metrics-auth.
    #[arg(verbatim_doc_comment, long, env = "OAUTHCLIENT_METRICS_AUTH", value_parser = BoolishValueParser::new())]
    pub metrics_auth: bool,
    /// Expose the expiry of each token by namespace and name. One time series for each
    /// resource: off by default.
    #[arg(verbatim_doc_comment, long, env = "OAUTHCLIENT_METRICS_PER_RESOURCE", value_parser = BoolishValueParser::new())]
    pub metrics_per_resource: bool,
    /// Kubeconfig to use. Without it: KUBECONFIG or ~/.kube/config where there is one, else
    /// the pod's ServiceAccount.
    #[arg(
        verbatim_doc_comment,
        long,
        env = "OAUTHCLIENT_KUBECONFIG",
        value_name = "FILE"
    )]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig, if not its current one.
    #[arg(
        verbatim_doc_comment,
        long,
        env = "OAUTHCLIENT_CONTEXT",
        value_name = "NAME"
    )]
    pub context: Option<String>,
    /// For tests: seconds of silence after which a connection to the Kubernetes API is cut.
    #[arg(verbatim_doc_comment, long, env = "OAUTHCLIENT_API_SILENCE_SECONDS", value_name = "SECONDS", default_value_t = 90,
          hide = true, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub api_silence_seconds: u64,
    /// For tests: panic whenever this resource is worked on, to prove that no other is
    /// harmed.
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
    /// Which token endpoints may be asked.
    #[command(flatten, next_help_heading = "Token endpoints")]
    pub guard: GuardArgs,
    /// How one of several replicas is chosen to work.
    #[command(flatten, next_help_heading = "Leader election")]
    pub election: ElectionArgs,
}

/// Flags of the leader election.
#[derive(Debug, Args)]
pub struct ElectionArgs {
    /// Take a Lease before working, so that of several replicas only one works:
    /// --leader-elect=false turns it off.
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
    /// Namespace of the Lease. Without it: the pod's namespace, or the kubeconfig's.
    #[arg(verbatim_doc_comment, long, env = "POD_NAMESPACE", value_name = "NAMESPACE", value_parser = dns_label)]
    pub lease_namespace: Option<String>,
    /// First part of the name that the Lease's holder goes by; a random part is added.
    /// Without it: the host name.
    #[arg(verbatim_doc_comment, long, env = "POD_NAME", value_name = "NAME")]
    pub lease_identity: Option<String>,
    /// Seconds that others wait after the last sign of life before they take the Lease over.
    #[arg(verbatim_doc_comment, long, env = "OAUTHCLIENT_LEASE_DURATION_SECONDS", value_name = "SECONDS", default_value_t = 15,
          value_parser = clap::value_parser!(u32).range(3..=3600))]
    pub lease_duration_seconds: u32,
    /// Seconds without a successful renewal after which this one stops working. Must be less
    /// than the lease duration.
    #[arg(verbatim_doc_comment, long, env = "OAUTHCLIENT_LEASE_RENEW_DEADLINE_SECONDS", value_name = "SECONDS", default_value_t = 10,
          value_parser = clap::value_parser!(u32).range(2..=3600))]
    pub lease_renew_deadline_seconds: u32,
    /// Seconds between two looks at the Lease or renewals of it. Must be less than the renew
    /// deadline.
    #[arg(verbatim_doc_comment, long, env = "OAUTHCLIENT_LEASE_RETRY_SECONDS", value_name = "SECONDS", default_value_t = 2,
          value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub lease_retry_seconds: u32,
}

/// Which token endpoints may be asked; the same for `run` and `local`.
#[derive(Clone, Debug, Args)]
pub struct GuardArgs {
    /// Allow token endpoints with http:. Credentials and tokens then cross the network in the
    /// open.
    #[arg(verbatim_doc_comment, long, env = "OAUTHCLIENT_ALLOW_HTTP", value_parser = BoolishValueParser::new())]
    pub allow_http: bool,
    /// Allow token endpoints on loopback addresses.
    #[arg(verbatim_doc_comment, long, env = "OAUTHCLIENT_ALLOW_LOOPBACK", value_parser = BoolishValueParser::new())]
    pub allow_loopback: bool,
    /// Allow addresses that are refused otherwise (link-local, metadata services), as CIDR or
    /// a single address. Repeatable, or separated by commas.
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
    /// credentials Secrets and CA ConfigMaps, as one would apply them. Repeatable. Edits are
    /// picked up.
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
    /// Folder for the tokens: OUTPUT/NAMESPACE/SECRET/KEY, laid out as a mounted Secret is.
    #[arg(
        verbatim_doc_comment,
        short,
        long,
        env = "OAUTHCLIENT_OUTPUT",
        value_name = "FOLDER"
    )]
    pub output: PathBuf,
    /// Folder for what must survive a restart, so that a restart asks for no token. Default:
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
    /// Ask for what is due, then exit: 0 when every resource has a valid token, 1 otherwise.
    /// For scripts and CI.
    #[arg(verbatim_doc_comment, long, env = "OAUTHCLIENT_ONCE", value_parser = BoolishValueParser::new())]
    pub once: bool,
    /// Refuse credentials Secrets that do not name the hosts they may be sent to (annotation
    /// oauthclient.dev/allowed-hosts).
    #[arg(verbatim_doc_comment, long, env = "OAUTHCLIENT_REQUIRE_ALLOWED_HOSTS",
        help_heading = "Token endpoints", value_parser = BoolishValueParser::new())]
    pub require_allowed_hosts: bool,
    /// A file that holds a token of a ServiceAccount, for manifests that ask with one (NAME is
    /// its name there): 'local' has no cluster to make tokens. Read at each request. Repeatable,
    /// or separated by commas.
    #[arg(
        verbatim_doc_comment,
        long,
        env = "OAUTHCLIENT_SERVICE_ACCOUNT_TOKEN_FILE",
        value_name = "NAME=PATH",
        value_delimiter = ','
    )]
    pub service_account_token_file: Vec<AccountFile>,
    /// Most token requests in flight at a time, over all hosts.
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
    /// Which token endpoints may be asked.
    #[command(flatten, next_help_heading = "Token endpoints")]
    pub guard: GuardArgs,
}

/// Who may read the tokens that `local` writes.
#[derive(Clone, Debug, Args)]
pub struct AccessArgs {
    /// Mode of the files, in octal digits: 0600, 0640, 0644 or less. Folders are entered by
    /// whoever may read. Default: 0600, with --group 0640.
    #[arg(
        verbatim_doc_comment,
        long,
        env = "OAUTHCLIENT_MODE",
        help_heading = "Access to the tokens",
        value_name = "MODE"
    )]
    pub mode: Option<FileMode>,
    /// Group that the files belong to, by name or number, so that its programs may read them.
    /// You must be a member of it, or root.
    #[arg(
        verbatim_doc_comment,
        long,
        env = "OAUTHCLIENT_GROUP",
        help_heading = "Access to the tokens",
        value_name = "GROUP"
    )]
    pub group: Option<GroupName>,
    /// Accept folders that belong to another user or that others may write to, as volumes
    /// that the containers of one pod share. Whoever may write there can replace the tokens.
    #[arg(verbatim_doc_comment, long, env = "OAUTHCLIENT_ALLOW_SHARED_OUTPUT",
        help_heading = "Access to the tokens", value_parser = BoolishValueParser::new())]
    pub allow_shared_output: bool,
}

/// When a resource's status is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StatusUpdates {
    /// After every refresh, with the token's times.
    Always,
    /// When a condition changes, without the token's times.
    Transitions,
}

impl Cli {
    /// Reads the process's arguments and environment; prints help, version or what is wrong and exits where that is all
    /// there is to do.
    pub fn from_process() -> Self {
        Cli::parse().checked().unwrap_or_else(|error| error.exit())
    }

    /// What no single flag can check.
    ///
    /// # Errors
    /// When the durations of the leader election do not fit together.
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
    /// The filter to use, `rust_log` being the environment's `RUST_LOG`.
    pub fn filter(&self, rust_log: Option<String>) -> String {
        self.log_level
            .clone()
            .or(rust_log)
            .filter(|filter| !filter.trim().is_empty())
            .unwrap_or_else(|| "info".to_owned())
    }
}

impl GuardArgs {
    /// Which addresses may be dialled.
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
