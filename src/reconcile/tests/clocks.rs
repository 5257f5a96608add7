//! Random histories in which the clocks of provider, operator and its replicas differ by up to a day, and are set while requests are
//! under way: times of two machines are never compared, only durations on one of them.
//!
//! Real time is the clock that nobody has: `now` of the simulation is the wall clock of the machine that runs the operator.
//! The API server's clock has no part in any decision, so it does not occur.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::family::{Sent, cases};
use super::*;

/// Sets by more than a lifetime are noticed within this time after that lifetime (`CLOCK_TOLERANCE` of the decision).
const TOLERANCE: i64 = 60;
const DAY: i64 = 86_400;

/// A provider that keeps a book of its tokens, by real time.
#[derive(Clone, Debug)]
pub(super) struct Book {
    /// The lifetime of a token in seconds.
    life: i64,
    /// Until so many seconds are left, it returns the same token.
    window: i64,
    /// How far its own clock is ahead.
    ahead: Span,
    /// Each answer also names the end of the token by its clock.
    names_end: bool,
    /// A token that is returned again comes without a lifetime.
    tells_once: bool,
    /// When each token really ends.
    ends: BTreeMap<String, Time>,
    last: Option<String>,
    /// What was published: the real time, the token, and what is left of it according to its state.
    published: Vec<(Time, String, Span)>,
    /// When, by real time, the operator's clock was set, or another machine took over.
    sets: Vec<Time>,
}

impl Inner {
    /// The time by a clock that is never set.
    pub(super) fn real(&self) -> Time {
        self.now - self.family.ahead
    }

    /// The wall clock is set.
    fn set_clock(&mut self, by: Span) {
        let real = self.real();
        self.now = self.now + by;
        self.family.ahead = self.family.ahead + by;
        if let Some(book) = &mut self.book {
            book.sets.push(real);
        }
    }

    /// The wall clock is set where the history says so.
    pub(super) fn may_jump(&mut self) {
        match self.jump.take() {
            Some((0, by)) => self.set_clock(by),
            Some((more, by)) => self.jump = Some((more - 1, by)),
            None => {}
        }
    }

    /// The answer of a provider with a book.
    pub(super) fn by_book(&mut self) -> Option<String> {
        let real = self.real();
        let book = self.book.as_mut()?;
        let again = book.last.clone().filter(|token| {
            let left = book.ends[token].since(real);
            book.window > 0 && left > span(book.window)
        });
        let is_again = again.is_some();
        let token = again.unwrap_or_else(|| format!("token-{}", book.ends.len() + 1));
        let end = *book
            .ends
            .entry(token.clone())
            .or_insert(real + span(book.life));
        book.last = Some(token.clone());
        let mut body = serde_json::json!({ "access_token": token });
        if !(is_again && book.tells_once) {
            body["expires_in"] = end.since(real).seconds().into();
        }
        if book.names_end {
            body["expires_at"] = (end + book.ahead).rfc3339().into();
        }
        Some(body.to_string())
    }

    /// Notes what was published.
    pub(super) fn note_in_book(&mut self, written: &SecretSeen) {
        let (real, now) = (self.real(), self.now);
        let token = written.data.get("access_token").and_then(Secret::expose);
        let token = token.map(str::to_owned);
        let left = written.state().map(|state| state.expires().since(now));
        if let Some(((book, token), left)) = self.book.as_mut().zip(token).zip(left) {
            book.published.push((real, token, left));
        }
    }
}

/// What happens to the clocks.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// The clock of the operator's machine is set by so many seconds.
    Set(i64),
    /// The same after so many operations of the next exchange.
    SetDuring(u32, i64),
    /// Another replica takes over, on a machine whose clock is so many seconds ahead.
    TakeOver(i64),
    /// The process starts anew.
    Restart,
    /// The provider's clock is set.
    Provider(i64),
}

/// Up to a day either way, often little.
fn shift() -> impl Strategy<Value = i64> {
    prop_oneof![-DAY..=DAY, -4000_i64..=4000, -120_i64..=120]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        shift().prop_map(Event::Set),
        (0_u32..4, shift()).prop_map(|(after, by)| Event::SetDuring(after, by)),
        shift().prop_map(Event::TakeOver),
        Just(Event::Restart),
        shift().prop_map(Event::Provider),
    ]
}

