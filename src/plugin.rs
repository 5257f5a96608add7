//! The kubectl plugin: what a person does by hand, with the person's own rights.
//!
//! | module | holds |
//! |---|---|
//! | [`args`] | the command line |
//! | `cluster` | the Kubernetes API as the person may use it, and what to say when it refuses |
//! | `target`, `folder` | the resource that is worked on, in a cluster or in a folder of manifests |
//! | `login` | a first consent, by browser or by device |
//! | `lend` | Secrets that are lent to the operator: made, replaced, never shown |
//! | `credentials`, `ask` | credentials from a prompt or from standard input |
//! | `status`, `refresh` | what a person wants to know at a glance, and a token at once |

pub mod args;
mod ask;
mod cluster;
mod credentials;
mod folder;
mod lend;
mod login;
mod refresh;
pub mod say;
mod status;
mod target;

use std::process::ExitCode;

use args::{Command, CredentialsCommand, Plugin};

/// Why a command was not done, in sentences for a person; holds no secret.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    /// What happened and what to do.
    pub message: String,
    /// The exit code.
    pub code: u8,
}

impl Problem {
    /// A failure of the usual kind: exit code 1.
    pub fn new(message: impl Into<String>) -> Problem {
        Problem {
            message: message.into(),
            code: FAILED,
        }
    }
}

/// It was not done.
pub const FAILED: u8 = 1;
/// `status`: something is not ready. `refresh --wait`: the new token did not come.
pub const NOT_READY: u8 = 3;
/// Ended by Ctrl-C, as shells count it.
pub const INTERRUPTED: u8 = 130;

/// Runs a command until it is done or somebody presses Ctrl-C.
pub async fn run(arguments: Plugin) -> ExitCode {
    let storing = say::Storing::default();
    let work = dispatch(arguments, storing.clone());
    let mut work = std::pin::pin!(work);
    loop {
        let done = tokio::select! {
            done = &mut work => Some(done),
            _ = tokio::signal::ctrl_c() => None,
        };
        match done {
            Some(Ok(code)) => return ExitCode::from(code),
            Some(Err(problem)) => return say::failed(&problem),
            None if storing.is_on() => {
                say::line("The answer is just being stored: this takes a moment longer.");
            }
            None => {
                say::warn("Stopped. Nothing was changed.");
                return ExitCode::from(INTERRUPTED);
            }
        }
    }
}

async fn dispatch(arguments: Plugin, storing: say::Storing) -> Result<u8, Problem> {
    let connection = arguments.connection;
    match arguments.command {
        Command::Login(login) => login::run(&connection, *login, &storing).await,
        Command::Credentials(CredentialsCommand::Create(create)) => {
            credentials::create(&connection, *create).await
        }
        Command::Status(status) => status::run(&connection, &status).await,
        Command::Refresh(refresh) => refresh::run(&connection, &refresh).await,
    }
}
