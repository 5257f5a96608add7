//! A sentence for every rule of the order.

mod model;

use super::lanes::CAUTION;
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

/// A queue whose lanes and bounds are as given, all entries in lane 0.
fn queue(slots: u32, requests: usize, looks: usize, plans: &[Option<Request>]) -> Queue {
    let mut queue = Queue::new(Limits {
        token_requests: requests,
        looks,
        lane_slots: slots,
        lane_ahead: 0,
    });
    for (id, plan) in (0..).zip(plans) {
        queue.enter(id, &host(0));
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
    queue.enter(2, &host(0));
    queue.plan(2, request(10, Order::First), Time::NEVER);
    assert_eq!(queue.next(at(20)), None);
    assert_eq!((queue.depth(Class::Refresh), queue.wake()), (1, at(110)));
    assert_eq!(queue.next(at(110)), None);
    assert_eq!(
        (queue.depth(Class::Refresh), queue.depth(Class::Urgent)),
        (0, 1)
    );
    queue.plan(0, None, Time::NEVER);
    queue.done(0, LaneReport::Succeeded);
    assert_eq!(taken(&mut queue, 110), [1]);
}

#[test]
fn a_full_lane_never_holds_up_another_one() {
    let mut queue = queue(2, 512, 0, &[refresh(0, 10); 5]);
    queue.enter(9, &host(1));
    queue.plan(9, request(0, Order::Retry), Time::NEVER);
    assert_eq!(taken(&mut queue, 0), [0, 1, 9]);
}

#[test]
fn a_lane_has_one_slot_after_a_time_out_until_a_request_succeeds() {
    let mut queue = queue(3, 512, 0, &[refresh(0, 10); 12]);
    assert_eq!(taken(&mut queue, 0), [0, 1, 2]);
    let finish = |queue: &mut Queue, id, report| {
        queue.plan(id, None, Time::NEVER);
        queue.done(id, report);
        taken(queue, 0)
    };
    assert_eq!(finish(&mut queue, 0, LaneReport::TimedOut), [0; 0]);
    assert_eq!(finish(&mut queue, 1, LaneReport::Failed), [0; 0]);
    assert_eq!(
        finish(&mut queue, 2, LaneReport::Failed),
        [3],
        "one at a time"
    );
    assert_eq!(finish(&mut queue, 3, LaneReport::Failed), [4]);
    assert_eq!(finish(&mut queue, 4, LaneReport::Unused), [5]);
    assert_eq!(finish(&mut queue, 5, LaneReport::Succeeded), [6, 7, 8]);
}

#[test]
fn work_is_begun_ahead_while_the_host_gives_tokens() {
    let mut queue = Queue::new(Limits {
        lane_slots: 2,
        lane_ahead: 3,
        ..Limits::default()
    });
    for id in 0..200 {
        queue.enter(id, &host(0));
        queue.plan(id, refresh(0, 10), Time::NEVER);
    }
    let finish = |queue: &mut Queue, id, report| {
        queue.plan(id, None, Time::NEVER);
        queue.done(id, report);
        taken(queue, 0)
    };
    assert_eq!(taken(&mut queue, 0), [0, 1], "nothing is known of it");
    assert_eq!(
        finish(&mut queue, 0, LaneReport::Succeeded),
        [2, 3, 4, 5],
        "two that ask, three ahead"
    );
    assert_eq!(finish(&mut queue, 1, LaneReport::Succeeded), [6]);
    // One waited too long for its turn: no more than those that ask, until many requests have succeeded.
    assert_eq!(finish(&mut queue, 6, LaneReport::HeldUp), [0; 0]);
    for id in 2..5 {
        let next = finish(&mut queue, id, LaneReport::Succeeded);
        assert_eq!(next.len(), usize::from(id == 4), "{id}");
    }
    let mut ahead = None;
    for id in (5..200).filter(|id| *id != 6) {
        let next = finish(&mut queue, id, LaneReport::Succeeded);
        if next.len() > 1 {
            ahead = Some((id, next.len()));
            break;
        }
    }
    // Three succeeded before these, from 5 on, one number of which is that of the one held up.
    let last = 5 + CAUTION - 3;
    assert_eq!(ahead, Some((last, 4)));
}

#[test]
fn the_bound_over_all_lanes_holds_until_work_is_done_not_only_answered() {
    let mut queue = queue(8, 3, 0, &[refresh(0, 10); 6]);
    assert_eq!(taken(&mut queue, 0), [0, 1, 2]);
    queue.answered(0, LaneReport::Succeeded);
    assert_eq!(taken(&mut queue, 0), [0; 0]);
    queue.plan(0, None, Time::NEVER);
    queue.done(0, LaneReport::Unused);
    assert_eq!(taken(&mut queue, 0), [3]);
}

#[test]
fn looks_need_no_slot_and_have_a_bound_of_their_own() {
    let mut queue = queue(1, 1, 2, &[None; 3]);
    queue.enter(9, &host(0));
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
    assert!(queue.enter(1, &host(1)));
    assert!(!queue.enter(1, &host(1)));
    assert_eq!(taken(&mut queue, 0), [1]);
}

#[test]
fn a_lane_is_forgotten_with_its_last_entry_and_its_last_request() {
    let mut queue = queue(1, 512, 0, &[refresh(0, 10)]);
    assert_eq!(taken(&mut queue, 0), [0]);
    queue.enter(0, &host(1));
    assert_eq!(queue.lanes().count(), 2, "its request is still under way");
    queue.remove(0);
    assert_eq!(queue.lanes().count(), 0);
    assert_eq!(queue.in_flight(), (0, 0));
}
