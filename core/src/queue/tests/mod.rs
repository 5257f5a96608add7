//! A sentence for every rule of the order.

mod fairness;
mod model;

use super::*;

fn at(seconds: i64) -> Time {
    Time::from_seconds(seconds)
}

fn host(number: usize) -> Arc<str> {
    format!("host-{number}:443").into()
}

fn request(due: i64, order: Order) -> Option<Request> {
    Some(Request {
        due: at(due),
        order,
    })
}

fn refresh(due: i64, expires: i64) -> Option<Request> {
    let urgent = at(expires - (expires - due) / 2);
    request(
        due,
        Order::Refresh {
            expires: at(expires),
            urgent,
        },
    )
}

/// A queue with these host queues and limits, all entries in host queue 0.
fn queue(slots: u32, requests: usize, looks: usize, plans: &[Option<Request>]) -> Queue {
    let mut queue = Queue::new(Limits {
        token_requests: requests,
        looks,
        host_slots_of: slots,
        ..Limits::default()
    });
    for (id, plan) in (0..).zip(plans) {
        queue.enter(id, "n", &host(0));
        queue.plan(id, *plan, Time::NEVER);
    }
    queue
}

fn taken(queue: &mut Queue, now: i64) -> Vec<Id> {
    std::iter::from_fn(|| queue.next(at(now)).map(|taken| taken.id)).collect()
}

#[test]
fn more_than_can_be_done_is_done_in_the_order_of_its_classes() {
    let plans = [
        request(0, Order::Retry),
        refresh(90, 1000),
        refresh(80, 900),
        request(50, Order::First),
        request(40, Order::First),
        refresh(0, 150),
        refresh(0, 120),
    ];
    let mut queue = queue(100, 100, 0, &plans);
    assert_eq!(taken(&mut queue, 100), [6, 5, 4, 3, 2, 1, 0]);
}

#[test]
fn a_new_resource_behind_five_thousand_refreshes_is_served_first() {
    let mut plans = vec![refresh(0, 10_000); 5000];
    plans.push(request(100, Order::First));
    let mut queue = queue(1, 512, 0, &plans);
    assert_eq!(taken(&mut queue, 100), [5000]);
}

#[test]
fn a_refresh_that_waits_until_half_its_lead_is_gone_goes_before_new_resources() {
    let mut queue = queue(1, 512, 0, &[request(0, Order::Retry), refresh(10, 210)]);
    assert_eq!(taken(&mut queue, 0), [0], "the one slot is taken");
    queue.enter(2, "n", &host(0));
    queue.plan(2, request(10, Order::First), Time::NEVER);
    assert_eq!(queue.next(at(20)), None);
    assert_eq!((queue.depth(Class::Refresh), queue.wake()), (1, at(110)));
    assert_eq!(queue.next(at(110)), None);
    assert_eq!(
        (queue.depth(Class::Refresh), queue.depth(Class::Urgent)),
        (0, 1)
    );
    queue.plan(0, None, Time::NEVER);
    queue.done(0, HostReport::Succeeded);
    assert_eq!(taken(&mut queue, 110), [1]);
}

#[test]
fn a_full_host_queue_never_holds_up_another_one() {
    let mut queue = queue(2, 512, 0, &[refresh(0, 10); 5]);
    queue.enter(9, "n", &host(1));
    queue.plan(9, request(0, Order::Retry), Time::NEVER);
    assert_eq!(taken(&mut queue, 0), [0, 1, 9]);
}

#[test]
fn a_host_queue_has_one_slot_after_a_time_out_until_a_request_succeeds() {
    let mut queue = queue(3, 512, 0, &[refresh(0, 10); 12]);
    assert_eq!(taken(&mut queue, 0), [0, 1, 2]);
    let finish = |queue: &mut Queue, id, report| {
        queue.plan(id, None, Time::NEVER);
        queue.done(id, report);
        taken(queue, 0)
    };
    assert_eq!(finish(&mut queue, 0, HostReport::TimedOut), [0; 0]);
    assert_eq!(finish(&mut queue, 1, HostReport::Failed), [0; 0]);
    assert_eq!(
        finish(&mut queue, 2, HostReport::Failed),
        [3],
        "one at a time"
    );
    assert_eq!(finish(&mut queue, 3, HostReport::Failed), [4]);
    assert_eq!(finish(&mut queue, 4, HostReport::Unused), [5]);
    assert_eq!(finish(&mut queue, 5, HostReport::Succeeded), [6, 7, 8]);
}

