//! `status --watch`: redraws the screen on a terminal, prints one line per change elsewhere.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use futures::StreamExt as _;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, ResourceExt as _};
use tokio::time::sleep;

use crate::api::spec::OAuthClient;
use crate::clock::Clock;
use crate::plugin::args::{Output, StatusArgs};
use crate::plugin::cluster::Cluster;
use crate::plugin::output;
use crate::plugin::paint::{Painted, Tone};
use crate::plugin::problem::Problem;
use crate::plugin::status::list::{CLIENT, all, nothing};
use crate::plugin::target::resource;

use super::summary::Summary;
use super::table;

/// How soon a change is shown; changes within this time are shown together.
const SETTLE: Duration = Duration::from_millis(150);
/// How often relative times are updated.
const TICK: Duration = Duration::from_secs(1);

/// Namespace and name.
type Key = (String, String);

/// The resources so far.
struct Seen {
    known: BTreeMap<Key, OAuthClient>,
    /// Filled by a list that is not complete.
    coming: Option<BTreeMap<Key, OAuthClient>>,
    /// Why the connection is lost, while it is.
    error_text: Option<String>,
}

/// Runs until Ctrl-C.
pub(super) async fn run(
    cluster: &Cluster,
    args: &StatusArgs,
    clock: &Clock,
) -> Result<u8, Problem> {
    // Problems at the start are reported as without --watch.
    match &args.name {
        Some(name) => drop(resource(cluster, name).await?),
        None => drop(all(cluster, args.all_namespaces, args.selector.as_deref()).await?),
    }
    let api: Api<OAuthClient> = if args.all_namespaces {
        cluster.everywhere()
    } else {
        cluster.api()
    };
    let mut config = watcher::Config::default();
    config.label_selector.clone_from(&args.selector);
    config.field_selector = args
        .name
        .as_ref()
        .map(|name| format!("metadata.name={name}"));
    let mut events = pin!(watcher(api, config).default_backoff());
    let has_size = output::size().is_some_and(|(columns, rows)| columns > 0 && rows > 0);
    let screen = has_size && matches!(args.output, Output::Text | Output::Wide);
    let mut lines = Lines::default();
    let mut seen = Seen {
        known: BTreeMap::new(),
        coming: None,
        error_text: None,
    };
    let mut draw_at: Option<Duration> = None;
    loop {
        let now = clock.elapsed();
        let wait = draw_at.map_or(TICK, |at| at.saturating_sub(now));
        tokio::select! {
            event = events.next() => {
                let Some(event) = event else {
                    return Err(Problem::new("the watch ended: run the command again"));
                };
                let changed = seen.take(event);
                if screen {
                    draw_at = draw_at.or(Some(now + SETTLE));
                } else {
                    lines.print(&changed, &seen, args, clock)?;
                }
            }
            () = sleep(wait), if screen => {
                draw(&seen, cluster, args, clock);
                draw_at = None;
            }
        }
    }
}

impl Seen {
    /// Applies an event. Returns what changed.
    fn take(&mut self, event: Result<Event<OAuthClient>, watcher::Error>) -> Vec<Key> {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                self.error_text = Some(reason_of(&error));
                return Vec::new();
            }
        };
        self.error_text = None;
        let key = |one: &OAuthClient| (one.namespace().unwrap_or_default(), one.name_any());
        match event {
            Event::Init => {
                self.coming = Some(BTreeMap::new());
                Vec::new()
            }
            Event::InitApply(one) => {
                if let Some(coming) = &mut self.coming {
                    coming.insert(key(&one), one);
                }
                Vec::new()
            }
            Event::InitDone => {
                let now = self.coming.take().unwrap_or_default();
                let differs = |key: &&Key| self.known.get(*key) != now.get(*key);
                let all = now.keys().chain(self.known.keys());
                let mut changed: Vec<Key> = all.filter(differs).cloned().collect();
                changed.sort();
                changed.dedup();
                self.known = now;
                changed
            }
            Event::Apply(one) => {
                let key = key(&one);
                self.known.insert(key.clone(), one);
                vec![key]
            }
            Event::Delete(one) => {
                let key = key(&one);
                self.known.remove(&key);
                vec![key]
            }
        }
    }
}

