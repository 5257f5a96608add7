//! Logs: their destination, their format, and what they must never contain.
//!
//! Our own code has no secret to log, because [`crate::secret::Secret`] cannot be formatted. Libraries remain. kube
//! logs whole responses of the API server (including Secrets) that it cannot parse, some crates log URLs (with
//! `request.format: query`, the URL of a token endpoint contains the credentials), rustls logs handshakes. No filter
//! that a user sets can enable that: see [`ceiling`].

use std::io::IsTerminal;
use std::panic::{Location, PanicHookInfo};
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterExt, FilterFn, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// The crate whose logs follow the filter without a ceiling.
const OWN: &str = "oauthclient_operator";

/// The format of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// One readable line per event.
    Text,
    /// One JSON object per event.
    Json,
}

/// The filter cannot be parsed.
#[derive(Debug, thiserror::Error)]
#[error(
    "the log level {text:?} is not valid ({reason}): give a level (error, warn, info, debug, trace) or directives such as \
     'warn,oauthclient_operator=debug'"
)]
pub struct InvalidFilter {
    text: String,
    reason: String,
}

/// Sends logs to standard error and makes panics log only their location. Call it once, first.
///
/// # Errors
/// `filter` is neither a level nor a list of directives as in `RUST_LOG`.
pub fn init(format: LogFormat, filter: &str) -> Result<(), InvalidFilter> {
    let json = match format {
        LogFormat::Auto => !std::io::stderr().is_terminal(),
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let subscriber = subscriber(json, filter, std::io::stderr)?;
    // A second call keeps the subscriber of the first one.
    let _ = tracing::subscriber::set_global_default(subscriber);
    catch_panics();
    Ok(())
}

/// What [`init`] installs, with another writer. For tests.
///
/// # Errors
/// `filter` cannot be parsed.
pub fn subscriber<W>(
    json: bool,
    filter: &str,
    writer: W,
) -> Result<impl Subscriber + Send + Sync + use<W>, InvalidFilter>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder()
        .parse(filter)
        .map_err(|error| InvalidFilter {
            text: filter.to_owned(),
            reason: error.to_string(),
        })?;
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    let layer = if json {
        let json = layer
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false);
        boxed(json)
    } else {
        boxed(layer.with_ansi(std::io::stderr().is_terminal()))
    };
    Ok(tracing_subscriber::registry().with(layer.with_filter(filter.and(capped()))))
}

fn boxed<S>(layer: impl Layer<S> + Send + Sync + 'static) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    Box::new(layer)
}

