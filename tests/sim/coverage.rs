//! Which branches of the operator's decisions a run takes, by what it logs of them; and that no secret stands in a log.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::provider::canaries;

thread_local! {
    static TAKEN: RefCell<BTreeMap<String, u64>> = const { RefCell::new(BTreeMap::new()) };
    static LEAKED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Prints what happens, if `SIM_LOG` is set.
pub fn log(now: i64, text: impl FnOnce() -> String) {
    if std::env::var_os("SIM_LOG").is_some() {
        let (hours, minutes) = (now / 3_600_000, now / 60_000 % 60);
        let seconds = now % 60_000;
        println!(
            "{hours:02}:{minutes:02}:{:06.3} {}",
            seconds as f64 / 1000.0,
            text()
        );
    }
}

thread_local! {
    static BEGUN: std::cell::Cell<Option<tokio::time::Instant>> = const { std::cell::Cell::new(None) };
}

/// The world of this thread begins.
pub fn begins() {
    BEGUN.set(Some(super::clock::instant()));
}

/// The branches that were taken on this thread since the last call.
pub fn taken() -> BTreeMap<String, u64> {
    TAKEN.with_borrow_mut(std::mem::take)
}

/// Lines of the log that hold a secret.
pub fn leaked() -> Vec<String> {
    LEAKED.with_borrow_mut(std::mem::take)
}

/// Runs something with its log watched.
pub fn watched<T>(run: impl FnOnce() -> T) -> T {
    tracing::subscriber::with_default(Log, run)
}

struct Log;

/// The fields that name a branch.
const BRANCHES: [&str; 3] = ["plan", "because", "settled"];

#[derive(Default)]
struct Line {
    text: String,
    branch: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if BRANCHES.contains(&field.name()) {
            let _ = write!(self.branch, "{} {value:?} ", field.name());
        }
        let _ = write!(self.text, "{}={value:?} ", field.name());
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
            && *metadata.level() <= Level::DEBUG
            && metadata.target().starts_with("oauthclient_operator")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        if !line.branch.is_empty() {
            let branch = line.branch.trim_end().to_owned();
            TAKEN.with_borrow_mut(|taken| *taken.entry(branch).or_default() += 1);
        }
        if let Some(canary) = canaries(&line.text).first() {
            let text = format!("{canary} stands in the log: {}", line.text);
            LEAKED.with_borrow_mut(|leaked| leaked.push(text));
        }
        let begun = BEGUN.get().map_or(0, |begun| {
            super::clock::instant().duration_since(begun).as_millis() as i64
        });
        log(begun, || line.text);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
