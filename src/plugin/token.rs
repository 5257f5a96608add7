//! `token`: uses the published token without showing it: in the environment of a command, or in a file that only its
//! owner can read. It is printed only on request.

use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use k8s_openapi::api::core::v1::Secret as ApiSecret;

use crate::api::spec::OAuthClient;
use crate::clock::Clock;
use crate::command::Command;
use crate::plugin::problem::Problem;
use crate::secret::Secret;
use crate::time::Time;

use super::args::{ConnectionArgs, TokenArgs};
use super::cluster::{Cluster, SECRETS};
use super::output;
use super::status::Summary;
use super::target::resource;

/// The annotation of the Secret that says when the token expires.
const EXPIRES: &str = "oauthclient.dev/expires-at";
/// The exit codes of shells for a command that cannot be run.
const CANNOT_RUN: u8 = 126;
const NO_COMMAND: u8 = 127;

/// Runs the command.
pub(super) async fn run(connection: &ConnectionArgs, args: &TokenArgs) -> Result<u8, Problem> {
    if !args.command.is_empty() {
        variable(&args.env)?;
    }
    let clock = Clock::system();
    let cluster = Cluster::connect(connection).await?;
    let client = resource(&cluster, &args.name).await?;
    let name = &client.spec.token_secret.name;
    let secret: Option<ApiSecret> = cluster.get(SECRETS, name).await?;
    let token = published(&client, secret, args, &cluster.namespace, clock.now())?;
    if args.show {
        return show(&token);
    }
    if let Some(file) = &args.output_file {
        write(file, &token)?;
        output::line(&format!(
            "The token of {}/{} is in {}. It can be read by you alone.",
            cluster.namespace,
            args.name,
            file.display()
        ));
        return Ok(0);
    }
    Err(run_with(args, &token))
}

/// The token, if the Secret belongs to this resource and the token is valid.
fn published(
    client: &OAuthClient,
    secret: Option<ApiSecret>,
    args: &TokenArgs,
    namespace: &str,
    now: Time,
) -> Result<Secret, Problem> {
    let name = &args.name;
    let status = Command::kubectl(&["oauthclient", "status"])
        .value(name)
        .namespace(namespace);
    let secret_name = &client.spec.token_secret.name;
    let none = |why: String| {
        let reason = Summary::of(client, now).reason;
        Problem::new(format!(
            "{why} (status: {reason}). To see what to do: {status}"
        ))
    };
    let secret = secret.ok_or_else(|| {
        none(format!(
            "{namespace}/{name} has no token yet: there is no Secret {secret_name}"
        ))
    })?;
    let mut owners = secret.metadata.owner_references.iter().flatten();
    let uid = client.metadata.uid.as_deref();
    if !owners.any(|owner| owner.kind == "OAuthClient" && Some(owner.uid.as_str()) == uid) {
        return Err(none(format!(
            "Secret {secret_name} does not belong to OAuthClient {name}, so it is not read"
        )));
    }
    let annotations = secret.metadata.annotations.unwrap_or_default();
    let expires = annotations
        .get(EXPIRES)
        .and_then(|text| Time::parse_rfc3339(text));
    if let Some(expires) = expires
        && expires <= now
        && !args.expired
    {
        return Err(none(format!(
            "the token of {namespace}/{name} expired at {expires}. To use it anyway: --expired"
        )));
    }
    let data = secret.data.unwrap_or_default();
    let keys: Vec<String> = data.keys().cloned().collect();
    let found = data.into_iter().find(|(key, _)| *key == args.key);
    let (_, value) = found.ok_or_else(|| {
        Problem::new(format!(
            "Secret {secret_name} has no key {}: it has {}. Choose one with --key",
            args.key,
            keys.join(", ")
        ))
    })?;
    Ok(Secret::new(value.0))
}

/// The only place that prints a token.
fn show(token: &Secret) -> Result<u8, Problem> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(token.expose_bytes()).and_then(|()| {
        // A program that reads it gets only the token.
        if out.is_terminal() {
            out.write_all(b"\n")
        } else {
            Ok(())
        }
    });
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Problem::new(format!(
            "standard output cannot be written: {error}"
        ))),
        _ => Ok(0),
    }
}

/// Writes it to a new file, and renames that: nobody else can open it in between, and readers see either the old token
/// or the new one.
fn write(file: &Path, token: &Secret) -> Result<(), Problem> {
    let failed = |error: std::io::Error| {
        Problem::new(format!("{} cannot be written: {error}", file.display()))
    };
    let name = file
        .file_name()
        .ok_or_else(|| Problem::new(format!("{} is not the name of a file", file.display())))?;
    let mut beside = std::ffi::OsString::from(".");
    beside.push(name);
    beside.push(format!(".{}", std::process::id()));
    let beside = file.with_file_name(beside);
    let mut options = std::fs::OpenOptions::new();
    let mut new = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)
        .map_err(failed)?;
    let done = new
        .write_all(token.expose_bytes())
        .and_then(|()| new.sync_all())
        .and_then(|()| std::fs::rename(&beside, file));
    done.map_err(|error| {
        let _ = std::fs::remove_file(&beside);
        failed(error)
    })
}

/// The name of an environment variable (POSIX 8.1).
fn variable(name: &str) -> Result<(), Problem> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !name.is_empty() && name.chars().all(fits) && !name.starts_with(|c: char| c.is_ascii_digit())
    {
        return Ok(());
    }
    Err(Problem::new(format!(
        "--env {name} is not the name of an environment variable: use letters, digits and _"
    )))
}

/// Replaces the process by the program, without a shell: signals and exit code are its own.
fn run_with(args: &TokenArgs, token: &Secret) -> Problem {
    let Some((program, rest)) = args.command.split_first() else {
        return Problem::new("there is no command to run");
    };
    let Some(value) = token.expose().filter(|text| !text.contains('\0')) else {
        return Problem::new(
            "the token is not text, so it cannot stand in an environment variable: use --output-file",
        );
    };
    let mut command = std::process::Command::new(program);
    let error = command.args(rest).env(&args.env, value).exec();
    Problem {
        message: format!("{program} cannot be run: {error}"),
        code: match error.kind() {
            ErrorKind::NotFound => NO_COMMAND,
            _ => CANNOT_RUN,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_file_is_its_owners_alone_and_replaces_another_whole() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "old").unwrap();
        write(&file, &"new".into()).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            1,
            "nothing is left beside it"
        );
        assert!(write(&folder.path().join("missing/token"), &"new".into()).is_err());
    }

    #[test]
    fn a_variable_is_named_as_a_shell_takes_it() {
        for (name, fits) in [
            ("TOKEN", true),
            ("_a1", true),
            ("1A", false),
            ("A=B", false),
            ("", false),
            ("A-B", false),
        ] {
            assert_eq!(variable(name).is_ok(), fits, "{name}");
        }
    }
}