fn capped() -> FilterFn {
    let within_ceiling: fn(&Metadata<'_>) -> bool =
        |metadata| *metadata.level() <= ceiling(metadata.target());
    // With its own hint, the other filter decides, and what is disabled everywhere costs nothing.
    filter_fn(within_ceiling).with_max_level_hint(LevelFilter::TRACE)
}

/// The highest level that is ever logged for a target (a module path), whatever the filter is.
///
/// - Our own: everything.
/// - `kube_client::client`: nothing. At `warn`, it logs the whole body of a response that it cannot parse, even of a
///   Secret; at `debug`, the message of the API server, which may quote a refused value. Its children log status codes
///   and TLS.
/// - All others: `warn`. Below that, hyper, reqwest, rustls and tower may log URLs, headers and handshakes.
pub fn ceiling(target: &str) -> LevelFilter {
    let within = |parent: &str| {
        target
            .strip_prefix(parent)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    if within(OWN) {
        LevelFilter::TRACE
    } else if within("kube_client::client::builder") || within("kube_client::client::tls") {
        LevelFilter::WARN
    } else if within("kube_client::client") {
        LevelFilter::OFF
    } else {
        LevelFilter::from_level(Level::WARN)
    }
}

static PANICS: AtomicU64 = AtomicU64::new(0);

/// The number of panics in this process.
pub fn panics() -> u64 {
    PANICS.load(Ordering::Relaxed)
}

/// Makes every panic log only its location, and counts it. The payload is not logged: an `expect` shows an error, an
/// assertion shows both sides, and those may contain a secret.
pub fn catch_panics() {
    std::panic::set_hook(Box::new(|info: &PanicHookInfo<'_>| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        let place = info.location().map(Location::to_string);
        let thread = std::thread::current();
        tracing::error!(
            target: "oauthclient_operator::panic",
            location = place.as_deref().unwrap_or("unknown"),
            thread = thread.name().unwrap_or("unnamed"),
            "panicked; this is a bug, please report the location (the panic's message is withheld, as it may hold a secret)"
        );
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Lines {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(json: bool, filter: &str, act: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = subscriber(json, filter, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, act);
        lines.text()
    }

    #[test]
    fn no_filter_makes_kube_show_a_body_that_it_cannot_read() {
        let text = logged(false, "trace,kube_client=trace", || {
            tracing::warn!(target: "kube_client::client", "CANARY in a Secret, expected a comma");
            tracing::debug!(target: "kube_client::client", "CANARY");
            tracing::error!(target: "kube_client::client::builder", "failed with status 500");
        });
        assert!(!text.contains("CANARY"), "{text}");
        assert!(text.contains("failed with status 500"), "{text}");
    }

    #[test]
    fn no_filter_makes_others_show_urls_headers_and_handshakes() {
        let text = logged(
            false,
            "trace,hyper=trace,hyper_util=trace,rustls=trace",
            || {
                tracing::debug!(target: "hyper_util::client::legacy::client", "?client_secret=CANARY");
                tracing::trace!(target: "hyper::proto::h1::conn", "authorization: CANARY");
                tracing::trace!(target: "rustls::client::hs", "CANARY");
                let span = tracing::debug_span!(target: "kube_client::client::builder", "HTTP", url = "CANARY");
                let _entered = span.enter();
                tracing::warn!(target: "hyper_util::client::legacy::connect::http", "tcp set_nodelay error");
            },
        );
        assert!(!text.contains("CANARY"), "{text}");
        assert!(text.contains("set_nodelay"), "{text}");
    }

    #[test]
    fn a_crate_whose_name_starts_like_ours_is_not_ours() {
        assert_eq!(ceiling("oauthclient_operator"), LevelFilter::TRACE);
        assert_eq!(
            ceiling("oauthclient_operator::kubernetes::act"),
            LevelFilter::TRACE
        );
        assert_eq!(ceiling("oauthclient_operator_fork"), LevelFilter::WARN);
        assert_eq!(ceiling("kube_client::client"), LevelFilter::OFF);
        assert_eq!(ceiling("kube_client::client::body"), LevelFilter::OFF);
        assert_eq!(
            ceiling("kube_client::client::tls::reload"),
            LevelFilter::WARN
        );
        assert_eq!(ceiling("kube_client::config"), LevelFilter::WARN);
        assert_eq!(ceiling("kube_runtime::watcher"), LevelFilter::WARN);
    }

    #[test]
    fn json_lines_carry_the_resource_and_its_generation() {
        let text = logged(true, "info", || {
            let span = tracing::info_span!(
                "resource",
                namespace = "bookshop",
                name = "metadata",
                generation = 3
            );
            let _entered = span.enter();
            tracing::info!(outcome = "issued", "token published");
            tracing::debug!("not at this level");
        });
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["message"], "token published");
        assert_eq!(line["outcome"], "issued");
        assert_eq!(line["span"]["namespace"], "bookshop");
        assert_eq!(line["span"]["generation"], 3);
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_refused_with_an_example() {
        let error = subscriber(false, "oauthclient_operator=loud", io::sink)
            .err()
            .unwrap();
        let said = error.to_string();
        assert!(
            said.contains("oauthclient_operator=loud") && said.contains("info,"),
            "{said}"
        );
    }
}
