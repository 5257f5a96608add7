//! Opens the user's browser. The URL contains no secret: what makes the redirect valuable stays here.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

/// How long an opener may take to fail; many run as long as the browser does.
const PATIENCE: Duration = Duration::from_secs(3);

/// Tries to open a URL. Returns whether a program was started that did not fail at once.
pub(crate) async fn open(url: &str) -> bool {
    for program in openers() {
        if starts(&program, url).await {
            return true;
        }
    }
    false
}

/// `BROWSER` first, as in `xdg-open`, then the system's programs.
fn openers() -> Vec<String> {
    let own = std::env::var("BROWSER").unwrap_or_default();
    let mut openers: Vec<String> = own
        .split(':')
        .filter(|name| !name.trim().is_empty())
        .map(str::to_owned)
        .collect();
    let systems: &[&str] = if cfg!(target_os = "macos") {
        &["open"]
    } else {
        &["xdg-open", "wslview"]
    };
    openers.extend(systems.iter().map(|name| (*name).to_owned()));
    openers
}

async fn starts(program: &str, url: &str) -> bool {
    let child = Command::new(program)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match child {
        Ok(mut child) => match timeout(PATIENCE, child.wait()).await {
            Ok(ended) => ended.is_ok_and(|status| status.success()),
            Err(_) => true,
        },
        Err(_) => false,
    }
}
