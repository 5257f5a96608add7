//! `local`: the operator's work on files. It reads manifests and writes one folder for each token Secret, with the
//! layout
//! of a mounted Secret.
//!
//! It drives the same engine, decisions and reconciliation as the controller, so a resource behaves as in a cluster.
//!
//! | module | holds |
//! |---|---|
//! | `sources`, `documents` | files on disk, and the documents in them |
//! | `catalogue` | all manifests together, and what has changed in them |
//! | `store` | what must survive a restart |
//! | `folder`, `metadata`, `tokens` | the output: one folder, one Secret's metadata, all token Secrets |
//! | `private` | files and folders that no other user can read, replace or redirect |
//! | `chain` | the state of refresh tokens |
//! | `changes` | resources that are added, changed and deleted |
//! | `accounts` | tokens of `ServiceAccounts`, read from files |
//! | `files`, `objects`, `references`, `store` | what the process knows, and how a reconciliation reads and writes it |
//! | `lines` | what is printed |
//! | `manifests` | a folder of manifests for the plugin: read once, one file added |

mod accounts;
mod catalogue;
mod changes;
mod documents;
mod files;
mod folder;
mod lines;
mod manifests;
mod metadata;
mod objects;
mod private;
mod references;
mod refresh_state;
mod sources;
mod state_folder;
mod store;
mod tokens;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::{AccessArgs, LocalArgs};
use crate::clock::Clock;
use crate::driver::Driver;
use crate::engine::{Engine, Limits, State};
use crate::http::address::AddressRules;
use crate::http::{ProxySettings, Sender, SenderOptions};
use crate::lock::lock;
use crate::messages::Audience;
use crate::model::Rules;
use crate::reconcile::revoke_replaced;
use crate::revocation_queue::RevocationQueue;
use crate::time::Span;

use files::Files;
use private::Access;
use sources::Sources;
use state_folder::StateFolder;
use tokens::Tokens;

pub use manifests::{Manifests, SecretFound};

/// How often manifests and output are checked. An edit counts once two checks agree, so within about a second.
const LOOK_EVERY: Duration = Duration::from_millis(400);
/// How long the start waits for files that are being written. Then it reads them as they are.
const STABLE_AFTER: Duration = Duration::from_secs(10);
/// How long requests in flight may take after SIGINT or SIGTERM: the longest `timeoutSeconds`, plus time to write.
const DRAIN: Duration = Duration::from_secs(65);
/// With `--once`, work that is due within this time is waited for.
const SOON: Span = Span::from_seconds(3);

/// The exit code when the start failed, as for wrong flags.
const CANNOT_BEGIN: u8 = 2;

/// Runs until SIGINT or SIGTERM, or with `--once` until all due work is done. Needs a multi-threaded runtime.
///
/// The exit code is 0; with `--once` it is 1 if a resource has no valid token or a manifest is refused; it is 2 if the
/// start failed.
pub async fn run(args: LocalArgs) -> ExitCode {
    // Watched first: a signal that comes during the start ends the program as one that comes later does.
    let signals = signals().map_err(|error| format!("cannot watch for signals: {error}"));
    let begun = match signals {
        Ok(signals) => Run::begin(args).await.map(|run| (run, signals)),
        Err(message) => Err(message),
    };
    match begun {
        Ok((run, signals)) => run.until_stopped(signals).await,
        Err(message) => {
            tracing::error!("{message}");
            ExitCode::from(CANNOT_BEGIN)
        }
    }
}

/// Who may read the tokens, according to the flags.
fn access(args: &AccessArgs) -> Result<Access, String> {
    let group = match &args.group {
        Some(group) => Some(group.number()?),
        None => None,
    };
    let usual = if group.is_some() { 0o640 } else { 0o600 };
    let mode = args.mode.map_or(usual, |mode| mode.0);
    if group.is_some() && mode & 0o040 == 0 {
        return Err(format!(
            "--group has no effect with --mode {mode:04o}, which does not let a group read: use --mode 0640, or leave --mode away"
        ));
    }
    Ok(Access::new(mode, group))
}

/// Creates the two folders, and refuses those in which another user could put files.
fn prepare(output: &Path, state: &Path, access: Access, shared: bool) -> Result<(), String> {
    let is_new = !output.exists();
    for folder in [output, state] {
        // Nothing is created below a folder that is refused.
        let there = folder.ancestors().find(|above| above.exists());
        if let Some(there) = there.filter(|_| !shared) {
            private::check_folder(there, there == folder)?;
        }
        private::make_folders(folder)
            .map_err(|error| format!("cannot create {}: {error}", folder.display()))?;
    }
    let describe = |error: std::io::Error| format!("cannot use {}: {error}", output.display());
    if is_new {
        private::open_to_readers(output, access).map_err(describe)?;
    } else if private::closed_to_readers(output, access).map_err(describe)? {
        let mode = access.folder_mode();
        tracing::warn!(
            "{} was there before and keeps its mode, so that others cannot enter it: chmod {mode:04o}",
            output.display()
        );
    }
    Ok(())
}

/// The program while it runs.
struct Run {
    files: Arc<Files>,
    sources: Sources,
    once: bool,
    driver: Driver<Files>,
    last_look: Duration,
}

