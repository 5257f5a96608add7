//! The scripted provider, by hand and for the quickstart: starts, prints one line of JSON, runs until it is ended.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Map, Value, json};
use testkit::provider::{Lifetimes, Listen, Preset, Provider, Script};
use testkit::tls::Authority;
use testkit::{Context, Error, Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

const USAGE: &str = "\
An OAuth provider on loopback that does what it is told.

Usage: scripted-provider [OPTIONS]

  --preset NAME        four (the default), barentswatch, bokbasen, kongsberg, feide, or none
  --lifetimes WHICH    real, short (the default: 20 to 36 s), or a factor such as 0.001
  --script FILE        JSON as --print-script prints it; its endpoints are added to the preset's, in place of those with the same path
  --port PORT          0, the default, takes a free one
  --address IP         127.0.0.1 by default
  --tls-dir DIR        speak TLS with an authority of its own; writes ca.crt, tls.crt and tls.key there
  --until-stdin-ends   also end when standard input does: whoever started it is gone
  --print-script       print what it would do as JSON, and do nothing

Ready when it prints a line of JSON: `url`, `ca` (file), `endpoints`, `clients` (an id and secret that each knows;
those of examples/ work too), `introspect`.
GET INTROSPECT?token=TOKEN tells whether a token is valid now. Ends with Ctrl-C or SIGTERM.
";

/// The command line, parsed.
struct Arguments {
    presets: Vec<Preset>,
    lifetimes: Lifetimes,
    script: Option<PathBuf>,
    listen: Listen,
    tls_dir: Option<PathBuf>,
    until_stdin_ends: bool,
    print_script: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--help" || word == "-h") {
        return match say(USAGE.trim_end()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    let done = match parse(words) {
        Ok(arguments) => run(arguments).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("scripted-provider: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(words: Vec<String>) -> Result<Arguments> {
    let mut arguments = Arguments {
        presets: Preset::ALL.to_vec(),
        lifetimes: Lifetimes::Short,
        script: None,
        listen: Listen {
            inspection: true,
            ..Listen::default()
        },
        tls_dir: None,
        until_stdin_ends: false,
        print_script: false,
    };
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let mut value = || {
            words
                .next()
                .context(|| format!("{word} needs a value\n\n{USAGE}"))
        };
        match word.as_str() {
            "--preset" => arguments.presets = presets(&value()?)?,
            "--lifetimes" => {
                let text = value()?;
                arguments.lifetimes = text
                    .parse()
                    .map_err(|error| Error::new(format!("--lifetimes {text}: {error}")))?;
            }
            "--script" => arguments.script = Some(value()?.into()),
            "--port" => {
                arguments.listen.port = value()?.parse().context(|| "--port is not a port")?
            }
            "--address" => {
                arguments.listen.address = value()?
                    .parse()
                    .context(|| "--address is not an IP address")?
            }
            "--tls-dir" => arguments.tls_dir = Some(value()?.into()),
            "--until-stdin-ends" => arguments.until_stdin_ends = true,
            "--print-script" => arguments.print_script = true,
            other => return Err(Error::new(format!("there is no option {other}\n\n{USAGE}"))),
        }
    }
    Ok(arguments)
}

fn presets(name: &str) -> Result<Vec<Preset>> {
    match name {
        "four" => Ok(Preset::ALL.to_vec()),
        "none" => Ok(Vec::new()),
        name => {
            let found = Preset::ALL.into_iter().find(|preset| preset.name() == name);
            let found = found.context(|| format!("there is no preset {name}\n\n{USAGE}"))?;
            Ok(vec![found])
        }
    }
}

async fn run(arguments: Arguments) -> Result<()> {
    let script = script(&arguments)?;
    if arguments.print_script {
        return say(&serde_json::to_string_pretty(&script).context(|| "cannot print the script")?);
    }
    // Before the start, so that an early Ctrl-C ends it in order.
    let mut interrupt = signal(SignalKind::interrupt()).context(|| "cannot watch for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context(|| "cannot watch for SIGTERM")?;
    let mut listen = arguments.listen;
    let ca = match &arguments.tls_dir {
        None => None,
        Some(dir) => {
            std::fs::create_dir_all(dir).context(|| format!("cannot make {}", dir.display()))?;
            let authority = Authority::new("scripted provider's authority")?;
            let identity = authority.issue_for_loopback(Some(listen.address))?;
            identity.write_to(dir)?;
            let ca = dir.join("ca.crt");
            std::fs::write(&ca, authority.pem())
                .context(|| format!("cannot write {}", ca.display()))?;
            listen.tls = Some(identity);
            Some(
                std::path::absolute(&ca)
                    .context(|| format!("cannot tell where {} is", ca.display()))?,
            )
        }
    };
    let paths: Vec<String> = script.endpoints.keys().cloned().collect();
    let provider = Provider::start(script, listen)?;
    let endpoints: Map<String, Value> = arguments
        .presets
        .iter()
        .map(|preset| {
            (
                preset.name().to_owned(),
                json!(provider.url(&preset.prefixed_path())),
            )
        })
        .collect();
    let clients: Map<String, Value> = arguments
        .presets
        .iter()
        .map(|preset| (preset.name().to_owned(), json!(preset.account())))
        .collect();
    let ready = json!({
        "url": provider.url(""),
        "ca": ca,
        "endpoints": endpoints,
        "paths": paths,
        "clients": clients,
        "introspect": provider.url("/_scripted/introspect"),
    });
    say(&ready.to_string())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        () = stdin_ends(), if arguments.until_stdin_ends => {}
    }
    Ok(())
}

fn script(arguments: &Arguments) -> Result<Script> {
    let mut script = arguments
        .presets
        .iter()
        .fold(Script::default(), |script, preset| {
            script.with(
                &preset.prefixed_path(),
                preset.behaviour(arguments.lifetimes),
            )
        });
    if let Some(file) = &arguments.script {
        let text =
            std::fs::read_to_string(file).context(|| format!("cannot read {}", file.display()))?;
        let more: Script = serde_json::from_str(&text)
            .context(|| format!("{} is not a script", file.display()))?;
        script.endpoints.extend(more.endpoints);
        script.connections = more.connections;
    }
    Ok(script)
}

/// Reads standard input to its end on a thread, which the end of the program does not wait for.
async fn stdin_ends() {
    let (ended, end) = oneshot::channel();
    std::thread::spawn(move || {
        // Reading ends, with or without an error, when the parent process has closed the other side.
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        let _ = ended.send(());
    });
    let _ = end.await;
}

/// One line on standard output, at once.
fn say(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")
        .and_then(|()| out.flush())
        .context(|| "cannot write to standard output")
}
