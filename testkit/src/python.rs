//! Python with a package, for the examples of the guides.

use std::path::PathBuf;
use std::process::Command;

use crate::{Context, Error, Result, cache};

/// The interpreter of a virtual environment that has these packages, such as `cryptography==48.0.0`: installed once, into the
/// cache outside the checkout.
///
/// # Errors
/// When there is no Python with `venv`, or pip cannot install them.
pub fn with(packages: &[&str]) -> Result<PathBuf> {
    let key = packages.join(" ");
    let folder = cache::filled_once("python", key.as_bytes(), |folder| {
        run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
        let mut pip = Command::new(folder.join("bin/python"));
        run(pip.args(["-m", "pip", "install", "--quiet"]).args(packages))
    })?;
    Ok(folder.join("bin/python"))
}

fn run(command: &mut Command) -> Result<()> {
    let what = || "cannot install Python packages";
    let output = command.output().context(what)?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(Error::new(format!("{}: {said}", what())))
        }
    }
}
