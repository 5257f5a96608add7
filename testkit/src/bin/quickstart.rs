//! `make quickstart`: the whole job on this machine, watched for three quarters of a minute.
//!
//! A scripted provider plays the four providers with tokens that live 20 to 30 s; `oauthclient-operator local` keeps one
//! token for each example. A terminal shows them in a table that follows, anything else gets a line for each replacement. Every token is
//! checked with the provider all the time.

use std::collections::BTreeMap;
use std::fs;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use testkit::operator::Launch;
use testkit::provider::{Preset, Provider};
use testkit::quickstart::table::{Row, Screen, table};
use testkit::quickstart::{self, Example};
use testkit::{Context, Error, Result, clock};

/// How long it is watched.
const WATCHED: Duration = Duration::from_secs(45);
/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long the program may take to end.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let folder = quickstart::folder("quickstart")?;
    let (provider, ca) = quickstart::provider()?;
    let examples = quickstart::examples(&provider)?;
    let manifests = folder.join("manifests");
    let write = |name: &str, text: &str| {
        let path = manifests.join(name);
        fs::write(&path, text).context(|| format!("cannot write {}", path.display()))
    };
    fs::create_dir_all(&manifests).context(|| "cannot make a folder for manifests")?;
    write("ca.yaml", &quickstart::ca_manifest(&ca))?;
    for example in &examples {
        write(&example.file, &example.text)?;
    }
    say(&format!(
        "A scripted provider plays four OAuth providers at {}.\nTheir tokens live 20 to 30 seconds. The examples are used as they are, but for its address and CA:\n\n{}",
        provider.url(""),
        quickstart::differences(&examples)
    ));
    let output = folder.join("tokens");
    let launch = Launch::new(quickstart::program()?)
        .args(["local", "--allow-loopback", "--filename"])
        .args([manifests.display().to_string()])
        .args(["--output".to_owned(), output.display().to_string()])
        .logs_in(&folder);
    say(&format!(
        "oauthclient-operator local --allow-loopback --filename {} --output {}\n\nEach token is shown by its first characters, and the time that was left when it was replaced:\n",
        shown(&manifests),
        shown(&output)
    ));
    let operator = launch.start()?;
    let mut watch = Watch::new(&provider, &output, &examples);
    let watched = clock::Stopwatch::start();
    let mut screen = std::io::stdout().is_terminal().then(Screen::default);
    while watched.elapsed() < WATCHED {
        if let Some(status) = operator.exited() {
            return Err(Error::new(format!(
                "the program ended by itself ({status}):\n{}",
                operator.stderr()
            )));
        }
        watch.look(&operator.stdout(), screen.is_none());
        if let Some(screen) = &mut screen {
            let left = WATCHED.saturating_sub(watched.elapsed());
            draw(&screen.redraw(&table(&watch.rows(), left)));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    operator.terminate(ENDS_WITHIN).await?;
    watch.look(&operator.stdout(), screen.is_none());
    watch.summary(&folder)
}

/// What is seen of the tokens.
struct Watch<'a> {
    provider: &'a Provider,
    folders: Vec<(String, PathBuf)>,
    seen: BTreeMap<String, Seen>,
    lines: usize,
}

#[derive(Default)]
struct Seen {
    token: String,
    replaced: usize,
    /// Seconds that were left of the one before.
    spare: Option<f64>,
    expired: bool,
}

impl<'a> Watch<'a> {
    fn new(provider: &'a Provider, output: &Path, examples: &[Example]) -> Self {
        let folder = |example: &Example| {
            (
                example.secret.clone(),
                output.join("default").join(&example.secret),
            )
        };
        Watch {
            provider,
            folders: examples.iter().map(folder).collect(),
            seen: BTreeMap::new(),
            lines: 0,
        }
    }

