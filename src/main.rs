//! The operator's program: parses its arguments, builds the parts, runs them.

use std::process::ExitCode;

use oauthclient_operator::cli::{Cli, Command};
use oauthclient_operator::{api, local, telemetry};
#[cfg(feature = "kubernetes")]
use oauthclient_operator::{kubernetes, server};

#[cfg(feature = "jemalloc")]
mod allocator {
    //! The memory limit of a pod follows its usage, so the allocator returns what a burst or a first list needed, with
    //! every C library.

    #[global_allocator]
    static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

    /// Its settings: one arena for the few threads. Memory that is unused for a second is returned by a background thread,
    /// or at once if there can be none.
    #[cfg(not(target_env = "musl"))]
    #[expect(
        unsafe_code,
        reason = "the allocator looks for its settings under this name"
    )]
    #[unsafe(export_name = "_rjem_malloc_conf")]
    pub(crate) static ALLOCATOR_SETTINGS: &[u8; 71] =
        b"narenas:1,dirty_decay_ms:1000,muzzy_decay_ms:0,background_thread:true\0\0";

    /// As above.
    #[cfg(target_env = "musl")]
    #[expect(
        unsafe_code,
        reason = "the allocator looks for its settings under this name"
    )]
    #[unsafe(export_name = "_rjem_malloc_conf")]
    pub(crate) static ALLOCATOR_SETTINGS: &[u8; 45] =
        b"narenas:1,dirty_decay_ms:0,muzzy_decay_ms:0\0\0";
}

fn main() -> ExitCode {
    let cli = Cli::from_process();
    let filter = cli.log.filter(std::env::var("RUST_LOG").ok());
    if let Err(problem) = telemetry::init(cli.log.log_format, &filter) {
        return failed(&problem);
    }
    // One cryptography provider for everything; a second installation keeps the first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match cli.command {
        #[cfg(not(feature = "kubernetes"))]
        Command::Run(_) => failed(&"this program was built without the feature kubernetes"),
        #[cfg(feature = "kubernetes")]
        Command::Run(arguments) => {
            server::raise_limit();
            match runtime() {
                Ok(runtime) => ended(runtime.block_on(kubernetes::run(*arguments))),
                Err(problem) => failed(&problem),
            }
        }
        Command::Crd => match api::crd_yaml() {
            Ok(text) => print(&text),
            Err(problem) => failed(&problem),
        },
        Command::Local(arguments) => match runtime() {
            Ok(runtime) => runtime.block_on(local::run(arguments)),
            Err(problem) => failed(&problem),
        },
    }
}

/// The stack size of each worker. Without optimization, a reconcile that ends in a TLS handshake needs most of the
/// default of 2 MiB. It is address space, not memory, until it is used.
const STACK: usize = 4 << 20;

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_stack_size(STACK)
        .enable_all()
        .build()
}

#[cfg(feature = "kubernetes")]
fn ended(result: Result<(), impl std::fmt::Display>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => failed(&problem),
    }
}

fn failed(problem: &impl std::fmt::Display) -> ExitCode {
    tracing::error!("{problem}");
    ExitCode::FAILURE
}

/// Writes to standard output; a reader that has gone away is no failure.
fn print(text: &str) -> ExitCode {
    use std::io::Write as _;
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}
