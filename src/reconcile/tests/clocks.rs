//! A clock that is set while a request is under way.

use super::*;

const DAY: i64 = 86_400;

impl Inner {
    /// The time by a clock that is never set.
    pub(super) fn real(&self) -> Time {
        self.now - self.chained.ahead
    }

    /// The wall clock is set.
    fn set_clock(&mut self, by: Span) {
        self.now = self.now + by;
        self.chained.ahead = self.chained.ahead + by;
    }

    /// The wall clock is set where a test says so.
    pub(super) fn may_jump(&mut self) {
        match self.jump.take() {
            Some((0, by)) => self.set_clock(by),
            Some((more, by)) => self.jump = Some((more - 1, by)),
            None => {}
        }
    }
}

#[test]
fn a_clock_that_is_set_during_a_request_changes_nothing_about_the_lifetime() {
    for by in [DAY, -DAY, 7000, -7000, 300, -300] {
        let scene = Scene::new(&Spec::default());
        scene.inner().jump = Some((0, span(by)));
        scene.walk(true);
        let inner = scene.inner();
        let state = inner.secrets["token"].state().unwrap();
        let left = state.expires().since(inner.now);
        assert!(span(3598) <= left && left <= span(3600), "{by}: {left}");
        assert_eq!(inner.requests, 1);
    }
}
