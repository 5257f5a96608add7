//! The kubectl plugin. It works with the permissions of the person who runs it.
//!
//! | module | content |
//! |---|---|
//! | [`args`] | the command line |
//! | `cluster`, `installation` | the Kubernetes API and messages about its refusals; what is installed |
//! | `output`, `paint` | output: colours, tables, progress, without control characters |
//! | `target`, `folder` | the resource to work on, in a cluster or in a folder of manifests |
//! | `status`, `explain`, `version` | information at a glance |
//! | `doctor`, `inspect`, `finding`, `report` | what is wrong, and how to fix it; a file for a bug report |
//! | `create`, `trial` | an OAuthClient from an example; one request without storing anything |
//! | `dashboard`, `next_command` | the status as a live page; the next command |
//! | `refresh`, `suspend`, `token` | request a token, stop requesting tokens, use the token |
//! | `login` | a first consent, with a browser or a device code |
//! | `new_secret`, `credentials`, `ask` | Secrets that the operator may use: created, replaced, never shown |
//! | [`completion`], `man` | shell completion and man pages |

pub mod args;
mod cluster;
mod completers;
pub mod completion;
mod create;
mod credentials;
mod dashboard;
mod doctor;
mod explain;
mod finding;
mod folder;
mod inspect;
mod installation;
mod login;
mod man;
mod new_secret;
mod next_command;
pub mod output;
mod paint;
mod problem;
mod prompt;
mod refresh;
mod report;
mod status;
mod suspend;
mod target;
mod token;
mod trial;
mod version;

use std::process::ExitCode;

use args::{Command, CredentialsCommand, Plugin};

pub use problem::{FAILED, INTERRUPTED, NOT_READY, Problem};

/// Runs a command until it is done or the user presses Ctrl-C.
pub async fn run(arguments: Plugin) -> ExitCode {
    let storing = output::Storing::default();
    let work = dispatch(arguments, storing.clone());
    let mut work = std::pin::pin!(work);
    loop {
        let done = tokio::select! {
            done = &mut work => Some(done),
            _ = tokio::signal::ctrl_c() => None,
        };
        match done {
            Some(Ok(code)) => return ExitCode::from(code),
            Some(Err(problem)) => return output::failed(&problem),
            None if storing.is_on() => {
                output::line("The answer is just being stored: this takes a moment longer.");
            }
            None => {
                output::warn("Stopped. Nothing was changed.");
                return ExitCode::from(INTERRUPTED);
            }
        }
    }
}

async fn dispatch(arguments: Plugin, storing: output::Storing) -> Result<u8, Problem> {
    let connection = arguments.connection;
    paint::choose(arguments.color);
    match arguments.command {
        Command::Login(login) => login::run(&connection, *login, &storing).await,
        Command::Credentials(command) => match command {
            CredentialsCommand::Create(create) => credentials::create(&connection, *create).await,
            CredentialsCommand::List(list) => credentials::list(&connection, &list).await,
            CredentialsCommand::Check(check) => credentials::check(&connection, &check).await,
            CredentialsCommand::Rotate(rotate) => credentials::rotate(&connection, &rotate).await,
        },
        Command::Status(status) => status::run(&connection, &status).await,
        Command::Dashboard(dashboard) => dashboard::run(&connection, *dashboard, &storing).await,
        Command::Doctor(doctor) => doctor::run(&connection, &doctor).await,
        Command::Create(create) => create::run(&connection, *create, &storing).await,
        Command::Test(test) => trial::run(&connection, *test).await,
        Command::Report(report) => report::run(&connection, &report).await,
        Command::Explain(explain) => explain::run(&explain),
        Command::Token(token) => token::run(&connection, &token).await,
        Command::Suspend(suspend) => suspend::run(&connection, &suspend, true).await,
        Command::Resume(resume) => suspend::run(&connection, &resume, false).await,
        Command::Completion(completion) => completion::run(&completion),
        Command::Man(man) => man::run(&man),
        Command::Version(version) => version::run(&connection, &version).await,
        Command::Refresh(refresh) => refresh::run(&connection, &refresh).await,
    }
}
