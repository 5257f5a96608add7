//! The queue compared with a naive model over random histories.

#![expect(clippy::cast_possible_truncation, reason = "a few entries")]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::fair::{Share, Shares};

/// The same rules, said by looking at everything each time.
struct Naive {
    entries: Vec<NaiveEntry>,
    /// By host queue and namespace.
    narrowed: BTreeMap<(usize, usize), bool>,
    /// When each was last served: a namespace in a host queue, a namespace, a namespace's reconciles without a request.
    flow_turn: BTreeMap<(usize, usize), u64>,
    turn: BTreeMap<usize, u64>,
    look_turn: BTreeMap<usize, u64>,
    counter: u64,
    limits: Limits,
}

#[derive(Clone, Copy, PartialEq)]
enum What {
    Request(Option<usize>),
    Look,
}

#[derive(Clone)]
struct NaiveEntry {
    space: usize,
    host_queue: usize,
    request: Option<Request>,
    look: Time,
    /// What is in progress; for a request, the host queue whose slot it holds until the response.
    flight: Option<What>,
}

type NaiveRank = (Class, Time, usize);

impl Naive {
    fn held(&self, space: usize, what: impl Fn(What) -> bool) -> (usize, usize) {
        let of = |entry: &&NaiveEntry| entry.flight.is_some_and(&what);
        let all = self.entries.iter().filter(of);
        let own = all.clone().filter(|entry| entry.space == space);
        (own.count(), all.count())
    }

    fn share(&self, space: usize, total: usize, what: impl Fn(What) -> bool) -> Share {
        let (own, all) = self.held(space, what);
        let mut shares = Shares::new(total);
        shares.take(all);
        shares.share(own, 1)
    }

    fn request_share(&self, space: usize) -> Share {
        let asks = |what| matches!(what, What::Request(Some(_)));
        let answered = |what| what == What::Request(None);
        let requests = self.share(space, self.limits.token_requests, asks);
        let answers = self.share(space, self.limits.answers, answered);
        match (requests, answers) {
            (Share::Full, _) | (_, Share::Full) => Share::Full,
            (Share::Own, Share::Own) => Share::Own,
            _ => Share::Spare,
        }
    }

    fn asking(&self, host_queue: usize, space: Option<usize>) -> usize {
        let at_host = |entry: &&NaiveEntry| entry.flight == Some(What::Request(Some(host_queue)));
        let of = |entry: &&NaiveEntry| space.is_none_or(|space| entry.space == space);
        self.entries.iter().filter(at_host).filter(of).count()
    }

    /// The first entry of a namespace in a host queue.
    fn head(&self, host_queue: usize, space: usize, now: Time) -> Option<NaiveRank> {
        let waits = self.entries.iter().enumerate().filter(|(_, entry)| {
            entry.flight.is_none() && (entry.host_queue, entry.space) == (host_queue, space)
        });
        waits
            .filter_map(|(id, entry)| {
                let request = entry.request.filter(|request| request.due <= now)?;
                let (class, time) = match request.order {
                    Order::First => (Class::First, request.due),
                    Order::Retry => (Class::Retry, request.due),
                    Order::Refresh { expires, urgent } if now >= urgent => (Class::Urgent, expires),
                    Order::Refresh { expires, .. } => (Class::Refresh, expires),
                };
                Some((class, time, id))
            })
            .min()
    }

    /// The entries that wait in a host queue with a free slot, in order.
    fn order(&self, host_queue: usize, now: Time) -> Vec<(usize, NaiveRank)> {
        let slots = self.limits.host_slots_of as usize;
        if self.asking(host_queue, None) >= slots {
            return Vec::new();
        }
        let mut order = Vec::new();
        for space in 0..SPACES {
            let own = self.asking(host_queue, Some(space));
            if self.narrowed[&(host_queue, space)] && own > 0 {
                continue;
            }
            if let Some(rank) = self.head(host_queue, space, now) {
                let over = own >= Shares::new(slots).quarter();
                let turn = self.flow_turn[&(host_queue, space)];
                order.push(((over, rank.0, turn), space, rank));
            }
        }
        order.sort();
        order
            .into_iter()
            .map(|(_, space, rank)| (space, rank))
            .collect()
    }

    fn request(&self, now: Time) -> Option<(usize, NaiveRank)> {
        let (_, requests) = self.held(0, |what| matches!(what, What::Request(Some(_))));
        if requests >= self.limits.token_requests {
            return None;
        }
        let orders: Vec<_> = (0..HOST_QUEUES)
            .map(|host_queue| self.order(host_queue, now))
            .collect();
        let mut offers: BTreeMap<usize, NaiveRank> = BTreeMap::new();
        for (space, rank) in orders.iter().filter_map(|order| order.first()) {
            let best = offers.entry(*space).or_insert(*rank);
            *best = (*rank).min(*best);
        }
        let mut spaces: Vec<_> = offers
            .iter()
            .map(|(space, rank)| ((rank.0, self.turn[space]), *space, *rank))
            .collect();
        spaces.sort();
        let alone = spaces.len() == 1;
        let first = spaces
            .iter()
            .find(|(_, space, _)| match self.request_share(*space) {
                Share::Own => true,
                Share::Spare => alone,
                Share::Full => false,
            });
        if let Some((_, space, rank)) = first {
            return Some((*space, *rank));
        }
        let contested = orders.iter().filter(|order| order.len() > 1);
        contested
            .filter_map(|order| {
                let mut order = order.iter();
                order.find(|(space, _)| self.request_share(*space) == Share::Own)
            })
            .next()
            .copied()
    }