    /// Looks at every token file. With `lines`, tells what has changed, and passes on what the program printed.
    fn look(&mut self, printed: &str, lines: bool) {
        let tell = |text: &str| {
            if lines {
                say(text);
            }
        };
        for line in printed.lines().skip(self.lines) {
            tell(&format!("  {line}"));
            self.lines += 1;
        }
        for (secret, folder) in &self.folders {
            let Some((key, token)) = read(folder) else {
                continue;
            };
            let seen = self.seen.entry(secret.clone()).or_default();
            let end = self.provider.introspect(&token);
            if end.is_none() && !seen.expired {
                seen.expired = true;
                tell(&format!("! {secret}/{key} holds a token that is over"));
            }
            if seen.token == token {
                continue;
            }
            let now = clock::now();
            if seen.token.is_empty() {
                tell(&format!("> {secret}/{key}: {}", first(&token)));
            } else {
                seen.replaced += 1;
                seen.spare = self
                    .provider
                    .token(&seen.token)
                    .map(|old| old.expires.duration_since(now).as_secs_f64());
                let left = seen
                    .spare
                    .map_or_else(|| "?".to_owned(), |left| format!("{left:.0}"));
                tell(&format!(
                    "> {secret}/{key}: {} -> {}  ({left} s were left)",
                    first(&seen.token),
                    first(&token)
                ));
            }
            seen.token = token;
        }
    }

    /// The table's rows, as of now.
    fn rows(&self) -> Vec<Row> {
        let row = |(secret, _): &(String, PathBuf)| {
            let seen = self.seen.get(secret)?;
            let now = clock::now();
            let end = self.provider.introspect(&seen.token);
            Some(Row {
                secret: secret.clone(),
                token: seen.token.chars().take(20).chain("...".chars()).collect(),
                left: end.map(|end| end.duration_since(now).as_secs_f64()),
                replaced: seen.replaced,
                spare: seen.spare,
            })
        };
        self.folders.iter().filter_map(row).collect()
    }

    fn summary(&self, folder: &Path) -> Result<()> {
        let replaced: usize = self.seen.values().map(|seen| seen.replaced).sum();
        let expired: Vec<&str> = self
            .seen
            .iter()
            .filter(|(_, seen)| seen.expired)
            .map(|(name, _)| name.as_str())
            .collect();
        let requests: Vec<String> = Preset::ALL
            .iter()
            .map(|preset| {
                format!(
                    "{} {}",
                    preset.name(),
                    self.provider.count(&preset.prefixed_path())
                )
            })
            .collect();
        say(&format!(
            "\nWhat you saw: in {} seconds, {} tokens were replaced {replaced} times with {} requests ({}), and {}.",
            WATCHED.as_secs(),
            self.folders.len(),
            self.provider.total(),
            requests.join(", "),
            if expired.is_empty() {
                "none had expired while it was in its file".to_owned()
            } else {
                format!("these had expired for a while: {}", expired.join(", "))
            }
        ));
        say(&format!(
            "Manifests, tokens and logs: {}\n\n\
             Next: copy one of the examples to my-client.yaml, put your client id and secret into it, and run\n\n  \
             {} local -f my-client.yaml --output tokens\n\n\
             To see the same on a Kubernetes API, run make quickstart-cluster. To install it on your cluster, see README.md.",
            shown(folder),
            shown(&quickstart::program()?)
        ));
        let idle: Vec<&str> = self
            .folders
            .iter()
            .map(|(name, _)| name.as_str())
            .filter(|name| self.seen.get(*name).is_none_or(|seen| seen.replaced == 0))
            .collect();
        if expired.is_empty() && idle.is_empty() {
            return Ok(());
        }
        Err(Error::new(format!(
            "not as promised: never replaced: {}; over: {}; the log is in {}",
            idle.join(", "),
            expired.join(", "),
            shown(folder)
        )))
    }
}

/// A Secret's key with the token, and the token.
fn read(folder: &Path) -> Option<(&'static str, String)> {
    ["access_token", "authorization"]
        .into_iter()
        .find_map(|key| {
            let text = fs::read_to_string(folder.join(key)).ok()?;
            let token = text.strip_prefix("Bearer ").unwrap_or(&text).to_owned();
            Some((key, token))
        })
}

/// The first characters of a token: enough to tell one from another.
fn first(token: &str) -> String {
    let shown: String = token.chars().take(24).collect();
    format!("{shown}...")
}

/// A path as people would type it: below the checkout without it.
fn shown(path: &Path) -> String {
    let checkout = quickstart::checkout();
    path.strip_prefix(&checkout)
        .unwrap_or(path)
        .display()
        .to_string()
}

/// Writes to a terminal, control characters included.
fn draw(text: &str) {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    // A terminal that is gone ends this program soon enough.
    let _gone = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[expect(clippy::print_stdout, reason = "a program for people")]
fn say(text: &str) {
    println!("{text}");
}
