//! Three candidates, one API server, and a network that loses, delays and reorders: two never lead at once, and once
//! the
//! faults are over, one of them leads.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use proptest::prelude::*;

use super::*;

/// A margin of 1 s between renew deadline and lease duration: little more than the clocks' speeds need, so that whatever
/// relies on a wide margin is noticed.
const TIGHT: Timings = Timings {
    duration: Duration::from_secs(15),
    renew_deadline: Duration::from_secs(14),
    retry: Duration::from_secs(2),
};

const FAULTS_END: u64 = 300_000;
const END: u64 = 400_000;
/// Longer than the margin between renew deadline and lease duration, so that counting from an answer would be noticed.
const CALL_DEADLINE: u64 = 9_000;

struct Node {
    election: Election,
    life: u32,
    /// Speed of its clock in parts per million, and where it started.
    speed: u64,
    start: u64,
    /// Number of the call in flight; answers to older ones are ignored.
    call: usize,
    sent: Duration,
    cut_until: u64,
}

impl Node {
    fn local(&self, now: u64) -> Duration {
        Duration::from_micros(now * self.speed / 1000 + self.start * 1000)
    }

    fn leads(&self, now: u64) -> bool {
        matches!(self.election.state(), ElectionState::Leading { until, .. } if self.local(now) < *until)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// The node makes its next call.
    Act(usize),
    /// A call reaches the server.
    Reach(usize, usize, u32),
    /// An answer, or none in time, reaches the node.
    Return(usize, usize, Option<usize>),
}

struct World {
    now: u64,
    order: u64,
    seed: u64,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    nodes: Vec<Node>,
    lease: Option<(u64, LeaseView)>,
    calls: Vec<Call>,
    answers: Vec<CallResult>,
    changes: u32,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = World {
            now: 0,
            order: 0,
            seed,
            events: BinaryHeap::new(),
            nodes: Vec::new(),
            lease: None,
            calls: Vec::new(),
            answers: Vec::new(),
            changes: 0,
        };
        for number in 0..3 {
            let node = Node {
                election: Election::new(format!("node-{number}-0"), TIGHT),
                life: 0,
                speed: 980_000 + world.random(40_000),
                start: world.random(1_000_000),
                call: 0,
                sent: Duration::ZERO,
                cut_until: 0,
            };
            world.nodes.push(node);
            let first = world.random(3_000);
            world.push(first, Event::Act(number));
        }
        world
    }

    /// Evenly below `bound` (splitmix64).
    fn random(&mut self, bound: u64) -> u64 {
        self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }

    fn push(&mut self, after: u64, event: Event) {
        self.order += 1;
        self.events
            .push(Reverse((self.now + after, self.order, event)));
    }

    /// A journey through the network; `None` when it is lost.
    fn journey(&mut self, node: usize) -> Option<u64> {
        if self.now >= FAULTS_END {
            return Some(5 + self.random(50));
        }
        if self.now < self.nodes[node].cut_until {
            return None;
        }
        match self.random(100) {
            0..4 => {
                self.nodes[node].cut_until = self.now + self.random(40_000);
                None
            }
            4..12 => None,
            12..40 => Some(self.random(20_000)),
            _ => Some(5 + self.random(200)),
        }
    }

    fn serve(&mut self, call: &Call, life: String) -> CallResult {
        let held = |version: u64, transitions| LeaseView {
            version: version.to_string(),
            holder: life,
            duration: Some(TIGHT.duration),
            transitions,
        };
        let (version, view) = match (call, &self.lease) {
            (Call::Read | Call::Replace { .. }, None) => return CallResult::Absent,
            (Call::Read, Some((_, view))) => return CallResult::Lease(view.clone()),
            (Call::Create, Some(_)) => return CallResult::Conflict,
            (Call::Create, None) => (1, held(1, 0)),
            (
                Call::Replace {
                    version,
                    transitions,
                    ..
                },
                Some((current, _)),
            ) => {
                if *version != current.to_string() {
                    return CallResult::Conflict;
                }
                (current + 1, held(current + 1, *transitions))
            }
        };
        self.lease = Some((version, view.clone()));
        CallResult::Lease(view)
    }

    fn act(&mut self, number: usize) {
        let now = self.now;
        let node = &mut self.nodes[number];
        node.election.tick(node.local(now));
        if *node.election.state() == ElectionState::Lost {
            node.life += 1;
            node.election = Election::new(format!("node-{number}-{}", node.life), TIGHT);
        }
        node.call = self.calls.len();
        node.sent = node.local(now);
        let (call, life) = (node.call, node.life);
        self.calls.push(node.election.call().clone());
        self.push(CALL_DEADLINE, Event::Return(number, call, None));
        if let Some(after) = self.journey(number) {
            self.push(after, Event::Reach(number, call, life));
        }
    }

    fn step(&mut self, event: Event) {
        match event {
            Event::Act(number) => self.act(number),
            Event::Reach(number, call, life) => {
                let asked = self.calls[call].clone();
                let answer = self.serve(&asked, format!("node-{number}-{life}"));
                self.answers.push(answer);
                let index = self.answers.len() - 1;
                if let Some(after) = self.journey(number) {
                    self.push(after, Event::Return(number, call, Some(index)));
                }
            }
            Event::Return(number, call, _) if self.nodes[number].call != call => {}
            Event::Return(number, _, answer) => {
                let now = self.now;
                let answer =
                    answer.map_or(CallResult::Unknown, |index| self.answers[index].clone());
                let node = &mut self.nodes[number];
                node.call = usize::MAX;
                let led = node.leads(now);
                let at_once = node
                    .election
                    .handle_result(node.sent, node.local(now), answer);
                self.changes += u32::from(!led && node.leads(now));
                // A frozen process now and then: it acts late, and must not think that it leads when it wakes.
                let frozen = self.now < FAULTS_END && self.random(50) == 0;
                let pause = if frozen { self.random(60_000) } else { 2_000 };
                self.push(if at_once { 0 } else { pause }, Event::Act(number));
            }
        }
    }

    fn leaders(&self) -> Vec<usize> {
        (0..self.nodes.len())
            .filter(|number| self.nodes[*number].leads(self.now))
            .collect()
    }

    fn run(&mut self) -> Result<(), TestCaseError> {
        while let Some(Reverse((time, _, event))) = self.events.pop() {
            if time > END {
                break;
            }
            self.now = time;
            self.step(event);
            let leaders = self.leaders();
            prop_assert!(
                leaders.len() <= 1,
                "{leaders:?} all lead at {} ms",
                self.now
            );
        }
        prop_assert_eq!(self.leaders().len(), 1, "one leads after the faults");
        prop_assert!(self.changes >= 1);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn two_never_lead_at_once_and_one_does_after_the_faults(seed: u64) {
        World::new(seed).run()?;
    }
}