/// Events, and how many seconds after the one before each comes.
fn history() -> impl Strategy<Value = Vec<(i64, Event)>> {
    prop::collection::vec((1_i64..20_000, event()), 1..7)
}

impl Scene {
    fn happens(&self, event: Event) {
        let mut inner = self.inner();
        match event {
            Event::Set(by) => inner.set_clock(span(by)),
            Event::SetDuring(after, by) => inner.jump = Some((after, span(by))),
            Event::TakeOver(ahead) => {
                let by = span(ahead) - inner.family.ahead;
                inner.set_clock(by);
                inner.family.machine += 1;
                drop(inner);
                self.restart();
            }
            Event::Restart => {
                drop(inner);
                self.restart();
            }
            Event::Provider(by) => {
                if let Some(book) = &mut inner.book {
                    book.ahead = book.ahead + span(by);
                }
            }
        }
    }

    /// Reconciles until a real time as the driver does, which notices a clock that was set. `watch` sees from when to when, by real
    /// time, nothing is done.
    fn live(&self, until: Time, mut watch: impl FnMut(&Inner, Time, Time)) {
        let mut permit = true;
        for _ in 0..3000 {
            let before = self.inner().family.ahead;
            let reconciled = self.reconcile(permit);
            let (now, ahead) = {
                let inner = self.inner();
                (inner.now, inner.family.ahead)
            };
            let (mut then, with_permit) = next(reconciled, now, permit).unwrap();
            if ahead != before {
                then = then.min(now + span(30));
            }
            permit = with_permit;
            let stop = until + ahead;
            let mut inner = self.inner();
            let (from, to) = (inner.real(), then.min(stop) - ahead);
            watch(&inner, from, to.max(from));
            inner.now = then.min(stop).max(now + Span::from_millis(1));
            if then >= stop {
                return;
            }
        }
        panic!("a hot loop");
    }
}

/// How many requests are enough for so many seconds in which no clock is set.
fn enough(book: &Book, seconds: i64) -> f64 {
    let (life, seconds) = (book.life as f64, seconds as f64);
    let lead = crate::schedule::usual_lead(span(book.life)).seconds() as f64;
    match book.window {
        0 => (seconds / (life - 1.2 * lead)).ceil() + 2.0,
        window => {
            let tokens = (seconds / (life - window as f64)).ceil() + 1.0;
            tokens * ((life / window as f64).log2() + 3.0)
        }
    }
}

