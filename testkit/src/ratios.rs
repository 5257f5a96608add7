//! Ratios of benchmarks: compares those of a run with those that were recorded, and tells what got worse.
//!
//! Only what is measured against something else in the same run is compared. Absolute times depend on the machine.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// How much worse counts: 10 %.
const TOLERATED: f64 = 0.1;

/// The variable that makes [`Ratios::compare`] record a run instead.
pub const RECORD: &str = "RECORD";

/// Which values are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// Large ones, as for a speed.
    Higher,
    /// Small ones, as for calls per refresh.
    Lower,
}

/// The ratios of one run.
#[derive(Debug, Default)]
pub struct Ratios(Mutex<BTreeMap<String, (f64, Better)>>);

impl Ratios {
    /// No ratios yet.
    pub const fn new() -> Ratios {
        Ratios(Mutex::new(BTreeMap::new()))
    }

    /// Notes a ratio.
    pub fn note(&self, name: impl Into<String>, value: f64, better: Better) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(name.into(), (value, better));
    }

    /// Prints what is more than 10 % worse than in the file, and what the file does not have. With `RECORD=1`, writes this run's
    /// ratios into the file instead; ratios that were not measured stay.
    ///
    /// # Errors
    /// The file cannot be read or written, or has a line that is none.
    pub fn compare(&self, file: &Path) -> crate::Result<Vec<String>> {
        let mut recorded = match std::fs::read_to_string(file) {
            Ok(text) => parse(&text)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(crate::Error::new(format!("{}: {error}", file.display()))),
        };
        let measured = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if std::env::var(RECORD).is_ok_and(|value| value == "1") {
            recorded.extend(measured);
            let text = write(&recorded);
            std::fs::write(file, text)
                .map_err(|error| crate::Error::new(format!("{}: {error}", file.display())))?;
            return Ok(Vec::new());
        }
        Ok(worse(&recorded, &measured))
    }
}

/// What got worse, as sentences.
fn worse(
    recorded: &BTreeMap<String, (f64, Better)>,
    measured: &BTreeMap<String, (f64, Better)>,
) -> Vec<String> {
    let mut all = Vec::new();
    for (name, (now, better)) in measured {
        let Some((before, _)) = recorded.get(name) else {
            all.push(format!("{name}: {now:.3}, not recorded yet"));
            continue;
        };
        let change = match better {
            Better::Higher => before / now - 1.0,
            Better::Lower => now / before - 1.0,
        };
        // Also where one of them is 0 and the comparison has no number.
        if (change > TOLERATED || change.is_nan()) && now != before {
            all.push(format!("{name}: {now:.3}, recorded {before:.3}"));
        }
    }
    all
}

fn parse(text: &str) -> crate::Result<BTreeMap<String, (f64, Better)>> {
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let mut parts = line.splitn(3, ' ');
            let value = parts.next().and_then(|value| value.parse().ok());
            let better = match parts.next() {
                Some("higher") => Some(Better::Higher),
                Some("lower") => Some(Better::Lower),
                _ => None,
            };
            match (value, better, parts.next()) {
                (Some(value), Some(better), Some(name)) => Ok((name.to_owned(), (value, better))),
                _ => Err(crate::Error::new(format!("no ratio: {line:?}"))),
            }
        })
        .collect()
}

fn write(all: &BTreeMap<String, (f64, Better)>) -> String {
    let mut text = "# Ratios of the benchmarks: value, which values are better, name. RECORD=1 make bench writes them.\n".to_owned();
    for (name, (value, better)) in all {
        let better = match better {
            Better::Higher => "higher",
            Better::Lower => "lower",
        };
        text += &format!("{value:.3} {better} {name}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(pairs: &[(&str, f64, Better)]) -> BTreeMap<String, (f64, Better)> {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value, better)| ((*name).to_owned(), (*value, *better)))
            .collect()
    }

    #[test]
    fn what_is_more_than_a_tenth_worse_is_told_and_nothing_else() {
        use Better::{Higher, Lower};
        let recorded = all(&[
            ("speed", 1.0, Higher),
            ("calls", 2.0, Lower),
            ("none", 0.0, Lower),
        ]);
        let told = |speed, calls, none| {
            let now = all(&[
                ("speed", speed, Higher),
                ("calls", calls, Lower),
                ("none", none, Lower),
            ]);
            let told = worse(&recorded, &now).into_iter();
            told.map(|line| line.split(':').next().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert!(told(1.0, 2.0, 0.0).is_empty());
        assert!(told(0.92, 2.19, 0.0).is_empty());
        assert!(told(5.0, 0.5, 0.0).is_empty(), "better is well");
        assert_eq!(told(0.9, 2.0, 0.0), ["speed"]);
        assert_eq!(told(1.0, 2.21, 0.0), ["calls"]);
        assert_eq!(told(1.0, 2.0, 0.1), ["none"]);
        assert_eq!(
            told(f64::NAN, 2.0, 0.0),
            ["speed"],
            "no number is no success"
        );
        let new = all(&[("another", 1.0, Higher)]);
        assert_eq!(worse(&recorded, &new), ["another: 1.000, not recorded yet"]);
    }

    #[test]
    fn a_file_is_read_as_it_was_written() {
        let ratios = all(&[
            ("calls per refresh", 2.0, Better::Lower),
            ("speed", 0.96, Better::Higher),
        ]);
        assert_eq!(parse(&write(&ratios)).unwrap(), ratios);
        assert!(parse("2.0 calls per refresh").is_err());
    }
}