    fn next(&mut self, now: Time) -> Option<Taken> {
        if let Some((space, (_, _, id))) = self.request(now) {
            self.counter += 1;
            let entry = &mut self.entries[id];
            entry.flight = Some(What::Request(Some(entry.host_queue)));
            self.flow_turn
                .insert((entry.host_queue, space), self.counter);
            self.turn.insert(space, self.counter);
            let due = entry.request.expect("it was chosen for it").due;
            return Some(Taken {
                id: id as Id,
                may_request: true,
                due,
            });
        }
        let due = |entry: &NaiveEntry| entry.flight.is_none() && entry.look <= now;
        let mut spaces: Vec<usize> = (0..SPACES)
            .filter(|space| {
                self.entries
                    .iter()
                    .any(|entry| entry.space == *space && due(entry))
            })
            .collect();
        spaces.sort_by_key(|space| self.look_turn[space]);
        let alone = spaces.len() == 1;
        let is_look = |what| what == What::Look;
        let may = |space: &&usize| match self.share(**space, self.limits.looks, is_look) {
            Share::Own => true,
            Share::Spare => alone,
            Share::Full => false,
        };
        let space = *spaces.iter().find(may)?;
        let (id, _) = self
            .entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.space == space && due(entry))
            .min_by_key(|(id, entry)| (entry.look, *id))?;
        self.counter += 1;
        self.look_turn.insert(space, self.counter);
        let entry = &mut self.entries[id];
        entry.flight = Some(What::Look);
        Some(Taken {
            id: id as Id,
            may_request: false,
            due: entry.look,
        })
    }

    fn request_ended(&mut self, id: usize, report: HostReport) {
        let entry = &mut self.entries[id];
        let Some(What::Request(Some(host_queue))) = entry.flight else {
            return;
        };
        entry.flight = Some(What::Request(None));
        match report {
            HostReport::TimedOut => self.narrowed.insert((host_queue, entry.space), true),
            HostReport::Succeeded => self.narrowed.insert((host_queue, entry.space), false),
            HostReport::Failed | HostReport::Unused => None,
        };
    }
}

#[derive(Clone, Debug)]
enum Step {
    Plan(usize, Option<Request>, Time),
    Enter(usize, usize),
    Take,
    Answer(usize, HostReport),
    Finish(usize, HostReport, Option<Request>, Time),
    Wait(i64),
}

const ENTRIES: usize = 16;
const HOST_QUEUES: usize = 3;
const SPACES: usize = 3;

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

fn any_report() -> impl Strategy<Value = HostReport> {
    prop_oneof![
        2 => Just(HostReport::Unused),
        12 => Just(HostReport::Succeeded),
        1 => Just(HostReport::TimedOut),
        1 => Just(HostReport::Failed)
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..ENTRIES, any_plan()).prop_map(|(id, (request, look))| Step::Plan(id, request, look)),
        1 => (0..ENTRIES, 0..HOST_QUEUES).prop_map(|(id, host_queue)| Step::Enter(id, host_queue)),
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
        host_slots_of in 1u32..10, token_requests in 1usize..12, answers in 1usize..12, looks in 1usize..6,
    ) {
        let limits = Limits { token_requests, answers, looks, host_slots_of };
        let mut queue = Queue::new(limits);
        let entry = NaiveEntry { space: 0, host_queue: 0, request: None, look: Time::NEVER, flight: None };
        let mut naive = Naive {
            entries: vec![entry; ENTRIES],
            narrowed: BTreeMap::new(),
            flow_turn: BTreeMap::new(),
            turn: BTreeMap::new(),
            look_turn: BTreeMap::new(),
            counter: 0,
            limits,
        };
        let name = |space: usize| format!("n-{space}");
        // Unused entries are removed; one more entry of each keeps them all.
        for space in 0..SPACES {
            for host_queue in 0..HOST_QUEUES {
                queue.enter((ENTRIES + space * HOST_QUEUES + host_queue) as Id, &name(space), &host(host_queue));
                naive.counter += 1;
                naive.narrowed.insert((host_queue, space), false);
                naive.flow_turn.insert((host_queue, space), naive.counter);
                naive.turn.entry(space).or_insert(naive.counter);
                naive.look_turn.entry(space).or_insert(naive.counter);
            }
        }
        for id in 0..ENTRIES {
            (naive.entries[id].host_queue, naive.entries[id].space) = (id % HOST_QUEUES, id / 4 % SPACES);
            queue.enter(id as Id, &name(id / 4 % SPACES), &host(id % HOST_QUEUES));
        }
        let mut now = 0;
        for step in steps {
            match step {
                Step::Plan(id, request, look) => {
                    queue.plan(id as Id, request, look);
                    naive.entries[id].request = request;
                    naive.entries[id].look = look;
                }
                Step::Enter(id, host_queue) => {
                    queue.enter(id as Id, &name(id / 4 % SPACES), &host(host_queue));
                    naive.entries[id].host_queue = host_queue;
                }
                Step::Take => prop_assert_eq!(queue.next(at(now)), naive.next(at(now))),
                Step::Answer(id, report) => {
                    queue.request_ended(id as Id, report);
                    naive.request_ended(id, report);
                }
                Step::Finish(id, report, request, look) => {
                    if naive.entries[id].flight.is_some() {
                        queue.plan(id as Id, request, look);
                        queue.done(id as Id, report);
                        naive.request_ended(id, report);
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