/// What a change of a clock costs at most: two requests, and with a cache the halving of what is left of a token, which starts
/// again.
fn after_a_change(book: &Book) -> f64 {
    match book.window {
        0 => 2.0,
        window => 2.0 + (book.life as f64 / window as f64).log2(),
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_lifetime_counts_from_its_request_whatever_the_clocks_say(
        life in 200_i64..20_000, part in 0_i64..4, names_end in any::<bool>(), tells_once in any::<bool>(),
        first in shift(), provider in shift(), history in history(),
    ) {
        let scene = Scene::new(&Spec::default());
        let book = Book {
            life,
            // A provider that caches until between a half and an eighth is left, and at least a minute.
            window: if part == 0 { 0 } else { (life >> part).max(60) },
            ahead: span(provider),
            names_end,
            // Without a lifetime, what the provider names is the end by its own clock.
            tells_once: tells_once && !names_end,
            ends: BTreeMap::new(),
            last: None,
            published: Vec::new(),
            sets: Vec::new(),
        };
        scene.inner().book = Some(book.clone());
        scene.happens(Event::TakeOver(first));
        let mut wrong: Vec<String> = Vec::new();
        let mut most = 2.0;
        let end = [(life + TOLERANCE + 3600, None)];
        let steps = history.iter().map(|(after, event)| (*after, Some(*event))).chain(end);
        for (after, event) in steps {
            let begins = scene.inner().real();
            scene.live(begins + span(after), |inner, from, to| {
                let book = inner.book.as_ref().unwrap();
                let Some((published, token, _)) = book.published.last() else {
                    return;
                };
                let late = to.since(book.ends[token].max(from));
                // Two seconds for the exchange that is due at the end itself.
                if late <= span(2) {
                    return;
                }
                // A token of a clock that counts no more is replaced at the latest when its whole life is over, and so is one
                // whose answer did not say how much of it was left.
                let set = book.sets.last().copied().unwrap_or(at(0));
                let is_of_this_clock = *published > set && !book.tells_once;
                if is_of_this_clock || from.since(set) > span(life + TOLERANCE + 30) {
                    wrong.push(format!("{token} of {published} was expired for {late} at {to}, and the clock was set at {set}"));
                }
            });
            let elapsed = scene.inner().real().since(begins).seconds();
            most += enough(&book, elapsed) + after_a_change(&book);
            if let Some(event) = event {
                scene.happens(event);
            }
        }
        let inner = scene.inner();
        let book = inner.book.as_ref().unwrap();
        for (at, token, left) in &book.published {
            // Its times were right until the moment in which it was written.
            if book.sets.contains(at) {
                continue;
            }
            let really = match book.tells_once {
                // No answer says how much is left of a token that is returned again, so no more than its whole life is.
                true => span(book.life),
                false => book.ends[token].since(*at),
            };
            if *left > really + span(1) {
                wrong.push(format!("{token} was published at {at} with {left} left, and has {really}"));
            }
        }
        prop_assert_eq!(wrong, Vec::<String>::new());
        let requests = f64::from(inner.requests);
        prop_assert!(requests <= most, "{} requests, at most {}", requests, most);
    }

    #[test]
    fn no_clock_costs_a_refresh_token(
        fates in prop::collection::vec(prop::sample::select(vec![
            Sent::Answered, Sent::Answered, Sent::Unsent, Sent::Unavailable, Sent::Lost, Sent::CrashBefore, Sent::CrashAfter,
        ]), 0..8),
        first in shift(), history in history(),
    ) {
        let scene = Scene::family("  grant: {type: refresh_token}\n", None);
        {
            let mut inner = scene.inner();
            inner.family.access_life = 900;
            inner.family.life = Some(30_000);
            // The provider forgives any single loss. After two in a row the refresh token is not sent again, by design.
            inner.family.grace = span(7200);
            let loses = |fate: &Sent| matches!(fate, Sent::Lost | Sent::CrashBefore | Sent::CrashAfter);
            let fates = fates.into_iter().flat_map(|fate| match loses(&fate) {
                true => vec![fate, Sent::Answered],
                false => vec![fate],
            });
            inner.family.requests = fates.collect();
        }
        scene.happens(Event::TakeOver(first));
        for (after, event) in history.into_iter().chain([(20_000, Event::Restart)]) {
            let begins = scene.inner().real();
            // A machine that is replaced while a request of its is under way.
            scene.live(begins + span(after.min(4000)), |_, _, _| {});
            scene.happens(event);
        }
        scene.calm();
        let begins = scene.inner().real();
        scene.live(begins + span(8000), |_, _, _| {});
        let ready = scene.condition("Ready");
        prop_assert_eq!(ready.as_ref().map(|(ready, _)| *ready), Some(true), "{:?} {:?}", ready, scene.condition("Stalled"));
        let inner = scene.inner();
        prop_assert!(!inner.family.arrived.is_empty());
        let timeout = inner.resource.as_ref().unwrap().spec.as_ref().unwrap().timeout;
        for pair in inner.family.sent_at.windows(2) {
            let ((token, by, at), (other, later_by, later)) = (&pair[0], &pair[1]);
            let apart = later.since(*at);
            prop_assert!(
                token != other || by == later_by || apart >= timeout,
                "{} was sent by two processes within {}", token, apart
            );
        }
        drop(inner);
        prop_assert!(scene.most_often() <= 2);
    }
}

#[test]
fn a_clock_that_is_set_during_a_request_changes_nothing_about_the_lifetime() {
    for by in [DAY, -DAY, 7000, -7000, 300, -300] {
        let scene = Scene::new(&Spec::default());
        scene.inner().jump = Some((0, span(by)));
        scene.reconcile(true);
        let inner = scene.inner();
        let state = inner.secrets["token"].state().unwrap();
        let left = state.expires().since(inner.now);
        assert!(span(3598) <= left && left <= span(3600), "{by}: {left}");
        assert_eq!(inner.requests, 1);
    }
}
