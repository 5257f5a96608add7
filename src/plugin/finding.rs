//! The findings of a check: one line each, with the fix, and the resulting exit code.

use serde::Serialize;

use crate::command::Command;
use crate::plugin::output::{json, yaml};
use crate::plugin::problem::{NOT_READY, Problem};

use super::args::Format;
use super::output;
use super::paint::{Painted, Tone};

/// The severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// It is as it should be.
    Ok,
    /// It works or could not be checked, but the user should know.
    Warn,
    /// It does not work.
    Fail,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) level: Level,
    /// The area, in one or two words.
    pub(super) area: &'static str,
    /// The finding itself.
    pub(super) text: String,
    /// How to fix it, often with a command.
    #[serde(rename = "fix", skip_serializing_if = "Option::is_none")]
    pub(super) remedy: Option<String>,
}

impl Finding {
    fn new(level: Level, area: &'static str, text: impl Into<String>) -> Finding {
        Finding {
            level,
            area,
            text: text.into(),
            remedy: None,
        }
    }

    pub(super) fn ok(area: &'static str, text: impl Into<String>) -> Finding {
        Finding::new(Level::Ok, area, text)
    }

    pub(super) fn warn(area: &'static str, text: impl Into<String>) -> Finding {
        Finding::new(Level::Warn, area, text)
    }

    pub(super) fn fail(area: &'static str, text: impl Into<String>) -> Finding {
        Finding::new(Level::Fail, area, text)
    }

    /// Adds a command.
    pub(super) fn command(self, command: &Command) -> Finding {
        self.remedy(command.to_string())
    }

    /// Adds how to fix it.
    pub(super) fn remedy(mut self, remedy: impl Into<String>) -> Finding {
        self.remedy = Some(remedy.into());
        self
    }

    fn line(&self, width: usize) -> Painted {
        let (tone, word) = match self.level {
            Level::Ok => (Tone::Good, "ok"),
            Level::Warn => (Tone::Warn, "warn"),
            Level::Fail => (Tone::Bad, "fail"),
        };
        let line = Painted::default()
            .tone(tone, &format!("{word:<6}"))
            .tone(Tone::Strong, &format!("{:<width$}", self.area))
            .text(&format!("  {}", self.text));
        match &self.remedy {
            Some(remedy) => {
                let gap = " ".repeat(6 + width + 2);
                line.text(&format!("\n{gap}"))
                    .tone(Tone::Quiet, "to fix it: ")
                    .text(remedy)
            }
            None => line,
        }
    }
}

/// Prints all findings and their numbers by level. Returns the exit code.
pub(super) fn print(findings: &[Finding], format: Format) -> Result<u8, Problem> {
    match format {
        Format::Json => output::raw(&json(findings)?),
        Format::Yaml => output::raw(&yaml(findings)?),
        Format::Text => {
            let width = findings.iter().map(|one| one.area.len()).max().unwrap_or(0);
            for one in findings {
                output::painted(&one.line(width));
            }
            output::painted(&tally(findings));
        }
    }
    Ok(code(findings))
}

fn code(findings: &[Finding]) -> u8 {
    let failed = findings.iter().any(|one| one.level == Level::Fail);
    if failed { NOT_READY } else { 0 }
}

fn tally(findings: &[Finding]) -> Painted {
    let count = |level| findings.iter().filter(|one| one.level == level).count();
    let (failed, warned) = (count(Level::Fail), count(Level::Warn));
    let checks = match findings.len() {
        1 => "1 check".to_owned(),
        number => format!("{number} checks"),
    };
    let text = Painted::default().text(&format!("\n{checks}: "));
    match (failed, warned) {
        (0, 0) => text.tone(Tone::Good, "all is well."),
        (0, warned) => text.tone(Tone::Warn, &format!("{warned} to look at, nothing failed.")),
        (failed, 0) => text.tone(Tone::Bad, &format!("{failed} failed.")),
        (failed, warned) => text.tone(Tone::Bad, &format!("{failed} failed, {warned} to look at.")),
    }
}

/// The maximum number of fields to name.
pub(crate) const MOST_NAMED: usize = 5;

pub(crate) fn unknown(area: &'static str, what: &str, why: &str) -> Finding {
    Finding::warn(area, format!("{what} is unknown: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::paint::testing::stripped;

    #[test]
    fn a_failure_is_told_with_its_mend_and_sets_the_exit_code() {
        let failed = Finding::fail("CRD", "is not installed").remedy("kubectl apply -f crds/");
        let line = stripped(&failed.line(8));
        assert_eq!(
            line,
            "fail  CRD       is not installed\n                to fix it: kubectl apply -f crds/"
        );
        let all = [
            failed,
            Finding::warn("DNS", "unknown"),
            Finding::ok("Lease", "held"),
        ];
        assert_eq!(code(&all), NOT_READY);
        assert_eq!(code(&all[1..]), 0);
        assert_eq!(
            stripped(&tally(&all)),
            "\n3 checks: 1 failed, 1 to look at."
        );
        assert_eq!(stripped(&tally(&all[2..])), "\n1 check: all is well.");
    }
}
