//! When something was not available, and until when that excuses what depends on it.

/// What was not available.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The provider of this number.
    Provider(usize),
    /// The Kubernetes API.
    Api,
    /// A leader of the group of this number.
    Leader(usize),
}

/// One outage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outage {
    /// Its beginning.
    pub from: f64,
    /// Its end; `None` while it lasts.
    pub until: Option<f64>,
    /// What it affects.
    pub scope: Scope,
}

/// All outages of a run, in the order in which they began.
#[derive(Clone, Debug, Default)]
pub struct Outages(Vec<Outage>);

/// What something may take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Allowance {
    /// Without an outage.
    pub usual: f64,
    /// After the end of an outage that delayed it: the longest pause between two attempts, and what follows.
    pub recovery: f64,
}

impl Outages {
    /// Notes the beginning of an outage. Times must not go back.
    pub fn begin(&mut self, scope: Scope, from: f64) -> usize {
        let until = None;
        self.0.push(Outage { from, until, scope });
        self.0.len() - 1
    }

    /// Notes the end of the outage that [`Outages::begin`] numbered.
    pub fn end(&mut self, number: usize, until: f64) {
        if let Some(outage) = self.0.get_mut(number) {
            outage.until = Some(until);
        }
    }

    /// All of them.
    pub fn all(&self) -> &[Outage] {
        &self.0
    }

    /// Whether one that concerns us lasts.
    pub fn lasts(&self, concerns: impl Fn(Scope) -> bool) -> bool {
        let mut all = self.0.iter();
        all.any(|outage| outage.until.is_none() && concerns(outage.scope))
    }

    /// The latest time at which something must have happened that was first possible at `start`; `None` while an outage
    /// delays it. Each outage that begins before the thing had to happen moves that time to its end plus the recovery.
    pub fn latest(
        &self,
        start: f64,
        allowed: Allowance,
        concerns: impl Fn(Scope) -> bool,
    ) -> Option<f64> {
        let mut latest = start + allowed.usual;
        for outage in self.0.iter().filter(|outage| concerns(outage.scope)) {
            if outage.from > latest {
                break;
            }
            let recovered = outage.until.map(|until| until + allowed.recovery);
            match recovered {
                None => return None,
                Some(recovered) if recovered >= start => latest = latest.max(recovered),
                Some(_) => {}
            }
        }
        Some(latest)
    }

    /// Seconds of outages that concern us and overlap with a time from `from` to `until`, each as a whole.
    pub fn lengths(
        &self,
        from: f64,
        until: f64,
        concerns: impl Fn(Scope) -> bool,
    ) -> impl Iterator<Item = f64> {
        self.0
            .iter()
            .filter(move |outage| concerns(outage.scope))
            .map(move |outage| (outage.from, outage.until.unwrap_or(until)))
            .filter(move |(begun, ended)| *begun <= until && *ended >= from)
            .map(|(begun, ended)| ended - begun)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: Allowance = Allowance {
        usual: 5.0,
        recovery: 20.0,
    };

    fn outages(all: &[(f64, f64, Scope)]) -> Outages {
        let mut outages = Outages::default();
        for (from, until, scope) in all {
            let number = outages.begin(*scope, *from);
            outages.end(number, *until);
        }
        outages
    }

    fn latest(all: &[(f64, f64, Scope)], start: f64) -> Option<f64> {
        outages(all).latest(start, ALLOWED, |scope| scope != Scope::Provider(9))
    }

    #[test]
    fn without_an_outage_nothing_is_excused() {
        assert_eq!(latest(&[], 100.0), Some(105.0));
        let others = [(90.0, 200.0, Scope::Provider(9))];
        assert_eq!(latest(&others, 100.0), Some(105.0), "not ours");
        let later = [(105.1, 200.0, Scope::Api)];
        assert_eq!(
            latest(&later, 100.0),
            Some(105.0),
            "it had to happen before"
        );
        let earlier = [(10.0, 79.0, Scope::Api)];
        assert_eq!(latest(&earlier, 100.0), Some(105.0), "long over");
    }

    #[test]
    fn an_outage_excuses_until_its_end_and_the_recovery() {
        let one = (104.0, 120.0, Scope::Provider(1));
        assert_eq!(latest(&[one], 100.0), Some(140.0));
        // The next one begins before the recovery of the first is over.
        let next = (139.0, 150.0, Scope::Leader(0));
        assert_eq!(latest(&[one, next], 100.0), Some(170.0));
        let too_late = (141.0, 150.0, Scope::Leader(0));
        assert_eq!(latest(&[one, too_late], 100.0), Some(140.0));
        // A short one inside of a longer one shortens nothing.
        let short = (106.0, 107.0, Scope::Api);
        assert_eq!(latest(&[one, short], 100.0), Some(140.0));
    }

    #[test]
    fn while_an_outage_lasts_everything_that_it_delays_is_excused() {
        let mut all = Outages::default();
        let number = all.begin(Scope::Api, 50.0);
        assert_eq!(all.latest(60.0, ALLOWED, |_| true), None);
        assert_eq!(all.latest(40.0, ALLOWED, |_| true), Some(45.0));
        assert!(all.lasts(|_| true) && !all.lasts(|scope| scope == Scope::Leader(0)));
        all.end(number, 70.0);
        assert_eq!(all.latest(60.0, ALLOWED, |_| true), Some(90.0));
        assert!(!all.lasts(|_| true));
    }

    #[test]
    fn lengths_are_those_of_overlapping_outages() {
        let all = outages(&[
            (10.0, 20.0, Scope::Api),
            (30.0, 45.0, Scope::Api),
            (50.0, 60.0, Scope::Provider(9)),
        ]);
        let lengths = |from, until| {
            let ours = all.lengths(from, until, |scope| scope == Scope::Api);
            ours.collect::<Vec<_>>()
        };
        assert_eq!(lengths(0.0, 100.0), [10.0, 15.0]);
        assert_eq!(lengths(21.0, 30.0), [15.0]);
        assert!(lengths(21.0, 29.0).is_empty());
    }
}