impl Run {
    async fn begin(args: LocalArgs) -> Result<Run, String> {
        let clock = args
            .clock_offset_file
            .as_ref()
            .map_or_else(Clock::system, Clock::with_offset_file);
        let absolute = |path: &PathBuf| {
            std::path::absolute(path)
                .map_err(|error| format!("cannot resolve the path {}: {error}", path.display()))
        };
        let output = absolute(&args.output)?;
        let mut sources = Sources::new(
            args.filename
                .iter()
                .map(absolute)
                .collect::<Result<_, _>>()?,
        );
        let begun = clock.elapsed();
        while !sources.are_stable(clock.now().seconds()) && clock.elapsed() - begun < STABLE_AFTER {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let loaded = sources.load()?;
        let state = match &args.state {
            Some(state) => absolute(state)?,
            None => output.join(".state"),
        };
        let describe = |error: std::io::Error| {
            format!("cannot work with the state in {}: {error}", state.display())
        };
        let access = access(&args.access)?;
        prepare(&output, &state, access, args.access.allow_shared_output)?;
        let store = StateFolder::open(&state)?;
        let tokens = Tokens::open(&output, access, &store).map_err(describe)?;
        let options = SenderOptions {
            allow_http: args.guard.allow_http,
            addresses: AddressRules {
                allow_loopback: args.guard.allow_loopback,
                allowed: args.guard.allow_address,
            },
            proxies: ProxySettings::from_environment(),
            ..SenderOptions::default()
        };
        let sender = Sender::new(options).map_err(|error| error.to_string())?;
        if sender.trusted_certificates() == 0 {
            tracing::warn!(
                "the system has no trusted certificates: only resources with a CA bundle can be served"
            );
        }
        let engine = Engine::new(Limits {
            token_requests: usize::try_from(args.max_token_requests).unwrap_or(usize::MAX),
            ..Limits::default()
        });
        let rules = Rules {
            require_allowed_hosts: args.require_allowed_hosts,
            allow_http: args.guard.allow_http,
            audience: Audience::Files,
            group: None,
        };
        let (revocation_queue, revocations) = RevocationQueue::new(None);
        let mut files = Files::new(
            clock,
            store,
            tokens,
            engine,
            sender,
            rules,
            revocation_queue,
        );
        files.account_files = args
            .service_account_token_file
            .into_iter()
            .map(|file| (file.name, file.path))
            .collect();
        files
            .begin(loaded, |path| sources.covers(path))
            .map_err(describe)?;
        let files = Arc::new(files);
        let weak = Arc::downgrade(&files);
        tokio::spawn(revocations.serve(move |key, token| {
            let files = weak.upgrade();
            async move {
                if let Some(files) = files {
                    revoke_replaced(&*files, &key, &token).await;
                }
            }
        }));
        Ok(Run {
            last_look: files.clock.elapsed(),
            driver: Driver::new(Arc::clone(&files), None),
            files,
            sources,
            once: args.once,
        })
    }

    async fn until_stopped(mut self, (mut interrupt, mut terminate): (Signal, Signal)) -> ExitCode {
        loop {
            let wait = self.driver.start();
            if self.once && self.is_through() {
                return self.verdict();
            }
            tokio::select! {
                () = self.driver.wait(wait.min(LOOK_EVERY)) => {}
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
            }
            self.look();
        }
        self.drain(&mut interrupt, &mut terminate).await;
        if self.once {
            return self.verdict();
        }
        ExitCode::SUCCESS
    }

    fn look(&mut self) {
        let elapsed = self.files.clock.elapsed();
        if elapsed.saturating_sub(self.last_look) < LOOK_EVERY {
            return;
        }
        self.last_look = elapsed;
        if let Some(loaded) = self.sources.look(self.files.clock.now().seconds())
            && !self.files.apply(loaded)
        {
            self.sources.read_again();
        }
        self.files.check_output();
    }

    /// With `--once`: whether all due work was done. A failed request is not waited for.
    fn is_through(&self) -> bool {
        if self.driver.in_flight() > 0 {
            return false;
        }
        let now = self.files.clock.now();
        let engine = lock(&self.files.engine);
        self.files.clients().iter().all(|key| {
            engine.record(key).is_none_or(|view| {
                let due = view.request.min(view.look);
                !view.in_flight && (self.files.has_requested(key) && due > now || due > now + SOON)
            })
        })
    }

    /// With `--once`: prints what has no valid token, and gives the exit code.
    fn verdict(&self) -> ExitCode {
        let now = self.files.clock.now();
        let clients = self.files.clients();
        let mut failed = self.files.bad_manifests();
        for key in &clients {
            let view = lock(&self.files.engine).record(key);
            let valid = view
                .as_ref()
                .and_then(|view| view.token)
                .is_some_and(|token| token.expires > now);
            if valid && view.is_some_and(|view| view.state != Some(State::Expired)) {
                continue;
            }
            failed += 1;
            let why = lines::why_not_ready(self.files.status(key).as_ref());
            lines::print(now, &lines::about(key), "not-ready", &why);
        }
        if clients.is_empty() {
            lines::print(
                now,
                "manifest",
                "not-ready",
                "there is no OAuthClient in what --filename names",
            );
        }
        if failed == 0 && !clients.is_empty() {
            return ExitCode::SUCCESS;
        }
        ExitCode::FAILURE
    }

    /// Lets work in flight end, so that a token that the provider has already issued is still written.
    async fn drain(&mut self, interrupt: &mut Signal, terminate: &mut Signal) {
        self.files.ending.store(true, Ordering::Relaxed);
        let requests = self.driver.in_flight();
        if requests == 0 {
            return;
        }
        tracing::info!(
            requests,
            "ending once what is under way is done; a second signal ends at once"
        );
        tokio::select! {
            ended = self.driver.drain(DRAIN) => if !ended {
                tracing::warn!("ending although requests are still under way");
            },
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
}

fn signals() -> std::io::Result<(Signal, Signal)> {
    Ok((
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    ))
}
