//! How namespaces share what there is.

use super::*;

/// A queue of the usual bounds.
struct Bench {
    queue: Queue,
    next: Id,
}

impl Bench {
    fn new() -> Bench {
        Bench {
            queue: Queue::new(Limits::default()),
            next: 0,
        }
    }

    /// One entry of a namespace at a host, due at 0.
    fn add(&mut self, namespace: &str, host_number: usize, order: Order) -> Id {
        let id = self.next;
        self.next += 1;
        self.queue.enter(id, namespace, &host(host_number));
        self.queue.plan(id, request(0, order), Time::NEVER);
        id
    }

    fn finish(&mut self, id: Id, report: HostReport) {
        self.queue.plan(id, None, Time::NEVER);
        self.queue.done(id, report);
    }

    fn take(&mut self) -> Option<Id> {
        self.queue.next(at(1)).map(|taken| taken.id)
    }

    fn take_all(&mut self) -> Vec<Id> {
        std::iter::from_fn(|| self.take()).collect()
    }
}

const CLASSES: [Order; 4] = [
    Order::Refresh {
        expires: Time::from_millis(2000),
        urgent: Time::from_millis(0),
    },
    Order::First,
    Order::Refresh {
        expires: Time::from_millis(90_000),
        urgent: Time::from_millis(50_000),
    },
    Order::Retry,
];

#[test]
fn ten_thousand_due_in_one_namespace_delay_one_in_another_by_one_turn() {
    for (class, order) in CLASSES.into_iter().enumerate() {
        for hosts in [1, 40, 10_000] {
            let mut bench = Bench::new();
            for number in 0..10_000 {
                bench.add("many", number % hosts, order);
            }
            // Any class: its own share does not depend on what others are in a hurry for.
            let one = bench.add("one", 0, CLASSES[3]);
            let mut taken = bench.take_all();
            let mut turns = 0;
            while !taken.contains(&one) {
                assert!(turns < 8, "class {class}, {hosts} hosts");
                turns += 1;
                bench.finish(taken[0], HostReport::Succeeded);
                taken = bench.take_all();
            }
            assert!(turns <= 1, "class {class}, {hosts} hosts: {turns} turns");
        }
    }
}

#[test]
fn within_a_class_namespaces_take_turns() {
    let mut bench = Bench::new();
    for _ in 0..100 {
        bench.add("a", 0, Order::First);
    }
    let b: Vec<Id> = (0..3).map(|_| bench.add("b", 0, Order::First)).collect();
    let c = bench.add("c", 0, Order::First);
    let mut order = Vec::new();
    for _ in 0..8 {
        let id = bench.take().unwrap();
        order.push(id);
        bench.finish(id, HostReport::Succeeded);
    }
    assert_eq!(order, [0, b[0], c, 1, b[1], 2, b[2], 3]);
}

#[test]
fn one_namespace_whose_hosts_stall_leaves_the_others_their_part_at_once() {
    let mut bench = Bench::new();
    for number in 0..600 {
        bench.add("stalls", number, Order::First);
    }
    assert_eq!(bench.take_all().len(), 384, "alone: all but a reserve");
    let one = bench.add("other", 1000, Order::Retry);
    assert_eq!(bench.take_all(), [one]);
    for number in 0..600 {
        bench.add("third", 2000 + number, Order::First);
    }
    let third = bench.take_all().len();
    assert!((60..=128).contains(&third), "{third}");
    // Whoever comes later still finds room.
    for number in 0..20 {
        let id = bench.add(&format!("later-{number}"), 5000 + number, Order::Retry);
        assert_eq!(bench.take_all(), [id], "{number}");
    }
}

