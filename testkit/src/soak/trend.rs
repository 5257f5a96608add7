//! Whether a number that is sampled over time is flat, and how evenly events are spread.

/// The least number of samples from which a trend is read.
const LEAST: usize = 12;

/// What became of a number over a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// How many samples there are.
    pub samples: usize,
    /// The mean of all samples.
    pub mean: f64,
    /// The slope of the line with the least squares, for an hour.
    pub per_hour: f64,
    /// By how much this line rises over the time of the samples.
    pub rise: f64,
}

/// The judgement of a [`Trend`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does not grow by more than is tolerated.
    Flat,
    /// It grows.
    Grows,
    /// There are too few samples to tell.
    TooFew,
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Verdict::Flat => "flat",
            Verdict::Grows => "not flat",
            Verdict::TooFew => "too few samples",
        })
    }
}

impl Trend {
    /// The trend of samples, each a time in seconds and a value.
    #[must_use]
    pub fn of(samples: &[(f64, f64)]) -> Trend {
        let count = samples.len() as f64;
        let mean_of =
            |value: fn(&(f64, f64)) -> f64| samples.iter().map(value).sum::<f64>() / count.max(1.0);
        let (when, mean) = (mean_of(|sample| sample.0), mean_of(|sample| sample.1));
        let mut together = 0.0;
        let mut apart = 0.0;
        for (at, value) in samples {
            together += (at - when) * (value - mean);
            apart += (at - when) * (at - when);
        }
        let slope = if apart > 0.0 { together / apart } else { 0.0 };
        let times = || samples.iter().map(|sample| sample.0);
        let length = times().fold(f64::MIN, f64::max) - times().fold(f64::MAX, f64::min);
        Trend {
            samples: samples.len(),
            mean,
            per_hour: slope * 3600.0,
            rise: if samples.is_empty() {
                0.0
            } else {
                slope * length
            },
        }
    }

    /// Flat is what rises by at most `least`, or by at most this part of its mean.
    #[must_use]
    pub fn verdict(&self, least: f64, part: f64) -> Verdict {
        if self.samples < LEAST {
            return Verdict::TooFew;
        }
        // Also when a number is none.
        match self.rise <= least.max(self.mean * part) {
            true => Verdict::Flat,
            false => Verdict::Grows,
        }
    }
}

/// How many of `times` fall into each piece of `width` seconds between `from` and `until`; a last, shorter piece is left out.
#[must_use]
pub fn pieces(times: &[f64], from: f64, until: f64, width: f64) -> Vec<usize> {
    let mut pieces = Vec::new();
    let mut begun = from;
    while begun + width <= until {
        let within = |time: &&f64| (begun..begun + width).contains(*time);
        pieces.push(times.iter().filter(within).count());
        begun += width;
    }
    pieces
}

/// The highest of these numbers, relative to their mean; `None` without any event.
#[must_use]
pub fn peak_to_mean(pieces: &[usize]) -> Option<f64> {
    let all: usize = pieces.iter().sum();
    let peak = pieces.iter().max()?;
    (all > 0).then(|| *peak as f64 * pieces.len() as f64 / all as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(value: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
        (0..360)
            .map(|at| (f64::from(at) * 10.0, value(f64::from(at) * 10.0)))
            .collect()
    }

    #[test]
    fn a_leak_is_seen_and_noise_is_not() {
        let noise = |at: f64| (at * 7.3).sin() * 2.0;
        let flat = Trend::of(&line(|at| 30.0 + noise(at)));
        assert_eq!(flat.verdict(1.0, 0.05), Verdict::Flat, "{flat:?}");
        let leak = Trend::of(&line(|at| 30.0 + at / 900.0 + noise(at)));
        assert!((leak.per_hour - 4.0).abs() < 0.3, "{leak:?}");
        assert!((leak.rise - 4.0).abs() < 0.3, "{leak:?}");
        assert_eq!(leak.verdict(1.0, 0.05), Verdict::Grows);
        let falls = Trend::of(&line(|at| 30.0 - at / 900.0));
        assert_eq!(falls.verdict(0.0, 0.0), Verdict::Flat);
    }

    #[test]
    fn what_is_tolerated_is_the_larger_of_both() {
        let grows = Trend::of(&line(|at| 100.0 + at / 359.0 / 10.0 * 3.0));
        assert_eq!(grows.verdict(0.0, 0.05), Verdict::Flat);
        assert_eq!(grows.verdict(3.1, 0.0), Verdict::Flat);
        assert_eq!(grows.verdict(2.9, 0.0), Verdict::Grows);
    }

    #[test]
    fn too_few_samples_and_samples_that_are_no_numbers_are_not_flat() {
        assert_eq!(Trend::of(&[]).verdict(1.0, 1.0), Verdict::TooFew);
        let few = Trend::of(&[(0.0, 1.0), (1.0, 1.0)]);
        assert_eq!(few.verdict(1.0, 1.0), Verdict::TooFew);
        let broken = Trend::of(&line(|at| if at > 100.0 { f64::NAN } else { 1.0 }));
        assert_eq!(broken.verdict(1.0, 1.0), Verdict::Grows);
    }

    #[test]
    fn an_even_spread_has_a_peak_near_its_mean() {
        let even: Vec<f64> = (0..1000).map(|at| f64::from(at) / 10.0).collect();
        let counted = pieces(&even, 0.0, 95.0, 10.0);
        assert_eq!(counted, vec![100; 9], "the last piece is not whole");
        assert_eq!(peak_to_mean(&counted), Some(1.0));
        assert_eq!(peak_to_mean(&[30, 10, 20]), Some(1.5));
        assert_eq!(peak_to_mean(&[0, 0]), None);
        assert_eq!(peak_to_mean(&[]), None);
    }
}
