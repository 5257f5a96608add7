//! The seeds of the fuzz targets, as they are, cut, and with bytes changed: what the fuzzer begins with always holds. And
//! what it found that leads elsewhere in the program, as it is.
#![expect(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

#[path = "../fuzz/targets.rs"]
mod targets;

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

fn replay(target: &str, run: fn(&[u8])) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    // One input a line, in base64.
    let found = fs::read_to_string(fuzz.join("found").join(target)).unwrap();
    for line in found.lines() {
        run(&STANDARD.decode(line).unwrap());
    }
    assert!(found.lines().count() > 100, "{target} has found something");
    let mut seeds = 0;
    for entry in fs::read_dir(fuzz.join("seeds").join(target)).unwrap() {
        let seed = fs::read(entry.unwrap().path()).unwrap();
        run(&seed);
        let step = (seed.len() / 40).max(1);
        for at in (0..seed.len()).step_by(step) {
            let (before, after) = seed.split_at(at);
            run(before);
            for byte in [b'A', b'"', 0xff] {
                let changed = [before, &[byte], after.get(1..).unwrap_or_default()].concat();
                run(&changed);
            }
        }
        seeds += 1;
    }
    assert!(seeds > 5, "{target} has seeds");
}

#[test]
fn keys_are_read_or_refused() {
    replay("key", targets::key);
}

#[test]
fn answers_are_understood_or_refused() {
    replay("response", targets::response);
}

#[test]
fn templates_are_rendered_or_refused() {
    replay("template", targets::template);
}

#[test]
fn documents_of_issuers_are_understood_or_refused() {
    replay("discovery", targets::discovery);
}

#[test]
fn certificates_are_read_or_refused() {
    replay("certificate", targets::certificate);
}

#[test]
fn what_comes_back_to_a_login_is_understood_or_refused() {
    replay("login", targets::login);
}
