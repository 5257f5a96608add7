//! Which faults come when. A seed yields the same plan every time, whatever happens during the run.

/// How a provider fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It responds with 503.
    Unavailable,
    /// It responds with 500.
    Internal,
    /// It never responds.
    Hang,
    /// It closes the connection.
    Close,
    /// It resets the connection.
    Reset,
    /// It responds with a web page.
    Html,
}

const FAILURES: [Failure; 6] = [
    Failure::Unavailable,
    Failure::Internal,
    Failure::Hang,
    Failure::Close,
    Failure::Reset,
    Failure::Html,
];

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    /// A provider fails for some seconds.
    Provider {
        /// Which one.
        number: usize,
        /// How.
        how: Failure,
        /// For how long.
        seconds: f64,
    },
    /// The API server is killed, and started again after some seconds.
    ApiServer {
        /// For how long it is gone.
        seconds: f64,
    },
    /// All connections to the API server are reset, watches included.
    Cut,
    /// Nothing is transferred on connections to the API server for some seconds, and nobody closes them.
    Silence {
        /// For how long.
        seconds: f64,
    },
    /// The leader ends, by SIGKILL or by SIGTERM.
    Leader {
        /// By SIGKILL.
        kill: bool,
    },
    /// The credentials of one resource are replaced. The number selects it.
    Rotate(u64),
    /// One resource is created and another one deleted. The number selects which.
    Churn(u64),
}

/// An event and its time, in seconds since the start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Planned {
    /// When.
    pub at: f64,
    /// What.
    pub event: Event,
}

/// How often something happens, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Periods {
    /// From one fault of a provider to the next.
    pub provider: f64,
    /// From one restart of the API server to the next.
    pub api_server: f64,
    /// From one cut of all connections to the next.
    pub cut: f64,
    /// From one silence to the next.
    pub silence: f64,
    /// From one change of the leader to the next.
    pub leader: f64,
    /// From one change of credentials to the next.
    pub rotate: f64,
    /// From one creation and deletion to the next.
    pub churn: f64,
}

impl Periods {
    /// Those of a run of this length: of the full ones, each that is rarer happens at least twice.
    #[must_use]
    pub fn of(seconds: f64) -> Periods {
        let at_most = |period: f64| period.min(seconds / 3.0);
        Periods {
            provider: at_most(45.0),
            api_server: at_most(900.0),
            cut: at_most(120.0),
            silence: at_most(700.0),
            leader: at_most(300.0),
            rotate: at_most(5.0),
            churn: 1.0,
        }
    }
}

/// A small generator of numbers (SplitMix64): the same ones for the same seed on every machine.
#[derive(Clone, Debug)]
pub struct Numbers(u64);

impl Numbers {
    /// Those of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Numbers {
        Numbers(seed)
    }

    /// The next one.
    pub fn next_number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    }

    /// The next one, below `bound`; 0 for no bound.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next_number() % bound).unwrap_or_default()
    }

    /// The next one, in `[from, to)`.
    pub fn between(&mut self, from: f64, to: f64) -> f64 {
        // 53 bits are what an f64 holds.
        let part = (self.next_number() >> 11) as f64 / (1_u64 << 53) as f64;
        from + (to - from) * part
    }
}

/// The plan of a run of so many seconds with so many providers, in order of time.
#[must_use]
pub fn plan(seed: u64, seconds: f64, providers: usize) -> Vec<Planned> {
    let periods = Periods::of(seconds);
    let mut all = Vec::new();
    // Each kind has numbers of its own, so that another period of one leaves the others as they are.
    let mut series = |kind: u64, period: f64, event: &mut dyn FnMut(&mut Numbers) -> Event| {
        let mut numbers = Numbers::of(seed.wrapping_mul(31).wrapping_add(kind));
        let mut begun = 0.0;
        loop {
            let at = begun + numbers.between(0.3, 1.0) * period;
            if at >= seconds {
                return;
            }
            let event = event(&mut numbers);
            all.push(Planned { at, event });
            begun += period;
        }
    };
    series(1, periods.provider, &mut |numbers| Event::Provider {
        number: numbers.below(providers),
        how: FAILURES
            .get(numbers.below(FAILURES.len()))
            .copied()
            .unwrap_or(Failure::Unavailable),
        // One of five is longer than what is left of a token.
        seconds: match numbers.below(5) {
            0 => numbers.between(50.0, 90.0),
            _ => numbers.between(2.0, 12.0),
        },
    });
    series(2, periods.api_server, &mut |numbers| Event::ApiServer {
        seconds: numbers.between(0.5, 6.0),
    });
    series(3, periods.cut, &mut |_| Event::Cut);
    series(4, periods.silence, &mut |numbers| Event::Silence {
        seconds: numbers.between(3.0, 20.0),
    });
    series(5, periods.leader, &mut |numbers| Event::Leader {
        kill: numbers.below(2) == 0,
    });
    series(6, periods.rotate, &mut |numbers| {
        Event::Rotate(numbers.next_number())
    });
    series(7, periods.churn, &mut |numbers| {
        Event::Churn(numbers.next_number())
    });
    all.sort_by(|one, other| one.at.total_cmp(&other.at));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(plan: &[Planned], fits: impl Fn(&Event) -> bool) -> usize {
        plan.iter().filter(|one| fits(&one.event)).count()
    }

    #[test]
    fn a_seed_replays_its_plan_and_another_one_does_not() {
        assert_eq!(plan(1, 7200.0, 10), plan(1, 7200.0, 10));
        assert_ne!(plan(1, 7200.0, 10), plan(2, 7200.0, 10));
    }

    #[test]
    fn two_hours_have_a_change_of_leader_every_five_minutes_and_a_creation_every_second() {
        let plan = plan(7, 7200.0, 10);
        let leaders = count(&plan, |event| matches!(event, Event::Leader { .. }));
        assert!((23..=24).contains(&leaders), "{leaders}");
        assert!(count(&plan, |event| matches!(event, Event::Leader { kill: true })) >= 5);
        let churn = count(&plan, |event| matches!(event, Event::Churn(_)));
        assert!((7199..=7200).contains(&churn), "{churn}");
        for number in 0..10 {
            let fails = |event: &Event| matches!(event, Event::Provider { number: failed, .. } if *failed == number);
            assert!(count(&plan, fails) > 0, "provider {number} never fails");
        }
        for how in FAILURES {
            let fails =
                |event: &Event| matches!(event, Event::Provider { how: this, .. } if *this == how);
            assert!(count(&plan, fails) > 0, "{how:?} never happens");
        }
        assert!(plan.is_sorted_by(|one, next| one.at <= next.at));
        assert!(plan.iter().all(|one| (0.0..7200.0).contains(&one.at)));
    }

    #[test]
    fn a_short_run_has_every_fault_too() {
        let plan = plan(3, 360.0, 10);
        let has: [fn(&Event) -> bool; 6] = [
            |event| matches!(event, Event::Provider { .. }),
            |event| matches!(event, Event::ApiServer { .. }),
            |event| matches!(event, Event::Cut),
            |event| matches!(event, Event::Silence { .. }),
            |event| matches!(event, Event::Leader { .. }),
            |event| matches!(event, Event::Rotate(_)),
        ];
        for fits in has {
            assert!(count(&plan, fits) >= 2);
        }
    }

    #[test]
    fn numbers_stay_within_their_bounds() {
        let mut numbers = Numbers::of(0);
        for _ in 0..1000 {
            assert!((2.0..3.0).contains(&numbers.between(2.0, 3.0)));
            assert!(numbers.below(7) < 7);
        }
        assert_eq!(numbers.below(0), 0);
    }
}
