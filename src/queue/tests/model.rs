//! The queue compared with a naive model over random histories.

#![expect(clippy::cast_possible_truncation, reason = "a dozen entries")]

use proptest::prelude::*;

use super::*;
use crate::queue::lanes::CAUTION;

/// The same rules, said by looking at everything each time.
#[derive(Default)]
struct Naive {
    entries: Vec<NaiveEntry>,
    narrowed: Vec<bool>,
    /// How many requests of a lane must yet succeed before there is work ahead; one for those that never did.
    caution: Vec<u32>,
    limits: Limits,
}

#[derive(Clone)]
struct NaiveEntry {
    lane: usize,
    request: Option<Request>,
    look: Time,
    /// Whether it may request, and the lane whose slot is held.
    flight: Option<(bool, Option<usize>)>,
}

impl Naive {
    fn next(&mut self, now: Time) -> Option<Taken> {
        let flights = |may| {
            let of = |entry: &&NaiveEntry| entry.flight.is_some_and(|flight| flight.0 == may);
            self.entries.iter().filter(of).count()
        };
        let mut best: Option<(Class, Time, usize)> = None;
        for (id, entry) in self.entries.iter().enumerate() {
            let Some(request) = entry.request.filter(|request| request.due <= now) else {
                continue;
            };
            let held = |other: &&NaiveEntry| matches!(other.flight, Some((_, Some(lane))) if lane == entry.lane);
            let slots = match (self.narrowed[entry.lane], self.caution[entry.lane]) {
                (true, _) => 1,
                (false, 0) => self.limits.lane_slots + self.limits.lane_ahead,
                (false, _) => self.limits.lane_slots,
            };
            let full = self.entries.iter().filter(held).count() >= slots as usize;
            if entry.flight.is_some() || full || flights(true) >= self.limits.token_requests {
                continue;
            }
            let (class, time) = match request.order {
                Order::First => (Class::First, request.due),
                Order::Retry => (Class::Retry, request.due),
                Order::Refresh { expires, urgent } if now >= urgent => (Class::Urgent, expires),
                Order::Refresh { expires, .. } => (Class::Refresh, expires),
            };
            let rank = (class, time, id);
            best = Some(best.map_or(rank, |best| best.min(rank)));
        }
        if let Some((_, _, id)) = best {
            let entry = &mut self.entries[id];
            entry.flight = Some((true, Some(entry.lane)));
            let due = entry.request.expect("it was chosen for it").due;
            return Some(Taken {
                id: id as Id,
                may_request: true,
                due,
            });
        }
        if flights(false) >= self.limits.looks {
            return None;
        }
        let due = |entry: &NaiveEntry| entry.flight.is_none() && entry.look <= now;
        let (id, _) = self
            .entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| due(entry))
            .min_by_key(|(id, entry)| (entry.look, *id))?;
        let entry = &mut self.entries[id];
        entry.flight = Some((false, None));
        Some(Taken {
            id: id as Id,
            may_request: false,
            due: entry.look,
        })
    }

    fn answered(&mut self, id: usize, report: LaneReport) {
        if let Some((true, held)) = &mut self.entries[id].flight
            && let Some(lane) = held.take()
        {
            match report {
                LaneReport::TimedOut => {
                    self.narrowed[lane] = true;
                    self.caution[lane] = CAUTION;
                }
                LaneReport::Succeeded => {
                    self.narrowed[lane] = false;
                    self.caution[lane] = self.caution[lane].saturating_sub(1);
                }
                LaneReport::Failed | LaneReport::HeldUp => self.caution[lane] = CAUTION,
                LaneReport::Unused => {}
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Plan(usize, Option<Request>, Time),
    Enter(usize, usize),
    Take,
    Answer(usize, LaneReport),
    Finish(usize, LaneReport, Option<Request>, Time),
    Wait(i64),
}

const ENTRIES: usize = 12;
const LANES: usize = 3;

fn any_plan() -> impl Strategy<Value = (Option<Request>, Time)> {
    let order = prop_oneof![
        Just(Order::First),
        Just(Order::Retry),
        (0i64..300, 0i64..100).prop_map(|(expires, lead)| Order::Refresh {
            expires: at(expires),
            urgent: at(expires - lead),
        }),
    ];
    let request = proptest::option::of((0i64..200, order).prop_map(|(due, order)| Request {
        due: at(due),
        order,
    }));
    let look = prop_oneof![2 => Just(Time::NEVER), 1 => (0i64..200).prop_map(at)];
    (request, look)
}

fn any_report() -> impl Strategy<Value = LaneReport> {
    prop_oneof![
        2 => Just(LaneReport::Unused),
        12 => Just(LaneReport::Succeeded),
        1 => Just(LaneReport::TimedOut),
        1 => Just(LaneReport::HeldUp),
        1 => Just(LaneReport::Failed)
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..ENTRIES, any_plan()).prop_map(|(id, (request, look))| Step::Plan(id, request, look)),
        1 => (0..ENTRIES, 0..LANES).prop_map(|(id, lane)| Step::Enter(id, lane)),
        4 => Just(Step::Take),
        1 => (0..ENTRIES, any_report()).prop_map(|(id, report)| Step::Answer(id, report)),
        2 => (0..ENTRIES, any_report(), any_plan())
            .prop_map(|(id, report, (request, look))| Step::Finish(id, report, request, look)),
        2 => (0i64..20).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn it_serves_like_a_model_that_looks_at_everything(
        steps in proptest::collection::vec(any_step(), 1..150),
        lane_slots in 1u32..4, lane_ahead in 0u32..3, token_requests in 1usize..9, looks in 1usize..4,
    ) {
        let limits = Limits { token_requests, looks, lane_slots, lane_ahead };
        let mut queue = Queue::new(limits);
        let entry = NaiveEntry { lane: 0, request: None, look: Time::NEVER, flight: None };
        let mut naive = Naive { entries: vec![entry; ENTRIES], narrowed: vec![false; LANES], caution: vec![1; LANES], limits };
        for id in 0..ENTRIES {
            naive.entries[id].lane = id % LANES;
            queue.enter(id as Id, &host(id % LANES));
        }
        // A lane that nobody uses forgets that it was narrowed; one more entry in each keeps them all.
        for lane in 0..LANES {
            queue.enter((ENTRIES + lane) as Id, &host(lane));
        }
        let mut now = 0;
        for step in steps {
            match step {
                Step::Plan(id, request, look) => {
                    queue.plan(id as Id, request, look);
                    naive.entries[id].request = request;
                    naive.entries[id].look = look;
                }
                Step::Enter(id, lane) => {
                    queue.enter(id as Id, &host(lane));
                    naive.entries[id].lane = lane;
                }
                Step::Take => prop_assert_eq!(queue.next(at(now)), naive.next(at(now))),
                Step::Answer(id, report) => {
                    queue.answered(id as Id, report);
                    naive.answered(id, report);
                }
                Step::Finish(id, report, request, look) => {
                    if naive.entries[id].flight.is_some() {
                        queue.plan(id as Id, request, look);
                        queue.done(id as Id, report);
                        naive.answered(id, report);
                        naive.entries[id].flight = None;
                        naive.entries[id].request = request;
                        naive.entries[id].look = look;
                    }
                }
                Step::Wait(seconds) => now += seconds,
            }
        }
        loop {
            let (got, expected) = (queue.next(at(now)), naive.next(at(now)));
            prop_assert_eq!(got, expected);
            if got.is_none() { break; }
        }
    }
}
