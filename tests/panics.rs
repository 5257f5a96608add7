//! A panic shows where it happened, and nothing of what it had at hand. In a process of its own, as the hook is global.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use oauthclient_operator::telemetry;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_panic_is_counted_and_logs_its_place_but_not_its_message() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = telemetry::subscriber(true, "info", move || writer.clone()).unwrap();
    tracing::subscriber::with_default(subscriber, || {
        telemetry::catch_panics();
        let secret = "CANARY-of-a-client-secret";
        assert!(std::panic::catch_unwind(|| panic!("could not send {secret}")).is_err());
        assert!(std::panic::catch_unwind(|| "x".parse::<u8>().expect(secret)).is_err());
    });
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert_eq!(telemetry::panics(), 2);
    assert!(!text.contains("CANARY"), "{text}");
    assert_eq!(text.matches("tests/panics.rs:").count(), 2, "{text}");
}
