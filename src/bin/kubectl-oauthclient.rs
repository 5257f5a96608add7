//! The kubectl plugin, as `kubectl oauthclient ...`; also what completes it in a shell.

use std::process::ExitCode;

use oauthclient_operator::plugin;

fn main() -> ExitCode {
    if plugin::completion::answer() {
        return ExitCode::SUCCESS;
    }
    let arguments = plugin::args::Plugin::from_process();
    // One provider of cryptography for everything; a second installation would find the first in place.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => {
            let code = runtime.block_on(plugin::run(arguments));
            // A prompt that nobody answers holds a thread; nothing waits for it.
            runtime.shutdown_background();
            code
        }
        Err(error) => plugin::say::failed(&plugin::Problem::new(error.to_string())),
    }
}