#[test]
fn the_bound_over_all_host_queues_holds_until_the_answer_is_there() {
    let mut queue = queue(8, 4, 0, &[refresh(0, 10); 6]);
    assert_eq!(taken(&mut queue, 0), [0, 1, 2], "one is a reserve");
    queue.request_ended(0, HostReport::Succeeded);
    assert_eq!((queue.in_flight().0, queue.answers()), (2, 1));
    assert_eq!(taken(&mut queue, 0), [3]);
    queue.plan(0, None, Time::NEVER);
    queue.done(0, HostReport::Unused);
    assert_eq!((queue.in_flight().0, queue.answers()), (3, 0));
}

#[test]
fn no_request_is_made_while_too_many_answers_wait_to_be_written() {
    let mut queue = Queue::new(Limits {
        answers: 4,
        ..Limits::default()
    });
    for id in 0..8 {
        queue.enter(id, "n", &host(0));
        queue.plan(id, refresh(0, 10), Time::NEVER);
    }
    queue.enter(9, "other", &host(1));
    queue.plan(9, refresh(500, 900), Time::NEVER);
    for id in 0..3 {
        assert_eq!(queue.next(at(0)).map(|taken| taken.id), Some(id));
        queue.request_ended(id, HostReport::Succeeded);
    }
    assert_eq!(taken(&mut queue, 0), [0; 0]);
    assert_eq!(
        taken(&mut queue, 600),
        [9],
        "another namespace has its part"
    );
    queue.plan(0, None, Time::NEVER);
    queue.done(0, HostReport::Unused);
    assert_eq!(queue.next(at(600)).map(|taken| taken.id), Some(3));
}

#[test]
fn looks_need_no_slot_and_have_a_bound_of_their_own() {
    let mut queue = queue(1, 1, 3, &[None; 3]);
    queue.enter(9, "n", &host(0));
    queue.plan(9, refresh(0, 10), Time::NEVER);
    for id in 0..3 {
        queue.plan(id, None, at(i64::from(id)));
    }
    assert_eq!(taken(&mut queue, 5), [9, 0, 1]);
    assert_eq!(queue.looks_due(), 1);
}

#[test]
fn an_entry_that_waits_for_a_request_and_a_look_is_served_by_one_work() {
    let mut queue = queue(8, 512, 8, &[None]);
    queue.plan(0, refresh(0, 10), at(0));
    let first = queue.next(at(0)).expect("it is due");
    assert!(first.may_request);
    assert_eq!(queue.next(at(0)), None);
    assert_eq!((queue.looks_due(), queue.wake()), (0, Time::NEVER));
}

#[test]
fn a_host_that_changes_takes_what_waits_along() {
    let mut queue = queue(1, 512, 0, &[refresh(0, 10), refresh(0, 20)]);
    assert_eq!(taken(&mut queue, 0), [0]);
    assert!(queue.enter(1, "n", &host(1)));
    assert!(!queue.enter(1, "n", &host(1)));
    assert_eq!(taken(&mut queue, 0), [1]);
}

#[test]
fn a_host_queue_is_forgotten_with_its_last_entry_and_its_last_request() {
    let mut queue = queue(1, 512, 0, &[refresh(0, 10)]);
    assert_eq!(taken(&mut queue, 0), [0]);
    queue.enter(0, "n", &host(1));
    assert_eq!(
        queue.host_queues().count(),
        2,
        "its request is still under way"
    );
    queue.remove(0);
    assert_eq!(queue.host_queues().count(), 0);
    assert_eq!(queue.in_flight(), (0, 0));
}