/// In a few words, because the errors of the client contain URLs and bodies.
fn reason_of(error: &watcher::Error) -> String {
    match error {
        watcher::Error::WatchError(status) => format!("HTTP {}", status.code),
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status)) => format!("HTTP {}", status.code),
        _ => "no connection".to_owned(),
    }
}

/// Redraws the screen.
fn draw(seen: &Seen, cluster: &Cluster, args: &StatusArgs, clock: &Clock) {
    let now = clock.now();
    let all: Vec<Summary> = seen
        .known
        .values()
        .map(|one| Summary::of(one, now))
        .collect();
    let (columns, rows) = output::size().unzip();
    let body = match (&args.name, all.as_slice()) {
        (_, []) => Painted::from(nothing(cluster, args).as_str()),
        (Some(_), [one]) => one.in_full(),
        (_, several) => {
            let drawn =
                table::of(several, args.output == Output::Wide, args.all_namespaces).draw(columns);
            cut(&drawn, rows).text("\n").then(&table::tally(several))
        }
    };
    let mut page = Painted::screen().then(&body);
    if let Some(error_text) = &seen.error_text {
        let text = format!(
            "\nThe connection to the Kubernetes API is gone ({error_text}); trying again. This is the last that was seen."
        );
        page = page.tone(Tone::Warn, &text);
    }
    output::painted(&page);
}

/// As many lines as fit above the footer.
fn cut(drawn: &Painted, rows: Option<u16>) -> Painted {
    let room = usize::from(rows.unwrap_or(u16::MAX))
        .saturating_sub(5)
        .max(3);
    let lines: Vec<&str> = drawn.as_str().lines().collect();
    if lines.len() <= room {
        return drawn.clone();
    }
    let more = lines.len() - room;
    drawn
        .first_lines(room)
        .text(&format!("\n... and {more} more"))
}

/// The output without a screen.
#[derive(Default)]
struct Lines {
    /// Of the columns so far; empty before the header.
    widths: Vec<usize>,
    error_printed: bool,
}

impl Lines {
    fn print(
        &mut self,
        changed: &[Key],
        seen: &Seen,
        args: &StatusArgs,
        clock: &Clock,
    ) -> Result<(), Problem> {
        if let Some(error_text) = &seen.error_text {
            if !self.error_printed {
                output::warn(&format!(
                    "The connection to the Kubernetes API is gone ({error_text}); trying again."
                ));
            }
            self.error_printed = true;
            return Ok(());
        }
        self.error_printed = false;
        let now = clock.now();
        let mut rows = Vec::new();
        for key in changed {
            match seen.known.get(key) {
                Some(one) => rows.push(Summary::of(one, now)),
                None if matches!(args.output, Output::Text | Output::Wide) => {
                    output::line(&format!("{}/{} is deleted", key.0, key.1));
                }
                None => {}
            }
        }
        let is_table = match args.output {
            Output::Wide => true,
            Output::Text => args.name.is_none(),
            Output::Json | Output::Yaml | Output::Name => false,
        };
        if is_table {
            self.table(&rows, args);
            return Ok(());
        }
        rows.iter().try_for_each(|one| print(one, args))
    }

    /// Rows below those before, in the same columns where the content is not wider.
    fn table(&mut self, rows: &[Summary], args: &StatusArgs) {
        if rows.is_empty() {
            return;
        }
        let grid = table::of(rows, args.output == Output::Wide, args.all_namespaces);
        let from = usize::from(!self.widths.is_empty());
        let grid = grid.at_least(&mut self.widths);
        output::painted(&grid.draw(None).lines_from(from));
    }
}

/// One resource, as the format says.
fn print(one: &Summary, args: &StatusArgs) -> Result<(), Problem> {
    match args.output {
        Output::Name => output::line(&format!("{CLIENT}/{}", one.name)),
        Output::Json => {
            let text =
                serde_json::to_string(one).map_err(|error| Problem::new(error.to_string()))?;
            output::raw(&text);
        }
        Output::Yaml => output::raw(&format!("---\n{}", output::yaml(one)?)),
        Output::Text | Output::Wide => output::painted(&one.in_full()),
    }
    Ok(())
}
