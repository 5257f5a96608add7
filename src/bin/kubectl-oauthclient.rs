//! The kubectl plugin, run as `kubectl oauthclient ...`, and its shell completion.

use std::process::ExitCode;

use oauthclient_operator::plugin;

fn main() -> ExitCode {
    if plugin::completion::answer() {
        return ExitCode::SUCCESS;
    }
    let arguments = plugin::args::Plugin::from_process();
    // One cryptography provider for everything; a second installation keeps the first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => {
            let code = runtime.block_on(plugin::run(arguments));
            // An unanswered prompt blocks a thread; nothing waits for it.
            runtime.shutdown_background();
            code
        }
        Err(error) => plugin::output::failed(&plugin::Problem::new(error.to_string())),
    }
}
