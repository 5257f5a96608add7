//! The tools of the chart and of a release, for Makefiles and scripts: builds them if they are not there, and prints where they lie.

use std::process::ExitCode;
use testkit::tools::Tool;
use testkit::{Error, Result};

const USAGE: &str = "\
Builds tools by name into the cache, if they are not there, and prints the path of each.

Usage: tools NAME...

Names:
";

fn main() -> ExitCode {
    let names: Vec<String> = std::env::args().skip(1).collect();
    match paths(&names) {
        Ok(text) => {
            say(&text);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("tools: {error}");
            ExitCode::FAILURE
        }
    }
}

fn paths(names: &[String]) -> Result<String> {
    let mut text = String::new();
    if names.is_empty() {
        return Err(Error::new(format!("name at least one\n\n{}", usage()?)));
    }
    for name in names {
        let tool = Tool::by_name(name).ok_or_else(|| {
            Error::new(format!(
                "there is no tool {name}\n\n{}",
                usage().unwrap_or_default()
            ))
        })?;
        text.push_str(&format!("{}\n", tool.program()?.display()));
    }
    Ok(text)
}

fn usage() -> Result<String> {
    let mut text = USAGE.to_owned();
    for tool in Tool::ALL {
        text.push_str(&format!("  {} {}\n", tool.name(), tool.version()?));
    }
    Ok(text)
}

#[expect(clippy::print_stdout, reason = "a program for people")]
fn say(text: &str) {
    print!("{text}");
}