#[test]
fn none_takes_more_than_a_quarter_while_another_one_waits() {
    let mut bench = Bench::new();
    for number in 0..600 {
        bench.add("a", number, Order::First);
    }
    let mut a = bench.take_all();
    for number in 0..600 {
        bench.add("b", 1000 + number, Order::First);
    }
    let mut b = bench.take_all();
    // All answers come, one of each at a time.
    while let Some(id) = a.pop() {
        bench.finish(id, HostReport::Succeeded);
        for id in bench.take_all() {
            if id < 600 {
                assert!(a.len() < 128, "{} are held by the first one", a.len());
                a.push(id);
            } else {
                assert!(b.len() < 128, "{} are held by the second one", b.len());
                b.push(id);
            }
        }
        if b.len() == 128 && a.len() <= 128 {
            break;
        }
    }
    assert_eq!(b.len(), 128, "the second one has come to its part");
}

#[test]
fn at_a_host_that_they_share_one_namespace_leaves_the_other_a_slot() {
    let mut bench = Bench::new();
    for _ in 0..100 {
        bench.add("a", 0, CLASSES[0]);
    }
    let taken = bench.take_all();
    assert_eq!(taken.len(), 8);
    let b: Vec<Id> = (0..4).map(|_| bench.add("b", 0, Order::Retry)).collect();
    let mut next = Vec::new();
    for id in taken {
        bench.finish(id, HostReport::Succeeded);
        next.extend(bench.take_all());
    }
    assert_eq!(
        next[..2],
        b[..2],
        "as much as a quarter, whatever its class"
    );
}

#[test]
fn a_time_out_narrows_the_host_queue_for_its_own_namespace_alone() {
    let mut bench = Bench::new();
    for _ in 0..20 {
        bench.add("impatient", 0, Order::First);
    }
    let taken = bench.take_all();
    for id in &taken {
        bench.finish(*id, HostReport::TimedOut);
    }
    assert_eq!(bench.take_all(), [8], "one at a time");
    let slots = |bench: &Bench| {
        bench
            .queue
            .host_queues()
            .next()
            .map(|host_queue| host_queue.slots)
    };
    assert_eq!(slots(&bench), Some(1));
    for _ in 0..20 {
        bench.add("other", 0, Order::Retry);
    }
    assert_eq!(bench.take_all().len(), 7);
    assert_eq!(slots(&bench), Some(8));
    bench.finish(8, HostReport::Succeeded);
    assert_eq!(
        bench.take_all(),
        [9],
        "it has all slots again that are free"
    );
}

#[test]
fn who_waits_behind_a_namespace_that_may_have_no_more_is_let_through() {
    let mut bench = Bench::new();
    // First in the host queue, and with all that it may have elsewhere.
    for number in 0..500 {
        bench.add("a", 1 + number, Order::First);
    }
    assert_eq!(bench.take_all().len(), 384);
    bench.add("a", 0, CLASSES[0]);
    let behind = bench.add("b", 0, Order::Retry);
    assert_eq!(bench.take_all(), [behind]);
}

#[test]
fn looks_of_one_namespace_leave_the_others_their_part() {
    let mut queue = Queue::new(Limits::default());
    for id in 0..1000 {
        queue.enter(id, "many", &host(0));
        queue.plan(id, None, at(0));
    }
    assert_eq!(taken(&mut queue, 1).len(), 24);
    queue.enter(5000, "one", &host(0));
    queue.plan(5000, None, at(1));
    assert_eq!(taken(&mut queue, 1), [5000]);
    assert_eq!(queue.looks_due(), 976);
}

#[test]
fn nothing_is_left_of_what_is_removed() {
    let mut queue = Queue::new(Limits::default());
    for round in 0..3 {
        for id in 0..50 {
            let namespace = format!("n-{}", (id + round) % 7);
            queue.enter(id, &namespace, &host(id as usize % 5));
            queue.plan(id, request(0, Order::First), at(0));
        }
        for id in taken(&mut queue, 1) {
            queue.request_ended(id, HostReport::TimedOut);
        }
        for id in 0..50 {
            queue.remove(id);
        }
        assert_eq!(queue.host_queues().count(), 0);
        assert_eq!((queue.in_flight(), queue.answers()), ((0, 0), 0));
        assert_eq!(queue.looks_due(), 0);
        assert!(Class::ALL.iter().all(|class| queue.depth(*class) == 0));
    }
}
