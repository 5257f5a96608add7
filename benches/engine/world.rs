//! What befalls the operator: restarts, clocks that jump, people who edit.

use oauthclient_operator::engine::{CredentialsFacts, Engine, Event};
use oauthclient_operator::time::Time;

use super::{Sim, SimEvent, memory};

const HOUR: i64 = 3_600_000;

impl Sim {
    pub(super) fn plan_world(&mut self) {
        let end = self.scale.hours * HOUR;
        let mut restart = 7 * HOUR;
        while restart < end {
            self.at(restart, SimEvent::Restart);
            restart += self.draws.between(5 * HOUR, 9 * HOUR);
        }
        if self.scale.jump != 0 {
            self.at(end / 3, SimEvent::Clock(self.scale.jump));
            self.at(end / 3 + HOUR, SimEvent::Clock(0));
        }
        let meddling = self.scale.resources as i64 / 10;
        for _ in 0..meddling {
            let time = self.draws.between(HOUR, end);
            self.at(time, SimEvent::Meddle);
        }
    }

    /// A new engine from what is persisted, told in lists of random order, and nothing but that.
    pub(super) fn rebuild(&mut self) {
        self.epoch += 1;
        self.checks.disturbed(self.now);
        let wall = self.wall();
        for item in &mut self.items {
            item.forget_what_is_not_persisted(wall);
        }
        self.engine = Engine::default();
        let before = memory::held();
        self.engine = Engine::new(self.scale.limits);
        let tokens_first = self.draws.next().is_multiple_of(2);
        for pass in 0..3 {
            for id in 0..self.items.len() as u32 {
                let item = &self.items[id as usize];
                let cause = match (pass, tokens_first) {
                    (0, true) | (2, false) => match item.token {
                        Some(token) => Event::Token(Some(token)),
                        None => continue,
                    },
                    (1, _) => Event::Credentials(Some(CredentialsFacts {
                        version: item.credentials,
                    })),
                    _ => Event::Resource(item.facts(&self.names)),
                };
                self.engine.changed(&Self::key(id), cause, wall);
            }
        }
        self.engine.ready(wall);
        let held = memory::held().wrapping_sub(before);
        self.checks
            .measured(held, self.engine.bytes(), self.items.len());
        self.judged_from_facts_alone(wall);
    }

    /// Promise 5: a restart makes nothing due that is not due by what is persisted.
    fn judged_from_facts_alone(&mut self, wall: Time) {
        for id in 0..self.items.len() as u32 {
            let wanted = self.items[id as usize].wanted(wall);
            let view = self.engine.record(&Self::key(id));
            let due = view.is_some_and(|view| view.request <= wall);
            if due && wanted > wall {
                self.checks.violation(format!(
                    "promise 5: {id} is due after a restart at {wall}, wanted only at {wanted}: {:?}", self.items[id as usize]
                ));
            }
        }
    }

    pub(super) fn set_clock(&mut self, offset: i64) {
        self.offset = offset;
        self.checks.was_ahead |= offset > 0;
        self.clock += 1;
        self.checks.disturbed(self.now);
        for item in &mut self.items {
            item.excuse(2);
            item.check.not_before = 0;
            item.check.never_before = 0;
            item.check.recover_by = None;
        }
    }

    /// One of the things people and other programs do to one resource.
    pub(super) fn meddle(&mut self) {
        let id = self.draws.between(0, self.items.len() as i64) as u32;
        let (wall, key) = (self.wall(), Self::key(id));
        let item = &mut self.items[id as usize];
        let cause = match self.draws.next() % 6 {
            0 => {
                item.generation += 1;
                item.inputs += 1;
                item.excuse(1);
                Event::Resource(item.facts(&self.names))
            }
            1 => {
                item.refresh_request += 1;
                item.excuse(1);
                Event::Resource(item.facts(&self.names))
            }
            2 if item.token.is_some() => {
                item.token = None;
                item.excuse(1);
                Event::Token(None)
            }
            3 => {
                // Only the Secret's metadata changed.
                item.credentials += 1;
                if let Some(attempt) = &mut item.attempt {
                    let failed = (item.inputs, item.credentials);
                    attempt.inputs =
                        oauthclient_operator::engine::attempt_inputs(failed.0, failed.1);
                }
                Event::Credentials(Some(CredentialsFacts {
                    version: item.credentials,
                }))
            }
            4 => {
                // An edit that sends nothing else.
                item.generation += 1;
                Event::Resource(item.facts(&self.names))
            }
            _ => Event::Look,
        };
        self.engine.changed(&key, cause, wall);
    }
}
